//! Data in base64, compressed with gzip or not, as AWS puts log lines into JSON.

use super::damaged;
use crate::decode::draft::{Fault, Read};
use crate::frame::shape::Member;
use crate::frame::{Block, Documents};
use crate::json::{Str, Value};
use crate::record::Reason;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::bufread::MultiGzDecoder;
use std::cell::Cell;
use std::io::Read as _;

/// Most bytes that the data of one frame may unfold to: all of it together, and what was compressed again inside of it
/// as well. Logs fold to a tenth or a twentieth, so that a frame of a megabyte needs sixteen of them; one that was made
/// to do harm could ask for a thousand, and for as many of each of these inside.
pub const UNPACKED_BYTES_MAX: usize = 32 << 20;

/// What the base64 of a member says. No fault shows its value, which may hold a secret that cannot be seen.
pub(super) fn decode(name: &'static str, member: Option<Member<'_>>) -> Read<Vec<u8>> {
    let Some((value, raw)) = member else { return Err(damaged(name, b"", "is missing")) };
    let Value::Str(text) = value else { return Err(damaged(name, raw, "is not a text")) };
    from_base64(text).ok_or_else(|| damaged(name, b"", "is not base64; was it cut off on its way?"))
}

fn from_base64(text: Str<'_>) -> Option<Vec<u8>> {
    // Some libraries write `\/` for a slash.
    STANDARD.decode(text.resolve(&mut Vec::new())).ok()
}

/// Hands over the lines of a member's data, which are as those of a file. `room` is what is left of the limit.
pub(super) fn lines(
    name: &'static str,
    member: Option<Member<'_>>,
    room: &Cell<usize>,
    inner: &mut dyn FnMut(&[u8]),
) -> Read<()> {
    frames(unpacked(name, member, room)?, inner);
    Ok(())
}

/// What the base64 of a member says, unfolded where it is compressed. `room` is what is left of the limit.
pub(super) fn unpacked(name: &'static str, member: Option<Member<'_>>, room: &Cell<usize>) -> Read<Vec<u8>> {
    let mut data = decode(name, member)?;
    if data.starts_with(b"\x1f\x8b") {
        data = unfold(name, &data, room.get())?;
        room.set(room.get() - data.len());
    }
    Ok(data)
}

/// Hands over the frames of data that are as those of a file: lines, documents over several, several on one.
fn frames(data: Vec<u8>, inner: &mut dyn FnMut(&[u8])) {
    let mut documents = Documents::new(UNPACKED_BYTES_MAX);
    let block = documents.join(Block { bytes: data.into(), ..Block::default() });
    let rest = documents.finish().unwrap_or_default();
    for line in block.lines().chain(rest.lines()) {
        if line.starts_with(b"{") {
            line.split(|&byte| byte == 0).for_each(&mut *inner);
        } else {
            inner(line);
        }
    }
}

fn unfold(name: &'static str, packed: &[u8], room: usize) -> Read<Vec<u8>> {
    let mut data = Vec::new();
    // One byte more than there may be, to tell too much from just enough.
    let most = u64::try_from(room).unwrap_or(u64::MAX).saturating_add(1);
    if let Err(error) = MultiGzDecoder::new(packed).take(most).read_to_end(&mut data) {
        let message = format!("is damaged or cut off ({error})");
        return Err(Fault::new(Reason::BadWrapper, name, b"", message));
    }
    if data.len() > room {
        return Err(damaged(name, b"", "unfolds to more than 32 MiB together with what stands beside it"));
    }
    Ok(data)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::io::Write;

    pub(in super::super) fn base64(data: &[u8]) -> String {
        STANDARD.encode(data)
    }

    pub(in super::super) fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn read(text: &str, room: &Cell<usize>) -> Result<String, String> {
        let mut found = Vec::new();
        let member = (Value::Str(Str::plain(text.as_bytes())), text.as_bytes());
        lines("data", Some(member), room, &mut |line| found.push(String::from_utf8_lossy(line).into_owned()))
            .map(|()| found.join("|"))
            .map_err(|fault| fault.into_parts().message.into_owned())
    }

    #[test]
    fn data_is_read_compressed_or_not() {
        let text = b"{\"a\":1}\n{\"b\":2}";
        for data in [text.to_vec(), gzip(text), [gzip(b"{\"a\":1}\n"), gzip(b"{\"b\":2}")].concat()] {
            assert_eq!(read(&base64(&data), &Cell::new(1000)).unwrap(), r#"{"a":1}|{"b":2}"#);
        }
        let several = b"{\"a\":1}{\"b\":2} {\n\"c\": 3\n}\n";
        assert_eq!(read(&base64(several), &Cell::new(1000)).unwrap(), r#"{"a":1}|{"b":2} ||{"c":3}"#);
        let cut = gzip(text);
        assert!(read(&base64(&cut[..cut.len() - 4]), &Cell::new(1000)).unwrap_err().contains("damaged"));
        assert!(read("a!", &Cell::new(1000)).unwrap_err().contains("base64"));
    }

    #[test]
    fn what_unfolds_is_bounded_over_all_data_of_a_frame() {
        let data = base64(&gzip(&[b'x'; 600]));
        let room = Cell::new(1200);
        assert!(read(&data, &room).is_ok() && read(&data, &room).is_ok());
        assert_eq!(room.get(), 0);
        assert!(read(&data, &room).unwrap_err().contains("32 MiB"));
        assert!(read(&base64(&gzip(b"")), &room).is_ok());
    }
}
