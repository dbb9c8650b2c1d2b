//! Every format by its number, the first byte: see `keyhound_fuzz::decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyhound_fuzz::decode::check_numbered(data));
