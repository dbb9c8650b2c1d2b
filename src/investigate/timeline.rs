//! What the attacker did when, and what was done about it.

use super::Findings;
use super::act::Source;
use super::attribute::Who;
use super::gathered::DeedKind;
use super::phase::{self, FIRST, Phase, describe};
use super::report::{self, Moment, PhaseSum, Timeline};
use super::sums::{self, Spent};
use super::usd;
use crate::record::{Action, Statement};
use crate::time::{DAY, MINUTE, Timestamp};
use std::collections::BTreeMap;

/// Stretches and moments that are listed.
const EPISODES_MAX: usize = 500;
const MOMENTS_MAX: usize = 200;
const HOUR: i64 = 60 * MINUTE;

/// A stretch with how sure it is that it was the attacker.
struct His {
    episode: sums::Episode,
    confidence: f64,
}

/// Puts it together; `known` are moments that no record tells.
pub fn timeline(findings: &Findings<'_>, known: &[Moment]) -> Timeline {
    let mut episodes = episodes(findings);
    episodes.sort_by(|one, other| {
        let key =
            |his: &His| (his.episode.span.first, his.episode.source.name.clone(), his.episode.source.line);
        key(one).cmp(&key(other))
    });
    let mut phases: BTreeMap<Phase, sums::Span> = BTreeMap::new();
    for His { episode, .. } in &episodes {
        let empty = sums::Span { spent: Spent::default(), ..episode.span };
        phases.entry(episode.phase).or_insert(empty).add(&episode.span);
    }
    let unlisted = episodes.len().saturating_sub(EPISODES_MAX);
    Timeline {
        moments: moments(findings, known),
        phases: phases.into_iter().map(|(phase, span)| phase_sum(phase, &span)).collect(),
        episodes: episodes.iter().take(EPISODES_MAX).map(listed).collect(),
        unlisted,
    }
}

/// All stretches of attackers: their first requests are judged together, for the seed takes the first three of all.
fn episodes(findings: &Findings<'_>) -> Vec<His> {
    let mut heads = Vec::new();
    let mut all = Vec::new();
    for (number, sums) in &findings.gathered.consumers {
        let Some(judgement) = findings.judged.get(number).filter(|judged| judged.who == Who::Attacker) else {
            continue;
        };
        heads.extend(sums.head.iter().map(|act| (act, judgement.confidence)));
        all.extend(
            sums.episodes
                .iter()
                .map(|episode| His { episode: episode.clone(), confidence: judgement.confidence }),
        );
    }
    heads.sort_by(|(one, _), (other, _)| {
        (one.at, &one.source.name, one.source.line).cmp(&(other.at, &other.source.name, other.source.line))
    });
    for (place, (act, confidence)) in heads.into_iter().enumerate() {
        let (phase, fit) =
            if place < FIRST { (Phase::Reconnaissance, phase::first(act)) } else { phase::phase(act) };
        all.push(His { episode: sums::Episode::of(act, phase, fit), confidence });
    }
    all.extend(deeds(findings));
    all
}

/// What was done to the key while it was stolen, by whoever had an administrator's rights: nobody knows that it was the
/// attacker, and it is told as half sure.
fn deeds(findings: &Findings<'_>) -> Vec<His> {
    let Some((first, last)) = findings.window else { return Vec::new() };
    let is_his = |at: Timestamp| at >= first && at <= last;
    let deeds = findings.gathered.deeds.iter().filter(|deed| is_his(deed.at) && !deed.is_refused);
    deeds
        .filter_map(|deed| {
            let DeedKind::Audit(action) = deed.what else { return None };
            let phase = match action {
                Action::LoggingOff | Action::LimitRemoved | Action::LimitRaised | Action::GuardRemoved => {
                    Phase::Evasion
                }
                Action::KeyCreated | Action::AccessGranted | Action::KeyChanged => Phase::Persistence,
                Action::KeyRead => Phase::Reconnaissance,
                Action::KeyDeleted | Action::Other => return None,
            };
            let spent = Spent { requests: 1, ..Spent::default() };
            let episode = sums::Episode {
                phase,
                fit: 1.0,
                model: Box::from(""),
                endpoint: format!("{} {}", action.words(), deed.about).trim().into(),
                span: sums::Span { first: deed.at, last: deed.at, spent },
                address: deed.address,
                source: deed.source.clone(),
                hash: String::new(),
            };
            Some(His { episode, confidence: 0.5 })
        })
        .collect()
}

fn phase_sum(phase: Phase, span: &sums::Span) -> PhaseSum {
    PhaseSum {
        phase,
        label: phase.label(),
        requests: span.spent.requests,
        first: span.first.to_string(),
        last: span.last.to_string(),
        cost_usd: usd(span.spent.cost.usd()),
    }
}

fn listed(his: &His) -> report::Episode {
    let sums::Episode { phase, fit, model, endpoint, span, address, source, hash } = &his.episode;
    let Spent { requests, refused, tokens, cost } = span.spent;
    let one = (requests == 1).then_some((tokens, cost.usd()));
    report::Episode {
        first: span.first.to_string(),
        last: span.last.to_string(),
        phase: *phase,
        action: describe(*phase, model, endpoint, one),
        confidence: (his.confidence * fit * 100.0).round() / 100.0,
        requests,
        refused,
        input_tokens: tokens[0],
        output_tokens: tokens[1],
        cost_usd: usd(cost.usd()),
        model: model.to_string(),
        endpoint: endpoint.to_string(),
        source_ip: address.map_or_else(String::new, |address| address.to_string()),
        source: place(source).0,
        row_sha256: hash.clone(),
        line_sha256: source.sha256(),
    }
}

/// Where a record stood, and the hash of what was read there.
fn place(source: &Source) -> (String, String) {
    (format!("{}:{}", source.name, source.line), source.sha256())
}

fn moments(findings: &Findings<'_>, known: &[Moment]) -> Vec<Moment> {
    let mut moments: Vec<(Timestamp, Moment)> = Vec::new();
    let mut add = |at: Option<Timestamp>, what: &str, (source, line_sha256): (String, String), kind| {
        if let Some(at) = at {
            let (at_text, what) = (at.to_string(), what.to_owned());
            moments.push((at, Moment { at: at_text, what, source, line_sha256, kind }));
        }
    };
    let records = || ("records".to_owned(), String::new());
    let attackers = || findings.of(Who::Attacker);
    let first = attackers().flat_map(|sums| &sums.head).min_by_key(|act| act.at);
    let first = first.map(|act| (act.at, &act.source));
    let stretch = attackers().flat_map(|sums| &sums.episodes).min_by_key(|episode| episode.span.first);
    let first = first.or_else(|| stretch.map(|episode| (episode.span.first, &episode.source)));
    let first_place = first.map(|(_, source)| place(source)).unwrap_or_default();
    add(first.map(|(at, _)| at), "first act of the attacker", first_place, "attacker");
    add(attackers().filter_map(|sums| sums.first_paid).min(), "first paid token", records(), "attacker");
    add(attackers().map(|sums| sums.span.last).max(), "last act of the attacker", records(), "attacker");
    let used = findings.gathered.consumers.values().filter_map(|sums| sums.last_served).max();
    add(used, "last use of the key that was served", records(), "control");
    // What was told weeks before or after is of something else.
    let is_near = |at: Timestamp| {
        findings.window.is_none_or(|(first, last)| at >= first.minus(HOUR) && at <= last.plus(DAY))
    };
    for signal in findings.gathered.signals.iter().filter(|signal| is_near(signal.at)) {
        let what = format!("{} ({}): {}", signal.name, signal.severity, signal.description);
        add(
            Some(signal.at),
            &what,
            (format!("keyhound {}", signal.id.get(..8).unwrap_or_default()), String::new()),
            "detection",
        );
    }
    for deed in &findings.gathered.deeds {
        let (what, kind) = match deed.what {
            DeedKind::Audit(action) => (action.words().to_owned(), "control"),
            DeedKind::Statement(Statement::Revoke) => ("the key was revoked".to_owned(), "response"),
            DeedKind::Statement(statement) => {
                (format!("an operator said: {}", statement.label()), "response")
            }
        };
        let refused = if deed.is_refused { ", refused" } else { "" };
        let from = deed.address.map_or_else(String::new, |address| format!(", from {address}"));
        let about = if deed.about.is_empty() { String::new() } else { format!(" ({})", deed.about) };
        let what = format!("{}{about}{from}{refused}", what.trim_end_matches('.'));
        add(Some(deed.at), &what, place(&deed.source), kind);
    }
    for moment in known {
        if let Ok(stamp) = crate::time::parse(moment.at.as_bytes()) {
            moments.push((stamp.at, moment.clone()));
        }
    }
    moments.sort_by(|(one_at, one), (other_at, other)| {
        (one_at, &one.kind, &one.what).cmp(&(other_at, &other.kind, &other.what))
    });
    moments.into_iter().map(|(_, moment)| moment).take(MOMENTS_MAX).collect()
}
