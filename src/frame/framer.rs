//! All of framing in its order, for one input: lines, the header they stand under, pieces, documents.

use super::octets::Start;
use super::{Block, Documents, Joiner, LinesCodec, OctetsCodec, Origins};
use crate::decode::Header;
use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio_util::codec::Decoder as _;

/// Cuts the bytes of an input into blocks of frames.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Framer {
    bytes_max: usize,
    lines: LinesCodec,
    /// In the place of lines where the input begins with the length of a message.
    octets: Option<OctetsCodec>,
    joiner: Joiner,
    documents: Documents,
    header: Option<Arc<Header>>,
    /// Nothing of the file has been seen yet.
    is_new: bool,
    /// Nor a line of it: the next one may be a header.
    at_start: bool,
    /// What was read for the lines that are given out, where somebody wants to prove them: nobody who could go on from here.
    #[serde(skip)]
    origins: Origins,
}

impl Framer {
    /// For frames of at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            lines: LinesCodec::new(bytes_max),
            octets: None,
            joiner: Joiner::new(bytes_max),
            documents: Documents::new(bytes_max),
            header: None,
            is_new: true,
            at_start: true,
            origins: Origins::default(),
        }
    }

    /// The same, which tells what each of its lines was read from if that `is_wanted`.
    #[must_use]
    pub fn proving(self, is_wanted: bool) -> Self {
        let origins = if is_wanted { Origins::wanted(self.bytes_max) } else { Origins::default() };
        Self { origins, ..self }
    }

    /// The next block of what has been read; `None` where more must be read.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Option<Block> {
        if self.is_new {
            match Start::of(buffer) {
                Start::Unknown => return None,
                Start::Count { .. } => {
                    self.octets = Some(OctetsCodec::new(self.bytes_max));
                    self.origins.lose();
                }
                Start::Other => {}
            }
            self.is_new = false;
        }
        let block = match &mut self.octets {
            Some(octets) => octets.decode(buffer, false),
            None => self.lines.decode(buffer).ok().flatten(),
        };
        block.map(|block| self.dress(block))
    }

    /// The next block of what is left at the end of a file; `None` after the last, and then another file may follow.
    pub fn finish(&mut self, buffer: &mut BytesMut) -> Option<Block> {
        if let Some(block) = self.next(buffer) {
            return Some(block);
        }
        let rest = match &mut self.octets {
            Some(octets) => octets.decode(buffer, true),
            None => self.lines.decode_eof(buffer).ok().flatten(),
        };
        if let Some(block) = rest {
            return Some(self.dress(block));
        }
        // What these have kept back was counted when it was read.
        if let Some(block) = self.joiner.finish() {
            let block = Block { read: Some(0), ..self.documents.join(block) };
            return Some(self.origins.tell_rest(block));
        }
        let last = self.documents.finish();
        if last.is_none() {
            *self = Self::new(self.bytes_max).proving(self.origins.are_wanted());
        }
        last.map(|block| self.origins.tell_rest(Block { read: Some(0), ..block }))
    }

    fn dress(&mut self, mut block: Block) -> Block {
        if self.at_start && !(block.bytes.is_empty() && block.oversize == 0) {
            self.at_start = false;
            // What is over the limit is no header, and none stands behind it.
            let first = block.lines().next().filter(|_| block.oversize == 0 && !block.is_cut);
            self.header = first.and_then(Header::read).map(Arc::new);
            block.starts_with_header = self.header.is_some();
        }
        block.header.clone_from(&self.header);
        let read = Some(block.bytes.len());
        let before = self.origins.are_wanted().then(|| block.clone());
        let made = Block { read, ..self.documents.join(self.joiner.join(block)) };
        match before {
            Some(before) => self.origins.tell(&before, made),
            None => made,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_over_the_limit_is_none_however_it_arrives() {
        let header = "timestamp,api_key_prefix,model,input_tokens,output_tokens";
        let text = format!("{header},{}\n{header}\n", "x".repeat(60));
        for size in [text.len(), 7] {
            let (mut framer, mut buffer) = (Framer::new(100), BytesMut::new());
            let mut headers = 0;
            for piece in text.as_bytes().chunks(size) {
                buffer.extend_from_slice(piece);
                while let Some(block) = framer.next(&mut buffer) {
                    headers += usize::from(block.header.is_some());
                }
            }
            while let Some(block) = framer.finish(&mut buffer) {
                headers += usize::from(block.header.is_some());
            }
            assert_eq!(headers, 0, "in pieces of {size}");
        }
        let mut framer = Framer::new(100);
        let block = framer.next(&mut BytesMut::from(format!("{header}\n").as_bytes())).unwrap();
        assert!(block.starts_with_header);
    }
}
