//! `keyhound reload`: have a run read its configuration again.

use super::{Failure, exit, print};
use crate::encode::Visible;
use crate::engine::reload::{CONTROL, ask};
use anyhow::anyhow;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct ReloadArgs {
    /// Where the run listens: what its `--control` says
    #[arg(long, value_name = "SOCKET", default_value = CONTROL)]
    control: PathBuf,
}

pub(super) fn main(args: &ReloadArgs) -> Result<ExitCode, Failure> {
    match ask(&args.control) {
        Ok(Ok(told)) => print(&format!("{}\n", Visible(&told))),
        Ok(Err(told)) => {
            Err(Failure::new(exit::CONFIG, anyhow!("{told}; the configuration stays as it was")))
        }
        Err(error) => {
            let path = args.control.display();
            Err(Failure::new(
                exit::UNAVAILABLE,
                anyhow!("{path}: {error}; does a run listen there (`--control`)?"),
            ))
        }
    }
}
