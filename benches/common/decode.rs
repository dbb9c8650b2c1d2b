//! What there is to decode: every fixture, repeated.

use bytes::Bytes;
use keyhound::config::Plan;
use keyhound::decode::{Decoder, Header, Settings};
use keyhound::frame::Block;
use keyhound::time::Timestamp;
use std::sync::Arc;

/// A decoder with the program's own settings.
pub fn decoder(plan: &Plan) -> Decoder {
    let rulebook = Arc::clone(&plan.rulebook);
    Decoder::new(Settings { rulebook, format: None, frame_bytes_max: 1 << 20, keep_rejects: false })
}

/// Lines that follow each other in a file.
pub fn block(text: Vec<u8>) -> Block {
    Block { bytes: Bytes::from(text), ..Block::default() }
}

/// Every fixture of a format or wrapper, repeated: those of its lines that are read without a fault.
pub fn fixtures(plan: &Plan) -> Vec<(String, Block)> {
    const BYTES: usize = 1 << 20;
    let mut directories: Vec<_> =
        std::fs::read_dir("tests/formats").unwrap().map(|entry| entry.unwrap().path()).collect();
    directories.sort();
    let fixture = |directory: std::path::PathBuf| {
        let text = std::fs::read(directory.join("in")).unwrap();
        let header = text.split(|&byte| byte == b'\n').next().and_then(Header::read).map(Arc::new);
        let is_sound = |line: &&[u8]| {
            let block = Block { header: header.clone(), ..block(line.to_vec()) };
            let batch = decoder(plan).block(&block, Timestamp::MAX);
            !batch.records.is_empty() && batch.rejected.iter().sum::<u32>() == 0
        };
        let sound: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').filter(is_sound).collect();
        let sound = sound.concat();
        let repeated = sound.repeat(BYTES.div_ceil(sound.len().max(1)));
        let name = directory.file_name().unwrap().to_string_lossy().into_owned();
        (name, Block { header, ..block(repeated) })
    };
    directories.into_iter().map(fixture).collect()
}
