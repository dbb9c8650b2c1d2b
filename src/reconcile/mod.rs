//! Own logs against the provider's usage against its invoice: what differs, where, by how many dollars, and why.
//!
//! Records are added up as they pass, one cell for each key, day and model, and what is kept is bounded by the number of
//! cells; whatever finds no room is one more cell. Then two roles at a time are compared by what both of them tell, and each
//! difference is explained by arithmetic that anybody can repeat, or stays unexplained. The residuals of all rows add up to
//! the difference of the totals.
//!
//! Nothing here depends on the order of records or files.

mod bill;
mod book;
mod cause;
mod compare;
mod day_shift;
mod export;
mod names;
mod once;
mod sums;
mod text;

pub use bill::{Amount, BillError, BillMaps, Decimals, Header, Line, ROW_BYTES_MAX, Rates};
pub use book::{Book, Limits};
pub use cause::Cause;
pub use compare::{By, Comparison, Row, Settings, Tolerance, compare};
pub use export::{csv, json, markdown};
pub use names::{KeyNames, NamesError};
pub use sums::{Side, Sums};
pub use text::text;
pub(crate) use text::{count, money, short, thousands, wrapped};

/// What a record is taken for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// What your own gateway, proxy or program has written down.
    Logs,
    /// What the provider says was used.
    Usage,
    /// What the provider or the cloud bills.
    Invoice,
}

impl Role {
    /// All of them, in the order in which money goes.
    pub const ALL: [Self; 3] = [Self::Logs, Self::Usage, Self::Invoice];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Usage => "usage",
            Self::Invoice => "invoice",
        }
    }
}

/// Both roles of each comparison that can be made where these are there.
pub fn pairs(is_there: [bool; Role::ALL.len()]) -> Vec<(Role, Role)> {
    use Role::{Invoice, Logs, Usage};
    let has = |role: Role| is_there[role as usize];
    // Usage knows tokens: what it explains need not be guessed from dollars alone.
    let all = [(Logs, Usage, true), (Usage, Invoice, true), (Logs, Invoice, !has(Usage))];
    all.into_iter()
        .filter(|(left, right, wanted)| *wanted && has(*left) && has(*right))
        .map(|(left, right, _)| (left, right))
        .collect()
}
