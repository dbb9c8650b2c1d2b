//! The JSON reader: see `keyhound_fuzz::json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyhound_fuzz::json::check(data));
