//! Formats and wrappers: one promise, checked for each by its name.

use crate::{block, settings};
use keyhound::decode::{Decoder, Formats, Frame, Settings, trim};
use keyhound::frame::Block;
use keyhound::frame::shape::Shape;
use keyhound::record::{Batch, Text, UsageRecord};
use keyhound::time::{Timestamp, parse};
use keyhound::unwrap::{self, DEPTH_MAX, Wrapper};

/// `data` as a file whose records are all of this format.
pub fn check_format(name: &str, data: &[u8]) {
    let settings = settings(Some(name));
    check(&settings, data);
    let format =
        settings.format.and_then(|at| settings.rulebook.formats.get(at)).expect("a format of this name");
    // What recognition would never hand to it must do no harm either.
    let block = block(data);
    for text in block.lines().filter(|line| std::str::from_utf8(line).is_ok()) {
        let frame = Frame { text, header: block.header.as_deref() };
        if let Ok(shape) = Shape::of(text, frame.header.is_some()) {
            format.decode(&frame, &shape, &mut |_| {});
        }
    }
}

/// The same for the format whose place among those of the program the first byte is, so that a new one needs no
/// target.
pub fn check_numbered(data: &[u8]) {
    let Some((number, data)) = data.split_first() else { return };
    let formats = Formats::builtin();
    let number = usize::from(*number) % formats.iter().count();
    check_format(&formats.get(number).expect("fewer than there are").name, data);
}

/// `data` as a file whose lines may be in this wrapper.
pub fn check_wrapper(name: &str, data: &[u8]) {
    let wrapper = unwrap::ALL.iter().find(|wrapper| wrapper.name == name).expect("a wrapper of this name");
    check(&settings(None), data);
    for line in block(data).lines().filter(|line| std::str::from_utf8(line).is_ok()) {
        // As above; an error is as good an answer as any.
        if let Ok(shape) = Shape::of(line, false) {
            let _ = wrapper.peel_alone(&shape, &mut |_| {});
        }
    }
}

/// The first byte chooses the wrapper, so that a new one needs no target of its own; the rest is as above.
pub fn check_wrapped(data: &[u8]) {
    let Some((which, data)) = data.split_first() else { return };
    check_wrapper(unwrap::ALL[usize::from(*which) % unwrap::ALL.len()].name, data);
}

/// What holds of every file.
fn check(settings: &Settings, data: &[u8]) {
    let block = block(data);
    let now = parse(b"2026-12-01T00:00:00Z").expect("a time").at;
    let mut decoder = Decoder::new(settings.clone());
    let batch = decoder.block(&block, now);
    nothing_is_lost(&block, &batch, settings);
    nothing_grows(&block, &batch);
    nothing_is_secret(&batch, settings);
    let again = decoder.block(&block, now);
    assert_eq!(again, batch, "the same once more is the same");
    assert_eq!(used(settings, &block, now).block(&block, now), batch, "what was read before changes nothing");
}

/// A decoder that has read the same lines in another order, and so has learned other layouts.
fn used(settings: &Settings, block: &Block, now: Timestamp) -> Decoder {
    let mut lines: Vec<&[u8]> = block.lines().collect();
    lines.reverse();
    let reversed = Block { bytes: lines.join(&b'\n').into(), starts_with_header: false, ..block.clone() };
    let mut decoder = Decoder::new(settings.clone());
    decoder.block(&reversed, now);
    decoder
}

/// Every line is a record, a reject or blank, and all are counted.
fn nothing_is_lost(block: &Block, batch: &Batch, settings: &Settings) {
    assert_eq!(batch.lines as usize, block.lines().count());
    assert_eq!(batch.bytes, block.bytes.len() as u64);
    // Of very many on few lines, some are only counted.
    assert!(batch.rejected.iter().sum::<u32>() as usize >= batch.rejects.len());
    // Events of something else are passed over; a line may hold many.
    let mut passed_over = batch.foreign;
    for (number, line) in block.lines().enumerate() {
        let is_header = number == 0 && block.starts_with_header;
        let told = batch.records.iter().any(|record| record.line as usize == number)
            || batch.rejects.iter().any(|reject| reject.line as usize == number);
        assert!(!(told && is_header), "a header is no record");
        if told || is_header || is_blank(line, block.header.is_some(), DEPTH_MAX) {
            continue;
        }
        let shown = String::from_utf8_lossy(line);
        assert!(passed_over > 0, "line {number} of {:?} is lost: {shown}", settings.format);
        passed_over -= 1;
    }
}

/// What comes out is bounded by what went in: a record takes a byte or more, and its texts are cut. What was packed may
/// be larger than its envelope, as far as gzip can make it and the limit for one frame goes.
fn nothing_grows(block: &Block, batch: &Batch) {
    let bytes = room(block);
    let rejected = batch.rejected.iter().sum::<u32>() as usize;
    let told = batch.records.len() + rejected + batch.foreign as usize;
    assert!(told <= bytes, "{told} records, rejects and others of {bytes} bytes");
    let mut shown = 0;
    for text in batch.records.iter().flat_map(texts) {
        let length = batch.bytes_of(text).len();
        assert!(length <= TEXT_BYTES_MAX, "a text of {length} bytes");
        shown += length;
    }
    // A text that belongs to a whole list stands in each of its records.
    assert!(shown <= batch.records.len() * 6 * TEXT_BYTES_MAX, "{shown} bytes of texts");
    let sizes =
        batch.rejects.iter().map(|reject| reject.value.len() + reject.frame.len() + reject.message.len());
    let kept: usize =
        sizes.inspect(|size| assert!(*size <= REJECT_BYTES_MAX, "a reject of {size} bytes")).sum();
    assert!(kept <= KEPT_BYTES_MAX + REJECT_BYTES_MAX, "{kept} bytes of rejects");
}

/// Longest text of a record.
const TEXT_BYTES_MAX: usize = 512;
/// Longest reject: excerpts of a frame and of a value, in which secrets are replaced by something that may be longer.
const REJECT_BYTES_MAX: usize = 32 << 10;
/// Bytes of rejects that are kept of a block.
const KEPT_BYTES_MAX: usize = 2 << 20;
/// What the data of one line may unfold to.
const UNPACKED_BYTES_MAX: usize = 32 << 20;
/// The best that gzip can do.
const GZIP_MAX: usize = 1032;

/// The most bytes that frames may have in all.
fn room(block: &Block) -> usize {
    let (bytes, lines) = (block.bytes.len(), block.lines().count());
    // Data stands in a member of that name, whose name may be written in escapes.
    let holds = |word: &[u8]| block.bytes.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    let packed =
        if holds(b"data") || holds(b"\\") { (bytes * GZIP_MAX).min(lines * UNPACKED_BYTES_MAX) } else { 0 };
    // Of a line without anything in it a header may be rejected.
    bytes + lines + packed
}

/// Nothing but white space and the zeros that a crash leaves, or an envelope around nothing but that. Traces may hold
/// no request.
fn is_blank(text: &[u8], row: bool, depth: usize) -> bool {
    if text.contains(&0) {
        return text.split(|&byte| byte == 0).all(|piece| is_blank(piece, row, depth));
    }
    let text = trim(text);
    if text.is_empty() {
        return true;
    }
    let Ok(shape) = Shape::of(text, row) else { return false };
    let is_empty = |(_, list): (_, &[u8])| list.strip_prefix(b"[").is_some_and(|list| trim(list) == b"]");
    if shape.has_any(&["resourceSpans", "resourceLogs", "resourceMetrics"])
        || shape.member("results").is_some_and(is_empty)
    {
        return true;
    }
    let inside = |wrapper: &Wrapper| {
        let mut blank = true;
        let mut look = |payload: &[u8]| blank &= is_blank(payload, row, depth - 1);
        wrapper.peel_alone(&shape, &mut look).is_ok() && blank
    };
    depth > 0 && std::str::from_utf8(text).is_ok() && unwrap::find(&shape).is_some_and(inside)
}

/// Texts are text, and none of them looks like a secret to those who look for secrets.
pub fn nothing_is_secret(batch: &Batch, settings: &Settings) {
    let redactor = &settings.rulebook.redactor;
    let finds = |text: &str| redactor.finds(text.as_bytes());
    for record in &batch.records {
        for text in texts(record) {
            let bytes = batch.bytes_of(text);
            assert_eq!(Ok(batch.text(text)), std::str::from_utf8(bytes));
            assert!(!finds(batch.text(text)), "a record shows {}", batch.text(text));
        }
    }
    for reject in &batch.rejects {
        for text in [&reject.value, &reject.frame, &*reject.message] {
            assert!(!finds(text), "a reject ({}) shows {text}", reject.reason.label());
        }
    }
}

/// The texts of a record.
pub fn texts(record: &UsageRecord) -> [Text; 6] {
    let UsageRecord { key_hint, key_alias, model, endpoint, user_agent, request_id, .. } = *record;
    [key_hint, key_alias, model.name, endpoint, user_agent, request_id]
}
