//! keyhound: see `keyhound --help`, or `src/lib.rs` for the map of the program.

use clap::Parser;
use keyhound::cli::{self, Cli};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let said = error.to_string();
            if cli::clean(&said) == said {
                let _ = error.print();
            } else {
                cli::tell(&said);
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(cli::exit::USAGE));
        }
    };
    cli::main(cli).unwrap_or_else(|failure| {
        cli::tell(&failure.to_string());
        ExitCode::from(failure.code)
    })
}
