//! Somebody who sends requests: which models, how many tokens, from where, with what.

use super::address::{Range, addresses};
use super::random::Random;
use super::record::Record;
use super::scenario::{SenderConfig, Spread};
use crate::time::Timestamp;
use std::net::IpAddr;
use std::sync::Arc;

/// Models that are chosen before others: of each next one so much less.
const NEXT_MODEL: f64 = 0.4;
/// More tokens than any model takes.
const TOKENS_MAX: f64 = 900_000.0;

/// A sender.
#[derive(Clone, Debug)]
pub struct Sender {
    models: Vec<Arc<str>>,
    tokens: [Spread; 2],
    endpoints: Vec<Arc<str>>,
    addresses: Vec<IpAddr>,
    clients: Arc<str>,
    errors: f64,
}

/// A text that stands in JSON as it is.
fn plain(text: &str) -> Arc<str> {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect::<String>().into()
}

impl Sender {
    /// Draws one; what the scenario does not say is as `with`.
    pub fn draw(config: &SenderConfig, with: Option<&Self>, random: &mut Random) -> Self {
        let mut models: Vec<Arc<str>> = config.models.iter().map(|name| plain(name)).collect();
        random.shuffle(&mut models);
        if config.models_used > 0 {
            models.truncate(config.models_used);
        }
        let apart = random.log_normal(1.0, config.tokens_apart);
        let tokens = |own: Option<Spread>, place: usize| match (own, with) {
            (Some(spread), _) => Spread { median: spread.median * apart, ..spread },
            (None, Some(with)) => with.tokens[place],
            (None, None) => Spread { median: 500.0, spread: 0.7 },
        };
        let tokens = [tokens(config.input_tokens, 0), tokens(config.output_tokens, 1)];
        let ranges: Vec<Range> =
            config.addresses.iter().filter_map(|range| Range::parse(range).ok()).collect();
        let or = |own: Vec<Arc<str>>, with: Option<&[Arc<str>]>| match with {
            Some(with) if own.is_empty() => with.to_vec(),
            _ => own,
        };
        let client = random.pick(&config.clients).map(|name| plain(name));
        let own = addresses(&ranges, config.blocks_used, config.addresses_used, random);
        Self {
            models: or(models, with.map(|with| &with.models[..])),
            tokens,
            endpoints: or(
                config.endpoints.iter().map(|path| plain(path)).collect(),
                with.map(|with| &with.endpoints[..]),
            ),
            addresses: if own.is_empty() {
                with.map_or_else(Vec::new, |with| with.addresses.clone())
            } else {
                own
            },
            clients: client
                .or_else(|| with.map(|with| Arc::clone(&with.clients)))
                .unwrap_or_else(|| "".into()),
            errors: if config.errors > 0.0 { config.errors } else { with.map_or(0.0, |with| with.errors) },
        }
    }

    /// A request.
    pub fn request(&self, key: &Arc<str>, at: Timestamp, random: &mut Random) -> Record {
        let mut place = 0;
        while place + 1 < self.models.len() && random.happens(NEXT_MODEL) {
            place += 1;
        }
        let text = |of: Option<&Arc<str>>| of.map_or_else(|| "".into(), Arc::clone);
        let mut tokens =
            self.tokens.map(|Spread { median, spread }| tokens(random.log_normal(median, spread)));
        let status =
            if random.happens(self.errors) { *random.pick(&[429, 500, 529]).unwrap_or(&500) } else { 200 };
        if status != 200 {
            tokens[1] = 0;
        }
        Record {
            at,
            id: random.bits(),
            key: Arc::clone(key),
            model: text(self.models.get(place)),
            tokens,
            endpoint: text(random.pick(&self.endpoints)),
            address: random.pick(&self.addresses).copied(),
            client: Arc::clone(&self.clients),
            status,
        }
    }

    /// A request for a model that the key may not use.
    pub fn probe(&self, key: &Arc<str>, model: &str, at: Timestamp, random: &mut Random) -> Record {
        let request = self.request(key, at, random);
        let status = *random.pick(&[403, 404]).unwrap_or(&404);
        Record { model: plain(model), tokens: [1, 0], status, ..request }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between one and a million")]
fn tokens(drawn: f64) -> u64 {
    drawn.round().clamp(1.0, TOKENS_MAX) as u64
}
