//! What was found, for people, programs and tickets.

use super::finding::{Finding, Kind, Level, unlisted_providers};
use super::join::{Joined, Joining, Why, called};
use super::list::{Limit, Listed, Lists};
use super::used::Uses;
use crate::encode::{Palette, Visible, escape_markdown};
use crate::reconcile::{count, money, short, thousands, wrapped};
use crate::time::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Columns of keys and of names in tables.
const KEY_WIDTH: usize = 18;
const NAME_WIDTH: usize = 16;
const OWNER_WIDTH: usize = 14;
/// Columns before what is told of a finding.
const INDENT: &str = "      ";

/// Everything that is shown.
pub struct Shown<'a> {
    /// What was found.
    pub joining: &'a Joining,
    /// All use.
    pub uses: &'a Uses,
    /// How many keys each teller has, in words.
    pub tellers: String,
    /// Rows of a kind, or of the table of keys.
    pub rows: usize,
    /// What may be shown of a text from outside.
    pub clean: &'a dyn Fn(&str) -> String,
}

/// A key in so many columns: of what is left of it the end matters more than the middle.
fn key(text: &str, width: usize) -> String {
    let marks = ['.', '…', '*'];
    let length = text.chars().count();
    match (text.find(marks), text.rfind(marks)) {
        (Some(begin), Some(end)) if length > width => {
            let tail = text[end..].trim_start_matches(marks);
            let room = width.saturating_sub(tail.chars().count() + 3);
            let head: String = text[..begin].chars().take(room).collect();
            short(&format!("{head}...{tail}"), width)
        }
        _ => short(text, width),
    }
}

/// How many keys each has.
pub fn tellers(lists: &Lists) -> String {
    let told: Vec<String> =
        lists.tellers().map(|(teller, keys)| format!("{} {keys}", teller.name())).collect();
    told.join(", ")
}

impl Shown<'_> {
    fn show(&self, text: &str) -> String {
        Visible(&(self.clean)(text)).to_string()
    }

    /// By kind, the worst first.
    fn kinds(&self) -> BTreeMap<(Level, Kind), Vec<&Finding>> {
        let mut kinds: BTreeMap<(Level, Kind), Vec<&Finding>> = BTreeMap::new();
        for finding in &self.joining.findings {
            kinds.entry((finding.kind.level(), finding.kind)).or_default().push(finding);
        }
        kinds
    }

    /// The dearest first.
    fn keys(&self) -> Vec<&Joined> {
        let mut keys: Vec<&Joined> = self.joining.keys.iter().filter(|key| !key.used.is_empty()).collect();
        keys.sort_by(|one, other| {
            other.cost().cmp(&one.cost()).then_with(|| called(&one.listed).cmp(&called(&other.listed)))
        });
        keys
    }

    fn verdict(&self) -> String {
        let of = |kind: Kind| self.joining.findings.iter().filter(move |finding| finding.kind == kind);
        let unlisted = of(Kind::Unlisted).count();
        if unlisted > 0 {
            let cost = of(Kind::Unlisted).map(|finding| finding.cost).sum();
            let verb = if unlisted == 1 { "is" } else { "are" };
            return format!(
                "{} that no list has {verb} used: {}.",
                count(unlisted as u64, "key"),
                money(cost)
            );
        }
        let high = self.joining.findings.iter().filter(|finding| finding.kind.level() == Level::High).count();
        match (high, self.joining.findings.len()) {
            (0, 0) => "Every key that is used is listed, and nothing is wrong with any.".to_owned(),
            (0, some) => {
                format!("Every key that is used is listed; {} to tidy up.", count(some as u64, "thing"))
            }
            (high, _) => format!("{} to look at now.", count(high as u64, "key")),
        }
    }

    fn summary(&self) -> String {
        let listed = self.joining.keys.len();
        let used = self.keys().len();
        let span = self.uses.span.map_or_else(
            || "no use".to_owned(),
            |(first, last)| format!("use of {} to {}", day(first), day(last)),
        );
        format!("{} listed ({}), {used} of them used; {span}", count(listed as u64, "key"), self.tellers)
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for provider in unlisted_providers(&self.joining.strangers) {
            let of = self.joining.strangers.iter().filter(|one| one.why == Why::NoList(provider.to_owned()));
            notes.push(format!(
                "{} of models of {provider}, of whose keys no list was given.",
                count(of.count() as u64, "key")
            ));
        }
        let nobody: Vec<_> = self.joining.strangers.iter().filter(|one| one.why == Why::NoKey).collect();
        if !nobody.is_empty() {
            let cost: i128 = nobody.iter().map(|one| one.used.cost).sum();
            notes.push(format!(
                "{} of use that is not told by key, but by project, person or not at all: group reports by key.",
                money(cost)
            ));
        }
        if self.uses.beyond > 0 {
            notes.push(format!(
                "{} of further keys, for which there was no room.",
                count(self.uses.beyond, "record")
            ));
        }
        let unknown =
            self.joining.keys.iter().filter(|key| key.listed.limit == Limit::Unknown && !key.listed.is_admin);
        let unknown = unknown.count();
        if unknown > 0 {
            notes.push(format!(
                "Of {} no list tells a spend limit: look at the provider's console.",
                count(unknown as u64, "key")
            ));
        }
        notes
    }
}

/// For people, in no more than 80 columns.
pub fn text(shown: &Shown<'_>, palette: Palette) -> String {
    let mut text = format!(
        "{}\n\n  {}\n",
        palette.bold(&wrapped(&shown.verdict(), "")),
        wrapped(&shown.summary(), "  ")
    );
    for ((level, kind), findings) in shown.kinds() {
        let title = format!("{} ({})", kind.title(), findings.len());
        let title = if level == Level::High { palette.bad(&title) } else { palette.bold(&title) };
        let _ = writeln!(text, "\n{title}  {}", palette.dim(level.label()));
        let _ = writeln!(text, "  {}", palette.dim(&wrapped(kind.advice(), "  ")));
        for finding in findings.iter().take(shown.rows) {
            let names = [(&finding.name, NAME_WIDTH), (&finding.owner, 24)];
            let names = names.into_iter().filter(|(text, _)| !text.is_empty());
            let mut who = vec![key(&shown.show(&finding.key), KEY_WIDTH)];
            who.extend(names.map(|(text, width)| short(&shown.show(text), width)));
            let _ = writeln!(text, "    {}", who.join("  "));
            let _ = writeln!(text, "{INDENT}{}", wrapped(&shown.show(&finding.why), INDENT));
        }
        if findings.len() > shown.rows {
            let _ = writeln!(text, "    and {} more (--rows)", findings.len() - shown.rows);
        }
    }
    table(&mut text, shown, palette);
    for (number, note) in shown.notes().iter().enumerate() {
        let _ =
            writeln!(text, "{}  {}", if number == 0 { "\n" } else { "" }, wrapped(&shown.show(note), "  "));
    }
    text
}

fn table(text: &mut String, shown: &Shown<'_>, palette: Palette) {
    let keys = shown.keys();
    if keys.is_empty() {
        return;
    }
    let head = format!(
        "  {:<KEY_WIDTH$} {:<NAME_WIDTH$} {:<OWNER_WIDTH$} {:>11} {:>9}",
        "key", "name", "owner", "used $", "limit"
    );
    let _ = writeln!(text, "\n{}\n{}", palette.bold("Listed and used"), palette.dim(&head));
    for joined in keys.iter().take(shown.rows) {
        let cell = |text: &str, width: usize| short(&shown.show(text), width);
        let _ = writeln!(
            text,
            "  {:<KEY_WIDTH$} {:<NAME_WIDTH$} {:<OWNER_WIDTH$} {:>11} {:>9}",
            self::key(&shown.show(joined.listed.shown()), KEY_WIDTH),
            cell(&joined.listed.name, NAME_WIDTH),
            cell(&joined.listed.owner, OWNER_WIDTH),
            money(joined.cost()).trim_start_matches('$'),
            limit(joined.listed.limit)
        );
    }
    if keys.len() > shown.rows {
        let _ = writeln!(text, "  and {} more (--rows)", keys.len() - shown.rows);
    }
}

fn limit(limit: Limit) -> String {
    match limit {
        Limit::Unknown => "?".to_owned(),
        Limit::None => "none".to_owned(),
        Limit::Dollars(usd, days) => format!("{}/{}", whole(usd), period(days)),
        Limit::Total(usd) => whole(usd),
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a limit in whole dollars")]
fn whole(usd: f64) -> String {
    thousands(usd.min(1e15) as i128)
}

fn period(days: f64) -> String {
    match days {
        days if (days - 1.0).abs() < 1e-9 => "d".to_owned(),
        days if (days - 7.0).abs() < 1e-9 => "w".to_owned(),
        days if (days - 30.0).abs() < 1e-9 => "mo".to_owned(),
        days => format!("{days:.1}d"),
    }
}

/// Boxes to tick, for a ticket.
pub fn markdown(shown: &Shown<'_>) -> String {
    let mut text = format!("# Keys\n\n{}\n\n{}\n", shown.verdict(), shown.summary());
    for ((level, kind), findings) in shown.kinds() {
        let _ = writeln!(
            text,
            "\n## {} ({})\n\n{}: {}\n",
            kind.title(),
            findings.len(),
            level.label(),
            kind.advice()
        );
        for finding in findings {
            let who = [&finding.key, &finding.name, &finding.owner, &finding.project];
            let who: Vec<String> = who
                .into_iter()
                .filter(|text| !text.is_empty())
                .map(|text| escape_markdown(&shown.show(text)))
                .collect();
            let _ =
                writeln!(text, "- [ ] {}: {}", who.join(", "), escape_markdown(&shown.show(&finding.why)));
        }
    }
    let notes = shown.notes();
    if !notes.is_empty() {
        text.push('\n');
    }
    for note in notes {
        let _ = writeln!(text, "{}", escape_markdown(&shown.show(&note)));
    }
    text
}

/// JSON Lines: a summary, keys, findings.
pub fn json(shown: &Shown<'_>) -> String {
    let clean = |text: &str| (shown.clean)(text);
    let time = |at: Option<Timestamp>| at.map_or(Value::Null, |at| Value::from(at.to_string()));
    let mut lines = vec![json!({
        "type": "summary",
        "listed": shown.joining.keys.len(),
        "listed_used": shown.keys().len(),
        "findings": shown.joining.findings.len(),
        "from": time(shown.uses.span.map(|span| span.0)),
        "to": time(shown.uses.span.map(|span| span.1)),
        "notes": shown.notes().iter().map(|note| clean(note)).collect::<Vec<_>>(),
    })];
    for key in &shown.joining.keys {
        let Listed { teller, name, owner, project, off, created, last_used, expires, .. } = &key.listed;
        lines.push(json!({
            "type": "key",
            "list": teller.name(),
            "key": clean(key.listed.shown()),
            "ids": key.listed.ids.iter().map(|id| clean(id)).collect::<Vec<_>>(),
            "name": clean(name),
            "owner": clean(owner),
            "project": clean(project),
            "off": off,
            "created": time(*created),
            "expires": time(*expires),
            "last_used": time(key.last().max(*last_used)),
            "spend_limit": if key.listed.limit == Limit::Unknown { None } else { Some(limit(key.listed.limit)) },
            "requests": key.requests(),
            "cost_usd": usd(key.cost()),
            "month_max_usd": usd(key.month()),
        }));
    }
    for finding in &shown.joining.findings {
        lines.push(json!({
            "type": "finding",
            "finding": finding.kind.label(),
            "level": finding.kind.level().label(),
            "list": finding.provider,
            "key": clean(&finding.key),
            "name": clean(&finding.name),
            "owner": clean(&finding.owner),
            "project": clean(&finding.project),
            "why": clean(&finding.why),
            "what_to_do": finding.kind.advice(),
            "cost_usd": usd(finding.cost),
        }));
    }
    lines.iter().fold(String::new(), |text, line| text + &line.to_string() + "\n")
}

#[allow(clippy::cast_precision_loss, reason = "dollars for programs that know no larger numbers")]
fn usd(nano: i128) -> f64 {
    (nano as f64 / 1e3).round() / 1e6
}

/// The file of `[[key]]` that says the same: for `investigate --inventory` and `reconcile --keys`.
pub fn toml(joining: &Joining, clean: &dyn Fn(&str) -> String) -> String {
    let mut text = String::new();
    for key in &joining.keys {
        let listed = &key.listed;
        let mut names: Vec<String> = listed.ids.iter().chain(&listed.masks).map(|name| clean(name)).collect();
        // What records call it, where that is another name again.
        names.extend(key.used.iter().map(|used| used.hint.clone()).filter(|hint| !hint.is_empty()));
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        let quoted = |text: &str| toml::Value::from(clean(text)).to_string();
        let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        let _ = writeln!(text, "[[key]]\nnames = [{}]", names.join(", "));
        let rest = [("name", &listed.name), ("owner", &listed.owner), ("team", &listed.project)];
        for (field, value) in rest.into_iter().filter(|(_, value)| !value.is_empty()) {
            let _ = writeln!(text, "{field} = {}", quoted(value));
        }
        if let Limit::Dollars(usd, days) = listed.limit {
            let _ = writeln!(text, "monthly_spend_limit = {:.2}", usd * 30.0 / days);
        }
        text.push('\n');
    }
    text
}

fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}
