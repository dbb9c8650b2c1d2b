//! What a run reads, from its arguments.

use super::{RunArgs, files, no_input};
use crate::cli::{Failure, exit};
use crate::config::{Plan, ProbePlan};
use crate::engine::Inputs;
use crate::source::{self, expand};
use anyhow::anyhow;
use std::io::{self, IsTerminal};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where records come from.
pub(super) fn inputs(args: &RunArgs, poll: Duration, plan: &Plan) -> Result<Inputs, Failure> {
    let usage = |message: &str| Err(Failure::new(exit::USAGE, anyhow!("{message}")));
    if let Some(arguments) = &args.journal {
        return Ok(Inputs::Journal(arguments.split_ascii_whitespace().map(str::to_owned).collect()));
    }
    let stdin = args.inputs.iter().filter(|name| *name == "-").count();
    match (args.follow, &args.inputs[..]) {
        (true, []) => usage("--follow needs files; a pipe is followed anyway"),
        (true, _) if stdin > 0 => usage("--follow needs files; a pipe is followed anyway"),
        (true, names) => {
            let paths = expand(names, true).map_err(no_input)?;
            source::check_followed(&paths).map_err(no_input)?;
            Ok(Inputs::Follow { names: names.to_vec(), poll })
        }
        (false, []) if !plan.sources.is_empty() => Ok(Inputs::Pulled),
        // A terminal, or nothing: there is something to do all the same.
        (false, []) if !plan.probes.is_empty() && is_device() => Ok(Inputs::Pulled),
        (false, []) => {
            if io::stdin().is_terminal() {
                return usage("nothing to read: name files, or pipe records in (`keyhound run --help`)");
            }
            Ok(standard_input(args))
        }
        (false, [_]) if stdin == 1 => Ok(standard_input(args)),
        (false, _) if stdin > 0 => usage("`-` stands alone: standard input cannot be merged with files"),
        (false, _) if !plan.sources.is_empty() => usage(
            "`[sources]` are asked for ever, and files that are read once come to an end: follow them (--follow), or learn from \
             them first (--history)",
        ),
        (false, names) => files(names).map(Inputs::Files),
    }
}

/// Whether standard input is no pipe and no file.
pub(super) fn is_device() -> bool {
    std::fs::metadata(STDIN).is_ok_and(|found| found.file_type().is_char_device())
}

/// The canary prompts that are sent beside the inputs: none beside files, which are read once and come to an end.
pub(super) fn probes(inputs: &Inputs, plan: &Plan) -> Vec<Arc<ProbePlan>> {
    if let (Inputs::Files(_), false) = (inputs, plan.probes.is_empty()) {
        tracing::info!("`[probes]` rest while files are read once");
        return Vec::new();
    }
    plan.probes.clone()
}

/// Where standard input is found.
const STDIN: &str = "/dev/stdin";

/// Standard input. A file that was put there can be read again, which a pipe cannot.
pub(super) fn standard_input(args: &RunArgs) -> Inputs {
    match std::fs::metadata(STDIN) {
        Ok(found) if found.is_file() && args.state.is_some() => Inputs::Files(vec![PathBuf::from(STDIN)]),
        _ => Inputs::Stdin,
    }
}

/// The same in words.
pub(super) fn describe(inputs: &Inputs) -> String {
    match inputs {
        Inputs::Stdin => "standard input".to_owned(),
        Inputs::Files(paths) => match &paths[..] {
            [path] => path.display().to_string(),
            paths => format!("{} files", paths.len()),
        },
        Inputs::Journal(_) => "the journal".to_owned(),
        Inputs::Posted(plan) => format!("what is posted to {}", plan.at),
        Inputs::Pulled => "what is pulled".to_owned(),
        Inputs::Follow { names, .. } => names.join(" "),
    }
}
