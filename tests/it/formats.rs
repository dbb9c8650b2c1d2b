//! Every format: records as they stand in logs, and what is read of them, side by side in
//! `tests/formats/NAME/{in,out,rejects}`. `KEYHOUND_BLESS=1` writes what comes out.

use bytes::BytesMut;
use keyhound::config::Plan;
use keyhound::decode::{self, Decoder, Settings};
use keyhound::frame::Block;
use keyhound::frame::Framer;
use keyhound::frame::shape::Shape;
use keyhound::record::{Batch, Count, Kind, Part, UsageRecord};
use keyhound::time::Timestamp;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

/// What a record says, without what it does not say.
fn show(record: &UsageRecord, batch: &Batch) -> Value {
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() && value != json!("") {
            shown.insert(name.to_owned(), value);
        }
    };
    let count = |count: Count| count.get().map_or(Value::Null, Value::from);
    put("time", json!(record.time.to_string()));
    put("key", json!(batch.text(record.key_hint)));
    put("alias", json!(batch.text(record.key_alias)));
    put("model", json!(batch.text(record.model.name)));
    put("input_uncached", count(record.tokens.input_uncached));
    put("cache_read", count(record.tokens.cache_read));
    put("cache_write", count(record.tokens.cache_write));
    put("cache_write_1h", count(record.tokens.cache_write_1h));
    put("output", count(record.tokens.output));
    put("reasoning", count(record.tokens.reasoning));
    match record.kind {
        Kind::Request => {}
        Kind::Audit(action) => put("audit", json!(action.label())),
        Kind::Statement(statement) => {
            put("statement", json!(statement.label()));
            put("key_id", json!(record.key.to_string()));
        }
        Kind::Canary(canary) => {
            put("canary", json!(canary.label()));
            put("status", json!(record.status));
        }
        Kind::Bucket | Kind::Invoice => put("kind", json!(format!("{:?}", record.kind).to_lowercase())),
    }
    if record.width_s > 0 {
        put("seconds", json!(record.width_s));
    }
    if record.kind == Kind::Bucket || record.requests != 1 && record.kind == Kind::Request {
        put("requests", if record.counted { json!(record.requests) } else { json!("unknown") });
    }
    if record.part != Part::Whole {
        put("part", json!(format!("{:?}", record.part).to_lowercase()));
    }
    if matches!(record.kind, Kind::Request | Kind::Bucket) {
        put("status", json!(record.status));
    }
    if !matches!(record.kind, Kind::Audit(_) | Kind::Statement(_) | Kind::Canary(_)) {
        put("cost_usd", json!(record.cost.usd()));
        put("cost", json!(format!("{:?}", record.cost_source).to_lowercase()));
    }
    put("address", record.address.map_or(Value::Null, |address| json!(address.to_string())));
    put("endpoint", json!(batch.text(record.endpoint)));
    put("user_agent", json!(batch.text(record.user_agent)));
    put("request_id", json!(batch.text(record.request_id)));
    let meanings: &[(&str, &str)] = match record.kind {
        // In a statement these are what it is about, and why.
        Kind::Statement(_) => &[("endpoint", "about"), ("model", "reason")],
        // What may be asked for, and what came of it.
        Kind::Canary(_) => &[
            ("key", "probe"),
            ("input_uncached", "input_max"),
            ("output", "output_max"),
            ("user_agent", "word"),
            ("endpoint", "failure"),
        ],
        _ => &[],
    };
    for (name, meaning) in meanings {
        if let Some(text) = shown.remove(*name) {
            shown.insert((*meaning).to_owned(), text);
        }
    }
    Value::Object(shown)
}

/// Records and rejects of a file, as text.
pub fn decode(input: &[u8]) -> (String, String) {
    let settings = Settings {
        rulebook: Plan::default_plan().unwrap().rulebook,
        format: None,
        frame_bytes_max: 1 << 20,
        keep_rejects: false,
    };
    let mut decoder = Decoder::new(settings);
    let mut framer = Framer::new(1 << 20);
    let mut buffer = BytesMut::from(input);
    let (mut records, mut rejects) = (String::new(), String::new());
    let mut lines = 0;
    while let Some(block) = framer.finish(&mut buffer) {
        let batch = decoder.block(&block, Timestamp::MAX);
        for record in &batch.records {
            writeln!(records, "{}", show(record, &batch)).unwrap();
        }
        for reject in &batch.rejects {
            let (line, reason) = (lines + reject.line + 1, reject.reason.label());
            writeln!(rejects, "{line}: {reason}: {} {:?}: {}", reject.field, reject.value, reject.message)
                .unwrap();
        }
        lines += batch.lines;
    }
    (records, rejects)
}

pub fn compare(path: &Path, shown: &str) {
    if std::env::var_os("KEYHOUND_BLESS").is_some() {
        if shown.is_empty() {
            let _ = std::fs::remove_file(path);
        } else {
            std::fs::write(path, shown).unwrap();
        }
        return;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(shown, expected, "{}", path.display());
}

#[test]
fn every_fixture_is_read_as_it_says() {
    let mut directories: Vec<_> =
        std::fs::read_dir("tests/formats").unwrap().map(|entry| entry.unwrap().path()).collect();
    directories.sort();
    for directory in directories {
        let input = std::fs::read(directory.join("in")).unwrap();
        let (records, rejects) = decode(&input);
        compare(&directory.join("out"), &records);
        compare(&directory.join("rejects"), &rejects);
    }
}

#[test]
fn every_format_and_wrapper_has_a_fixture() {
    let formats = decode::Formats::builtin();
    let formats = formats.iter().map(|format| format.name.to_string());
    let wrappers = keyhound::unwrap::ALL.iter().map(|wrapper| wrapper.name.to_owned());
    for name in formats.chain(wrappers) {
        assert!(Path::new("tests/formats").join(&name).join("out").exists(), "tests/formats/{name}/out");
    }
}

#[test]
fn no_format_claims_the_records_of_another() {
    let formats = decode::Formats::builtin();
    for name in formats.iter().map(|format| &format.name) {
        let input = std::fs::read(Path::new("tests/formats").join(&**name).join("in")).unwrap();
        let mut lines = input.split(|&byte| byte == b'\n').map(decode::trim);
        let has_header = lines.clone().next().and_then(decode::Header::read).is_some();
        if has_header {
            lines.next();
        }
        let mut claimed = 0;
        // Of JSON Lines after a CSV header something else than `csv` is the format.
        for line in lines.filter(|line| !(line.is_empty() || has_header && line.starts_with(b"{"))) {
            let Ok(shape) = Shape::of(line, has_header) else { continue };
            if keyhound::unwrap::find(&shape).is_some() {
                continue;
            }
            let claims: Vec<_> =
                formats.iter().filter(|format| format.claims(&shape)).map(|format| &format.name).collect();
            // A line that nobody claims is among the rejects.
            assert!(claims.is_empty() || claims == [name], "{name}: {}", String::from_utf8_lossy(line));
            claimed += claims.len();
        }
        assert!(claimed > 0, "{name}");
    }
}

#[test]
fn who_looks_at_the_way_sees_all_of_it_and_changes_nothing() {
    for directory in std::fs::read_dir("tests/formats").unwrap() {
        let input = std::fs::read(directory.unwrap().path().join("in")).unwrap();
        let header = input.split(|&byte| byte == b'\n').next().and_then(decode::Header::read).map(Arc::new);
        let starts_with_header = header.is_some();
        let block = Block { bytes: input.into(), header, starts_with_header, ..Block::default() };
        let settings = Settings {
            rulebook: Plan::default_plan().unwrap().rulebook,
            format: None,
            frame_bytes_max: 1 << 20,
            keep_rejects: true,
        };
        let expected = Decoder::new(settings.clone()).block(&block, Timestamp::MAX);
        let mut tracing = Decoder::new(settings).tracing();
        let batch = tracing.block(&block, Timestamp::MAX);
        assert_eq!(batch, expected);
        let ways = tracing.ways(&batch);
        let total = |count: fn(&decode::Leaf) -> usize| ways.iter().map(count).sum::<usize>();
        assert_eq!(total(|way| way.records.len()), batch.records.len());
        assert_eq!(total(|way| way.rejects.len()), batch.rejects.len());
        assert_eq!(total(|way| way.rejected as usize), batch.rejected.iter().sum::<u32>() as usize);
        assert_eq!(total(|way| way.foreign as usize), batch.foreign as usize);
    }
}

/// Layouts that were learned from one line, or from another format, never change how a line is read.
#[test]
fn what_was_read_before_changes_nothing() {
    let settings = Settings {
        rulebook: Plan::default_plan().unwrap().rulebook,
        format: None,
        frame_bytes_max: 1 << 20,
        keep_rejects: true,
    };
    let mut directories: Vec<_> =
        std::fs::read_dir("tests/formats").unwrap().map(|entry| entry.unwrap().path()).collect();
    directories.sort();
    let fixture = |directory: &std::path::PathBuf| {
        let input = std::fs::read(directory.join("in")).unwrap();
        let header = input.split(|&byte| byte == b'\n').next().and_then(decode::Header::read).map(Arc::new);
        let starts_with_header = header.is_some();
        Block { bytes: input.into(), header, starts_with_header, ..Block::default() }
    };
    let blocks: Vec<Block> = directories.iter().map(fixture).collect();
    let mut experienced = Decoder::new(settings.clone());
    for block in blocks.iter().chain(blocks.iter().rev()).chain(&blocks) {
        // The one that tells ways takes no short cut.
        let expected = Decoder::new(settings.clone()).tracing().block(block, Timestamp::MAX);
        assert_eq!(experienced.block(block, Timestamp::MAX), expected);
    }
}
