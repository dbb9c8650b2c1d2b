//! Where a key has leaked: git repositories with all their history, files, archives and streams of text.
//!
//! What is found is never kept, only its fingerprint, its last four characters and its place. Nothing is asked of other
//! programs, and nothing of the network.

pub mod kinds;
pub mod judge;
pub mod forms;
pub mod matcher;
pub mod stream;
pub mod member;
pub mod remote;
pub mod finding;
pub mod files;
#[cfg(feature = "trace")]
pub mod git;
pub mod report;
#[cfg(feature = "trace")]
mod search;

pub use judge::Confidence;
pub use matcher::{Matcher, MatcherError, Query};
#[cfg(feature = "trace")]
pub use search::{Request, TraceError, trace};

use finding::Finding;
use remote::Remote;

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Leaked keys, the most urgent first.
    pub findings: Vec<Finding>,
    /// How many were less sure than was asked for.
    pub unsure: usize,
    /// How many stand only in objects to which nothing leads.
    pub unreachable: usize,
    /// What could not be searched, and why.
    pub troubles: Vec<String>,
    /// Repositories that were searched.
    pub repositories: u64,
    /// Their commits.
    pub commits: u64,
    /// Their objects.
    pub objects: u64,
    /// Files that were searched.
    pub files: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Remotes of the repositories.
    pub remotes: Vec<Remote>,
}
