//! By what the attacker is known, and which of it is others' as well.

use super::attribute::Who;
use super::report::{Indicator, Indicators};
use super::sums::{Span, Spent, Sums};
use super::{Findings, usd};
use crate::address::Address;
use crate::networks::Networks;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Indicators of each kind.
const LISTED_MAX: usize = 500;
/// Values that are named in a pattern.
const NAMED_MAX: usize = 6;

/// Everything that he is known by.
pub(super) fn indicators(findings: &Findings<'_>, networks: &Networks) -> Indicators {
    let attackers: Vec<&Sums> = findings.of(Who::Attacker).collect();
    if attackers.is_empty() {
        return Indicators::default();
    }
    let mut list = addresses(findings, &attackers, networks);
    list.extend(of_networks(findings, &attackers, networks));
    list.extend(clients(findings, &attackers));
    Indicators { list, requests: requests(&attackers), timing: timing(&attackers) }
}

fn indicator(
    kind: &'static str,
    value: String,
    about: String,
    span: &Span,
    shared: Option<String>,
) -> Indicator {
    Indicator {
        kind,
        value,
        about,
        first: span.first.to_string(),
        last: span.last.to_string(),
        requests: span.spent.requests,
        cost_usd: usd(span.spent.cost.usd()),
        is_shared: shared.is_some(),
        shared_because: shared.unwrap_or_default(),
    }
}

/// The dearest first.
fn sorted<K: Ord>(map: BTreeMap<K, Span>) -> Vec<(K, Span)> {
    let mut all: Vec<(K, Span)> = map.into_iter().collect();
    all.sort_by_key(|(_, span)| std::cmp::Reverse((span.spent.cost, span.spent.requests)));
    all.truncate(LISTED_MAX);
    all
}

fn merged<'a, K: Ord + Clone + 'a>(tables: impl Iterator<Item = &'a BTreeMap<K, Span>>) -> BTreeMap<K, Span> {
    let mut all: BTreeMap<K, Span> = BTreeMap::new();
    for (name, span) in tables.flatten() {
        let empty = Span { spent: Spent::default(), ..*span };
        all.entry(name.clone()).or_insert(empty).add(span);
    }
    all
}

fn owners<'a>(findings: &'a Findings<'_>) -> impl Iterator<Item = &'a Sums> {
    findings.of(Who::Owner).chain(findings.of(Who::Accepted))
}

fn addresses(findings: &Findings<'_>, attackers: &[&Sums], networks: &Networks) -> Vec<Indicator> {
    let own: BTreeSet<Address> =
        owners(findings).flat_map(|sums| sums.addresses.by.keys().copied()).collect();
    let all = sorted(merged(attackers.iter().map(|sums| &sums.addresses.by)));
    let elsewhere = &findings.gathered.elsewhere;
    all.into_iter()
        .map(|(address, span)| {
            let shared = if own.contains(&address) {
                Some("the key's owner comes from there, too".to_owned())
            } else if elsewhere.is_earlier(address, span.first) == Some(true) {
                Some("other keys were used from there before".to_owned())
            } else {
                reserved(address).map(str::to_owned)
            };
            let mut about = about(address, networks);
            if elsewhere.is_earlier(address, span.first) == Some(false) {
                about = format!(
                    "{about}{}seen with other keys since: the same thief?",
                    if about.is_empty() { "" } else { "; " }
                );
            }
            indicator("address", address.to_string(), about, &span, shared)
        })
        .collect()
}

/// Why an address is nobody's own.
fn reserved(address: Address) -> Option<&'static str> {
    match address.ip() {
        None => Some("not an address of the internet"),
        Some(IpAddr::V4(v4)) if v4.is_private() || v4.is_loopback() || v4.is_link_local() => {
            Some("a private address: whoever stands behind it is not to be seen")
        }
        Some(IpAddr::V4(v4)) if v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]) => {
            Some("a carrier's own address, behind which are many")
        }
        Some(IpAddr::V6(v6)) if v6.is_loopback() || v6.segments()[0] & 0xfe00 == 0xfc00 => {
            Some("a private address: whoever stands behind it is not to be seen")
        }
        Some(_) => None,
    }
}

fn about(address: Address, networks: &Networks) -> String {
    let network = networks.find(address);
    let mut parts = Vec::new();
    if network.asn != 0 {
        parts.push(format!("AS{} {}", network.asn, networks.name(network.asn)).trim().to_owned());
    }
    if network.country != [0; 2] {
        parts.push(String::from_utf8_lossy(&network.country).into_owned());
    }
    if network.is_server {
        parts.push("a network of servers".to_owned());
    }
    parts.join(", ")
}

fn of_networks(findings: &Findings<'_>, attackers: &[&Sums], networks: &Networks) -> Vec<Indicator> {
    let asn = |address: &Address| Some(networks.find(*address).asn).filter(|asn| *asn != 0);
    let own: BTreeSet<u32> =
        owners(findings).flat_map(|sums| sums.addresses.by.keys().filter_map(asn)).collect();
    let mut all: BTreeMap<u32, Span> = BTreeMap::new();
    for (address, span) in attackers.iter().flat_map(|sums| &sums.addresses.by) {
        if let Some(asn) = asn(address) {
            let empty = Span { spent: Spent::default(), ..*span };
            all.entry(asn).or_insert(empty).add(span);
        }
    }
    sorted(all)
        .into_iter()
        .map(|(asn, span)| {
            let because = if own.contains(&asn) {
                "the key's owner comes from there, too"
            } else {
                "a network has many users: look for it, do not block it"
            };
            indicator(
                "network",
                format!("AS{asn}"),
                networks.name(asn).to_owned(),
                &span,
                Some(because.to_owned()),
            )
        })
        .collect()
}

fn clients(findings: &Findings<'_>, attackers: &[&Sums]) -> Vec<Indicator> {
    let own: BTreeSet<&str> =
        owners(findings).flat_map(|sums| sums.clients.by.keys().map(|name| &**name)).collect();
    let all = sorted(merged(attackers.iter().map(|sums| &sums.clients.by)));
    all.into_iter()
        .map(|(name, span)| {
            let is_elsewhere = findings.gathered.elsewhere.is_earlier_client(&name, span.first) == Some(true);
            let shared = if own.contains(&*name) {
                Some("the key's owner uses it, too".to_owned())
            } else if is_elsewhere {
                Some("other keys are used with it, too".to_owned())
            } else {
                is_widespread(&name).then(|| "software that many use".to_owned())
            };
            indicator("client", name.to_string(), String::new(), &span, shared)
        })
        .collect()
}

/// Libraries and programs that anybody may use, by how their names begin: alone they say nothing of who it is.
const WIDESPREAD: &[&str] = &[
    "aiohttp",
    "anthropic",
    "apache-httpclient",
    "aws-",
    "axios",
    "azsdk",
    "boto",
    "bun/",
    "claude",
    "codex",
    "curl",
    "deno/",
    "go-http-client",
    "google-",
    "got ",
    "guzzlehttp",
    "httpie",
    "httpx",
    "java",
    "langchain",
    "litellm",
    "mozilla",
    "node",
    "okhttp",
    "openai",
    "postmanruntime",
    "python",
    "reqwest",
    "ruby",
    "undici",
    "urllib",
    "wget",
];

fn is_widespread(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    WIDESPREAD.iter().any(|begin| name.starts_with(begin))
}

/// How he asks.
fn requests(attackers: &[&Sums]) -> Vec<String> {
    let mut patterns = Vec::new();
    let ways = sorted(merged(attackers.iter().map(|sums| &sums.ways.by)));
    for ((model, endpoint), span) in ways.iter().take(NAMED_MAX) {
        let Spent { requests, refused, tokens, .. } = span.spent;
        let mean = |sum: u64| sum / requests.max(1);
        let size = format!("{} in and {} out on average", mean(tokens[0]), mean(tokens[1]));
        let count = if requests == 1 { "1 request".to_owned() } else { format!("{requests} requests") };
        patterns.push(format!("{endpoint} with {model}: {count}, {refused} refused, {size}"));
    }
    if ways.len() > NAMED_MAX {
        patterns.push(format!("{} more pairs of endpoint and model", ways.len() - NAMED_MAX));
    }
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    for (status, count) in attackers.iter().flat_map(|sums| &sums.statuses) {
        *statuses.entry(*status).or_default() += count;
    }
    let refused: Vec<String> = statuses
        .iter()
        .filter(|(status, _)| **status >= 400)
        .map(|(status, count)| format!("{status} {count} times"))
        .collect();
    if !refused.is_empty() {
        patterns.push(format!("refused with {}", refused.join(", ")));
    }
    patterns
}

/// When he asks: pauses, and hours of the day.
fn timing(attackers: &[&Sums]) -> Vec<String> {
    let mut patterns = Vec::new();
    let (mut pauses, mut clock) = ([0_u64; 32], [0_u64; 24]);
    for sums in attackers {
        pauses.iter_mut().zip(sums.pauses).for_each(|(sum, more)| *sum += more);
        clock.iter_mut().zip(sums.clock).for_each(|(sum, more)| *sum += more);
    }
    let all: u64 = pauses.iter().sum();
    if all > 0 {
        let mut sum = 0;
        let half = pauses.iter().position(|count| {
            sum += count;
            sum * 2 >= all
        });
        let below = 1_u64 << half.unwrap_or(0);
        patterns.push(match below {
            1 => "half of his requests follow the one before within a second".to_owned(),
            below => format!("half of his requests follow the one before within {below} seconds"),
        });
    }
    let all: u64 = clock.iter().sum();
    let hours: Vec<usize> = (0..24).filter(|hour| clock[*hour] * 50 > all).collect();
    if !hours.is_empty() && all >= 20 {
        patterns.push(match hours.len() {
            24 => "around the clock".to_owned(),
            _ => format!("at these hours in UTC: {}", ranges(&hours)),
        });
    }
    patterns
}

/// `0-3, 7, 20-23`.
fn ranges(hours: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for &hour in hours {
        match parts.last_mut() {
            Some((_, end)) if *end + 1 == hour => *end = hour,
            _ => parts.push((hour, hour)),
        }
    }
    let show =
        |(from, to): &(usize, usize)| if from == to { from.to_string() } else { format!("{from}-{to}") };
    parts.iter().map(show).collect::<Vec<_>>().join(", ")
}
