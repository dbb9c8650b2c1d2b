//! Whether somebody who can do something about keys answers, asked for something that changes nothing.

use super::caller::{Caller, Fault};
use crate::config::RulePlan;

/// Asks once: the status of the answer, or none where nobody can be asked without something being done.
pub async fn probe(rule: &RulePlan, caller: &Caller) -> Result<Option<u16>, Fault> {
    let Some(call) = rule.action.probe(&rule.project) else { return Ok(None) };
    caller.ask(&call, None).await.map(|reply| Some(reply.status))
}
