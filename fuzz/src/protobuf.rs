//! OTLP as protobuf: what can be read is JSON within its limit, and what cannot says why.

use keyhound::unwrap::protobuf::{Malformed, Signal, otlp};

/// As much as the JSON may have.
const BYTES_MAX: usize = 1 << 14;

/// Checks a body; its first byte says which signal it is of.
pub fn check(data: &[u8]) {
    let Some((signal, body)) = data.split_first() else { return };
    let signal = match signal % 3 {
        0 => Signal::Logs,
        1 => Signal::Traces,
        _ => Signal::Metrics,
    };
    let read = otlp(signal, body, BYTES_MAX);
    assert_eq!(read, otlp(signal, body, BYTES_MAX));
    match read {
        Ok(json) => {
            assert!(json.len() <= BYTES_MAX, "{} bytes", json.len());
            let value: serde_json::Value = serde_json::from_slice(&json).expect("it is JSON");
            assert!(value.is_object());
            // What fits fits with more room, too, and is the same.
            assert_eq!(otlp(signal, body, BYTES_MAX * 2), Ok(json));
        }
        Err(Malformed::Protobuf(_, at)) => assert!(at <= body.len(), "byte {at} of {}", body.len()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
