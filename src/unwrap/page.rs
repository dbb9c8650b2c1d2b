//! `page`: what an API answers with: `{"data": …}`, one record or a list of them, and what it takes to get the next.

use super::{Content, Wrapper};
use crate::decode::draft::Read;
use crate::frame::shape::Shape;
use crate::json::{Reader, Value};

/// What else stands beside the records.
const BESIDE: &[&str] = &["data", "object", "has_more", "next_page", "first_id", "last_id", "total_count"];

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "page",
    summary: "an API's answer: {\"data\": record or list of records, \"has_more\": …}",
    sniff: |shape| shape.has("data") && shape.has_only(BESIDE),
    content: Content::Plain,
    peel,
};

fn peel(shape: &Shape<'_>, _: &mut Vec<u8>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    match shape.member("data") {
        Some((Value::Array, list)) => {
            let mut reader = Reader::new(list);
            reader.enter_array();
            while reader.element() {
                inner(reader.raw());
            }
        }
        Some((Value::Null, _)) | None => {}
        Some((_, one)) => inner(one),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn records_are_inside() {
        let inside = |texts: &[&str]| Some(("page", texts.iter().map(|&text| text.to_owned()).collect()));
        assert_eq!(
            peel(r#"{"object":"list","data":[{"a":1},2],"has_more":false}"#),
            inside(&[r#"{"a":1}"#, "2"])
        );
        assert_eq!(peel(r#"{"data":{"a":1}}"#), inside(&[r#"{"a":1}"#]));
        assert_eq!(peel(r#"{"data":[]}"#), inside(&[]));
        assert_eq!(peel(r#"{"data":{},"time":1}"#), None);
    }
}
