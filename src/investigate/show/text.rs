//! The report for a terminal: the seed's sections in its order, and what it leaves out, in no more than 80 columns.

use crate::backtest::duration;
use crate::encode::{Palette, Visible};
use crate::explain::wrapped;
use crate::investigate::report::{Episode, Indicator, Report};
use std::fmt::Write;

/// Columns that are used.
const WIDTH: usize = 80;
/// Stretches of a phase, moments, consumers and indicators that are shown.
const SHOWN: usize = 10;

/// The whole report.
pub fn text(report: &Report, palette: Palette) -> String {
    let mut out = Out { text: String::new(), palette };
    let rule = "=".repeat(70);
    out.line(&rule);
    out.bold("API KEY COMPROMISE - FORENSIC INVESTIGATION REPORT");
    out.line(&rule);
    out.line("");
    head(report, &mut out);
    verdict(report, &mut out);
    scope(report, &mut out);
    consumers(report, &mut out);
    actions(report, &mut out);
    moments(report, &mut out);
    money(report, &mut out);
    indicators(report, &mut out);
    retrospect(report, &mut out);
    if !report.limits.is_empty() {
        out.section("LIMITS");
        report.limits.iter().for_each(|limit| out.item(limit));
    }
    out.text
}

struct Out {
    text: String,
    palette: Palette,
}

impl Out {
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{}", Visible(line));
    }

    fn bold(&mut self, line: &str) {
        let _ = writeln!(self.text, "{}", self.palette.bold(&Visible(line).to_string()));
    }

    fn section(&mut self, title: &str) {
        self.line("");
        self.bold(&format!("{title}:"));
    }

    fn item(&mut self, item: &str) {
        let item = Visible(item).to_string();
        let _ = writeln!(self.text, "  - {}", wrapped(&item, "    ", WIDTH - 4));
    }

    fn para(&mut self, text: &str) {
        let text = Visible(text).to_string();
        let _ = writeln!(self.text, "  {}", wrapped(&text, "  ", WIDTH - 2));
    }

    fn field(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            let value = Visible(value).to_string();
            let indent = " ".repeat(18);
            let _ = writeln!(self.text, "  {name:<15} {}", wrapped(&value, &indent, WIDTH - 18));
        }
    }
}

fn head(report: &Report, out: &mut Out) {
    let key = &report.key;
    let alias = if key.alias.is_empty() { String::new() } else { format!(" ({})", key.alias) };
    out.line(&format!("Compromised Key: {}{alias}", key.prefix));
    out.line(&format!("Fingerprint: {}", key.id));
    out.line(&format!("Provider: {}", key.provider));
    if !key.owner.is_empty() || !key.environment.is_empty() {
        out.line(&format!("Owner: {} {}", key.owner, key.environment));
    }
    out.line(&format!("Data Exposure Risk: {}", report.scope.data_exposure_risk));
    out.line(&format!("Financial Exposure: {}", report.scope.financial_exposure));
}

fn verdict(report: &Report, out: &mut Out) {
    let verdict = &report.verdict;
    out.section("VERDICT");
    out.para(&verdict.summary);
    out.line("");
    out.field("class", verdict.class);
    if verdict.first_act.is_some() {
        out.field("confidence", &format!("{:.1} %: {}", verdict.confidence * 100.0, verdict.confidence_from));
    }
    let time = |time: &Option<String>| time.clone().unwrap_or_default();
    out.field("first act", &time(&verdict.first_act));
    out.field("first paid", &time(&verdict.first_paid));
    out.field("known", &time(&verdict.detected_at));
    out.field("last act", &time(&verdict.last_act));
    out.field("revoked", &time(&verdict.revoked_at));
    if let Some(dwell) = verdict.dwell_seconds {
        out.field("dwell time", &format!("{} until it was known", lasting(dwell)));
    }
    out.field("still usable", &format!("{}: {}", verdict.usable.answer, verdict.usable.evidence));
    let exposure = &verdict.exposure;
    let left = match (exposure.left_usd, exposure.hours_left) {
        (Some(left), Some(hours)) => format!(
            "${} of this month's limit, {hours} hours at ${} an hour, his dearest",
            exact(left),
            exact(exposure.usd_per_hour)
        ),
        (Some(left), None) => format!("${} of this month's limit", exact(left)),
        (None, _) if exposure.usd_per_hour > 0.0 => {
            format!("no limit is known; ${} in his dearest hour", exact(exposure.usd_per_hour))
        }
        (None, _) => "no limit is known".to_owned(),
    };
    out.field("exposure left", &left);
    if !verdict.ledger.is_empty() {
        out.line("");
        out.para(&format!("Evidence, {:.1} nats where {:.1} are enough:", verdict.score, verdict.threshold));
        for term in &verdict.ledger {
            let meaning = wrapped(term.meaning, &" ".repeat(28), WIDTH - 28);
            let _ = writeln!(out.text, "  {:+7.2}  {:<16} {meaning}", term.nats, term.term);
        }
    }
}

fn scope(report: &Report, out: &mut Out) {
    let scope = &report.scope;
    out.section("SCOPE FINDINGS");
    scope.findings.iter().for_each(|finding| out.item(finding));
    out.item(&format!("Permissions seen: {}", scope.permissions.join("; ")));
    if !scope.possible.is_empty() {
        out.item(&format!(
            "Not seen, possible unless the provider says otherwise: {}",
            scope.possible.join(", ")
        ));
    }
    for system in &scope.systems {
        let parts = [&system.kind, &system.access, &system.data, &system.owner, &system.limits];
        let parts: Vec<&str> =
            parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        out.item(&format!("Connected: {} ({})", system.name, parts.join("; ")));
    }
    for question in &scope.questions {
        let open = match (question.is_open, question.answer.is_empty()) {
            (true, true) => "OPEN: nobody has said so yet",
            (true, false) => "OPEN: ",
            _ => "",
        };
        out.item(&format!("{} {open}{}", question.question, question.answer));
    }
}

fn consumers(report: &Report, out: &mut Out) {
    if report.consumers.is_empty() {
        return;
    }
    out.section("WHO USED THE KEY");
    for consumer in report.consumers.iter().take(SHOWN) {
        let line = format!(
            "{:<9} {:>8} requests {:>12}  {}",
            consumer.who,
            consumer.requests,
            format!("${}", exact(consumer.cost_usd)),
            consumer.why
        );
        out.line(&format!("  {line}"));
        let from = match (consumer.source_ips.first(), consumer.addresses) {
            (Some(first), 1) => first.clone(),
            (Some(first), all) => format!("{first} and {} more", all - 1),
            (None, _) => "no address".to_owned(),
        };
        let client = consumer.user_agents.first().map_or("", String::as_str);
        out.line(&format!("            {from}  {client}"));
    }
    more(report.consumers.len(), SHOWN, out);
}

fn more(all: usize, shown: usize, out: &mut Out) {
    if all > shown {
        out.line(&format!("  ... and {} more", all - shown));
    }
}

fn actions(report: &Report, out: &mut Out) {
    let timeline = &report.timeline;
    out.line("");
    let count: u64 = timeline.phases.iter().map(|phase| phase.requests).sum();
    out.bold(&format!("ATTACKER ACTIONS: {count} total"));
    for phase in &timeline.phases {
        out.line("");
        out.bold(&format!(
            "--- {} ({} action{}) ---",
            phase.label.to_uppercase(),
            phase.requests,
            if phase.requests == 1 { "" } else { "s" }
        ));
        let of: Vec<&Episode> =
            timeline.episodes.iter().filter(|episode| episode.phase == phase.phase).collect();
        for episode in of.iter().take(SHOWN) {
            let many = if episode.requests == 1 { String::new() } else { format!("{} x ", episode.requests) };
            let line = format!("[{}] {many}{}", episode.first, episode.action);
            let _ = writeln!(out.text, "  {}", wrapped(&Visible(&line).to_string(), "    ", WIDTH - 2));
            let tail = format!(
                "${}, {:.0} % sure, {}",
                exact(episode.cost_usd),
                episode.confidence * 100.0,
                episode.source
            );
            let tail = Visible(&tail).to_string();
            let _ = writeln!(out.text, "    {}", out.palette.dim(&tail));
        }
        more(of.len(), SHOWN, out);
    }
}

fn moments(report: &Report, out: &mut Out) {
    if report.timeline.moments.is_empty() {
        return;
    }
    out.section("KEY MOMENTS");
    for moment in &report.timeline.moments {
        let line = format!("{}  {}", moment.at, moment.what);
        let _ = writeln!(out.text, "  {}", wrapped(&Visible(&line).to_string(), "    ", WIDTH - 2));
    }
}

fn money(report: &Report, out: &mut Out) {
    let money = &report.money;
    let [least, likely, most] = money.attacker_usd;
    out.section("FINANCIAL IMPACT");
    out.line(&format!("  Total attacker cost: ${}", exact(likely)));
    if least < most {
        out.line(&format!("  Between ${} and ${}", exact(least), exact(most)));
        money.interval.iter().for_each(|note| out.item(note));
    }
    let tokens = money.input_tokens + money.output_tokens;
    out.line(&format!("  Total tokens consumed: {}", grouped(tokens)));
    for share in money.by_model.iter().take(SHOWN) {
        let tokens = grouped(share.input_tokens + share.output_tokens);
        let line = format!(
            "{:>12}  {:>14} tokens  {:>8} requests  {}",
            format!("${}", exact(share.cost_usd)),
            tokens,
            share.requests,
            share.name
        );
        out.line(&format!("  {line}"));
    }
    more(money.by_model.len(), SHOWN, out);
    for share in money.by_day.iter().take(SHOWN) {
        out.line(&format!(
            "  {:>12}  {:>8} requests  {}",
            format!("${}", exact(share.cost_usd)),
            share.requests,
            share.name
        ));
    }
    more(money.by_day.len(), SHOWN, out);
    if money.response_hours > 0.0 {
        out.line(&format!(
            "  {} hours of work at ${}: ${}",
            money.response_hours,
            exact(money.rate_usd),
            exact(money.response_hours * money.rate_usd)
        ));
        out.line(&format!("  In all: ${}", exact(money.total_usd)));
    }
    out.line(&format!("  The owner's own use in the same time: ${}", exact(money.owner_usd)));
}

/// Dollars to the cent, as on a bill; small amounts to four digits.
pub fn exact(usd: f64) -> String {
    if usd == 0.0 || usd.abs() >= 0.1 { format!("{usd:.2}") } else { format!("{usd:.4}") }
}

/// How long something took.
pub fn lasting(seconds: f64) -> String {
    if seconds < 1.0 { "under 1 s".to_owned() } else { duration(seconds) }
}

/// `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn indicators(report: &Report, out: &mut Out) {
    let indicators = &report.indicators;
    if indicators.list.is_empty() {
        return;
    }
    out.section("INDICATORS OF COMPROMISE");
    for kind in ["address", "network", "client"] {
        let of: Vec<&Indicator> = indicators.list.iter().filter(|one| one.kind == kind).collect();
        for one in of.iter().take(SHOWN) {
            let flag = if one.is_shared { "  (shared: do not block)" } else { "" };
            let about = if one.about.is_empty() { String::new() } else { format!("  {}", one.about) };
            out.line(&format!("  {kind:<8} {}{about}{flag}", one.value));
        }
        more(of.len(), SHOWN, out);
    }
    for pattern in indicators.requests.iter().chain(&indicators.timing) {
        out.item(pattern);
    }
}

fn retrospect(report: &Report, out: &mut Out) {
    if report.retrospect.is_empty() {
        return;
    }
    out.section("WHAT WOULD HAVE TOLD IT WHEN");
    out.line("     after first act      lost     saved  signal");
    for signal in &report.retrospect {
        let after = match signal.after_seconds {
            Some(after) => lasting(after),
            None => "never".to_owned(),
        };
        let [lost, saved] = [signal.lost_usd, signal.saved_usd].map(|usd| format!("${}", exact(usd)));
        let mark = if signal.is_told { '*' } else { ' ' };
        out.line(&format!("  {mark} {after:>15} {lost:>9} {saved:>9}  {}", signal.signal));
    }
    out.line("  * told with these settings; saved: what a revocation then would have");
}
