//! `list`: several records in one JSON list, as webhooks and `…/spend/logs` send them.

use super::{Content, Scratch, Wrapper, broken};
use crate::decode::draft::Read;
use crate::decode::is_answer;
use crate::frame::shape::Shape;
use crate::json::Reader;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "list",
    summary: "a JSON list of records, as webhooks and spend exports send them",
    sniff: |shape| {
        let is_list = |text: &[u8]| text.starts_with(b"[") && text.ends_with(b"]");
        shape.text().is_some_and(|text| is_list(text) && !is_answer(text))
    },
    content: Content::Plain,
    peel,
};

fn peel(shape: &Shape<'_>, _: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    let text = shape.whole();
    each(Reader::new(text), &mut |_| {}).map_err(broken(text))?;
    shape.found_sound();
    each(Reader::sound(text), inner).map_err(broken(text))
}

/// Hands every element to `inner`. Called twice, so that a list that is broken at its end is rejected whole
/// instead of half.
fn each(mut reader: Reader<'_>, inner: &mut dyn FnMut(&[u8])) -> Result<(), crate::json::Error> {
    reader.enter_array();
    while reader.element() {
        inner(reader.raw());
    }
    reader.finish()
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn elements_are_inside() {
        let elements = vec![r#"{"a": [1]}"#.to_owned(), "2".to_owned()];
        assert_eq!(peel(r#"[{"a": [1]}, 2]"#), Some(("list", elements)));
        assert_eq!(peel("[]"), Some(("list", vec![])));
    }
}
