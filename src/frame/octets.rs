//! Syslog with its length before each message (RFC 6587, as it is sent over TCP): `MSG-LEN SP SYSLOG-MSG`.
//!
//! Messages may hold line feeds, and may have one behind them or not. Each becomes one line, with empty lines before
//! it for those that were in it. A count that is wrong costs its message: the next is found by what it looks like.

use super::Block;
use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

/// Most digits of a count.
const DIGITS_MAX: usize = 9;
/// Bytes at the end of a text that may be the start of a message: count, space and priority.
const START_BYTES_MAX: usize = DIGITS_MAX + 6;

/// Cuts an input that began with a count into messages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OctetsCodec {
    bytes_max: usize,
    /// Inside something that is no message and too long to be kept.
    discarding: bool,
    oversize: u32,
}

/// What a text begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// A count, and the message behind it.
    Count { at: usize, length: usize },
    /// Too little to tell.
    Unknown,
    /// Something else.
    Other,
}

impl Start {
    /// What `text` begins with, as far as it is there.
    pub(super) fn of(text: &[u8]) -> Self {
        let digits = text.iter().take(DIGITS_MAX + 1).take_while(|byte| byte.is_ascii_digit()).count();
        if digits > DIGITS_MAX || text.first() == Some(&b'0') || (digits == 0 && !text.is_empty()) {
            return Self::Other;
        }
        let number = text[..digits].iter().fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
        match text[digits..] {
            [] | [b' '] => Self::Unknown,
            [b' ', b'<', ..] => Self::Count { at: digits + 1, length: number },
            _ => Self::Other,
        }
    }
}

impl OctetsCodec {
    /// For messages of at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, discarding: false, oversize: 0 }
    }

    /// The messages in the buffer, those that are whole; `at_end` what is left as well.
    pub fn decode(&mut self, buffer: &mut BytesMut, at_end: bool) -> Option<Block> {
        let mut out = Vec::new();
        // What is over the limit is told of with the messages behind it, never with those before.
        let mut behind = 0;
        while behind == 0 {
            // Zeros are what a crash leaves: a hole may be longer than any message. In what is thrown away a line feed
            // is its end, and is left to be found.
            if !self.discarding {
                let between = buffer.iter().take_while(|byte| matches!(byte, b'\n' | b'\r' | 0)).count();
                buffer.advance(between);
            }
            let known = self.oversize;
            if buffer.is_empty() || !self.next(buffer, at_end, &mut out) {
                break;
            }
            behind = if out.is_empty() { 0 } else { self.oversize - known };
        }
        if at_end && out.is_empty() && std::mem::take(&mut self.discarding) {
            self.oversize += 1;
        }
        let oversize = std::mem::replace(&mut self.oversize, behind) - behind;
        // Each had at least a line.
        out.splice(..0, std::iter::repeat_n(b'\n', oversize as usize));
        let is_empty = out.is_empty() && oversize == 0;
        (!is_empty).then(|| Block { bytes: Bytes::from(out), oversize, ..Block::default() })
    }

    /// Takes what the buffer begins with; `false` where more must be read to see its end.
    fn next(&mut self, buffer: &mut BytesMut, at_end: bool, out: &mut Vec<u8>) -> bool {
        let start = match Start::of(buffer) {
            _ if self.discarding => None,
            Start::Unknown if !at_end => return false,
            Start::Count { at, length } if length <= self.bytes_max => Some((at, at + length)),
            _ => None,
        };
        let Some((at, end)) = start else { return self.other(buffer, at_end, out) };
        let whole = &buffer[at..end.min(buffer.len())];
        let end = match next_message(whole, 1) {
            Some(next) => at + next,
            None if end > buffer.len() && !at_end => return false,
            None => at + whole.len(),
        };
        write(&buffer[at..end], out);
        buffer.advance(end);
        true
    }

    /// Takes what is no message: up to the end of its line, or up to the next message.
    fn other(&mut self, buffer: &mut BytesMut, at_end: bool, out: &mut Vec<u8>) -> bool {
        let from = match Start::of(buffer) {
            Start::Count { at, .. } if !self.discarding => at + 1,
            _ => usize::from(!self.discarding),
        };
        let feed = memchr::memchr(b'\n', buffer);
        let next = next_message(&buffer[..feed.unwrap_or(buffer.len())], from);
        if let Some(end) = next.or(feed) {
            // Whether it is seen whole or was thrown away in pieces, it is one text over the limit.
            if std::mem::take(&mut self.discarding) || end > self.bytes_max {
                self.oversize += 1;
            } else {
                write(&buffer[..end], out);
            }
            buffer.advance(end);
            return true;
        }
        if self.discarding || buffer.len() > self.bytes_max + START_BYTES_MAX {
            self.discarding = true;
            let done = buffer.len().saturating_sub(START_BYTES_MAX);
            buffer.advance(done);
        }
        if at_end {
            if buffer.len() > self.bytes_max {
                self.discarding = true;
            } else if !self.discarding {
                write(buffer, out);
            }
            buffer.clear();
        }
        false
    }
}

/// Where the next count with a message behind it stands, at `from` or later.
fn next_message(text: &[u8], from: usize) -> Option<usize> {
    memchr::memmem::find_iter(text, b" <").find_map(|space| {
        let priority = text[space + 2..].iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
        let is_priority = (1..=3).contains(&priority) && text.get(space + 2 + priority) == Some(&b'>');
        let digits = text[..space].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let start = space - digits;
        let is_count = matches!(Start::of(&text[start..]), Start::Count { .. });
        (is_priority && is_count && start >= from).then_some(start)
    })
}

/// Writes a message as one line.
fn write(message: &[u8], out: &mut Vec<u8>) {
    let end = message.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |at| at + 1);
    let message = &message[..end];
    out.extend(message.iter().filter(|&&byte| byte == b'\n'));
    out.extend(message.iter().map(|&byte| if byte == b'\n' { b' ' } else { byte }));
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The lines that an input becomes which comes in pieces of these sizes, and what is dropped of it.
    fn lines_of(input: &[u8], sizes: &[usize], bytes_max: usize) -> (Vec<String>, u32) {
        let mut codec = OctetsCodec::new(bytes_max);
        let mut buffer = BytesMut::new();
        let (mut lines, mut oversize) = (Vec::new(), 0);
        let mut take = |block: Block| {
            oversize += block.oversize;
            for line in block.lines() {
                if line.len() > bytes_max {
                    oversize += 1;
                } else {
                    lines.push(String::from_utf8_lossy(line).into_owned());
                }
            }
        };
        let mut rest = input;
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let size = sizes.next().map_or(1, |size| *size).clamp(1, rest.len());
            buffer.extend_from_slice(&rest[..size]);
            rest = &rest[size..];
            while let Some(block) = codec.decode(&mut buffer, false) {
                take(block);
            }
            assert!(buffer.len() <= bytes_max + 2 * START_BYTES_MAX, "{} bytes are kept", buffer.len());
        }
        while let Some(block) = codec.decode(&mut buffer, true) {
            take(block);
        }
        (lines, oversize)
    }

    #[track_caller]
    fn check(input: &str, expected: &[&str], dropped: u32) {
        for sizes in [&[input.len()][..], &[1], &[3, 8]] {
            let (lines, oversize) = lines_of(input.as_bytes(), sizes, 60);
            assert_eq!(
                (lines, oversize),
                (expected.iter().map(ToString::to_string).collect(), dropped),
                "{input}"
            );
        }
    }

    #[test]
    fn messages_are_told_by_their_counts() {
        check("5 <1>ab5 <2>cd", &["<1>ab", "<2>cd"], 0);
        check("5 <1>ab\n5 <2>cd\r\n\n4 <3>e\n", &["<1>ab", "<2>cd", "<3>e"], 0);
        check("9 <1>a\nb\ncd5 <2>cd", &["", "", "<1>a b cd", "<2>cd"], 0);
        check("7 <1>a\n\n\n5 <2>cd", &["<1>a", "<2>cd"], 0);
        check("9 <1>a3 <bc5 <2>cd", &["<1>a3 <bc", "<2>cd"], 0);
    }

    #[test]
    fn a_wrong_count_costs_its_message() {
        let rest = "10 <2>{\"b\":2}\n10 <3>{\"c\":3}";
        let with = |first: &[&'static str]| [first, &["<2>{\"b\":2}", "<3>{\"c\":3}"]].concat();
        check(&format!("10 <1>{{\"a\":1}}\n{rest}"), &with(&["<1>{\"a\":1}"]), 0);
        check(&format!("11 <1>{{\"a\":1}}\n{rest}"), &with(&["<1>{\"a\":1}"]), 0);
        check(&format!("19 <1>{{\"a\":1}}\n{rest}"), &with(&["<1>{\"a\":1}"]), 0);
        check(&format!("999999999 <1>{{\"a\":1}}\n{rest}"), &with(&["999999999 <1>{\"a\":1}"]), 0);
        check(&format!("9999999999 <1>{{\"a\":1}}{rest}"), &with(&["9999999999 <1>{\"a\":1}"]), 0);
        check(&format!("6 <1>{{\"a\":1}}\n{rest}"), &with(&["<1>{\"a", "\":1}"]), 0);
        check(&format!("6 <1>{{\"a\":1}}{rest}"), &with(&["<1>{\"a", "\":1}"]), 0);
        check(&format!("what is this\n{rest}"), &with(&["what is this"]), 0);
        check(&format!("{}{rest}", "x".repeat(200)), &with(&[""]), 1);
        check(&format!("5 <1>ab{}what\n{rest}", "\0".repeat(200)), &with(&["<1>ab", "what"]), 0);
        check(&format!("{rest}50 <1>{{\"a\":"), &["<2>{\"b\":2}", "<3>{\"c\":3}", "<1>{\"a\":"], 0);
    }

    #[test]
    fn an_input_is_known_by_its_start() {
        for (text, start) in [
            ("83 <13>", Start::Count { at: 3, length: 83 }),
            ("123456789 <", Start::Count { at: 10, length: 123_456_789 }),
            ("", Start::Unknown),
            ("83", Start::Unknown),
            ("83 ", Start::Unknown),
            ("1234567890 <", Start::Other),
            ("083 <", Start::Other),
            ("83 {", Start::Other),
            ("83\n", Start::Other),
            ("<13>", Start::Other),
            (" 83 <", Start::Other),
        ] {
            assert_eq!(Start::of(text.as_bytes()), start, "{text}");
        }
    }

    proptest! {
        #[test]
        fn how_the_bytes_come_does_not_matter(
            messages in prop::collection::vec("[a-z <\n0-9]{0,12}", 0..12),
            has_feeds in any::<bool>(),
            sizes in prop::collection::vec(1_usize..20, 1..5),
        ) {
            let counted = |message: &String| format!("{} <1>{message}{}", message.len() + 3, if has_feeds { "\n" } else { "" });
            let input: String = messages.iter().map(counted).collect();
            let whole = lines_of(input.as_bytes(), &[input.len().max(1)], 60);
            let texts = whole.0.iter().filter(|line| !line.is_empty()).cloned().collect::<Vec<_>>();
            let line = |message: &String| format!("<1>{}", message.trim_end_matches('\n').replace('\n', " "));
            prop_assert_eq!(&texts, &messages.iter().map(line).collect::<Vec<_>>());
            prop_assert_eq!(lines_of(input.as_bytes(), &sizes, 60), whole);
        }

        #[test]
        fn nothing_is_kept_for_ever(
            pieces in prop::collection::vec(prop_oneof![
                Just("5 <1>ab"), Just("9"), Just(" <"), Just("1>"), Just("\n"), Just("x"), Just("30 <1>"), Just("999999999 <1>"),
            ], 0..80),
            sizes in prop::collection::vec(1_usize..20, 1..5),
        ) {
            lines_of(pieces.concat().as_bytes(), &sizes, 20);
        }
    }
}
