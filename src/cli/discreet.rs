//! What is told to people, without secrets: the names of files, settings and arguments may hold some.

use crate::key::KeyNamer;
use crate::normalise::Redactor;
use crate::normalise::redact::{BUILTIN, parse_patterns};
use std::io::{self, Write};
use std::sync::OnceLock;

/// A text without the secrets in it.
pub fn clean(text: &str) -> String {
    static REDACTOR: OnceLock<Option<Redactor>> = OnceLock::new();
    let make = || Redactor::new(parse_patterns(BUILTIN).ok()?, KeyNamer::new("")).ok();
    // Patterns that do not compile are told by `check`; whoever cannot see secrets says nothing.
    REDACTOR.get_or_init(make).as_ref().map_or_else(String::new, |redactor| redactor.clean(text.as_bytes()))
}

/// Standard error, for what is written to it message by message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let clean = clean(&String::from_utf8_lossy(message));
        io::stderr().lock().write_all(clean.as_bytes()).map(|()| message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
