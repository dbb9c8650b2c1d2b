//! Reading times: see `keyhound_fuzz::time`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyhound_fuzz::time::check(data));
