//! What operators have said of a key, as far as it still holds.

use super::identity::Identity;
use crate::heap;
use crate::record::Statement;
use serde::{Deserialize, Serialize};

/// Most of each kind that is kept of one key; the oldest give way.
const KEPT_MAX: usize = 32;
/// What a suppression is about where it is not a detector: incidents, and everything.
pub const INCIDENT: &str = "incident";
const ALL: &str = "all";

/// What operators have said of one key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Said {
    expected: Vec<Expected>,
    quiet: Vec<Quiet>,
    verdicts: Vec<Verdict>,
}

/// Somebody new is expected.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Expected {
    /// In seconds: from when until when.
    from: i64,
    until: i64,
    /// With this client and from this network, where they were told.
    client: Option<u64>,
    network: Option<u32>,
}

/// Something is not told.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Quiet {
    what: Box<str>,
    from: i64,
    until: i64,
}

/// What an incident is.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Verdict {
    incident: Box<str>,
    is_theft: bool,
    reason: Box<str>,
}

/// A statement, in words of this layer.
pub struct Saying<'a> {
    pub statement: Statement,
    /// In seconds: when it was said, and until when it holds.
    pub at: i64,
    pub until: i64,
    /// What it is about, and why.
    pub about: &'a str,
    pub reason: &'a str,
    /// Whom it is about, where it says.
    pub identity: &'a Identity,
}

impl Said {
    /// Takes a statement.
    pub fn take(&mut self, saying: &Saying<'_>) {
        let Saying { statement, at, until, about, reason, identity } = *saying;
        self.forget(at);
        match statement {
            Statement::Annotate => {
                let client = (identity.client != 0).then_some(identity.client);
                let network = identity.place.map(|place| place.network);
                keep(&mut self.expected, Expected { from: at, until, client, network });
            }
            Statement::Suppress => {
                self.quiet.retain(|quiet| *quiet.what != *about);
                if until > at {
                    keep(&mut self.quiet, Quiet { what: about.into(), from: at, until });
                }
            }
            Statement::Revoke => {}
            Statement::Confirm | Statement::Dismiss => {
                self.verdicts.retain(|verdict| *verdict.incident != *about);
                let is_theft = statement == Statement::Confirm;
                keep(&mut self.verdicts, Verdict { incident: about.into(), is_theft, reason: reason.into() });
            }
        }
    }

    /// Forgets what no longer holds. A day more is kept: records come late.
    fn forget(&mut self, at: i64) {
        let since = at - 86_400;
        self.expected.retain(|expected| expected.until > since);
        self.quiet.retain(|quiet| quiet.until > since);
    }

    /// Whether somebody like this was expected then.
    pub fn expects(&self, at: i64, identity: &Identity) -> bool {
        self.expected.iter().any(|expected| {
            (expected.from..expected.until).contains(&at)
                && expected.client.is_none_or(|client| client == identity.client)
                && expected
                    .network
                    .is_none_or(|network| identity.place.is_some_and(|place| place.network == network))
        })
    }

    /// Whether such a thing was not to be told then: a detector's verdict, or an incident.
    pub fn is_quiet(&self, what: &str, at: i64) -> bool {
        self.quiet.iter().any(|quiet| {
            (*quiet.what == *what || *quiet.what == *ALL) && (quiet.from..quiet.until).contains(&at)
        })
    }

    /// Whether an incident was said to be none.
    pub fn is_dismissed(&self, incident: &str) -> bool {
        self.verdict(incident).is_some_and(|verdict| !verdict.is_theft)
    }

    /// Whether an incident was said to be a theft.
    pub fn is_confirmed(&self, incident: &str) -> bool {
        self.verdict(incident).is_some_and(|verdict| verdict.is_theft)
    }

    /// Why it is what it is.
    pub fn reason(&self, incident: &str) -> &str {
        self.verdict(incident).map_or("", |verdict| &verdict.reason)
    }

    fn verdict(&self, incident: &str) -> Option<&Verdict> {
        self.verdicts.iter().find(|verdict| *verdict.incident == *incident)
    }

    /// All memory, in bytes.
    pub fn bytes(&self) -> usize {
        let texts = self.quiet.iter().map(|quiet| quiet.what.len());
        let verdicts =
            self.verdicts.iter().flat_map(|verdict| [verdict.incident.len(), verdict.reason.len()]);
        heap::vector::<Self>(1)
            + heap::vector::<Expected>(self.expected.capacity())
            + heap::vector::<Quiet>(self.quiet.capacity())
            + heap::vector::<Verdict>(self.verdicts.capacity())
            + texts.chain(verdicts).filter(|length| *length > 0).map(heap::allocated).sum::<usize>()
    }
}

fn keep<T>(list: &mut Vec<T>, new: T) {
    if list.len() >= KEPT_MAX {
        list.remove(0);
    }
    list.push(new);
}
