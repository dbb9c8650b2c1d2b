//! Frames to records: the table of formats, and the decoder that tries them.
//!
//! A format reads one frame into a [`draft::Draft`]; `normalise` turns that into a `UsageRecord`. Which format a
//! frame has is a function of the frame alone (and of its file's header), so blocks can be decoded in any order.

pub mod draft;
mod canonical;
mod csv;
mod layout;
mod litellm;
mod litellm_payload;
mod litellm_spend;

pub use csv::Header;

use crate::frame::Block;
use crate::frame::shape::Shape;
use crate::normalise::{Normaliser, Rulebook};
use crate::record::{Batch, Reason, Reject};
use crate::time::Timestamp;
use crate::unwrap;
use draft::{Draft, Fault, FaultParts, Read};
use layout::Layouts;
use std::sync::Arc;

/// A record format.
pub struct Format {
    /// Its name on the command line, in tables and metrics.
    pub name: &'static str,
    /// What operators read about it.
    pub summary: &'static str,
    /// True where a frame of this shape is of this format.
    pub sniff: fn(&Shape<'_>) -> bool,
    /// Hands every record of the frame, or what is wrong with it, to `emit`.
    pub decode: fn(&Frame<'_>, Emit<'_>),
}

/// Where a format puts what it read.
pub type Emit<'e> = &'e mut dyn for<'d> FnMut(Read<&Draft<'d>>);

/// The formats, in the order in which they are tried.
pub const ALL: &[Format] = &[canonical::FORMAT, litellm_payload::FORMAT, litellm_spend::FORMAT, csv::FORMAT];

/// The format of this name.
pub fn find(name: &str) -> Option<&'static Format> {
    ALL.iter().find(|format| format.name == name)
}

/// One frame: the bytes of a record, and the header of its file if it has one.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The bytes, valid UTF-8.
    pub text: &'a [u8],
    /// The CSV header of the file.
    pub header: Option<&'a Header>,
}

/// Rejects kept whole from one block; the rest is counted.
const REJECTS_KEPT: usize = 64;
/// Longest excerpt of a rejected frame.
const FRAME_EXCERPT_MAX: usize = 4096;

/// What decoding needs to know, besides the input.
#[derive(Clone)]
pub struct Settings {
    /// Prices, secret patterns, key names.
    pub rulebook: Arc<Rulebook>,
    /// A format named by the user; otherwise frames speak for themselves.
    pub format: Option<&'static Format>,
    /// Longest frame in bytes.
    pub frame_bytes_max: usize,
    /// Keep all rejects with their frames, for a reject file.
    pub keep_rejects: bool,
}

/// Decodes blocks. One owner; its caches change speed, never results.
pub struct Decoder {
    settings: Settings,
    normaliser: Normaliser,
    layouts: Layouts,
    scratches: Vec<Vec<u8>>,
}

impl Decoder {
    /// A decoder with empty caches.
    pub fn new(settings: Settings) -> Self {
        let normaliser = Normaliser::new(Arc::clone(&settings.rulebook));
        let scratches = vec![Vec::new(); unwrap::DEPTH_MAX];
        Self { settings, normaliser, layouts: Layouts::default(), scratches }
    }

    /// The records of a block. `now` is when it arrived: records from further ahead than clocks are apart are
    /// rejected.
    pub fn block(&mut self, block: &Block, now: Timestamp) -> Batch {
        let mut batch = Batch::with_capacity(block.bytes.len() / 200);
        batch.bytes = block.bytes.len() as u64;
        for _ in 0..block.oversize {
            self.reject(oversize(self.settings.frame_bytes_max), b"", &mut batch);
            batch.lines += 1;
        }
        let valid = simdutf8::basic::from_utf8(&block.bytes).is_ok();
        for (number, line) in block.lines().enumerate() {
            let text = trim(line);
            let is_header = number == 0 && block.starts_with_header;
            if !text.is_empty() && !is_header {
                let checked = valid || simdutf8::basic::from_utf8(text).is_ok();
                self.frame(Frame { text, header: block.header.as_deref() }, checked, now, &mut batch);
            }
            batch.lines += 1;
        }
        batch
    }

    fn frame(&mut self, frame: Frame<'_>, valid: bool, now: Timestamp, batch: &mut Batch) {
        if frame.text.len() > self.settings.frame_bytes_max {
            return self.reject(oversize(self.settings.frame_bytes_max), frame.text, batch);
        }
        if !valid {
            return self.reject(not_utf8(frame.text), frame.text, batch);
        }
        let Self { settings, normaliser, layouts, scratches } = self;
        let mut faults = Vec::new();
        let mut context =
            Context { normaliser, layouts, now, batch, faults: &mut faults, format: settings.format };
        context.descend(frame, scratches);
        for fault in faults {
            self.reject(fault, frame.text, batch);
        }
    }

    /// Turns a fault into a reject: from here on it holds no secret.
    #[cold]
    fn reject(&self, fault: Fault, frame: &[u8], batch: &mut Batch) {
        let redactor = &self.settings.rulebook.redactor;
        let keep = if self.settings.keep_rejects { usize::MAX } else { REJECTS_KEPT };
        let frame = if self.settings.keep_rejects {
            redactor.clean_stray(&frame[..frame.len().min(FRAME_EXCERPT_MAX)])
        } else {
            String::new()
        };
        let FaultParts { reason, field, value, message } = fault.into_parts();
        let value = match field {
            // A faulty key may be a key in a form that no pattern knows.
            "api_key_prefix" => String::new(),
            _ => redactor.clean_stray(&value),
        };
        let reject = Reject { reason, field, value, message, line: batch.lines, frame };
        batch.reject(reject, keep);
    }
}

fn oversize(limit: usize) -> Fault {
    let message =
        format!("longer than {limit} bytes; raise `input.frame_bytes_max` if such records are real");
    Fault::new(Reason::Oversize, "", b"", message)
}

fn not_utf8(text: &[u8]) -> Fault {
    let message = match text {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, ..] | [0, ..] => {
            "UTF-16 text; convert it with `iconv -t UTF-8`"
        }
        _ => "not UTF-8 text; convert it with `iconv -t UTF-8`",
    };
    Fault::new(Reason::NotUtf8, "", text, message)
}

/// Drops a byte-order mark, the zeros that a crash leaves in a file, and white space at both ends.
fn trim(line: &[u8]) -> &[u8] {
    let zeros = line.iter().take_while(|&&byte| byte == 0).count();
    let line = &line[zeros..];
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii()
}

/// Decoding of one frame, through its wrappers.
struct Context<'c> {
    normaliser: &'c mut Normaliser,
    layouts: &'c mut Layouts,
    now: Timestamp,
    batch: &'c mut Batch,
    faults: &'c mut Vec<Fault>,
    format: Option<&'static Format>,
}

impl Context<'_> {
    fn descend(&mut self, frame: Frame<'_>, scratches: &mut [Vec<u8>]) {
        let is_object = frame.text.starts_with(b"{");
        // Most frames are canonical records: try that first and look at the outside only if it is none.
        if is_object && self.format.is_none_or(|format| format.name == canonical::FORMAT.name) {
            let mut reading = canonical::Reading::default();
            match reading.read_by(self.layouts, frame.text) {
                Ok(()) if reading.claims() => return self.record(reading.record()),
                Ok(()) => {}
                Err(fault) => return self.faults.push(fault),
            }
        }
        self.look_outside(frame, scratches);
    }

    fn look_outside(&mut self, frame: Frame<'_>, scratches: &mut [Vec<u8>]) {
        let shape = match Shape::of(frame.text, frame.header.is_some()) {
            Ok(shape) => shape,
            Err(error) => return self.faults.push(Fault::not_json(error, frame.text)),
        };
        if let Some(wrapper) = unwrap::find(&shape) {
            return self.unwrap(wrapper, frame, scratches);
        }
        let format = self.format.or_else(|| ALL.iter().find(|format| (format.sniff)(&shape)));
        let Some(format) = format else { return self.unrecognised(frame) };
        (format.decode)(&frame, &mut |read| self.record(read));
    }

    fn unwrap(&mut self, wrapper: &unwrap::Wrapper, frame: Frame<'_>, scratches: &mut [Vec<u8>]) {
        let Some((scratch, deeper)) = scratches.split_first_mut() else {
            let message = "wrapped more than six times; is a log shipper reading its own output?";
            return self.faults.push(Fault::new(Reason::BadWrapper, "", frame.text, message));
        };
        let mut inner = |payload: &[u8]| {
            let text = trim(payload);
            if simdutf8::basic::from_utf8(text).is_err() {
                self.faults.push(not_utf8(text));
            } else if !text.is_empty() {
                self.descend(Frame { text, header: frame.header }, deeper);
            }
        };
        if let Err(fault) = (wrapper.peel)(frame.text, scratch, &mut inner) {
            self.faults.push(fault);
        }
    }

    fn record(&mut self, read: Read<&Draft<'_>>) {
        let pushed = read.and_then(|draft| self.normaliser.push(draft, self.now, self.batch));
        if let Err(fault) = pushed {
            self.faults.push(fault);
        }
    }

    #[cold]
    fn unrecognised(&mut self, frame: Frame<'_>) {
        let fault = match frame.text.first() {
            Some(b'{') => {
                let mut reading = canonical::Reading::default();
                let near_miss = reading.read(frame.text).is_ok() && reading.near_miss();
                near_miss.then(|| reading.record().err()).flatten()
            }
            Some(b'[' | b']' | b'}' | b'"') => {
                let message = "JSON spread over several lines; write one record per line (`jq -c .`)";
                Some(Fault::new(Reason::Unrecognised, "", frame.text, message))
            }
            _ => None,
        };
        self.faults.push(fault.unwrap_or_else(|| {
            let message = "no known format; `keyhound formats` lists those that are, `--format` names one";
            Fault::new(Reason::Unrecognised, "", frame.text, message)
        }));
    }
}
