//! The report as one page that needs nothing else: no script, no font, no picture from anywhere; to be read in light and
//! dark, and printed.

use super::charts;
use super::text::{exact, grouped, lasting};
use crate::backtest::duration;
use crate::encode::Visible;
use crate::investigate::report::{Indicator, Input, Report, Share};
use std::fmt::Write;

const STYLE: &str = include_str!("html.css");

/// How a hash begins, on the page as a whole when it is pointed at.
fn hash(digits: &str) -> String {
    digits.get(..12).map_or_else(String::new, |first| {
        format!(" <span class=\"mono\" title=\"SHA-256 {digits}\">{first}…</span>")
    })
}

/// A text as it may stand in a page, wherever it comes from.
pub fn escape(text: &str) -> String {
    let text = Visible(text).to_string();
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// The whole page.
pub fn html(report: &Report) -> String {
    let key = &report.key;
    let alias = if key.alias.is_empty() { String::new() } else { format!(" ({})", key.alias) };
    let title = escape(&format!("Key {}{alias}", key.prefix));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>{title}</title>\n<style>{STYLE}</style></head>\
         <body><main>\n"
    );
    head(report, &title, &mut page);
    verdict(report, &mut page);
    spending(report, &mut page);
    phases(report, &mut page);
    consumers(report, &mut page);
    scope(report, &mut page);
    money(report, &mut page);
    indicators(report, &mut page);
    retrospect(report, &mut page);
    list("What stands between this and the truth", &report.limits, &mut page);
    let named = |input: &Input| {
        let history = if input.is_history { ", history" } else { "" };
        format!("{} ({}{history})", input.name, input.records)
    };
    let inputs: Vec<String> = report.inputs.iter().map(named).collect();
    let _ = writeln!(
        page,
        "<footer>keyhound {}. Times are UTC, money is US dollars. Records of this key by input: {}.</footer></main></body></html>",
        report.version,
        escape(&inputs.join(", "))
    );
    page
}

fn head(report: &Report, title: &str, page: &mut String) {
    let (verdict, key) = (&report.verdict, &report.key);
    let calm = if verdict.first_act.is_some() { "" } else { " calm" };
    let _ = write!(page, "<span class=\"badge{calm}\">{}</span><h1>{title}</h1>", verdict.class);
    let about: Vec<&str> = [&key.provider, &key.owner, &key.environment]
        .into_iter()
        .map(String::as_str)
        .filter(|text| !text.is_empty())
        .collect();
    let _ = write!(
        page,
        "<p class=\"soft\">{} · <span class=\"mono\">{}</span></p>",
        escape(&about.join(" · ")),
        key.id
    );
    let _ = write!(page, "<p class=\"lead\">{}</p>", escape(&verdict.summary));
    page.push_str("<div class=\"facts\">");
    let mut fact = |name: &str, value: &str| {
        let _ = write!(page, "<div class=\"fact\"><b>{}</b><span>{name}</span></div>", escape(value));
    };
    if verdict.first_act.is_some() {
        fact("confidence", &format!("{:.1} %", verdict.confidence * 100.0));
        fact("taken by the attacker", &format!("${}", exact(report.money.attacker_usd[1])));
        fact("requests of his", &grouped(report.money.requests));
        fact("until it was known", &verdict.dwell_seconds.map_or_else(|| "never told".to_owned(), lasting));
        fact("active for", &verdict.active_seconds.map_or_else(String::new, duration));
    }
    fact("key still usable", verdict.usable.answer);
    fact("data exposure risk", report.scope.data_exposure_risk);
    fact("financial exposure", report.scope.financial_exposure);
    page.push_str("</div>\n");
}

fn heading(title: &str, page: &mut String) {
    let _ = write!(page, "<h2>{title}</h2>");
}

fn verdict(report: &Report, page: &mut String) {
    let verdict = &report.verdict;
    heading("Verdict", page);
    page.push_str("<div class=\"card\"><dl>");
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = write!(page, "<dt>{name}</dt><dd>{}</dd>", escape(value));
        }
    };
    let time = |time: &Option<String>| time.clone().unwrap_or_default();
    row("Confidence from", &verdict.confidence_from);
    row("First act", &time(&verdict.first_act));
    row("First paid", &time(&verdict.first_paid));
    row("Known", &time(&verdict.detected_at));
    row("Last act", &time(&verdict.last_act));
    row("Revoked", &time(&verdict.revoked_at));
    row("Still usable", &format!("{}: {}", verdict.usable.answer, verdict.usable.evidence));
    let exposure = &verdict.exposure;
    if let (Some(limit), Some(left)) = (exposure.monthly_limit_usd, exposure.left_usd) {
        row("Limit of a month", &format!("${}, of which ${} are left", exact(limit), exact(left)));
    }
    row("His dearest hour", &format!("${}", exact(exposure.usd_per_hour)));
    page.push_str("</dl></div>");
    if !verdict.ledger.is_empty() {
        let _ = write!(
            page,
            "<h3>Evidence: {:.1} nats, where {:.1} are enough</h3><div class=\"card\"><table>",
            verdict.score, verdict.threshold
        );
        let most = verdict.ledger.iter().map(|term| term.nats.abs()).fold(0.1, f64::max);
        for term in &verdict.ledger {
            let width = term.nats.abs() / most * 160.0;
            let class = if term.nats < 0.0 { "good" } else { "bad" };
            let _ = write!(
                page,
                "<tr><td class=\"mono\">{}</td><td class=\"n\">{:+.2}</td><td style=\"width:170px\"><svg viewBox=\"0 0 160 12\" \
                 style=\"width:160px\" aria-hidden=\"true\"><rect class=\"f-{class}\" width=\"{width:.0}\" height=\"12\" rx=\"2\"/></svg></td><td>{}</td></tr>",
                term.term,
                term.nats,
                escape(term.meaning)
            );
        }
        page.push_str("</table></div>\n");
    }
}

fn legend(page: &mut String, keys: &[(&str, &str)]) {
    page.push_str("<p class=\"legend\">");
    for (class, name) in keys {
        let _ = write!(page, "<span class=\"key b-{class}\"></span>{name}");
    }
    page.push_str("</p>");
}

fn spending(report: &Report, page: &mut String) {
    let chart = charts::spending(&report.spending);
    if !chart.is_empty() {
        let hours = report.spending.bin_seconds / 3600;
        let _ = write!(
            page,
            "<h2>Who spent what</h2><p class=\"soft\">Dollars by {hours} h.</p><div class=\"card\">"
        );
        legend(page, &[("own", "owner"), ("unsure", "unsure"), ("bad", "attacker")]);
        let _ = writeln!(page, "{chart}</div>");
    }
}

fn phases(report: &Report, page: &mut String) {
    let timeline = &report.timeline;
    if timeline.episodes.is_empty() && timeline.moments.is_empty() {
        return;
    }
    heading("What was done when", page);
    if !timeline.episodes.is_empty() {
        page.push_str("<div class=\"card\">");
        legend(page, &[("bad", "attacker"), ("mark", "told, or done about it")]);
        let _ = writeln!(page, "{}</div>", charts::phases(report));
    }
    page.push_str("<h3>Moments</h3><div class=\"card\"><table>");
    for moment in &timeline.moments {
        let _ = write!(
            page,
            "<tr><td class=\"t\">{}</td><td>{}</td><td class=\"soft\">{}{}</td></tr>",
            escape(&moment.at),
            escape(&moment.what),
            escape(&moment.source),
            hash(&moment.line_sha256)
        );
    }
    page.push_str("</table></div>");
    if timeline.episodes.is_empty() {
        return;
    }
    page.push_str("<h3>Actions</h3><div class=\"card\"><table><tr><th>from</th><th>phase</th><th>action</th><th class=\"n\">requests</th><th class=\"n\">dollars</th><th class=\"n\">sure</th><th>record</th></tr>");
    for episode in timeline.episodes.iter().take(100) {
        let _ = write!(
            page,
            "<tr><td class=\"t\">{}</td><td class=\"w\">{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">${}</td><td class=\"n\">{:.0} %</td><td class=\"mono soft\">{}{}</td></tr>",
            escape(&episode.first),
            episode.phase.label(),
            escape(&episode.action),
            grouped(episode.requests),
            exact(episode.cost_usd),
            episode.confidence * 100.0,
            escape(&episode.source),
            hash(&episode.line_sha256)
        );
    }
    page.push_str("</table>");
    let more = timeline.episodes.len().saturating_sub(100) + timeline.unlisted;
    if more > 0 {
        let _ = write!(page, "<p class=\"soft\">{more} more in the JSON.</p>");
    }
    page.push_str("</div>\n");
}

fn consumers(report: &Report, page: &mut String) {
    if report.consumers.is_empty() {
        return;
    }
    heading("Who used the key", page);
    page.push_str("<div class=\"card\"><table><tr><th>who</th><th>why</th><th>from</th><th>to</th><th class=\"n\">requests</th><th class=\"n\">dollars</th><th>addresses</th><th>client</th></tr>");
    for consumer in &report.consumers {
        let more = consumer.addresses.saturating_sub(3);
        let mut addresses = consumer.source_ips.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        if more > 0 {
            let _ = write!(addresses, " and {more} more");
        }
        let _ = write!(
            page,
            "<tr><td class=\"w who-{0}\">{0}</td><td>{1}</td><td class=\"t\">{2}</td><td class=\"t\">{3}</td><td class=\"n\">{4}</td><td class=\"n\">${5}</td><td>{6}</td><td>{7}</td></tr>",
            consumer.who,
            escape(&consumer.why),
            short(&consumer.first),
            short(&consumer.last),
            grouped(consumer.requests),
            exact(consumer.cost_usd),
            escape(&addresses),
            escape(consumer.user_agents.first().map_or("", String::as_str))
        );
    }
    page.push_str("</table></div>\n");
}

/// A time without its year and seconds.
fn short(time: &str) -> String {
    escape(&time.get(5..16).unwrap_or(time).replace('T', " "))
}

fn scope(report: &Report, page: &mut String) {
    let scope = &report.scope;
    heading("What the key could do", page);
    let map = charts::map(report);
    if !map.is_empty() {
        page.push_str("<div class=\"card\">");
        legend(page, &[("own", "owner"), ("bad", "attacker")]);
        let _ = writeln!(page, "{map}</div>");
    }
    page.push_str("<div class=\"card\"><ul>");
    for finding in &scope.findings {
        let _ = write!(page, "<li>{}</li>", escape(finding));
    }
    page.push_str("</ul><dl>");
    let _ = write!(page, "<dt>Permissions seen</dt><dd>{}</dd>", escape(&scope.permissions.join("; ")));
    if !scope.possible.is_empty() {
        let _ = write!(page, "<dt>Not seen, possible</dt><dd>{}</dd>", escape(&scope.possible.join(", ")));
    }
    for system in &scope.systems {
        let about = [&system.kind, &system.access, &system.data, &system.owner, &system.limits];
        let about: Vec<&str> =
            about.into_iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
        let _ = write!(
            page,
            "<dt>Connected</dt><dd>{}: {}</dd>",
            escape(&system.name),
            escape(&about.join("; "))
        );
    }
    for question in &scope.questions {
        let answer = match (question.is_open, question.answer.is_empty()) {
            (true, true) => "<b>open: nobody has said so yet</b>".to_owned(),
            (true, false) => format!("<b>open</b>: {}", escape(&question.answer)),
            _ => escape(&question.answer),
        };
        let _ = write!(page, "<dt>{}</dt><dd>{answer}</dd>", question.question);
    }
    page.push_str("</dl></div>\n");
}

fn money(report: &Report, page: &mut String) {
    let money = &report.money;
    if money.requests == 0 {
        return;
    }
    let [least, likely, most] = money.attacker_usd;
    heading("What it cost", page);
    let _ = write!(page, "<div class=\"card\"><dl><dt>Attacker</dt><dd>${}", exact(likely));
    if least < most {
        let _ = write!(page, " (between ${} and ${})", exact(least), exact(most));
    }
    let _ = write!(
        page,
        "</dd><dt>Tokens</dt><dd>{} in, {} out</dd>",
        grouped(money.input_tokens),
        grouped(money.output_tokens)
    );
    if money.response_hours > 0.0 {
        let _ = write!(
            page,
            "<dt>Response</dt><dd>{} hours at ${}</dd><dt>In all</dt><dd><b>${}</b></dd>",
            money.response_hours,
            exact(money.rate_usd),
            exact(money.total_usd)
        );
    }
    let _ = write!(page, "<dt>Owner meanwhile</dt><dd>${}</dd></dl>", exact(money.owner_usd));
    for note in &money.interval {
        let _ = write!(page, "<p class=\"soft\">{}</p>", escape(note));
    }
    shares("model", &money.by_model, page);
    shares("day", &money.by_day, page);
    page.push_str("</div>\n");
}

fn shares(of: &str, shares: &[Share], page: &mut String) {
    let _ = write!(
        page,
        "<h3>By {of}</h3><table><tr><th>{of}</th><th class=\"n\">requests</th><th class=\"n\">tokens in</th><th class=\"n\">tokens out</th><th class=\"n\">dollars</th></tr>"
    );
    for share in shares.iter().take(60) {
        let _ = write!(
            page,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">${}</td></tr>",
            escape(&share.name),
            grouped(share.requests),
            grouped(share.input_tokens),
            grouped(share.output_tokens),
            exact(share.cost_usd)
        );
    }
    page.push_str("</table>");
}

fn indicators(report: &Report, page: &mut String) {
    let indicators = &report.indicators;
    if indicators.list.is_empty() && indicators.requests.is_empty() {
        return;
    }
    heading("By what he is known", page);
    page.push_str("<div class=\"card\"><table><tr><th>kind</th><th>value</th><th>what it is</th><th class=\"n\">requests</th><th class=\"n\">dollars</th><th>block?</th></tr>");
    for Indicator { kind, value, about, requests, cost_usd, is_shared, shared_because, .. } in
        indicators.list.iter().take(100)
    {
        let block =
            if *is_shared { format!("<b>no</b>: {}", escape(shared_because)) } else { "yes".to_owned() };
        let _ = write!(
            page,
            "<tr><td>{kind}</td><td class=\"mono\">{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">${}</td><td>{block}</td></tr>",
            escape(value),
            escape(about),
            grouped(*requests),
            exact(*cost_usd)
        );
    }
    page.push_str("</table></div>\n");
    let patterns: Vec<String> = indicators.requests.iter().chain(&indicators.timing).cloned().collect();
    if !patterns.is_empty() {
        page.push_str("<h3>How and when he asks</h3>");
        items(&patterns, page);
    }
}

fn items(items: &[String], page: &mut String) {
    page.push_str("<div class=\"card\"><ul>");
    for item in items {
        let _ = write!(page, "<li>{}</li>", escape(item));
    }
    page.push_str("</ul></div>\n");
}

fn list(title: &str, list: &[String], page: &mut String) {
    if !list.is_empty() {
        heading(title, page);
        items(list, page);
    }
}

fn retrospect(report: &Report, page: &mut String) {
    if report.retrospect.is_empty() {
        return;
    }
    heading("What would have told it when", page);
    page.push_str("<div class=\"card\"><table><tr><th>signal</th><th>told?</th><th class=\"n\">after the first act</th><th class=\"n\">lost by then</th><th class=\"n\">saved by a revocation then</th></tr>");
    for signal in &report.retrospect {
        let after = match signal.after_seconds {
            Some(after) => lasting(after),
            None => "never".to_owned(),
        };
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{after}</td><td class=\"n\">${}</td><td class=\"n\">${}</td></tr>",
            escape(&signal.signal),
            if signal.is_told { "yes" } else { "with another threshold" },
            exact(signal.lost_usd),
            exact(signal.saved_usd)
        );
    }
    page.push_str("</table></div>\n");
}
