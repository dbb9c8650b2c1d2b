//! `otel_metrics`: token counts of OpenTelemetry's `gen_ai` conventions as OTLP's JSON: every point of
//! `gen_ai.client.token.usage` is a bucket. Input and output are points of their own, and the requests are those of the
//! input. Counters of Claude Code are read as well; other metrics are no usage, and nothing is told of them.

use super::carries::Counts;
use super::draft::{self, Draft, Fault, Read};
use super::field::{Field, assign};
use super::map::NO_KEY;
use super::otel::{Attributes, attributes, plain};
use super::{Emit, Format, Frame, How};
use crate::frame::shape::Shape;
use crate::json::{Reader, Str, Value, elements, members};
use crate::record::{Count, Kind, Reason};

/// Metrics that count tokens.
#[derive(Clone, Copy)]
struct Metric {
    name: &'static [u8],
    /// The attribute that tells which tokens a point counts.
    class: &'static [u8],
    /// What it may say.
    classes: &'static [(&'static [u8], Field)],
}

const METRICS: &[Metric] = &[
    Metric {
        name: b"gen_ai.client.token.usage",
        class: b"gen_ai.token.type",
        classes: &[(b"input", Field::InputTokens), (b"output", Field::OutputTokens)],
    },
    Metric {
        name: b"claude_code.token.usage",
        class: b"type",
        classes: &[
            (b"input", Field::InputUncached),
            (b"output", Field::OutputTokens),
            (b"cacheRead", Field::CacheRead),
            (b"cacheCreation", Field::CacheWrite),
        ],
    },
];

/// What a point can tell.
const FIELDS: &[Field] = &[
    Field::Time,
    Field::End,
    Field::Key,
    Field::KeyAlias,
    Field::Model,
    Field::InputTokens,
    Field::OutputTokens,
    Field::CacheRead,
    Field::CacheWrite,
    Field::Requests,
    Field::Endpoint,
];

/// The kinds of data that counts come as.
const KINDS: &[&[u8]] = &[b"histogram", b"exponentialHistogram", b"sum"];

pub(super) fn format() -> Format {
    let summary = "OTLP JSON metrics: tokens of gen_ai.client.token.usage by model; a key only where an attribute names one";
    Format::new("otel_metrics", summary, |shape| shape.has("resourceMetrics"), How::By(decode))
        .carrying(FIELDS)
        .counting(&[Counts::Buckets])
        .told_by(&["resourceMetrics"])
}

fn decode(_: &Frame<'_>, shape: &Shape<'_>, emit: Emit<'_>) {
    let Some((Value::Array, resources)) = shape.member("resourceMetrics") else {
        return emit(Err(Fault::new(Reason::BadField, "", shape.whole(), "has no list of resourceMetrics")));
    };
    elements(&mut Reader::sound(resources), |resource| {
        let (mut shared, mut about) = (Attributes::NONE, 0);
        // What they share may stand behind them.
        let mut lists = Vec::new();
        members(resource, |name, reader| match name {
            b"resource" => {
                let whole = reader.raw();
                about = draft::dimension([whole]);
                members(&mut Reader::sound(whole), |name, reader| match name {
                    b"attributes" => shared.take(reader, Attributes::SHARED),
                    _ => reader.skip(),
                });
            }
            b"scopeMetrics" => {
                lists.clear();
                elements(reader, |scope| metrics(scope, &mut lists));
            }
            _ => reader.skip(),
        });
        for (scope, mut list) in lists {
            let about = about.wrapping_add(scope);
            elements(&mut list, |metric| points(metric, about, &shared, emit));
        }
    });
}

/// Appends the lists of metrics in the scope at the reader, each with a fingerprint of what is said of the library that
/// counts.
fn metrics<'a>(scope: &mut Reader<'a>, lists: &mut Vec<(u64, Reader<'a>)>) {
    let (first, mut about) = (lists.len(), 0);
    members(scope, |name, reader| match name {
        b"scope" => about = draft::dimension([reader.raw()]),
        name => {
            if name == b"metrics" {
                lists.push((0, reader.clone()));
            }
            reader.skip();
        }
    });
    lists[first..].iter_mut().for_each(|(scope, _)| *scope = about);
}

/// Hands over what the points of the metric at the reader say, if it is one that counts tokens.
fn points<'a>(reader: &mut Reader<'a>, about: u64, shared: &Attributes<'a>, emit: Emit<'_>) {
    let (mut metric, mut temporality, mut list) = (None, None, None);
    members(reader, |name, reader| match name {
        b"name" => {
            let name = reader.scalar().map_or(&b""[..], plain);
            metric = METRICS.iter().find(|metric| metric.name == name);
        }
        name if KINDS.contains(&name) => {
            (temporality, list) = (None, None);
            members(reader, |name, reader| match name {
                b"aggregationTemporality" => temporality = reader.scalar(),
                name => {
                    if name == b"dataPoints" {
                        list = Some(reader.clone());
                    }
                    reader.skip();
                }
            });
        }
        _ => reader.skip(),
    });
    let (Some(metric), Some(mut list)) = (metric, list) else { return };
    elements(&mut list, |point| {
        let read = Point { metric, about, shared, temporality }.read(point);
        if let Some(read) = read.transpose() {
            emit(read.as_ref().map_err(Clone::clone));
        }
    });
}

/// What is known of a point before it is looked at.
struct Point<'s, 'a> {
    metric: &'static Metric,
    /// Fingerprint of what it stands in: two sources may count the same things, each for itself.
    about: u64,
    shared: &'s Attributes<'a>,
    temporality: Option<Value<'a>>,
}

impl<'a> Point<'_, 'a> {
    /// Reads the point at the reader; `None` where it counts nothing, or what others count already.
    fn read(&self, reader: &mut Reader<'a>) -> Read<Option<Draft<'a>>> {
        let mut attributes = *self.shared;
        let mut own = Own {
            dimensions: self.about.wrapping_add(draft::dimension([self.metric.name])),
            ..Own::default()
        };
        let (mut start, mut end) = (Value::Null, Value::Null);
        let (mut sum, mut count, mut flags) = (None, None, None);
        members(reader, |name, reader| match name {
            b"startTimeUnixNano" => start = reader.scalar().unwrap_or(Value::Null),
            b"timeUnixNano" => end = reader.scalar().unwrap_or(Value::Null),
            b"sum" | b"asInt" | b"asDouble" => {
                sum = reader.scalar().filter(|value| *value != Value::Null).or(sum);
            }
            b"count" => count = reader.scalar(),
            b"flags" => flags = reader.scalar(),
            b"attributes" => self::attributes(reader, |name, value, whole| {
                own.take(name, value, whole, self.metric);
                attributes.offer(name, value, 0);
            }),
            _ => reader.skip(),
        });
        let Some(sum) = sum else { return without_sum(count, flags) };
        if own.class.is_empty() {
            let message = "is missing; without it input and output cannot be told apart";
            return Err(Fault::new(Reason::MissingField, "gen_ai.token.type", b"", message));
        }
        let Some((_, field)) = self.metric.classes.iter().find(|(class, _)| *class == own.class) else {
            return Ok(None);
        };
        let mut draft = Draft { kind: Kind::Bucket, dimensions: own.dimensions, ..Draft::default() };
        attributes.assign(&mut draft)?;
        assign(&mut draft, *field, sum)?;
        draft.requests = requests(*field, count)?;
        self.span(&mut draft, start, end)?;
        own.complete(&mut draft);
        Ok(Some(draft))
    }

    /// The stretch of time that a point tells of.
    fn span(&self, draft: &mut Draft<'a>, start: Value<'a>, end: Value<'a>) -> Read<()> {
        let known = |value: Value<'a>| match value {
            Value::Number(b"0") => Value::Null,
            value if plain(value) == b"0" => Value::Null,
            value => value,
        };
        let end = draft::time("timeUnixNano", known(end))?;
        draft.time = draft::time("startTimeUnixNano", known(start))?;
        let Some(end) = end else {
            let message = "is missing or 0; every record needs a time";
            return Err(Fault::new(Reason::MissingField, "timeUnixNano", b"", message));
        };
        draft.cumulative = match self.temporality {
            Some(Value::Number(b"1")) => false,
            Some(Value::Number(b"2")) => true,
            Some(name) if plain(name) == b"AGGREGATION_TEMPORALITY_DELTA" => false,
            Some(name) if plain(name) == b"AGGREGATION_TEMPORALITY_CUMULATIVE" => true,
            other => {
                let written = other.map_or(&b""[..], plain);
                let message =
                    "is neither delta (1) nor cumulative (2); which of them decides what a point counts";
                return Err(Fault::new(Reason::BadField, "aggregationTemporality", written, message));
            }
        };
        if draft.cumulative && draft.time.is_none() {
            let message = "is missing or 0; a counter that starts nowhere would count anew with every point";
            return Err(Fault::new(Reason::MissingField, "startTimeUnixNano", b"", message));
        }
        let start = *draft.time.get_or_insert(end);
        draft.end = (end.at > start.at).then_some(end);
        Ok(())
    }
}

/// A point without a sum, or with something else in its place: nothing is lost with it only if it counted nothing, or
/// says that nothing was recorded.
fn without_sum<'a>(count: Option<Value<'a>>, flags: Option<Value<'a>>) -> Read<Option<Draft<'a>>> {
    let number = |value: Option<Value<'a>>| match value {
        Some(Value::Number(digits)) => digits,
        value => value.map_or(&b""[..], plain),
    };
    if number(count) == b"0" || number(flags) == b"1" {
        return Ok(None);
    }
    let message = "is missing or no number; without it nobody can tell how many tokens were used";
    Err(Fault::new(Reason::MissingField, "sum", b"", message))
}

/// Requests behind a point: those of a histogram of input. A counter does not tell them.
fn requests(field: Field, count: Option<Value<'_>>) -> Read<Count> {
    match count {
        None => Ok(Count::ABSENT),
        Some(count) if field == Field::InputTokens => draft::count("count", count),
        Some(_) => Ok(Count::of(0)),
    }
}

/// What the attributes of a point say besides the usual ones.
#[derive(Default)]
struct Own<'a> {
    class: &'a [u8],
    model: Str<'a>,
    user: Str<'a>,
    dimensions: u64,
}

impl<'a> Own<'a> {
    /// Takes one attribute; `whole` is all of it as written.
    fn take(&mut self, name: &[u8], value: Option<Value<'a>>, whole: &[u8], metric: &Metric) {
        self.dimensions = self.dimensions.wrapping_add(draft::dimension([whole]));
        let Some(Value::Str(text)) = value else { return };
        match name {
            name if name == metric.class => self.class = text.as_plain().unwrap_or_default(),
            b"model" => self.model = text,
            b"user.account_uuid" => self.user = text,
            _ => {}
        }
    }

    fn complete(self, draft: &mut Draft<'a>) {
        if draft.model.is_empty() {
            draft.model = self.model;
        }
        if draft.key.is_empty() {
            draft.key = if self.user.is_empty() { Str::plain(NO_KEY) } else { self.user };
        }
    }
}
