//! What may happen to a log while it is followed, in any order, against a small model of what must be read of it.
//!
//! Lines of files that are renamed are read once each, whatever reading and restarts fall in between. What is cut off
//! before it was read is lost, and told; no line is torn and none comes twice. `PROPTEST_CASES=10000` takes longer.

use bytes::BytesMut;
use keyhound::source::{FileId, FilePlace, FollowSource, Next, Source, file_id};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Polls after which a file that was renamed has been left.
const LONG: u8 = 25;

#[derive(Clone, Debug)]
enum Event {
    Append(u8),
    /// The beginning of a line, which the next to be written ends.
    Begin,
    /// Renamed, so many lines written by whoever has not noticed, and made anew.
    Rotate(u8),
    /// Copied and cut off.
    CopyTruncate,
    /// Cut off, and so many lines more or fewer written than there were.
    Truncate(Option<i8>),
    Delete,
    Poll(u8),
    /// What was read so far is remembered with the place.
    Save,
    /// Reading ends without a word; the next poll begins where it was saved.
    Crash,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (1_u8..6).prop_map(Event::Append),
        2 => Just(Event::Begin),
        4 => (0_u8..3).prop_map(Event::Rotate),
        1 => Just(Event::CopyTruncate),
        1 => prop::option::of(-2_i8..3).prop_map(Event::Truncate),
        1 => Just(Event::Delete),
        6 => prop_oneof![Just(1), Just(LONG)].prop_map(Event::Poll),
        3 => Just(Event::Save),
        2 => Just(Event::Crash),
    ];
    prop::collection::vec(event, 1..40)
}

/// Reads as the program does: whole lines, and the place behind them.
struct Reader {
    source: FollowSource,
    buffer: BytesMut,
    /// Behind the bytes that were read last.
    behind: Option<FilePlace>,
    known: Known,
}

/// What a checkpoint would hold.
#[derive(Clone, Default)]
struct Known {
    lines: Vec<String>,
    told: u32,
    place: Option<FilePlace>,
    /// The file that the place is in, by the order in which they were made.
    file: usize,
}

impl Reader {
    fn start(path: &Path, known: Known) -> Self {
        let source = FollowSource::new(path, Duration::ZERO, known.place);
        Self { source, buffer: BytesMut::new(), behind: known.place, known }
    }

    fn poll(&mut self) {
        loop {
            match self.source.read(&mut self.buffer, 100).unwrap() {
                Next::Wait(_) => return,
                Next::End => unreachable!("a followed file has no end"),
                Next::Bytes => {
                    while let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                        let line = self.buffer.split_to(at + 1);
                        self.take(&line[..at]);
                    }
                    let place = self.source.place().unwrap();
                    self.behind = place.file();
                    self.known.place = place.before(self.buffer.len() as u64).and_then(|place| place.file());
                }
                Next::NewFile => {
                    let rest = self.buffer.split();
                    self.take(&rest);
                    self.known.place = self.behind;
                }
                Next::Truncated => {
                    self.buffer.clear();
                    self.known.told += 1;
                }
            }
        }
    }

    fn take(&mut self, line: &[u8]) {
        // What files begin with is the same in all of them.
        if !line.is_empty() && line[0] != b'#' {
            self.known.lines.push(String::from_utf8(line.to_vec()).unwrap());
        }
    }

    /// Whether it is in this file, and has read some of these lines there: without them it cannot be seen to be cut off.
    fn is_in(&self, file: FileId, lines: &[String]) -> bool {
        let place = self.source.place().and_then(|place| place.file());
        let is_in = place.is_some_and(|place| place.mark.id() == file);
        is_in && lines.iter().any(|line| self.known.lines.contains(line))
    }
}

/// A log, what was written to it, and what of that may be lost.
struct World {
    dir: tempfile::TempDir,
    header: String,
    /// How often files were written to: their times of change, in seconds.
    ticks: u64,
    /// What stands in the file now, and the line in it that has no end yet.
    lines: Vec<String>,
    open: Option<String>,
    written: Vec<String>,
    rotations: u32,
    /// Lines that were cut off before anybody can be sure to have read them, and whether that has to be told.
    lost: BTreeMap<String, bool>,
    reader: Option<Reader>,
    saved: Known,
    /// Every file that was made, by its number in the file system, and whether it was deleted: then another may have the
    /// number by now.
    files: Vec<(FileId, bool)>,
}

impl World {
    fn new(header: usize) -> Self {
        let header = if header == 0 { String::new() } else { format!("#{}\n", "=".repeat(header)) };
        let world = Self {
            dir: tempfile::tempdir().unwrap(),
            header,
            ticks: 0,
            lines: Vec::new(),
            open: None,
            written: Vec::new(),
            rotations: 0,
            lost: BTreeMap::new(),
            reader: None,
            saved: Known::default(),
            files: Vec::new(),
        };
        let mut world = world;
        world.append(1);
        world.poll(1);
        world.save();
        world
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("app.log")
    }

    fn write(&mut self, path: &Path, text: &str) {
        let is_new = !path.exists();
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        let text = if is_new { self.header.clone() + text } else { text.to_owned() };
        file.write_all(text.as_bytes()).unwrap();
        if is_new {
            self.files.push((file_id(&file.metadata().unwrap()), false));
        }
        self.touch(&file);
    }

    fn file_of(&self, id: FileId) -> usize {
        self.files.iter().rposition(|(known, _)| *known == id).unwrap()
    }

    /// Files are told apart by when they were written to last; clocks of file systems are too coarse for that here.
    fn touch(&mut self, file: &File) {
        self.ticks += 1;
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(self.ticks)).unwrap();
    }

    fn new_line(&mut self) -> String {
        let line = self.open.take().unwrap_or_else(|| format!("line {:06}", self.written.len()));
        let line = format!("{line} end");
        self.written.push(line.clone());
        self.lines.push(line.clone());
        line
    }

    fn append_to(&mut self, path: &Path, count: u8) {
        for _ in 0..count {
            let open = self.open.as_ref().map_or(0, String::len);
            let line = self.new_line();
            self.write(path, &format!("{}\n", &line[open..]));
        }
    }

    fn append(&mut self, count: u8) {
        self.append_to(&self.path(), count);
    }

    fn begin(&mut self) {
        if self.open.is_none() {
            let open = format!("line {:06}", self.written.len());
            self.write(&self.path(), &open);
            self.open = Some(open);
        }
    }

    fn rotate(&mut self, late: u8) {
        self.rotations += 1;
        let old = self.dir.path().join(format!("app.log.{}", self.rotations));
        if fs::rename(self.path(), &old).is_ok() {
            self.append_to(&old, late);
            // A line that will never be ended is one.
            if let Some(open) = self.open.take() {
                self.written.push(open);
            }
            self.lines.clear();
        }
        self.write(&self.path(), "");
    }

    /// What stands in the file is gone.
    fn cut_off(&mut self) {
        let Ok(metadata) = fs::metadata(self.path()) else { return };
        let is_read =
            self.reader.as_ref().is_some_and(|reader| reader.is_in(file_id(&metadata), &self.lines));
        self.lost.extend(self.lines.drain(..).map(|line| (line, is_read)));
        // Half a line may have been read, and be told as one where the file is gone.
        self.lost.extend(self.open.take().map(|open| {
            self.written.push(open.clone());
            (open, false)
        }));
    }

    fn truncate(&mut self) {
        if let Ok(file) = OpenOptions::new().write(true).open(self.path()) {
            self.cut_off();
            file.set_len(0).unwrap();
            (&file).write_all(self.header.as_bytes()).unwrap();
            self.touch(&file);
        }
    }

    fn delete(&mut self) {
        let Ok(metadata) = fs::metadata(self.path()) else { return };
        self.cut_off();
        fs::remove_file(self.path()).unwrap();
        let file = self.file_of(file_id(&metadata));
        self.files[file].1 = true;
        // Nobody knows what a file held that is gone and was never opened.
        self.lost.values_mut().for_each(|told| *told = false);
    }

    fn poll(&mut self, times: u8) {
        let mut reader =
            self.reader.take().unwrap_or_else(|| Reader::start(&self.path(), self.saved.clone()));
        if reader.source.place().is_none() {
            self.begin_after_what_is_gone();
        }
        let before = reader.known.place;
        (0..times).for_each(|_| reader.poll());
        if let Some(place) = reader.known.place.filter(|place| Some(*place) != before) {
            reader.known.file = self.file_of(place.mark.id());
        }
        self.reader = Some(reader);
    }

    /// Of a file that is gone nobody knows which of those that were renamed came after it, as long as none is there that
    /// the reader could begin with.
    fn begin_after_what_is_gone(&mut self) {
        if self.files.get(self.saved.file).is_some_and(|(_, deleted)| *deleted) {
            let (lost, lines) = (&mut self.lost, &self.lines);
            let gone = self.written.iter().filter(|line| !lines.contains(line));
            lost.extend(gone.map(|line| (line.clone(), false)));
        }
    }

    fn save(&mut self) {
        if let Some(reader) = &self.reader
            && reader.known.place.is_some()
        {
            self.saved = reader.known.clone();
        }
    }

    fn crash(&mut self) {
        self.reader = None;
        // What was told since is forgotten; whether it can be told again depends on what the place is of.
        self.lost.values_mut().for_each(|told| *told = false);
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Append(count) => self.append(count),
            Event::Begin => self.begin(),
            Event::Rotate(late) => self.rotate(late),
            Event::CopyTruncate => {
                self.rotations += 1;
                let copy = self.dir.path().join(format!("app.log.{}", self.rotations));
                if fs::copy(self.path(), &copy).is_ok() {
                    let copy = OpenOptions::new().write(true).open(&copy).unwrap();
                    self.files.push((file_id(&copy.metadata().unwrap()), false));
                    self.touch(&copy);
                }
                self.truncate();
            }
            Event::Truncate(grown) => {
                let count = i8::try_from(self.lines.len()).unwrap_or(100);
                self.truncate();
                if let Some(grown) = grown {
                    self.append(u8::try_from(count.saturating_add(grown)).unwrap_or(0));
                }
            }
            Event::Delete => self.delete(),
            Event::Poll(times) => self.poll(times),
            Event::Save => self.save(),
            Event::Crash => self.crash(),
        }
    }

    /// Everything that can be read is read by now.
    fn judge(&mut self) -> Result<(), TestCaseError> {
        // That a line has no end is known when another file is there.
        self.append(1);
        (0..40).for_each(|_| self.poll(LONG));
        let known = &self.reader.as_ref().unwrap().known;
        let read: BTreeSet<&String> = known.lines.iter().collect();
        prop_assert_eq!(read.len(), known.lines.len(), "some came twice: {:?}", &known.lines);
        for line in &known.lines {
            prop_assert!(self.written.contains(line), "`{}` was never written", line);
        }
        let missing: Vec<&String> = self.written.iter().filter(|line| !read.contains(line)).collect();
        for line in &missing {
            prop_assert!(self.lost.contains_key(*line), "`{}` is missing; read: {:?}", line, &known.lines);
        }
        let must_be_told = missing.iter().any(|line| self.lost[*line]);
        prop_assert!(!must_be_told || known.told > 0, "nobody told that {:?} are lost", missing);
        // What was renamed comes in its order.
        let order: Vec<usize> = known
            .lines
            .iter()
            .filter_map(|line| self.written.iter().position(|other| other == line))
            .collect();
        prop_assert!(order.is_sorted(), "{:?}", &known.lines);
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_happens_to_a_log_its_lines_are_read_once(
        events in events(),
        header in prop_oneof![Just(0_usize), Just(300), Just(1200)],
    ) {
        let mut world = World::new(header);
        for event in &events {
            world.happen(event);
        }
        world.judge()?;
    }
}
