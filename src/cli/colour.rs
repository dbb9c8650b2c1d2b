//! Whether to use colours: what was asked for, what the environment says, what is at the other end.

use clap::ValueEnum;
use std::env;
use std::io::IsTerminal;

/// When to use colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Colour {
    /// Whether to use colours on `stream`.
    pub fn on(self, stream: &impl IsTerminal) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
                let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
                // https://no-color.org and https://bixense.com/clicolors
                !set("NO_COLOR") && (set("CLICOLOR_FORCE") || (stream.is_terminal() && !dumb))
            }
        }
    }
}
