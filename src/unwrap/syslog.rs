//! `syslog`: the header of RFC 5424, RFC 3164, or of a line in a log file, before the message.

use super::{Content, Scratch, Wrapper};
use crate::decode::draft::Read;
use crate::frame::shape::Shape;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "syslog",
    summary: "syslog header (RFC 5424, RFC 3164, or as in /var/log/syslog) before the record; @cee: cookie",
    sniff: |shape| shape.text().is_some_and(|text| message(text).is_some()),
    content: Content::Plain,
    peel,
};

#[allow(clippy::unnecessary_wraps, reason = "the signature is that of every wrapper")]
fn peel(shape: &Shape<'_>, _: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    if let Some(message) = shape.text().and_then(message) {
        inner(message);
    }
    Ok(())
}

/// What follows the header; `None` where the text has no syslog header.
fn message(text: &[u8]) -> Option<&[u8]> {
    let text = without_count(text);
    let message = match without_priority(text) {
        Some(rest) => match rest.strip_prefix(b"1 ") {
            Some(rest) => after_5424_header(rest)?,
            None => after_file_header(rest, true).unwrap_or(rest),
        },
        None => after_file_header(text, false)?,
    };
    let message = message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message).trim_ascii_start();
    Some(message.strip_prefix(b"@cee:").unwrap_or(message).trim_ascii_start())
}

/// What follows the length that stands before messages sent over TCP, where the framing has not taken it off.
fn without_count(text: &[u8]) -> &[u8] {
    let digits = text.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
    let rest = text[digits..].strip_prefix(b" ").filter(|rest| digits > 0 && rest.starts_with(b"<"));
    rest.unwrap_or(text)
}

/// What follows `<0>` to `<191>`.
fn without_priority(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().take(5).position(|&byte| byte == b'>')?;
    let digits = text[..end].strip_prefix(b"<")?;
    let priority: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (priority <= 191).then_some(&text[end + 1..])
}

/// Skips time, host, application, process, message id and structured data.
fn after_5424_header(mut text: &[u8]) -> Option<&[u8]> {
    for _ in 0..5 {
        let end = memchr::memchr(b' ', text)?;
        text = &text[end + 1..];
    }
    while text.starts_with(b"[") {
        text = &text[structured_data_end(text)?..];
    }
    let text = text.strip_prefix(b"-").unwrap_or(text);
    Some(text.strip_prefix(b" ").unwrap_or(text))
}

/// Length of one `[…]` element; quotes inside may hold escaped quotes and brackets.
fn structured_data_end(text: &[u8]) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b']' if !quoted => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Skips `Nov 22 06:13:00 host tag[1]: ` or `2026-11-22T06:13:00+00:00 host tag: `, with or without the tag. Lines of
/// other logs begin with such a time as well: without a tag there has to be something else of syslog.
fn after_file_header(text: &[u8], has_priority: bool) -> Option<&[u8]> {
    let is_3164 = text.get(15) == Some(&b' ') && is_3164_time(&text[..15]);
    let rest = if is_3164 {
        &text[16..]
    } else {
        let end = memchr::memchr(b' ', text.get(..40.min(text.len()))?)?;
        crate::time::parse(&text[..end]).ok()?;
        &text[end + 1..]
    };
    let start = &rest[..rest.len().min(256)];
    let colon = memchr::memmem::find(start, b": ");
    match memchr::memchr(b'{', start).filter(|brace| colon.is_none_or(|colon| *brace < colon)) {
        // A brace before the colon means that the message has begun: the header had no tag, or one without its colon.
        Some(brace) => {
            let is_header = (has_priority || is_3164) && is_tagless(&rest[..brace]);
            is_header.then_some(&rest[brace..])
        }
        None => colon.map(|colon| &rest[colon + 2..]),
    }
}

/// Whether this is a host, maybe with the name of a program, and no sentence.
fn is_tagless(text: &[u8]) -> bool {
    text.ends_with(b" ") && (1..=2).contains(&memchr::memchr_iter(b' ', text).count())
}

/// `Mmm dd hh:mm:ss`.
fn is_3164_time(text: &[u8]) -> bool {
    const MONTHS: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let digit = |at: usize| text[at].is_ascii_digit();
    MONTHS.contains(&&text[..3])
        && (text[3], text[6], text[9], text[12]) == (b' ', b' ', b':', b':')
        && [5, 7, 8, 10, 11, 13, 14].into_iter().all(digit)
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn headers_are_skipped() {
        let record = r#"{"a": "x: y"}"#;
        for header in [
            "<165>1 2026-10-11T22:14:15.003Z host app - ID47 - ",
            "<165>1 2026-10-11T22:14:15.003Z host app 12 ID47 [x@1 a=\"\\\"]{ b\" c=\"d\"][y] ",
            "<165>1 2026-10-11T22:14:15.003Z host app - ID47 - \u{feff}",
            "<13>Nov 22 06:13:00 host app[123]: ",
            "<13>Nov  2 06:13:00 host app: @cee: ",
            "Nov 22 06:13:00 host app[123]: ",
            "2026-11-22T06:13:00.123456+00:00 host app[123]: ",
            "<13>Nov 22 06:13:00 host ",
            "<13>2026-11-22T06:13:00Z host app ",
            "Nov 22 06:13:00 host ",
            "<13>",
            "83 <13>1 2026-10-11T22:14:15.003Z host app - ID47 - ",
        ] {
            assert_eq!(
                peel(&format!("{header}{record}")),
                Some(("syslog", vec![record.to_owned()])),
                "{header}"
            );
        }
        for record in [r#"{"a":1}"#, r#"{"a":"x: y"}"#] {
            let text = format!("<13>Nov 22 06:13:00 host {record}");
            assert_eq!(peel(&text), Some(("syslog", vec![record.to_owned()])));
        }
        for other in [
            "Nov 22 06:13:00 host says so to all {}",
            "<192>x",
            "<a>x",
            "Nov 22 06:13:00",
            "Nevermind 06:13:00 host app: x",
            "<165>1 too short",
        ] {
            assert_eq!(peel(other), None, "{other}");
        }
    }
}
