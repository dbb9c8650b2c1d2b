//! What is compared of an unknown consumer with the key's owner and with all keys.

use super::cohort::{Cohort, SLOTS_MAX};
use super::fleet::Fleet;
use super::novelty::{Kind, rate};
use super::owner::Owner;

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

/// What a comparison comes to.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// What the table is asked for.
    pub value: f64,
    /// What was seen of the consumer, and what would be seen of the owner.
    pub observed: f64,
    pub expected: f64,
}

impl Seen {
    const fn new(value: f64, observed: f64, expected: f64) -> Self {
        Self { value, observed, expected }
    }

    /// A number of something of which the owner has none.
    const fn of(number: f64) -> Self {
        Self::new(number, number, 0.0)
    }
}

/// How a comparison is made.
type Read = fn(&Case<'_>) -> Seen;

/// What a comparison is called in `weights.txt`, the term that it belongs to, and how it is made; by term.
pub const READINGS: &[(&str, &str, Read)] = &[
    ("network", "network", |case| case.newcomer(case.cohort.is_new[0], Kind::Network)),
    ("block", "network", |case| case.newcomer(case.cohort.is_new[1], Kind::Block)),
    ("client", "client", |case| case.newcomer(case.cohort.is_new[2], Kind::Client)),
    ("client_rare", "client_rare", |case| case.client_rare()),
    ("network_rare", "place", |case| case.network_rare()),
    ("network_unused", "place", |case| case.network_unused()),
    ("country", "country", |case| Seen::of(count(case.cohort.countries.len()))),
    ("server_odd", "server", |case| case.server_odd()),
    ("fan_net", "fan_out", |case| case.fan_out_of_networks()),
    ("fan_blk", "fan_out", |case| case.fan_out_of_blocks()),
    ("hops", "hops", |case| case.hops()),
    ("fleet", "fleet", |case| Seen::of(one_if(case.cohort.shared_address.is_some()))),
    ("probe", "probe", |case| Seen::of(count(case.cohort.probed.len()))),
    ("checks", "checks_only", |case| case.checks_only()),
    ("endpoint", "endpoint", |case| Seen::of(count(case.cohort.endpoints.len()))),
    ("list", "list", |case| Seen::of(if case.owner.lists { 0.0 } else { f64::from(case.cohort.lists) })),
    ("unauth", "refused_key", |case| case.refused_key()),
    ("dormant", "dormant", |case| case.dormant()),
    ("model", "model", |case| Seen::of(count(case.cohort.models.len()))),
    ("dear", "dear", |case| case.dear()),
    ("tokens", "tokens", |case| case.tokens()),
    ("typical", "own_sizes", |case| case.own_sizes()),
    ("joint", "habits", |case| case.habits(case.cohort.joint / libm::sqrt(case.records()))),
    ("mix_part", "habits", |case| case.habits(case.cohort.mixture / case.records())),
    ("switches", "switches", |case| Seen::of(case.cohort.switches)),
    ("hours", "hours", |case| Seen::of(case.cohort.odd_hours)),
    ("indep", "independent", |case| case.independent()),
    ("load_tool", "load_tool", |case| case.load_tool()),
];

/// How often a pool of machines or proxies sends the next request from elsewhere. Of so often or rarely an owner moves that
/// it is as if always or never: a few records tell no more.
const HOPPING: f64 = 0.6;
const MOVING: (f64, f64) = (0.02, 0.98);
/// Rarer than this, as minus a logarithm, is as rare as can be, so that it takes no large fleet to find it out.
const RAREST: f64 = 5.05;

impl Case<'_> {
    /// Whether the consumer rather replaces the owner, or shares the owner's work, than adds to it.
    pub fn is_owner_moved(&self) -> bool {
        self.additive().value + (0.6 * self.independent().value).clamp(-6.0, 3.0) < -2.0
    }

    fn newcomer(&self, is_new: bool, kind: Kind) -> Seen {
        if !is_new {
            return Seen::of(0.0);
        }
        let rate = self.rate(kind, self.cohort.level());
        Seen::new(-libm::log(rate), f64::from(self.cohort.visits), rate)
    }

    /// The part of the key's days with such a newcomer.
    fn rate(&self, kind: Kind, level: usize) -> f64 {
        let Self { owner, cohort, fleet, .. } = self;
        let client = (!cohort.is_new[2] && cohort.identity.client != 0).then_some(cohort.identity.client);
        let own = owner.newcomer_days(client, kind, level);
        rate(own, owner.active_days, &fleet.fellows[usize::from(owner.born_on_server)], kind, level)
    }

    fn client_rare(&self) -> Seen {
        if !self.cohort.is_new[2] {
            return Seen::of(0.0);
        }
        let share = self.fleet.client_share(self.cohort.identity.client);
        Seen::new(-libm::log(share), share, 0.0)
    }

    fn network_rare(&self) -> Seen {
        let place = self.cohort.identity.place.filter(|_| self.cohort.is_new[0]);
        place.map_or(Seen::of(0.0), |place| {
            let share = self.fleet.network_share(&place);
            Seen::new((-libm::log(share)).min(RAREST), share, 0.0)
        })
    }

    /// A network that no key uses: the less likely that is by chance, the more it says.
    fn network_unused(&self) -> Seen {
        let place = self.cohort.identity.place.filter(|_| self.cohort.is_new[0]);
        let chance = place.map_or(1.0, |place| self.fleet.chance_of_unused(&place));
        Seen::new(-libm::log(chance), 0.0, chance)
    }

    /// A network of servers, where the key has been used from others only.
    fn server_odd(&self) -> Seen {
        let place = self.cohort.identity.place.filter(|_| self.cohort.is_new[0] || self.cohort.is_new[1]);
        Seen::of(one_if(place.is_some_and(|place| place.is_server && !self.owner.uses[1])))
    }

    fn fan_out_of_networks(&self) -> Seen {
        let usual = 1.0 + self.days() * self.rate(Kind::Network, 0);
        let networks = count(self.cohort.networks.len());
        Seen::new(surprise(networks, usual), networks, usual)
    }

    fn fan_out_of_blocks(&self) -> Seen {
        let usual = 1.3 + self.days() * self.rate(Kind::Block, 0);
        // Those of new networks are counted with these.
        let blocks = if self.cohort.is_new[0] { 0.0 } else { count(self.cohort.blocks.len()) };
        Seen::new(surprise(blocks, usual), blocks, usual)
    }

    /// Whether it changes its place from one request to the next as a pool of machines or proxies does, and not as often as
    /// the owner: one who moved has one place at a time. Who stays where he is is not acquitted by that.
    fn hops(&self) -> Seen {
        let [moves, all] = self.cohort.moves.map(f64::from);
        let own = self.owner.moving().clamp(MOVING.0, MOVING.1);
        let stays = (all - moves) * libm::log((1.0 - HOPPING) / (1.0 - own));
        Seen::new((moves * libm::log(HOPPING / own) + stays).max(0.0), moves, own * all)
    }

    fn checks_only(&self) -> Seen {
        let Cohort { idle, records, .. } = *self.cohort;
        Seen::of(if idle == records { f64::from(idle) } else { 0.0 })
    }

    fn refused_key(&self) -> Seen {
        let refused = f64::from(self.cohort.unauthorised);
        Seen::of(if refused >= 0.9 * self.records() { refused } else { 0.0 })
    }

    fn dormant(&self) -> Seen {
        let [pause, before] = self.cohort.pause.map(days);
        let is_new = self.cohort.is_new[0] || self.cohort.is_new[2];
        Seen::new(if is_new && pause > 2.0 * before { pause } else { 0.0 }, pause, before)
    }

    fn dear(&self) -> Seen {
        let Self { owner, cohort, .. } = self;
        let own = cohort.spent / f64::from(cohort.successes.max(1));
        let theirs = owner.spent / owner.successes.max(1.0);
        let dearer = if own > 0.0 && theirs > 0.0 { libm::log(own / theirs) } else { 0.0 };
        Seen::new(dearer, own, theirs)
    }

    /// By how much the sizes are likelier the consumer's than the owner's, both ever and of late: so a change of the
    /// owner's own work is not held against a newcomer that shows it too.
    fn tokens(&self) -> Seen {
        let shaped = self.cohort.shaped();
        if shaped == 0.0 {
            return Seen::of(0.0);
        }
        let [ever, recent] = self.cohort.gains;
        let ever = ever - self.owner.drift * (shaped / 40.0).min(1.0);
        Seen::new(0.35 * ever.min(recent) * libm::sqrt(30.0 / shaped).min(1.0), ever, recent)
    }

    fn own_sizes(&self) -> Seen {
        let shaped = self.cohort.shaped();
        Seen::new(if shaped > 0.0 { self.cohort.typical / shaped } else { 0.0 }, self.cohort.typical, shaped)
    }

    const fn habits(&self, value: f64) -> Seen {
        Seen::new(value, self.cohort.mixture, 0.0)
    }

    /// Whether the slots in which both work are as many as of two who know nothing of each other, or as of one.
    fn independent(&self) -> Seen {
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
        Seen::new(cohort.ln_chance - ln_one, shared, f64::from(slots))
    }

    /// Whether the owner's use goes on beside it.
    fn additive(&self) -> Seen {
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
        Seen::new(nats.clamp(-4.0, 1.0 + 2.0 * cohort.span_days().min(1.0)), seen, expected)
    }

    /// A tool for load tests: nought where it is none or comes from a network that is new.
    fn load_tool(&self) -> Seen {
        let [network, block, _] = self.cohort.is_new;
        Seen::of(if self.is_load_tool && !network { 1.0 + one_if(!block) } else { 0.0 })
    }

    fn records(&self) -> f64 {
        f64::from(self.cohort.records.max(1))
    }

    /// For how many days it has been there, one at least.
    fn days(&self) -> f64 {
        self.cohort.span_days().max(1.0)
    }
}

/// How surprising this count is, where so many are usual.
fn surprise(count: f64, usual: f64) -> f64 {
    if count > usual { count * libm::log(count / usual) - count + usual } else { 0.0 }
}

const fn one_if(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
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
