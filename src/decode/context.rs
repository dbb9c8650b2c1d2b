//! Decoding of one frame: through its wrappers to the format that claims it.

use super::claims::{Claim, Claims};
use super::draft::{Draft, Fault, Read};
use super::layout::Layouts;
use super::nearest::nearest;
use super::reject::{has_room, reject};
use super::text::{not_utf8, of_document, trim};
use super::{Frame, How, Map, Settings, Trace, canonical, map};
use crate::frame::shape::{Room, Shape};
use crate::normalise::Normaliser;
use crate::record::{Batch, Reason};
use crate::time::Timestamp;
use crate::unwrap::{self, Content, Scratch};
use std::cell::Cell;

/// Decoding of one frame, through its wrappers.
pub(super) struct Context<'c> {
    pub(super) settings: &'c Settings,
    pub(super) normaliser: &'c mut Normaliser,
    pub(super) layouts: &'c mut Layouts,
    pub(super) mapped: &'c mut map::Layouts,
    pub(super) claims: &'c mut Claims,
    /// Memory for the outsides of frames, one for each depth.
    pub(super) rooms: &'c mut Vec<Room>,
    pub(super) may_be_canonical: bool,
    pub(super) trace: Option<&'c mut Trace>,
    pub(super) now: Timestamp,
    pub(super) batch: &'c mut Batch,
    /// The frame as it came.
    pub(super) outside: &'c [u8],
    /// Zeros in it may mean that it is pieces of several.
    pub(super) may_be_torn: bool,
    /// They do.
    pub(super) torn: bool,
    /// How many bytes it may still unfold to.
    pub(super) room: &'c Cell<usize>,
}

impl Context<'_> {
    /// Decodes a frame, or what is inside of it; `sound` where it is known to be JSON.
    pub(super) fn descend(&mut self, frame: Frame<'_>, sound: bool, scratches: &mut [Vec<u8>]) {
        if self.may_be_canonical && frame.text.starts_with(b"{") {
            // Most frames are canonical records laid out like one before.
            let mut draft = Draft::default();
            if self.layouts.read_whole(frame.text, &mut draft).is_some() {
                return self.record(canonical::complete(&draft).map(|()| &draft));
            }
            if self.trace.is_none()
                && let Some(draft) = self.layouts.read_any_order(frame.text, sound)
            {
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
    pub(super) fn fault(&mut self, fault: Fault) {
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
