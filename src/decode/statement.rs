//! `statement`: what an operator says of a key: that an incident is a theft or none, that somebody new is expected, that
//! something is not to be told for a while. Statements are records like others, so that they are in order with them,
//! reach the one who has the key, and are said again when records are read again.
//!
//! The journal of containment has them, too: a step by which a key works no more says that it was revoked. Its other steps are
//! passed over.

use super::bucket::plain;
use super::carries::Counts;
use super::draft::{Draft, Fault, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::json::{Str, Value};
use crate::key::KeyId;
use crate::record::{Kind, Reason, Statement};

/// Where what only the last step understands stands among the extras.
const SAYS: usize = 0;
const KEY_ID: usize = 1;
const INCIDENT: usize = 2;
const CHANGE: usize = 3;
const WHAT: usize = 4;
const REASON: usize = 5;
const EVENT: usize = 6;

pub(super) fn format() -> Format {
    let places = [
        at("/at", Field::Time),
        at("/until", Field::End),
        at("/api_key_prefix", Field::Key),
        at("/api_key_alias", Field::KeyAlias),
        at("/source_ip", Field::SourceIp),
        at("/user_agent", Field::UserAgent),
        at("/id", Field::RequestId),
        at("/statement", Field::Extra(0)),
        at("/key_id", Field::Extra(1)),
        at("/incident_id", Field::Extra(2)),
        at("/change", Field::Extra(3)),
        at("/what", Field::Extra(4)),
        at("/reason", Field::Extra(5)),
        at("/timestamp", Field::Time),
        at("/event", Field::Extra(6)),
    ];
    let summary = "keyhound's own: what operators say of keys (`keyhound confirm`, `dismiss`, `annotate`, `suppress`, `revoke`)";
    Format::new("statement", summary, sniff, How::Map(Map::new(&places, finish)))
        .counting(&[Counts::Statements])
        .told_by(&["statement", "at"])
}

fn sniff(shape: &Shape<'_>) -> bool {
    let is_of_containment = || ["event", "rule", "dry_run"].iter().all(|name| shape.has(name));
    shape.has("at") && (shape.has("statement") || is_of_containment())
}

fn finish<'a>(draft: &mut Draft<'a>, extras: &Extras<'a>) -> Read<()> {
    let says = plain(extras[SAYS]);
    if says.is_empty() && plain(extras[EVENT]) == b"containment" {
        draft.foreign = true;
        return Ok(());
    }
    let found = Statement::ALL.iter().find(|statement| statement.label().as_bytes() == says);
    let Some(&statement) = found else {
        let message = "is no statement; confirm, dismiss, annotate, suppress and revoke are";
        return Err(Fault::new(Reason::BadField, "statement", says, message));
    };
    draft.kind = Kind::Statement(statement);
    draft.key_id = key_id(plain(extras[KEY_ID]))?;
    if draft.key.is_empty() && draft.key_id.is_none() {
        let message = "is missing, and so is api_key_prefix; an alert tells both of its key";
        return Err(Fault::new(Reason::MissingField, "key_id", b"", message));
    }
    if draft.key.is_empty() {
        // Shown until the key's own records tell better.
        draft.key = Str::plain(plain(extras[KEY_ID]));
    }
    draft.model = text(extras[REASON]);
    draft.endpoint = match statement {
        Statement::Confirm | Statement::Dismiss => incident(plain(extras[INCIDENT]))?,
        Statement::Annotate => text(extras[CHANGE]),
        Statement::Suppress => text(extras[WHAT]),
        Statement::Revoke => Str::default(),
    };
    match statement {
        Statement::Dismiss if draft.model.is_empty() => {
            missing("reason", "is missing; whoever reads this later wants to know why it was none")
        }
        Statement::Annotate | Statement::Suppress if draft.end.is_none() => missing(
            "until",
            "is missing or empty; what is said for ever is forgotten by everybody but keyhound",
        ),
        Statement::Suppress if draft.endpoint.is_empty() => {
            missing("what", "is missing; the name of a detector, `incident` or `all` is expected")
        }
        _ => Ok(()),
    }
}

fn missing(field: &'static str, message: &'static str) -> Read<()> {
    Err(Fault::new(Reason::MissingField, field, b"", message))
}

fn text(value: Option<Value<'_>>) -> Str<'_> {
    match value {
        Some(Value::Str(text)) => text,
        _ => Str::default(),
    }
}

fn key_id(digits: &[u8]) -> Read<Option<KeyId>> {
    if digits.is_empty() {
        return Ok(None);
    }
    KeyId::parse(digits).map(Some).ok_or_else(|| {
        let message = "is no key id; 32 hexadecimal digits are expected, as an alert tells them";
        Fault::new(Reason::BadKey, "key_id", digits, message)
    })
}

/// The id of an incident has the form of that of a key.
fn incident(digits: &[u8]) -> Read<Str<'_>> {
    if KeyId::parse(digits).is_some() {
        return Ok(Str::plain(digits));
    }
    let message = "is no id of an incident; 32 hexadecimal digits are expected, as the incident tells them";
    let reason = if digits.is_empty() { Reason::MissingField } else { Reason::BadField };
    Err(Fault::new(reason, "incident_id", digits, message))
}
