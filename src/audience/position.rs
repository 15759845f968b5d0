//! Where a row begins, in eight bytes: which of its source's files, and which line of it.
//!
//! One is kept for each tuple, so that it costs no more than the line alone would.

const LINE_BITS: u32 = 40;

/// The largest line, and so the largest position of one file.
const LINE_MAX: u64 = (1 << LINE_BITS) - 1;

/// Packs a file's index (below 2^24, as many as a pattern may well match) and a line (more than a petabyte has).
pub(super) fn pack(file: u64, line: u64) -> u64 {
    file << LINE_BITS | line.min(LINE_MAX)
}

/// A file's index and a line.
pub(super) fn unpack(position: u64) -> (usize, u64) {
    ((position >> LINE_BITS) as usize, position & LINE_MAX)
}
