//! An answer taken apart: its rows, and which page comes next.

use super::describe::{By, Description, Written};
use super::fault::Fault;
use super::request::Place;
use crate::json::{Reader, elements, members};
use serde_json::Value;

/// Names of a changed answer that are told.
const NAMES_MAX: usize = 12;
/// Bytes of a name, or of a text that leads to the next page, at most.
const NAME_BYTES_MAX: usize = 64;
const TOKEN_BYTES_MAX: usize = 8 << 10;

/// A row as it is handed on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// What it is known by.
    pub id: u64,
    /// On one line.
    pub line: Vec<u8>,
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// Its rows that tell something.
    pub rows: Vec<Row>,
    /// The next one; `None` behind the last.
    pub next: Option<Place>,
}

/// Takes an answer apart to what was asked by `place`.
pub fn read(description: &Description, place: &Place, text: &[u8]) -> Result<Page, Fault> {
    sound(text)?;
    let list = if description.rows.is_empty() {
        text
    } else {
        find(text, &description.rows).ok_or_else(|| changed(text, &description.rows, "in it"))?
    };
    let list = list.trim_ascii();
    let is_null = list == b"null";
    if !is_null && !list.starts_with(b"[") {
        return Err(changed(text, &description.rows, "that is a list"));
    }
    let (mut rows, mut count) = (Vec::new(), 0_u64);
    elements(&mut Reader::sound(list), |reader| {
        count += 1;
        let raw = reader.raw();
        if description.write == Written::Rows && !is_empty(raw, &description.empty) {
            let id = if description.id.is_empty() { None } else { find(raw, &description.id) };
            rows.push(Row { id: hash(id.unwrap_or(raw)), line: on_one_line(raw) });
        }
    });
    if description.write == Written::Answer && count > 0 {
        rows.push(Row { id: hash(list), line: on_one_line(text) });
    }
    Ok(Page { rows, next: next(description, place, text, count)? })
}

/// Takes an answer that is one row.
pub fn read_single(text: &[u8]) -> Result<Page, Fault> {
    sound(text)?;
    if !text.trim_ascii_start().starts_with(b"{") {
        return Err(changed(text, "", "that is an object"));
    }
    Ok(Page { rows: vec![Row { id: hash(text), line: on_one_line(text) }], next: None })
}

/// What stands for a row that there is not.
pub fn nothing(name: &str) -> Page {
    let line = format!("{{\"{name}\":null}}").into_bytes();
    Page { rows: vec![Row { id: hash(&line), line }], next: None }
}

impl Row {
    /// The same of one of several: whose it is stands before what it tells, and it is known by both.
    #[must_use]
    pub fn of(self, name: &str, parent: &str) -> Self {
        let parent = Value::from(parent).to_string();
        let rest = self.line.strip_prefix(b"{").unwrap_or(&self.line).trim_ascii_start();
        let comma = if rest == b"}" { "" } else { "," };
        let mut line = format!("{{\"{name}\":{parent}{comma}").into_bytes();
        line.extend_from_slice(rest);
        let mut both = self.id.to_le_bytes().to_vec();
        both.extend_from_slice(parent.as_bytes());
        Self { id: hash(&both), line }
    }

    /// The text at a path of names.
    pub fn text(&self, path: &str) -> Option<String> {
        match serde_json::from_slice(find(&self.line, path)?).ok()? {
            Value::String(text) if (1..=TOKEN_BYTES_MAX).contains(&text.len()) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// Checks that it is JSON from its beginning to its end.
fn sound(text: &[u8]) -> Result<(), Fault> {
    let told = |what: &str, at: usize| Fault::NoJson { what: what.to_owned(), at, length: text.len() };
    std::str::from_utf8(text).map_err(|error| told("no UTF-8", error.valid_up_to()))?;
    let mut reader = Reader::new(text);
    reader.skip();
    reader.finish().map_err(|error| told(error.what, error.at))
}

/// The value at a path of names, as it is written.
fn find<'a>(text: &'a [u8], path: &str) -> Option<&'a [u8]> {
    path.split('.').try_fold(text, |text, name| {
        let mut found = None;
        if !text.trim_ascii_start().starts_with(b"{") {
            return None;
        }
        members(&mut Reader::sound(text), |member, reader| {
            let raw = reader.raw();
            if member == name.as_bytes() {
                found = Some(raw);
            }
        });
        found
    })
}

fn is_empty(row: &[u8], list: &str) -> bool {
    !list.is_empty()
        && find(row, list).is_some_and(|raw| raw.iter().filter(|byte| !byte.is_ascii_whitespace()).eq(b"[]"))
}

fn hash(text: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&blake3::hash(text).as_bytes()[..8]);
    u64::from_le_bytes(bytes)
}

/// In JSON, ends of lines stand between values only.
fn on_one_line(text: &[u8]) -> Vec<u8> {
    text.trim_ascii().iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect()
}

/// What is there instead.
fn changed(text: &[u8], place: &str, what: &'static str) -> Fault {
    let mut names = Vec::new();
    if text.trim_ascii_start().starts_with(b"{") {
        members(&mut Reader::sound(text), |name, reader| {
            reader.skip();
            let name = &name[..name.len().min(NAME_BYTES_MAX)];
            names.push(format!("`{}`", String::from_utf8_lossy(name)));
        });
    }
    names.truncate(NAMES_MAX);
    let has = if names.is_empty() { "no names".to_owned() } else { names.join(", ") };
    let place = if place.is_empty() { "[…]" } else { place };
    Fault::Changed { place: place.to_owned(), what, has }
}

fn next(description: &Description, place: &Place, text: &[u8], count: u64) -> Result<Option<Place>, Fault> {
    let paging = &description.paging;
    let value = |path: &str| {
        let raw = if path.is_empty() { None } else { find(text, path) };
        raw.and_then(|raw| serde_json::from_slice::<Value>(raw).ok()).unwrap_or_default()
    };
    if !paging.more.is_empty() {
        match value(&paging.more) {
            Value::Bool(true) => {}
            Value::Bool(false) => return Ok(None),
            _ => return Err(changed(text, &paging.more, "that is true or false")),
        }
    }
    let next = match paging.by {
        By::None => return Ok(None),
        By::Token | By::Link => {
            let told = match value(&paging.next) {
                Value::String(text) if text.len() <= TOKEN_BYTES_MAX => text,
                Value::Number(number) => number.to_string(),
                _ => String::new(),
            };
            if told.is_empty() {
                let is_due = !paging.more.is_empty();
                return if is_due {
                    Err(changed(text, &paging.next, "that leads to the next page"))
                } else {
                    Ok(None)
                };
            }
            if paging.by == By::Link { Place::Link(told) } else { Place::Token(told) }
        }
        By::Page => {
            let number = if let Place::Number(number) = place { *number } else { paging.first.into() };
            let is_last = match (paging.pages.is_empty(), value(&paging.pages)) {
                (false, Value::Number(pages)) => {
                    let pages = pages.as_u64().unwrap_or(0);
                    number.saturating_add(1) >= pages.saturating_add(paging.first.into())
                }
                (false, _) => return Err(changed(text, &paging.pages, "that is a number of pages")),
                (true, _) => count < paging.size.into(),
            };
            if is_last {
                return Ok(None);
            }
            Place::Number(number + 1)
        }
        By::Offset => {
            if count < paging.size.into() || count == 0 {
                return Ok(None);
            }
            let before = if let Place::Number(number) = place { *number } else { 0 };
            Place::Number(before + count)
        }
    };
    if next == *place { Err(Fault::Loop) } else { Ok(Some(next)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(rest: &str) -> Description {
        let text = format!(
            "name = \"a\"\nsummary = \"b\"\n{rest}\n[time]\nfrom = \"since\"\n[[endpoint]]\nname = \"c\"\npath = \"/c\"\n"
        );
        Description::parse(&text).map_err(|error| error.to_string()).unwrap()
    }

    const TOKEN: &str = "rows = \"data\"\nempty = \"results\"\npaging = { by = \"token\", parameter = \"p\", next = \"n\", more = \"m\" }";

    #[test]
    fn rows_are_lines_and_empty_ones_are_left_out() {
        let text =
            b"{\"data\":[{\"results\":[1],\n \"a\":\"x\\ny\"}, {\"results\": [ ]}],\"m\":true,\"n\":\"q\"}";
        let page = read(&described(TOKEN), &Place::First, text).unwrap();
        assert_eq!(page.next, Some(Place::Token("q".to_owned())));
        assert_eq!(page.rows.len(), 1);
        assert_eq!(page.rows[0].line, b"{\"results\":[1],  \"a\":\"x\\ny\"}");
    }

    #[test]
    fn the_next_page_is_what_the_answer_says() {
        let next = |rest: &str, place: Place, text: &str| {
            read(&described(rest), &place, text.as_bytes())
                .map(|page| page.next)
                .map_err(|fault| fault.to_string())
        };
        let number = |number| Ok(Some(Place::Number(number)));
        assert_eq!(next(TOKEN, Place::First, r#"{"data":[],"m":false,"n":"q"}"#), Ok(None));
        let link = "rows = \"data\"\npaging = { by = \"link\", next = \"links.next\" }";
        let linked = Ok(Some(Place::Link("/n".to_owned())));
        assert_eq!(next(link, Place::First, r#"{"data":[],"links":{"next":"/n"}}"#), linked);
        assert_eq!(next(link, Place::First, r#"{"data":[],"links":{"next":null}}"#), Ok(None));
        let page = "rows = \"d\"\npaging = { by = \"page\", parameter = \"p\", pages = \"m.pages\" }";
        assert_eq!(next(page, Place::First, r#"{"d":[],"m":{"pages":3}}"#), number(2));
        assert_eq!(next(page, Place::Number(2), r#"{"d":[],"m":{"pages":3}}"#), number(3));
        assert_eq!(next(page, Place::Number(3), r#"{"d":[],"m":{"pages":3}}"#), Ok(None));
        assert_eq!(next(page, Place::First, r#"{"d":[],"m":{"pages":0}}"#), Ok(None));
        let sized = "paging = { by = \"page\", parameter = \"p\", size = 2 }";
        assert_eq!(
            (next(sized, Place::First, "[1,2]"), next(sized, Place::First, "[1]")),
            (number(2), Ok(None))
        );
        let offset = "paging = { by = \"offset\", parameter = \"o\", size = 2 }";
        assert_eq!(next(offset, Place::Number(4), "[1,2]"), number(6));
        let again = next(TOKEN, Place::Token("q".to_owned()), r#"{"data":[],"m":true,"n":"q"}"#);
        assert!(again.unwrap_err().contains("never end"));
    }

    #[test]
    fn a_row_of_one_of_several_says_of_which() {
        let row = |text: &str| read_single(text.as_bytes()).unwrap().rows.remove(0);
        let line = |row: Row| String::from_utf8(row.line).unwrap();
        let (a, b) = (row(r#"{"id":"k"}"#).of("project", "a\"b"), row(r#"{"id":"k"}"#).of("project", "c"));
        assert_ne!(a.id, b.id);
        assert_eq!(a.text("id").as_deref(), Some("k"));
        assert_eq!(line(a), r#"{"project":"a\"b","id":"k"}"#);
        assert_eq!(line(row(" { } ").of("p", "c")), r#"{"p":"c"}"#);
        assert_eq!(line(nothing("limit").rows.remove(0).of("p", "c")), r#"{"p":"c","limit":null}"#);
        assert!(read_single(b"[]").is_err());
    }

    #[test]
    fn what_is_no_answer_is_told_with_its_place() {
        for (text, told) in [
            (r#"{"data":[{"a":1},{"b"#, "at byte"),
            ("", "no whole JSON"),
            ("<html>", "no whole JSON"),
            (r#"{"datas":[],"m":false}"#, "no `data` in it; it has `datas`, `m`"),
            (r#"{"data":{"a":1},"m":false}"#, "no `data` that is a list"),
            (r#"{"data":[],"n":"q"}"#, "no `m` that is true or false"),
            (r#"{"data":[],"m":true}"#, "no `n` that leads to the next page"),
            (r#"[{"data":[]}]"#, "no `data` in it; it has no names"),
        ] {
            let fault = read(&described(TOKEN), &Place::First, text.as_bytes()).unwrap_err().to_string();
            assert!(fault.contains(told), "{fault}\n{told}");
        }
        let broken = read(&described(TOKEN), &Place::First, b"{\"data\":[\"\xff\"]}").unwrap_err();
        assert!(broken.to_string().contains("no UTF-8 at byte 10"), "{broken}");
    }
}
