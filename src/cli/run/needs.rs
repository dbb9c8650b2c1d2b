//! What a run needs of the system besides reading: all else it gives up before it starts.

use super::RunArgs;
use crate::config::{KeyFrom, ListenAt, Plan};
use crate::engine::Inputs;
use crate::engine::sandbox::{self, Needs, folder_of};
use clap::Args;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

#[derive(Debug, Args)]
pub(super) struct SandboxArgs {
    /// Keep all rights that the user has: without it, a run can write only where its outputs are, starts no other program,
    /// connects only where receivers are configured, and leaves no core file (SECURITY.md)
    #[arg(long)]
    no_sandbox: bool,
}

impl RunArgs {
    /// Whether it keeps all rights.
    pub(in crate::cli) fn keeps_rights(&self) -> bool {
        self.sandbox.no_sandbox
    }
}

/// Gives up what is not needed. No thread has been started yet; `inputs` are none where topics are read.
pub(super) fn enter(args: &RunArgs, plan: &Plan, inputs: Option<&Inputs>) {
    if args.keeps_rights() {
        return;
    }
    let in_force = sandbox::enter(&needs(args, plan, inputs));
    // Of what is over in a moment nobody asks.
    if args.state.is_some() || args.metrics.is_some() || inputs.is_none() {
        tracing::info!("sandbox: {in_force}");
    }
}

fn needs(args: &RunArgs, plan: &Plan, inputs: Option<&Inputs>) -> Needs {
    let differences = args.shadow.out();
    let files = [args.output.as_deref(), args.rejects.as_deref(), args.control.as_deref(), differences];
    let is_file = |kind: &str| kind == "file";
    let sinks = plan.sinks.iter().filter(|sink| is_file(sink.kind.name));
    let files = files.into_iter().flatten().chain(sinks.map(|sink| sink.config.path.as_path()));
    let mut folders: Vec<_> = files.map(folder_of).collect();
    if let Some(state) = &args.state {
        make(state);
        folders.push(state.clone());
    }
    let posted = match inputs {
        Some(Inputs::Posted(plan)) => match &plan.at {
            ListenAt::Address(address) => Some(*address),
            // It is open already.
            ListenAt::Systemd(_) => None,
        },
        _ => None,
    };
    let is_program = |key: &KeyFrom| matches!(key, KeyFrom::Command(_));
    let contain = plan.contain.iter().flat_map(|contain| &contain.rules);
    let api = plan.api.as_ref().and_then(|api| api.listen);
    Needs {
        folders,
        executes: matches!(inputs, Some(Inputs::Journal(_)))
            || plan
                .sources
                .iter()
                .map(|source| &source.key)
                .chain(contain.clone().map(|rule| &rule.key))
                .chain(plan.probes.iter().map(|probe| &probe.key))
                .any(is_program),
        ports: [args.metrics, api, posted].into_iter().flatten().map(|address| address.port()).collect(),
        connects: inputs.is_none()
            || !plan.sources.is_empty()
            || !plan.probes.is_empty()
            || contain.clone().next().is_some()
            || plan.sinks.iter().any(|sink| !is_file(sink.kind.name)),
    }
}

/// Makes the folder of the state, as whoever opens it would: afterwards there is no right to. What does not work is told
/// there.
fn make(folder: &Path) {
    let _ = DirBuilder::new().recursive(true).mode(0o700).create(folder);
}
