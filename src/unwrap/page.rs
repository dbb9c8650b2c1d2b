//! `page`: what an API answers with: one record or a list of them, and what it takes to get the next.

use super::{Content, Scratch, Wrapper};
use crate::decode::draft::Read;
use crate::frame::shape::Shape;
use crate::json::{Reader, Value};

/// The names under which records stand, and what else stands beside them: only then is it a page, and no record that
/// happens to have such a member.
const PAGES: &[(&str, &[&str])] = &[
    ("data", BESIDE),
    // Of Cloudflare.
    ("result", &["success", "errors", "messages", "result_info"]),
    // Of Azure, and of everything else that speaks OData.
    ("value", &["nextLink", "@odata.nextLink", "@odata.context", "@odata.count", "@nextLink", "count"]),
    // Of Google's logs.
    ("entries", &["nextPageToken"]),
    ("items", BESIDE),
    ("logs", BESIDE),
];

/// What stands beside the records of others.
const BESIDE: &[&str] = &[
    "object",
    "has_more",
    "next_page",
    "first_id",
    "last_id",
    "total_count",
    "total",
    "total_pages",
    "count",
    "page",
    "page_size",
    "per_page",
    "limit",
    "offset",
    "next",
    "next_cursor",
    "nextPageToken",
    "kind",
    "meta",
    "success",
    "error",
    "pagination",
    "paging",
    "links",
];

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "page",
    summary: "an API's answer: {\"data\", \"result\", \"value\", \"entries\", \"items\" or \"logs\": records, \"has_more\": …}",
    sniff: |shape| PAGES.iter().any(|page| is_page(shape, page)),
    content: Content::Plain,
    peel,
};

fn is_page(shape: &Shape<'_>, (name, beside): &(&str, &[&str])) -> bool {
    // What Cloudflare answers always says whether it could.
    shape.has(name)
        && shape.has_only(&[&[*name], *beside].concat())
        && (*name != "result" || shape.has("success"))
}

fn peel(shape: &Shape<'_>, _: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    match PAGES.iter().find_map(|(name, _)| shape.member(name)) {
        Some((Value::Array, list)) => {
            let mut reader = Reader::sound(list);
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
        for text in [
            r#"{"result":[{"a":1}],"success":true,"errors":[],"messages":[],"result_info":{"page":1}}"#,
            r#"{"value":[{"a":1}],"@odata.nextLink":"https://example.org/next"}"#,
            r#"{"value":[{"a":1}]}"#,
            r#"{"entries":[{"a":1}],"nextPageToken":"t"}"#,
            r#"{"items":[{"a":1}],"total":1}"#,
            r#"{"logs":[{"a":1}],"next_cursor":null}"#,
        ] {
            assert_eq!(peel(text), inside(&[r#"{"a":1}"#]), "{text}");
        }
        for text in [
            r#"{"result":[{"a":1}]}"#,
            r#"{"value":1,"unit":"ms"}"#,
            r#"{"logs":[],"model":"m"}"#,
            r#"{"entries":[],"total":1}"#,
        ] {
            assert_eq!(peel(text), None, "{text}");
        }
        assert_eq!(peel(r#"{"data":{},"time":1}"#), None);
    }
}
