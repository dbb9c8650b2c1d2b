//! `email`: alerts as mails by SMTP, several of them in one where they come together, and no more than so many an hour.

mod mail;
mod smtp;

use super::carrier::{Answer, Batch, Carrier, Carrying, SinkError};
use super::kind::{Kind, acknowledges};
use super::message::Message;
use crate::config::SinkPlan;
use crate::encode::{View, Visible};
use crate::net::{secret, trust};
use crate::shard::Event;
use crate::time::Timestamp;
use mail::{Envelope, Note, compose};
use rustls::pki_types::ServerName;
use smtp::{Failed, Letter, Talk};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(super) const KIND: Kind = Kind {
    name: "email",
    summary: "mails to one or more addresses, by SMTP",
    settings: &[
        "address",
        "encryption",
        "username",
        "password_file",
        "ca_file",
        "from",
        "to",
        "hostname",
        "mails_per_hour_max",
    ],
    required: &["address", "from", "to"],
    encodings: &[],
    url: "",
    hosts: &[],
    scheme: "",
    batch_max: 100,
    lasts: false,
    hears: acknowledges,
    write,
    open: |plan, _| {
        let tls =
            plan.may_encrypt().then(|| trust::config(&plan.trust())).transpose().map_err(SinkError::from)?;
        let tls = tls.map(|config| TlsConnector::from(Arc::new(config)));
        Ok(Box::new(Email { plan: Arc::clone(plan), tls, sent: VecDeque::new() }))
    },
};

const HOUR: i64 = 3_600_000_000_000;

fn write(_: &SinkPlan, event: &Event, out: &mut Vec<u8>) {
    let Some(view) = View::of(event) else { return };
    let note = Note::of(view.id.clone(), view.key_hint, view.severity as u8, Message::of(&view));
    // What is made of texts and numbers can be written.
    out.extend_from_slice(&serde_json::to_vec(&note).unwrap_or_default());
}

struct Email {
    plan: Arc<SinkPlan>,
    tls: Option<TlsConnector>,
    /// When the mails of the last hour were sent.
    sent: VecDeque<Timestamp>,
}

impl Email {
    /// How many nanoseconds there is no room for another mail.
    fn rationed(&mut self, now: Timestamp) -> Option<i64> {
        let since = |sent: &Timestamp| now.0.saturating_sub(sent.0);
        // A clock that was put back must not close the door for longer than that.
        self.sent.retain(|sent| (0..HOUR).contains(&since(sent)));
        let is_full = self.sent.len() >= self.plan.config.mails_per_hour_max as usize;
        self.sent.front().filter(|_| is_full).map(|oldest| HOUR - since(oldest))
    }

    async fn attempt(&mut self, batch: &Batch, now: Timestamp) -> Answer {
        let per_hour = self.plan.config.mails_per_hour_max;
        if let Some(wait) = self.rationed(now) {
            let seconds = u64::try_from(wait / 1_000_000_000).unwrap_or(0) + 1;
            return Answer::Rationed { per_hour, seconds };
        }
        let is_last = self.sent.len() + 1 >= per_hour as usize;
        let remark = is_last.then(|| {
            let next = self.sent.front().map_or(now.0, |oldest| oldest.0).saturating_add(HOUR);
            let next = Timestamp(next - next.rem_euclid(1_000_000_000));
            format!(
                "This is the last of {per_hour} mails within an hour ({}.mails_per_hour_max): what comes before {next} waits until \
                 then, and comes together.",
                self.plan.place
            )
        });
        match tokio::time::timeout(self.plan.timeout, self.send(batch, now, remark)).await {
            Ok(Ok(refused)) => {
                self.sent.push_back(now);
                if !refused.is_empty() {
                    let told = format!("sink `{}`: not taken for {}", self.plan.name, refused.join(", "));
                    tracing::error!("{}; the others have it", Visible(&told));
                }
                Answer::Taken
            }
            Ok(Err(Failed::Said(answer))) => answer,
            Ok(Err(Failed::Io(error))) => {
                let text = error.to_string();
                Answer::Unreachable(format!("{text}{}", trust::advice(&self.plan.place, &text)))
            }
            Err(_) => Answer::TimedOut,
        }
    }

    async fn send(
        &self,
        batch: &Batch,
        now: Timestamp,
        remark: Option<String>,
    ) -> Result<Vec<String>, Failed> {
        let config = &self.plan.config;
        let password = match &self.plan.password_file {
            Some(path) => {
                let read = secret::read(path).await;
                Some(read.map_err(|why| Failed::Said(Answer::NoSecret("password_file", why)))?)
            }
            None => None,
        };
        let mail = compose(&Envelope { from: &config.from, to: &config.to, now, remark }, batch);
        let letter = Letter {
            hostname: self.plan.hostname(),
            login: password.as_deref().map(|password| (config.username.as_str(), password)),
            from: &config.from,
            to: &config.to,
            mail: &mail,
        };
        let stream = TcpStream::connect(&config.address).await?;
        let Some(tls) = &self.tls else { return Talk::greeted(stream).await?.deliver(&letter).await };
        let host = config.address.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        if config.encryption == "tls" {
            return Talk::greeted(tls.connect(name, stream).await?).await?.deliver(&letter).await;
        }
        let stream = Talk::greeted(stream).await?.start_tls(letter.hostname).await?;
        Talk::resumed(tls.connect(name, stream).await?).deliver(&letter).await
    }
}

impl Carrier for Email {
    fn carry<'a>(&'a mut self, batch: &'a Batch, now: Timestamp) -> Carrying<'a> {
        Box::pin(self.attempt(batch, now))
    }
}
