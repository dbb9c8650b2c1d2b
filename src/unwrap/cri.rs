//! `cri`: one line of a Kubernetes container log, `<time> <stream> <P|F> <line>`. Pieces were joined by the framing.

use super::{Content, Scratch, Wrapper};
use crate::decode::draft::Read;
use crate::frame::shape::Shape;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "cri",
    summary: "Kubernetes container log (CRI): time, stdout or stderr, F or P, the line; pieces joined",
    sniff: |shape| shape.text().is_some_and(|text| split(text).is_some()),
    content: Content::Plain,
    peel,
};

#[allow(clippy::unnecessary_wraps, reason = "the signature is that of every wrapper")]
fn peel(shape: &Shape<'_>, _: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    if let Some(line) = shape.text().and_then(split) {
        inner(line.content);
    }
    Ok(())
}

/// The parts of a container log line.
pub(crate) struct Line<'a> {
    /// `stdout` or `stderr`.
    pub(crate) stream: &'a [u8],
    /// True for a piece whose continuation follows on a later line.
    pub(crate) partial: bool,
    /// What the container wrote.
    pub(crate) content: &'a [u8],
}

/// Takes a container log line apart; `None` where it is none.
pub(crate) fn split(text: &[u8]) -> Option<Line<'_>> {
    // Asked of every text that there is: most are told by one byte.
    if text.get(10) != Some(&b'T') {
        return None;
    }
    let mut parts = text.splitn(4, |&byte| byte == b' ');
    let (time, stream, tags) = (parts.next()?, parts.next()?, parts.next()?);
    let content = parts.next().unwrap_or_default();
    if !matches!(stream, b"stdout" | b"stderr") || time.len() <= 10 {
        return None;
    }
    // Tags are separated by colons; the first says whether the line is whole.
    let partial = match tags.split(|&byte| byte == b':').next()? {
        b"F" => false,
        b"P" => true,
        _ => return None,
    };
    crate::time::parse(time).ok().map(|_| Line { stream, partial, content })
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn the_line_is_inside() {
        for (line, content) in [
            ("2016-10-06T00:17:09.669794202Z stdout F {\"a\": 1}", "{\"a\": 1}"),
            ("2016-10-06T00:17:09.669794202+02:00 stderr F:tag a b", "a b"),
            ("2016-10-06T00:17:09.669794202Z stdout F", ""),
        ] {
            assert_eq!(peel(line), Some(("cri", vec![content.to_owned()])), "{line}");
        }
        assert_eq!(peel("2016-10-06T00:17:09Z stdout X {}"), None);
    }
}
