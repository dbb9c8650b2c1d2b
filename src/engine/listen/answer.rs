//! What clients are answered, each in the language of its own protocol.
//!
//! One rule for all: 2xx, and each line is a record or a reject that was counted; 4xx, and nothing of the body was taken, nor
//! will be if it is sent again as it is; 5xx, 408 and 429, and nothing was taken, but it may be sent again.

use super::desk::Verdict;
use super::traffic::Outcome;
use crate::encode::What;
use crate::unwrap::protobuf::{Malformed, Signal};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

/// An answer.
pub type Answer = Response<Full<Bytes>>;

/// How a request is made and answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// Records of any format.
    Records,
    /// Splunk's HTTP event collector.
    Hec,
    /// OTLP, in JSON or protobuf.
    Otlp {
        /// What is exported.
        signal: Signal,
        /// Whether it is protobuf.
        is_binary: bool,
    },
}

/// Why nothing of a request was taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No such path.
    NoPath,
    /// Another method than POST.
    Method,
    /// From a page in somebody's browser.
    Page,
    /// The collector's acknowledgements, which there are not.
    NoAcknowledgements,
    /// Without a token.
    NoToken,
    /// With one that is none of ours.
    WrongToken,
    /// Our tokens cannot be read.
    TokensUnreadable,
    /// Over this many bytes.
    TooLarge(usize),
    /// Not there within so many milliseconds.
    TooSlow(u32),
    /// The client broke it off.
    BrokenOff,
    /// In a coding that is not read.
    Coding(String),
    /// Of a type that is not read.
    Type,
    /// Compressed, and damaged.
    Damaged(String),
    /// No protobuf of OTLP.
    Malformed(Malformed),
    /// Without a body where one has to be.
    Empty,
    /// No room.
    Busy,
    /// The run is ending.
    Ending,
}

impl Refusal {
    /// How it is counted.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::NoPath | Self::Method | Self::Page | Self::NoAcknowledgements => Outcome::Misdirected,
            Self::NoToken | Self::WrongToken => Outcome::Unauthorized,
            Self::TooLarge(_) | Self::Malformed(Malformed::Long(_)) => Outcome::BodyTooLarge,
            Self::TooSlow(_) => Outcome::TooSlow,
            Self::BrokenOff => Outcome::BrokenOff,
            Self::Coding(_) | Self::Type => Outcome::Unsupported,
            Self::Damaged(_) | Self::Malformed(_) | Self::Empty => Outcome::Malformed,
            Self::Busy | Self::Ending | Self::TokensUnreadable => Outcome::Busy,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoPath => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Page | Self::WrongToken => StatusCode::FORBIDDEN,
            Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::TooLarge(_) | Self::Malformed(Malformed::Long(_)) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Coding(_) | Self::Type => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BrokenOff
            | Self::Damaged(_)
            | Self::Malformed(_)
            | Self::Empty
            | Self::NoAcknowledgements => StatusCode::BAD_REQUEST,
            Self::Busy | Self::Ending | Self::TokensUnreadable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What is wrong and what to do. Nothing of what the client sent is in it.
    pub fn words(&self) -> String {
        match self {
            Self::NoPath => "no such path; records go to /, Splunk HEC to /services/collector, OTLP to /v1/logs, /v1/traces \
                             and /v1/metrics"
                .to_owned(),
            Self::Method => "only POST".to_owned(),
            Self::Page => "sent by a page in a browser; without a token that is not taken (`listen.token_file`)".to_owned(),
            Self::NoAcknowledgements => {
                "there are no acknowledgements to ask for: what was answered with success is taken".to_owned()
            }
            Self::NoToken => {
                "a token is needed: `Authorization: Bearer TOKEN`, `Splunk TOKEN`, or Basic with it as the password"
                    .to_owned()
            }
            Self::WrongToken => "the token is none of those in `listen.token_file`".to_owned(),
            Self::TokensUnreadable => "`listen.token_file` cannot be read; keyhound's log says why".to_owned(),
            Self::TooLarge(max) => {
                format!("the body is longer than {max} bytes; send less at once, or raise `listen.body_bytes_max`")
            }
            Self::TooSlow(within) => {
                format!("not there within {within} ms; send less at once, or raise `listen.request_ms`")
            }
            Self::BrokenOff => "the body ended before its end".to_owned(),
            Self::Coding(name) => format!("the content encoding {name} is not read; gzip, deflate, zstd and none are"),
            Self::Type => "this type of content is not read here; application/json and application/x-protobuf are".to_owned(),
            Self::Damaged(what) => format!("the compressed body is damaged or cut off ({what})"),
            Self::Malformed(Malformed::Long(max)) => {
                format!("the body is longer than {max} bytes as JSON; send less at once, or raise `listen.body_bytes_max`")
            }
            Self::Malformed(what) => format!("the body {what}"),
            Self::Empty => "no data".to_owned(),
            Self::Busy => "no room; come again (`listen.queue_bytes_max`, `listen.spool_bytes_max`)".to_owned(),
            Self::Ending => "keyhound is stopping; come again".to_owned(),
        }
    }

    /// The number that Splunk has for it.
    fn hec_code(&self) -> u32 {
        match self {
            Self::NoToken => 2,
            Self::WrongToken => 4,
            Self::Empty => 5,
            Self::TokensUnreadable => 8,
            Self::Busy => 9,
            Self::NoAcknowledgements => 14,
            Self::Ending => 23,
            _ => 6,
        }
    }

    /// The number that gRPC has for it.
    fn grpc_code(&self) -> u32 {
        match self {
            Self::NoToken => 16,
            Self::WrongToken | Self::Page => 7,
            Self::Busy | Self::Ending | Self::TokensUnreadable => 14,
            Self::TooSlow(_) => 4,
            Self::NoPath | Self::Method => 12,
            _ => 3,
        }
    }

    /// Whether what follows on the connection cannot be read, because the body was not.
    fn ends_connection(&self) -> bool {
        !matches!(self, Self::Damaged(_) | Self::Malformed(_) | Self::Empty)
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
/// After so many seconds there may be room.
const COME_AGAIN: HeaderValue = HeaderValue::from_static("2");

fn answer(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

fn as_json(status: StatusCode, body: &Value) -> Answer {
    answer(status, JSON, format!("{body}\n"))
}

/// Says what became of a body that was taken.
pub fn taken(dialect: Dialect, verdict: &Verdict) -> Answer {
    let Verdict { records, rejected, foreign, rejects } = verdict;
    match dialect {
        Dialect::Records => {
            let rejects: Vec<Value> = rejects
                .iter()
                .map(|(line, reject)| json!({ "line": line, "what": What(reject).to_string() }))
                .collect();
            let body = json!({ "records": records, "rejected": rejected, "passed_over": foreign, "rejects": rejects });
            as_json(StatusCode::OK, &body)
        }
        Dialect::Hec => as_json(StatusCode::OK, &json!({ "text": "Success", "code": 0 })),
        Dialect::Otlp { signal, is_binary } => {
            let words = rejects
                .first()
                .map_or_else(String::new, |(line, reject)| format!("line {line}: {}", What(reject)));
            if is_binary {
                return answer(StatusCode::OK, PROTOBUF, partial_success(*rejected, &words));
            }
            let name = match signal {
                Signal::Logs => "rejectedLogRecords",
                Signal::Traces => "rejectedSpans",
                Signal::Metrics => "rejectedDataPoints",
            };
            let partial = json!({ name: rejected.to_string(), "errorMessage": words });
            let body = if *rejected == 0 { json!({}) } else { json!({ "partialSuccess": partial }) };
            as_json(StatusCode::OK, &body)
        }
    }
}

/// Says why nothing was taken.
pub fn refused(dialect: Dialect, why: &Refusal) -> Answer {
    let (status, words) = (why.status(), why.words());
    let mut answer = match dialect {
        Dialect::Records => as_json(status, &json!({ "error": words })),
        Dialect::Hec => as_json(status, &json!({ "text": words, "code": why.hec_code() })),
        Dialect::Otlp { is_binary: false, .. } => {
            as_json(status, &json!({ "code": why.grpc_code(), "message": words }))
        }
        Dialect::Otlp { is_binary: true, .. } => {
            let mut body = Vec::new();
            number(1, why.grpc_code().into(), &mut body);
            text(2, &words, &mut body);
            self::answer(status, PROTOBUF, body)
        }
    };
    let mut say = |name: HeaderName, value| answer.headers_mut().insert(name, value);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        say(RETRY_AFTER, COME_AGAIN);
    }
    match why {
        Refusal::Method => _ = say(ALLOW, HeaderValue::from_static("POST")),
        Refusal::NoToken => _ = say(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        _ => {}
    }
    if why.ends_connection() {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// Says that the collector is well.
pub fn healthy(is_hec: bool) -> Answer {
    if is_hec {
        return as_json(StatusCode::OK, &json!({ "text": "HEC is healthy", "code": 17 }));
    }
    answer(StatusCode::OK, HeaderValue::from_static("text/plain; charset=utf-8"), "ok\n")
}

/// `ExportLogsServiceResponse` and its sisters, which have the same numbers.
fn partial_success(rejected: u64, words: &str) -> Vec<u8> {
    let mut body = Vec::new();
    if rejected == 0 {
        return body;
    }
    let mut partial = Vec::new();
    number(1, rejected, &mut partial);
    text(2, words, &mut partial);
    tag(1, 2, &mut body);
    varint(partial.len() as u64, &mut body);
    body.extend_from_slice(&partial);
    body
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push(0x80 | u8::try_from(value & 0x7f).unwrap_or_default());
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or_default());
}

fn tag(field: u64, wire: u64, out: &mut Vec<u8>) {
    varint(field << 3 | wire, out);
}

fn number(field: u64, value: u64, out: &mut Vec<u8>) {
    tag(field, 0, out);
    varint(value, out);
}

fn text(field: u64, value: &str, out: &mut Vec<u8>) {
    tag(field, 2, out);
    varint(value.len() as u64, out);
    out.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Reason, Reject};

    fn verdict() -> Verdict {
        let reject = Reject {
            reason: Reason::BadTime,
            field: "timestamp".into(),
            value: "yesterday".to_owned(),
            message: "not a time".into(),
            line: 2,
            frame: String::new(),
        };
        Verdict { records: 7, rejected: 300, foreign: 1, rejects: vec![(3, reject)] }
    }

    fn shown(answer: Answer) -> (u16, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let status = answer.status().as_u16();
        let body = runtime.block_on(http_body_util::BodyExt::collect(answer.into_body())).unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).trim_end().to_owned())
    }

    #[test]
    fn each_protocol_has_its_own_words() {
        let json = Dialect::Otlp { signal: Signal::Logs, is_binary: false };
        let what = "bad_time: timestamp \\\"yesterday\\\": not a time";
        for (dialect, taken_as, busy) in [
            (
                Dialect::Records,
                format!(
                    r#"{{"passed_over":1,"records":7,"rejected":300,"rejects":[{{"line":3,"what":"{what}"}}]}}"#
                ),
                r#"{"error":"no room; "#,
            ),
            (Dialect::Hec, r#"{"code":0,"text":"Success"}"#.to_owned(), r#"{"code":9,"text":"no room; "#),
            (
                json,
                format!(
                    r#"{{"partialSuccess":{{"errorMessage":"line 3: {what}","rejectedLogRecords":"300"}}}}"#
                ),
                r#"{"code":14,"message":"no room; "#,
            ),
        ] {
            assert_eq!(shown(taken(dialect, &verdict())), (200, taken_as));
            let answer = refused(dialect, &Refusal::Busy);
            assert_eq!(answer.headers()[RETRY_AFTER], "2");
            let (status, body) = shown(answer);
            assert!(status == 503 && body.starts_with(busy), "{body}");
        }
        assert_eq!(shown(taken(json, &Verdict::default())), (200, "{}".to_owned()));
        let binary = Dialect::Otlp { signal: Signal::Logs, is_binary: true };
        assert_eq!(shown(taken(binary, &Verdict::default())), (200, String::new()));
        let (_, body) = shown(taken(binary, &verdict()));
        assert!(body.ends_with("not a time"), "{body:?}");
        assert_eq!(partial_success(300, "x"), [10, 6, 8, 0xac, 2, 18, 1, b'x']);
    }
}
