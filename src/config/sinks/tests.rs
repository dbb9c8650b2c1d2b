//! What sinks may be told, and what is said where they may not.

use super::*;
use crate::detect::Severity;
use crate::encode::examples::{alert, incident as example};
use crate::incident::{Incident, Phase};
use crate::shard::Event;
use std::fs;

fn planned(text: &str) -> Result<SinkPlan, String> {
    let config: SinkConfig = toml::from_str(text).map_err(|error| error.to_string())?;
    SinkPlan::new("x", &["sinks", "x"], &config).map_err(|error| error.to_string())
}

#[test]
fn mistakes_are_told_with_place_and_remedy() {
    for (text, told) in [
        ("", "`sinks.x.type`: is missing; http, alertmanager, syslog,"),
        ("type = \"slak\"", "`sinks.x.type`: no sink is called `slak`; there are http,"),
        ("type = \"http\"", "`sinks.x.type`: a sink of the type `http` needs `url` or `url_file`"),
        ("type = \"syslog\"", "a sink of the type `syslog` needs `address`"),
        (
            "type = \"slack\"\nurl = \"https://h/\"",
            "`sinks.x.url`: a sink of the type `slack` has no such setting",
        ),
        ("type = \"syslog\"\naddress = \"h\"", "`sinks.x.address`: `h` is none; `host:port` is expected"),
        ("type = \"syslog\"\naddress = \"h:1\"\nprotocol = \"tpc\"", "is `tpc`; udp, tcp or tls is expected"),
        (
            "type = \"syslog\"\naddress = \"h:1\"\nfacility = 24",
            "`sinks.x.facility`: is 24; 0 to 23 is expected",
        ),
        (
            "type = \"syslog\"\naddress = \"h:1\"\nencoding = \"markdown\"",
            "`markdown` is none of those that it carries: json, ocsf,",
        ),
        ("type = \"syslog\"\naddress = \"h:1\"\nhostname = \"a b\"", "`sinks.x.hostname`: has up to 255"),
        ("type = \"file\"\npath = \"a\"\nevents = []", "`sinks.x.events`: nothing goes there"),
        (
            "type = \"file\"\npath = \"a\"\nevents = [\"alerts\"]",
            "`alerts` is none; alert, incident, containment is expected",
        ),
        (
            "type = \"file\"\npath = \"a\"\nclasses = [\"theft\"]",
            "`theft` is none; compromise, operational, exposure, evasion is",
        ),
        (
            "type = \"file\"\npath = \"a\"\nseverity_min = \"worst\"",
            "`worst` is none; low, medium, high, critical is",
        ),
        (
            "type = \"file\"\npath = \"a\"\nstatuses = [\"over\"]",
            "`over` is none; open, final, withdrawn, confirmed, resolved, dismissed is",
        ),
        (
            "type = \"http\"\nurl = \"https://h/\"\nhosts = [\"i\"]",
            "`sinks.x.url`: its host is none of those that are allowed: i",
        ),
        (
            "type = \"http\"\nurl = \"https://h/\"\ntoken_scheme = \"bearer\"",
            "is `bearer`; Bearer, Basic, ApiKey, Splunk is expected",
        ),
        (
            "type = \"elasticsearch\"\nurl = \"https://h/\"\nindex = \"A/b\"",
            "`sinks.x.index`: a name has lower-case",
        ),
        ("type = \"http\"\nurl_file = \"credential:../x\"", "the name of a credential has no slash"),
        ("type = \"http\"\nurl_file = \"credential:x\"", "there are no credentials here"),
    ] {
        let error = planned(text).map(|_| ()).unwrap_err();
        assert!(error.contains(told), "{error}\n{told}");
    }
    for (name, is_good) in
        [("siem", true), ("s-1_x", true), ("post", false), ("", false), ("../x", false), ("A", false)]
    {
        assert_eq!(check_name(name).is_ok(), is_good, "{name}");
    }
}

#[test]
fn an_address_in_a_file_is_as_good_as_its_host() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hook");
    let text = format!("type = \"slack\"\nurl_file = {:?}", path.display().to_string());
    for (address, told) in [
        ("https://hooks.slack.com/services/EXAMPLE", None),
        ("https://elsewhere.example/EXAMPLE", Some("its host is none of those that are allowed")),
        ("EXAMPLE", Some("is no address")),
    ] {
        fs::write(&path, address).unwrap();
        match (planned(&text), told) {
            (Ok(plan), None) => assert!(!plan.shown().contains("EXAMPLE"), "{}", plan.shown()),
            (Err(error), Some(told)) => {
                assert!(error.contains(told) && !error.contains("EXAMPLE"), "{error}");
            }
            (planned, _) => panic!("{address}: {:?}", planned.map(|_| ())),
        }
    }
}

#[test]
fn routes_take_what_they_say() {
    let route = |text: &str| planned(&format!("type = \"file\"\npath = \"a\"\n{text}")).unwrap().route;
    // A high alert and a critical incident, both open and of a compromise.
    let (alert, incident) = (Event::Alert(alert()), Event::Incident(example()));
    for (text, takes) in [
        ("", (true, true)),
        ("events = [\"incident\"]", (false, true)),
        ("severity_min = \"critical\"", (false, true)),
        ("classes = [\"operational\", \"compromise\"]", (true, true)),
        ("classes = [\"evasion\"]", (false, false)),
        ("statuses = [\"open\"]", (true, true)),
        ("statuses = [\"resolved\", \"final\"]", (false, false)),
    ] {
        let route = route(text);
        assert_eq!((route.takes(&alert), route.takes(&incident)), takes, "{text}");
    }
    // Where something was opened it has to be ended, however mild it has become.
    let over = Event::Incident(Incident { phase: Phase::Resolved, severity: Severity::Low, ..example() });
    for (kind, takes) in [("alertmanager", true), ("http", false)] {
        let text =
            format!("type = \"{kind}\"\nurl = \"http://h/\"\nseverity_min = \"high\"\nstatuses = [\"open\"]");
        assert_eq!(planned(&text).unwrap().route.takes(&over), takes, "{kind}");
    }
}
