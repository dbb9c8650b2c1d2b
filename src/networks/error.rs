//! What can be wrong with a table of networks.

use std::io;
use thiserror::Error;

/// A table of networks that cannot be used.
#[derive(Debug, Error)]
pub enum NetworksError {
    /// The device failed.
    #[error("{file}: {error}")]
    Read {
        /// The file.
        file: String,
        /// What the system says.
        error: io::Error,
    },
    /// An archive or a database that is not whole.
    #[error("{file}: is damaged or cut off ({what}); get it again")]
    Damaged {
        /// The file.
        file: String,
        /// What was found.
        what: String,
    },
    /// Something else than what is read here.
    #[error("{file}: {what}")]
    Kind {
        /// The file.
        file: String,
        /// What it is, and what to do.
        what: String,
    },
    /// A line that is none of a table.
    #[error(
        "{file}:{line}: {found} fields; first address, last address, AS number, country and AS name, with tabs \
         between, are expected (or first address, last address and country){hint}"
    )]
    Fields {
        /// The file.
        file: String,
        /// The line.
        line: u32,
        /// How many there are.
        found: usize,
        /// What it may be instead.
        hint: &'static str,
    },
    /// A field that cannot be.
    #[error("{file}:{line}: {field} is `{value}`; {wanted} is expected")]
    Field {
        /// The file.
        file: String,
        /// The line.
        line: u32,
        /// The field.
        field: &'static str,
        /// Its value, cut where it is long.
        value: String,
        /// What to write.
        wanted: &'static str,
    },
    /// A record of a database with a field that cannot be.
    #[error("{file}: {field} of {network} is `{value}`; {wanted} is expected")]
    Record {
        /// The file.
        file: String,
        /// Of which addresses.
        network: String,
        /// The field.
        field: &'static str,
        /// Its value, cut where it is long.
        value: String,
        /// What is right.
        wanted: &'static str,
    },
    /// A file without anything of use.
    #[error("{file}: no range with an AS number or a country in it; is it the right file?")]
    Empty {
        /// The file.
        file: String,
    },
    /// More than is kept in memory.
    #[error("{file}: {what}; is it the right file?")]
    TooLarge {
        /// The file.
        file: String,
        /// What there is too much of.
        what: String,
    },
}
