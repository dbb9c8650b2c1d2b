//! The keys that somebody looks into.

use super::{Batch, UsageRecord};
use crate::frame::{Block, Origin};
use crate::key::KeyId;

/// Fewest digits of a fingerprint that name a key.
const DIGITS_MIN: usize = 8;

/// Keys by their names.
#[derive(Clone, Debug, Default)]
pub struct Witnessed(Vec<Name>);

/// A name of a key.
#[derive(Clone, Debug)]
struct Name {
    text: String,
    /// It may be how a fingerprint begins. Asked of the name once, for it is held against every record.
    is_of_digits: bool,
}

impl Witnessed {
    /// No key.
    pub const NONE: Self = Self(Vec::new());

    /// The keys of these names: what is shown of them (`...3f9c`, or `3f9c`), their owner's name, or how their fingerprint
    /// begins, by eight digits at least.
    pub fn new(names: Vec<String>) -> Self {
        Self(names.into_iter().map(Name::new).collect())
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_nobody(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a record is one of such a key.
    #[inline]
    pub fn means(&self, record: &UsageRecord, batch: &Batch) -> bool {
        !self.0.is_empty()
            && self.is_named(record.key, batch.text(record.key_hint), batch.text(record.key_alias))
    }

    /// Whether a key is one of them.
    pub fn is_named(&self, id: KeyId, hint: &str, alias: &str) -> bool {
        let shown = hint.strip_prefix("...").unwrap_or(hint);
        self.0
            .iter()
            .any(|name| name.text == hint || name.text == shown || name.text == alias || name.begins(id))
    }

    /// Notes in a batch what its records of these keys were read from.
    pub fn prove(&self, block: &Block, batch: &mut Batch) {
        let mut lines = block.lines().zip(0_u32..);
        let mut known: Option<(u32, Option<Origin>)> = None;
        let mut proofs = Vec::new();
        for (index, record) in (0..).zip(&batch.records) {
            if !self.means(record, batch) {
                continue;
            }
            let origin = match known {
                Some((line, origin)) if line == record.line => origin,
                _ => match &block.origins {
                    Some(origins) => origins.get(record.line as usize).copied().flatten(),
                    None => lines.find(|(_, at)| *at == record.line).map(|(line, _)| Origin::of(line)),
                },
            };
            known = Some((record.line, origin));
            proofs.extend(origin.map(|origin| (index, origin)));
        }
        batch.origins = proofs;
    }
}

impl Name {
    fn new(text: String) -> Self {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        Self { is_of_digits: text.len() >= DIGITS_MIN && text.bytes().all(is_digit), text }
    }

    /// Whether a fingerprint begins with it.
    fn begins(&self, id: KeyId) -> bool {
        self.is_of_digits && id.to_string().starts_with(&self.text)
    }
}
