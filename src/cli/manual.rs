//! Completions and the manual page, made from the command line's own description.

use super::Cli;
use clap::CommandFactory;
use std::io;

/// Completions for a shell.
pub fn completions(shell: clap_complete::Shell) -> String {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "keyhound", &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// The manual page, subcommands included.
pub fn page() -> io::Result<String> {
    let command = Cli::command().disable_help_subcommand(true);
    let mut out = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut out)?;
    for subcommand in command.get_subcommands() {
        let name = format!("keyhound {}", subcommand.get_name());
        let man = clap_mangen::Man::new(subcommand.clone().bin_name(name.clone()));
        out.extend_from_slice(format!(".SH \"{}\"\n", name.to_uppercase()).as_bytes());
        man.render_description_section(&mut out)?;
        man.render_synopsis_section(&mut out)?;
        man.render_options_section(&mut out)?;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}
