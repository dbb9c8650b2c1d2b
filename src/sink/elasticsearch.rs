//! `elasticsearch`: documents to Elasticsearch or OpenSearch, by `_bulk`, each created once under its own name.
//!
//! The `_id` of a document is the event's id and revision, so what is sent again is there already (409) and counts once.

use super::carrier::{Answer, words};
use super::http::{Draft, Reply, Shape, Web};
use super::kind::{Kind, WEB, acknowledges, encoded};
use serde_json::Value;

const SETTINGS: [&str; 9] = [WEB[0], WEB[1], WEB[2], WEB[3], WEB[4], WEB[5], WEB[6], "encoding", "index"];

pub(super) const KIND: Kind = Kind {
    name: "elasticsearch",
    summary: "Elasticsearch or OpenSearch, an index or a data stream",
    settings: &SETTINGS,
    required: &["url|url_file", "index"],
    encodings: &["ecs", "json", "ocsf", "ocsf18", "gelf", "sigma"],
    url: "",
    hosts: &[],
    scheme: "ApiKey",
    // So many answers with errors are read whole.
    batch_max: 500,
    lasts: false,
    hears: acknowledges,
    write: encoded,
    open: |plan, _| Web::open(plan, &SHAPE),
};

static SHAPE: Shape = Shape {
    draft: |plan, batch, _| {
        let mut body = Vec::new();
        for parcel in &batch.parcels {
            // Names are hexadecimal digits, a point and a number.
            body.extend_from_slice(format!("{{\"create\":{{\"_id\":\"{}\"}}}}\n", parcel.name).as_bytes());
            body.extend_from_slice(&parcel.bytes);
        }
        let suffix = format!("/{}/_bulk?filter_path=errors,items.*.status,items.*.error", plan.config.index);
        Draft::new("application/x-ndjson", body).at(suffix)
    },
    judge,
};

/// Of a bulk every document has a status of its own. What stands before the first that is not there is taken.
fn judge(reply: &Reply) -> Answer {
    if !(200..300).contains(&reply.status) {
        return reply.judged();
    }
    let answer = reply.json();
    match (&answer["errors"], &answer["items"]) {
        (Value::Bool(false), _) => Answer::Taken,
        (Value::Bool(true), Value::Array(items)) => {
            let first = items.iter().enumerate().find_map(|(at, item)| Some((at, failed(&item["create"])?)));
            match first {
                None => Answer::Taken,
                Some((0, answer)) => answer,
                Some((at, answer)) => Answer::Part(at, Box::new(answer)),
            }
        }
        // Too long to be read whole, or somebody else's: fewer documents have a shorter one.
        _ => Answer::Refused(413, "the answer is not that of a bulk request".to_owned()),
    }
}

fn failed(item: &Value) -> Option<Answer> {
    let status = item["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
    match status {
        // 409: a document of this name is there.
        200..=299 | 409 => None,
        408 | 425 | 429 | 500..=599 => Some(Answer::Later(status, None)),
        status => Some(Answer::Refused(status, words(item["error"].to_string().as_bytes()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_first_failure_is_taken() {
        let judged = |body: &str| judge(&Reply { status: 200, retry_after: None, body: body.into() });
        let bulk = |statuses: &[u16]| {
            let items = statuses.iter().map(|status| format!(r#"{{"create":{{"status":{status}}}}}"#));
            format!(r#"{{"errors":true,"items":[{}]}}"#, items.collect::<Vec<_>>().join(","))
        };
        assert_eq!(judged(r#"{"errors":false}"#), Answer::Taken);
        assert_eq!(judged(&bulk(&[201, 409, 200])), Answer::Taken);
        assert_eq!(judged(&bulk(&[429, 201])), Answer::Later(429, None));
        assert_eq!(judged(&bulk(&[201, 409, 503, 400])), Answer::Part(2, Box::new(Answer::Later(503, None))));
        let wrong =
            r#"{"errors":true,"items":[{"create":{"status":400,"error":{"type":"t","reason":"no field"}}}]}"#;
        assert_eq!(judged(wrong), Answer::Refused(400, "no field".to_owned()));
        assert!(matches!(judged("{\"errors\":tr"), Answer::Refused(413, _)));
    }
}
