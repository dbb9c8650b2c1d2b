//! What framing holds of an input, on its way into a checkpoint: the beginning of a document whose end has not come is
//! text as it was written, and may hold a key.
//!
//! So it is saved under a key that is made of the first bytes of its own file. Whoever has the file has the text anyway;
//! whoever has the checkpoint alone has neither.

use crate::frame::Framer;
use crate::save::{Reader, Unreadable, Writer};
use crate::source::Seal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where framing stands.
#[derive(Clone)]
pub enum Held {
    /// As it is used.
    Open(Box<Framer>, Seal),
    /// As it was saved.
    Sealed(Vec<u8>),
}

impl Held {
    /// Where framing stood, of the file with this key.
    pub fn open(self, seal: Option<Seal>) -> Result<Framer, Unreadable> {
        match (self, seal) {
            (Self::Open(framer, _), _) => Ok(*framer),
            (Self::Sealed(mut bytes), Some(seal)) => {
                let (name, text) = bytes.split_first_chunk_mut::<NAME_BYTES>().ok_or(Unreadable)?;
                cover(text, name, &seal);
                if name_of(text, &seal) != *name {
                    return Err(Unreadable);
                }
                Reader::new(text).take()
            }
            (Self::Sealed(_), None) => Err(Unreadable),
        }
    }
}

impl Serialize for Held {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sealed(bytes) => serializer.serialize_bytes(bytes),
            Self::Open(framer, seal) => {
                let mut out = Writer::default();
                out.put(framer);
                let mut text = out.into_bytes();
                let name = name_of(&text, seal);
                cover(&mut text, &name, seal);
                serializer.serialize_bytes(&[&name[..], &text].concat())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Held {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&[u8]>::deserialize(deserializer).map(|bytes| Self::Sealed(bytes.to_vec()))
    }
}

/// Bytes of what tells one text from another.
const NAME_BYTES: usize = 16;

/// Tells one text from another to whoever has the key: no two of them share a stream.
fn name_of(text: &[u8], seal: &Seal) -> [u8; NAME_BYTES] {
    let mut name = [0; NAME_BYTES];
    name.copy_from_slice(&blake3::keyed_hash(seal, text).as_bytes()[..NAME_BYTES]);
    name
}

/// Covers a text, or uncovers it: BLAKE3 as a stream cipher.
fn cover(text: &mut [u8], name: &[u8; NAME_BYTES], seal: &Seal) {
    let mut hasher = blake3::Hasher::new_keyed(&blake3::derive_key("keyhound 2026-11-22 held text", seal));
    hasher.update(name);
    let mut stream = vec![0; text.len()];
    hasher.finalize_xof().fill(&mut stream);
    text.iter_mut().zip(stream).for_each(|(byte, other)| *byte ^= other);
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;

    #[test]
    fn what_is_held_is_covered_and_comes_back() {
        let mut framer = Framer::new(1000);
        let mut buffer = BytesMut::from(&b"{\"api_key\": \"an example of a key\",\n"[..]);
        while framer.next(&mut buffer).is_some() {}
        let mut out = Writer::default();
        out.put(&Held::Open(Box::new(framer), [7; 32]));
        let bytes = out.into_bytes();
        assert!(memchr::memmem::find(&bytes, b"example").is_none());
        let held: Held = Reader::new(&bytes).take().unwrap();
        assert!(held.clone().open(Some([8; 32])).is_err() && held.clone().open(None).is_err());
        let mut framer = held.open(Some([7; 32])).unwrap();
        let mut rest = BytesMut::from(&b"\"model\": \"x\"}\n"[..]);
        let mut text = Vec::new();
        while let Some(block) = framer.finish(&mut rest) {
            text.extend_from_slice(&block.bytes);
        }
        assert!(String::from_utf8(text).unwrap().contains("an example of a key"));
    }
}
