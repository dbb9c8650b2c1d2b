//! Who is known to use a key, for whoever looks at it. Looking changes nothing.

use super::budget::Bar;
use super::event::{Incident, Phase, Scene};
use super::watch::{Seat, Watch};
use super::{Observer, Watched};
use crate::detect::KeyProfile;
use crate::networks::Networks;
use crate::time::{SECOND, Stamp, Timestamp};

/// The owner of a key, as far as records tell.
#[derive(Clone, PartialEq, Debug)]
pub struct Owned {
    /// The first record.
    pub first: Timestamp,
    /// The last record.
    pub last: Timestamp,
    /// Records.
    pub records: u64,
    /// Networks that are known of it.
    pub networks: usize,
    /// Client programs that are known of it.
    pub clients: usize,
}

/// A consumer that is not known to be the owner's.
#[derive(Clone, PartialEq, Debug)]
pub struct Stranger {
    /// Its number among those of its key.
    pub number: u32,
    /// First record.
    pub first: Timestamp,
    /// Last record.
    pub last: Timestamp,
    /// Records.
    pub records: u32,
    /// Dollars.
    pub cost_usd: f64,
    /// What speaks for and against a theft, in nats.
    pub score: f64,
    /// What is new of it: its network, its block of addresses, its client.
    pub is_new: [bool; 3],
    /// Its addresses, the first of them.
    pub source_ips: Vec<String>,
    /// The network of its first record, where it is known.
    pub network: String,
    /// The incident that is told of it, and what that is by now.
    pub incident: Option<(String, Phase)>,
}

impl Watch {
    fn owned(&self) -> Owned {
        let owner = self.owner();
        let time = |seconds: i64| Timestamp(seconds.saturating_mul(SECOND));
        Owned {
            first: time(owner.first),
            last: time(owner.last),
            records: owner.records,
            networks: owner.networks.len(),
            clients: owner.clients.len(),
        }
    }
}

impl Observer {
    fn seat<'a>(&'a self, watch: &'a Watched, key: &'a KeyProfile) -> Seat<'a> {
        let Self { settings, load_tools, .. } = self;
        let time = Stamp::utc(Timestamp::MIN);
        let (networks, said) = (&*settings.networks, watch.said.as_deref());
        Seat { key, time, bar: Bar::SILENT, load_tools, networks, said }
    }

    /// Who is known to use a key: its owner, where records tell of one, and everybody else.
    pub fn users(&self, watch: &Watched, key: &KeyProfile) -> (Option<Owned>, Vec<Stranger>) {
        let Some(consumers) = &watch.consumers else { return (None, Vec::new()) };
        let seat = self.seat(watch, key);
        let strangers = consumers.strangers(&seat, &self.known).map(|(cohort, ledger, id)| {
            let consumer = cohort.consumer();
            let asn = consumer.place.and_then(|place| place.asn());
            Stranger {
                number: consumer.number,
                first: Timestamp(consumer.first * SECOND),
                last: Timestamp(consumer.last * SECOND),
                records: consumer.records,
                cost_usd: consumer.spent,
                score: ledger.score(),
                is_new: cohort.is_new,
                source_ips: consumer.addresses.iter().map(ToString::to_string).collect(),
                network: asn.map_or_else(String::new, |asn| named(asn, seat.networks)),
                incident: cohort.incident.map(|told| (id, told.phase)),
            }
        });
        (Some(consumers.owned()), strangers.collect())
    }

    /// The open incidents of a key as they were told last, for somebody who has not heard of them.
    pub fn retell(&self, watch: &Watched, key: &KeyProfile) -> Vec<Incident> {
        let seat = self.seat(watch, key);
        let mut open: Vec<Incident> = Vec::new();
        if let Some(consumers) = &watch.consumers {
            for (cohort, ledger, _) in
                consumers.strangers(&seat, &self.known).filter(|found| found.0.is_open())
            {
                let Some(told) = cohort.incident else { continue };
                let at = Stamp::utc(Timestamp(cohort.last * SECOND));
                let Seat { key, networks, said, .. } = seat;
                let scene =
                    Scene { key, consumer: cohort.consumer(), ledger: &ledger, told, at, networks, said };
                open.push(Incident::new(&scene, cohort.requests.clone()));
            }
        }
        let regulars = watch.regular.iter().chain(&watch.summed);
        open.extend(regulars.filter_map(|regular| regular.retell(&seat)));
        open
    }
}

fn named(asn: u32, networks: &Networks) -> String {
    match networks.name(asn) {
        "" => format!("AS{asn}"),
        name => format!("AS{asn} {name}"),
    }
}
