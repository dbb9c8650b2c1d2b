//! The archive: plain tar (POSIX ustar) with nothing in its headers but a name and a length, so that there is one way to
//! write each, and a header that is any different is no header of ours.

/// Bytes of a block; everything begins at a multiple of it.
pub(super) const BLOCK: usize = 512;
/// Longest name.
pub(super) const NAME_MAX: usize = 100;
/// Longest entry: eleven octal digits.
pub(super) const SIZE_MAX: u64 = (1 << 33) - 1;

/// The header of a file of this name and length, readable by all, of nobody, of no time.
pub(super) fn header(name: &str, size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        for (to, from) in block.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    put(0, &name.as_bytes()[..name.len().min(NAME_MAX)]);
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().copied().map(u32::from).sum();
    for (to, from) in block.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
        *to = from;
    }
    block
}

/// The name and the length in a header, if it is one that [`header`] writes.
pub(super) fn read(block: &[u8; BLOCK]) -> Option<(String, u64)> {
    let end = block.iter().take(NAME_MAX).position(|byte| *byte == 0).unwrap_or(NAME_MAX);
    let name = std::str::from_utf8(block.get(..end)?).ok()?;
    let size = std::str::from_utf8(block.get(124..135)?).ok()?;
    let size = u64::from_str_radix(size, 8).ok()?;
    (super::is_name(name) && header(name, size) == *block).then(|| (name.to_owned(), size))
}

/// Zeros behind so many bytes, up to the next block.
pub(super) fn padding(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    if over == 0 { 0 } else { BLOCK - over }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written_and_no_other_way() {
        let block = header("a/report.md", 1234);
        assert_eq!(read(&block), Some(("a/report.md".to_owned(), 1234)));
        for at in 0..BLOCK {
            for flip in [1, 0x20, 0x80] {
                let mut other = block;
                other[at] ^= flip;
                // Another name or length with its own sum would be another header; a sum alone never fits.
                assert_eq!(read(&other), None, "byte {at}");
            }
        }
        assert_eq!(read(&header("../a", 1)), None);
        assert_eq!([0, 1, 511, 512, 513].map(padding), [0, 511, 1, 0, 511]);
    }
}
