//! Server-sent events, as the WHATWG describes them: bytes in pieces as they come, the data of each event out. Names and ids
//! of events are passed over, for the answers that are read here say in their data what they are.

use memchr::memchr2;

/// An event or a line of it has more bytes than it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLong;

/// A stream of events, read in pieces that may end anywhere.
#[derive(Clone, Debug)]
pub struct Events {
    /// What has come of a line.
    line: Vec<u8>,
    /// The data of the event that has not ended.
    data: Vec<u8>,
    has_data: bool,
    /// The last byte was a carriage return: a line feed behind it belongs to it.
    after_return: bool,
    /// Nothing has come yet: a byte order mark may stand here.
    is_first: bool,
    bytes_max: usize,
}

impl Events {
    /// Nothing read; no line and no event may have more bytes than that.
    pub fn new(bytes_max: usize) -> Self {
        let (line, data) = (Vec::new(), Vec::new());
        Self { line, data, has_data: false, after_return: false, is_first: true, bytes_max }
    }

    /// Takes a piece, and gives the data of every event that ends in it.
    pub fn push(&mut self, mut bytes: &[u8], give: &mut impl FnMut(&[u8])) -> Result<(), TooLong> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_return) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = memchr2(b'\r', b'\n', bytes);
            let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if self.line.len() + part.len() > self.bytes_max {
                return Err(TooLong);
            }
            self.line.extend_from_slice(part);
            let Some((mark, rest)) = rest.split_first() else { return Ok(()) };
            self.after_return = *mark == b'\r';
            bytes = rest;
            self.end_of_line(give)?;
        }
        Ok(())
    }

    fn end_of_line(&mut self, give: &mut impl FnMut(&[u8])) -> Result<(), TooLong> {
        let mut line = std::mem::take(&mut self.line);
        let mut text = &line[..];
        if std::mem::take(&mut self.is_first) {
            text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        }
        if text.is_empty() {
            // An event without data is none.
            if std::mem::take(&mut self.has_data) {
                give(&self.data);
            }
            self.data.clear();
        } else if let Some(data) = text.strip_prefix(b"data").filter(|rest| matches!(rest, [] | [b':', ..])) {
            let data = data.strip_prefix(b":").unwrap_or(data);
            let data = data.strip_prefix(b" ").unwrap_or(data);
            if self.data.len() + data.len() >= self.bytes_max {
                return Err(TooLong);
            }
            if std::mem::replace(&mut self.has_data, true) {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(data);
        }
        line.clear();
        self.line = line;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(pieces: &[&[u8]], max: usize) -> (Vec<String>, bool) {
        let (mut events, mut out) = (Events::new(max), Vec::new());
        let mut give = |data: &[u8]| out.push(String::from_utf8_lossy(data).into_owned());
        let whole = pieces.iter().try_for_each(|piece| events.push(piece, &mut give)).is_ok();
        (out, whole)
    }

    #[test]
    fn events_are_what_the_standard_says() {
        for (text, expected) in [
            ("data: a\n\n", &["a"][..]),
            ("\u{feff}data: a\n\n", &["a"]),
            ("data:a\r\n\r\ndata: b\r\rdata:  c\n\n", &["a", "b", " c"]),
            ("data: a\ndata\ndata: b\n\n", &["a\n\nb"]),
            (": ping\n\nevent: x\nid: 1\nretry: 3\n\n", &[]),
            ("event: x\ndata: {}\n\n\n\ndata: [DONE]\n\n", &["{}", "[DONE]"]),
            ("database: a\n\ndata\n\n", &[""]),
            // What has no end is no event.
            ("data: a\n\ndata: b\n", &["a"]),
        ] {
            assert_eq!(
                read(&[text.as_bytes()], 100),
                (expected.iter().map(ToString::to_string).collect(), true),
                "{text:?}"
            );
        }
    }

    #[test]
    fn nothing_grows_without_end() {
        assert!(!read(&[b"data: 0123456789"], 10).1);
        assert!(!read(&[b"data: 1234\ndata: 1234\ndata: 1\n"], 10).1);
        let endless = [&b": ping\n\n"[..]; 1000];
        assert_eq!(read(&endless, 10), (Vec::new(), true));
    }

    proptest! {
        #[test]
        fn however_a_stream_is_cut_the_events_are_the_same(
            text in "((data: ?|data|: |event: )?[a-c\r\n ]{0,6}(\r\n|\n|\r|\n\n)){0,12}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let bytes = text.as_bytes();
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            places.extend([0, bytes.len()]);
            places.sort_unstable();
            let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            for max in [8, 100] {
                let (whole, parts) = (read(&[bytes], max), read(&pieces, max));
                prop_assert_eq!(whole, parts);
            }
        }

        #[test]
        fn any_bytes_are_read(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..20)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let (events, _) = read(&pieces, 16);
            prop_assert!(events.iter().all(|event| event.chars().count() <= 16));
        }
    }
}
