//! Scores as JUnit's XML, which pipelines show: what was asked for fails or passes, each theft is found or skipped.

use super::score::Score;
use super::show::Named;
use super::text::{Limits, headlines};
use crate::encode::is_invisible;
use std::fmt::Write;

/// The report; only what was asked for can fail.
pub fn junit(scores: &[Named<'_>], limits: Limits) -> String {
    let mut text =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"keyhound backtest\">\n");
    for (number, named) in scores.iter().enumerate() {
        // Two are compared to choose, and only the first is held to the limits.
        let limits = if number == 0 { limits } else { Limits::default() };
        write_limits(named, limits, &mut text);
        write_classes(named, &mut text);
    }
    text.push_str("</testsuites>\n");
    text
}

fn write_limits(named: &Named<'_>, limits: Limits, text: &mut String) {
    let Named { name, score } = named;
    let violated = [
        ("recall", Limits { falses_max: None, ..limits }, limits.recall_min.is_some()),
        ("false incidents", Limits { recall_min: None, ..limits }, limits.falses_max.is_some()),
    ];
    let asked: Vec<_> = violated.iter().filter(|(.., is_asked)| *is_asked).collect();
    let failed = asked.iter().filter(|(_, limits, _)| !limits.violated(score).is_empty()).count();
    let suite = escaped(&format!("{name}: limits"));
    let _ = writeln!(text, "  <testsuite name=\"{suite}\" tests=\"{}\" failures=\"{failed}\">", asked.len());
    for (what, limits, _) in asked {
        let violated = limits.violated(score);
        let case = format!("    <testcase classname=\"{suite}\" name=\"{what}\"");
        let _ = match violated.first() {
            Some(why) => writeln!(text, "{case}><failure message=\"{}\"/></testcase>", escaped(why)),
            None => writeln!(text, "{case}/>"),
        };
    }
    let said = escaped(&headlines(score).join("\n"));
    let _ = writeln!(text, "    <system-out>{said}</system-out>\n  </testsuite>");
}

fn write_classes(named: &Named<'_>, text: &mut String) {
    let Named { name, score } = named;
    let missed = |class: &str| score.missed.iter().filter(|missed| missed.class == class).count();
    let all: u64 = score.classes.values().map(|recall| recall.thefts).sum();
    let suite = escaped(&format!("{name}: thefts"));
    let _ =
        writeln!(text, "  <testsuite name=\"{suite}\" tests=\"{all}\" skipped=\"{}\">", score.missed.len());
    for (class, recall) in &score.classes {
        let class_name = escaped(class);
        let seconds = recall.delay_s_p50.unwrap_or(0.0);
        for number in 0..recall.thefts.saturating_sub(missed(class) as u64) {
            let _ = writeln!(
                text,
                "    <testcase classname=\"{class_name}\" name=\"found {}\" time=\"{seconds:.3}\"/>",
                number + 1
            );
        }
        write_missed(score, class, text);
    }
    let _ = writeln!(text, "  </testsuite>");
}

fn write_missed(score: &Score, class: &str, text: &mut String) {
    for missed in score.missed.iter().filter(|missed| missed.class == class) {
        let name = escaped(&format!("{} at {}", missed.key, missed.start));
        let _ = writeln!(
            text,
            "    <testcase classname=\"{}\" name=\"{name}\"><skipped message=\"not found\"/></testcase>",
            escaped(class)
        );
    }
}

/// A text inside an attribute or an element. What XML cannot hold is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            c if is_invisible(c) => {}
            c => out.push(c),
        }
    }
    out
}
