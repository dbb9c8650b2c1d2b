//! Holds what is saved to the version that stands before it: a small log is read, and what is left behind must be, byte
//! for byte, what it was when the version went up last.

use super::store::SAVED;
use super::{Checkpoint, Length, Origin, Store};
use crate::config::{Config, Plan};
use crate::decode::{Decoder, Settings};
use crate::engine::feed::Inputs;
use crate::engine::progress::Progress;
use crate::engine::resume::{Standing, Standpoint};
use crate::engine::run::{Options, Output, run};
use crate::engine::{Rendering, intake::ReadTo};
use crate::frame::Block;
use crate::join::Join;
use crate::source::Place;
use crate::time::Timestamp;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const CONFIG: &str = "[incidents]\nenabled = true\n";

/// A fortnight of two keys, of which one is stolen; a bucket, and a request of which the other half does not come.
fn log() -> String {
    let mut log = String::new();
    for day in 1..=14 {
        for hour in 8..17 {
            for key in 0..2 {
                let stolen = day > 12 && key == 1;
                let (model, address) =
                    if stolen { ("gpt-5", "198.51.100.7") } else { ("gpt-4o", "10.0.0.1") };
                writeln!(log, r#"{{"timestamp":"2026-06-{day:02}T{hour:02}:00:00Z","request_id":"{day}-{hour}-{key}","api_key_prefix":"...k{key}","model":"{model}","input_tokens":1000,"output_tokens":{hour},"endpoint":"/v1/chat/completions","source_ip":"{address}","user_agent":"openai-python/1.99.0","status_code":200,"cost_usd":1.5}}"#).unwrap();
            }
        }
    }
    log + r#"{"timestamp":"2026-06-14T16:00:00Z","window_end":"2026-06-14T17:00:00Z","api_key_prefix":"...k2","model":"gpt-4o","requests":60,"cost_usd":1.0}
{"userIdentity":{"accessKeyId":"AKIAEXAMPLE"},"eventTime":"2026-06-14T17:00:00Z","eventSource":"bedrock.amazonaws.com","eventName":"InvokeModel","requestID":"r1"}
"#
}

fn plan() -> Plan {
    Plan::new(&Config::parse("layout", CONFIG).unwrap(), "layout", CONFIG).unwrap()
}

/// What a run over the log leaves behind.
fn left(dir: &Path) -> Checkpoint {
    fs::write(dir.join("log"), log()).unwrap();
    let options = Options {
        sources: Vec::new(),
        probes: Vec::new(),
        plan: plan(),
        history: Vec::new(),
        inputs: Inputs::Files(vec![dir.join("log")]),
        format: None,
        output: Output::File(dir.join("alerts")),
        rendering: Rendering::Encoded(crate::encode::NATIVE),
        rejects: None,
        metrics: None,
        decoders: 1,
        shards: 1,
        progress: Progress::none(),
        state: Some(dir.join("state")),
        reload: crate::engine::reload::Reload::default(),
        look: None,
        shadow: None,
        contain: None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(run(options)).unwrap();
    assert_eq!(outcome.totals.rejected(), 0);
    Store::open(&dir.join("state")).unwrap().1.unwrap()
}

/// Without what differs from one folder, machine and release to the next.
fn anywhere(found: Checkpoint) -> Checkpoint {
    let plan = plan();
    let mut join = Join::new(plan.join);
    let mut standing = Standing::restore(&found.feed, &mut join).unwrap();
    // In addition, a record that waits for those of other inputs.
    let settings = Settings {
        rulebook: Arc::clone(&plan.rulebook),
        format: None,
        frame_bytes_max: 1 << 20,
        keep_rejects: false,
    };
    let line = log().lines().next().unwrap().to_owned();
    let rest =
        Decoder::new(settings).block(&Block { bytes: line.into(), ..Block::default() }, Timestamp::MAX);
    let input = standing.inputs.pop().unwrap();
    let place = Place::File(input.read_to.place.file().unwrap().nowhere());
    let read_to = ReadTo { place, ..input.read_to };
    standing.inputs.push(Standpoint::new(Path::new("/log"), input.lines, input.latest, read_to, Some(rest)));
    let origin = Origin { program: "any".to_owned(), ..found.origin };
    let mut egress = found.egress;
    egress.alerts = egress.alerts.map(|alerts| Length { file: (1, 2), ..alerts });
    Checkpoint { origin, feed: standing.save(&join), egress, ..found }
}

#[test]
fn what_is_saved_does_not_change_within_a_version() {
    let dir = tempfile::tempdir().unwrap();
    let saved = anywhere(left(dir.path())).save().concat();
    let (version, hash) = (super::store::VERSION, blake3::hash(&saved).to_hex());
    assert_eq!(
        SAVED,
        (version, &hash[..16]),
        "what a checkpoint holds has changed ({} bytes now). If its layout has, raise `VERSION` in store.rs by one, else \
         an older state would be misread; if only values have (a detector sums up otherwise), leave it. In both cases \
         let `SAVED` beside it be ({version} or the new version, \"{}\")",
        saved.len(),
        &hash[..16],
    );
}
