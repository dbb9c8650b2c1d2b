//! Charts as SVG, coloured by the style of the page: they need no script, and are read in light and dark and on paper.

use super::html::escape;
use super::text::exact;
use crate::backtest::dollars;
use crate::investigate::report::{Episode, Report, Spending, Way};
use crate::time::{SECOND, Timestamp, parse};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Width of a chart, in units of its own.
const WIDTH: f64 = 980.0;
/// Room for what stands beside an axis.
const LEFT: f64 = 64.0;
/// Models and endpoints that are drawn apart.
const NODES_MAX: usize = 8;

/// Money by time: who spent it.
pub fn spending(spending: &Spending) -> String {
    const HEIGHT: f64 = 220.0;
    const BOTTOM: f64 = 24.0;
    let bins = spending.owner.len();
    let sum = |place: usize| spending.owner[place] + spending.unsure[place] + spending.attacker[place];
    let most = (0..bins).map(sum).fold(0.0, f64::max);
    if bins == 0 || most <= 0.0 {
        return String::new();
    }
    let top = nice(most);
    let plot = HEIGHT - BOTTOM - 8.0;
    let mut svg = begin(HEIGHT, "Dollars spent with the key over time, by who spent them");
    for step in 0..=4_u8 {
        let part = f64::from(step) / 4.0;
        let y = 8.0 + plot * (1.0 - part);
        let _ = write!(svg, r#"<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1}" y2="{y:.1}"/>"#);
        let _ = write!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="end">${}</text>"#,
            LEFT - 8.0,
            y + 4.0,
            exact(top * part)
        );
    }
    let step = (WIDTH - LEFT) / float(bins);
    let from = parse(spending.from.as_bytes()).map_or(0, |stamp| stamp.at.0);
    for place in 0..bins {
        let at = time(from, spending.bin_seconds, place);
        let mut y = 8.0 + plot;
        let parts = [
            ("own", "owner", spending.owner[place]),
            ("unsure", "unsure", spending.unsure[place]),
            ("bad", "attacker", spending.attacker[place]),
        ];
        for (class, who, usd) in parts.into_iter().filter(|part| part.2 > 0.0) {
            let height = (usd / top * plot).max(0.6);
            y -= height;
            let x = LEFT + step * float(place);
            let _ = write!(
                svg,
                r#"<rect class="f-{class}" x="{x:.1}" y="{y:.1}" width="{:.1}" height="{height:.1}"><title>{at}: {who} ${}</title></rect>"#,
                (step - 1.0).max(0.8),
                dollars(usd)
            );
        }
    }
    let every = bins.div_ceil(7);
    for place in (0..bins).step_by(every) {
        let at = time(from, spending.bin_seconds, place);
        let text = if spending.bin_seconds >= 86_400 { &at[..10] } else { &at[5..16] };
        let x = LEFT + step * float(place);
        let _ = write!(svg, r#"<text x="{x:.1}" y="{:.1}">{}</text>"#, HEIGHT - 6.0, text.replace('T', " "));
    }
    svg.push_str("</svg>");
    svg
}

/// What the attacker did when: a lane for each phase, and a line for each moment of detection and response.
pub fn phases(report: &Report) -> String {
    const LANE: f64 = 26.0;
    const NAMES: f64 = 150.0;
    let timeline = &report.timeline;
    let at = |text: &str| parse(text.as_bytes()).map_or(0, |stamp| stamp.at.0);
    let marks: Vec<(i64, &str)> = timeline
        .moments
        .iter()
        .filter(|moment| matches!(moment.kind, "response" | "detection"))
        .map(|moment| (at(&moment.at), moment.what.as_str()))
        .collect();
    let times = timeline.episodes.iter().flat_map(|episode| [at(&episode.first), at(&episode.last)]);
    let (Some(from), Some(to)) = (times.clone().min(), times.max()) else { return String::new() };
    // Detection an hour after the end is still worth a line; a final word weeks later is not.
    let reach = ((to - from) / 5).max(600 * SECOND);
    let marks: Vec<_> =
        marks.into_iter().filter(|(at, _)| *at >= from - reach && *at <= to + reach).collect();
    let from = marks.iter().map(|mark| mark.0).fold(from, i64::min);
    let to = marks.iter().map(|mark| mark.0).fold(to, i64::max).max(from + 60 * SECOND);
    let height = LANE * float(timeline.phases.len()) + 40.0;
    let x = |at: i64| NAMES + ratio(at - from, to - from) * (WIDTH - NAMES - 8.0);
    let mut svg = begin(height, "Phases of the theft over time");
    for (lane, phase) in timeline.phases.iter().enumerate() {
        let y = 6.0 + LANE * float(lane);
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{NAMES}" x2="{WIDTH}" y1="{0:.1}" y2="{0:.1}"/><text class="name" x="0" y="{1:.1}">{2}</text>"#,
            y + LANE - 6.0,
            y + 14.0,
            phase.label
        );
        for episode in timeline.episodes.iter().filter(|episode| episode.phase == phase.phase) {
            let left = x(at(&episode.first));
            let width = (x(at(&episode.last)) - left).max(3.0);
            let _ = write!(
                svg,
                r#"<rect class="f-bad" x="{left:.1}" y="{y:.1}" width="{width:.1}" height="{:.1}" rx="2"><title>{}</title></rect>"#,
                LANE - 10.0,
                escape(&tip(episode))
            );
        }
    }
    let bottom = height - 34.0;
    for (at, what) in &marks {
        let x = x(*at);
        let _ = write!(
            svg,
            r#"<line class="s-mark" x1="{x:.1}" x2="{x:.1}" y1="0" y2="{bottom:.1}"><title>{}</title></line>"#,
            escape(what)
        );
    }
    for part in 0..=4_i64 {
        let at = from + (to - from) / 4 * part;
        let anchor = if part == 4 { "end" } else { "start" };
        let text = Timestamp(at - at.rem_euclid(SECOND)).to_string();
        let _ = write!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="{anchor}">{}</text>"#,
            x(at),
            height - 12.0,
            text.get(5..19).unwrap_or(&text).replace('T', " ")
        );
    }
    svg.push_str("</svg>");
    svg
}

fn tip(episode: &Episode) -> String {
    format!(
        "{}: {} requests, ${}: {}",
        episode.first,
        episode.requests,
        dollars(episode.cost_usd),
        episode.action
    )
}

/// Where requests went: from the key to models, from models to endpoints.
pub fn map(report: &Report) -> String {
    let ways = &report.scope.ways;
    if ways.is_empty() {
        return String::new();
    }
    let models = nodes(ways, |way| &way.model);
    let endpoints = nodes(ways, |way| &way.endpoint);
    let rows = models.len().max(endpoints.len());
    let height = 44.0 * float(rows) + 12.0;
    let place = |nodes: &[String], name: &str| {
        let at = nodes.iter().position(|node| node == name).unwrap_or(nodes.len() - 1);
        (float(at) + 0.5) * height / float(nodes.len())
    };
    let most = ways.iter().map(|way| way.owner + way.attacker).max().unwrap_or(1);
    let thick = |requests: u64| 1.5 + 16.0 * (float64(requests) / float64(most)).sqrt();
    let mut svg = begin(height, "Which models and endpoints the key was used for");
    let (mut to_models, mut to_endpoints) = (BTreeMap::new(), BTreeMap::new());
    for way in ways {
        let model = place(&models, &way.model);
        let endpoint = place(&endpoints, &way.endpoint);
        for (class, requests) in [("own", way.owner), ("bad", way.attacker)] {
            *to_models.entry((key(model), class)).or_insert(0_u64) += requests;
            *to_endpoints.entry((key(model), key(endpoint), class)).or_insert(0_u64) += requests;
        }
    }
    let mut ribbon = |from: (f64, f64), to: (f64, f64), class: &str, requests: u64| {
        if requests > 0 {
            let middle = f64::midpoint(from.0, to.0);
            let _ = write!(
                svg,
                r#"<path class="r-{class}" stroke-width="{:.1}" d="M{:.1} {:.1}C{middle:.1} {:.1} {middle:.1} {:.1} {:.1} {:.1}"><title>{requests} requests</title></path>"#,
                thick(requests),
                from.0,
                from.1,
                from.1,
                to.1,
                to.0,
                to.1
            );
        }
    };
    let shift = |class: &str| if class == "bad" { 4.0 } else { -4.0 };
    for ((model, class), requests) in &to_models {
        let y = f64::from(*model) / 10.0 + shift(class);
        ribbon((110.0, height / 2.0 + shift(class)), (330.0, y), class, *requests);
    }
    for ((model, endpoint, class), requests) in &to_endpoints {
        let from = (560.0, f64::from(*model) / 10.0 + shift(class));
        ribbon(from, (700.0, f64::from(*endpoint) / 10.0 + shift(class)), class, *requests);
    }
    let mut name = |x: f64, y: f64, text: &str| {
        let text: String = if text.chars().count() > 34 {
            text.chars().take(33).chain(['…']).collect()
        } else {
            text.to_owned()
        };
        let _ = write!(svg, r#"<text class="name" x="{x:.1}" y="{:.1}">{}</text>"#, y + 4.0, escape(&text));
    };
    name(0.0, height / 2.0, &report.key.prefix);
    for model in &models {
        name(338.0, place(&models, model), model);
    }
    for endpoint in &endpoints {
        name(708.0, place(&endpoints, endpoint), endpoint);
    }
    svg.push_str("</svg>");
    svg
}

/// A height in tenths, by which ribbons are put together.
fn key(y: f64) -> i32 {
    #[allow(clippy::cast_possible_truncation, reason = "a height on a page")]
    let tenths = (y * 10.0).round() as i32;
    tenths
}

/// The most used names; the others are one.
fn nodes(ways: &[Way], of: impl Fn(&Way) -> &String) -> Vec<String> {
    let mut sums: BTreeMap<&String, u64> = BTreeMap::new();
    for way in ways {
        *sums.entry(of(way)).or_default() += way.owner + way.attacker;
    }
    let mut names: Vec<(&String, u64)> = sums.into_iter().collect();
    names.sort_by_key(|(_, requests)| std::cmp::Reverse(*requests));
    let mut nodes: Vec<String> = names.iter().take(NODES_MAX).map(|(name, _)| (*name).clone()).collect();
    if names.len() > NODES_MAX {
        nodes.push(format!("{} others", names.len() - NODES_MAX));
    }
    nodes
}

fn begin(height: f64, title: &str) -> String {
    format!(
        r#"<svg viewBox="0 0 {WIDTH} {height:.0}" role="img" aria-label="{0}"><title>{0}</title>"#,
        escape(title)
    )
}

/// The least round number that is no less.
fn nice(number: f64) -> f64 {
    let power = 10_f64.powf(number.log10().floor());
    let steps = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|nice| *nice >= number).unwrap_or(10.0 * power)
}

fn time(from: i64, bin_seconds: i64, place: usize) -> String {
    let place = i64::try_from(place).unwrap_or(0);
    Timestamp(from + bin_seconds * SECOND * place).to_string()
}

#[allow(clippy::cast_precision_loss, reason = "places on a page")]
fn float(number: usize) -> f64 {
    number as f64
}

#[allow(clippy::cast_precision_loss, reason = "thickness of a line")]
fn float64(number: u64) -> f64 {
    number as f64
}

#[allow(clippy::cast_precision_loss, reason = "places on a page")]
fn ratio(of: i64, whole: i64) -> f64 {
    of as f64 / whole.max(1) as f64
}
