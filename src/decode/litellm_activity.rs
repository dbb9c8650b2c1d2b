//! `litellm_activity`: what `LiteLLM` answers to `/user/daily/activity`: days of use, taken apart by model and key. The
//! same use as in `litellm_daily`, added up over users and providers.

use super::bucket::set_day;
use super::carries::Counts;
use super::draft::{self, Draft, Fault, Read};
use super::field::{Field, assign};
use super::map::NO_KEY;
use super::{Emit, Format, Frame, How};
use crate::frame::shape::{Shape, first_member};
use crate::json::{Reader, Str, Value, elements, members};
use crate::record::{Kind, Reason};

/// What is counted of a key on a day, and where it goes.
const METRICS: &[(&[u8], Field)] = &[
    // With the cached ones, whatever the provider.
    (b"prompt_tokens", Field::InputTokens),
    (b"completion_tokens", Field::OutputTokens),
    (b"cache_read_input_tokens", Field::CacheRead),
    (b"cache_creation_input_tokens", Field::CacheWrite),
    (b"spend", Field::Cost),
    (b"api_requests", Field::Requests),
];

pub(super) fn format() -> Format {
    let fields = [Field::Time, Field::End, Field::Key, Field::KeyAlias, Field::Model, Field::Status];
    let metrics: Vec<Field> = METRICS.iter().map(|(_, field)| *field).collect();
    Format::new(
        "litellm_activity",
        "LiteLLM daily activity: the answer of /user/daily/activity, by day, model and key",
        sniff,
        How::By(decode),
    )
    .carrying(&fields)
    .carrying(&metrics)
    .counting(&[Counts::Days])
    .told_by(&["results", "metadata"])
}

fn sniff(shape: &Shape<'_>) -> bool {
    if !shape.has("results") || !shape.has("metadata") || !shape.has_only(&["results", "metadata"]) {
        return false;
    }
    let Some((Value::Array, list)) = shape.member("results") else { return false };
    let mut reader = Reader::sound(list);
    reader.enter_array();
    // Of a span without use there are no days.
    !reader.element() || list.get(reader.position()..).is_some_and(is_day)
}

fn is_day(text: &[u8]) -> bool {
    text.starts_with(b"{")
        && first_member(text, "date").is_some()
        && first_member(text, "breakdown").is_some()
}

/// Whether a text that may go on begins like such an answer: with its first day.
pub(super) fn begins(text: &[u8]) -> bool {
    let mut reader = Reader::new(text);
    reader.enter_object();
    let is_list =
        reader.key().is_some_and(|name| name.as_plain() == Some(b"results")) && reader.enter_array();
    if !is_list || !reader.element() || !reader.enter_object() {
        return false;
    }
    reader.key().is_some_and(|name| name.as_plain() == Some(b"date"))
}

fn decode(_: &Frame<'_>, shape: &Shape<'_>, emit: Emit<'_>) {
    let Some((Value::Array, list)) = shape.member("results") else {
        return emit(Err(Fault::new(Reason::BadField, "results", b"", "is no list of days")));
    };
    let page = page(shape);
    elements(&mut Reader::sound(list), |day| {
        let (mut date, mut breakdown) = (None, None);
        members(day, |name, reader| match name {
            b"date" => date = reader.scalar(),
            b"breakdown" => breakdown = Some(reader.raw()),
            _ => reader.skip(),
        });
        let start = Draft { kind: Kind::Bucket, dimensions: page, ..Draft::default() };
        match dated(start, date) {
            Ok(start) => keys_of_day(breakdown.unwrap_or_default(), &start, emit),
            Err(fault) => emit(Err(fault)),
        }
    });
}

fn dated<'a>(mut start: Draft<'a>, date: Option<Value<'a>>) -> Read<Draft<'a>> {
    set_day(&mut start, "date", date)?;
    Ok(start)
}

/// Which page of several this is: a day may begin on one and go on on the next, and neither replaces the other.
fn page(shape: &Shape<'_>) -> u64 {
    let (mut page, mut pages) = (Value::Null, Value::Null);
    if let Some((Value::Object, metadata)) = shape.member("metadata") {
        members(&mut Reader::sound(metadata), |name, reader| match name {
            b"page" => page = reader.scalar().unwrap_or(Value::Null),
            b"total_pages" => pages = reader.scalar().unwrap_or(Value::Null),
            _ => reader.skip(),
        });
    }
    match (page, pages) {
        (Value::Number(page), Value::Number(pages)) if pages != b"1" => draft::dimension([page]),
        _ => 0,
    }
}

/// The keys of a day: under each model, or without models where an older proxy does not take those apart.
fn keys_of_day<'a>(breakdown: &'a [u8], start: &Draft<'a>, emit: Emit<'_>) {
    let mut seen = false;
    let mut plain_keys = None;
    members(&mut Reader::sound(breakdown), |name, reader| match name {
        b"models" => members(reader, |model, reader| {
            members(reader, |name, reader| match name {
                b"api_key_breakdown" => members(reader, |key, reader| {
                    seen = true;
                    one(key, model, reader, start, emit);
                }),
                _ => reader.skip(),
            });
        }),
        b"api_keys" => plain_keys = Some(reader.raw()),
        _ => reader.skip(),
    });
    if !seen {
        members(&mut Reader::sound(plain_keys.unwrap_or_default()), |key, reader| {
            one(key, b"", reader, start, emit);
        });
    }
}

fn one<'a>(key: &'a [u8], model: &'a [u8], reader: &mut Reader<'a>, start: &Draft<'a>, emit: Emit<'_>) {
    let mut draft = start.clone();
    let name = if key.is_empty() { NO_KEY } else { key };
    (draft.key, draft.model) = (Str::plain(name), Str::plain(model));
    let read = metrics(&mut draft, reader);
    emit(read.map(|()| &draft));
}

fn metrics<'a>(draft: &mut Draft<'a>, reader: &mut Reader<'a>) -> Read<()> {
    let mut result = Ok(());
    let (mut good, mut failed) = (Value::Null, Value::Null);
    members(reader, |name, reader| match name {
        b"metrics" => members(reader, |name, reader| {
            let value = reader.value().unwrap_or(Value::Null);
            match name {
                _ if matches!(value, Value::Object | Value::Array) => reader.skip(),
                b"successful_requests" => good = value,
                b"failed_requests" => failed = value,
                name => {
                    if let Some((_, field)) = METRICS.iter().find(|(known, _)| *known == name)
                        && let Err(fault) = assign(draft, *field, value)
                    {
                        result = Err(fault);
                    }
                }
            }
        }),
        b"metadata" => members(reader, |name, reader| match name {
            b"key_alias" => {
                if let Some(Value::Str(alias)) = reader.scalar() {
                    draft.key_alias = alias;
                }
            }
            _ => reader.skip(),
        }),
        _ => reader.skip(),
    });
    result?;
    if draft::count("successful_requests", good)?.or_zero() == 0
        && draft::count("failed_requests", failed)?.or_zero() > 0
    {
        draft.status = 500;
    }
    Ok(())
}
