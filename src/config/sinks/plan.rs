//! A sink, checked.

use super::super::{ConfigError, credential};
use super::target::Target;
use super::{SinkConfig, email};
use crate::detect::{Class, Severity, Status};
use crate::encode::{self, Encoding};
use crate::incident::Phase;
use crate::net::address::{is_encrypted, is_here};
use crate::net::trust::Trust;
use crate::shard::Event;
use crate::sink::kind::{self, COMMON, Hears, Kind};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Which events go to a sink.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    events: Vec<&'static str>,
    classes: Vec<Class>,
    statuses: Vec<&'static str>,
    severity_min: Severity,
    /// What is open there has to be ended there, too.
    lasts: bool,
}

/// What may go there.
const EVENTS: [&str; 3] = ["alert", "incident", "containment"];

impl Route {
    fn hears(&self, event: &str) -> bool {
        self.events.contains(&event)
    }

    /// Whether this one does.
    pub fn takes(&self, event: &Event) -> bool {
        let (is_wanted, class, status, severity, is_over) = match event {
            Event::Alert(alert) => {
                let is_over = alert.status != Status::Open;
                (self.hears("alert"), alert.class, alert.status.label(), alert.severity, is_over)
            }
            Event::Incident(incident) => {
                let is_over = matches!(incident.phase, Phase::Resolved | Phase::Dismissed);
                (self.hears("incident"), incident.class, incident.phase.label(), incident.severity, is_over)
            }
            Event::Containment(deed) => {
                // What has a life there would never be ended: each step is told once.
                let is_wanted = self.hears("containment") && !self.lasts;
                (is_wanted, deed.about.class, deed.step.label(), deed.severity(), deed.is_over())
            }
            Event::Use(_) => return false,
        };
        let is_bad_enough =
            severity >= self.severity_min && (self.statuses.is_empty() || self.statuses.contains(&status));
        is_wanted
            && (self.classes.is_empty() || self.classes.contains(&class))
            // Less severe at its end than before, it would stay open there for ever.
            && (is_bad_enough || self.lasts && is_over)
    }
}

/// A sink, checked. Nothing of it is printed but [`SinkPlan::shown`]: paths and queries of webhooks are secrets.
pub struct SinkPlan {
    /// Its name.
    pub name: String,
    /// Its table in the configuration.
    pub place: String,
    /// What it is.
    pub kind: &'static Kind,
    /// How events are encoded; of a kind with a form of its own, nothing.
    pub encoding: &'static Encoding,
    /// Which events go there.
    pub route: Route,
    target: Target,
    /// The file with the token.
    pub token_file: Option<PathBuf>,
    /// How it is announced.
    pub scheme: &'static str,
    /// The file with the secret that requests are signed with.
    pub signature_file: Option<PathBuf>,
    /// The file with the password for a mail server.
    pub password_file: Option<PathBuf>,
    /// Certificates to trust instead of those of the system, in PEM.
    pub trusted: Option<String>,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// The longest pause between two attempts.
    pub retry_max: Duration,
    /// Events of one request.
    pub batch_max: usize,
    /// What only some kinds have, and what the others leave as it is.
    pub config: SinkConfig,
    hostname: String,
}

/// What tokens may be announced as.
const SCHEMES: [&str; 4] = ["Bearer", "Basic", "ApiKey", "Splunk"];
const PROTOCOLS: [&str; 3] = ["udp", "tcp", "tls"];

/// Checks one sink, of which messages speak by its place in the configuration.
struct Check<'a> {
    path: &'a [&'a str],
    config: &'a SinkConfig,
}

impl SinkPlan {
    /// Checks a sink; `path` is its table in the configuration.
    pub fn new(name: &str, path: &[&str], config: &SinkConfig) -> Result<Self, ConfigError> {
        let check = Check { path, config };
        let kind = check.kind()?;
        check.settings(kind)?;
        check.numbers()?;
        let encoding = check.encoding(kind)?;
        let place = path.join(".");
        let target = check.target(kind)?;
        let token_file = check.secret("token_file", &config.token_file)?;
        let signature_file = check.secret("signature_file", &config.signature_file)?;
        if token_file.is_some() {
            check.is_private(&target)?;
        }
        let trusted = check.certificates(kind, &target)?;
        Ok(Self {
            name: name.to_owned(),
            place,
            kind,
            encoding,
            route: check.route(kind)?,
            target,
            token_file,
            scheme: check.scheme(kind)?,
            signature_file,
            password_file: check.secret("password_file", &config.password_file)?,
            trusted,
            timeout: Duration::from_millis(config.timeout_ms.into()),
            retry_max: Duration::from_millis(config.retry_max_ms.into()),
            batch_max: (config.batch_alerts_max as usize).min(kind.batch_max),
            config: config.clone(),
            hostname: check.hostname()?,
        })
    }

    /// What may be shown of where it goes.
    pub fn shown(&self) -> String {
        match self.kind.name {
            "syslog" => format!("{}://{}", self.config.protocol, self.config.address),
            "email" => format!("smtp://{}", self.config.address),
            "file" => self.config.path.display().to_string(),
            _ => self.target.shown(),
        }
    }

    /// Where it goes now.
    pub async fn target(&self) -> Result<hyper::Uri, crate::sink::carrier::Answer> {
        self.target.now().await
    }

    /// Whether what it sends may be encrypted.
    pub fn may_encrypt(&self) -> bool {
        encrypts(self.kind, &self.config).unwrap_or_else(|| self.target.may_encrypt())
    }

    /// Whose certificates it believes.
    pub fn trust(&self) -> Trust<'_> {
        Trust { place: &self.place, trusted: self.trusted.as_deref(), may_encrypt: self.may_encrypt() }
    }

    /// What the machine is called.
    pub fn hostname(&self) -> &str {
        &self.hostname
    }

    /// What is heard of an event that has arrived.
    pub fn hears(&self) -> Hears {
        (self.kind.hears)(self)
    }

    /// What waits in an outbox is written in this form.
    pub fn form(&self) -> String {
        let encoding = if self.kind.encodings.is_empty() { "" } else { self.encoding.name };
        format!("{} {encoding}", self.kind.name).trim_end().to_owned()
    }
}

/// Whether a sink that has no address of the web is encrypted.
fn encrypts(kind: &Kind, config: &SinkConfig) -> Option<bool> {
    match kind.name {
        "syslog" => Some(config.protocol == "tls"),
        "email" => Some(config.encryption != "none"),
        _ => None,
    }
}

impl Check<'_> {
    fn refuse(&self, setting: &str, message: impl fmt::Display) -> ConfigError {
        let path: Vec<&str> = self.path.iter().copied().chain([setting]).collect();
        ConfigError::setting(&path, format!("`{}`: {message}", path.join(".")))
    }

    fn kind(&self) -> Result<&'static Kind, ConfigError> {
        let known = || kind::ALL.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
        kind::find(&self.config.kind).ok_or_else(|| match self.config.kind.as_str() {
            "" => self.refuse("type", format!("is missing; {} is expected", known())),
            other => self.refuse("type", format!("no sink is called `{other}`; there are {}", known())),
        })
    }

    /// What is set and the kind does not have would do nothing, and what it needs has to be set.
    fn settings(&self, kind: &Kind) -> Result<(), ConfigError> {
        let table = |config: &SinkConfig| toml::Table::try_from(config).unwrap_or_default();
        let (given, defaults) = (table(self.config), table(&SinkConfig::default()));
        let is_set = |name: &str| given.get(name) != defaults.get(name);
        for name in given.keys().filter(|name| is_set(name)) {
            if !COMMON.contains(&name.as_str()) && !kind.settings.contains(&name.as_str()) {
                return Err(
                    self.refuse(name, format!("a sink of the type `{}` has no such setting", kind.name))
                );
            }
        }
        for names in kind.required {
            let names: Vec<&str> = names.split('|').collect();
            if !names.iter().any(|name| is_set(name)) {
                let names = names.join("` or `");
                return Err(
                    self.refuse("type", format!("a sink of the type `{}` needs `{names}`", kind.name))
                );
            }
        }
        Ok(())
    }

    fn numbers(&self) -> Result<(), ConfigError> {
        for (name, value, min, max) in self.config.numbers() {
            if !(min..=max).contains(&value) {
                return Err(self.refuse(name, format!("is {value}; {min} to {max} is expected")));
            }
        }
        let index = &self.config.index;
        let is_index =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        if !index.bytes().all(is_index) || index.starts_with(['-', '_', '.']) {
            return Err(self.refuse("index", "a name has lower-case letters, digits, `-`, `_` and `.`"));
        }
        if !PROTOCOLS.contains(&self.config.protocol.as_str()) {
            let told = format!("is `{}`; udp, tcp or tls is expected", self.config.protocol);
            return Err(self.refuse("protocol", told));
        }
        let address = &self.config.address;
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
        if !address.is_empty() && port.is_none_or(|port| port.parse::<u16>().is_err()) {
            return Err(self.refuse("address", format!("`{address}` is none; `host:port` is expected")));
        }
        email::check(self.config).map_err(|(setting, what)| self.refuse(setting, what))
    }

    fn encoding(&self, kind: &Kind) -> Result<&'static Encoding, ConfigError> {
        let Some(usual) = kind.encodings.first() else { return Ok(encode::NATIVE) };
        let name = if self.config.encoding.is_empty() { usual } else { self.config.encoding.as_str() };
        let known = kind.encodings.contains(&name).then(|| encode::encoding(name)).flatten();
        known.ok_or_else(|| {
            let known = kind.encodings.join(", ");
            self.refuse("encoding", format!("`{name}` is none of those that it carries: {known}"))
        })
    }

    fn target(&self, kind: &Kind) -> Result<Target, ConfigError> {
        let hosts = match &self.config.hosts[..] {
            [] => kind.hosts.iter().map(ToString::to_string).collect(),
            hosts => hosts.to_vec(),
        };
        let (url, file) = (self.config.url.as_str(), &self.config.url_file);
        if !url.is_empty() && !file.as_os_str().is_empty() {
            return Err(self.refuse("url_file", "is given, and so is an address; one of them has to go"));
        }
        if let Some(path) = self.secret("url_file", file)? {
            let target =
                Target::File { path, hosts, is_private: !self.config.token_file.as_os_str().is_empty() };
            return target.check_file().map(|()| target).map_err(|what| self.refuse("url_file", what));
        }
        let url = if url.is_empty() { kind.url } else { url };
        if url.is_empty() {
            return Ok(Target::None);
        }
        Target::fixed(url, &hosts).map_err(|what| self.refuse("url", what))
    }

    /// A file with a secret, which has to be there; `credential:NAME` is one that systemd has laid out for the service.
    fn secret(&self, setting: &str, path: &Path) -> Result<Option<PathBuf>, ConfigError> {
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let path = credential(path).map_err(|what| self.refuse(setting, what))?;
        self.read(setting, &path).map(|_| Some(path))
    }

    fn read(&self, setting: &str, path: &Path) -> Result<String, ConfigError> {
        let told = |what: &dyn fmt::Display| self.refuse(setting, format!("`{}`: {what}", path.display()));
        let text = super::super::read_text(path).map_err(|error| told(&error))?;
        if text.trim().is_empty() {
            return Err(told(&"is empty"));
        }
        Ok(text)
    }

    fn is_private(&self, target: &Target) -> Result<(), ConfigError> {
        match target {
            Target::Fixed(url) if !is_encrypted(url) && !is_here(url) => Err(self.refuse(
                "token_file",
                "over http:// everybody on the way can read the token; the address has to be https://",
            )),
            _ => Ok(()),
        }
    }

    fn certificates(&self, kind: &Kind, target: &Target) -> Result<Option<String>, ConfigError> {
        if self.config.ca_file.as_os_str().is_empty() {
            return Ok(None);
        }
        if !encrypts(kind, self.config).unwrap_or_else(|| target.may_encrypt()) {
            let how = match kind.name {
                "syslog" => "the protocol is not tls",
                "email" => "the encryption is none",
                _ => "the address is not https://",
            };
            return Err(self.refuse("ca_file", format!("is given, but {how}")));
        }
        self.read("ca_file", &self.config.ca_file).map(Some)
    }

    fn scheme(&self, kind: &Kind) -> Result<&'static str, ConfigError> {
        if self.config.token_scheme.is_empty() {
            return Ok(kind.scheme);
        }
        let known = SCHEMES.iter().find(|scheme| **scheme == self.config.token_scheme);
        known.copied().ok_or_else(|| {
            self.refuse(
                "token_scheme",
                format!("is `{}`; {} is expected", self.config.token_scheme, SCHEMES.join(", ")),
            )
        })
    }

    fn route(&self, kind: &Kind) -> Result<Route, ConfigError> {
        let one_of = |setting: &str, name: &str, known: Vec<&'static str>| {
            let place = known.iter().position(|known| *known == name);
            place.ok_or_else(|| {
                self.refuse(setting, format!("`{name}` is none; {} is expected", known.join(", ")))
            })
        };
        let statuses = || {
            let phases = Phase::ALL.iter().map(|phase| phase.label());
            let mut all: Vec<&'static str> = Status::ALL.iter().map(|status| status.label()).collect();
            all.extend(phases.filter(|phase| *phase != Status::Open.label()));
            all
        };
        let mut events = Vec::new();
        for name in &self.config.events {
            events.push(EVENTS[one_of("events", name, EVENTS.to_vec())?]);
        }
        if events.is_empty() {
            let told = "nothing goes there; alert, incident, containment or several are expected";
            return Err(self.refuse("events", told));
        }
        let labels = Class::ALL.iter().map(|class| class.label()).collect::<Vec<_>>();
        let classes = self.config.classes.iter().map(|name| one_of("classes", name, labels.clone()));
        let wanted = self.config.statuses.iter().map(|name| one_of("statuses", name, statuses()));
        let severities = Severity::ALL.iter().map(|severity| severity.label()).collect();
        let severity = one_of("severity_min", &self.config.severity_min, severities)?;
        Ok(Route {
            events,
            classes: classes.map(|at| at.map(|at| Class::ALL[at])).collect::<Result<_, _>>()?,
            statuses: wanted.map(|at| at.map(|at| statuses()[at])).collect::<Result<_, _>>()?,
            severity_min: Severity::ALL[severity],
            lasts: kind.lasts,
        })
    }

    fn hostname(&self) -> Result<String, ConfigError> {
        let is_name = |name: &str| {
            !name.is_empty() && name.len() <= 255 && name.bytes().all(|byte| byte.is_ascii_graphic())
        };
        match self.config.hostname.as_str() {
            "" => {
                let name =
                    super::super::read_text(Path::new("/proc/sys/kernel/hostname")).unwrap_or_default();
                Ok(Some(name.trim()).filter(|name| is_name(name)).unwrap_or("-").to_owned())
            }
            name if is_name(name) => Ok(name.to_owned()),
            _ => Err(self.refuse("hostname", "has up to 255 letters, digits and signs of ASCII")),
        }
    }
}
