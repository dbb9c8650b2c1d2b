//! Takes back what was done.

use super::action::{Change, Provider, Standing};
use super::book::{Book, Known};
use super::caller::{Caller, Fault, Signed};
use super::deed::{Deed, Step};
use super::journal::{Journal, JournalError};
use super::message::message;
use crate::config::{ContainPlan, RulePlan};
use crate::engine::clock::now;
use crate::net::trust::TrustError;
use std::sync::Arc;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

/// Why something is not undone.
#[derive(Debug, Error)]
pub enum UndoError {
    /// Nothing is called so.
    #[error("nothing that was done has an id that begins with `{0}`; `keyhound contain list` shows all")]
    Unknown(String),
    /// Several things are.
    #[error("{0} things that were done have an id that begins with `{1}`; give more of it")]
    Several(usize, String),
    /// There is nothing to undo.
    #[error("nothing is to be undone: its last step is `{0}`")]
    NotDone(&'static str),
    /// Nobody can.
    #[error("what `{0}` does cannot be undone")]
    Irreversible(String),
    /// Nobody knows how.
    #[error(
        "rule `{0}` with the action `{1}` is not in the configuration any more; where it is and whose key it has is needed to undo it"
    )]
    NoRule(String, String),
    /// Somebody has changed it since.
    #[error("{0}")]
    Changed(String),
    /// It failed.
    #[error("it could not be undone: {0}")]
    Fault(#[from] Fault),
    /// Whom to believe is not known.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What is to be undone.
pub struct Undone {
    /// What was done.
    pub deed: Deed,
    /// By which rule.
    pub rule: Arc<RulePlan>,
    /// What will be done, in words.
    pub words: String,
    caller: Caller,
    revision: u32,
}

/// What was done that has an id beginning like this, if it can be undone.
pub fn undoable(plan: &ContainPlan, book: &Book, id: &str) -> Result<Undone, UndoError> {
    let id = id.to_ascii_lowercase();
    let all: Vec<&Known> = book.all().filter(|known| known.last.id.starts_with(&id)).collect();
    let known = match all[..] {
        [] => return Err(UndoError::Unknown(id)),
        [one] => one,
        _ => return Err(UndoError::Several(all.len(), id)),
    };
    let last = &known.last;
    let is_done = matches!(last.step, Step::Done | Step::Intended | Step::UndoIntended | Step::UndoFailed);
    let deed = known.intended.as_ref().filter(|_| is_done).ok_or(UndoError::NotDone(last.step.label()))?;
    let rule = plan.rules.iter().find(|rule| rule.name == deed.rule && rule.action.name == deed.action);
    let rule = rule.ok_or_else(|| UndoError::NoRule(deed.rule.clone(), deed.action.clone()))?;
    if !rule.is_reversible {
        return Err(UndoError::Irreversible(deed.action.clone()));
    }
    let words = words(rule, deed);
    Ok(Undone {
        caller: Caller::new(rule, &CancellationToken::new())?,
        deed: deed.clone(),
        rule: Arc::clone(rule),
        words,
        revision: last.revision.saturating_add(1),
    })
}

fn words(rule: &RulePlan, deed: &Deed) -> String {
    let key = &deed.about.hint;
    let place = rule.shown();
    match (rule.action.provider, rule.action.change) {
        (Provider::Webhook, _) => format!("tell {place} to undo what rule {} asked for {key}", rule.name),
        (_, Change::Limit) => match deed.before.as_ref().and_then(|before| before.limit).flatten() {
            Some(limit) => format!("set the limit of {key} at {place} back to ${limit:.2}"),
            None => format!("take the limit of {key} at {place} away again: it had none"),
        },
        _ => format!("switch {key} on again at {place}: it works from then on, for whoever has it"),
    }
}

impl Undone {
    /// Whether it still stands as it was left; asks, and changes nothing. `false`: somebody has undone it already.
    pub async fn stands(&self) -> Result<bool, UndoError> {
        let action = self.rule.action;
        let Some(call) = action.ask(&self.deed.provider_key) else { return Ok(true) };
        let reply = self.caller.ask(&call, None).await?;
        let now = action.standing(&reply.body).map_err(Fault::Unexpected)?;
        if action.change != Change::Limit {
            return Ok(now.is_off == Some(true));
        }
        if now.limit == self.deed.before.as_ref().and_then(|before| before.limit) {
            return Ok(false);
        }
        match (now.limit.flatten(), self.deed.limit) {
            (Some(is), Some(set)) if same(is, set) => Ok(true),
            (is, set) => Err(UndoError::Changed(format!(
                "the limit is {} now and was set to {}: somebody has changed it since, and it is left as it is",
                dollars(is),
                dollars(set)
            ))),
        }
    }
}

#[allow(clippy::float_cmp, reason = "the same number, told twice")]
fn same(one: f64, other: f64) -> bool {
    one == other
}

fn dollars(limit: Option<f64>) -> String {
    limit.map_or_else(|| "none".to_owned(), |limit| format!("${limit:.2}"))
}

/// Undoes it; each step is written down before the next. What is told is what came of it.
pub async fn undo(undone: &Undone, journal: &Journal) -> Result<String, UndoError> {
    let Undone { deed, rule, caller, .. } = undone;
    let step = |step, number, words: String| Deed {
        step,
        revision: undone.revision + number,
        at: now(),
        description: words,
        answer: None,
        answered_at: None,
        is_revocation: false,
        refusal: None,
        ..deed.clone()
    };
    if !undone.stands().await? {
        let words = format!("rule {}: somebody has undone it already", rule.name);
        journal.append_now(&step(Step::Undone, 0, words.clone()))?;
        return Ok(words);
    }
    journal.append_now(&step(
        Step::UndoIntended,
        0,
        format!("rule {}: about to {}", rule.name, undone.words),
    ))?;
    let limit = deed.before.as_ref().and_then(|before| before.limit).flatten();
    let mut call = rule.action.undo(&deed.provider_key, limit);
    let id = format!("{}-undo", deed.id);
    let signed =
        (rule.action.provider == Provider::Webhook).then(|| Signed { idempotency_key: &id, now: now() });
    if signed.is_some() {
        call.body = Some(message(rule, &deed.about, &deed.id, "undo"));
    }
    match caller.ask(&call, signed).await {
        Ok(reply) => {
            let words = format!("rule {}: undone, answered {}", rule.name, reply.status);
            let done = step(Step::Undone, 1, words.clone());
            journal.append_now(&Deed { answer: Some(reply.status), answered_at: reply.date, ..done })?;
            Ok(words)
        }
        Err(fault) => {
            let words = format!("rule {}: could not be undone: {fault}", rule.name);
            let failed = step(Step::UndoFailed, 1, words);
            journal.append_now(&Deed { answer: fault.status(), ..failed })?;
            Err(fault.into())
        }
    }
}

impl Standing {
    /// In a few words.
    pub fn words(&self) -> String {
        let on = self.is_off.map(|off| if off { "off" } else { "on" });
        let limit = self.limit.map(|limit| format!("limit {}", dollars(limit)));
        on.map(str::to_owned).into_iter().chain(limit).collect::<Vec<_>>().join(", ")
    }
}
