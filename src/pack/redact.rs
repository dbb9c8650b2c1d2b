//! Making parts of a pack unreadable, so that everything else can still be proved to be what it was.

use super::check::{check, each_line};
use super::index::Archive;
use super::line::{Proof, commitment, member_salt, members, placeholder};
use super::manifest::{Entry, Manifest};
use super::tree::Hash;
use super::write::{Sealed, Writer};
use super::{MANIFEST, ORIGINAL, PROOF, PUBLIC_KEY, PackError, SIGNATURE, SigningKey};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What is made unreadable.
#[derive(Clone, Debug, Default)]
pub struct What {
    /// Members of this name at the top level of lines, of all entries.
    pub fields: BTreeSet<String>,
    /// Whole lines, counted from 1, by entry.
    pub lines: BTreeMap<String, BTreeSet<u64>>,
    /// Entries that are left out.
    pub entries: BTreeSet<String>,
}

/// Writes a redacted pack. The one it is made of has to be sound; the new file must not exist.
pub fn redact(from: &Path, to: &Path, what: &What, key: Option<&SigningKey>) -> Result<Sealed, PackError> {
    let verdict = check(from)?;
    if let Some(fault) = verdict.faults.first() {
        return Err(PackError::Damaged(format!("it is not sound: {fault}")));
    }
    let archive = Archive::open(from)?;
    let manifest = super::original::manifest(&archive, from, "")?.manifest;
    missing(&manifest, what)?;
    let original = manifest.redacted_from.clone().unwrap_or(verdict.manifest);
    let out = std::io::BufWriter::new(std::fs::File::create_new(to)?);
    let mut pack = Writer::redacting(out, original);
    let is_lines = |name: &str| manifest.entry(name).is_some_and(|entry| entry.lines.is_some());
    for entry in &manifest.entries {
        let of = entry.name.strip_suffix(PROOF).filter(|lines| is_lines(lines));
        if of.is_some() || what.entries.contains(&entry.name) {
            continue;
        }
        let found =
            archive.find(&entry.name).ok_or_else(|| PackError::Damaged("an entry is missing".to_owned()))?;
        if entry.lines.is_some() {
            redact_lines(&archive, from, entry, what, &mut pack)?;
        } else {
            pack.put(&entry.name, &mut archive.reader(from, found)?)?;
        }
    }
    if manifest.redacted_from.is_none() {
        for name in [MANIFEST, PUBLIC_KEY, SIGNATURE] {
            if let Some(found) = archive.find(name) {
                pack.put(&format!("{ORIGINAL}{name}"), &mut archive.reader(from, found)?)?;
            }
        }
    }
    pack.finish(key)
}

/// What is asked for has to be there: nothing stays readable by a slip of the pen.
fn missing(manifest: &Manifest, what: &What) -> Result<(), PackError> {
    for name in what.lines.keys().chain(&what.entries) {
        let entry = manifest
            .entry(name)
            .filter(|entry| !entry.name.starts_with(ORIGINAL) && !entry.name.ends_with(PROOF));
        let entry = entry.ok_or_else(|| PackError::Name(name.clone()))?;
        let count = entry.lines.as_ref().map_or(0, |lines| lines.count);
        if let Some(number) =
            what.lines.get(name).and_then(|lines| lines.iter().find(|number| !(1..=count).contains(number)))
        {
            return Err(PackError::Damaged(format!("{name} has no line {number}")));
        }
    }
    Ok(())
}

fn redact_lines(
    archive: &Archive,
    path: &Path,
    entry: &Entry,
    what: &What,
    pack: &mut Writer<std::io::BufWriter<std::fs::File>>,
) -> Result<(), PackError> {
    let found =
        archive.find(&entry.name).ok_or_else(|| PackError::Damaged("an entry is missing".to_owned()))?;
    let hidden = what.lines.get(&entry.name);
    // Once for the lines and once for their proofs: neither is held.
    for part in 0..2 {
        let name = if part == 0 { entry.name.clone() } else { format!("{}{PROOF}", entry.name) };
        let mut body = pack.begin(&name)?;
        each_line(archive, path, found, |line, proof, (number, _), leaf| {
            let is_hidden = hidden.is_some_and(|lines| lines.contains(&number));
            let (text, proof) = if is_hidden {
                (placeholder(&leaf), Proof::Nothing(leaf))
            } else {
                without(line, proof, leaf, &what.fields)
            };
            if part == 0 {
                pack.more(&mut body, &text)?;
                pack.more(&mut body, b"\n")
            } else {
                pack.more(&mut body, proof.text().as_bytes())
            }
        })?;
        let lines = if part == 0 { entry.lines.clone() } else { None };
        pack.end(&name, body, lines)?;
    }
    Ok(())
}

/// A line without the values of some members, and of those in which one of these names stands further down. A line that
/// cannot be parted and has such a name in it becomes unreadable as a whole: nothing stays readable that was not meant to.
fn without(line: &[u8], proof: &Proof, leaf: Hash, fields: &BTreeSet<String>) -> (Vec<u8>, Proof) {
    let known = members(line);
    let is_named =
        |name: &[u8]| serde_json::from_slice::<String>(name).is_ok_and(|name| fields.contains(&name));
    let is_within =
        |value: &[u8]| fields.iter().any(|field| memchr::memmem::find(value, field.as_bytes()).is_some());
    let is_meant = |(name, value): &(&[u8], &[u8])| is_named(name) || is_within(value);
    if matches!(proof, Proof::Nothing(_)) || !known.iter().any(is_meant) {
        return (line.to_vec(), proof.clone());
    }
    if known.iter().any(|(name, _)| name.is_empty()) {
        return (placeholder(&leaf), Proof::Nothing(leaf));
    }
    let salt = |at: usize| match proof {
        Proof::Whole(salt) => Ok(member_salt(salt, at)),
        Proof::Parts(parts) => parts.get(at).copied().unwrap_or(Err(Hash::default())),
        Proof::Nothing(leaf) => Err(*leaf),
    };
    let mut text = b"{".to_vec();
    let mut parts = Vec::with_capacity(known.len());
    for (at, (name, value)) in known.iter().enumerate() {
        let part = match salt(at) {
            Ok(salt) if is_meant(&(*name, *value)) => Err(commitment(&salt, value)),
            part => part,
        };
        if at > 0 {
            text.push(b',');
        }
        text.extend_from_slice(name);
        text.push(b':');
        match part {
            Ok(_) => text.extend_from_slice(value),
            Err(hash) => text.extend_from_slice(&placeholder(&hash)),
        }
        parts.push(part);
    }
    text.push(b'}');
    (text, Proof::Parts(parts))
}

/// Something that was unreadable, as the original has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proved {
    /// The entry.
    pub entry: String,
    /// The line, counted from 1.
    pub line: u64,
    /// The member; empty for the whole line.
    pub field: String,
    /// What stands there.
    pub value: Vec<u8>,
}

/// Holds a redacted pack against the one it was made of, and calls `each` with everything that is unreadable in the one and
/// proved by the other. Both have to be sound.
pub fn prove(redacted: &Path, original: &Path, mut each: impl FnMut(&Proved)) -> Result<u64, PackError> {
    let (theirs, ours) = (Archive::open(redacted)?, Archive::open(original)?);
    let manifest = super::original::manifest(&theirs, redacted, "")?.manifest;
    let known = super::original::manifest(&ours, original, "")?;
    if manifest.redacted_from.as_deref() != Some(known.sha256.as_str()) {
        return Err(PackError::Damaged("it was not made of this original".to_owned()));
    }
    let mut count = 0;
    for entry in manifest.entries.iter().filter(|entry| entry.lines.is_some()) {
        let (Some(found), Some(source)) = (theirs.find(&entry.name), ours.find(&entry.name)) else {
            continue;
        };
        let mut lines = LineByLine::new(&ours, original, source)?;
        each_line(&theirs, redacted, found, |_, proof, (number, _), leaf| {
            let (line, whole) = lines.next()?;
            let (Proof::Whole(salt), false) = (&whole, matches!(proof, Proof::Whole(_))) else {
                return Ok(());
            };
            let told = |field: String, value: &[u8]| Proved {
                entry: entry.name.clone(),
                line: number,
                field,
                value: value.to_vec(),
            };
            let wrong = || {
                PackError::Damaged(format!("{}: line {number} is another one in the original", entry.name))
            };
            if whole.leaf(&line).map(|(leaf, _)| leaf) != Some(leaf) {
                return Err(wrong());
            }
            let Proof::Parts(parts) = proof else {
                each(&told(String::new(), &line));
                count += 1;
                return Ok(());
            };
            for (at, ((name, value), part)) in members(&line).into_iter().zip(parts).enumerate() {
                let Err(hash) = part else { continue };
                if commitment(&member_salt(salt, at), value) != *hash {
                    return Err(wrong());
                }
                each(&told(serde_json::from_slice(name).unwrap_or_default(), value));
                count += 1;
            }
            Ok(())
        })?;
    }
    Ok(count)
}

/// The lines of an entry and their proofs, one after the other.
struct LineByLine {
    lines: std::io::BufReader<std::io::Take<std::fs::File>>,
    proofs: std::io::BufReader<std::io::Take<std::fs::File>>,
}

impl LineByLine {
    fn new(archive: &Archive, path: &Path, found: &super::index::Found) -> Result<Self, PackError> {
        let proof = archive.find(&format!("{}{PROOF}", found.name));
        let proof =
            proof.ok_or_else(|| PackError::Damaged("the proofs of its lines are missing".to_owned()))?;
        Ok(Self { lines: archive.reader(path, found)?, proofs: archive.reader(path, proof)? })
    }

    fn next(&mut self) -> Result<(Vec<u8>, Proof), PackError> {
        let wrong = || PackError::Damaged("the original has fewer lines".to_owned());
        let (mut line, mut proof) = (Vec::new(), Vec::new());
        if !super::check::next(&mut self.lines, &mut line)?
            || !super::check::next(&mut self.proofs, &mut proof)?
        {
            return Err(wrong());
        }
        let proof = std::str::from_utf8(&proof).ok().and_then(Proof::read).ok_or_else(wrong)?;
        Ok((line, proof))
    }
}
