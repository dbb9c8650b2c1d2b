//! What makes a record what it is.

use crate::record::{Kind, UsageRecord};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// A hash of what makes a record what it is, to tell a second delivery from an identifier used twice.
pub(crate) fn content(record: &UsageRecord) -> u64 {
    let mut hasher = SipHasher13::new();
    let tokens = &record.tokens;
    hasher.write_i64(record.time.at.0);
    hasher.write_u64(record.model.id);
    for count in [tokens.input(), tokens.output.or_zero(), tokens.reasoning.or_zero()] {
        hasher.write_u64(count);
    }
    hasher.write_i64(record.cost.0);
    hasher.write_u32(u32::from(record.status));
    if record.kind != Kind::Request {
        write_kind(record, &mut hasher);
    }
    hasher.finish()
}

#[cold]
fn write_kind(record: &UsageRecord, hasher: &mut SipHasher13) {
    match record.kind {
        Kind::Request => {}
        Kind::Bucket | Kind::Invoice => {
            hasher.write_u32(record.width_s);
            hasher.write_u32(record.requests);
            hasher.write_u8(record.cost_source as u8);
        }
        Kind::Audit(action) => hasher.write_u8(action as u8),
        Kind::Statement(statement) => hasher.write_u8(statement as u8),
        Kind::Canary(canary) => hasher.write_u8(canary as u8),
    }
}
