//! Cutting into lines and joining the pieces of container logs: see `keyhound_fuzz::frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyhound_fuzz::frame::check(data));
