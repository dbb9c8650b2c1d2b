//! The report as Markdown, for a ticket or a wiki.

use super::text::{exact, grouped, lasting};
use crate::backtest::escaped;
use crate::investigate::report::{Report, Share};
use std::fmt::Write;

/// Rows of a table.
const ROWS_MAX: usize = 40;

/// The whole report.
pub fn markdown(report: &Report) -> String {
    let (key, verdict) = (&report.key, &report.verdict);
    let alias = if key.alias.is_empty() { String::new() } else { format!(" ({})", escaped(&key.alias)) };
    let mut text = format!(
        "# Key {}{alias}: {}\n\n{}\n\n",
        escaped(&key.prefix),
        verdict.class,
        escaped(&verdict.summary)
    );
    facts(report, &mut text);
    ledger(report, &mut text);
    scope(report, &mut text);
    consumers(report, &mut text);
    timeline(report, &mut text);
    money(report, &mut text);
    indicators(report, &mut text);
    retrospect(report, &mut text);
    if !report.limits.is_empty() {
        heading("Limits", &mut text);
        for limit in &report.limits {
            let _ = writeln!(text, "- {}", escaped(limit));
        }
    }
    text
}

fn heading(title: &str, text: &mut String) {
    let _ = write!(text, "\n## {title}\n\n");
}

fn facts(report: &Report, text: &mut String) {
    let verdict = &report.verdict;
    text.push_str("| | |\n|---|---|\n");
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "| {name} | {} |", escaped(value));
        }
    };
    let time = |time: &Option<String>| time.clone().unwrap_or_default();
    row("fingerprint", &report.key.id);
    row("provider", &report.key.provider);
    row("owner", &report.key.owner);
    row("environment", &report.key.environment);
    row("data exposure risk", report.scope.data_exposure_risk);
    row("financial exposure", report.scope.financial_exposure);
    if verdict.first_act.is_some() {
        row("confidence", &format!("{:.1} %: {}", verdict.confidence * 100.0, verdict.confidence_from));
        row("cost of the attacker", &format!("${}", exact(report.money.attacker_usd[1])));
    }
    row("first act", &time(&verdict.first_act));
    row("first paid", &time(&verdict.first_paid));
    row("known", &time(&verdict.detected_at));
    row("last act", &time(&verdict.last_act));
    row("revoked", &time(&verdict.revoked_at));
    row("until it was known", &verdict.dwell_seconds.map_or_else(String::new, lasting));
    row("still usable", &format!("{}: {}", verdict.usable.answer, verdict.usable.evidence));
    if let Some(left) = verdict.exposure.left_usd {
        let hours = verdict
            .exposure
            .hours_left
            .map_or_else(String::new, |hours| format!(", {hours} hours at his dearest"));
        row("left of the month's limit", &format!("${}{hours}", exact(left)));
    }
}

fn ledger(report: &Report, text: &mut String) {
    let verdict = &report.verdict;
    if verdict.ledger.is_empty() {
        return;
    }
    heading(&format!("Evidence: {:.1} nats, {:.1} are enough", verdict.score, verdict.threshold), text);
    text.push_str("| term | nats | observed | expected | meaning |\n|---|---:|---:|---:|---|\n");
    for term in &verdict.ledger {
        let _ = writeln!(
            text,
            "| {} | {:+.2} | {} | {} | {} |",
            term.term,
            term.nats,
            term.observed,
            term.expected,
            escaped(term.meaning)
        );
    }
}

fn scope(report: &Report, text: &mut String) {
    let scope = &report.scope;
    heading("Scope", text);
    for finding in &scope.findings {
        let _ = writeln!(text, "- {}", escaped(finding));
    }
    let _ = writeln!(text, "- Permissions seen: {}", escaped(&scope.permissions.join("; ")));
    if !scope.possible.is_empty() {
        let _ = writeln!(text, "- Not seen, possible: {}", escaped(&scope.possible.join(", ")));
    }
    for system in &scope.systems {
        let about = [&system.kind, &system.access, &system.data, &system.owner, &system.limits];
        let about: Vec<&str> =
            about.into_iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
        let _ = writeln!(text, "- Connected: {} ({})", escaped(&system.name), escaped(&about.join("; ")));
    }
    for question in &scope.questions {
        let mark = if question.is_open { ' ' } else { 'x' };
        let _ = writeln!(text, "- [{mark}] {} {}", question.question, escaped(&question.answer));
    }
}

fn consumers(report: &Report, text: &mut String) {
    if report.consumers.is_empty() {
        return;
    }
    heading("Who used the key", text);
    text.push_str("| who | why | first | last | requests | dollars | addresses | client |\n|---|---|---|---|---:|---:|---|---|\n");
    for consumer in report.consumers.iter().take(ROWS_MAX) {
        let more = if consumer.addresses > 1 {
            format!(" and {} more", consumer.addresses - 1)
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {}{more} | {} |",
            consumer.who,
            escaped(&consumer.why),
            consumer.first,
            consumer.last,
            consumer.requests,
            exact(consumer.cost_usd),
            escaped(consumer.source_ips.first().map_or("", String::as_str)),
            escaped(consumer.user_agents.first().map_or("", String::as_str))
        );
    }
}

/// Where a record stood, and how the hash of what was read there begins.
fn placed(source: &str, hash: &str) -> String {
    let hash = hash.get(..12).map_or_else(String::new, |digits| format!(" `{digits}…`"));
    format!("{}{hash}", escaped(source))
}

fn timeline(report: &Report, text: &mut String) {
    let timeline = &report.timeline;
    if !timeline.moments.is_empty() {
        heading("Key moments", text);
        text.push_str("| time | what | source |\n|---|---|---|\n");
        for moment in &timeline.moments {
            let place = placed(&moment.source, &moment.line_sha256);
            let _ = writeln!(text, "| {} | {} | {place} |", moment.at, escaped(&moment.what));
        }
    }
    if timeline.episodes.is_empty() {
        return;
    }
    heading("What the attacker did", text);
    text.push_str(
        "| from | phase | action | requests | dollars | sure | record |\n|---|---|---|---:|---:|---:|---|\n",
    );
    for episode in timeline.episodes.iter().take(ROWS_MAX) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.0} % | {} |",
            episode.first,
            episode.phase.label(),
            escaped(&episode.action),
            episode.requests,
            exact(episode.cost_usd),
            episode.confidence * 100.0,
            placed(&episode.source, &episode.line_sha256)
        );
    }
    let more = timeline.episodes.len().saturating_sub(ROWS_MAX) + timeline.unlisted;
    if more > 0 {
        let _ = writeln!(text, "\n{more} more in the JSON.");
    }
}

fn money(report: &Report, text: &mut String) {
    let money = &report.money;
    if money.requests == 0 {
        return;
    }
    let [least, likely, most] = money.attacker_usd;
    heading("What it cost", text);
    let _ =
        writeln!(text, "The attacker: ${} (between ${} and ${}).", exact(likely), exact(least), exact(most));
    for note in &money.interval {
        let _ = writeln!(text, "{}.", escaped(note));
    }
    if money.response_hours > 0.0 {
        let _ = writeln!(
            text,
            "{} hours of work at ${}; in all ${}.",
            money.response_hours,
            exact(money.rate_usd),
            exact(money.total_usd)
        );
    }
    shares("model", &money.by_model, text);
    shares("day", &money.by_day, text);
}

fn shares(of: &str, shares: &[Share], text: &mut String) {
    let _ =
        write!(text, "\n| {of} | requests | tokens in | tokens out | dollars |\n|---|---:|---:|---:|---:|\n");
    for share in shares.iter().take(ROWS_MAX) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            escaped(&share.name),
            share.requests,
            grouped(share.input_tokens),
            grouped(share.output_tokens),
            exact(share.cost_usd)
        );
    }
}

fn indicators(report: &Report, text: &mut String) {
    let indicators = &report.indicators;
    if indicators.list.is_empty() && indicators.requests.is_empty() {
        return;
    }
    heading("Indicators", text);
    text.push_str("| kind | value | about | requests | dollars | block? |\n|---|---|---|---:|---:|---|\n");
    for one in indicators.list.iter().take(ROWS_MAX) {
        let block = if one.is_shared { format!("no: {}", one.shared_because) } else { "yes".to_owned() };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            one.kind,
            escaped(&one.value),
            escaped(&one.about),
            one.requests,
            exact(one.cost_usd),
            escaped(&block)
        );
    }
    text.push('\n');
    for pattern in indicators.requests.iter().chain(&indicators.timing) {
        let _ = writeln!(text, "- {}", escaped(pattern));
    }
}

fn retrospect(report: &Report, text: &mut String) {
    if report.retrospect.is_empty() {
        return;
    }
    heading("What would have told it when", text);
    text.push_str("| signal | told | after the first act | lost by then | saved by acting then |\n|---|---|---:|---:|---:|\n");
    for signal in &report.retrospect {
        let after = match signal.after_seconds {
            Some(after) => lasting(after),
            None => "never".to_owned(),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {after} | ${} | ${} |",
            escaped(&signal.signal),
            if signal.is_told { "yes" } else { "" },
            exact(signal.lost_usd),
            exact(signal.saved_usd)
        );
    }
}
