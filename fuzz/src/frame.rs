//! Lines and container logs: how the bytes arrive must not matter, and must not cost memory.

use bytes::BytesMut;
use keyhound::frame::{Block, Joiner, LinesCodec};
use tokio_util::codec::Decoder as _;

/// A line, or nothing for one over the limit, which is thrown away sooner or later.
type Line = Option<Vec<u8>>;

/// The first byte sets the limit, the second says how many of those after it are sizes of pieces.
pub fn check(data: &[u8]) {
    let [limit, sizes, rest @ ..] = data else { return };
    let Some((sizes, text)) = rest.split_at_checked(usize::from(sizes % 32)) else { return };
    let limit = (usize::from(*limit) + 1) * 8;
    let whole = lines(text, &[text.len()], limit);
    assert_eq!(
        lines(text, sizes.iter().map(|&size| usize::from(size)).collect::<Vec<_>>().as_slice(), limit),
        whole
    );
}

fn lines(text: &[u8], sizes: &[usize], limit: usize) -> Vec<Line> {
    let mut reading = Reading { joiner: Joiner::new(limit), limit, lines: Vec::new() };
    let mut codec = LinesCodec::new(limit);
    let mut buffer = BytesMut::new();
    let mut rest = text;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| *size).clamp(1, rest.len());
        buffer.extend_from_slice(&rest[..size]);
        rest = &rest[size..];
        assert!(buffer.len() <= limit + size, "{} bytes are held", buffer.len());
        while let Some(block) = codec.decode(&mut buffer).expect("bytes are always lines") {
            reading.take(block);
        }
        assert!(buffer.len() <= limit, "{} bytes are kept", buffer.len());
    }
    while let Some(block) = codec.decode_eof(&mut buffer).expect("bytes are always lines") {
        reading.take(block);
    }
    reading.finish()
}

struct Reading {
    joiner: Joiner,
    limit: usize,
    lines: Vec<Line>,
}

impl Reading {
    fn take(&mut self, block: Block) {
        let before = block.lines().count();
        self.lines.extend((0..block.oversize).map(|_| None));
        let joined = self.joiner.join(block);
        assert_eq!(joined.lines().count(), before, "line numbers stay those of the file");
        self.keep(&joined);
    }

    fn keep(&mut self, block: &Block) {
        let limit = self.limit;
        self.lines.extend(block.lines().map(|line| (line.len() <= limit).then(|| line.to_vec())));
    }

    fn finish(mut self) -> Vec<Line> {
        if let Some(block) = self.joiner.finish() {
            // Two streams of a container, each with one line under way and its envelope.
            assert!(block.bytes.len() <= 2 * (self.limit + 64), "{} bytes are pending", block.bytes.len());
            self.keep(&block);
        }
        assert!(self.joiner.finish().is_none(), "nothing is given twice");
        self.lines
    }
}
