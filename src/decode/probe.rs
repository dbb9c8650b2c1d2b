//! `probe`: what keyhound's own canary prompts say (`keyhound probe --format json`, `[probes]`): that one is going to be sent, and
//! what came of it. They are records like others, so that what follows from them is said again when they are read again.

use super::bucket::plain;
use super::carries::Counts;
use super::draft::{self, Draft, Fault, Read};
use super::field::Field;
use super::{Emit, Format, Frame, How};
use crate::frame::shape::Shape;
use crate::json::{Reader, Str, Value, elements};
use crate::record::{Canary, Kind, Reason};
use crate::time::parse;

/// The longest name of a probe.
const NAME_MAX: usize = 32;
/// Names of one answer that are taken.
const IDS_MAX: usize = 8;

pub(super) fn format() -> Format {
    let summary =
        "keyhound's own: canary prompts that were sent, and what came of them (`keyhound probe`, `[probes]`)";
    Format::new("probe", summary, sniff, How::By(decode))
        .carrying(&[Field::Time, Field::Model, Field::RequestId, Field::Status])
        .counting(&[Counts::Canaries])
        .told_by(&["probe", "event", "at"])
        .reading(&[
            "marker",
            "outcome",
            "failure",
            "status",
            "model",
            "request_ids",
            "input_tokens_max",
            "output_tokens_max",
        ])
}

fn sniff(shape: &Shape<'_>) -> bool {
    shape.has("probe") && shape.has("event") && shape.has("at")
}

fn decode(_: &Frame<'_>, shape: &Shape<'_>, emit: Emit<'_>) {
    match Reading::of(shape) {
        Ok(reading) => reading.records(emit),
        Err(fault) => emit(Err(fault)),
    }
}

#[derive(Default)]
struct Reading<'a> {
    draft: Draft<'a>,
    name: &'a [u8],
    event: &'a [u8],
    marker: Str<'a>,
    outcome: Str<'a>,
    failure: Str<'a>,
    ids: Vec<Str<'a>>,
}

impl<'a> Reading<'a> {
    fn of(shape: &Shape<'a>) -> Read<Self> {
        let mut reading = Self::default();
        // Of what was not answered there is none.
        reading.draft.status = 0;
        for (name, (value, raw)) in shape.members() {
            match name {
                b"at" => reading.draft.time = time(value)?,
                b"probe" => reading.name = plain(Some(value)),
                b"event" => reading.event = plain(Some(value)),
                b"marker" => reading.marker = draft::text("marker", value)?,
                b"outcome" => reading.outcome = draft::text("outcome", value)?,
                b"failure" => reading.failure = draft::text("failure", value)?,
                b"model" => reading.draft.model = draft::text("model", value)?,
                b"status" => {
                    let status = draft::count("status", value)?.or_zero();
                    reading.draft.status =
                        u16::try_from(status).ok().filter(|code| *code <= 999).unwrap_or(0);
                }
                b"input_tokens_max" => reading.draft.input_total = draft::count("input_tokens_max", value)?,
                b"output_tokens_max" => {
                    reading.draft.tokens.output = draft::count("output_tokens_max", value)?;
                }
                b"request_ids" if value == Value::Array => reading.ids = ids(raw),
                _ => {}
            }
        }
        let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(byte);
        if reading.name.is_empty() || reading.name.len() > NAME_MAX || !reading.name.iter().all(is_word) {
            let message = "is no name of a probe; lower-case letters, digits, `-` and `_` are expected";
            return Err(Fault::new(Reason::BadField, "probe", reading.name, message));
        }
        Ok(reading)
    }

    /// What it says, one thing a record.
    fn records(self, emit: Emit<'_>) {
        let Self { draft, name, event, marker, outcome, failure, ids } = self;
        let key = [&b"probe:"[..], name].concat();
        let of = |canary: Canary, request_id: Str<'a>| Draft {
            kind: Kind::Canary(canary),
            request_id,
            ..draft.clone()
        };
        match event {
            b"asked" => {
                if marker.is_empty() {
                    let message = "is missing; nothing could be told by it";
                    return emit(Err(Fault::new(Reason::MissingField, "marker", b"", message)));
                }
                let asked = of(Canary::Asked, marker);
                emit(Ok(&Draft {
                    key: Str::plain(&key),
                    user_agent: marker,
                    model: Str::default(),
                    ..asked
                }));
            }
            b"result" => {
                let canary = if outcome.as_plain() == Some(b"ok") { Canary::Well } else { Canary::Failed };
                let told = of(canary, marker);
                emit(Ok(&Draft { key: Str::plain(&key), user_agent: outcome, endpoint: failure, ..told }));
                for id in ids {
                    let answered = of(Canary::Answered, id);
                    emit(Ok(&Draft { key: Str::plain(&key), model: Str::default(), ..answered }));
                }
            }
            other => {
                let message = "is no event of a probe; asked and result are";
                emit(Err(Fault::new(Reason::BadField, "event", other, message)));
            }
        }
    }
}

fn time(value: Value<'_>) -> Read<Option<crate::time::Stamp>> {
    let text = plain(Some(value));
    parse(text).map(Some).map_err(|_| {
        Fault::new(
            Reason::BadTime,
            "at",
            text,
            "is no time; RFC 3339 is expected, as `keyhound probe` writes it",
        )
    })
}

fn ids(list: &[u8]) -> Vec<Str<'_>> {
    let mut ids = Vec::new();
    elements(&mut Reader::sound(list), |reader| match reader.value() {
        Some(Value::Str(text)) if !text.is_empty() && ids.len() < IDS_MAX => ids.push(text),
        Some(Value::Object | Value::Array) => reader.skip(),
        _ => {}
    });
    ids
}
