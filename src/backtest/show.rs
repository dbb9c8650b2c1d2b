//! Scores as tables: what terminals and Markdown have in common.

use super::score::{ByChange, Falses, NOTHING, Recall, Score};
use std::collections::BTreeSet;

/// A score, and what to call it.
pub struct Named<'a> {
    /// The configuration.
    pub name: &'a str,
    /// How good it is.
    pub score: &'a Score,
}

/// A table: the first column is of names, the others are of numbers.
#[derive(Clone, PartialEq, Debug)]
pub struct Table {
    /// What it is about.
    pub title: String,
    /// Names of the columns.
    pub head: Vec<String>,
    /// The rows, of which the last is about everything.
    pub rows: Vec<Vec<String>>,
}

/// What is better than in the other configuration, and what is worse.
pub const BETTER: char = '▲';
/// What is worse.
pub const WORSE: char = '▼';

/// Seconds as people say them.
pub fn duration(seconds: f64) -> String {
    match seconds {
        ..99.5 => format!("{seconds:.0} s"),
        ..5940.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.1} h", seconds / 3600.0),
        _ => format!("{:.1} d", seconds / 86_400.0),
    }
}

/// Dollars, in fewer digits the more there are.
pub fn dollars(usd: f64) -> String {
    match usd {
        ..0.0995 => format!("{usd:.3}"),
        ..99.5 => format!("{usd:.2}"),
        _ => format!("{usd:.0}"),
    }
}

fn ratio(part: f64) -> String {
    format!("{part:.2}")
}

fn per_1000(rate: f64) -> String {
    format!("{rate:.1}")
}

fn or_dash(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), show)
}

/// All tables of one score, or of two side by side.
pub fn tables(scores: &[Named<'_>]) -> Vec<Table> {
    let mut tables = Vec::new();
    match scores {
        [one] => {
            tables.extend(thefts(one.score));
            tables.push(falses(&one.score.falses));
            tables.extend(populations(one.score));
        }
        [one, other] => {
            tables.extend(thefts_beside(one.score, other.score));
            tables.push(falses_beside(&one.score.falses, &other.score.falses));
        }
        _ => {}
    }
    tables
}

fn head(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn thefts(score: &Score) -> Option<Table> {
    let net = score.thefts.as_ref()?;
    let row = |name: &str, recall: &Recall| {
        vec![
            name.to_owned(),
            recall.thefts.to_string(),
            recall.found.to_string(),
            ratio(recall.recall),
            or_dash(recall.delay_s_p50, duration),
            or_dash(recall.delay_s_p90, duration),
            or_dash(recall.usd_lost_p50, dollars),
            or_dash(recall.usd_lost_p90, dollars),
            or_dash(recall.attribution_precision, ratio),
            or_dash(recall.attribution_recall, ratio),
        ]
    };
    let mut rows: Vec<Vec<String>> = score.classes.iter().map(|(name, recall)| row(name, recall)).collect();
    rows.push(row("all", &net.all));
    Some(Table {
        title: "thefts".to_owned(),
        head: head(&["class", "n", "found", "recall", "delay", "p90", "$ lost", "p90", "right", "told"]),
        rows,
    })
}

/// Names of changes, those with the most false incidents first and what changed nothing last.
fn changes<'a>(all: &[&'a Falses]) -> Vec<&'a str> {
    let names: BTreeSet<&str> =
        all.iter().flat_map(|falses| falses.by_change.keys()).map(String::as_str).collect();
    let mut names: Vec<&str> = names.into_iter().collect();
    let count =
        |name: &str| all.iter().filter_map(|f| f.by_change.get(name)).map(|c| c.false_incidents).max();
    names.sort_by_key(|name| (*name == NOTHING, std::cmp::Reverse(count(name))));
    names
}

fn falses(all: &Falses) -> Table {
    let row = |name: &str, change: &ByChange| {
        let times = |times: u64| if name == NOTHING { String::new() } else { times.to_string() };
        vec![
            name.to_owned(),
            times(change.changes),
            times(change.changes_hit),
            change.key_days.to_string(),
            change.false_incidents.to_string(),
            or_dash(change.per_1000, per_1000),
            String::new(),
        ]
    };
    let mut rows: Vec<Vec<String>> =
        changes(&[all]).iter().filter_map(|name| Some(row(name, all.by_change.get(*name)?))).collect();
    rows.push(vec![
        "all".to_owned(),
        String::new(),
        String::new(),
        all.key_days.to_string(),
        all.false_incidents.to_string(),
        or_dash(all.per_1000, per_1000),
        or_dash(all.per_1000_upper95, per_1000),
    ]);
    Table {
        title: "false incidents".to_owned(),
        head: head(&["change", "times", "hit", "key-days", "false", "per 1,000", "95 % below"]),
        rows,
    }
}

fn populations(score: &Score) -> Option<Table> {
    if score.populations.is_empty() {
        return None;
    }
    let rows = score.populations.iter().map(|(name, population)| {
        let falses = &population.falses;
        let found = population.thefts.as_ref();
        vec![
            name.clone(),
            falses.keys.to_string(),
            falses.key_days.to_string(),
            falses.false_incidents.to_string(),
            or_dash(falses.per_1000, per_1000),
            or_dash(falses.per_1000_upper95, per_1000),
            found.map_or(0, |recall| recall.thefts).to_string(),
            or_dash(found.map(|recall| recall.recall), ratio),
        ]
    });
    Some(Table {
        title: "populations".to_owned(),
        head: head(&[
            "population",
            "keys",
            "key-days",
            "false",
            "per 1,000",
            "95 % below",
            "thefts",
            "recall",
        ]),
        rows: rows.collect(),
    })
}

/// Two values, the second with a mark if it is shown as another one.
fn pair(values: [Option<f64>; 2], more_is_better: bool, show: impl Fn(f64) -> String) -> [String; 2] {
    let shown = values.map(|value| or_dash(value, &show));
    let mark = match values {
        [Some(one), Some(other)] if shown[0] != shown[1] => {
            if (other > one) == more_is_better {
                BETTER
            } else {
                WORSE
            }
        }
        _ => ' ',
    };
    let [one, other] = shown;
    [one, format!("{other} {mark}")]
}

fn thefts_beside(one: &Score, other: &Score) -> Option<Table> {
    let (net, other_net) = (one.thefts.as_ref()?, other.thefts.as_ref()?);
    let row = |name: &str, pairs: [&Recall; 2]| {
        let of = |value: fn(&Recall) -> Option<f64>| pairs.map(value);
        let mut row = vec![name.to_owned(), pairs[0].thefts.to_string()];
        row.extend(pair(of(|recall| Some(recall.recall)), true, ratio));
        row.extend(pair(of(|recall| recall.delay_s_p50), false, duration));
        row.extend(pair(of(|recall| recall.usd_lost_p50), false, dollars));
        row.extend(pair(of(|recall| recall.attribution_precision), true, ratio));
        row
    };
    let both = one.classes.iter().filter_map(|(name, recall)| Some((name, recall, other.classes.get(name)?)));
    let mut rows: Vec<Vec<String>> = both.map(|(name, one, other)| row(name, [one, other])).collect();
    rows.push(row("all", [&net.all, &other_net.all]));
    Some(Table {
        title: "thefts".to_owned(),
        head: head(&["class", "n", "recall", "B  ", "delay", "B  ", "$ lost", "B  ", "right", "B  "]),
        rows,
    })
}

#[allow(clippy::cast_precision_loss, reason = "counts")]
fn falses_beside(one: &Falses, other: &Falses) -> Table {
    let none = ByChange::default();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let count = |count: f64| format!("{count:.0}");
    for name in changes(&[one, other]) {
        let pairs = [one, other].map(|falses| falses.by_change.get(name).unwrap_or(&none));
        let mut row = vec![name.to_owned(), pairs[0].key_days.to_string()];
        row.extend(pair(pairs.map(|change| Some(change.false_incidents as f64)), false, count));
        row.extend(pair(pairs.map(|change| change.per_1000), false, per_1000));
        rows.push(row);
    }
    let all = [one, other];
    let mut row = vec!["all".to_owned(), one.key_days.to_string()];
    row.extend(pair(all.map(|falses| Some(falses.false_incidents as f64)), false, count));
    row.extend(pair(all.map(|falses| falses.per_1000), false, per_1000));
    rows.push(row);
    Table {
        title: "false incidents".to_owned(),
        head: head(&["change", "key-days", "false", "B  ", "per 1,000", "B  "]),
        rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_long_as_they_say_something() {
        let shown: Vec<String> = [0.4, 99.0, 100.0, 5939.0, 7200.0, 259_200.0].map(duration).into();
        assert_eq!(shown, ["0 s", "99 s", "2 min", "99 min", "2.0 h", "3.0 d"]);
        assert_eq!([0.0042, 0.5, 12.345, 1234.5].map(dollars), ["0.004", "0.50", "12.35", "1234"]);
    }

    #[test]
    fn what_differs_is_marked_where_it_can_be_seen() {
        let beside = |one, other, more| pair([one, other], more, ratio)[1].clone();
        assert_eq!(beside(Some(0.5), Some(0.6), true), "0.60 ▲");
        assert_eq!(beside(Some(0.5), Some(0.6), false), "0.60 ▼");
        assert_eq!(beside(Some(0.501), Some(0.502), false), "0.50  ");
        assert_eq!(beside(None, Some(0.5), true), "0.50  ");
    }
}
