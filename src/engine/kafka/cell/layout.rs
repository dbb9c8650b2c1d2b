//! Holds what stands in topics of our own to the forms that stand before it: a few records pass through cells of all
//! stages, and what they write must be, byte for byte, what it was when its form was given that number.

use super::saved::{FORM, FORM_OF_STAGES};
use super::*;
use crate::config::Config;
use crate::decode::{Decoder, Settings};
use crate::engine::kafka::{bulletin, parcel};
use crate::frame::Block;
use std::fmt::Write;

/// What is written, its form, and the hash of a little of it.
const SAVED: [(&str, u32, &str); 4] = [
    ("`FORM` in cell/saved.rs: the state of partitions that are read whole", 23, "0b7764f9a3c071f6"),
    ("`FORM_OF_STAGES` in cell/saved.rs: the state of partitions of stages", 24, "312fb3b6dfe30139"),
    ("`FORM` in parcel.rs: records that are passed on", 1, "283c64965b68c0a5"),
    ("`FORM` in bulletin.rs: what partitions tell each other", 4, "6f34f39c019a1efc"),
];

/// Three days of two keys, a bucket, and two halves of requests of which the others do not come.
fn log() -> String {
    let mut log = String::new();
    for (day, hour, key) in
        (1..=3).flat_map(|day| (8..17).flat_map(move |hour| [(day, hour, 0), (day, hour, 1)]))
    {
        writeln!(log, r#"{{"timestamp":"2026-06-{day:02}T{hour:02}:00:00Z","request_id":"{day}-{hour}-{key}","api_key_prefix":"...k{key}","model":"gpt-4o","input_tokens":1000,"output_tokens":{hour},"endpoint":"/v1/chat/completions","source_ip":"10.0.0.{key}","user_agent":"openai-python/1.99.0","status_code":200,"cost_usd":1.5}}"#).unwrap();
    }
    log + r#"{"timestamp":"2026-06-03T16:00:00Z","window_end":"2026-06-03T17:00:00Z","api_key_prefix":"...k2","model":"gpt-4o","requests":60,"cost_usd":1.0}
{"userIdentity":{"accessKeyId":"AKIAEXAMPLE"},"eventTime":"2026-06-03T17:00:00Z","eventSource":"bedrock.amazonaws.com","eventName":"InvokeModel","requestID":"r1"}
{"schemaType":"ModelInvocationLog","timestamp":"2026-06-03T17:00:00Z","requestId":"r2","accountId":"1","modelId":"anthropic.claude-3-haiku-20240307-v1:0","input":{"inputTokenCount":1000},"output":{"outputTokenCount":7}}
"#
}

/// What cells have written, by what it is.
#[derive(Default)]
struct Found([blake3::Hasher; 4]);

impl Found {
    /// Takes something down, without the version of the program.
    fn note(&mut self, of: usize, value: &[u8]) {
        let version = env!("CARGO_PKG_VERSION").as_bytes();
        let at = value.windows(version.len()).position(|found| found == version);
        let (before, after) =
            at.map_or((value, &[][..]), |at| (&value[..at - 1], &value[at + version.len()..]));
        let hasher = &mut self.0[of];
        hasher.update(&(before.len() as u64).to_le_bytes()).update(before).update(after);
    }

    /// Takes down what a cell has to say; the parcels.
    fn take(&mut self, cell: &mut Cell) -> Vec<Outgoing> {
        for (name, value) in cell.changes() {
            let of = usize::from(cell.stage() != Stage::Whole);
            self.note(of, &name);
            self.note(of, &value.unwrap_or_default());
        }
        let messages: Vec<Outgoing> = cell.passed_on().into_iter().chain(cell.contribution()).collect();
        let (words, parcels): (Vec<_>, Vec<_>) = messages
            .into_iter()
            .partition(|message| message.topic.ends_with("-fleet") || message.topic.ends_with("-progress"));
        for (of, message) in
            words.iter().map(|word| (3, word)).chain(parcels.iter().map(|parcel| (2, parcel)))
        {
            self.note(of, message.value.as_deref().unwrap_or_default());
        }
        parcels
    }
}

fn plan(repartition: bool) -> Plan {
    let text = format!(
        "[incidents]\nenabled = true\n[kafka]\nbootstrap_servers = \"b:1\"\ntopics = [\"usage\"]\nrepartition = {repartition}\n"
    );
    let config = Config::parse("layout", &text).unwrap();
    Plan::new(&config, "layout", &text).unwrap()
}

fn mould(plan: &Plan) -> Mould {
    let layout = Layout::new(plan.kafka.as_ref().unwrap(), vec![1, 1, 1]);
    Mould::new(plan, Arc::new(layout))
}

/// A cell of the first partition of a topic, which has taken the log.
fn fed(plan: &Plan, mould: &Mould) -> Cell {
    let mut cell = Cell::new(mould, Place { topic: 0, partition: 0 }, 0, Timestamp::MIN);
    let settings = Settings {
        rulebook: Arc::clone(&plan.rulebook),
        format: None,
        frame_bytes_max: 1 << 20,
        keep_rejects: false,
    };
    let (log, mut arrived) = (log(), Arrival::now());
    arrived.at = Timestamp(1_780_000_000 * crate::time::SECOND);
    let positions: Vec<i64> = (0..).take(log.lines().count()).collect();
    let batch =
        Decoder::new(settings).block(&Block { bytes: log.into(), ..Block::default() }, Timestamp::MAX);
    assert_eq!(batch.rejected.iter().sum::<u32>(), 0);
    cell.take(batch, &positions, arrived);
    cell.next = i64::try_from(positions.len()).unwrap();
    cell
}

fn receive(cell: &mut Cell, messages: &[Outgoing], topic: &str) {
    for message in messages.iter().filter(|message| message.topic.ends_with(topic)) {
        cell.receive(Parcel::read(message.value.as_ref().unwrap()).unwrap(), Arrival::now());
        cell.next += 1;
    }
}

#[test]
fn what_is_written_does_not_change_within_a_form() {
    let mut found = Found::default();
    let whole = plan(false);
    found.take(&mut fed(&whole, &mould(&whole)));
    let staged = plan(true);
    let mould = mould(&staged);
    let passed_on = found.take(&mut fed(&staged, &mould));
    let of = |topic| Cell::new(&mould, Place { topic, partition: 0 }, 0, Timestamp::MIN);
    let (mut keys, mut halves) = (of(1), of(2));
    receive(&mut halves, &passed_on, "-halves");
    receive(&mut keys, &passed_on, "-repartition");
    receive(&mut keys, &found.take(&mut halves), "-repartition");
    found.take(&mut keys);
    let forms = [FORM, FORM_OF_STAGES, parcel::FORM, bulletin::FORM];
    let hashes = found.0.map(|hasher| hasher.finalize().to_hex()[..16].to_owned());
    let is = |at: usize| (SAVED[at].0, forms[at], hashes[at].as_str());
    assert_eq!(
        SAVED,
        [0, 1, 2, 3].map(is),
        "what is written has changed. If its layout has, raise its form by one (and let the two forms in saved.rs stay \
         different), else an older state would be misread; if only values have, leave it. In both cases let `SAVED` be \
         what is on the right, with the new form"
    );
}
