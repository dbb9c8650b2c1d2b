//! What stands on the screen, line by line. Pure: the same state in the same size is the same screen.

use super::source::{Detail, Shot};
use super::state::{Screen, State};
use super::words::{clean, count, fit, lasting, minute, right, spark, usd, when, wrap};
use crate::engine::api::forms::{Brief, ConsumerRow, IncidentDetail, KeyDetail, KeyRow, MomentRow};

/// How a piece of a line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// As everything else.
    Plain,
    /// A heading.
    Bold,
    /// Beside the point.
    Dim,
    /// Somebody ought to look.
    Bad,
    /// Somebody ought to look some time.
    Warm,
}

/// A line: its pieces, and whether the cursor is on it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Line {
    /// The pieces.
    pub pieces: Vec<(Look, String)>,
    /// The cursor is on it.
    pub is_marked: bool,
}

impl Line {
    /// Nothing that acts comes into a line, wherever it comes from.
    fn of(look: Look, text: impl AsRef<str>) -> Self {
        Self { pieces: vec![(look, clean(text.as_ref()))], is_marked: false }
    }

    fn empty() -> Self {
        Self::default()
    }

    #[must_use]
    fn and(mut self, look: Look, text: impl AsRef<str>) -> Self {
        self.pieces.push((look, clean(text.as_ref())));
        self
    }

    /// The text alone.
    pub fn text(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// Cut off where the screen ends.
    fn within(mut self, width: usize) -> Self {
        let mut left = width;
        for (_, text) in &mut self.pieces {
            let wide = unicode_width::UnicodeWidthStr::width(text.as_str());
            if wide > left {
                *text = fit(text, left);
            }
            left -= wide.min(left);
        }
        self
    }
}

/// What is drawn on.
#[derive(Clone, Copy, Debug)]
pub struct Canvas {
    /// Columns.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// Only characters that every terminal has.
    pub is_plain: bool,
}

/// The whole screen, and how far a detail can be scrolled.
pub fn screen(state: &State, name: &str, canvas: Canvas) -> (Vec<Line>, usize) {
    let mut lines = vec![title(state, name), numbers(&state.shot), notice(state)];
    let room = canvas.height.saturating_sub(lines.len() + 1);
    let mut last = 0;
    if state.screen == Screen::All {
        lists(state, canvas, room, &mut lines);
    } else {
        let detail = detail(state, canvas);
        last = detail.len().saturating_sub(room);
        lines.extend(detail.into_iter().skip(state.scroll.min(last)).take(room));
    }
    lines.resize(canvas.height.saturating_sub(1), Line::empty());
    lines.push(Line::of(Look::Dim, help(state)));
    lines.truncate(canvas.height);
    (lines.into_iter().map(|line| line.within(canvas.width)).collect(), last)
}

fn title(state: &State, name: &str) -> Line {
    let Shot { status, spend, .. } = &state.shot;
    let mut line = Line::of(Look::Bold, "keyhound top").and(Look::Plain, format!("  {}", clean(name)));
    if !status.version.is_empty() {
        let as_of = spend.as_of.as_deref().map_or_else(|| "no record yet".to_owned(), when);
        #[allow(clippy::cast_precision_loss, reason = "seconds of a process")]
        let up = lasting(status.uptime_seconds as f64);
        let reading = if status.ready { "" } else { "  reading history" };
        line = line.and(Look::Dim, format!("  {}  up {up}{reading}  as of {as_of}", clean(&status.version)));
    }
    if state.is_paused { line.and(Look::Warm, "  PAUSED") } else { line }
}

fn numbers(shot: &Shot) -> Line {
    let Shot { status, spend, .. } = shot;
    let input = &status.input;
    let rejects = if input.rejected > 0 { Look::Bad } else { Look::Plain };
    let alerts = status.alerts_open;
    let hot = |is: bool| if is { Look::Bad } else { Look::Plain };
    Line::of(hot(status.incidents_open > 0), format!("incidents {}", status.incidents_open))
        .and(Look::Plain, "  ")
        .and(hot(alerts.high + alerts.critical > 0), format!("alerts {}", alerts.all()))
        .and(Look::Plain, format!("  records {}  ", count(input.processed)))
        .and(rejects, format!("rejects {}", count(input.rejected)))
        .and(Look::Plain, format!("  lag {}", input.lag_seconds.map_or_else(|| "-".to_owned(), lasting)))
        .and(sources(shot).0, sources(shot).1)
        .and(Look::Plain, format!("  keys {}  day {}", count(status.state.keys), usd(spend.all.day_cost_usd)))
        .and(sinks(shot).0, sinks(shot).1)
}

/// The source that is farthest behind, or those that fail.
fn sources(shot: &Shot) -> (Look, String) {
    let sources = &shot.status.sources;
    let bad: Vec<String> =
        sources.iter().filter(|source| source.failing).map(|source| clean(&source.name)).collect();
    if !bad.is_empty() {
        return (Look::Bad, format!("  pull fails {}", bad.join(" ")));
    }
    #[allow(clippy::cast_precision_loss, reason = "seconds")]
    match sources.iter().max_by_key(|source| source.lag_seconds.unwrap_or(u64::MAX)) {
        Some(source) => {
            let lag = source.lag_seconds.map_or_else(|| "-".to_owned(), |lag| lasting(lag as f64));
            (Look::Plain, format!("  {} {lag}", clean(&source.name)))
        }
        None => (Look::Plain, String::new()),
    }
}

fn sinks(shot: &Shot) -> (Look, String) {
    let bad: Vec<String> = shot
        .status
        .sinks
        .iter()
        .filter(|sink| sink.failing || sink.full)
        .map(|sink| clean(&sink.name))
        .collect();
    if bad.is_empty() {
        (Look::Plain, String::new())
    } else {
        (Look::Bad, format!("  failing {}", bad.join(" ")))
    }
}

fn notice(state: &State) -> Line {
    if state.is_writing || !state.filter.is_empty() {
        let mark = if state.is_writing { "_" } else { "" };
        return Line::of(Look::Bold, "filter ").and(Look::Plain, format!("{}{mark}", clean(&state.filter)));
    }
    Line::of(Look::Bad, clean(&state.trouble))
}

const fn help(state: &State) -> &'static str {
    if state.is_writing {
        return "type to filter   Enter keep   Esc clear";
    }
    match state.screen {
        Screen::All => "↑↓ move  Enter open  Tab incidents/keys  s sort  / filter  p pause  q quit",
        Screen::Key(_) => "↑↓ scroll  Enter its incident  Esc back  p pause  q quit",
        Screen::Incident(_) => "↑↓ scroll  Enter its key  Esc back  p pause  q quit",
    }
}

fn lists(state: &State, canvas: Canvas, room: usize, lines: &mut Vec<Line>) {
    let incidents = state.incidents();
    // A third of the screen, more where the cursor is there.
    let share = if state.among_incidents { room / 2 } else { room / 3 };
    let some = incidents.len().min(share.saturating_sub(2)).max(usize::from(!incidents.is_empty()));
    lines.push(Line::of(Look::Bold, format!("INCIDENTS ({})", incidents.len())));
    for (at, it) in page(&incidents, state.at[1], some) {
        let is_here = state.among_incidents && at == state.at[1];
        lines.push(incident(it, canvas.width, is_here));
    }
    let keys = state.keys();
    lines.push(Line::of(Look::Bold, format!("KEYS by {} ({})", state.sort.name(), keys.len())));
    lines.push(Line::of(Look::Dim, columns(canvas.width).heading()));
    let rest = room.saturating_sub(some + 3);
    for (at, key) in page(&keys, state.at[0], rest) {
        lines.push(key_line(key, canvas, !state.among_incidents && at == state.at[0]));
    }
}

/// The page of a list on which the cursor is.
fn page<'a, T>(list: &'a [&'a T], at: usize, rows: usize) -> impl Iterator<Item = (usize, &'a T)> {
    let start = at.checked_div(rows).unwrap_or(0) * rows;
    list.iter().copied().enumerate().skip(start).take(rows)
}

fn severity(name: &str) -> Look {
    match name {
        "critical" | "high" => Look::Bad,
        "medium" => Look::Warm,
        _ => Look::Plain,
    }
}

fn named(hint: &str, alias: &str) -> String {
    if alias.is_empty() { hint.to_owned() } else { format!("{alias} ({hint})") }
}

const fn cursor(is_here: bool) -> &'static str {
    if is_here { "> " } else { "  " }
}

fn incident(it: &Brief, width: usize, is_here: bool) -> Line {
    let name = fit(&named(&it.api_key_prefix, &it.api_key_alias), 25);
    let nats = it.score.map_or_else(String::new, |score| format!("{score:.1}"));
    let rest = width.saturating_sub(2 + 9 + 10 + 26 + 11 + 6);
    let mut line = Line::of(Look::Plain, cursor(is_here))
        .and(severity(&it.severity), fit(&it.severity, 9))
        .and(Look::Plain, fit(&it.status, 10))
        .and(Look::Plain, format!("{name} {} {} ", right(&usd(it.cost_usd), 10), right(&nats, 5)))
        .and(Look::Dim, fit(&minute(&it.updated_at), rest));
    line.is_marked = is_here;
    line
}

/// How wide the columns of keys are.
struct Columns {
    name: usize,
    is_wide: bool,
}

const fn columns(width: usize) -> Columns {
    let is_wide = width >= 76;
    let others = if is_wide { 2 + 13 + 10 + 11 + 10 + 11 } else { 2 + 13 + 11 + 11 };
    let name = width.saturating_sub(others);
    Columns { name: if name > 48 { 48 } else { name }, is_wide }
}

impl Columns {
    fn heading(&self) -> String {
        let name = fit("key", self.name);
        let (hour, usual) = if self.is_wide {
            (right("$ hour", 10), right("typical", 10))
        } else {
            (String::new(), String::new())
        };
        format!("  {name} {}{hour}{}{usual} inc alerts", fit("last hour", 12), right("$ day", 11))
    }
}

fn key_line(key: &KeyRow, canvas: Canvas, is_here: bool) -> Line {
    let columns = columns(canvas.width);
    let mut line = Line::of(Look::Plain, cursor(is_here))
        .and(Look::Plain, fit(&named(&key.api_key_prefix, &key.api_key_alias), columns.name))
        .and(Look::Plain, format!(" {}", fit(&spark(&key.hour_usd, canvas.is_plain), 12)));
    if columns.is_wide {
        line = line.and(Look::Plain, right(&usd(key.hour_cost_usd), 10));
    }
    line = line.and(Look::Plain, right(&usd(key.day_cost_usd), 11));
    if columns.is_wide {
        let usual = key.typical_day_cost_usd.map_or_else(|| "-".to_owned(), usd);
        line = line.and(Look::Dim, right(&usual, 10));
    }
    let alerts = key.alerts_open;
    let hot = |is: bool| if is { Look::Bad } else { Look::Dim };
    let some = |count: u32| if count == 0 { "-".to_owned() } else { count.to_string() };
    line = line
        .and(hot(key.incidents_open > 0), right(&some(key.incidents_open), 4))
        .and(hot(alerts.high + alerts.critical > 0), right(&some(alerts.all()), 7));
    line.is_marked = is_here;
    line
}

fn detail(state: &State, canvas: Canvas) -> Vec<Line> {
    match &state.detail {
        None => vec![Line::of(Look::Dim, "looking …")],
        Some(Detail::Missing(why)) => vec![Line::of(Look::Bad, clean(why))],
        Some(Detail::Key(key)) => of_key(key, canvas),
        Some(Detail::Incident(incident)) => of_incident(incident, canvas),
    }
}

fn fact(name: &str, value: &str, canvas: Canvas, lines: &mut Vec<Line>) {
    const NAMES: usize = 14;
    for (at, part) in wrap(value, canvas.width.saturating_sub(NAMES)).into_iter().enumerate() {
        let name = if at == 0 { name } else { "" };
        lines.push(Line::of(Look::Dim, fit(name, NAMES)).and(Look::Plain, part));
    }
}

fn of_key(found: &KeyDetail, canvas: Canvas) -> Vec<Line> {
    let key = &found.key;
    let mut lines =
        vec![Line::of(Look::Bold, format!("KEY {}", clean(&named(&key.api_key_prefix, &key.api_key_alias))))];
    let usual = key
        .typical_day_cost_usd
        .map_or_else(String::new, |usd_a_day| format!(", typically {}", usd(usd_a_day)));
    fact("key_id", &key.key_id, canvas, &mut lines);
    let bars = spark(&key.hour_usd, canvas.is_plain);
    lines.push(
        Line::of(Look::Dim, fit("last hour", 14))
            .and(Look::Plain, format!("{bars} {}", usd(key.hour_cost_usd))),
    );
    fact("newest day", &format!("{}{usual}", usd(key.day_cost_usd)), canvas, &mut lines);
    let days: Vec<f64> = found.days.iter().map(|day| day.cost_usd).collect();
    let bars = spark(&days, canvas.is_plain);
    lines.push(
        Line::of(Look::Dim, fit("thirty days", 14))
            .and(Look::Plain, format!("{bars} {}", usd(found.month_cost_usd))),
    );
    fact("ever", &format!("{}, {} requests", usd(key.cost_usd), count(key.requests)), canvas, &mut lines);
    fact("models", &found.models.join(", "), canvas, &mut lines);
    fact("last use", &key.last_use.as_deref().map_or_else(String::new, when), canvas, &mut lines);
    if found.canary {
        lines.push(Line::of(Look::Bad, "a canary: nobody may use it"));
    }
    if let Some(at) = &found.revoked_at {
        lines.push(Line::of(Look::Bad, format!("revoked since {}", when(at))));
    }
    if !found.consumers.is_empty() {
        lines.push(Line::of(Look::Bold, "WHO ELSE USES IT"));
        lines.extend(found.consumers.iter().map(consumer));
    }
    lines.push(Line::of(Look::Bold, "TIMELINE"));
    lines.extend(found.timeline.iter().map(moment));
    lines
}

fn consumer(who: &ConsumerRow) -> Line {
    let from = who.source_ips.first().map_or("-", String::as_str);
    let look = if who.incident_id.is_empty() { Look::Plain } else { Look::Bad };
    let network = if who.network.is_empty() { String::new() } else { format!(" ({})", who.network) };
    let text = format!(
        "{from}{network}: {} records, {}, {:.1} nats, new {}",
        count(who.records.into()),
        usd(who.cost_usd),
        who.score,
        who.new.join(" ")
    );
    Line::of(look, format!("  {}", clean(&text)))
}

fn moment(it: &MomentRow) -> Line {
    let what = if it.alert_type.is_empty() { &it.event } else { &it.alert_type };
    Line::of(Look::Dim, format!("  {} ", fit(&when(&it.at), 20)))
        .and(severity(&it.severity), fit(&it.severity, 9))
        .and(
            Look::Plain,
            format!("{} {} {} ", fit(what, 20), fit(&it.status, 9), right(&usd(it.cost_usd), 10)),
        )
        .and(Look::Dim, if it.revision == 0 { clean(&it.description) } else { String::new() })
}

fn of_incident(found: &IncidentDetail, canvas: Canvas) -> Vec<Line> {
    let it = &found.incident;
    let text = |name: &str| it[name].as_str().unwrap_or_default();
    let number = |name: &str| it[name].as_f64().unwrap_or_default();
    let mut lines = vec![Line::of(
        Look::Bold,
        format!("INCIDENT of {}", clean(&named(text("api_key_prefix"), text("api_key_alias")))),
    )];
    lines.extend(wrap(text("description"), canvas.width).into_iter().map(|part| Line::of(Look::Plain, part)));
    let status = format!("{}, {}, {}", text("status"), text("severity"), text("class"));
    fact("status", &status, canvas, &mut lines);
    fact("first record", &when(text("timestamp")), canvas, &mut lines);
    fact("updated", &when(text("updated_at")), canvas, &mut lines);
    fact("spent", &format!("{}, {} requests", usd(number("cost_usd")), it["requests"]), canvas, &mut lines);
    let list = |value: &serde_json::Value| {
        let all = value.as_array().into_iter().flatten().filter_map(|one| one.as_str());
        all.collect::<Vec<_>>().join(", ")
    };
    fact("addresses", &list(&it["evidence"]["source_ips"]), canvas, &mut lines);
    let heading = format!("LEDGER: {:.1} nats, where {:.1} are enough", number("score"), number("threshold"));
    lines.push(Line::of(Look::Bold, heading));
    lines.push(Line::of(
        Look::Dim,
        format!(
            "  {}{}{}{}",
            fit("term", 18),
            right("nats", 8),
            right("seen", 14),
            right("of the owner", 14)
        ),
    ));
    for term in it["ledger"].as_array().into_iter().flatten() {
        let nats = term["nats"].as_f64().unwrap_or_default();
        let look = if nats > 0.0 { Look::Bad } else { Look::Plain };
        lines.push(
            Line::of(Look::Plain, format!("  {}", fit(term["term"].as_str().unwrap_or_default(), 18)))
                .and(look, right(&format!("{nats:+.2}"), 8))
                .and(Look::Plain, right(&term["observed"].to_string(), 14))
                .and(Look::Dim, right(&term["expected"].to_string(), 14)),
        );
    }
    lines.push(Line::of(Look::Bold, "WHAT TO DO"));
    for step in it["next_steps"].as_array().into_iter().flatten().filter_map(|step| step.as_str()) {
        lines.extend(
            wrap(&format!("- {step}"), canvas.width).into_iter().map(|part| Line::of(Look::Plain, part)),
        );
    }
    lines.push(Line::of(Look::Bold, "TOLD"));
    lines.extend(found.revisions.iter().map(moment));
    lines
}

/// Everything as one plain table, for whoever reads it from a pipe.
pub fn table(shot: &Shot, by_risk: bool) -> String {
    let canvas = Canvas { width: 100, height: 0, is_plain: false };
    let list = if by_risk { &shot.risk } else { &shot.spend };
    let mut lines = vec![numbers(shot)];
    lines.push(Line::of(Look::Plain, format!("INCIDENTS ({})", shot.incidents.count)));
    lines.extend(shot.incidents.events.iter().map(|it| incident(it, canvas.width, false)));
    lines.push(Line::of(Look::Plain, format!("KEYS by {} ({})", list.by, list.keys.len())));
    lines.push(Line::of(Look::Plain, columns(canvas.width).heading()));
    lines.extend(list.keys.iter().map(|key| key_line(key, canvas, false)));
    let mut text = String::new();
    for line in &lines {
        text.push_str(line.text().trim_end());
        text.push('\n');
    }
    text
}
