//! What LiteLLM's two record formats have in common.
//!
//! Measured on LiteLLM 1.74, 1.82 and 1.105 proxies: fields stand twice (at the top and inside `metadata`), times
//! come as floats or as text, costs of cache hits stay in the breakdown while the total is zero, and a key that
//! does not begin with `sk-` stands in the record as it is.

use super::draft::{self, Draft, Fault, Read};
use super::field::Field;
use crate::frame::shape::{self, Member};
use crate::json::{Error, Reader, Str, Value, same};
use crate::record::{Count, Reason};

/// What both can carry.
pub(super) const FIELDS: &[Field] = &[
    Field::Time,
    Field::Key,
    Field::KeyAlias,
    Field::SourceIp,
    Field::UserAgent,
    Field::Model,
    Field::InputTokens,
    Field::CacheRead,
    Field::CacheWrite,
    Field::CacheWrite1h,
    Field::OutputTokens,
    Field::Reasoning,
    Field::Cost,
    Field::Endpoint,
    Field::Status,
    Field::RequestId,
];

/// The key of records without one: requests to a proxy that asks for none, or that sent none.
const NO_KEY: &[u8] = b"no-key";

/// A record while it is read.
#[derive(Default)]
pub(super) struct Reading<'a> {
    pub(super) draft: Draft<'a>,
    failed: bool,
    cache_hit: bool,
    error_code: Str<'a>,
    normalized_error: Str<'a>,
    call_type: Str<'a>,
    route: Str<'a>,
    /// The client as a request tag, where it has no field of its own (1.74).
    tagged_agent: Str<'a>,
}

/// Calls `each` with every member of an object that has been checked: its name, its value, and the value as written. The
/// first fault stops it.
pub(super) fn members<'a>(
    text: &'a [u8],
    each: impl FnMut(&[u8], Value<'a>, &'a [u8]) -> Read<()>,
) -> Read<()> {
    members_by(Reader::sound(text), |error| Fault::not_json(error, text), each)
}

/// The same for any object at a reader. What is wrong with it as JSON, which is told as `broken` says, goes before what is
/// wrong with its members.
fn members_by<'a>(
    reader: Reader<'a>,
    broken: impl FnOnce(Error) -> Fault,
    mut each: impl FnMut(&[u8], Value<'a>, &'a [u8]) -> Read<()>,
) -> Read<()> {
    let mut result = Ok(());
    let walked = shape::walk(reader, |name, (value, raw)| {
        if result.is_ok() {
            result = each(name, value, raw);
        }
    });
    walked.map_err(broken)?;
    result
}

impl<'a> Reading<'a> {
    /// Reads a member at the top level, or passes over it.
    pub(super) fn top(&mut self, name: &[u8], value: Value<'a>, raw: &'a [u8]) -> Read<()> {
        let draft = &mut self.draft;
        match name {
            b"startTime" | b"start_time" => draft.time = draft::time("startTime", value)?.or(draft.time),
            b"model" => draft.model = draft::text("model", value)?,
            b"prompt_tokens" => draft.input_total = draft::count("prompt_tokens", value)?,
            b"completion_tokens" => draft.tokens.output = draft::count("completion_tokens", value)?,
            b"call_type" => self.call_type = draft::text("call_type", value)?,
            b"status" => self.failed = is(value, b"failure"),
            b"cache_hit" => self.cache_hit = value == Value::True || is(value, b"True"),
            b"requester_ip_address" => {
                first(&mut draft.source_ip, draft::text("requester_ip_address", value)?);
            }
            b"user_agent" => first(&mut draft.user_agent, draft::text("user_agent", value)?),
            b"error_information" => self.error(value, raw)?,
            b"request_tags" => self.tags(value, raw),
            _ => {}
        }
        Ok(())
    }

    /// Reads the `metadata` object, which has been checked.
    pub(super) fn metadata(&mut self, text: &'a [u8]) -> Read<()> {
        self.metadata_by(Reader::sound(text), |error| Fault::not_json(error, text))
    }

    /// Reads `metadata` that was an object in a text, which nobody has looked at: it is checked on the way.
    pub(super) fn metadata_in_text(
        &mut self,
        text: &'a [u8],
        broken: impl FnOnce(Error) -> Fault,
    ) -> Read<()> {
        let mut reader = Reader::new(text);
        reader.set_around(1);
        self.metadata_by(reader, broken)
    }

    fn metadata_by(&mut self, reader: Reader<'a>, broken: impl FnOnce(Error) -> Fault) -> Read<()> {
        members_by(reader, broken, |name, value, raw| {
            let draft = &mut self.draft;
            match name {
                b"user_api_key_hash" | b"user_api_key" => {
                    first(&mut draft.key, draft::text("user_api_key_hash", value)?);
                }
                b"user_api_key_alias" => draft.key_alias = draft::text("user_api_key_alias", value)?,
                b"requester_ip_address" => {
                    first(&mut draft.source_ip, draft::text("requester_ip_address", value)?);
                }
                b"user_agent" => first(&mut draft.user_agent, draft::text("user_agent", value)?),
                b"user_api_key_request_route" => {
                    self.route = draft::text("user_api_key_request_route", value)?;
                }
                b"usage_object" | b"additional_usage_values" => self.usage(value, raw)?,
                b"error_information" => self.error(value, raw)?,
                _ => {}
            }
            Ok(())
        })
    }

    /// Reads cached and reasoning tokens, which providers report under several names.
    fn usage(&mut self, value: Value<'a>, raw: &'a [u8]) -> Read<()> {
        if value != Value::Object {
            return Ok(());
        }
        let Draft { tokens, media, .. } = &mut self.draft;
        members(raw, |name, value, raw| {
            match name {
                b"cache_read_input_tokens" => {
                    known(&mut tokens.cache_read, draft::count("cache_read_input_tokens", value)?);
                }
                b"cache_creation_input_tokens" => {
                    known(&mut tokens.cache_write, draft::count("cache_creation_input_tokens", value)?);
                }
                b"prompt_tokens_details" if value == Value::Object => {
                    const CREATION: &str = "cache_creation_token_details";
                    let found = find(raw, ["cached_tokens", "audio_tokens", "image_tokens", CREATION])?;
                    let [cached, audio, image, creation] = found;
                    known(&mut tokens.cache_read, count("cached_tokens", cached)?);
                    apart(&mut media.told, &mut media.audio.input, count("audio_tokens", audio)?);
                    apart(&mut media.told, &mut media.image.input, count("image_tokens", image)?);
                    if let Some((Value::Object, details)) = creation {
                        let [long] = find(details, ["ephemeral_1h_input_tokens"])?;
                        tokens.cache_write_1h = count("ephemeral_1h_input_tokens", long)?;
                    }
                }
                b"completion_tokens_details" if value == Value::Object => {
                    let found = find(raw, ["reasoning_tokens", "audio_tokens", "image_tokens"])?;
                    let [reasoning, audio, image] = found;
                    known(&mut tokens.reasoning, count("reasoning_tokens", reasoning)?);
                    apart(&mut media.told, &mut media.audio.output, count("audio_tokens", audio)?);
                    apart(&mut media.told, &mut media.image.output, count("image_tokens", image)?);
                }
                _ => {}
            }
            Ok(())
        })
    }

    fn error(&mut self, value: Value<'a>, raw: &'a [u8]) -> Read<()> {
        if value != Value::Object {
            return Ok(());
        }
        members(raw, |name, value, _| {
            match name {
                b"error_code" => self.error_code = draft::text("error_code", value)?,
                b"normalized_error" => self.normalized_error = draft::text("normalized_error", value)?,
                _ => {}
            }
            Ok(())
        })
    }

    /// Finds `User-Agent: …` in a list of tags; the last such tag is the full one.
    fn tags(&mut self, value: Value<'a>, raw: &'a [u8]) {
        if value != Value::Array {
            return;
        }
        let mut reader = Reader::sound(raw);
        reader.enter_array();
        while reader.element() {
            if let Some(Value::Str(tag)) = Reader::new(reader.raw()).value()
                && let Some(agent) = tag.as_plain().and_then(|tag| tag.strip_prefix(b"User-Agent: "))
            {
                self.tagged_agent = Str::plain(agent);
            }
        }
    }

    /// The draft, once everything is read.
    pub(super) fn finish(mut self) -> Read<Draft<'a>> {
        if self.draft.time.is_none() {
            let message = "is missing or empty; every record needs a time";
            return Err(Fault::new(Reason::MissingField, "startTime", b"", message));
        }
        self.draft.status = self.status();
        self.draft.zero_is_meant = self.cache_hit;
        self.draft.endpoint = if self.route.is_empty() { self.call_type } else { self.route };
        first(&mut self.draft.key, Str::plain(NO_KEY));
        first(&mut self.draft.user_agent, self.tagged_agent);
        let tokens = &mut self.draft.tokens;
        if let (Some(all), Some(long)) = (tokens.cache_write.get(), tokens.cache_write_1h.get()) {
            tokens.cache_write = Count::of(all.saturating_sub(long));
        }
        Ok(self.draft)
    }

    /// `error_code` is a text, sometimes empty, sometimes a word; `normalized_error` begins with a status. A client
    /// that hung up is a success with code 499.
    fn status(&self) -> u16 {
        let of = |text: Str<'_>| {
            let (digits, behind) = text.as_plain()?.split_at_checked(3)?;
            // A longer number is no status.
            if behind.first().is_some_and(u8::is_ascii_digit) {
                return None;
            }
            std::str::from_utf8(digits).ok()?.parse().ok().filter(|code| (100..=599).contains(code))
        };
        let told = of(self.error_code).or_else(|| of(self.normalized_error));
        match (self.failed, told) {
            (true, told) => told.unwrap_or(500),
            (false, Some(499)) => 499,
            (false, _) => 200,
        }
    }
}

/// Fills a text that is still empty.
fn first<'a>(place: &mut Str<'a>, text: Str<'a>) {
    if place.is_empty() {
        *place = text;
    }
}

/// Fills a count that is still absent.
fn known(place: &mut Count, count: Count) {
    if place.get().is_none() {
        *place = count;
    }
}

/// Fills a count of sound or pictures, if it is told.
fn apart(told: &mut bool, place: &mut u64, count: Count) {
    if let Some(count) = count.get() {
        (*told, *place) = (true, count);
    }
}

fn is(value: Value<'_>, word: &[u8]) -> bool {
    matches!(value, Value::Str(text) if text.as_plain() == Some(word))
}

/// The members of an object that have these names, of each name the last.
fn find<'a, const N: usize>(text: &'a [u8], names: [&str; N]) -> Read<[Option<Member<'a>>; N]> {
    let mut found = [None; N];
    members(text, |name, value, raw| {
        if let Some(at) = names.iter().position(|wanted| same(wanted.as_bytes(), name)) {
            found[at] = Some((value, raw));
        }
        Ok(())
    })?;
    Ok(found)
}

fn count(name: &'static str, member: Option<Member<'_>>) -> Read<Count> {
    member.map_or(Ok(Count::ABSENT), |(value, _)| draft::count(name, value))
}
