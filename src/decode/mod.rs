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
mod context;
mod csv;
mod envoy_ai;
mod flat;
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
mod probe;
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

use crate::frame::shape::Room;
use crate::frame::{Block, first_line};
use crate::normalise::Normaliser;
use crate::record::{Batch, Witnessed};
use crate::time::Timestamp;
use crate::unwrap::{self, UNPACKED_BYTES_MAX};
use claims::Claims;
use context::Context;
use draft::Draft;
use layout::Layouts;
use reject::{oversize, reject};
use std::cell::Cell;
use std::sync::Arc;
use text::{is_packed, is_utf16, not_utf8};

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
    /// The keys of whose records it is noted what they were read from.
    proved: Witnessed,
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
            proved: Witnessed::NONE,
        }
    }

    /// The same, but it notes what the records of these keys were read from.
    #[must_use]
    pub fn proving(self, proved: Witnessed) -> Self {
        Self { proved, ..self }
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
        let mut rest = &block.bytes[..];
        if block.starts_with_header && !rest.is_empty() {
            rest = first_line(rest).1;
            batch.lines += 1;
        }
        while !rest.is_empty() {
            let behind = if valid { self.at_once(rest, now, &mut batch) } else { None };
            rest = behind.unwrap_or_else(|| {
                let (text, behind) = first_line(rest);
                self.frames(Frame { text, header: block.header.as_deref() }, valid, now, &mut batch);
                behind
            });
            batch.lines += 1;
        }
        batch.lines -= u32::from(block.is_open());
        if !self.proved.is_nobody() {
            self.proved.prove(block, &mut batch);
        }
        batch
    }

    /// Decodes the first of some lines if it is a record of our own format laid out like one before, as most are, without
    /// looking for its end first; what stands behind it.
    #[inline]
    fn at_once<'l>(&mut self, lines: &'l [u8], now: Timestamp, batch: &mut Batch) -> Option<&'l [u8]> {
        if !self.may_be_canonical || lines.first() != Some(&b'{') {
            return None;
        }
        let mut draft = Draft::default();
        let (line, behind) = lines.split_at_checked(self.layouts.read_first(lines, &mut draft)?)?;
        let behind = match behind {
            [] => behind,
            [b'\n', behind @ ..] => behind,
            _ => return None,
        };
        if line.len() > self.settings.frame_bytes_max {
            return None;
        }
        let pushed = canonical::complete(&draft).and_then(|()| self.normaliser.push(&draft, now, batch));
        if let Err(fault) = pushed {
            // There are no zeros in it, so it is not torn.
            fault.each().for_each(|fault| reject(&self.settings, fault, line, batch));
        }
        Some(behind)
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
        let Self {
            settings,
            normaliser,
            layouts,
            mapped,
            claims,
            rooms,
            scratches,
            may_be_canonical,
            trace,
            ..
        } = self;
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
