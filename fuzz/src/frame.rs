//! Framing: how the bytes arrive must not matter, and must not cost memory.

use bytes::BytesMut;
use keyhound::frame::{Block, Framer};

/// The first byte sets the limit, the second says how many of those after it are sizes of pieces.
pub fn check(data: &[u8]) {
    let [limit, sizes, rest @ ..] = data else { return };
    let Some((sizes, text)) = rest.split_at_checked(usize::from(sizes % 32)) else { return };
    let limit = (usize::from(*limit) + 1) * 8;
    let sizes: Vec<usize> = sizes.iter().map(|&size| usize::from(size)).collect();
    assert_eq!(frames(text, &sizes, limit), frames(text, &[text.len()], limit));
}

/// What is framed of a text: frames by line, those over the limit as far as they are kept, and how many of these are
/// not.
#[derive(PartialEq, Eq, Debug, Default)]
struct Framed {
    lines: usize,
    frames: Vec<(usize, Vec<u8>)>,
    oversize: u32,
}

fn frames(text: &[u8], sizes: &[usize], limit: usize) -> Framed {
    let mut framer = Framer::new(limit);
    let mut framed = Framed::default();
    let mut buffer = BytesMut::new();
    let mut rest = text;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| *size).clamp(1, rest.len());
        buffer.extend_from_slice(&rest[..size]);
        rest = &rest[size..];
        assert!(buffer.len() <= limit + size + 32, "{} bytes are held", buffer.len());
        while let Some(block) = framer.next(&mut buffer) {
            framed.take(&block);
        }
        assert!(buffer.len() <= limit + 32, "{} bytes are kept", buffer.len());
    }
    while let Some(block) = framer.finish(&mut buffer) {
        framed.take(&block);
    }
    assert!(buffer.is_empty() && framer.finish(&mut buffer).is_none(), "nothing is given twice");
    framed
}

impl Framed {
    /// Zeros part frames on one line, and white space around them says nothing.
    fn take(&mut self, block: &Block) {
        self.oversize += block.oversize;
        for line in block.lines() {
            self.lines += 1;
            let pieces = line.split(|&byte| byte == 0).map(<[u8]>::trim_ascii).filter(|piece| !piece.is_empty());
            self.frames.extend(pieces.map(|piece| (self.lines, piece.to_vec())));
        }
        self.lines -= usize::from(block.is_open());
    }
}
