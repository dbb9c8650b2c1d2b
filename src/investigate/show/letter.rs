//! The covering letter to the provider, to be edited.

use super::text::exact;
use crate::backtest::escaped;
use crate::investigate::report::Report;
use std::fmt::Write;

/// Addresses and days that are named in the letter itself.
const NAMED_MAX: usize = 15;

/// The letter, as Markdown. What only its writer knows stands in square brackets.
pub fn letter(report: &Report) -> String {
    let (verdict, money, key) = (&report.verdict, &report.money, &report.key);
    let time = |time: &Option<String>| time.clone().unwrap_or_else(|| "[time]".to_owned());
    let [least, likely, most] = money.attacker_usd;
    let mut text = format!(
        "To: {} support, abuse and billing\n\nSubject: use of a stolen API key, request for a refund and for records\n\n\
         Dear Sir or Madam,\n\nthe API key shown as `{}`{} of our organization [name, id] was used by somebody else without our \
         knowledge or consent, from {} to {} (UTC).\n\n",
        key.provider,
        escaped(&key.prefix),
        if key.alias.is_empty() { String::new() } else { format!(", named {},", escaped(&key.alias)) },
        time(&verdict.first_act),
        time(&verdict.last_act)
    );
    let _ = writeln!(text, "| | |\n|---|---|");
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "| {name} | {value} |");
    };
    row("key", &escaped(&key.prefix));
    row("window, UTC", &format!("{} to {}", time(&verdict.first_act), time(&verdict.last_act)));
    row("known to us", &time(&verdict.detected_at));
    row("revoked", &time(&verdict.revoked_at));
    row("requests", &money.requests.to_string());
    row("tokens", &format!("{} in, {} out", money.input_tokens, money.output_tokens));
    let sum = if least < most {
        format!("US${} (between {} and {})", exact(likely), exact(least), exact(most))
    } else {
        format!("US${}", exact(likely))
    };
    row("cost", &sum);
    tables(report, &mut text);
    let addresses: Vec<&str> = report
        .indicators
        .list
        .iter()
        .filter(|one| one.kind == "address" && !one.is_shared)
        .map(|one| one.value.as_str())
        .collect();
    if !addresses.is_empty() {
        let more = addresses.len().saturating_sub(NAMED_MAX);
        let named = addresses.into_iter().take(NAMED_MAX).collect::<Vec<_>>().join(", ");
        let more = if more > 0 { format!(" and {more} more, see `indicators.csv`") } else { String::new() };
        let _ = writeln!(
            text,
            "\nThe requests came from {}{more}, which none of our services uses.",
            escaped(&named)
        );
    }
    let _ = write!(
        text,
        "\nEvery request is listed with its time, identifier, address, tokens and cost in `requests.jsonl`, each with the place \
         of its record in our logs. {}: {}.\n\nWe ask you\n\n1. to confirm that the key is dead, and since when;\n2. for your own \
         records of these requests, with their addresses and clients, and to keep them;\n3. to refund US${}, which we did not cause;\n\
         4. to act against whoever did.\n\n[What we have done: new key, limits, where it leaked and how that was closed.]\n\n[Name, \
         role, how to reach you]\n",
        match verdict.usable.answer {
            "no" => "The key is dead",
            "yes" => "The key was still served when the records end",
            _ => "Whether the key is dead our records do not tell",
        },
        escaped(&verdict.usable.evidence),
        exact(likely)
    );
    text
}

fn tables(report: &Report, text: &mut String) {
    let money = &report.money;
    text.push_str("\nBy model:\n\n| model | requests | US$ |\n|---|---:|---:|\n");
    for share in money.by_model.iter().take(NAMED_MAX) {
        let _ =
            writeln!(text, "| {} | {} | {} |", escaped(&share.name), share.requests, exact(share.cost_usd));
    }
    text.push_str("\nBy day (UTC):\n\n| day | requests | US$ |\n|---|---:|---:|\n");
    for share in money.by_day.iter().take(NAMED_MAX) {
        let _ = writeln!(text, "| {} | {} | {} |", share.name, share.requests, exact(share.cost_usd));
    }
}
