//! Verifying a pack: that nothing in it was changed, added, taken away or put in another order since it was sealed.

use super::index::{Archive, Found};
use super::key::PublicKey;
use super::line::Proof;
use super::manifest::{Entry, Manifest};
use super::original::{self, Signed};
use super::tree::Tree;
use super::{LINE_MAX, MANIFEST, MANIFEST_MAX, ORIGINAL, PROOF, PUBLIC_KEY, PackError, SIGNATURE, SUMS, hex};
use std::io::{BufRead, Read};
use std::path::Path;

/// Faults that are told.
const FAULTS_MAX: usize = 100;
/// Numbers of lines that are told of one entry.
const LINES_TOLD: usize = 20;

/// What came of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EntryState {
    /// It is what was put there.
    Sound,
    /// Its lines are those that were put there; of some, parts are unreadable.
    Redacted {
        /// How many lines.
        lines: u64,
        /// The first of them, counted from 1.
        first: Vec<u64>,
    },
    /// It was in the original, and was left out.
    Withheld,
}

/// What came of a pack.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The SHA-256 of the manifest.
    pub manifest: String,
    /// Who signed it.
    pub signed_by: Option<PublicKey>,
    /// Of a redacted pack: the SHA-256 of the original manifest, and who signed that.
    pub original: Option<(String, Option<PublicKey>)>,
    /// Entries, in their order, with their length and number of lines.
    pub entries: Vec<(String, u64, Option<u64>, EntryState)>,
    /// What is wrong; nothing where the pack is sound.
    pub faults: Vec<String>,
}

impl Verdict {
    fn fault(&mut self, fault: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    /// Who vouches for the evidence: of a redacted pack, whoever signed the original.
    pub fn signer(&self) -> Option<PublicKey> {
        self.original.as_ref().map_or(self.signed_by, |(_, signer)| *signer)
    }
}

/// Verifies the pack in a file; `Err` where it cannot be read as one at all.
pub fn check(path: &Path) -> Result<Verdict, PackError> {
    let archive = match Archive::open(path) {
        Err(PackError::Damaged(fault)) => return Ok(broken(fault)),
        archive => archive?,
    };
    let signed = match original::manifest(&archive, path, "") {
        Err(PackError::Damaged(fault)) => return Ok(broken(fault)),
        signed => signed?,
    };
    let mut verdict = Verdict {
        manifest: signed.sha256.clone(),
        signed_by: signed.by,
        original: None,
        entries: Vec::new(),
        faults: Vec::new(),
    };
    own(&archive, path, &signed, &mut verdict)?;
    entries(&archive, path, &signed.manifest, &mut verdict)?;
    match original::of_redacted(&archive, path, &signed.manifest) {
        Ok(None) => strangers(&signed.manifest, &mut verdict),
        Ok(Some(original)) => same_as_original(&signed.manifest, &original, &mut verdict),
        Err(PackError::Damaged(fault)) => verdict.fault(fault),
        Err(PackError::NoPack(fault)) => verdict.fault(format!("of the original: {fault}")),
        Err(error) => return Err(error),
    }
    Ok(verdict)
}

fn broken(fault: String) -> Verdict {
    Verdict {
        manifest: String::new(),
        signed_by: None,
        original: None,
        entries: Vec::new(),
        faults: vec![fault],
    }
}

/// The archive holds what the manifest tells, in its order, and then the pack's own entries.
fn own(archive: &Archive, path: &Path, signed: &Signed, verdict: &mut Verdict) -> Result<(), PackError> {
    let manifest = &signed.manifest;
    let mut expected: Vec<&str> = manifest.entries.iter().map(|entry| entry.name.as_str()).collect();
    expected.extend([MANIFEST, SUMS]);
    if signed.by.is_some() {
        expected.extend([PUBLIC_KEY, SIGNATURE]);
    }
    let found: Vec<&str> = archive.entries.iter().map(|entry| entry.name.as_str()).collect();
    for name in found.iter().filter(|name| !expected.contains(name)) {
        verdict.fault(format!("{name} is in the archive and not in the manifest"));
    }
    for name in expected.iter().filter(|name| !found.contains(name)) {
        verdict.fault(format!("{name} is missing"));
    }
    if verdict.faults.is_empty() && found != expected {
        verdict.fault("the entries do not stand in the order of the manifest".to_owned());
    }
    let text = manifest.text()?;
    let sums = archive.bytes(path, SUMS, MANIFEST_MAX)?;
    if sums.is_some_and(|sums| sums != manifest.sums(&text)) {
        verdict.fault(format!("{SUMS} is not the list of what the manifest tells"));
    }
    Ok(())
}

fn entries(
    archive: &Archive,
    path: &Path,
    manifest: &Manifest,
    verdict: &mut Verdict,
) -> Result<(), PackError> {
    for entry in &manifest.entries {
        let Some(found) = archive.find(&entry.name) else { continue };
        if found.bytes != entry.bytes || hex(&found.sha256) != entry.sha256 {
            verdict.fault(format!("{} is not what was put there", entry.name));
            continue;
        }
        match lines(archive, path, (entry, found)) {
            Ok(state) => {
                let count = entry.lines.as_ref().map(|lines| lines.count);
                verdict.entries.push((entry.name.clone(), entry.bytes, count, state));
            }
            Err(PackError::Damaged(fault)) => verdict.fault(format!("{}: {fault}", entry.name)),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The lines of an entry, if it has any, held against their proofs and the root.
fn lines(archive: &Archive, path: &Path, (entry, found): (&Entry, &Found)) -> Result<EntryState, PackError> {
    let Some(told) = &entry.lines else { return Ok(EntryState::Sound) };
    let mut tree = Tree::default();
    let (mut redacted, mut first) = (0, Vec::new());
    each_line(archive, path, found, |_, proof, (_, hidden), leaf| {
        tree.push(leaf);
        if hidden > 0 || !matches!(proof, Proof::Whole(_)) {
            redacted += 1;
            if first.len() < LINES_TOLD {
                first.push(tree.leaves);
            }
        }
        Ok(())
    })?;
    if tree.leaves != told.count || Some(tree.root()) != told.hash() {
        return Err(PackError::Damaged("its lines do not make up its root".to_owned()));
    }
    Ok(if redacted == 0 { EntryState::Sound } else { EntryState::Redacted { lines: redacted, first } })
}

/// Calls `each` with every line of an entry, its proof, its number of unreadable members, and its leaf.
pub(super) fn each_line(
    archive: &Archive,
    path: &Path,
    found: &Found,
    mut each: impl FnMut(&[u8], &Proof, (u64, usize), super::tree::Hash) -> Result<(), PackError>,
) -> Result<(), PackError> {
    let proof = archive.find(&format!("{}{PROOF}", found.name));
    let proof = proof.ok_or_else(|| PackError::Damaged("the proofs of its lines are missing".to_owned()))?;
    let (mut lines, mut proofs) = (archive.reader(path, found)?, archive.reader(path, proof)?);
    let (mut line, mut proof) = (Vec::new(), Vec::new());
    let mut number = 0;
    loop {
        let (is_line, is_proof) = (next(&mut lines, &mut line)?, next(&mut proofs, &mut proof)?);
        if !is_line && !is_proof {
            return Ok(());
        }
        number += 1;
        let wrong = || PackError::Damaged(format!("line {number} and its proof do not fit"));
        let text = std::str::from_utf8(&proof).map_err(|_| wrong())?;
        let proof = Proof::read(text)
            .filter(|proof| is_line && is_proof && proof.text().trim_end() == text)
            .ok_or_else(wrong)?;
        let (leaf, hidden) = proof.leaf(&line).ok_or_else(wrong)?;
        each(&line, &proof, (number, hidden), leaf)?;
    }
}

/// Calls `each` with every line of an entry, its number from 1 on; `false` where there is no such entry. What the lines are
/// worth says [`check`].
pub fn each_row(
    path: &Path,
    name: &str,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), PackError>,
) -> Result<bool, PackError> {
    let archive = Archive::open(path)?;
    let Some(found) = archive.find(name) else { return Ok(false) };
    let (mut reader, mut line, mut number) = (archive.reader(path, found)?, Vec::new(), 0);
    while next(&mut reader, &mut line)? {
        number += 1;
        each(number, &line)?;
    }
    Ok(true)
}

/// The next line without its line feed; no line ends without one.
pub(super) fn next(reader: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, PackError> {
    line.clear();
    reader.take(LINE_MAX as u64 + 2).read_until(b'\n', line)?;
    if line.is_empty() {
        return Ok(false);
    }
    if line.pop() != Some(b'\n') {
        return Err(PackError::Damaged("a line is too long or has no end".to_owned()));
    }
    Ok(true)
}

/// Without an original nothing is called as if there were one.
fn strangers(manifest: &Manifest, verdict: &mut Verdict) {
    for entry in manifest.entries.iter().filter(|entry| entry.name.starts_with(ORIGINAL)) {
        verdict.fault(format!("{} belongs to a redacted pack, which this is not", entry.name));
    }
    unredacted(verdict);
}

/// Only in a redacted pack something is unreadable.
fn unredacted(verdict: &mut Verdict) {
    let odd = verdict.entries.iter().find(|(.., state)| matches!(state, EntryState::Redacted { .. }));
    if let Some((name, ..)) = odd {
        let fault = format!("parts of {name} are unreadable, and no original is told of");
        verdict.fault(fault);
    }
}

/// Every entry is as it was, or its lines have the root that they had, or it was left out.
fn same_as_original(manifest: &Manifest, original: &Signed, verdict: &mut Verdict) {
    verdict.original = Some((original.sha256.clone(), original.by));
    let is_own = |name: &str| name.starts_with(ORIGINAL);
    for entry in &manifest.entries {
        let name = &entry.name;
        // Proofs change with their lines, and are verified with them.
        if is_own(name) || is_proof(manifest, name) {
            continue;
        }
        match original.manifest.entry(name) {
            None => verdict.fault(format!("{name} was not in the original")),
            Some(known) if known.sha256 == entry.sha256 && known.lines == entry.lines => {}
            Some(known) if known.lines.is_some() && known.lines == entry.lines => {}
            Some(_) => verdict.fault(format!("{name} is not what was in the original")),
        }
    }
    for entry in original.manifest.entries.iter().filter(|entry| manifest.entry(&entry.name).is_none()) {
        if !is_proof(&original.manifest, &entry.name) {
            let lines = entry.lines.as_ref().map(|lines| lines.count);
            verdict.entries.push((entry.name.clone(), entry.bytes, lines, EntryState::Withheld));
        }
    }
}

/// Whether an entry is the proofs of lines that are told of.
fn is_proof(manifest: &Manifest, name: &str) -> bool {
    name.strip_suffix(PROOF)
        .and_then(|lines| manifest.entry(lines))
        .is_some_and(|entry| entry.lines.is_some())
}
