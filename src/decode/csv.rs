//! `csv`: comma-separated rows under a header line with the canonical field names.

use super::canonical::{complete, take_cell};
use super::carries::Counts;
use super::draft::{Draft, Fault};
use super::field::{Field, all, assign, field};
use super::{Emit, Format, Frame, How};
use crate::frame::shape::Shape;
use crate::json::{Str, Value};
use crate::record::Reason;
use csv_core::{ReadRecordResult, Reader};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

pub(super) fn format() -> Format {
    let summary = "keyhound's own as CSV with a header line; columns may stand in any order";
    Format::new("csv", summary, is_row, How::By(decode))
        .carrying(&all())
        .counting(&[Counts::Requests, Counts::Buckets])
}

fn is_row(shape: &Shape<'_>) -> bool {
    shape.is_row()
}

/// Columns of a file, by the field they hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    columns: Vec<Option<Field>>,
}

impl Header {
    /// The header that `line` is, if it names the two necessary columns.
    pub fn read(line: &[u8]) -> Option<Self> {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
        if !line.is_ascii() || line.starts_with(b"{") || line.len() > 4096 {
            return None;
        }
        let mut cells = Cells::default();
        let count = cells.split(line)?;
        let columns: Vec<_> = (0..count).map(|at| field(cells.get(at).trim_ascii())).collect();
        let has = |wanted| columns.contains(&Some(wanted));
        (has(Field::Time) && has(Field::Key)).then_some(Self { columns })
    }
}

fn decode(frame: &Frame<'_>, _: &Shape<'_>, emit: Emit<'_>) {
    let Some(header) = frame.header else {
        let message = "no header line: the first line of a CSV file must name its columns";
        return emit(Err(Fault::new(Reason::BadCsv, "", frame.text, message)));
    };
    // Most rows have no quotes in them, and are cut at their commas.
    if memchr::memchr2(b'"', b'\r', frame.text).is_none() && frame.text.len() <= ROW_BYTES_MAX {
        let mut draft = Draft::default();
        if usual(&mut draft, frame.text, header).is_some() {
            return emit(complete(&draft).map(|()| &draft));
        }
    }
    CELLS.with_borrow_mut(|cells| quoted(cells, frame, header, emit));
}

/// Reads a row of as many cells as the header has, none of them unusual.
fn usual<'a>(draft: &mut Draft<'a>, text: &'a [u8], header: &Header) -> Option<()> {
    let mut rest = Some(text);
    for field in &header.columns {
        let text = rest?;
        // Cells are short: a call that finds the comma faster takes longer than that.
        let end = text.iter().position(|byte| *byte == b',');
        let (cell, behind) = text.split_at(end.unwrap_or(text.len()));
        rest = end.and_then(|_| behind.get(1..));
        if let (Some(field), false) = (*field, cell.is_empty()) {
            take_cell(draft, field, cell)?;
        }
    }
    rest.is_none().then_some(())
}

/// Reads a row in which there may be quotes, or anything else that is unusual.
fn quoted(cells: &mut Cells, frame: &Frame<'_>, header: &Header, emit: Emit<'_>) {
    let Some(count) = cells.split(frame.text) else {
        let is_open = memchr::memchr_iter(b'"', frame.text).count() % 2 == 1;
        let message = match frame.text.len() {
            ..=ROW_BYTES_MAX if is_open => "a quoted field does not end on its line",
            ..=ROW_BYTES_MAX => "more than 64 fields",
            _ => "a row of more than 8192 bytes; does a quote not end on its line?",
        };
        return emit(Err(Fault::new(Reason::BadCsv, "", frame.text, message)));
    };
    row(frame.text, header, (0..count).map(|at| cells.get(at)), count, emit);
}

fn row<'a>(
    text: &[u8],
    header: &Header,
    cells: impl Iterator<Item = &'a [u8]>,
    count: usize,
    emit: Emit<'_>,
) {
    if count != header.columns.len() {
        let message = format!("{count} fields under a header of {}", header.columns.len());
        return emit(Err(Fault::new(Reason::BadCsv, "", text, message)));
    }
    let mut draft = Draft::default();
    for (field, cell) in header.columns.iter().zip(cells) {
        let Some(field) = *field else { continue };
        let value = match (field, cell) {
            (_, b"") => Value::Null,
            (Field::Batch, flag) => Value::flag(flag.eq_ignore_ascii_case(b"true") || flag == b"1"),
            (_, text) => Value::Str(Str::plain(text)),
        };
        if let Err(fault) = assign(&mut draft, field, value) {
            return emit(Err(fault));
        }
    }
    emit(complete(&draft).map(|()| &draft));
}

/// Longest row.
const ROW_BYTES_MAX: usize = 8192;
/// Most columns.
const CELLS_MAX: usize = 64;

/// One row, split; quotes removed.
struct Cells {
    text: [u8; ROW_BYTES_MAX],
    ends: [usize; CELLS_MAX],
}

thread_local! {
    /// Making a reader builds its automaton, which takes a hundred times as long as reading a row.
    static READER: RefCell<Reader> = RefCell::new(Reader::new());
    /// Eight kilobytes that need not be cleared for every row.
    static CELLS: RefCell<Cells> = RefCell::default();
}

impl Default for Cells {
    fn default() -> Self {
        Self { text: [0; ROW_BYTES_MAX], ends: [0; CELLS_MAX] }
    }
}

impl Cells {
    /// Number of cells; `None` where the row does not end or is too large.
    fn split(&mut self, line: &[u8]) -> Option<usize> {
        READER.with_borrow_mut(|reader| {
            reader.reset();
            self.split_by(reader, line)
        })
    }

    fn split_by(&mut self, reader: &mut Reader, line: &[u8]) -> Option<usize> {
        let (result, read, written, ends) = reader.read_record(line, &mut self.text, &mut self.ends);
        if result != ReadRecordResult::InputEmpty || read < line.len() {
            return None;
        }
        // The end of the line is the end of the row, unless a quote is open.
        let (result, _, _, more) =
            reader.read_record(b"\n", &mut self.text[written..], &mut self.ends[ends..]);
        if result != ReadRecordResult::Record {
            return None;
        }
        Some(ends + more)
    }

    fn get(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[at]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_time_and_key() {
        let header = Header::read(b"model, api_key_prefix ,\"timestamp\",note").unwrap();
        let expected = [Some(Field::Model), Some(Field::Key), Some(Field::Time), None];
        assert_eq!(header.columns, expected);
        for line in
            ["", "model,timestamp", "{\"timestamp\":1,\"api_key_prefix\":2}", "timestamp;api_key_prefix"]
        {
            assert_eq!(Header::read(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn rows_split_as_rfc_4180_says() {
        let mut cells = Cells::default();
        assert_eq!(cells.split(br#"a,"b ""c"", d",,e"#), Some(4));
        assert_eq!((cells.get(1), cells.get(2), cells.get(3)), (&b"b \"c\", d"[..], &b""[..], &b"e"[..]));
        assert_eq!(cells.split(br#"a,"b"#), None);
        assert_eq!(cells.split(b"a"), Some(1));
        assert_eq!(cells.split(b"a,"), Some(2));
    }
}
