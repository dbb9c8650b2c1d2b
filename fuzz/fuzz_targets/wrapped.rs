//! Any wrapper: see `keyhound_fuzz::decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyhound_fuzz::decode::check_wrapped(data));
