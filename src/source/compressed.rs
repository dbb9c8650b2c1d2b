//! gz and zst, recognised by content, whatever a file is called.

use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufReader, Cursor, Read};

/// Bytes of input buffered for decompression.
const BUFFER_BYTES: usize = 64 << 10;
/// Largest window of a zst file, as a power of two: 128 MiB, what `zstd` itself accepts without being asked.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// A reader with the bytes that were looked at to recognise it put back in front.
type Chained<R> = BufReader<io::Chain<Cursor<Vec<u8>>, R>>;

/// Plain, gz or zst bytes, read as plain ones. Memory stays flat whatever the ratio of compression.
pub enum Decompressor<R: Read> {
    /// Not compressed.
    Plain(io::Chain<Cursor<Vec<u8>>, R>),
    /// gzip, any number of members.
    Gzip(Box<MultiGzDecoder<Chained<R>>>),
    /// Zstandard, any number of frames.
    Zstd(zstd::Decoder<'static, Chained<R>>),
}

impl<R: Read> Decompressor<R> {
    /// Looks at the first bytes of `reader`; an error of kind `Unsupported` for archives that are not read.
    pub fn new(mut reader: R) -> io::Result<Self> {
        let mut head = Vec::with_capacity(6);
        reader.by_ref().take(6).read_to_end(&mut head)?;
        let unsupported = |what: &str, tool: &str| {
            let message = format!("{what} data is not read; unpack it with `{tool}` and pipe it in");
            Err(io::Error::new(io::ErrorKind::Unsupported, message))
        };
        let is_gzip = head.starts_with(&[0x1f, 0x8b]);
        // A Zstandard frame, or a skippable frame in front of one.
        let is_zstd = matches!(head[..], [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        match head[..] {
            [0xfd, b'7', b'z', b'X', b'Z', ..] => return unsupported("xz", "xz"),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => return unsupported("bzip2", "bzip2"),
            [0x04, 0x22, 0x4d, 0x18, ..] => return unsupported("lz4", "lz4"),
            [b'P', b'K', 3, 4, ..] => return unsupported("zip", "unzip"),
            _ if is_gzip || is_zstd => {}
            _ => return Ok(Self::Plain(Cursor::new(head).chain(reader))),
        }
        let chained = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(reader));
        if is_gzip {
            return Ok(Self::Gzip(Box::new(MultiGzDecoder::new(chained))));
        }
        let mut decoder = zstd::Decoder::with_buffer(chained)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        Ok(Self::Zstd(decoder))
    }

    /// True where errors may come from damaged data and not from the device.
    pub fn is_compressed(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }
}

impl<R: Read> Read for Decompressor<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(out),
            Self::Gzip(reader) => reader.read(out),
            Self::Zstd(reader) => reader.read(out),
        }
    }
}

/// What to tell of an error that means that the data is damaged or of a kind that is not read; `None` where the
/// device failed.
pub(super) fn damage(error: &io::Error) -> Option<String> {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof, Unsupported};
    match error.kind() {
        Unsupported => Some(error.to_string()),
        _ if error.to_string().contains("too much memory") => Some(
            "zst data with a window over 128 MiB; unpack it with `zstd -d --long=31` and pipe it in"
                .to_owned(),
        ),
        InvalidData | InvalidInput | UnexpectedEof | Other => {
            Some(format!("compressed data is damaged or cut off here ({error}); what came before was read"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Decompressor::new(bytes)?.read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn content_decides() {
        let text = b"{\"a\":1}\n".repeat(1000);
        let zst = zstd::encode_all(&text[..], 1).unwrap();
        let several = [gzip(b"one\n"), gzip(b""), gzip(b"two\n")].concat();
        let frames = [zst.clone(), zst.clone()].concat();
        assert_eq!(read(&text).unwrap(), text);
        assert_eq!(read(&gzip(&text)).unwrap(), text);
        assert_eq!(read(&zst).unwrap(), text);
        assert_eq!(read(&several).unwrap(), b"one\ntwo\n");
        assert_eq!(read(&frames).unwrap(), text.repeat(2));
        for short in [&b""[..], b"\n", b"{", b"\x1f"] {
            assert_eq!(read(short).unwrap(), short);
        }
    }

    #[test]
    fn damage_is_told_from_the_end() {
        let whole = gzip(&b"{\"a\":1}\n".repeat(1000));
        let is_damage =
            |bytes: &[u8]| damage(&read(bytes).unwrap_err()).is_some_and(|told| told.contains("damaged"));
        assert!(is_damage(&whole[..whole.len() / 2]));
        assert!(is_damage(&[&whole[..], b"trailing garbage"].concat()));
        let zst = zstd::encode_all(&b"{\"a\":1}\n".repeat(1000)[..], 1).unwrap();
        assert!(is_damage(&zst[..zst.len() - 3]));
        let xz = read(b"\xfd7zXZ\0rest").unwrap_err();
        assert!(xz.to_string().contains("`xz`"), "{xz}");
    }
}
