//! `elastic`: documents of Elasticsearch and `OpenSearch`, as they are searched for or exported.

use super::{Content, Scratch, Wrapper, broken, damaged, each, hand};
use crate::decode::draft::Read;
use crate::frame::shape::{Shape, member};
use crate::json::Value;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "elastic",
    summary: "Elasticsearch, OpenSearch: {\"_index\": …, \"_source\": …}, or the answer to a search, {\"took\": …, \"hits\": {\"hits\": […]}}",
    sniff: |shape| shape.has("_index") && shape.has("_source") || shape.has("took") && shape.has("hits"),
    content: Content::Plain,
    peel,
};

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    let hits = match shape.member("hits") {
        None => return hand("_source", shape.member("_source"), scratch, inner),
        Some((Value::Object, hits)) => hits,
        Some((_, hits)) => return Err(damaged("hits", hits, "is no object")),
    };
    // Of an answer that was filtered to something else there may be none.
    let Some(list) = member(hits, "hits").map_err(broken(hits))? else { return Ok(()) };
    each("hits", list, |document| {
        if !document.starts_with(b"{") {
            return Err(damaged("hits", document, "holds what is no object"));
        }
        hand("_source", member(document, "_source").map_err(broken(document))?, scratch, inner)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn the_source_is_inside() {
        let document = r#"{"_index":"i","_id":"1","_source":{"a":1}}"#;
        let answer =
            format!(r#"{{"took":3,"hits":{{"total":{{"value":2}},"hits":[{document},{document}]}}}}"#);
        let inside = r#"{"a":1}"#.to_owned();
        assert_eq!(peel(document), Some(("elastic", vec![inside.clone()])));
        assert_eq!(peel(&answer), Some(("elastic", vec![inside.clone(), inside])));
        assert_eq!(peel(r#"{"took":3,"hits":{}}"#), Some(("elastic", vec![])));
    }
}
