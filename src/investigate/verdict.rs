//! Is it real, since when, and is it over?

use super::attribute::{Who, confidence};
use super::gathered::{Case, DeedKind};
use super::report::{Exposure, Incident, Term, Usable, Verdict};
use super::sums::Sums;
use super::{Findings, money, usd};
use crate::backtest::{dollars, duration};
use crate::detect::Class;
use crate::incident::{Phase, meaning};
use crate::record::{Action, Statement};
use crate::time::{DAY, SECOND, Timestamp};

/// Clocks of a provider and of a log differ by so much at most.
const SKEW: i64 = 5 * 60 * SECOND;

/// Puts it together; `limit` is that of a month, in dollars.
pub(super) fn verdict(findings: &Findings<'_>, limit: Option<f64>) -> Verdict {
    let weightiest = weightiest(findings);
    let first_paid = findings.of(Who::Attacker).filter_map(|sums| sums.first_paid).min();
    let detected = detected(findings);
    let revoked = revoked(findings);
    let mut verdict = Verdict {
        class: class(findings),
        score: weightiest.map_or(0.0, |case| case.last.score),
        threshold: weightiest.map_or(0.0, |case| case.first.threshold),
        ledger: weightiest.map_or_else(Vec::new, |case| case.last.ledger.iter().map(term).collect()),
        incidents: findings.gathered.incidents.values().map(listed).collect(),
        first_act: findings.window.map(|(first, _)| first.to_string()),
        first_paid: first_paid.map(|at| at.to_string()),
        last_act: findings.window.map(|(_, last)| last.to_string()),
        detected_at: detected.map(|at| at.to_string()),
        revoked_at: revoked.map(|at| at.to_string()),
        dwell_seconds: findings.window.zip(detected).map(|((first, _), at)| seconds(first, at).max(0.0)),
        active_seconds: findings.window.map(|(first, last)| seconds(first, last)),
        usable: usable(findings, revoked),
        exposure: exposure(findings, limit),
        ..Verdict::default()
    };
    verdict.incidents.sort_by(|one, other| {
        (&one.detected_at, &one.incident_id).cmp(&(&other.detected_at, &other.incident_id))
    });
    (verdict.confidence, verdict.confidence_from) = sure(findings, weightiest);
    verdict.summary = summary(findings, &verdict);
    verdict
}

#[allow(clippy::cast_precision_loss, reason = "seconds of a theft")]
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.0 - from.0) as f64 / SECOND as f64
}

/// The incident with the most money behind it, of those that are thefts.
fn weightiest<'a>(findings: &'a Findings<'_>) -> Option<&'a Case> {
    let cases = findings.gathered.incidents.values().filter(|case| case.last.phase != Phase::Dismissed);
    let theft = |case: &&Case| case.last.class == Class::Compromise;
    cases.max_by(|one, other| {
        let key = |case: &Case| (theft(&case), case.consumer.is_some(), case.last.cost_usd);
        let (one, other) = (key(one), key(other));
        (one.0, one.1).cmp(&(other.0, other.1)).then_with(|| one.2.total_cmp(&other.2))
    })
}

fn class(findings: &Findings<'_>) -> &'static str {
    if findings.window.is_some() {
        return Class::Compromise.label();
    }
    let gathered = findings.gathered;
    let open = gathered.incidents.values().filter(|case| case.last.phase != Phase::Dismissed);
    let classes: Vec<Class> =
        open.map(|case| case.last.class).chain(gathered.signals.iter().map(|signal| signal.class)).collect();
    let order = [Class::Evasion, Class::Exposure, Class::Operational];
    order.into_iter().find(|class| classes.contains(class)).map_or("none", Class::label)
}

fn sure(findings: &Findings<'_>, weightiest: Option<&Case>) -> (f64, String) {
    let rounded = |confidence: f64| (confidence * 1000.0).round() / 1000.0;
    let attackers = findings.judged.values().filter(|judged| judged.who == Who::Attacker);
    let most = attackers.max_by(|one, other| one.confidence.total_cmp(&other.confidence));
    match (most, weightiest) {
        (Some(judged), Some(case)) if case.last.phase == Phase::Confirmed => {
            (rounded(judged.confidence), "an operator confirmed it".to_owned())
        }
        (Some(judged), Some(case)) => {
            let of = format!(
                "evidence of {:.1} nats where {:.1} is even odds; each nat makes it 2.7 times likelier",
                case.last.score, case.first.threshold
            );
            (rounded(judged.confidence.max(confidence(case))), of)
        }
        (Some(judged), None) => (rounded(judged.confidence), judged.why.clone()),
        (None, _) => (0.0, "nobody but the owner was told of".to_owned()),
    }
}

/// When any of it was told first, from the first act on.
fn detected(findings: &Findings<'_>) -> Option<Timestamp> {
    let (first, _) = findings.window?;
    let signals = findings.gathered.signals.iter();
    let theft = signals.filter(|signal| signal.class == Class::Compromise && signal.name == "incident");
    theft.map(|signal| signal.at).filter(|at| *at >= first).min()
}

/// When the key was revoked, as an audit log or an operator has it.
pub(super) fn revoked(findings: &Findings<'_>) -> Option<Timestamp> {
    let ends = findings.gathered.deeds.iter().filter(|deed| {
        let ends =
            matches!(deed.what, DeedKind::Audit(Action::KeyDeleted) | DeedKind::Statement(Statement::Revoke));
        ends && !deed.is_refused
    });
    ends.map(|deed| deed.at).min().or(findings.revoked)
}

fn usable(findings: &Findings<'_>, revoked: Option<Timestamp>) -> Usable {
    let all = || findings.gathered.consumers.values();
    let served = all().filter_map(|sums| sums.last_served).max();
    let Some(revoked) = revoked else {
        let evidence = match served {
            Some(at) => format!("no record tells of a revocation; the last request was served at {at}"),
            None => "no record tells of a revocation, and no request was served".to_owned(),
        };
        return Usable {
            answer: if served.is_some() { "yes" } else { "unknown" },
            evidence,
            ..Usable::default()
        };
    };
    let (mut served_after, mut refused_after) = (0, 0);
    for spent in all().flat_map(|sums| after(sums, revoked.plus(SKEW))) {
        served_after += spent.requests - spent.refused;
        refused_after += spent.refused;
    }
    let (answer, evidence) = match (served_after, refused_after) {
        (0, 0) => (
            "unknown",
            format!("revoked at {revoked}, and nobody has tried since: try it once, 401 is the proof"),
        ),
        (0, refused) => {
            ("no", format!("revoked at {revoked}; {refused} requests since were refused, none was served"))
        }
        (served, _) => (
            "yes",
            format!(
                "revoked at {revoked}, but {served} requests were served in the hours after: it is still alive, or another was revoked"
            ),
        ),
    };
    Usable { answer, evidence, served_after, refused_after }
}

/// What was done in the hours that began after a time.
fn after(sums: &Sums, at: Timestamp) -> impl Iterator<Item = &super::sums::Spent> {
    let hour = at.0.div_euclid(SECOND).div_euclid(3600) + 1;
    sums.hours.range(hour..).map(|(_, spent)| spent)
}

fn exposure(findings: &Findings<'_>, limit: Option<f64>) -> Exposure {
    let Some(end) = findings.gathered.end else { return Exposure::default() };
    let month_usd = money::since(findings, start_of_month(end));
    let usd_per_hour = money::dearest_hour(findings);
    let left_usd = limit.map(|limit| (limit - month_usd).max(0.0));
    let hours_left = left_usd.filter(|_| usd_per_hour > 0.0).map(|left| left / usd_per_hour);
    Exposure {
        monthly_limit_usd: limit,
        month_usd: usd(month_usd),
        left_usd: left_usd.map(usd),
        usd_per_hour: usd(usd_per_hour),
        hours_left: hours_left.map(|hours| (hours * 10.0).round() / 10.0),
    }
}

fn start_of_month(at: Timestamp) -> Timestamp {
    let text = at.to_string();
    let day: i64 = text.get(8..10).and_then(|day| day.parse().ok()).unwrap_or(1);
    let midnight = at.0 - at.0.rem_euclid(DAY);
    Timestamp(midnight - (day - 1) * DAY)
}

fn term(term: &crate::incident::Term) -> Term {
    let rounded = |number: f64| (number * 1000.0).round() / 1000.0 + 0.0;
    Term {
        term: term.name,
        nats: rounded(term.nats),
        observed: rounded(term.observed),
        expected: rounded(term.expected),
        meaning: meaning(term.name),
    }
}

fn listed(case: &Case) -> Incident {
    Incident {
        incident_id: case.last.id.clone(),
        theft_id: case.last.theft.clone(),
        class: case.last.class.label(),
        severity: case.last.severity.label(),
        status: case.last.phase.label(),
        detected_at: case.first.detected_at.to_string(),
        description: case.last.description.clone(),
        score: (case.last.score * 100.0).round() / 100.0,
    }
}

fn summary(findings: &Findings<'_>, verdict: &Verdict) -> String {
    let Some((first, last)) = findings.window else {
        return match verdict.class {
            "none" => "Nothing in these records says that anybody but its owner used this key.".to_owned(),
            class => format!(
                "Nobody but its owner used this key as far as these records tell; what was told is {class}."
            ),
        };
    };
    let mut spent = super::sums::Spent::default();
    findings.of(Who::Attacker).for_each(|sums| spent.add(&sums.span.spent));
    let lasted = duration(seconds(first, last));
    let told = match verdict.dwell_seconds {
        Some(dwell) if dwell < 1.0 => "It was known with the first request".to_owned(),
        Some(dwell) => format!("It was known {} after the first request", duration(dwell)),
        None => "No incident told of it".to_owned(),
    };
    format!(
        "Somebody besides its owner used this key for {lasted}: {} for ${}. {told}.",
        if spent.requests == 1 { "1 request".to_owned() } else { format!("{} requests", spent.requests) },
        dollars(spent.cost.usd())
    )
}
