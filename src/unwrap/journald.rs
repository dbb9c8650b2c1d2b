//! `journald`: one entry of `journalctl -o json`, whose message is in `MESSAGE`.

use super::{Content, Scratch, Wrapper, broken};
use crate::decode::draft::{Fault, Read};
use crate::frame::shape::Shape;
use crate::json::{Reader, Value};
use crate::record::Reason;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "journald",
    summary: "journalctl -o json: MESSAGE as text, as a list of bytes, or repeated",
    sniff: |shape| shape.has("MESSAGE") && (shape.has("__REALTIME_TIMESTAMP") || shape.has("_SYSTEMD_UNIT")),
    // As a list of bytes, a key could not be found in it.
    content: Content::Encoded,
    peel,
};

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    let Some((value, raw)) = shape.member("MESSAGE") else { return Ok(()) };
    match value {
        Value::Str(message) => inner(message.resolve(scratch.text)),
        Value::Array => return list(raw, scratch, inner),
        Value::Null => {
            let message =
                "is null: journalctl leaves out messages over 4096 bytes; add --all to its arguments";
            return Err(Fault::new(Reason::BadWrapper, "MESSAGE", b"", message));
        }
        _ => return Err(no_message(raw)),
    }
    Ok(())
}

/// A message that is not valid UTF-8 comes as a list of bytes, a field that was sent twice as a list of texts.
fn list(raw: &[u8], scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    let mut reader = Reader::new(raw);
    reader.enter_array();
    let mut bytes = Vec::new();
    while reader.element() {
        let element = reader.raw();
        match Reader::new(element).value() {
            Some(Value::Str(message)) => inner(message.resolve(scratch.text)),
            Some(Value::Number(digits)) => {
                let byte = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
                bytes.push(byte.ok_or_else(|| no_message(digits))?);
            }
            _ => return Err(no_message(element)),
        }
    }
    reader.finish().map_err(broken(raw))?;
    if !bytes.is_empty() {
        inner(&bytes);
    }
    Ok(())
}

fn no_message(value: &[u8]) -> Fault {
    Fault::new(Reason::BadWrapper, "MESSAGE", value, "is neither a text nor a list of bytes")
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn messages_in_every_form() {
        for (message, payloads) in [
            (r#""hello \"x\"""#, &["hello \"x\""][..]),
            ("[123,34,97,34,58,49,125]", &["{\"a\":1}"]),
            (r#"["one","two"]"#, &["one", "two"]),
            ("[]", &[]),
        ] {
            let entry =
                format!(r#"{{"__REALTIME_TIMESTAMP":"1780632395000000","MESSAGE":{message},"_PID":"1"}}"#);
            let payloads = payloads.iter().map(ToString::to_string).collect();
            assert_eq!(peel(&entry), Some(("journald", payloads)), "{message}");
        }
    }
}
