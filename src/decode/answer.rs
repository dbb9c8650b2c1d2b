//! What an answer took, read out of its body where a log has that as a text: one JSON document or the events of a
//! stream, whole or cut off. Nothing here is a fault: a body is no record, and what it does not tell is absent.

use super::draft;
use crate::json::{Reader, Str, Value, members};
use crate::normalise::Media;
use crate::record::{Count, Tokens};
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// What is looked for in bodies. Made once: most bodies are no longer than it takes to make a finder.
static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));
static MODEL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"model"));

/// The tokens of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Answer {
    /// By class; the input where the cached part is not in it.
    pub(super) tokens: Tokens,
    /// The input where the cached part is in it.
    pub(super) input_total: Count,
    /// What of them was sound or pictures.
    pub(super) media: Media,
}

/// What the objects named `usage` say, of several the last word of each count.
#[derive(Clone, Copy, Debug)]
struct Usage {
    input: Count,
    output: Count,
    /// Of the input, what was in a cache.
    cached: Count,
    /// Beside the input, what was read from a cache and written to one.
    cache_read: Count,
    cache_write: Count,
    reasoning: Count,
    media: Media,
}

/// The tokens that a body tells of, its escapes resolved; `None` where it tells of none. `is_claude` where the input
/// leaves out what was cached.
pub(super) fn answer(body: &[u8], is_claude: bool) -> Option<Answer> {
    let absent = Count::ABSENT;
    let mut usage = Usage {
        input: absent,
        output: absent,
        cached: absent,
        cache_read: absent,
        cache_write: absent,
        reasoning: absent,
        media: Media::default(),
    };
    for at in USAGE.find_iter(body) {
        let behind = body[at + b"\"usage\"".len()..].trim_ascii_start();
        if let Some(object) = behind.strip_prefix(b":") {
            // One that is cut off may have lost the half of a number.
            usage = usage.with(object).unwrap_or(usage);
        }
    }
    if usage.input.or_zero() + usage.output.or_zero() + usage.cache_read.or_zero() == 0 {
        return None;
    }
    let is_apart = is_claude || usage.cache_read.get().is_some() || usage.cache_write.get().is_some();
    let tokens = Tokens {
        input_uncached: if is_apart { usage.input } else { absent },
        output: usage.output,
        cache_read: if is_apart { usage.cache_read } else { usage.cached },
        cache_write: usage.cache_write,
        reasoning: usage.reasoning,
        ..Tokens::default()
    };
    let input_total = if is_apart { absent } else { usage.input };
    Some(Answer { tokens, input_total, media: usage.media })
}

impl Usage {
    /// The same with what the object at the start of this text says; `None` where there is no whole object.
    fn with(mut self, text: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(text);
        if reader.value() != Some(Value::Object) {
            return None;
        }
        members(&mut reader, |name, reader| match name {
            b"prompt_tokens" | b"input_tokens" => set(&mut self.input, reader),
            b"completion_tokens" | b"output_tokens" => set(&mut self.output, reader),
            b"cache_read_input_tokens" => set(&mut self.cache_read, reader),
            b"cache_creation_input_tokens" => set(&mut self.cache_write, reader),
            b"prompt_tokens_details" | b"input_tokens_details" => {
                members(reader, |name, reader| match name {
                    b"cached_tokens" => set(&mut self.cached, reader),
                    b"audio_tokens" => set_apart(&mut self.media, |media| &mut media.audio.input, reader),
                    b"image_tokens" => set_apart(&mut self.media, |media| &mut media.image.input, reader),
                    _ => reader.skip(),
                });
            }
            b"completion_tokens_details" | b"output_tokens_details" => {
                members(reader, |name, reader| match name {
                    b"reasoning_tokens" => set(&mut self.reasoning, reader),
                    b"audio_tokens" => set_apart(&mut self.media, |media| &mut media.audio.output, reader),
                    b"image_tokens" => set_apart(&mut self.media, |media| &mut media.image.output, reader),
                    _ => reader.skip(),
                });
            }
            _ => reader.skip(),
        });
        reader.error().ok().map(|()| self)
    }
}

fn set(place: &mut Count, reader: &mut Reader<'_>) {
    let count = reader.scalar().and_then(|value| draft::count("usage", value).ok());
    *place = count.filter(|count| count.get().is_some()).unwrap_or(*place);
}

/// The same for sound or pictures.
fn set_apart(media: &mut Media, place: fn(&mut Media) -> &mut u64, reader: &mut Reader<'_>) {
    let mut count = Count::ABSENT;
    set(&mut count, reader);
    if let Some(count) = count.get() {
        *place(media) = count;
        media.told = true;
    }
}

/// The model that a body names, as it is written in the text around it.
pub(super) fn model(body: Str<'_>) -> Str<'_> {
    let written = body.written();
    let named = |at: usize| {
        let rest = quoted(&written[at + b"\"model".len()..])?;
        let rest = quoted(rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())?;
        let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        Some(Str::plain(&rest[..end]))
    };
    MODEL.find_iter(written).find_map(named).unwrap_or_default()
}

/// What follows a quote, which has a backslash before it where the text is inside another.
fn quoted(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"\\").unwrap_or(text).strip_prefix(b"\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Input without and with the cached part, output, read from a cache, written to one, reasoning.
    fn read(body: &str, is_claude: bool) -> Option<[Option<u64>; 6]> {
        let Answer { tokens, input_total, .. } = answer(body.as_bytes(), is_claude)?;
        let counts = [tokens.input_uncached, input_total, tokens.output, tokens.cache_read];
        let [uncached, total, output, cached] = counts.map(Count::get);
        Some([uncached, total, output, cached, tokens.cache_write.get(), tokens.reasoning.get()])
    }

    #[test]
    fn usage_is_read_as_far_as_it_goes() {
        const NONE: Option<u64> = None;
        for (body, expected) in [
            (
                r#"{"choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":9}"}}],"usage":{"prompt_tokens":10,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":1}}}"#,
                Some([NONE, Some(10), Some(2), Some(4), NONE, Some(1)]),
            ),
            (
                "data: {\"usage\":null}\n\ndata: {\"choices\":[],\"usage\": {\"prompt_tokens\":10,\"completion_tokens\":2}}\n\ndata: [DONE]",
                Some([NONE, Some(10), Some(2), NONE, NONE, NONE]),
            ),
            (
                "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":4,\"output_tokens\":1}}}\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":2}}\n",
                Some([Some(10), NONE, Some(2), Some(4), NONE, NONE]),
            ),
            (
                r#"{"usage":{"input_tokens":10,"output_tokens":2},"output":[{"usage":{"input_tok"#,
                Some([NONE, Some(10), Some(2), NONE, NONE, NONE]),
            ),
            (r#"{"usage":{"prompt_tokens":10,"completion_tok"#, None),
            (r#"{"usage":{"prompt_tokens":"ten"}}"#, None),
            (r#"{"usage":{"prompt_tokens":0,"completion_tokens":0}}"#, None),
            (r#"{"usage":7}"#, None),
            ("usage", None),
            ("", None),
        ] {
            assert_eq!(read(body, false), expected, "{body}");
        }
        let claude = r#"{"usage":{"input_tokens":10,"output_tokens":2}}"#;
        assert_eq!(read(claude, true).map(|counts| counts[0]), Some(Some(10)));
    }

    #[test]
    fn the_model_is_named_by_the_body_not_by_what_it_quotes() {
        for (text, expected) in [
            (r#""{\"id\":\"x\",\"model\":\"gpt-4o\"}""#, "gpt-4o"),
            (r#""data: {\"model\" : \"gpt-4o\"}\n""#, "gpt-4o"),
            (
                r#""{\"content\":\"\\\"model\\\":\\\"evil\\\"\",\"model_name\":\"m\",\"model\":\"gpt-4o\"}""#,
                "gpt-4o",
            ),
            (r#""{\"model\":\"gpt"#, ""),
            (r#""nothing""#, ""),
        ] {
            let body = match Reader::new(text.as_bytes()).value() {
                Some(Value::Str(body)) => body,
                _ => Str::plain(text.trim_start_matches('"').as_bytes()),
            };
            assert_eq!(model(body).as_plain(), Some(expected.as_bytes()), "{text}");
        }
    }
}
