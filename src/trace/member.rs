//! Archives, and whatever is inside them: tar (layers of containers among them), zip (jar, apk, ipa, whl, docx …), gz and
//! zst, in one another. Told by content, not by name. How deep and how much is unpacked has limits.

use super::matcher::Matcher;
use super::stream::{self, Found};
use crate::source::compressed::Decompressor;
use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read, Seek};

/// Archives in archives that are opened.
pub const DEPTH_MAX: usize = 5;
/// Bytes that are unpacked of one file, with all that is in it.
pub const UNPACKED_MAX: u64 = 2 << 30;
/// Members of archives that are looked at in one file.
pub const MEMBERS_MAX: u64 = 200_000;
/// A zip inside another archive is held in memory while it is read.
const ZIP_MEMORY_MAX: u64 = 128 << 20;
/// So much of a file tells what it is.
const HEAD_BYTES: usize = 512;

/// Something that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// In which member of an archive: names with `!` between them; empty if it is none.
    pub member: String,
    /// What, and where.
    pub found: Found,
}

/// What may still be unpacked of one file.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    bytes: u64,
    members: u64,
}

impl Budget {
    /// So many bytes and members, and no more than the default.
    pub fn of(bytes: u64, members: u64) -> Self {
        Self { bytes: bytes.min(UNPACKED_MAX), members: members.min(MEMBERS_MAX) }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: UNPACKED_MAX, members: MEMBERS_MAX }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    Tar,
    Zip,
    Compressed,
    Other,
}

fn shape(head: &[u8]) -> Shape {
    match head {
        [0x1f, 0x8b, 8, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => Shape::Compressed,
        [b'P', b'K', 3, 4, ..] => Shape::Zip,
        _ if head.get(257..262) == Some(b"ustar") => Shape::Tar,
        _ => Shape::Other,
    }
}

/// Who is told what was found, and what could not be read.
struct Search<'a> {
    matcher: &'a Matcher,
    budget: &'a mut Budget,
    found: &'a mut dyn FnMut(Item),
    note: &'a mut dyn FnMut(String),
}

/// Searches bytes, and what is packed in them.
pub fn search_bytes(
    matcher: &Matcher,
    bytes: &[u8],
    budget: &mut Budget,
    found: &mut dyn FnMut(Item),
    note: &mut dyn FnMut(String),
) {
    match shape(bytes) {
        Shape::Other => {
            stream::search_bytes(matcher, bytes, &mut |hit| {
                found(Item { member: String::new(), found: hit });
            });
        }
        Shape::Zip => {
            if !(Search { matcher, budget, found, note }.zip(Cursor::new(bytes), "", 0)) {
                stream::search_bytes(matcher, bytes, &mut |hit| {
                    found(Item { member: String::new(), found: hit });
                });
            }
        }
        _ => {
            let mut bytes = bytes;
            let told = Search { matcher, budget, found, note }.reader(&mut bytes, "", 0);
            // From memory nothing but damage can go wrong, and that has been told.
            drop(told);
        }
    }
}

/// Searches what a reader gives, and what is packed in it. An error is one of the reader; damage is noted.
pub fn search(
    matcher: &Matcher,
    reader: &mut dyn Read,
    budget: &mut Budget,
    found: &mut dyn FnMut(Item),
    note: &mut dyn FnMut(String),
) -> io::Result<()> {
    Search { matcher, budget, found, note }.reader(reader, "", 0)
}

/// Searches a file, and what is packed in it.
pub fn search_file(
    matcher: &Matcher,
    file: File,
    budget: &mut Budget,
    found: &mut dyn FnMut(Item),
    note: &mut dyn FnMut(String),
) -> io::Result<()> {
    let mut file = BufReader::new(file);
    let mut head = Vec::with_capacity(HEAD_BYTES);
    file.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let mut search = Search { matcher, budget, found, note };
    if shape(&head) == Shape::Zip && file.rewind().is_ok() {
        if search.zip(&mut file, "", 0) {
            return Ok(());
        }
        file.rewind()?;
        return search.text(&mut file, "");
    }
    search.reader(&mut Cursor::new(head).chain(file), "", 0)
}

impl Search<'_> {
    fn note(&mut self, member: &str, text: &str) {
        (self.note)(if member.is_empty() { text.to_owned() } else { format!("{member}: {text}") });
    }

    fn reader(&mut self, reader: &mut dyn Read, member: &str, depth: usize) -> io::Result<()> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        reader.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
        let shape = shape(&head);
        let mut whole = Cursor::new(head).chain(reader);
        if shape != Shape::Other && depth >= DEPTH_MAX {
            self.note(member, &format!("more than {DEPTH_MAX} archives in one another are not opened"));
            return self.text(&mut whole, member);
        }
        match shape {
            Shape::Other => self.text(&mut whole, member),
            Shape::Tar => {
                self.tar(whole, member, depth);
                Ok(())
            }
            Shape::Zip => self.held_zip(whole, member, depth),
            Shape::Compressed => {
                self.compressed(whole, member, depth);
                Ok(())
            }
        }
    }

    fn text(&mut self, reader: &mut dyn Read, member: &str) -> io::Result<()> {
        let found = &mut self.found;
        let mut tell = |hit| found(Item { member: member.to_owned(), found: hit });
        stream::search(self.matcher, reader, &mut tell).map(|_| ())
    }

    fn compressed(&mut self, reader: impl Read, member: &str, depth: usize) {
        let mut left = self.budget.bytes;
        let unpacked = Decompressor::new(reader).and_then(|unpacked| {
            let mut metered = Metered { inner: unpacked, left: &mut left };
            self.reader(&mut metered, member, depth + 1)
        });
        self.budget.bytes = left.min(self.budget.bytes);
        if let Err(error) = unpacked {
            self.damaged(member, &error);
        }
    }

    fn damaged(&mut self, member: &str, error: &io::Error) {
        self.note(member, &format!("not searched to its end: {error}"));
    }

    fn tar(&mut self, reader: impl Read, member: &str, depth: usize) {
        let mut archive = tar::Archive::new(reader);
        let entries = match archive.entries() {
            Ok(entries) => entries,
            Err(error) => return self.damaged(member, &error),
        };
        for entry in entries {
            let mut entry = match entry {
                Ok(entry) => entry,
                // What follows cannot be told from rubbish.
                Err(error) => return self.damaged(member, &error),
            };
            if !entry.header().entry_type().is_file() || !self.one_more(member) {
                continue;
            }
            let inner = inner(member, &String::from_utf8_lossy(&entry.path_bytes()));
            if let Err(error) = self.reader(&mut entry, &inner, depth + 1) {
                return self.damaged(&inner, &error);
            }
        }
    }

    /// A zip that cannot be read backwards is held in memory.
    fn held_zip(
        &mut self,
        reader: Chain<Cursor<Vec<u8>>, &mut dyn Read>,
        member: &str,
        depth: usize,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut reader = reader;
        let max = ZIP_MEMORY_MAX.min(self.budget.bytes);
        reader.by_ref().take(max).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == max {
            self.note(member, "a zip of this size inside another archive is not opened; its bytes were searched as they are");
            return self.text(&mut Cursor::new(bytes).chain(reader), member);
        }
        if self.zip(Cursor::new(&bytes), member, depth) { Ok(()) } else { self.text(&mut &bytes[..], member) }
    }

    /// False for what only begins like a zip.
    fn zip(&mut self, reader: impl Read + Seek, member: &str, depth: usize) -> bool {
        match zip::ZipArchive::new(reader) {
            Ok(archive) => {
                self.members(archive, member, depth);
                true
            }
            Err(error) => {
                self.note(member, &format!("a zip that cannot be read, searched as it is: {error}"));
                false
            }
        }
    }

    fn members(&mut self, mut archive: zip::ZipArchive<impl Read + Seek>, member: &str, depth: usize) {
        for at in 0..archive.len() {
            if self.budget.bytes == 0 || !self.one_more(member) {
                return self.note(member, "not searched to its end: more than may be unpacked of one file");
            }
            let (name, encrypted) = match archive.by_index_raw(at) {
                Ok(file) if file.is_dir() => continue,
                Ok(file) => (inner(member, &String::from_utf8_lossy(file.name_raw())), file.encrypted()),
                Err(error) => {
                    self.note(member, &format!("member {at}: {error}"));
                    continue;
                }
            };
            if encrypted {
                self.note(&name, "is encrypted");
                continue;
            }
            let mut left = self.budget.bytes;
            let read = match archive.by_index(at) {
                Ok(file) => {
                    let mut metered = Metered { inner: file, left: &mut left };
                    self.reader(&mut metered, &name, depth + 1)
                }
                Err(error) => Err(io::Error::other(error)),
            };
            self.budget.bytes = left.min(self.budget.bytes);
            if let Err(error) = read {
                self.damaged(&name, &error);
            }
        }
    }

    /// Whether another member may be looked at.
    fn one_more(&mut self, member: &str) -> bool {
        match self.budget.members.checked_sub(1) {
            Some(left) => {
                self.budget.members = left;
                if left == 0 {
                    self.note(
                        member,
                        &format!("more than {MEMBERS_MAX} members of one file are not looked at"),
                    );
                }
                true
            }
            None => false,
        }
    }
}

fn inner(member: &str, name: &str) -> String {
    if member.is_empty() { name.to_owned() } else { format!("{member}!{name}") }
}

/// Gives so many bytes and no more: what unpacks to more than there may be is a bomb.
struct Metered<'a, R> {
    inner: R,
    left: &'a mut u64,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if *self.left == 0 && !out.is_empty() {
            return Err(io::Error::other("more than may be unpacked of one file"));
        }
        let max = usize::try_from(*self.left).unwrap_or(usize::MAX).min(out.len());
        let read = self.inner.read(&mut out[..max])?;
        *self.left -= read as u64;
        Ok(read)
    }
}
