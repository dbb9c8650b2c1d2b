//! `docker`: one line of Docker's `json-file` log driver. Pieces of long lines were joined by the framing.

use super::{Content, Scratch, Wrapper};
use crate::decode::draft::{Fault, Read};
use crate::frame::shape::Shape;
use crate::json::Value;
use crate::record::Reason;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "docker",
    summary: "Docker json-file: {\"log\": …, \"stream\": …, \"time\": …}, pieces of 16 KiB joined",
    sniff: |shape| {
        shape.has("log") && shape.has("stream") && shape.has_only(&["log", "stream", "time", "attrs"])
    },
    content: Content::Plain,
    peel,
};

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    match shape.member("log") {
        Some((Value::Str(log), _)) => {
            inner(log.resolve(scratch.text));
            Ok(())
        }
        _ => Err(Fault::new(Reason::BadWrapper, "log", b"", "is not a text")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn the_log_member_is_inside() {
        let line = r#"{"log":"{\"a\":1}\n","stream":"stdout","time":"2026-06-05T04:06:35.1Z"}"#;
        assert_eq!(peel(line), Some(("docker", vec!["{\"a\":1}\n".to_owned()])));
    }
}
