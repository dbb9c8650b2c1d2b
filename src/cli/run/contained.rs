//! Whether a run does something about keys by itself.

use super::RunArgs;
use crate::cli::{Failure, exit};
use crate::config::{ContainPlan, Plan};
use crate::engine::Inputs;
use anyhow::anyhow;
use std::sync::Arc;

/// What is done about keys by itself: as records come, never about those of files that lie there.
pub(super) fn of(args: &RunArgs, plan: &Plan, inputs: &Inputs) -> Result<Option<Arc<ContainPlan>>, Failure> {
    let Some(contain) = &plan.contain else { return Ok(None) };
    if matches!(inputs, Inputs::Files(_)) {
        tracing::warn!(
            "`[[contain]]` is not used: files that are read once tell of the past (docs/contain.md)"
        );
        return Ok(None);
    }
    if args.state.is_none() {
        let message = "`[[contain]]` is set, and there is no --state: what was done has to be remembered, so that it is neither forgotten nor repeated (docs/contain.md)";
        return Err(Failure::new(exit::CONFIG, anyhow!(message)));
    }
    if plan.shard.incidents.is_none() {
        tracing::warn!(
            "`[[contain]]` is set, and `incidents.enabled` is not: only what is an incident by itself can be contained"
        );
    }
    Ok(Some(Arc::clone(contain)))
}

/// With topics nothing is done: several processes share the keys.
#[cfg(feature = "kafka")]
pub(super) fn none(plan: &Plan) -> Result<(), Failure> {
    if plan.contain.is_none() {
        return Ok(());
    }
    let message = "`[[contain]]` is set, but with --kafka nothing is contained: several processes share the keys, and none knows how much the others do (docs/contain.md)";
    Err(Failure::new(exit::CONFIG, anyhow!(message)))
}
