//! Events for the tests of encodings, and what reads them back.

use crate::detect::{Alert, Class, Fact, Severity, Status};
use crate::incident::{Incident, Phase, Term};
use crate::key::KeyId;
use crate::money::NanoUsd;
use crate::shard::Event;
use crate::time::{SECOND, Stamp, Timestamp};
use serde_json::Value;

const AT: Timestamp = Timestamp(1_782_867_604 * SECOND);

pub fn alert() -> Alert {
    Alert {
        alert_type: "unknown_source_ip",
        severity: Severity::High,
        class: Class::Compromise,
        description: "requests from 2 addresses never seen with this key: 203.0.113.9, 2001:db8::9"
            .to_owned(),
        evidence: vec![
            (
                "unknown_ips",
                Fact::Texts(vec![
                    "203.0.113.9".to_owned(),
                    "2001:db8::9".to_owned(),
                    "no address".to_owned(),
                ]),
            ),
            ("model", Fact::Text("gpt-4o".to_owned())),
            ("total_cost", Fact::Usd(NanoUsd::from_usd(306.86))),
            ("baseline_mean", Fact::Number(18.25)),
            ("request_count", Fact::Count(651)),
            ("active_hours", Fact::Counts(vec![8, 9, 10])),
        ],
        key_hint: "...3f9c".into(),
        key_alias: "anna-dev".into(),
        requests: Some(651),
        cost: NanoUsd::from_usd(306.86),
        attack: &["T1078.004", "T1685.002"],
        atlas: &["AML.T0012", "AML.T0034.001"],
        next_steps: &["Ask the owner of the key.", "Revoke it."],
        ..Alert::test(AT)
    }
}

pub fn incident() -> Incident {
    let term = |name, nats| Term { name, nats, observed: 2.5, expected: 0.125 };
    Incident {
        id: "0123456789abcdef0123456789abcdef".to_owned(),
        theft: "fedcba9876543210fedcba9876543210".to_owned(),
        is_shared: true,
        revision: 0,
        phase: Phase::Open,
        reason: String::new(),
        class: Class::Compromise,
        severity: Severity::Critical,
        key: KeyId([0; 16]),
        key_hint: "...3f9c".into(),
        key_alias: "anna-dev".into(),
        description: "somebody besides its owner uses this key: 9 requests, $31.00, from 203.0.113.9"
            .to_owned(),
        timestamp: Stamp::utc(AT),
        detected_at: Stamp::utc(AT.plus(SECOND)),
        updated_at: Stamp::utc(AT.plus(2 * SECOND + 250_000_000)),
        score: 14.25,
        threshold: 7.6,
        ledger: vec![term("network", 6.5), term("probe", 5.0), term("dear", 3.25), term("own_sizes", -0.5)],
        requests: 9,
        cost_usd: 31.0,
        request_ids: vec!["req-1".into(), "req-2".into()],
        buckets: Vec::new(),
        source_ips: vec!["203.0.113.9".to_owned()],
        next_steps: &["Ask the owner of the key.", "Revoke it."],
    }
}

/// A life of an alert, one that was none, and the life of an incident.
pub fn events() -> Vec<Event> {
    let alert = |revision, status| Event::Alert(Alert { revision, status, ..alert() });
    let incident = |revision, phase| Event::Incident(Incident { revision, phase, ..incident() });
    vec![
        alert(0, Status::Open),
        alert(1, Status::Open),
        alert(2, Status::Final),
        alert(2, Status::Withdrawn),
        incident(0, Phase::Open),
        incident(1, Phase::Confirmed),
        incident(2, Phase::Resolved),
    ]
}

/// An alert and an incident with these words of somebody's in them.
pub fn with_texts(description: &str, alias: &str) -> [Event; 2] {
    let (description, key_alias) = (description.to_owned(), alias.into());
    [
        Event::Alert(Alert {
            description: description.clone(),
            key_alias: std::sync::Arc::clone(&key_alias),
            ..alert()
        }),
        Event::Incident(Incident { key_alias, description, ..incident() }),
    ]
}

pub fn written(write: fn(&Event, &mut Vec<u8>), event: &Event) -> String {
    let mut out = Vec::new();
    write(event, &mut out);
    String::from_utf8(out).unwrap()
}

/// One line of JSON.
pub fn read(write: fn(&Event, &mut Vec<u8>), event: &Event) -> Value {
    let line = written(write, event);
    assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line}");
    serde_json::from_str(&line).unwrap()
}

/// A text that was shown, as it was: `\\`, `\n`, `\u{1b}` and the like taken back.
pub fn unshown(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(match (c, c == '\\') {
            (c, false) => c,
            (_, true) => match chars.next().expect("what a backslash is for") {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                    char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap()
                }
                c => c,
            },
        });
    }
    out
}
