//! What is wrong with keys: found by what lists and records say of them together.

use super::join::{Joined, Settings, Stranger, Why};
use super::list::Limit;
use super::used::Uses;
use crate::investigate::Catalogue;
use crate::reconcile::{count, money as dollars};
use crate::time::{DAY, MINUTE, Timestamp};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// How far the provider's last use may be behind the last one in the records, and the records behind now.
const SLACK: i64 = 60 * MINUTE;
/// A limit that is more than so many times what was ever used within thirty days holds nobody.
const LOOSE: f64 = 10.0;
/// And one of so few dollars does in any case.
const LOOSE_USD: f64 = 100.0;
/// Days after which what was not used is not needed.
const ENOUGH_DAYS: f64 = 14.0;
/// Names that are listed in a sentence.
const NAMES_MAX: usize = 6;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Used, and in no list.
    Unlisted,
    /// Used somewhere that these records do not see.
    UsedElsewhere,
    /// Used with success though it had ended.
    UsedWhenOff,
    /// Whose owner has left.
    OwnerLeft,
    /// Nothing holds what it may spend.
    NoLimit,
    /// Never used.
    NeverUsed,
    /// Not used any more.
    Idle,
    /// May do more than it is used for.
    TooWide,
    /// A limit that would hold nobody.
    LooseLimit,
    /// Not renewed for long.
    Old,
    /// It never ends.
    NoExpiry,
    /// A person's.
    Personal,
    /// Nobody's.
    NoOwner,
    /// It is not clear which one was used.
    Ambiguous,
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Look at it now: it may be in use by somebody else.
    High,
    /// It makes a theft dearer, or serves nobody.
    Medium,
    /// Hygiene.
    Low,
}

impl Level {
    /// As it is written.
    pub const fn label(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

impl Kind {
    /// As it is written.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unlisted => "unlisted",
            Self::UsedElsewhere => "used_elsewhere",
            Self::UsedWhenOff => "used_when_off",
            Self::OwnerLeft => "owner_left",
            Self::NoLimit => "no_limit",
            Self::NeverUsed => "never_used",
            Self::Idle => "idle",
            Self::TooWide => "too_wide",
            Self::LooseLimit => "loose_limit",
            Self::Old => "old",
            Self::NoExpiry => "no_expiry",
            Self::Personal => "personal",
            Self::NoOwner => "no_owner",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// How bad it is.
    pub const fn level(self) -> Level {
        match self {
            Self::Unlisted | Self::UsedElsewhere | Self::UsedWhenOff | Self::OwnerLeft => Level::High,
            Self::NoLimit | Self::NeverUsed | Self::Idle => Level::Medium,
            _ => Level::Low,
        }
    }

    /// What it is, of all keys that have it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Unlisted => "Used, and in no list",
            Self::UsedElsewhere => "Used where these records do not see it",
            Self::UsedWhenOff => "Used with success after its end",
            Self::OwnerLeft => "Works on though its owner has left",
            Self::NoLimit => "May spend without limit",
            Self::NeverUsed => "Never used",
            Self::Idle => "Not used any more",
            Self::TooWide => "May do more than it is used for",
            Self::LooseLimit => "Has a limit that holds nobody",
            Self::Old => "Not renewed for long",
            Self::NoExpiry => "Never ends",
            Self::Personal => "Belongs to a person",
            Self::NoOwner => "Belongs to nobody",
            Self::Ambiguous => "Cannot be told apart",
        }
    }

    /// What to do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Unlisted => {
                "Find out who made it and where it is used; if nobody knows, treat it as stolen: `keyhound investigate`."
            }
            Self::UsedElsewhere => {
                "Somebody uses it past your gateway: ask its owner, else treat it as stolen (`keyhound reconcile` counts the money)."
            }
            Self::UsedWhenOff => "Ask the provider, and keep the records: `keyhound investigate --key`.",
            Self::OwnerLeft => "Give its work to a key of a service account, then delete it.",
            Self::NoLimit => "Set one at a few times what a dear month costs: a thief stops there.",
            Self::NeverUsed | Self::Idle => {
                "Delete it: nobody would miss it, and nobody would notice its theft."
            }
            Self::TooWide => "Take away what it is not used for.",
            Self::LooseLimit => "Lower it to a few times what a dear month costs.",
            Self::Old => "Renew it: whoever copied it loses it.",
            Self::NoExpiry => "Let it end by itself when it is renewed next.",
            Self::Personal => {
                "Use a service account: it does not leave, and its key can be renewed by others."
            }
            Self::NoOwner => "Write down who answers for it: whoever is called at night has to ask somebody.",
            Self::Ambiguous => "Log more of the key, or its identifier at the provider.",
        }
    }
}

/// Something that is wrong with a key.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// The key, as it is shown.
    pub key: String,
    /// What it is called.
    pub name: String,
    /// Who answers for it.
    pub owner: String,
    /// Its project, workspace or team.
    pub project: String,
    /// Whose list has it; empty for none.
    pub provider: &'static str,
    /// Why, with the figures.
    pub why: String,
    /// Nano-dollars that it was used for.
    pub cost: i128,
}

/// Everything that is looked at.
pub struct Subject<'a> {
    /// Keys that are listed.
    pub keys: &'a [Joined],
    /// Keys that are used besides.
    pub strangers: &'a [Stranger],
    /// All use.
    pub uses: &'a Uses,
    /// What keys of providers can do.
    pub catalogue: &'a Catalogue,
    /// From when on something is told.
    pub settings: &'a Settings,
}

/// What is wrong, the worst and dearest first.
pub fn findings(subject: &Subject<'_>) -> Vec<Finding> {
    let mut all: Vec<Finding> = subject.strangers.iter().filter_map(stranger).collect();
    all.extend(shared_limits(subject));
    for key in subject.keys {
        let mut tell = |kind: Kind, why: String| {
            all.push(Finding {
                kind,
                key: key.listed.shown().to_owned(),
                name: key.listed.name.clone(),
                owner: key.listed.owner.clone(),
                project: key.listed.project.clone(),
                provider: key.listed.teller.name(),
                why,
                cost: key.cost(),
            });
        };
        use_of(subject, key, &mut tell);
        if is_on(key, subject.settings.now) {
            hygiene(subject, key, &mut tell);
            rights(subject, key, &mut tell);
        }
    }
    all.sort_by(|one, other| {
        let place = |finding: &Finding| (finding.kind.level(), finding.kind, Reverse(finding.cost));
        place(one).cmp(&place(other)).then_with(|| (&one.name, &one.key).cmp(&(&other.name, &other.key)))
    });
    all
}

fn stranger(stranger: &Stranger) -> Option<Finding> {
    let used = &stranger.used;
    let (kind, why) = match &stranger.why {
        Why::Unlisted => {
            let span = used.span.map_or_else(String::new, |(first, last)| {
                format!(" from {} to {}", minute(first), minute(last))
            });
            let models = names(&used.models);
            let what = format!("{} in {} requests{span}", dollars(used.cost), used.requests);
            (Kind::Unlisted, if models.is_empty() { what } else { format!("{what}, {models}") })
        }
        Why::Ambiguous(keys) => {
            let keys: BTreeSet<String> = keys.iter().cloned().collect();
            (Kind::Ambiguous, format!("{} used by one of {}", dollars(used.cost), names(&keys)))
        }
        Why::NoList(_) | Why::NoKey => return None,
    };
    let key = if used.hint.is_empty() { "(no key)".to_owned() } else { used.hint.clone() };
    Some(Finding {
        kind,
        key,
        name: used.alias.clone(),
        owner: String::new(),
        project: String::new(),
        provider: "",
        why,
        cost: used.cost,
    })
}

fn is_on(key: &Joined, now: Timestamp) -> bool {
    key.listed.off.is_none() && key.listed.expires.is_none_or(|end| end > now)
}

/// Limits that whole projects share are told once, against what all of their keys cost.
fn shared_limits(subject: &Subject<'_>) -> Vec<Finding> {
    let mut projects: BTreeMap<&str, (Limit, u64, i128, i128)> = BTreeMap::new();
    let keys = subject.keys.iter().filter(|key| key.listed.is_shared && is_on(key, subject.settings.now));
    for key in keys {
        let (limit, keys, month, cost) = projects.entry(&key.listed.project).or_default();
        (*limit, *keys) = (key.listed.limit, *keys + 1);
        (*month, *cost) = (*month + key.month(), *cost + key.cost());
    }
    let told = projects.into_iter().filter_map(|(project, (limit, keys, month, cost))| {
        let (kind, why) = limited(limit, month, subject.uses.days())?;
        let keys = count(keys, "key");
        Some(Finding {
            kind,
            key: format!("project {project}"),
            name: keys,
            owner: String::new(),
            project: project.to_owned(),
            provider: "openai",
            why,
            cost,
        })
    });
    told.collect()
}

/// Whether a limit holds nobody, of what cost so much in its dearest thirty days.
fn limited(limit: Limit, month: i128, days: f64) -> Option<(Kind, String)> {
    let seen = format!("the dearest 30 days cost {}", dollars(month));
    match limit {
        Limit::None => Some((Kind::NoLimit, format!("no spend limit; {seen}"))),
        Limit::Dollars(limit, period) if days >= ENOUGH_DAYS => {
            let a_month = limit * 30.0 / period;
            let is_loose = a_month > LOOSE_USD && a_month > usd(month) * LOOSE;
            is_loose.then(|| (Kind::LooseLimit, format!("{} in 30 days; {seen}", dollars(nano(a_month)))))
        }
        _ => None,
    }
}

/// Use that should not be, and use that there is none of.
fn use_of(subject: &Subject<'_>, key: &Joined, tell: &mut impl FnMut(Kind, String)) {
    let (listed, settings) = (&key.listed, subject.settings);
    let served = key.used.iter().filter_map(|used| used.last_served).max();
    if let (Some(end), Some(served)) = (listed.expires, served)
        && served > end.plus(SLACK)
    {
        tell(Kind::UsedWhenOff, format!("it ended {} and was served {}", minute(end), minute(served)));
    }
    // What administers leaves no use of models.
    if let (Some(said), Some((first, last)), false) = (listed.last_used, subject.uses.span, listed.is_admin) {
        let is_seen = key.last().is_some_and(|own| own.plus(SLACK) >= said);
        if !is_seen && said >= first && said.plus(SLACK) <= last {
            let own = key.last().map_or_else(
                || "these records never".to_owned(),
                |own| format!("these records last {}", minute(own)),
            );
            tell(Kind::UsedElsewhere, format!("the provider saw it {}, {own}", minute(said)));
        }
    }
    if !is_on(key, settings.now) {
        return;
    }
    let last = key.last().max(listed.last_used);
    let is_new = listed.created.is_some_and(|made| made.plus(settings.idle.min(7 * DAY)) > settings.now);
    match last {
        None if listed.tells_last_use && !is_new => {
            let since =
                listed.created.map_or_else(String::new, |made| format!(" since it was made {}", day(made)));
            tell(Kind::NeverUsed, format!("the provider has no use of it{since}"));
        }
        // Only these records could tell: they have to be of some time.
        None if !is_new && subject.uses.days() >= ENOUGH_DAYS => {
            tell(Kind::NeverUsed, format!("no use in {:.0} days of records", subject.uses.days()));
        }
        Some(last) if last.plus(settings.idle) <= settings.now => {
            tell(Kind::Idle, format!("last used {}, {} days ago", day(last), days(settings.now.0 - last.0)));
        }
        _ => {}
    }
}

fn hygiene(subject: &Subject<'_>, key: &Joined, tell: &mut impl FnMut(Kind, String)) {
    let (listed, settings) = (&key.listed, subject.settings);
    if listed.has_left {
        tell(
            Kind::OwnerLeft,
            format!(
                "{} has no access to {} any more",
                or(&listed.owner, "its owner"),
                or(&listed.project, "its project")
            ),
        );
    }
    if !listed.is_admin
        && !listed.is_shared
        && let Some((kind, why)) = limited(listed.limit, key.month(), subject.uses.days())
    {
        tell(kind, why);
    }
    if let Some(made) = listed.created
        && made.plus(settings.age) <= settings.now
    {
        tell(Kind::Old, format!("made {}, {} days ago", day(made), days(settings.now.0 - made.0)));
    }
    if listed.can_expire && listed.expires.is_none() {
        tell(Kind::NoExpiry, "no end is set".to_owned());
    }
    if listed.is_personal && !listed.has_left {
        tell(Kind::Personal, format!("it is {}'s own", or(&listed.owner, "somebody")));
    }
    if listed.owner.is_empty() {
        tell(Kind::NoOwner, "no owner is told".to_owned());
    }
}

/// What it may do against what it does.
fn rights(subject: &Subject<'_>, key: &Joined, tell: &mut impl FnMut(Kind, String)) {
    let is_long = key.used.iter().filter_map(|used| used.span).any(|(first, last)| {
        #[allow(clippy::cast_precision_loss, reason = "a span of days")]
        let days = (last.0 - first.0) as f64 / DAY as f64;
        days >= ENOUGH_DAYS
    });
    if !is_long || key.used.iter().any(|used| used.is_cut) {
        return;
    }
    let used: BTreeSet<String> = key.used.iter().flat_map(|used| used.models.iter().cloned()).collect();
    if let Some(models) = &key.listed.models
        && !used.is_empty()
    {
        let spare: BTreeSet<String> =
            models.iter().filter(|model| !used.iter().any(|name| is_of(name, model))).cloned().collect();
        if models.is_empty() {
            tell(Kind::TooWide, format!("may use every model; used {}", names(&used)));
        } else if !spare.is_empty() {
            tell(Kind::TooWide, format!("may use {} and never does; used {}", names(&spare), names(&used)));
        }
    }
    let endpoints: BTreeSet<&str> =
        key.used.iter().flat_map(|used| used.endpoints.iter().map(String::as_str)).collect();
    // Buckets and some logs name no endpoint: then nobody knows.
    if endpoints.is_empty() {
        return;
    }
    let spare: BTreeSet<String> = key
        .listed
        .permissions
        .iter()
        .filter(|permission| subject.catalogue.is_used(permission, &endpoints) == Some(false))
        .cloned()
        .collect();
    if !spare.is_empty() {
        tell(Kind::TooWide, format!("is allowed {} and never uses it", names(&spare)));
    }
}

/// Whether a model that was used is one that is allowed: snapshots and routes of it are, and so is what a pattern says.
fn is_of(used: &str, allowed: &str) -> bool {
    let end = |name: &str| name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    match allowed.strip_suffix('*') {
        Some(begin) => used.starts_with(begin) || used.contains(&format!("/{begin}")),
        // `gpt-4o-2024-08-06` is a `gpt-4o`, `gpt-4o-mini` is none.
        None => end(used).strip_prefix(&end(allowed)).is_some_and(|rest| {
            let rest = rest.trim_start_matches(['-', '@', ':']);
            rest.is_empty() || rest.starts_with(|letter: char| letter.is_ascii_digit())
        }),
    }
}

fn names(names: &BTreeSet<String>) -> String {
    let more = names.len().saturating_sub(NAMES_MAX);
    let text = names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{text} and {more} more") } else { text }
}

fn or<'a>(text: &'a str, none: &'a str) -> &'a str {
    if text.is_empty() { none } else { text }
}

#[allow(clippy::cast_possible_truncation, reason = "a limit in dollars and cents")]
fn nano(usd: f64) -> i128 {
    (usd.min(1e15) * 1e9) as i128
}

#[allow(clippy::cast_precision_loss, reason = "sums of money, to be compared roughly")]
fn usd(nano: i128) -> f64 {
    nano as f64 / 1e9
}

fn days(ns: i64) -> i64 {
    ns / DAY
}

fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{}Z", text.chars().take(16).collect::<String>())
}

/// What is told of a whole list.
pub fn unlisted_providers(strangers: &[Stranger]) -> BTreeSet<&str> {
    strangers
        .iter()
        .filter_map(|stranger| match &stranger.why {
            Why::NoList(provider) => Some(provider.as_str()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_and_routes_of_a_model_are_that_model() {
        for (used, allowed, is) in [
            ("gpt-4o-2024-08-06", "gpt-4o", true),
            ("gpt-4o-mini", "gpt-4o", false),
            ("openai/gpt-4o", "gpt-4o", true),
            ("gpt-4o", "azure/gpt-4o", true),
            ("claude-3-haiku", "claude-*", true),
            ("anthropic/claude-3-haiku", "claude-*", true),
            ("gemini-pro", "claude-*", false),
        ] {
            assert_eq!(is_of(used, allowed), is, "{used} {allowed}");
        }
    }
}
