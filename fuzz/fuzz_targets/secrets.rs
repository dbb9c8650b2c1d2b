//! Secrets in records, rejects and frames: see `keyhound_fuzz::secrets`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyhound_fuzz::secrets::check(data));
