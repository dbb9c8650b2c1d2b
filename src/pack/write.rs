//! Writing a pack, from the first entry to the signature, in one pass and little memory.

use super::key::{Fingerprint, SigningKey, random};
use super::line::{self, Proof, commitment, leaf, members};
use super::manifest::{self, Entry, Manifest};
use super::tar::{self, BLOCK, SIZE_MAX};
use super::tree::{Hash, Tree, sha256};
use super::{ENTRIES_MAX, LINE_MAX, MANIFEST, PROOF, PUBLIC_KEY, PackError, SIGNATURE, SUMS, hex, is_free};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Bytes copied at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealed {
    /// The SHA-256 of the manifest, which stands for all of the pack.
    pub manifest: String,
    /// Who signed it.
    pub signed_by: Option<Fingerprint>,
    /// Entries besides the pack's own.
    pub entries: usize,
}

impl Sealed {
    /// What to write down elsewhere, in words.
    pub fn summary(&self) -> String {
        let signed = match &self.signed_by {
            Some(fingerprint) => format!("signed by {fingerprint}"),
            None => "not signed".to_owned(),
        };
        format!("manifest {}\n{signed}\n", self.manifest)
    }
}

/// Writes a pack.
pub struct Writer<W: Write + Seek> {
    out: W,
    /// Of which salts are made.
    secret: Hash,
    entries: Vec<Entry>,
    redacted_from: Option<String>,
}

impl Writer<BufWriter<File>> {
    /// A pack in a new file: one that is there is not written over.
    pub fn create(path: &Path) -> Result<Self, PackError> {
        let secret = random().map_err(io::Error::other)?;
        Ok(Self::new(BufWriter::new(File::create_new(path)?), secret))
    }

    /// Ends the pack and forces it to disk.
    pub fn finish(self, key: Option<&SigningKey>) -> Result<Sealed, PackError> {
        let (sealed, out) = self.seal(key)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(sealed)
    }
}

impl<W: Write + Seek> Writer<W> {
    /// A pack in `out`, whose salts are made of a secret: the same entries and the same secret are the same pack.
    pub fn new(out: W, secret: [u8; 32]) -> Self {
        Self { out, secret, entries: Vec::new(), redacted_from: None }
    }

    /// The same, made of another pack whose manifest has this SHA-256.
    pub(super) fn redacting(out: W, from: String) -> Self {
        Self { redacted_from: Some(from), ..Self::new(out, [0; 32]) }
    }

    /// Adds an entry.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), PackError> {
        self.check(name)?;
        self.put(name, &mut &*bytes)
    }

    /// Adds an entry of unknown length.
    pub fn add_from(&mut self, name: &str, from: &mut dyn Read) -> Result<(), PackError> {
        self.check(name)?;
        self.put(name, from)
    }

    /// Begins an entry of lines.
    pub fn add_lines(&mut self, name: &str) -> Result<Lines<'_, W>, PackError> {
        self.check(name)?;
        let body = Body::begin(&mut self.out, name)?;
        Ok(Lines { pack: self, name: name.to_owned(), body, tree: Tree::default() })
    }

    fn check(&self, name: &str) -> Result<(), PackError> {
        if !is_free(name) || self.is_taken(name) {
            return Err(PackError::Name(name.chars().take(120).collect()));
        }
        Ok(())
    }

    /// Whether a name is there, in capitals or not, or is a folder of one that is, or the other way round.
    fn is_taken(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let is_in =
            |one: &str, folder: &str| one.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        self.entries.iter().any(|entry| {
            let known = entry.name.to_ascii_lowercase();
            known == name || is_in(&known, &name) || is_in(&name, &known) || known == format!("{name}{PROOF}")
        })
    }

    /// Writes an entry, whatever it is called.
    pub(super) fn put(&mut self, name: &str, from: &mut dyn Read) -> Result<(), PackError> {
        let mut body = Body::begin(&mut self.out, name)?;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = match from.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                break;
            }
            body.write(&mut self.out, &chunk[..read])?;
        }
        self.end(name, body, None)
    }

    /// Begins an entry whose bytes come from elsewhere.
    pub(super) fn begin(&mut self, name: &str) -> Result<Body, PackError> {
        Body::begin(&mut self.out, name)
    }

    /// More bytes of it.
    pub(super) fn more(&mut self, body: &mut Body, bytes: &[u8]) -> Result<(), PackError> {
        body.write(&mut self.out, bytes)
    }

    /// Ends it.
    pub(super) fn end(
        &mut self,
        name: &str,
        body: Body,
        lines: Option<manifest::Lines>,
    ) -> Result<(), PackError> {
        // The pack's own entries come on top of these.
        if self.entries.len() + 4 >= ENTRIES_MAX {
            return Err(PackError::TooMuch("a pack holds 10,000 entries at most"));
        }
        let (bytes, sha256) = body.end(&mut self.out, name)?;
        self.entries.push(Entry { name: name.to_owned(), bytes, sha256: hex(&sha256), lines });
        Ok(())
    }

    /// Writes the manifest, the sums, the signature and the end.
    pub fn seal(mut self, key: Option<&SigningKey>) -> Result<(Sealed, W), PackError> {
        let signed_by = key.map(|key| key.public().fingerprint());
        let entries = std::mem::take(&mut self.entries);
        let (count, redacted_from) = (entries.len(), self.redacted_from.take());
        let manifest = Manifest::new(signed_by.map(|print| print.to_string()), redacted_from, entries);
        let text = manifest.text()?;
        if text.len() as u64 > super::MANIFEST_MAX {
            return Err(PackError::TooMuch("more entries than a manifest has room for"));
        }
        self.own(MANIFEST, &text)?;
        self.own(SUMS, &manifest.sums(&text))?;
        if let Some(key) = key {
            self.own(PUBLIC_KEY, key.public().pem().as_bytes())?;
            self.own(SIGNATURE, &key.sign(&text))?;
        }
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.flush()?;
        Ok((Sealed { manifest: hex(&sha256(&[&text])), signed_by, entries: count }, self.out))
    }

    /// An entry that the manifest does not tell of.
    fn own(&mut self, name: &str, bytes: &[u8]) -> Result<(), PackError> {
        let mut body = Body::begin(&mut self.out, name)?;
        body.write(&mut self.out, bytes)?;
        body.end(&mut self.out, name).map(|_| ())
    }
}

/// An entry that is being written: its header says how long it is, and is written again at its end.
pub(super) struct Body {
    header_at: u64,
    bytes: u64,
    hasher: Sha256,
}

impl Body {
    fn begin(out: &mut (impl Write + Seek), name: &str) -> Result<Self, PackError> {
        let header_at = out.stream_position()?;
        out.write_all(&tar::header(name, 0))?;
        Ok(Self { header_at, bytes: 0, hasher: Sha256::new() })
    }

    fn write(&mut self, out: &mut impl Write, bytes: &[u8]) -> Result<(), PackError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > SIZE_MAX {
            return Err(PackError::TooMuch("an entry holds 8 GiB at most"));
        }
        self.hasher.update(bytes);
        Ok(out.write_all(bytes)?)
    }

    fn end(self, out: &mut (impl Write + Seek), name: &str) -> Result<(u64, Hash), PackError> {
        out.write_all(&[0; BLOCK][..tar::padding(self.bytes)])?;
        if self.bytes > 0 {
            let end = out.stream_position()?;
            out.seek(SeekFrom::Start(self.header_at))?;
            out.write_all(&tar::header(name, self.bytes))?;
            out.seek(SeekFrom::Start(end))?;
        }
        Ok((self.bytes, self.hasher.finalize().into()))
    }
}

/// Lines that are being written. Without [`Lines::end`] the pack is none.
pub struct Lines<'w, W: Write + Seek> {
    pack: &'w mut Writer<W>,
    name: String,
    body: Body,
    tree: Tree,
}

impl<W: Write + Seek> Lines<'_, W> {
    /// One more line, without its line feed.
    pub fn line(&mut self, line: &[u8]) -> Result<(), PackError> {
        if memchr::memchr(b'\n', line).is_some() {
            return Err(PackError::LineFeed);
        }
        if line.len() > LINE_MAX {
            return Err(PackError::TooMuch("a line holds 16 MiB at most"));
        }
        let salt = line::line_salt(&self.pack.secret, &self.name, self.tree.leaves);
        let members = members(line);
        let committed = members
            .iter()
            .enumerate()
            .map(|(at, (name, value))| (*name, commitment(&line::member_salt(&salt, at), value)));
        self.tree.push(leaf(committed));
        self.body.write(&mut self.pack.out, line)?;
        self.body.write(&mut self.pack.out, b"\n")
    }

    /// Ends them.
    pub fn end(self) -> Result<(), PackError> {
        let Self { pack, name, body, tree } = self;
        let lines = manifest::Lines { count: tree.leaves, root: hex(&tree.root()) };
        pack.end(&name, body, Some(lines))?;
        let proof = format!("{name}{PROOF}");
        let mut body = pack.begin(&proof)?;
        for number in 0..tree.leaves {
            let salt = line::line_salt(&pack.secret, &name, number);
            pack.more(&mut body, Proof::Whole(salt).text().as_bytes())?;
        }
        pack.end(&proof, body, None)
    }
}
