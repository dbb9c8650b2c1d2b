//! State as bytes, and back: what checkpoints are made of.

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

/// Bytes that are no state of this version. Checkpoints have a checksum, so this is a mistake of ours or theirs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("what was saved cannot be understood")]
pub struct Unreadable;

/// Writes values one behind the other.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// One that needs no more memory for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Appends a value.
    pub fn put(&mut self, value: &(impl Serialize + ?Sized)) {
        // Memory that is there can be written to, and every type of ours knows its lengths beforehand.
        let written = postcard::serialize_with_flavor(value, Appending(&mut self.0));
        debug_assert!(written.is_ok(), "{written:?}");
    }

    /// Appends what `write` appends, with its length in front, so that it can be passed over.
    pub fn sized(&mut self, write: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.put_length(0);
        write(self);
        let length = (self.0.len() - start - 8) as u64;
        if let Some(place) = self.0.get_mut(start..start + 8) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }

    /// Appends what stands in front of so many bytes that whoever reads may pass over.
    pub fn put_length(&mut self, bytes: usize) {
        self.0.extend_from_slice(&(bytes as u64).to_le_bytes());
    }

    /// Appends bytes with their length in front.
    pub fn put_bytes(&mut self, bytes: &[u8]) {
        self.sized(|inner| inner.0.extend_from_slice(bytes));
    }

    /// What has been written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

struct Appending<'a>(&'a mut Vec<u8>);

impl Flavor for Appending<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        // Most are numbers of a few bytes: where it is known how many, they are stored, and not copied by a call.
        match *bytes {
            [a] => self.0.push(a),
            [a, b] => self.0.extend_from_slice(&[a, b]),
            [a, b, c] => self.0.extend_from_slice(&[a, b, c]),
            [a, b, c, d] => self.0.extend_from_slice(&[a, b, c, d]),
            _ => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Reads what a [`Writer`] has written.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// From the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next value.
    pub fn take<T: Deserialize<'a>>(&mut self) -> Result<T, Unreadable> {
        let (value, rest) = postcard::take_from_bytes(self.0).map_err(|_| Unreadable)?;
        self.0 = rest;
        Ok(value)
    }

    /// What was written by [`Writer::sized`].
    pub fn sized(&mut self) -> Result<Self, Unreadable> {
        let (length, rest) = self.0.split_first_chunk().ok_or(Unreadable)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| Unreadable)?;
        let (inner, rest) = rest.split_at_checked(length).ok_or(Unreadable)?;
        self.0 = rest;
        Ok(Self(inner))
    }

    /// What is left to read.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        writer.put(&(7_u32, "seven"));
        writer.sized(|inner| inner.put(&[1_u8, 2]));
        writer.put(&-1_i64);
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.take::<(u32, &str)>(), Ok((7, "seven")));
        let mut inner = reader.sized().unwrap();
        assert_eq!(reader.take::<i64>(), Ok(-1));
        assert_eq!(inner.take::<[u8; 2]>(), Ok([1, 2]));
        assert!(inner.is_empty() && reader.is_empty() && reader.take::<u8>().is_err());
    }

    #[test]
    fn what_is_cut_off_is_unreadable() {
        let mut writer = Writer::default();
        writer.sized(|inner| inner.put("text"));
        let bytes = writer.into_bytes();
        for length in 0..bytes.len() {
            assert!(Reader::new(&bytes[..length]).sized().is_err(), "{length}");
        }
    }
}
