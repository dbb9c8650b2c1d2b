//! Records that are cut off at any byte, as crashes and full disks leave them.

use keyhound::config::Plan;
use keyhound::decode::{self, Decoder, Settings};
use keyhound::frame::Block;
use keyhound::record::UsageRecord;
use keyhound::time::Timestamp;
use serde_json::json;
use std::sync::Arc;

/// A record in every form in which it comes, and how many of its prefixes say nothing: envelopes that are still empty.
fn forms() -> Vec<(&'static str, String, usize)> {
    let record = r#"{"timestamp":"2026-06-02T09:15:00Z","api_key_prefix":"...3f9c","model":"o3","input_tokens":1234567,"cost_usd":12.5}"#;
    let text = json!(record).to_string();
    let rest = r#""call_type":"c","startTime":1780391700.25,"model":"o3","prompt_tokens":1234567"#;
    vec![
        ("canonical", record.to_owned(), 0),
        ("list", format!("[{record}]"), 0),
        ("docker", format!(r#"{{"log":{text},"stream":"stdout","time":"t"}}"#), 0),
        ("journald", format!(r#"{{"__REALTIME_TIMESTAMP":"1","MESSAGE":{text}}}"#), 0),
        ("cri", format!("2026-06-02T09:15:00.123Z stdout F {record}"), 2),
        ("syslog", format!("<13>Jun  2 09:15:00 host app[12]: {record}"), 1),
        (
            "litellm",
            format!(r#"{{{rest},"metadata":{{"user_api_key_hash":"...3f9c"}},"response_cost":12.5}}"#),
            0,
        ),
        ("litellm_spend", format!(r#"{{{rest},"api_key":"...3f9c","metadata":"{{}}","spend":12.5}}"#), 0),
        ("csv", "2026-06-02T09:15:00Z,...3f9c,o3,1234567,12.5,end".to_owned(), 0),
    ]
}

#[test]
fn a_record_that_is_cut_off_is_a_reject_and_never_another_record() {
    let header =
        decode::Header::read(b"timestamp,api_key_prefix,model,input_tokens,cost_usd,note").map(Arc::new);
    let rulebook = Plan::default_plan().unwrap().rulebook;
    let settings = Settings { rulebook, format: None, frame_bytes_max: 1 << 20, keep_rejects: false };
    let mut decoder = Decoder::new(settings);
    for (form, whole, blank) in forms() {
        let header = header.clone().filter(|_| form == "csv");
        let mut read = |text: String| {
            let block = Block { bytes: text.into(), header: header.clone(), ..Block::default() };
            let batch = decoder.block(&block, Timestamp::MAX);
            // Without the places of its texts, which depend on what else stands on the line.
            let show = |record: &UsageRecord| {
                let UsageRecord { time, key, model, tokens, cost, status, .. } = record;
                format!("{time} {key} {:?} {tokens:?} {cost} {status}", batch.text(model.name))
            };
            let lines = batch.records.iter().map(show);
            (lines.collect::<Vec<_>>(), batch.rejected.iter().sum::<u32>())
        };
        let expected = read(whole.clone());
        assert_eq!((expected.0.len(), expected.1), (1, 0), "{form}");
        let mut silent = 0;
        for length in 1..whole.len() {
            let prefix = &whole[..length];
            let (records, rejects) = read(prefix.to_owned());
            // A row may be cut in its last field without anybody being able to tell.
            assert!(records.is_empty() || (form == "csv" && records == expected.0), "{form}: {prefix}");
            silent += usize::from(records.is_empty() && rejects == 0);
            assert!(rejects <= 1, "{form}: {prefix}");
            // What a crash leaves: the line goes on with zeros, and then with the next record.
            let (records, torn) = read(format!("{prefix}\0\0\0{whole}"));
            assert_eq!(records.last(), expected.0.last(), "{form}: {prefix}");
            // A header of syslog may go on behind the zeros.
            assert!(torn == rejects || (form == "syslog" && torn == 0), "{form}: {prefix}");
            // Or the next record begins at once: one line, which must not be lost in silence.
            let (records, rejects) = read(format!("{prefix}{whole}"));
            assert!(!records.is_empty() || rejects == 1, "{form}: {prefix}");
            assert!(records.iter().all(|record| *record == expected.0[0]), "{form}: {prefix}");
        }
        assert_eq!(silent, blank, "{form}");
    }
}
