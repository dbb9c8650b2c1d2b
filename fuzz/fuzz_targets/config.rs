//! Reading configurations: see `keyhound_fuzz::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyhound_fuzz::config::check(data));
