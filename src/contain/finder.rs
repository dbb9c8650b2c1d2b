//! What the provider calls a key, and how it stands there. Nothing is done about a key of which that is not certain: what is
//! shown of it, its last four characters, is no proof.

use super::action::{Provider, Standing};
use super::caller::{Caller, Fault};
use super::deed::About;
use crate::config::{ContainPlan, RulePlan};
use crate::key::KeyNamer;

/// Pages of keys that are looked through, at most.
const PAGES_MAX: usize = 200;

/// A key as its provider has it.
#[derive(Clone, Debug)]
pub struct Found {
    /// What the provider calls it; empty for a webhook.
    pub id: String,
    /// How it stands.
    pub standing: Standing,
    /// There is none any more.
    pub is_gone: bool,
}

impl Found {
    /// A key that is no more.
    pub fn gone() -> Self {
        Self { id: String::new(), standing: Standing::default(), is_gone: true }
    }
}

/// Looks for keys.
pub struct Finder<'a> {
    /// The policy.
    pub plan: &'a ContainPlan,
    /// How keys are fingerprinted.
    pub namer: &'a KeyNamer,
    /// The rule for which it is.
    pub rule: &'a RulePlan,
    /// Who is asked.
    pub caller: &'a Caller,
}

impl Finder<'_> {
    /// The key of an incident; none where nobody knows what the provider calls it, or the provider does not know it.
    pub async fn find(&self, about: &About) -> Result<Option<Found>, Fault> {
        let action = self.rule.action;
        if action.provider == Provider::Webhook {
            return Ok(Some(Found { id: String::new(), standing: Standing::default(), is_gone: false }));
        }
        let id = match self.named(about) {
            Some(id) => id,
            None => match self.listed(about).await? {
                Some(id) => id,
                None => return Ok(None),
            },
        };
        let Some(call) = action.ask(&id) else { return Ok(None) };
        let reply = match self.caller.ask(&call, None).await {
            Err(Fault::Status { code: 404, .. }) => return Ok(None),
            reply => reply?,
        };
        let standing = action.standing(&reply.body).map_err(Fault::Unexpected)?;
        Ok(Some(Found { id, standing, is_gone: false }))
    }

    /// By the configuration, or by the records, which name some keys as their provider does.
    fn named(&self, about: &About) -> Option<String> {
        let provider = self.rule.action.provider;
        let key = about.key.to_string();
        let is_its =
            |text: &str| text == &*about.hint || text == key || !text.is_empty() && text == &*about.alias;
        let given = self.plan.names.iter().find(|named| named.provider == provider && is_its(&named.key));
        let id = match given {
            Some(named) => named.id.clone(),
            // What is shown is the whole name only where it has the same fingerprint.
            None if self.namer.id(about.hint.as_bytes()) == about.key
                && provider.check_id(&about.hint).is_ok() =>
            {
                about.hint.to_string()
            }
            None => return None,
        };
        match (provider, id.contains('/')) {
            (Provider::OpenAi, false) if self.rule.project.is_empty() || !id.starts_with("key_") => None,
            (Provider::OpenAi, false) => Some(format!("{}/{id}", self.rule.project)),
            _ => Some(id),
        }
    }

    /// Among the keys that the provider has, the one with the same fingerprint.
    async fn listed(&self, about: &About) -> Result<Option<String>, Fault> {
        for page in 1..=PAGES_MAX {
            let Some(call) = self.rule.action.list(page) else { return Ok(None) };
            let reply = self.caller.ask(&call, None).await?;
            let (ids, is_more) = self.rule.action.listed(page, &reply.body).map_err(Fault::Unexpected)?;
            let found = ids.into_iter().find(|id| {
                self.rule.action.provider.check_id(id).is_ok() && self.namer.id(id.as_bytes()) == about.key
            });
            if let Some(id) = found {
                return Ok(Some(id.to_owned()));
            }
            if !is_more {
                return Ok(None);
            }
        }
        Ok(None)
    }
}
