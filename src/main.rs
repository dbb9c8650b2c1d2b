//! keyhound: see `src/lib.rs` for the map of the program.

fn main() {}
