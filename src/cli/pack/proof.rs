//! `keyhound verify --logs`: the requests of a pack, held against the logs that they were read from.

use super::{clean, failed};
use crate::cli::{Failure, exit};
use crate::encode::Visible;
use crate::investigate::{Proof, ProofError, prove as hold};
use crate::pack::Verdict;
use crate::source::SourceError;
use anyhow::Error;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;

/// Inputs that are named.
const NAMED_MAX: usize = 10;

/// Holds the requests against logs; a line that is another one is a fault of the pack.
pub(super) fn prove(pack: &Path, logs: &[String], verdict: &mut Verdict) -> Result<Proof, Failure> {
    let proof = hold(pack, logs).map_err(|error| match error {
        ProofError::Pack(error) => failed(pack, pack, error),
        ProofError::Log(error) => {
            let code = match &error {
                SourceError::Io { error, .. } if error.kind() == ErrorKind::NotFound => exit::NO_INPUT,
                SourceError::Io { .. } => exit::IO,
                SourceError::Archive { .. } => exit::DATA,
            };
            Failure::new(code, error)
        }
        ProofError::NoRows => Failure::new(exit::DATA, Error::new(error).context(pack.display().to_string())),
        ProofError::NoSource(..) | ProofError::Doubtful(..) => {
            Failure::new(exit::USAGE, Error::new(error).context("--logs"))
        }
    })?;
    for (source, line, row) in &proof.others {
        verdict.faults.push(format!("row {row} of requests.jsonl does not stand in line {line} of {source}"));
    }
    let more = proof.other.saturating_sub(proof.others.len() as u64);
    if more > 0 {
        verdict.faults.push(format!("nor do {more} more"));
    }
    Ok(proof)
}

/// What was proved, as a line or two.
pub(super) fn as_text(proof: &Proof) -> String {
    let mut text = format!(
        "  {} of {} requests stand in these logs as they were read; {} do not\n",
        proof.proved, proof.rows, proof.other
    );
    let elsewhere: u64 = proof.elsewhere.values().sum();
    if elsewhere > 0 {
        let names: Vec<String> = proof.elsewhere.keys().take(NAMED_MAX).map(|name| clean(name)).collect();
        let more = if proof.elsewhere.len() > NAMED_MAX { ", …" } else { "" };
        let names = names.join(", ");
        let _ = writeln!(text, "  {elsewhere} are of logs that were not given: {}{more}", Visible(&names));
    }
    if proof.unknown > 0 {
        let _ =
            writeln!(text, "  {} tell no line that could be looked for, or it is unreadable", proof.unknown);
    }
    text
}

/// The same for programs.
pub(super) fn as_json(proof: &Proof) -> Value {
    json!({
        "requests": proof.rows,
        "proved": proof.proved,
        "other": proof.other,
        "not_given": proof.elsewhere.iter().map(|(name, count)| (clean(name), *count)).collect::<std::collections::BTreeMap<_, _>>(),
        "unknown": proof.unknown,
    })
}
