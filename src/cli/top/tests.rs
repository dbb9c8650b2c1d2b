//! What the view shows, and what keys do to it.

use super::draw::{Canvas, screen, table};
use super::source::{Detail, Shot};
use super::state::{Press, Screen, Sort, State};
use crate::engine::api::forms::{Brief, IncidentDetail, KeyDetail, KeyRow, MomentRow};
use serde_json::json;
use unicode_width::UnicodeWidthStr;

const CANVAS: Canvas = Canvas { width: 80, height: 24, is_plain: false };

fn key(number: u8, alias: &str, day: f64, hour: f64) -> KeyRow {
    KeyRow {
        key_id: format!("{number:032x}"),
        api_key_prefix: format!("...{number:04x}"),
        api_key_alias: alias.to_owned(),
        day_cost_usd: day,
        hour_cost_usd: hour,
        hour_usd: vec![hour; 12],
        ..KeyRow::default()
    }
}

fn state() -> State {
    let mut shot = Shot::default();
    shot.spend.keys = vec![key(1, "anna", 9.0, 1.0), key(2, "batch", 5.0, 3.0), key(3, "", 1.0, 0.0)];
    shot.risk.keys = shot.spend.keys.iter().rev().cloned().collect();
    shot.incidents.events = vec![Brief {
        id: "i1".to_owned(),
        key_id: shot.spend.keys[1].key_id.clone(),
        api_key_prefix: "...0002".to_owned(),
        api_key_alias: "batch".to_owned(),
        severity: "critical".to_owned(),
        status: "open".to_owned(),
        score: Some(13.3),
        cost_usd: 282.75,
        updated_at: "2026-07-01T04:01:11.464Z".to_owned(),
        ..Brief::default()
    }];
    shot.incidents.count = 1;
    State { shot, ..State::default() }
}

fn press(state: &mut State, keys: &str) {
    for c in keys.chars() {
        state.press(match c {
            '\n' => Press::Enter,
            '\t' => Press::Tab,
            '\u{8}' => Press::Erase,
            '<' => Press::Back,
            c => Press::Char(c),
        });
    }
}

fn texts(state: &State, canvas: Canvas) -> Vec<String> {
    screen(state, "here", canvas).0.iter().map(super::draw::Line::text).collect()
}

#[test]
fn the_screen_is_as_large_as_the_terminal_whatever_that_is() {
    let state = state();
    for (width, height) in [(80, 24), (40, 10), (200, 60), (20, 4), (1, 1)] {
        let lines = texts(&state, Canvas { width, height, is_plain: false });
        assert_eq!(lines.len(), height);
        for line in &lines {
            assert!(line.width() <= width, "{width}: {line}");
        }
    }
    let lines = texts(&state, CANVAS).join("\n");
    for part in [
        "INCIDENTS (1)",
        "critical",
        "batch (...0002)",
        "$282.75",
        "13.3",
        "KEYS by spend (3)",
        "> anna (...0001)",
        "████████████",
    ] {
        assert!(lines.contains(part), "{part}\n{lines}");
    }
}

#[test]
fn keys_are_sorted_filtered_and_opened() {
    let mut state = state();
    let names = |state: &State| state.keys().iter().map(|key| key.api_key_prefix.clone()).collect::<Vec<_>>();
    assert_eq!(names(&state), ["...0001", "...0002", "...0003"]);
    press(&mut state, "s");
    assert_eq!((state.sort, names(&state)[0].as_str()), (Sort::Risk, "...0003"));
    press(&mut state, "s");
    assert_eq!((state.sort, names(&state)[0].as_str()), (Sort::Hour, "...0002"));
    press(&mut state, "jj/aNNaq");
    assert_eq!((names(&state).len(), state.is_over), (0, false), "q is written, not the end");
    press(&mut state, "\u{8}\n");
    assert_eq!((names(&state), state.at[0]), (vec!["...0001".to_owned()], 0), "the cursor stays inside");
    press(&mut state, "\n");
    assert_eq!(state.screen, Screen::Key(format!("{:032x}", 1)));
    press(&mut state, "<<");
    assert_eq!((state.screen.clone(), names(&state).len()), (Screen::All, 3));
    press(&mut state, "q");
    assert!(state.is_over);
}

#[test]
fn from_an_incident_to_its_key_and_back() {
    let mut state = state();
    let (incident, key) = (Screen::Incident("i1".to_owned()), Screen::Key(format!("{:032x}", 2)));
    press(&mut state, "\t\n");
    assert_eq!(state.screen, incident);
    press(&mut state, "\n");
    assert_eq!(state.screen, key);
    press(&mut state, "\n");
    assert_eq!(state.screen, incident, "back where it came from");
    press(&mut state, "<");
    assert_eq!(state.screen, Screen::All);
}

#[test]
fn what_is_paused_stays_and_an_answer_that_comes_late_is_no_detail_of_another() {
    let mut state = state();
    press(&mut state, "p");
    state.see(Ok(Shot::default()));
    assert_eq!(state.keys().len(), 3);
    press(&mut state, "p");
    state.see(Err("away".to_owned()));
    assert!(texts(&state, CANVAS)[2].contains("away") && state.keys().len() == 3);
    press(&mut state, "\n");
    state.see_detail(&Screen::Incident("i1".to_owned()), Detail::Missing("other".to_owned()));
    assert!(state.detail.is_none());
    let screen = state.screen.clone();
    state.see_detail(&screen, Detail::Missing("gone".to_owned()));
    assert!(texts(&state, CANVAS)[3].contains("gone"));
}

/// Whatever stands in any field, nothing of it reaches the terminal that acts there.
#[test]
fn nothing_from_records_acts_in_a_terminal() {
    const EVIL: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\n\u{9b}31m\u{202e}";
    let evil = || EVIL.to_owned();
    let mut state = state();
    state.trouble = evil();
    state.shot.status.version = evil();
    let moment = MomentRow {
        at: evil(),
        event: evil(),
        alert_type: evil(),
        id: evil(),
        revision: 0,
        status: evil(),
        severity: evil(),
        requests: None,
        cost_usd: 1.0,
        description: evil(),
    };
    for key in &mut state.shot.spend.keys {
        (key.api_key_alias, key.api_key_prefix, key.last_use) = (evil(), evil(), Some(evil()));
    }
    let row = state.shot.spend.keys[0].clone();
    for it in &mut state.shot.incidents.events {
        (it.api_key_alias, it.status, it.severity, it.updated_at, it.description) =
            (evil(), evil(), evil(), evil(), evil());
    }
    let details = [
        Detail::Missing(evil()),
        Detail::Key(Box::new(KeyDetail {
            key: row,
            models: vec![evil()],
            timeline: vec![moment.clone()],
            revoked_at: Some(evil()),
            ..KeyDetail::default()
        })),
        Detail::Incident(Box::new(IncidentDetail {
            incident: json!({"description": EVIL, "api_key_prefix": EVIL, "status": EVIL, "requests": EVIL, "evidence": {"source_ips": [EVIL]},
                "ledger": [{"term": EVIL, "nats": 1.0, "observed": EVIL, "expected": EVIL}], "next_steps": [EVIL]}),
            revisions: vec![moment],
            alerts: Vec::new(),
        })),
    ];
    let mut shown = texts(&state, CANVAS);
    shown.extend(table(&state.shot, false).split('\n').map(str::to_owned));
    for detail in details {
        let mut inner = state.clone();
        inner.screen = Screen::Key("x".to_owned());
        inner.detail = Some(detail);
        shown.extend(texts(&inner, Canvas { width: 300, height: 60, is_plain: false }));
    }
    for line in &shown {
        assert!(!line.chars().any(crate::encode::is_invisible), "{line:?}");
    }
    assert!(shown.iter().any(|line| line.contains("\\u{1b}[2J")), "it is shown, not sent");
}
