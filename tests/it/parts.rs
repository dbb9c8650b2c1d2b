//! Bytes in a form that people can read and write: what stands in the `input` of a case.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use std::io::Write;

/// A stretch of an input.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Part {
    Text(String),
    Hex {
        hex: String,
        #[serde(default = "once")]
        times: usize,
    },
    /// A record, with a line feed, that has these members besides a time and a key.
    With {
        with: String,
        #[serde(default = "once")]
        times: usize,
    },
    /// In this and in records, `{n}` is the number of the turn.
    Repeat {
        repeat: String,
        times: usize,
    },
    Utf16 {
        utf16: String,
    },
    Gzip {
        gzip: Vec<Part>,
    },
    Zst {
        zst: Vec<Part>,
    },
    Base64 {
        base64: Vec<Part>,
    },
    /// Parts without their last bytes.
    Cut {
        of: Vec<Part>,
        cut: usize,
    },
    /// Parts with the bits of one byte turned over, counted from the end.
    Flip {
        of: Vec<Part>,
        flip: usize,
    },
}

fn once() -> usize {
    1
}

fn repeat(text: &str, times: usize) -> Vec<u8> {
    if text.contains("{n}") {
        (0..times).flat_map(|n| text.replace("{n}", &n.to_string()).into_bytes()).collect()
    } else {
        text.repeat(times).into_bytes()
    }
}

/// What the parts are together.
pub fn bytes(parts: &[Part]) -> Vec<u8> {
    parts.iter().flat_map(Part::bytes).collect()
}

impl Part {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Hex { hex, times } => {
                let digits = hex.replace(' ', "");
                let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
                (0..digits.len()).step_by(2).map(byte).collect::<Vec<_>>().repeat(*times)
            }
            Self::With { with, times } => {
                const START: &str = r#"{"timestamp":"2026-06-02T09:15:00Z","api_key_prefix":"...3f9c","#;
                repeat(&format!("{START}{with}}}\n"), *times)
            }
            Self::Repeat { repeat: text, times } => repeat(text, *times),
            Self::Utf16 { utf16 } => utf16.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Gzip { gzip } => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&bytes(gzip)).unwrap();
                encoder.finish().unwrap()
            }
            Self::Zst { zst } => {
                let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
                encoder.include_checksum(true).unwrap();
                encoder.write_all(&bytes(zst)).unwrap();
                encoder.finish().unwrap()
            }
            Self::Base64 { base64 } => BASE64_STANDARD.encode(bytes(base64)).into_bytes(),
            Self::Cut { of, cut } => {
                let mut whole = bytes(of);
                whole.truncate(whole.len() - cut);
                whole
            }
            Self::Flip { of, flip } => {
                let mut whole = bytes(of);
                let at = whole.len() - flip;
                whole[at] ^= 0xff;
                whole
            }
        }
    }
}
