//! Evidence packs: one archive that says of every byte in it that it is what was put there, and of every line of a log that
//! it stood there, even after parts of it were made unreadable.
//!
//! # For callers
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use keyhound::pack::{SigningKey, Writer};
//!
//! let mut pack = Writer::create("case.tar".as_ref())?;      // must not exist
//! pack.add("report.md", b"# Report\n")?;                     // bytes
//! pack.add_from("usage.csv", &mut std::io::stdin().lock())?; // streamed
//! let mut lines = pack.add_lines("records.jsonl")?;          // records, one a line
//! lines.line(br#"{"timestamp":"2026-06-01T09:00:00Z","source_ip":"203.0.113.9"}"#)?;
//! lines.end()?;
//! let key = SigningKey::load("pack.key".as_ref())?;
//! let sealed = pack.finish(Some(&key))?;                     // or None: not signed
//! println!("{}", sealed.summary());
//! # Ok(())
//! # }
//! ```
//!
//! Names are relative, of letters, digits and `._-`, parted by `/`; each stands once. A pack that was not finished is none.
//! Lines hold whatever they like but line feeds; a JSON object without spaces between its members can later be made
//! unreadable member by member. [`check`] verifies a pack, [`redact`] makes parts of one unreadable.
//!
//! docs/evidence.md is the format, so that others can verify it without this program.

mod check;
mod index;
mod key;
mod line;
mod manifest;
mod original;
mod redact;
mod tar;
mod tree;
mod write;

pub use check::{EntryState, Verdict, check, each_row};
pub use key::{Fingerprint, KeyError, PublicKey, SigningKey};
pub use redact::{Proved, What, prove, redact};
pub use write::{Lines, Sealed, Writer};

use std::io;
use thiserror::Error;

/// What packs of this version call themselves.
pub const SCHEMA: &str = "keyhound.pack.v1";
/// What the pack says of itself.
const MANIFEST: &str = "manifest.json";
/// The same for `sha256sum -c`.
const SUMS: &str = "SHA256SUMS";
/// The signature of the manifest, and the key that made it.
const SIGNATURE: &str = "manifest.sig";
const PUBLIC_KEY: &str = "manifest.pub";
/// Behind the name of lines, where their salts are.
const PROOF: &str = ".proof";
/// Before the names of what a redacted pack keeps of the one it was made of.
const ORIGINAL: &str = "original/";
/// Entries of one pack.
const ENTRIES_MAX: usize = 10_000;
/// Longest manifest.
const MANIFEST_MAX: u64 = 16 << 20;
/// Longest line.
const LINE_MAX: usize = 16 << 20;
/// Most members of a line that are parted.
const MEMBERS_MAX: usize = 4096;

/// What goes wrong with a pack.
#[derive(Debug, Error)]
pub enum PackError {
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A name that could be taken for something else.
    #[error(
        "`{0}` cannot be the name of an entry: letters, digits and ._- in parts with / between, 80 characters at most, and each once"
    )]
    Name(String),
    /// More than fits.
    #[error("{0}")]
    TooMuch(&'static str),
    /// A line with a line feed in it.
    #[error("a line cannot have a line feed in it")]
    LineFeed,
    /// No pack, or one of another version.
    #[error("{0}")]
    NoPack(String),
    /// It is a pack, and something in it is not as it was.
    #[error("{0}")]
    Damaged(String),
}

/// Whether something may be called this: nothing that leads out of a folder, hides, or is told in two ways.
fn is_name(name: &str) -> bool {
    let is_part = |part: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !part.is_empty()
            && part.bytes().all(is_plain)
            && !part.starts_with(['.', '-'])
            && !part.ends_with('.')
    };
    name.len() <= tar::NAME_MAX && name.split('/').all(is_part)
}

/// Whether a caller may give this name: the others are the pack's own.
fn is_free(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let own = [MANIFEST, SUMS, SIGNATURE, PUBLIC_KEY].iter().any(|own| own.eq_ignore_ascii_case(name));
    is_name(name) && name.len() <= 80 && !own && !lower.ends_with(PROOF) && !lower.starts_with(ORIGINAL)
}

/// Sixty-four hexadecimal digits, or as many as there are bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of small hexadecimal digits.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for name in ["report.md", "a/b/c-1_2.jsonl", "A"] {
            assert!(is_free(name), "{name}");
        }
        for name in [
            "",
            "/etc/passwd",
            "../a",
            "a/../b",
            "a//b",
            "a/",
            ".hidden",
            "a/.b",
            "a\nb",
            "a b",
            "ü",
            "-rf",
            "a\\b",
            "C:",
            "manifest.json",
            "MANIFEST.json",
            "sha256sums",
            "manifest.sig",
            "a.proof",
            "original/x",
            "a.",
            "nul\0",
        ] {
            assert!(!is_free(name), "{name:?}");
        }
        assert!(!is_free(&"a".repeat(81)));
    }

    #[test]
    fn hexadecimal_digits_are_read_one_way() {
        assert_eq!(unhex::<2>("0aff"), Some([10, 255]));
        for wrong in ["0AFF", "0af", "0aff0", "0ag0", " aff"] {
            assert_eq!(unhex::<2>(wrong), None, "{wrong}");
        }
    }
}
