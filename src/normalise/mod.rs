//! Raw names to ours: keys to fingerprints, models to canonical names, tokens to money, texts without secrets.

pub mod addresses;
pub mod clients;
mod memo;
pub mod models;
pub mod prices;
pub mod redact;

pub use prices::{Bought, Context, Media, Prices, Sides, Tier};
pub use redact::Redactor;

use crate::address::Address;
use crate::decode::Formats;
use crate::decode::draft::{Draft, Fault, Read};
use crate::fault::{Mistake, planted};
use crate::inventory::Register;
use crate::json::Str;
use crate::key::{KeyId, KeyNamer, leading_u64, may_be_secret, write_hint, write_tail};
use crate::money::NanoUsd;
use crate::record::{Batch, CostSource, Count, Kind, Model, Part, Reason, Text, Tokens, UsageRecord};
use crate::time::{DAY, MINUTE, SECOND, Stamp, Timestamp};
use addresses::Client;
use memo::Memo;
use prices::PricedModel;
use siphasher::sip::SipHasher13;
use siphasher::sip128;
use std::sync::Arc;

/// How far ahead of its arrival a record may be: clocks of a fleet are closer together than this (DESIGN 4).
pub const FUTURE_MAX: i64 = 5 * MINUTE;

/// The widest stretch of time that a bucket may tell of, in days: what is wider says nothing about a day.
const WIDTH_DAYS_MAX: i64 = 31;
/// The same for a counter that is told again and again: only what it gained since then counts.
const RUN_DAYS_MAX: i64 = 10 * 366;

/// For how many days a statement may hold.
const STATEMENT_DAYS_MAX: i64 = 366;

/// Longest text that a record keeps, in bytes; more is cut. The longest real one, a client's name, is about 200.
const TEXT_MAX: usize = 512;

/// No secret we know is shorter with what must stand around it (`://:x@`), so shorter texts need no search.
const SECRET_MIN: usize = 6;

/// Everything that normalising needs to know, shared by all decoders.
pub struct Rulebook {
    /// What records may look like.
    pub formats: Formats,
    /// Names keys.
    pub namer: KeyNamer,
    /// Finds secrets.
    pub redactor: Redactor,
    /// Prices and canonical model names.
    pub prices: Prices,
    /// Keys that are listed: their names, where records have none.
    pub register: Option<Arc<Register>>,
    /// Key of the hash over request identifiers.
    pub hash_key: (u64, u64),
}

/// Makes records of drafts.
pub struct Normaliser {
    rules: Arc<Rulebook>,
    /// Fingerprints of identifiers, whether these may be shown, and where they stand in the batch.
    keys: Memo<(KeyId, bool, Text)>,
    /// The first two for full keys and long identifiers, by a hash of theirs.
    tagged_keys: Memo<(KeyId, bool)>,
    /// Models, and where they stand in the batch.
    models: Memo<(u64, Option<PricedModel>, Text)>,
    /// Texts known to hold no secret, and where they stand in the batch.
    clean: Memo<Text>,
    /// The same for long ones, by a hash of theirs.
    tagged_clean: Memo<()>,
    scratch: Vec<u8>,
    /// What is hashed in one piece.
    whole: Vec<u8>,
}

impl Normaliser {
    /// A normaliser with empty caches.
    pub fn new(rules: Arc<Rulebook>) -> Self {
        Self {
            rules,
            keys: Memo::new(4096),
            tagged_keys: Memo::new(4096),
            models: Memo::new(256),
            clean: Memo::new(1024),
            tagged_clean: Memo::new(1024),
            scratch: Vec::new(),
            whole: Vec::new(),
        }
    }

    /// Appends the record that `draft` describes to `batch`, or nothing if it cannot be one.
    pub fn push(&mut self, draft: &Draft<'_>, now: Timestamp, batch: &mut Batch) -> Read<()> {
        let Some(time) = draft.time else {
            return Err(Fault::new(Reason::MissingField, "timestamp", b"", "is missing or empty"));
        };
        if time.at > now.plus(FUTURE_MAX) {
            if planted(Mistake::FutureMovesWatermark) {
                batch.reach(time.at);
            }
            return Err(future(time, now));
        }
        let (mut key, key_hint) = self.key(draft.key, batch)?;
        key = draft.key_id.unwrap_or(key);
        let (model, priced) = match draft.kind {
            Kind::Statement(_) | Kind::Canary(_) => {
                (Model { id: 0, name: self.text(draft.model, batch) }, None)
            }
            _ => self.model(draft.model, batch),
        };
        let tokens = tokens(draft);
        let (cost, cost_source) = self.cost(draft, time, priced, &tokens);
        let address = self.address(draft.source_ip, batch);
        let (kind, width_s) = kind(draft, time)?;
        // The bucket that is being filled ends in the future; a counter ends when it was read.
        if let Some(end) = draft.end.filter(|end| draft.cumulative && end.at > now.plus(FUTURE_MAX)) {
            return Err(future(end, now));
        }
        let (mut request_hash, request_id) = self.request(draft.request_id, batch);
        if matches!(kind, Kind::Bucket | Kind::Invoice) {
            request_hash = self.bucket(draft, kind, (time, width_s), key);
        }
        let requests = match kind {
            Kind::Request => Some(draft.requests.get().unwrap_or(1)),
            Kind::Bucket => draft.requests.get(),
            Kind::Invoice | Kind::Audit(_) | Kind::Statement(_) | Kind::Canary(_) => None,
        };
        let record = UsageRecord {
            time,
            key,
            key_hint,
            key_alias: self.alias(draft, key, key_hint, batch),
            model,
            tokens,
            requests: u32::try_from(requests.unwrap_or(0)).unwrap_or(u32::MAX),
            width_s,
            status: draft.status,
            kind,
            counted: requests.is_some(),
            part: draft.part,
            cost_source,
            cost,
            address,
            endpoint: self.text(draft.endpoint, batch),
            user_agent: self.text(draft.user_agent, batch),
            request_id,
            request_hash,
            line: batch.lines,
        };
        // A counter starts long before it is told: how far time has come is told by where it ends.
        batch.push(record, if draft.cumulative { record.end() } else { time.at });
        Ok(())
    }

    /// What the record calls its key, else what a list does.
    #[inline]
    fn alias(&mut self, draft: &Draft<'_>, key: KeyId, hint: Text, batch: &mut Batch) -> Text {
        match &self.rules.register {
            Some(register) if draft.key_alias.is_empty() => {
                let name = register.name(key, batch.text(hint));
                if name.is_empty() { Text::NONE } else { batch.store(name.as_bytes()) }
            }
            _ => self.text(draft.key_alias, batch),
        }
    }

    fn key(&mut self, written: Str<'_>, batch: &mut Batch) -> Read<(KeyId, Text)> {
        let Self { rules, keys, tagged_keys, scratch, .. } = self;
        let text = without_scheme(written.resolve(scratch).trim_ascii());
        if text.is_empty() {
            let message = "names no key; every record needs one (its last four characters do)";
            return Err(Fault::new(Reason::BadKey, "api_key_prefix", b"", message));
        }
        if let Some((id, true, place)) = keys.find(text) {
            return Ok((*id, batch.keep(place, text)));
        }
        // An identifier that holds a key all the same is not shown; the last four characters of a key always may be.
        let name = || Ok::<_, ()>((rules.namer.id(text), !rules.redactor.finds(text)));
        let is_secret = may_be_secret(text);
        let named = if is_secret {
            // A key itself is kept nowhere, not even here: its fingerprint is remembered by another one.
            tagged_keys.get(&tag(rules, text), || Ok((rules.namer.id(text), true)))
        } else if text.len() > memo::TEXT_MAX {
            tagged_keys.get(&tag(rules, text), name)
        } else {
            name()
        };
        let (id, may_be_shown) = named.unwrap_or_else(|()| (rules.namer.id(text), true));
        let mut shown = Vec::new();
        if is_secret {
            write_tail(text, &mut shown);
        } else if may_be_shown {
            write_hint(text, &mut shown);
        } else {
            shown.extend_from_slice(rules.redactor.clean(text).as_bytes());
        }
        let hint = batch.store(&shown);
        if !is_secret {
            keys.put(text, (id, may_be_shown, hint));
        }
        Ok((id, hint))
    }

    #[inline]
    fn address(&mut self, written: Str<'_>, batch: &mut Batch) -> Option<Address> {
        if written.is_empty() {
            return None;
        }
        match addresses::parse(written.resolve(&mut self.scratch)) {
            Client::At(address) => Some(Address::from(address)),
            Client::Unknown => None,
            Client::Opaque(text) => {
                batch.opaque_addresses += 1;
                Some(Address::text(&self.rules.redactor.clean(text)))
            }
        }
    }

    fn model(&mut self, written: Str<'_>, batch: &mut Batch) -> (Model, Option<PricedModel>) {
        if written.is_empty() {
            return (Model { id: 0, name: Text::NONE }, None);
        }
        if let Some((id, priced, place)) = self.models.find(written.resolve(&mut self.scratch)) {
            let name = batch.keep(place, written.resolve(&mut self.scratch));
            return (Model { id: *id, name }, *priced);
        }
        let name = self.text(written, batch);
        let Self { rules, models, scratch, .. } = self;
        let text = batch.text(name);
        let (canonical, priced) = match rules.prices.resolve(text) {
            Ok(model) => (rules.prices.name(model).to_owned(), Some(model)),
            Err(reduced) => (reduced, None),
        };
        let id = leading_u64(blake3::hash(canonical.as_bytes()).as_bytes());
        // What holds a secret is not remembered.
        if written.resolve(scratch) == batch.bytes_of(name) {
            models.put(batch.bytes_of(name), (id, priced, name));
        }
        (Model { id: if name.is_none() { 0 } else { id }, name }, priced)
    }

    fn cost(
        &self,
        draft: &Draft<'_>,
        time: Stamp,
        priced: Option<PricedModel>,
        tokens: &Tokens,
    ) -> (NanoUsd, CostSource) {
        match (draft.kind, draft.cost) {
            (Kind::Invoice, cost) => return (cost.unwrap_or(NanoUsd::ZERO), CostSource::Invoiced),
            (Kind::Audit(_) | Kind::Statement(_) | Kind::Canary(_), _) => {
                return (NanoUsd::ZERO, CostSource::Reported);
            }
            (_, Some(cost)) if cost > NanoUsd::ZERO || cost == NanoUsd::ZERO && draft.zero_is_meant => {
                return (cost, CostSource::Reported);
            }
            _ => {}
        }
        // No request costs less than nothing: what it did cost has to be reckoned.
        let in_part = draft.priced_in_part || draft.cost.is_some_and(|cost| cost < NanoUsd::ZERO);
        // Providers do not bill refused requests; a client that hung up (499) is billed for what was made.
        if draft.status >= 400 && draft.status != 499 {
            return (NanoUsd::ZERO, CostSource::Computed);
        }
        match priced {
            Some(model) if self.tells_use(draft, model, tokens) => {
                let (context, spread) = (context(draft), draft.end.is_some());
                let bought = Bought { tier: draft.tier, context, spread, media: draft.media };
                let (cost, source) = self.rules.prices.cost(model, time.at, bought, tokens);
                (cost, if in_part { CostSource::Partial } else { source })
            }
            _ if draft.part == Part::Identity => (NanoUsd::ZERO, CostSource::Elsewhere),
            _ => (NanoUsd::ZERO, CostSource::Unknown),
        }
    }

    /// Whether its counts can be priced: nought of everything is no price of what is sold by the picture, unless it
    /// is a bucket of no requests.
    fn tells_use(&self, draft: &Draft<'_>, model: PricedModel, tokens: &Tokens) -> bool {
        tokens.input() > 0
            || tokens.output.or_zero() > 0
            || !draft.media.is_nothing()
            || tokens.output.get().is_some()
                && (draft.requests.get() == Some(0) || self.rules.prices.is_of_text(model))
    }

    /// What a bucket is known by: told again with other numbers, it is the same one.
    fn bucket(&mut self, draft: &Draft<'_>, kind: Kind, (time, width_s): (Stamp, u32), key: KeyId) -> u64 {
        let (k0, k1) = self.rules.hash_key;
        let Self { scratch, whole, .. } = self;
        // In one piece: the hash of many short ones takes three times as long.
        whole.clear();
        whole.push(u8::from(kind == Kind::Invoice));
        whole.extend_from_slice(&time.at.0.to_le_bytes());
        whole.extend_from_slice(&(if draft.cumulative { u32::MAX } else { width_s }).to_le_bytes());
        whole.extend_from_slice(&key.0);
        whole.extend_from_slice(&draft.dimensions.to_le_bytes());
        for text in [
            draft.model,
            draft.endpoint,
            draft.source_ip,
            draft.user_agent,
            draft.request_id,
            draft.key_alias,
        ] {
            let text = text.resolve(scratch);
            whole.extend_from_slice(&(text.len() as u64).to_le_bytes());
            whole.extend_from_slice(text);
        }
        SipHasher13::new_with_keys(k0, k1).hash(whole).max(1)
    }

    fn request(&mut self, written: Str<'_>, batch: &mut Batch) -> (u64, Text) {
        if written.is_empty() {
            return (0, Text::NONE);
        }
        let (k0, k1) = self.rules.hash_key;
        let hash = SipHasher13::new_with_keys(k0, k1).hash(written.resolve(&mut self.scratch));
        // It does not come again: nothing is gained by remembering it, and something else would be forgotten.
        let text = written.resolve(&mut self.scratch);
        let is_clean = text.len() <= TEXT_MAX && !self.rules.redactor.finds(text);
        let id = if is_clean { batch.store(text) } else { self.text(written, batch) };
        (hash.max(1), id)
    }

    /// Stores a text, without the secrets it may hold.
    fn text(&mut self, written: Str<'_>, batch: &mut Batch) -> Text {
        if written.is_empty() {
            return Text::NONE;
        }
        let Self { rules, clean, tagged_clean, scratch, .. } = self;
        let text = written.resolve(scratch);
        if let Some(place) = clean.find(text) {
            return batch.keep(place, text);
        }
        let as_it_is = text.len() <= TEXT_MAX && is_clean(rules, tagged_clean, text);
        if !as_it_is {
            let shown = 0..cut(text).len();
            return batch.store(rules.redactor.clean_part(text, shown, TEXT_MAX).as_bytes());
        }
        let stored = batch.store(text);
        clean.put(text, stored);
        stored
    }
}

/// True where `text` holds no secret, which is remembered of one that is too long to be remembered itself.
fn is_clean(rules: &Rulebook, tagged: &mut Memo<()>, text: &[u8]) -> bool {
    let look = || if text.len() >= SECRET_MIN && rules.redactor.finds(text) { Err(()) } else { Ok(()) };
    if text.len() > memo::TEXT_MAX { tagged.get(&tag(rules, text), look).is_ok() } else { look().is_ok() }
}

/// A fingerprint by which a text is remembered that is too long to be, or must not be.
fn tag(rules: &Rulebook, text: &[u8]) -> [u8; 16] {
    let (k0, k1) = rules.hash_key;
    sip128::SipHasher13::new_with_keys(k0, k1).hash(text).as_bytes()
}

/// Drops the scheme of an `Authorization` header: the key is what follows, if anything does.
fn without_scheme(text: &[u8]) -> &[u8] {
    match text.split_at_checked(6) {
        Some((scheme, rest))
            if scheme.eq_ignore_ascii_case(b"bearer") && rest.first().is_none_or(u8::is_ascii_whitespace) =>
        {
            rest.trim_ascii_start()
        }
        _ => text,
    }
}

/// What a draft counts, and how many seconds it tells of.
fn kind(draft: &Draft<'_>, start: Stamp) -> Read<(Kind, u32)> {
    let Some(end) = draft.end else { return Ok((draft.kind, 0)) };
    if let Kind::Statement(_) = draft.kind {
        // What ended before it was said ends what was said before.
        let holds = (end.at.0 - start.at.0).clamp(0, STATEMENT_DAYS_MAX * DAY) / SECOND;
        return Ok((draft.kind, u32::try_from(holds).unwrap_or(0)));
    }
    let kind = if draft.kind == Kind::Request { Kind::Bucket } else { draft.kind };
    let width = end.at.0 - start.at.0;
    let refuse =
        |message| Err(Fault::new(Reason::BadTime, "window_end", end.to_string().as_bytes(), message));
    if width <= 0 {
        return refuse("is not after the start of the bucket");
    }
    if width > if draft.cumulative { RUN_DAYS_MAX } else { WIDTH_DAYS_MAX } * DAY {
        return refuse("makes a bucket of more than 31 days, which says nothing about a day; ask for days");
    }
    Ok((kind, u32::try_from((width / SECOND).max(1)).unwrap_or(u32::MAX)))
}

/// How long the context was: of many requests, the sum of their tokens does not tell.
fn context(draft: &Draft<'_>) -> Context {
    match draft.long_context {
        Some(true) => Context::Long,
        Some(false) => Context::Short,
        None if draft.end.is_some() || draft.requests.get().is_some_and(|requests| requests > 1) => {
            Context::Unknown
        }
        None => Context::OfTokens,
    }
}

#[cold]
fn future(time: Stamp, now: Timestamp) -> Fault {
    let ahead = (time.at.0 - now.0) / crate::time::SECOND;
    let message = format!("{ahead} seconds ahead of its arrival; is a clock or a unit wrong?");
    Fault::new(Reason::FutureTime, "timestamp", time.to_string().as_bytes(), message)
}

/// At most [`TEXT_MAX`] bytes, cut between characters.
fn cut(text: &[u8]) -> &[u8] {
    if text.len() <= TEXT_MAX {
        return text;
    }
    let is_boundary = |at: &usize| text[*at] & 0xc0 != 0x80;
    let end = (0..=TEXT_MAX).rev().find(is_boundary).unwrap_or(0);
    &text[..end]
}

/// The disjoint token classes of a draft: a sum of all input is split by what is known of the cached parts.
fn tokens(draft: &Draft<'_>) -> Tokens {
    let mut tokens = draft.tokens;
    if let Some(total) = draft.input_total.get() {
        let cached =
            tokens.cache_read.or_zero() + tokens.cache_write.or_zero() + tokens.cache_write_1h.or_zero();
        tokens.input_uncached = Count::of(total.saturating_sub(cached));
    }
    tokens
}
