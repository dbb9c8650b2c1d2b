//! `keyhound run --shadow`: a second configuration beside the first.

use super::{Failure, check, exit};
use crate::config::{Config, read_text, untried};
use crate::encode::Visible;
use crate::engine::shadow::ShadowOptions;
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct ShadowArgs {
    /// Judge the same records by a second configuration as well, of which nobody is told; in what it differs is counted and
    /// shown at the end (docs/shadow.md)
    #[arg(long, value_name = "FILE")]
    shadow: Option<PathBuf>,
    /// Append each difference between the two to a file, one a line
    #[arg(long, value_name = "FILE", requires = "shadow")]
    shadow_out: Option<PathBuf>,
}

impl ShadowArgs {
    /// The file of differences, if there is one.
    pub(super) fn out(&self) -> Option<&Path> {
        self.shadow_out.as_deref()
    }

    /// What is tried beside `config`, if anything is.
    pub(super) fn options(&self, config: &Config) -> Result<Option<ShadowOptions>, Failure> {
        let Some(path) = &self.shadow else { return Ok(None) };
        let (other, plan) = check::load(Some(path))?;
        let name = path.display().to_string();
        // It was read a moment ago; without it, a mistake is told without its line.
        let text = read_text(path).unwrap_or_default();
        let idle =
            untried(config, &other, &name, &text).map_err(|error| Failure::new(exit::CONFIG, error))?;
        if !idle.is_empty() {
            tracing::info!(
                "shadow {}: {} differ as well and are not tried: it sends and shows nothing of its own",
                Visible(&name),
                idle.iter().map(|setting| format!("`{}`", Visible(setting))).collect::<Vec<_>>().join(", ")
            );
        }
        Ok(Some(ShadowOptions { plan, name, out: self.shadow_out.clone() }))
    }
}
