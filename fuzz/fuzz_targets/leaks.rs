//! See `keyhound_fuzz::leaks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyhound_fuzz::leaks::check(data));
