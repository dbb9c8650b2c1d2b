//! Bodies, read and decompressed within their limits: each byte has its room before it is kept, and a small body that would
//! unfold to a large one is let go when it has become too large.

use super::answer::Refusal;
use super::traffic::Traffic;
use bytes::{Bytes, BytesMut};
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body as _, Incoming};
use hyper::header::CONTENT_ENCODING;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// How long a request waits for room before it is told to come again.
const ROOM_WITHIN: Duration = Duration::from_secs(2);
/// Bytes that are decompressed at a time.
const PIECE_BYTES: usize = 64 << 10;
/// Largest window of zstd data, as a power of two: 8 MiB, which is what every reader has to have (RFC 8878).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How a body is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Coding {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// What HTTP calls deflate, which is zlib.
    Deflate,
    /// Zstandard.
    Zstd,
}

impl Coding {
    /// What the headers say.
    pub fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut codings = headers.get_all(CONTENT_ENCODING).iter();
        let (Some(coding), None) = (codings.next(), codings.next()) else {
            return if headers.contains_key(CONTENT_ENCODING) {
                Err(Refusal::Coding("several times".to_owned()))
            } else {
                Ok(Self::None)
            };
        };
        match coding.as_bytes().trim_ascii().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Ok(Self::None),
            b"gzip" | b"x-gzip" => Ok(Self::Gzip),
            b"deflate" => Ok(Self::Deflate),
            b"zstd" => Ok(Self::Zstd),
            other => {
                let is_word = other.len() < 20 && other.iter().all(u8::is_ascii_alphanumeric);
                let name = if is_word {
                    String::from_utf8_lossy(other).into_owned()
                } else {
                    "that is named".to_owned()
                };
                Err(Refusal::Coding(name))
            }
        }
    }
}

/// Room in memory.
pub struct Room<'a> {
    traffic: &'a Traffic,
    held: Option<OwnedSemaphorePermit>,
}

impl<'a> Room<'a> {
    /// None yet.
    pub fn new(traffic: &'a Traffic) -> Self {
        Self { traffic, held: None }
    }

    /// Room for so many bytes more; waits for it, but not for long.
    pub async fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.traffic.queue).acquire_many_owned(bytes);
        let more = timeout(ROOM_WITHIN, room).await.ok().and_then(Result::ok).ok_or(Refusal::Busy)?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }

    /// The room that was taken, all but so many bytes, which are free again.
    pub fn keep(self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let mut held = self.held.ok_or(Refusal::Busy)?;
        drop(held.split(bytes));
        Ok(held)
    }
}

/// Reads a body to its end.
pub async fn read(mut body: Incoming, bytes_max: usize, room: &mut Room<'_>) -> Result<Bytes, Refusal> {
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(Refusal::TooLarge(bytes_max));
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers say nothing that is asked for.
        let Ok(data) = frame.map_err(|_| Refusal::BrokenOff)?.into_data() else { continue };
        room.traffic.receive(data.len());
        if bytes.len() + data.len() > bytes_max {
            return Err(Refusal::TooLarge(bytes_max));
        }
        room.grow(data.len()).await?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// Decompresses a body.
pub async fn unfold(
    bytes: Bytes,
    coding: Coding,
    bytes_max: usize,
    room: &mut Room<'_>,
) -> Result<Bytes, Refusal> {
    let damaged = |error: std::io::Error| Refusal::Damaged(short(&error.to_string()));
    // Some compress and do not say so.
    let coding = match (coding, &bytes[..]) {
        (Coding::None, [0x1f, 0x8b, ..]) => Coding::Gzip,
        (Coding::None, [0x28, 0xb5, 0x2f, 0xfd, ..]) => Coding::Zstd,
        _ => coding,
    };
    let mut reader: Box<dyn Read + Send + '_> = match coding {
        Coding::None => return Ok(bytes),
        Coding::Gzip => Box::new(MultiGzDecoder::new(&bytes[..])),
        Coding::Deflate => Box::new(ZlibDecoder::new(&bytes[..])),
        Coding::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(&bytes[..]).map_err(damaged)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(damaged)?;
            Box::new(decoder)
        }
    };
    let mut out = BytesMut::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = reader.read(&mut piece).map_err(damaged)?;
        if read == 0 {
            break;
        }
        if out.len() + read > bytes_max {
            return Err(Refusal::TooLarge(bytes_max));
        }
        room.grow(read).await?;
        out.extend_from_slice(&piece[..read]);
    }
    Ok(out.freeze())
}

/// What a library says, which is short and not taken on trust.
fn short(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(80).collect()
}
