//! What speaks for and against an unknown consumer being somebody else: terms in nats, each with its limits, which add up
//! to the score.
//!
//! The question is whether a second consumer came, or the first one moved: a theft adds a consumer, a deployment or a
//! journey replaces one. So time acquits as well as it convicts.

use super::cohort::{Cohort, Name, SLOTS_MAX};
use super::fleet::Fleet;
use super::habits;
use super::novelty::{Kind, rate};
use super::owner::Owner;

/// One term of a ledger.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Term {
    /// What it is about: see [`TERMS`].
    pub name: &'static str,
    /// What it adds to the score.
    pub nats: f64,
    /// What was seen of the consumer.
    pub observed: f64,
    /// What would be seen of the owner.
    pub expected: f64,
}

impl Term {
    /// What it means, in a few words.
    pub fn meaning(&self) -> &'static str {
        meaning(self.name)
    }

    /// Whether it is one of a key that is known by its habits alone.
    pub fn is_of_habits(&self) -> bool {
        is_of_habits(self.name)
    }
}

/// What the term of this name means, in a few words.
pub fn meaning(name: &str) -> &'static str {
    let mut all = TERMS.iter().chain(habits::TERMS);
    all.find(|(known, _)| *known == name).map_or("", |(_, meaning)| *meaning)
}

/// Whether the term of this name is one of a key that is known by its habits alone.
pub fn is_of_habits(name: &str) -> bool {
    habits::TERMS.iter().any(|(known, _)| *known == name)
}

macro_rules! terms {
    ($($name:literal $doc:literal,)*) => {
        /// The names of all terms, and what they mean.
        pub const TERMS: &[(&str, &str)] = &[$(($name, $doc),)*];
    };
}

terms! {
    "network" "from a network or a block of addresses that the key has not been used from",
    "client" "with client software that the key has not been used with",
    "both" "new software often comes from a new place",
    "client_rare" "software that hardly any key of the fleet is used with",
    "place" "a country, or a kind of network, that the key has not been used from",
    "identity_cap" "who somebody is does not convict alone",
    "fan_out" "more new networks or blocks than the key ever has in as many days",
    "fleet" "an address that is new to another key, too",
    "probe" "models refused to requests that ask for nothing",
    "checks_only" "nothing but lists, refusals and empty calls",
    "endpoint" "endpoints that the key has not been used for",
    "list" "lists models, which the key's owner never does",
    "refused_key" "nearly everything is refused as unauthorised",
    "dormant" "the key comes back from a pause longer than any before",
    "model" "models that the key has not been used with",
    "dear" "requests that cost more than the owner's",
    "spend" "spends much, beside what the owner spends in as long",
    "tokens" "requests of sizes that the owner does not send",
    "hours" "at work when the owner is not",
    "independent" "at work beside the owner as chance has it, not as one who moves",
    "additive" "the owner's own use goes on beside it",
    "load_tool" "a tool for load tests, on a network or a block of addresses that is known",
}

/// The terms of an unknown consumer, those that say nothing left out.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Ledger(Vec<Term>);

impl From<Vec<Term>> for Ledger {
    fn from(terms: Vec<Term>) -> Self {
        Self(terms)
    }
}

/// Everything that evidence is taken from.
pub struct Case<'a> {
    /// The key's owner.
    pub owner: &'a Owner,
    /// The unknown consumer.
    pub cohort: &'a Cohort,
    /// All keys.
    pub fleet: &'a Fleet,
    /// Whether its software makes load tests.
    pub is_load_tool: bool,
}

impl Ledger {
    /// The sum of all terms, which is the score.
    pub fn score(&self) -> f64 {
        self.0.iter().map(|term| term.nats).sum()
    }

    /// The terms, as they were found.
    pub fn terms(&self) -> &[Term] {
        &self.0
    }

    /// The sum of these terms.
    pub fn sum(&self, names: &[&str]) -> f64 {
        self.0.iter().filter(|term| names.contains(&term.name)).map(|term| term.nats).sum()
    }

    /// The sum of those of these terms that speak against the consumer.
    fn positive(&self, names: &[&str]) -> f64 {
        let of = |term: &&Term| names.contains(&term.name) && term.nats > 0.0;
        self.0.iter().filter(of).map(|term| term.nats).sum()
    }

    fn add(&mut self, name: &'static str, nats: f64, observed: f64, expected: f64) {
        if nats != 0.0 && nats.is_finite() {
            self.0.push(Term { name, nats, observed, expected });
        }
    }

    /// Whether the score may mean that the key is in somebody else's hands: somebody else is there, and it is not the
    /// owner who moved.
    pub fn may_be_theft(&self, cohort: &Cohort) -> bool {
        let identity = self.sum(&["network", "client", "fleet", "place", "fan_out"]);
        let coexists = cohort.visits >= 2 || self.sum(&["additive", "independent"]) >= 1.5;
        identity >= 1.5 && (coexists || self.positive(CONDUCT) >= 3.0)
    }
}

/// Terms about what is done, and not by whom.
const CONDUCT: &[&str] = &[
    "probe",
    "list",
    "checks_only",
    "endpoint",
    "refused_key",
    "model",
    "dear",
    "spend",
    "fan_out",
    "fleet",
    "tokens",
];

/// Weighs a consumer that is not known.
pub fn weigh(case: &Case<'_>) -> Ledger {
    let mut ledger = Ledger::default();
    case.identity(&mut ledger);
    case.conduct(&mut ledger);
    case.money(&mut ledger);
    case.shape(&mut ledger);
    case.time(&mut ledger);
    ledger
}

impl Case<'_> {
    fn identity(&self, ledger: &mut Ledger) {
        let Self { cohort, fleet, .. } = self;
        let [network, block, client] = cohort.is_new;
        let level = cohort.level();
        let steps = f64::from(u8::try_from(level).unwrap_or(0));
        let kind = if network { Kind::Network } else { Kind::Block };
        let place_rate = self.rate(kind, level);
        let place = if network || block { (-libm::log(place_rate)).min(6.0 + steps / 2.0) } else { 0.0 };
        let client_rate = self.rate(Kind::Client, level);
        let software = if client { (-libm::log(client_rate)).min(6.0) } else { 0.0 };
        ledger.add("network", place, f64::from(cohort.visits), place_rate);
        ledger.add("client", software, f64::from(cohort.visits), client_rate);
        ledger.add("both", -0.4 * place.min(software), 0.0, 0.0);
        if client {
            let share = fleet.client_share(cohort.identity.client);
            ledger.add("client_rare", (-0.5 * libm::log(50.0 * share)).clamp(0.0, 1.5), share, 0.02);
        }
        let (nats, observed) = self.place();
        ledger.add("place", nats, observed, 0.0);
        let all = ledger.score();
        ledger.add("identity_cap", (11.0 - all).min(0.0), all, 11.0);
        self.fan_out(ledger);
        ledger.add("fleet", if cohort.is_shared { 4.0 } else { 0.0 }, 2.0, 1.0);
    }

    /// The part of the key's days with such a newcomer.
    fn rate(&self, kind: Kind, level: usize) -> f64 {
        let Self { owner, cohort, fleet, .. } = self;
        let client = (!cohort.is_new[2] && cohort.identity.client != 0).then_some(cohort.identity.client);
        let own = owner.newcomer_days(client, kind, level);
        rate(own, owner.active_days, &fleet.fellows[usize::from(owner.born_on_server)], kind, level)
    }

    fn place(&self) -> (f64, f64) {
        let Self { owner, cohort, fleet, .. } = self;
        let Some(place) = cohort.identity.place.filter(|_| cohort.is_new[0] || cohort.is_new[1]) else {
            return (0.0, 0.0);
        };
        let countries = if cohort.countries.is_empty() { 0.0 } else { 1.0 };
        let kind = match (place.is_server, owner.uses) {
            (true, [_, false]) => 1.5,
            (false, [false, true]) => 1.0,
            _ => 0.0,
        };
        let share = fleet.network_share(&place);
        let rare = if cohort.is_new[0] { (-0.5 * libm::log(100.0 * share)).clamp(0.0, 1.5) } else { 0.0 };
        ((countries + kind + rare).min(5.0), share)
    }

    fn fan_out(&self, ledger: &mut Ledger) {
        let surprise = |count: usize, usual: f64| {
            #[allow(clippy::cast_precision_loss, reason = "at most 64")]
            let count = count as f64;
            if count > usual { count * libm::log(count / usual) - count + usual } else { 0.0 }
        };
        let days = self.cohort.span_days().max(1.0);
        let networks = self.cohort.networks.len();
        let usual = 1.0 + days * self.rate(Kind::Network, 0);
        let of_networks = (0.8 * surprise(networks, usual)).min(4.0);
        // Those of new networks have been counted with these.
        let blocks = if self.cohort.is_new[0] { 0 } else { self.cohort.blocks.len() };
        let usual_blocks = 1.3 + days * self.rate(Kind::Block, 0);
        let of_blocks = (0.6 * surprise(blocks, usual_blocks)).min(3.0);
        if of_networks >= of_blocks {
            ledger.add("fan_out", of_networks, count(networks), usual);
        } else {
            ledger.add("fan_out", of_blocks, count(blocks), usual_blocks);
        }
    }

    fn conduct(&self, ledger: &mut Ledger) {
        let Self { owner, cohort, .. } = self;
        let probed = count(cohort.probed.len());
        ledger.add("probe", if probed >= 2.0 { (1.5 * probed).min(6.0) } else { 0.0 }, probed, 0.0);
        let idle = f64::from(cohort.idle);
        let checks = cohort.idle == cohort.records && cohort.idle >= 2;
        ledger.add("checks_only", if checks { (0.7 * idle).min(2.0) } else { 0.0 }, idle, 0.0);
        let endpoints = count(cohort.endpoints.len());
        ledger.add("endpoint", (2.0 * endpoints).min(4.0), endpoints, 0.0);
        let lists = cohort.lists > 0 && !owner.lists;
        ledger.add("list", if lists { 1.0 } else { 0.0 }, f64::from(cohort.lists), 0.0);
        let refused = f64::from(cohort.unauthorised);
        let is_refused = cohort.unauthorised >= 3 && refused >= 0.9 * f64::from(cohort.records);
        ledger.add("refused_key", if is_refused { (0.75 * refused).min(3.0) } else { 0.0 }, refused, 0.0);
        let [pause, before] = cohort.pause;
        let dormant = (cohort.is_new[0] || cohort.is_new[2]) && pause > 10 * 86_400 && pause > 2 * before;
        ledger.add("dormant", if dormant { 1.0 } else { 0.0 }, days(pause), days(before));
        let models = count(cohort.models.len());
        ledger.add("model", (1.5 * models).min(3.0), models, 0.0);
        let [network, block, _] = cohort.is_new;
        let test = match (self.is_load_tool, network, block) {
            (true, false, false) => -8.0,
            (true, false, true) => -5.0,
            _ => 0.0,
        };
        ledger.add("load_tool", test, 1.0, 0.0);
    }

    fn money(&self, ledger: &mut Ledger) {
        let Self { owner, cohort, .. } = self;
        let (own, theirs) =
            (cohort.spent / f64::from(cohort.successes.max(1)), owner.spent / owner.successes.max(1.0));
        if own > 0.0 && theirs > 0.0 {
            let dearer = libm::log(own / theirs);
            ledger.add("dear", if dearer > 0.7 { (dearer - 0.2).min(2.0) } else { 0.0 }, own, theirs);
        }
        let usual = owner.daily_cost() * cohort.span_days().max(0.125);
        if cohort.spent > 0.0 && usual > 0.0 {
            ledger.add("spend", libm::log(2.0 * cohort.spent / usual).clamp(0.0, 2.0), cohort.spent, usual);
        }
    }

    fn shape(&self, ledger: &mut Ledger) {
        let shaped = self.cohort.shaped();
        if shaped == 0.0 {
            return;
        }
        let [ever, recent] = self.cohort.gains;
        let ever = ever - self.owner.drift * (shaped / 40.0).min(1.0);
        let nats = 0.35 * ever.min(recent) * libm::sqrt(30.0 / shaped).min(1.0);
        ledger.add("tokens", nats.clamp(-6.0, (1.5 + 0.4 * shaped).min(5.0)), ever, recent);
    }

    fn time(&self, ledger: &mut Ledger) {
        let Self { cohort, .. } = self;
        let days = cohort.span_days();
        let hours = (0.6 * cohort.odd_hours).clamp(-1.5, (1.5 + 0.6 * days).min(4.0));
        ledger.add("hours", hours, cohort.odd_hours, 0.0);
        let (nats, chance) = self.independent();
        ledger.add("independent", nats, f64::from(cohort.shared), chance);
        let (nats, seen, expected) = self.additive();
        ledger.add("additive", nats, seen, expected);
    }

    /// Whether the slots in which both work are as many as of two who know nothing of each other, or as of one.
    fn independent(&self) -> (f64, f64) {
        let Self { owner, cohort, .. } = self;
        let slots = cohort.slots.min(SLOTS_MAX);
        let (shared, alone) = (f64::from(cohort.shared), f64::from(slots - cohort.shared.min(slots)));
        let [near, elsewhere] = owner.company();
        let session = 1.0 - (1.0 - near / 2.0) * (1.0 - near / 2.0);
        let one = [(0.4, 0.03), (0.4, session), (0.2, elsewhere)];
        let likelihood = |(weight, part): (f64, f64)| {
            let part = part.clamp(0.01, 0.99);
            libm::log(weight) + shared * libm::log(part) + alone * libm::log(1.0 - part)
        };
        let ln_one = ln_sum(one.map(likelihood));
        ((0.6 * (cohort.ln_chance - ln_one)).clamp(-6.0, 3.0), f64::from(slots))
    }

    /// Whether the owner's use goes on beside it.
    fn additive(&self) -> (f64, f64, f64) {
        let Self { owner, cohort, .. } = self;
        let now = cohort.last;
        let from = (cohort.first / 3600).max(now / 3600 - 72);
        let seen = owner.requests_since(from, now / 3600);
        let expected = owner.expected_since(from, now).max(0.05);
        #[allow(clippy::cast_precision_loss, reason = "at most 72")]
        let hours = (now / 3600 - from + 1) as f64;
        // Of a consumer that has been there for longer, about as many as fall into these hours.
        let theirs = f64::from(cohort.records) * (hours / (cohort.span_days() * 24.0 + 1.0)).min(1.0);
        let mean = expected.max(seen);
        let shape = (owner.evenness() * hours / 24.0).clamp(0.1, 3.0);
        let mut alone = ln_negative_binomial(seen, mean, shape);
        if seen == 0.0 {
            alone = alone.max(libm::log(owner.idle_share()));
        }
        let mut nats = alone - ln_negative_binomial(seen + theirs, mean, shape);
        if nats > 0.0 {
            nats *= (seen / expected).min(1.0);
        }
        (nats.clamp(-4.0, 1.0 + 2.0 * cohort.span_days().min(1.0)), seen, expected)
    }
}

fn ln_sum(logarithms: [f64; 3]) -> f64 {
    let most = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + libm::log(logarithms.iter().map(|ln| libm::exp(ln - most)).sum())
}

/// Logarithm of the probability of a count under the negative binomial of this mean and shape.
fn ln_negative_binomial(count: f64, mean: f64, shape: f64) -> f64 {
    libm::lgamma(count + shape) - libm::lgamma(shape) - libm::lgamma(count + 1.0)
        + shape * libm::log(shape / (shape + mean))
        + count * libm::log(mean / (shape + mean))
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

#[allow(clippy::cast_precision_loss, reason = "days of a life")]
fn days(seconds: i64) -> f64 {
    seconds as f64 / 86_400.0
}

impl Name {
    /// What the consumer is told apart by, in a word.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Client(..) => "client",
            Self::Network(_) => "network",
            Self::Block(_) => "block",
        }
    }
}
