//! Every object of a repository, once: packs in the order in which they lie on the disk, so that what a delta is made
//! from is at hand, then loose objects. Trees are left out here: nothing is written in them but names.

use crate::trace::matcher::Matcher;
use crate::trace::member::{self, Budget, Item};
use flate2::bufread::ZlibDecoder;
use gix::objs::Kind;
use gix::odb::pack::cache::lru::MemoryCappedHashmap;
use gix::odb::pack::data::decode::entry::ResolvedBase;
use gix::odb::pack::data::entry::Header;
use gix::odb::pack::{data, index};
use gix::{ObjectId, hash, zlib};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Objects that one thread takes at a time.
const PORTION: usize = 2048;
/// Memory of each thread for objects that deltas are made from.
const CACHE_BYTES: usize = 96 << 20;
/// Objects above this are read in pieces, as far as they are not deltas.
const STREAM_FROM: u64 = 8 << 20;
/// Deltas above this are not put together: git makes none of files over 512 MiB unless it is told to.
const DELTA_MAX: usize = 1 << 30;

/// Something that was found in an object.
#[derive(Debug)]
pub(super) struct Sighting {
    /// The object.
    pub object: ObjectId,
    /// What it is.
    pub kind: Kind,
    /// What was found, and where in it.
    pub item: Item,
}

/// What came of reading all objects.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// What was found, in the order of the names of objects.
    pub sightings: Vec<Sighting>,
    /// What could not be read, and why.
    pub troubles: Vec<String>,
    /// Objects that were searched.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

struct Pack {
    data: data::File,
    index: index::File,
    /// Where objects begin that are no trees and in no pack before.
    wanted: Vec<(u64, u32)>,
}

enum Portion {
    Packed(usize, Range<usize>),
    Loose(Range<usize>),
}

/// All objects of a repository.
pub(super) struct Objects {
    packs: Vec<Pack>,
    loose: Vec<(ObjectId, PathBuf)>,
    hash: hash::Kind,
    troubles: Vec<String>,
}

impl Objects {
    /// Lists the objects in these folders, of which none is inside another.
    pub(super) fn list(folders: &[PathBuf], hash: hash::Kind) -> Self {
        let mut all = Self { packs: Vec::new(), loose: Vec::new(), hash, troubles: Vec::new() };
        for folder in folders {
            all.add_packs(&folder.join("pack"));
        }
        for folder in folders {
            all.add_loose(folder);
        }
        all.loose.sort();
        all.loose.dedup_by(|next, kept| next.0 == kept.0);
        all
    }

    fn add_packs(&mut self, folder: &Path) {
        let names = names(folder).into_iter().filter(|path| path.extension().is_some_and(|end| end == "idx"));
        for path in names {
            match open(&path, self.hash) {
                Ok((data, index)) => {
                    let wanted = self.wanted(&data, &index);
                    self.packs.push(Pack { data, index, wanted });
                }
                Err(error) => self.troubles.push(format!("{}: {error}", path.display())),
            }
        }
    }

    /// Where objects begin that are no trees and in no pack before.
    fn wanted(&mut self, data: &data::File, index: &index::File) -> Vec<(u64, u32)> {
        let mut entries: Vec<(u64, u32)> =
            (0..index.num_objects()).map(|at| (index.pack_offset_at_index(at), at)).collect();
        entries.sort_unstable();
        let mut kinds: Vec<Option<Kind>> = Vec::with_capacity(entries.len());
        for (offset, _) in &entries {
            let kind = data.entry(*offset).ok().and_then(|entry| match entry.header {
                // A base that comes later is asked for when its turn has come.
                Header::OfsDelta { base_distance } => {
                    let base = entry.checked_base_pack_offset(base_distance)?;
                    let at = entries.binary_search_by_key(&base, |(offset, _)| *offset).ok()?;
                    *kinds.get(at)?
                }
                other => other.as_kind(),
            });
            kinds.push(kind);
        }
        let mut kinds = kinds.into_iter();
        entries.retain(|(_, at)| {
            kinds.next() != Some(Some(Kind::Tree))
                && !self.packs.iter().any(|pack| pack.index.lookup(index.oid_at_index(*at)).is_some())
        });
        entries
    }

    fn add_loose(&mut self, folder: &Path) {
        let is_hex = |name: &str| name.bytes().all(|byte| byte.is_ascii_hexdigit());
        for folder in names(folder) {
            let Some(first) = folder.file_name().and_then(|name| name.to_str()) else { continue };
            if first.len() != 2 || !is_hex(first) {
                continue;
            }
            for path in names(&folder) {
                let Some(rest) = path.file_name().and_then(|name| name.to_str()) else { continue };
                if let Ok(id) = ObjectId::from_hex(format!("{first}{rest}").as_bytes())
                    && id.kind() == self.hash
                    && !self.packs.iter().any(|pack| pack.index.lookup(id).is_some())
                {
                    self.loose.push((id, path));
                }
            }
        }
    }

    /// Searches them all.
    pub(super) fn search(mut self, matcher: &Matcher, threads: usize) -> Scanned {
        let mut portions = Vec::new();
        let split = |count: usize| (0..count).step_by(PORTION).map(move |at| at..count.min(at + PORTION));
        for (at, pack) in self.packs.iter().enumerate() {
            portions.extend(split(pack.wanted.len()).map(|range| Portion::Packed(at, range)));
        }
        portions.extend(split(self.loose.len()).map(Portion::Loose));
        let next = AtomicUsize::new(0);
        let work = || {
            let mut reader = Worker::new(&self, matcher);
            while let Some(portion) = portions.get(next.fetch_add(1, Ordering::Relaxed)) {
                reader.read(portion);
            }
            reader.scanned
        };
        let all: Vec<Scanned> = thread::scope(|scope| {
            let workers: Vec<_> =
                (0..threads.clamp(1, portions.len().max(1))).map(|_| scope.spawn(work)).collect();
            workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
        });
        let mut scanned = Scanned { troubles: std::mem::take(&mut self.troubles), ..Scanned::default() };
        for mut part in all {
            scanned.sightings.append(&mut part.sightings);
            scanned.troubles.append(&mut part.troubles);
            scanned.objects += part.objects;
            scanned.bytes += part.bytes;
        }
        // Which thread was first is not to be seen.
        scanned.sightings.sort_by(|a, b| {
            (a.object, &a.item.member, a.item.found.offset).cmp(&(
                b.object,
                &b.item.member,
                b.item.found.offset,
            ))
        });
        scanned.troubles.sort();
        scanned
    }
}

/// One thread's means of reading.
struct Worker<'a> {
    objects: &'a Objects,
    matcher: &'a Matcher,
    inflate: zlib::Inflate,
    cache: MemoryCappedHashmap,
    buffer: Vec<u8>,
    scanned: Scanned,
}

impl<'a> Worker<'a> {
    fn new(objects: &'a Objects, matcher: &'a Matcher) -> Self {
        Self {
            objects,
            matcher,
            inflate: zlib::Inflate::default(),
            cache: MemoryCappedHashmap::new(CACHE_BYTES),
            buffer: Vec::new(),
            scanned: Scanned::default(),
        }
    }

    fn read(&mut self, portion: &Portion) {
        let objects = self.objects;
        match portion {
            Portion::Packed(at, range) => {
                let pack = &objects.packs[*at];
                for (offset, number) in &pack.wanted[range.clone()] {
                    let id = pack.index.oid_at_index(*number).to_owned();
                    if let Err(error) = self.packed(pack, *offset, id) {
                        self.scanned.troubles.push(format!("object {id} cannot be read: {error}"));
                    }
                }
            }
            Portion::Loose(range) => {
                for (id, path) in &objects.loose[range.clone()] {
                    if let Err(error) = self.loose(*id, path) {
                        self.scanned.troubles.push(format!("object {id} cannot be read: {error}"));
                    }
                }
            }
        }
    }

    fn packed(&mut self, pack: &Pack, offset: u64, id: ObjectId) -> anyhow::Result<()> {
        let entry = pack.data.entry(offset)?;
        if let Some(kind) = entry.header.as_kind()
            && entry.decompressed_size > STREAM_FROM
        {
            let end = pack.data.pack_end() as u64;
            let packed = pack.data.entry_slice(entry.data_offset..end).unwrap_or_default();
            let size = entry.decompressed_size;
            return Ok(self.stream(id, kind, &mut ZlibDecoder::new(packed), size)?);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let resolve = |id: &gix::oid, _: &mut Vec<u8>| {
            let found = pack.index.lookup(id).map(|at| pack.data.entry(pack.index.pack_offset_at_index(at)));
            found.transpose().map(|entry| entry.map(ResolvedBase::InPack))
        };
        let decoded =
            pack.data.decode_entry(entry, &mut buffer, &mut self.inflate, &resolve, &mut self.cache);
        if let Ok(outcome) = &decoded {
            let size = usize::try_from(outcome.object_size).unwrap_or(usize::MAX).min(buffer.len());
            self.bytes(id, outcome.kind, &buffer[..size]);
        }
        self.buffer = buffer;
        decoded?;
        Ok(())
    }

    fn loose(&mut self, id: ObjectId, path: &Path) -> anyhow::Result<()> {
        let mut reader = BufReader::new(ZlibDecoder::new(BufReader::new(File::open(path)?)));
        let mut header = Vec::new();
        reader.by_ref().take(64).read_until(0, &mut header)?;
        let (kind, size, _) = gix::objs::decode::loose_header(&header)?;
        if size > STREAM_FROM {
            return Ok(self.stream(id, kind, &mut reader, size)?);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let read = reader.take(size).read_to_end(&mut buffer);
        self.bytes(id, kind, &buffer);
        let short = (buffer.len() as u64) < size;
        self.buffer = buffer;
        read?;
        anyhow::ensure!(!short, "it ends too early");
        Ok(())
    }

    fn bytes(&mut self, object: ObjectId, kind: Kind, bytes: &[u8]) {
        if kind == Kind::Tree {
            return;
        }
        let (scanned, matcher) = (&mut self.scanned, self.matcher);
        scanned.objects += 1;
        scanned.bytes += bytes.len() as u64;
        let Scanned { sightings, troubles, .. } = scanned;
        let mut note = |trouble: String| troubles.push(format!("object {object}: {trouble}"));
        member::search_bytes(
            matcher,
            bytes,
            &mut Budget::default(),
            &mut |item| {
                sightings.push(Sighting { object, kind, item });
            },
            &mut note,
        );
    }

    fn stream(&mut self, object: ObjectId, kind: Kind, reader: &mut dyn Read, size: u64) -> io::Result<()> {
        let (scanned, matcher) = (&mut self.scanned, self.matcher);
        scanned.objects += 1;
        scanned.bytes += size;
        let Scanned { sightings, troubles, .. } = scanned;
        let mut note = |trouble: String| troubles.push(format!("object {object}: {trouble}"));
        member::search(
            matcher,
            &mut reader.take(size),
            &mut Budget::default(),
            &mut |item| {
                sightings.push(Sighting { object, kind, item });
            },
            &mut note,
        )
    }
}

fn open(path: &Path, hash: hash::Kind) -> anyhow::Result<(data::File, index::File)> {
    let index = index::File::at(path, hash)?;
    let data = data::File::at(path.with_extension("pack"), hash)?;
    Ok((data.with_alloc_limit_bytes(Some(DELTA_MAX)), index))
}

/// What lies in a folder, in order; nothing if it is not there.
fn names(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    // To open a pipe would wait for ever.
    let is_plain = |path: &PathBuf| path.is_file() || path.is_dir();
    let mut names: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_plain).collect();
    names.sort();
    names
}
