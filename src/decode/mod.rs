//! Frames to records: the formats, and the decoder that tries them as their table says.
//!
//! A format reads one frame into a [`draft::Draft`]; `normalise` turns that into a `UsageRecord`. Which format a
//! frame has is a function of the frame alone (and of its file's header), so blocks can be decoded in any order.

pub mod draft;
pub mod excerpt;
mod field;
mod access_log;
mod anthropic_activity;
mod anthropic_cost;
mod anthropic_usage;
mod answer;
mod apim;
mod azure_openai;
mod bedrock;
mod bucket;
mod canonical;
mod carries;
mod claims;
mod cloud;
mod cloudflare;
mod cloudtrail;
mod constant;
mod csv;
mod envoy_ai;
mod gcp_audit;
mod helicone;
mod kong;
mod langfuse;
mod layout;
mod litellm;
mod litellm_activity;
mod litellm_daily;
mod litellm_payload;
mod litellm_spend;
mod map;
mod nearest;
mod openai_audit;
mod openai_costs;
mod openai_usage;
mod openrouter;
mod openrouter_activity;
mod otel;
mod otel_metrics;
mod portkey;
mod reject;
mod settings;
mod statement;
mod table;
mod text;
mod trace;
mod tree;
mod vertex_log;

pub use bucket::may_be_parted;
pub use carries::{Carries, Counts};
pub use constant::Constant;
pub use csv::Header;
pub use field::{Field, NAMES as FIELD_NAMES, field};
pub use map::{Map, Place, Unit, nothing_more};
pub use settings::{Frame, Settings};
pub use table::{Emit, Format, Formats, How, Sniff};
pub use text::trim;
pub use trace::{Leaf, NOBODY, Trace};
pub(crate) use vertex_log::is_answer;

use crate::frame::Block;
use crate::frame::shape::{Room, Shape};
use crate::normalise::Normaliser;
use crate::record::{Batch, Reason};
use crate::time::Timestamp;
use crate::unwrap::{self, Content, Scratch, UNPACKED_BYTES_MAX};
use claims::{Claim, Claims};
use draft::{Draft, Fault, Read};
use layout::Layouts;
use nearest::nearest;
use reject::{has_room, oversize, reject};
use std::cell::Cell;
use std::sync::Arc;
use text::{is_packed, is_utf16, not_utf8, of_document};

/// Decodes blocks. One owner; its caches change speed, never results.
pub struct Decoder {
    settings: Settings,
    normaliser: Normaliser,
    layouts: Layouts,
    mapped: map::Layouts,
    claims: Claims,
    rooms: Vec<Room>,
    scratches: Vec<Vec<u8>>,
    /// Whether frames may be of our own format.
    may_be_canonical: bool,
    /// The ways of the frames, for whoever wants to see them.
    trace: Option<Trace>,
}

impl Decoder {
    /// A decoder with empty caches.
    pub fn new(settings: Settings) -> Self {
        let normaliser = Normaliser::new(Arc::clone(&settings.rulebook));
        let scratches = vec![Vec::new(); unwrap::DEPTH_MAX];
        let may_be_canonical = settings.format.is_none_or(|at| {
            settings.rulebook.formats.get(at).is_some_and(|format| format.name == canonical::NAME)
        });
        Self {
            settings,
            normaliser,
            layouts: Layouts::default(),
            mapped: map::Layouts::default(),
            claims: Claims::default(),
            rooms: Vec::new(),
            scratches,
            may_be_canonical,
            trace: None,
        }
    }

    /// The same, but it tells the way of every frame; it never takes the short cut.
    #[must_use]
    pub fn tracing(self) -> Self {
        Self { trace: Some(Trace::default()), ..self }
    }

    /// The ways of the frames of the block that was read last, if they are told.
    pub fn ways(&mut self, batch: &Batch) -> Vec<Leaf> {
        self.trace.as_mut().map(|trace| trace.take(batch)).unwrap_or_default()
    }

    /// The records of a block. `now` is when it arrived: records from further ahead than clocks are apart are
    /// rejected.
    pub fn block(&mut self, block: &Block, now: Timestamp) -> Batch {
        let mut batch = Batch::with_capacity(block.bytes.len() / 200);
        batch.bytes = block.read.unwrap_or(block.bytes.len()) as u64;
        for _ in 0..block.oversize {
            self.oversize(b"", &mut batch);
        }
        let valid = simdutf8::basic::from_utf8(&block.bytes).is_ok();
        for (number, line) in block.lines().enumerate() {
            let is_header = number == 0 && block.starts_with_header;
            if !is_header {
                let frame = Frame { text: line, header: block.header.as_deref() };
                self.frames(frame, valid, now, &mut batch);
            }
            batch.lines += 1;
        }
        batch.lines -= u32::from(block.is_open());
        batch
    }

    /// Decodes a line. One that is longer than a frame may be holds several, or one that is too long.
    fn frames(&mut self, line: Frame<'_>, valid: bool, now: Timestamp, batch: &mut Batch) {
        let bytes_max = self.settings.frame_bytes_max;
        if line.text.len() <= bytes_max {
            let text = trim(line.text);
            if !text.is_empty() {
                self.line(Frame { text, ..line }, valid, now, batch);
            }
            return;
        }
        for text in line.text.split(|&byte| byte == 0) {
            // As the framing counts: white space and all.
            if text.len() > bytes_max {
                self.oversize(trim(text), batch);
            } else if !trim(text).is_empty() {
                self.line(Frame { text: trim(text), ..line }, valid, now, batch);
            }
        }
    }

    #[cold]
    fn oversize(&self, text: &[u8], batch: &mut Batch) {
        reject(&self.settings, oversize(self.settings.frame_bytes_max, text), text, batch);
    }

    fn line(&mut self, frame: Frame<'_>, valid: bool, now: Timestamp, batch: &mut Batch) {
        let records = batch.records.len();
        // Nothing at all may come of a torn frame, too: its first piece may be an envelope around nothing.
        if self.frame(frame, valid, true, now, batch)
            && (batch.records.len() > records || memchr::memchr(0, frame.text).is_none())
        {
            return;
        }
        if is_utf16(frame.text) || is_packed(frame.text) {
            return reject(&self.settings, not_utf8(frame.text), frame.text, batch);
        }
        // What a crash leaves: the start of a record, zeros up to the end of the disk's block, and then what was
        // written after the restart.
        for piece in frame.text.split(|&byte| byte == 0).map(trim).filter(|piece| !piece.is_empty()) {
            self.frame(Frame { text: piece, ..frame }, false, false, now, batch);
        }
    }

    /// Decodes one frame. `valid` where it is known to be UTF-8; `false` where it could not be read, has zeros in
    /// it, and `may_be_torn`, and then nothing is counted.
    fn frame(
        &mut self,
        frame: Frame<'_>,
        valid: bool,
        may_be_torn: bool,
        now: Timestamp,
        batch: &mut Batch,
    ) -> bool {
        let Self { settings, normaliser, layouts, mapped, claims, rooms, scratches, may_be_canonical, trace } =
            self;
        let (outside, may_be_canonical) = (frame.text, *may_be_canonical);
        let room = Cell::new(UNPACKED_BYTES_MAX);
        let mut context = Context {
            room: &room,
            settings,
            normaliser,
            layouts,
            mapped,
            claims,
            rooms,
            may_be_canonical,
            trace: trace.as_mut(),
            now,
            batch,
            outside,
            may_be_torn,
            torn: false,
        };
        if valid || simdutf8::basic::from_utf8(frame.text).is_ok() {
            context.descend(frame, false, scratches);
        } else {
            context.fault(not_utf8(frame.text));
        }
        !context.torn
    }
}

/// Decoding of one frame, through its wrappers.
struct Context<'c> {
    settings: &'c Settings,
    normaliser: &'c mut Normaliser,
    layouts: &'c mut Layouts,
    mapped: &'c mut map::Layouts,
    claims: &'c mut Claims,
    /// Memory for the outsides of frames, one for each depth.
    rooms: &'c mut Vec<Room>,
    may_be_canonical: bool,
    trace: Option<&'c mut Trace>,
    now: Timestamp,
    batch: &'c mut Batch,
    /// The frame as it came.
    outside: &'c [u8],
    /// Zeros in it may mean that it is pieces of several.
    may_be_torn: bool,
    /// They do.
    torn: bool,
    /// How many bytes it may still unfold to.
    room: &'c Cell<usize>,
}

impl Context<'_> {
    /// Decodes a frame, or what is inside of it; `sound` where it is known to be JSON.
    fn descend(&mut self, frame: Frame<'_>, sound: bool, scratches: &mut [Vec<u8>]) {
        if self.may_be_canonical && frame.text.starts_with(b"{") {
            // Most frames are canonical records laid out like one before.
            let mut draft = Draft::default();
            if self.layouts.read(frame.text, &mut draft).is_some() {
                return self.record(canonical::complete(&draft).map(|()| &draft));
            }
        }
        if frame.text.starts_with(b"{") && self.mapped(frame) {
            return;
        }
        let mut room = self.rooms.pop().unwrap_or_default();
        match Shape::within(&mut room, frame.text, frame.header.is_some(), sound) {
            Ok(shape) => {
                self.known(frame, &shape, scratches);
                room.give_back(shape);
            }
            Err(error) => self.fault(Fault::not_json(error, frame.text)),
        }
        self.rooms.push(room);
    }

    /// Reads a frame that is laid out like one before that a map could read.
    fn mapped(&mut self, frame: Frame<'_>) -> bool {
        let (mut scratches, mut found) = (Map::scratches(), None);
        let format = self.mapped.read(frame.text, &mut found);
        let format = format.and_then(|at| self.settings.rulebook.formats.get(at));
        if let (Some(How::Map(map)), Some(found)) = (format.map(|format| &format.read), &mut found) {
            map.finish(found, &mut scratches, &mut |read| self.record(read));
            return true;
        }
        false
    }

    fn known(&mut self, frame: Frame<'_>, shape: &Shape<'_>, scratches: &mut [Vec<u8>]) {
        // That a record is of our own format is for certain, whatever else might claim it.
        if self.may_be_canonical && canonical::claims(shape) {
            let mut reading = canonical::Reading::of(shape);
            // Of a short cut there is nothing to see.
            if reading.is_sound() && self.trace.is_none() {
                self.layouts.learn(frame.text);
            }
            self.enter(canonical::NAME);
            self.record(reading.record());
            return self.leave_format();
        }
        let formats = &self.settings.rulebook.formats;
        match self.claims.of(shape, formats, self.settings.format) {
            Some(Claim::Wrapper(at)) => {
                let wrapper = &unwrap::ALL[at];
                self.enter(wrapper.name);
                self.unwrap(wrapper, frame, shape, scratches);
                if let Some(trace) = &mut self.trace {
                    trace.leave_wrapper(self.batch);
                }
            }
            Some(Claim::Format(at)) => {
                if let Some(format) = formats.get(at) {
                    self.enter(&format.name);
                    let mut mapped = std::mem::take(self.mapped);
                    let mut is_sound = true;
                    format.decode_like(&frame, shape, (at, &mut mapped), &mut |read| {
                        is_sound &= read.is_ok();
                        self.record(read);
                    });
                    // Of a short cut there is nothing to see.
                    if let (true, None, How::Map(map)) = (is_sound, &self.trace, &format.read) {
                        let fixed = || Claims::told_by(shape, formats, self.settings.format);
                        map.learn(shape, (at, &mut mapped), fixed);
                    }
                    *self.mapped = mapped;
                    self.leave_format();
                }
            }
            None => self.unrecognised(frame, shape),
        }
    }

    fn enter(&mut self, name: &str) {
        if let Some(trace) = &mut self.trace {
            trace.enter(name);
        }
    }

    fn leave_format(&mut self) {
        if let Some(trace) = &mut self.trace {
            trace.leave_format(self.batch);
        }
    }

    fn unwrap(
        &mut self,
        wrapper: &unwrap::Wrapper,
        frame: Frame<'_>,
        shape: &Shape<'_>,
        scratches: &mut [Vec<u8>],
    ) {
        let Some((scratch, deeper)) = scratches.split_first_mut() else {
            let message = "wrapped more than six times; is a log shipper reading its own output?";
            return self.fault(Fault::new(Reason::BadWrapper, "", frame.text, message));
        };
        if wrapper.content != Content::Plain {
            self.outside = b"";
        }
        let room = self.room;
        let mut inner = |payload: &[u8]| {
            let text = trim(payload);
            // What stands in the frame as it is has been looked at with it.
            let sound = shape.holds(text);
            if !sound && simdutf8::basic::from_utf8(text).is_err() {
                self.fault(not_utf8(text));
            } else if !text.is_empty() {
                let frame = Frame { text, header: frame.header };
                match wrapper.content {
                    Content::Plain => self.descend(frame, sound, deeper),
                    Content::Encoded => self.inside(text).descend(frame, sound, deeper),
                }
            }
        };
        let mut scratch = Scratch { text: scratch, room };
        if let Err(fault) = (wrapper.peel)(shape, &mut scratch, &mut inner) {
            self.fault(fault);
        }
    }

    /// The same for what was encoded: it is a frame of its own, complete as it is.
    fn inside<'i>(&'i mut self, text: &'i [u8]) -> Context<'i> {
        Context {
            settings: self.settings,
            normaliser: self.normaliser,
            layouts: self.layouts,
            mapped: self.mapped,
            claims: self.claims,
            rooms: self.rooms,
            may_be_canonical: self.may_be_canonical,
            trace: self.trace.as_deref_mut(),
            now: self.now,
            batch: self.batch,
            outside: text,
            may_be_torn: false,
            torn: false,
            room: self.room,
        }
    }

    #[cold]
    fn fault(&mut self, fault: Fault) {
        // Looked for once: one frame may have a million faults.
        let may_be_torn = std::mem::take(&mut self.may_be_torn);
        self.torn |= may_be_torn && memchr::memchr(0, self.outside).is_some();
        if !self.torn {
            fault.each().for_each(|fault| reject(self.settings, fault, self.outside, self.batch));
        }
    }

    fn record(&mut self, read: Read<&Draft<'_>>) {
        if matches!(&read, Ok(draft) if draft.foreign) {
            self.batch.foreign += 1;
            return;
        }
        let pushed = read.and_then(|draft| self.normaliser.push(draft, self.now, self.batch));
        if let Err(fault) = pushed {
            self.fault(fault);
        }
    }

    #[cold]
    fn unrecognised(&mut self, frame: Frame<'_>, shape: &Shape<'_>) {
        let fault = match frame.text.first() {
            Some(b'{') => {
                let mut reading = canonical::Reading::of(shape);
                let miss = reading.near_miss().then(|| reading.record().err()).flatten();
                // For what is only counted nobody looks for words.
                let formats = &self.settings.rulebook.formats;
                let near = has_room(self.settings, self.batch).then(|| nearest(shape, formats)).flatten();
                near.map_or(miss.clone(), |near| Some(near.fault(miss, frame.text)))
            }
            _ => of_document(frame.text),
        };
        self.fault(fault.unwrap_or_else(|| {
            let message = "no known format; `keyhound formats` lists those that are, `--format` names one";
            Fault::new(Reason::Unrecognised, "", frame.text, message)
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Plan;

    /// Numbers of records, of rejects kept and of rejects counted of some lines.
    fn counts(lines: &str, frame_bytes_max: usize) -> (usize, usize, u32) {
        let rulebook = Plan::default_plan().unwrap().rulebook;
        let settings = Settings { rulebook, format: None, frame_bytes_max, keep_rejects: true };
        let block = Block { bytes: lines.to_owned().into(), ..Block::default() };
        let batch = Decoder::new(settings).block(&block, Timestamp::MAX);
        (batch.records.len(), batch.rejects.len(), batch.rejected.iter().sum())
    }

    #[test]
    fn the_limit_counts_what_the_framing_counts() {
        let record = r#"{"timestamp":1780632395,"api_key_prefix":"...3f9c"}"#;
        let limit = record.len() + 2;
        for (line, expected) in [
            (record.to_owned(), (1, 0, 0)),
            (format!("{record} \r"), (1, 0, 0)),
            (format!("{record}  \r"), (0, 1, 1)),
            (" ".repeat(limit), (0, 0, 0)),
            (" ".repeat(limit + 1), (0, 1, 1)),
        ] {
            assert_eq!(counts(&line, limit), expected, "{line:?}");
        }
    }

    #[test]
    fn a_list_of_nonsense_costs_no_memory() {
        let list = format!("[{}1]", "1,".repeat(1_000_000));
        let (records, kept, counted) = counts(&list, 1 << 22);
        assert_eq!((records, counted), (0, 1_000_001));
        assert!(kept < 10_000, "{kept}");
    }

    #[test]
    fn a_piece_behind_an_empty_envelope_is_not_lost() {
        let torn = "2026-06-01T11:00:00.1+02:00 stderr F:tag\0\0 rest";
        assert_eq!(counts(torn, 1 << 20), (0, 1, 1));
        assert_eq!(counts("2026-06-01T11:00:00.1+02:00 stderr F:tag", 1 << 20), (0, 0, 0));
    }
}
