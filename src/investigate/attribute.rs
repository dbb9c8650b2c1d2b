//! Who of those who used the key is the attacker.

use super::company::{company, nearly_told};
use super::gather::{NAMED, UNLISTED};
use super::gathered::{Case, Gathered};
use super::sums::{Span, Sums};
use crate::address::Address;
use crate::detect::Class;
use crate::incident::{OWNER, Phase};
use crate::time::{DAY, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// How sure it is of one who is an attacker because he came from where one did, or because somebody said so.
pub(super) const LINKED: f64 = 0.9;
/// What must speak against him besides where he came from, in nats: of colleagues behind one address it is less.
const LINKED_NATS: f64 = 4.0;
const SAID: f64 = 0.99;
/// What was over so long before is another theft, unless the two are known to be one.
const APART: i64 = 14 * DAY;

/// Whose a consumer is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Who {
    /// The attacker's.
    Attacker,
    /// Nobody knows.
    Unsure,
    /// The owner's, though he was new.
    Accepted,
    /// The owner's.
    Owner,
}

impl Who {
    /// Its name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Attacker => "attacker",
            Self::Unsure => "unsure",
            Self::Accepted => "accepted",
            Self::Owner => "owner",
        }
    }
}

/// What was decided of a consumer, and why.
#[derive(Clone, PartialEq, Debug)]
pub struct Judgement {
    /// Whose it is.
    pub who: Who,
    /// Why.
    pub why: String,
    /// How sure that is, from 0 to 1.
    pub confidence: f64,
}

/// How likely it is that an incident is one: at its threshold as likely as not, by each nat above 2.7 times as likely.
pub fn confidence(case: &Case) -> f64 {
    let over = case.last.score - case.first.threshold;
    match case.last.phase {
        Phase::Dismissed => 0.0,
        Phase::Confirmed => 0.999,
        _ => 1.0 / (1.0 + libm::exp(-over)),
    }
}

/// Decides of every consumer; where an incident is asked for by how its id begins, only that theft counts.
pub fn attribute(gathered: &Gathered, incident: Option<&str>) -> BTreeMap<u32, Judgement> {
    let asked = incident.and_then(|id| gathered.incidents.values().find(|case| case.last.id.starts_with(id)));
    let others = asked.map_or_else(|| others(gathered), |asked| all_but(gathered, asked));
    let mut judged: BTreeMap<u32, Judgement> = gathered
        .consumers
        .iter()
        .map(|(number, sums)| (*number, by_itself(*number, sums, gathered, &others)))
        .collect();
    let seats = haunts(gathered, &judged);
    for (number, judgement) in &mut judged {
        let Some(sums) = gathered.consumers.get(number) else { continue };
        if judgement.who == Who::Unsure
            && let Some(address) = shared(sums, &seats)
        {
            let why = format!("from {address}, as the attacker within a day");
            *judgement = Judgement { who: Who::Attacker, why, confidence: LINKED };
        }
    }
    let is_new = |number| !gathered.incidents.values().any(|case| case.consumer == Some(number));
    let second = nearly_told(gathered, &judged, is_new);
    judged.extend(second);
    let company = company(gathered, &judged, is_new);
    judged.extend(company);
    judged
}

/// The address of an attacker that somebody came from while he did, or within a day, unless he looks like the owner or had
/// been there long before: others may be behind it.
fn shared(sums: &Sums, seats: &BTreeMap<Address, (Timestamp, Timestamp)>) -> Option<Address> {
    let is_near = |address: &Address, span: &Span| {
        seats.get(address).is_some_and(|(first, last)| {
            span.first.0 <= last.0 + DAY && span.last.0 >= first.0 - DAY && !is_settled(sums, *first)
        })
    };
    let has_evidence = sums.score.is_none_or(|score| score >= LINKED_NATS);
    let mut addresses = sums.addresses.by.iter();
    addresses.find(|(address, span)| has_evidence && is_near(address, span)).map(|(address, _)| *address)
}

/// Addresses that only attackers use, with their time.
fn haunts(
    gathered: &Gathered,
    judged: &BTreeMap<u32, Judgement>,
) -> BTreeMap<Address, (Timestamp, Timestamp)> {
    let of = |is: fn(Who) -> bool| {
        gathered
            .consumers
            .iter()
            .filter(move |(number, _)| judged.get(number).is_some_and(|judged| is(judged.who)))
    };
    let owners: BTreeSet<Address> = of(|who| matches!(who, Who::Owner | Who::Accepted))
        .flat_map(|(_, sums)| sums.addresses.by.keys().copied())
        .collect();
    let mut haunts: BTreeMap<Address, (Timestamp, Timestamp)> = BTreeMap::new();
    for (_, sums) in of(|who| who == Who::Attacker) {
        for (address, span) in &sums.addresses.by {
            if !owners.contains(address) && gathered.elsewhere.is_earlier(*address, span.first) != Some(true)
            {
                let known = haunts.entry(*address).or_insert((span.first, span.last));
                *known = (known.0.min(span.first), known.1.max(span.last));
            }
        }
    }
    haunts
}

/// The incidents that are not of the theft that is asked for.
fn all_but<'a>(gathered: &'a Gathered, asked: &Case) -> BTreeSet<&'a str> {
    let other = gathered.incidents.values().filter(|case| !is_one_theft(asked, case));
    other.map(|case| &*case.last.id).collect()
}

/// Where none is asked for: those that were over weeks before the dearest, and before what belongs to that, and those that were
/// there for weeks by then, on most days. A key that was stolen in summer is not the same case as a colleague who was new in
/// spring, whether he has left or not: by then he is what is usual. What came later counts, however little it took: trials cost
/// nothing. Who was there on the key's first day is not the dearest if he stayed until somebody else came: on that day
/// everybody is new.
fn others(gathered: &Gathered) -> BTreeSet<&str> {
    let mut rest: Vec<(&Case, &Sums)> = gathered
        .incidents
        .values()
        .filter(|case| case.last.class == Class::Compromise && case.last.phase != Phase::Dismissed)
        .filter_map(|case| Some((case, gathered.consumers.get(&case.consumer?)?)))
        .collect();
    let dearest =
        |(one, _): &&(&Case, _), (other, _): &&(&Case, _)| one.last.cost_usd.total_cmp(&other.last.cost_usd);
    let first_day = first_of(gathered).plus(DAY);
    let is_of_old = |(case, sums): &&(&Case, &Sums)| {
        let mut later = rest.iter().filter(|(other, _)| !is_one_theft(case, other));
        sums.span.first < first_day && later.any(|(_, other)| is_settled(sums, other.span.first))
    };
    let main = rest.iter().filter(|one| !is_of_old(one)).max_by(dearest);
    let Some((main, sums)) = main.copied() else { return BTreeSet::new() };
    let mut begin = sums.span.first;
    loop {
        let before = rest.len();
        rest.retain(|(case, sums)| {
            let is_over = sums.span.last.0 < begin.0 - APART && !is_one_theft(main, case);
            let is_its = case.last.id == main.last.id || !is_over && !is_settled(sums, begin);
            if is_its {
                begin = begin.min(sums.span.first);
            }
            !is_its
        });
        if rest.len() == before {
            return rest.into_iter().map(|(case, _)| &*case.last.id).collect();
        }
    }
}

/// The first that is known of the key.
fn first_of(gathered: &Gathered) -> Timestamp {
    let history = gathered.history.span.map(|(first, _)| first);
    let all = gathered.consumers.values().map(|sums| sums.span.first).chain(history);
    all.min().unwrap_or(Timestamp::MIN)
}

/// Whether somebody had been there for weeks by then, on most of the days.
pub(super) fn is_settled(sums: &Sums, by: Timestamp) -> bool {
    let first = sums.span.first;
    let days: BTreeSet<i64> =
        sums.hours.keys().map(|hour| hour.div_euclid(24)).filter(|day| day * DAY < by.0).collect();
    let all = (by.0 - first.0) / DAY;
    by.0 - first.0 > APART && i64::try_from(days.len()).is_ok_and(|used| 2 * used > all)
}

fn by_itself(number: u32, sums: &Sums, gathered: &Gathered, others: &BTreeSet<&str>) -> Judgement {
    let judgement = |who, why: &str, confidence| Judgement { who, why: why.to_owned(), confidence };
    let is_canary = gathered.signals.iter().any(|signal| signal.name == "canary_key");
    let case = gathered.incidents.values().find(|case| case.consumer == Some(number));
    match (number, case) {
        _ if is_canary => judgement(Who::Attacker, "a canary key, which nobody may use", SAID),
        (OWNER, _) => judgement(Who::Owner, "the key's owner", SAID),
        (NAMED, _) => judgement(Who::Attacker, "named as the attacker", SAID),
        (UNLISTED, _) => judgement(Who::Attacker, "not on the list of the owner's", SAID),
        (_, Some(case)) if case.last.phase == Phase::Dismissed => {
            judgement(Who::Accepted, &format!("dismissed: {}", case.last.reason), SAID)
        }
        (_, Some(case)) if others.contains(&*case.last.id) => {
            let id = case.last.id.get(..8).unwrap_or_default();
            judgement(Who::Unsure, &format!("another incident, {id}"), confidence(case))
        }
        (_, Some(case)) if case.last.class == Class::Compromise => {
            let id = case.last.id.get(..8).unwrap_or_default();
            judgement(Who::Attacker, &format!("incident {id}"), confidence(case))
        }
        _ if is_watched(sums, gathered) => judgement(Who::Attacker, "on a watch list", SAID),
        _ if gathered.history.consumers.contains(&number) => {
            judgement(Who::Accepted, "used it in the history already", SAID)
        }
        _ if sums.is_adopted => judgement(Who::Accepted, "taken for the owner's in time", SAID),
        _ => judgement(Who::Unsure, "new, and neither accepted nor enough to be told", 0.5),
    }
}

/// Whether two incidents are of one stranger.
fn is_one_theft(one: &Case, other: &Case) -> bool {
    let is_named = !one.last.theft.is_empty() && one.last.theft == other.last.theft;
    one.last.id == other.last.id || is_named
}

/// Whether it came from an address that a watch list holds.
fn is_watched(sums: &Sums, gathered: &Gathered) -> bool {
    let watched = gathered.incidents.values().filter(|case| {
        case.last.ledger.iter().any(|term| term.name == "watch_list") && case.last.phase != Phase::Dismissed
    });
    let mut addresses = watched.flat_map(|case| &case.last.source_ips);
    addresses.any(|listed| sums.addresses.by.keys().any(|address| address.to_string() == *listed))
}
