//! What memory costs: the allocator takes more than it is asked for, and a limit that forgets that is none.

/// Bytes that the allocator takes for a piece of `bytes` bytes: a header of eight, sixteen at a time, and no piece
/// under 32 (glibc and its like).
#[inline]
pub const fn allocated(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..24 => 32,
        _ => (bytes + 8).next_multiple_of(16),
    }
}

/// Bytes that a vector of `capacity` elements takes.
#[inline]
pub const fn vector<T>(capacity: usize) -> usize {
    allocated(capacity * size_of::<T>())
}

/// Bytes that a shared text of `length` bytes takes, its two counters included.
pub const fn shared_text(length: usize) -> usize {
    allocated(length + 16)
}
