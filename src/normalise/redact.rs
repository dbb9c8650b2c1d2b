//! Finds secrets in text and replaces them before anybody else sees the text.
//!
//! Patterns are data (`config/key_patterns.toml`). A literal of each pattern must occur before its regular
//! expression is tried, so ordinary text costs one pass of a multi-string search.

use crate::key::KeyNamer;
use aho_corasick::AhoCorasick;
use regex::bytes::Regex;
use serde::Deserialize;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use thiserror::Error;

/// The patterns that come with the program.
pub const BUILTIN: &str = include_str!("../../config/key_patterns.toml");

/// A pattern file that cannot be used.
#[derive(Debug, Error)]
pub enum PatternError {
    /// Not TOML of the right shape.
    #[error("key patterns: {0}")]
    Toml(#[from] toml::de::Error),
    /// The literals cannot be searched for.
    #[error("key patterns: {0}")]
    Prefix(#[from] aho_corasick::BuildError),
    /// A regular expression that does not compile.
    #[error("key pattern `{name}`: {error}")]
    Regex {
        /// The pattern's name.
        name: String,
        /// What the compiler says.
        error: regex::Error,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    pattern: Vec<Pattern>,
}

/// One kind of secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// Unique, in snake case.
    pub name: String,
    /// Whose secret it is.
    pub provider: String,
    /// Literals (in any case) of which one occurs in every such secret.
    pub prefix: Vec<String>,
    /// What to look for; a group named `secret` narrows what is replaced.
    pub regex: String,
    /// Texts that match as a whole.
    #[serde(default)]
    pub examples: Vec<String>,
    /// Texts that must not match.
    #[serde(default)]
    pub counter_examples: Vec<String>,
}

/// Reads a pattern file.
pub fn parse_patterns(text: &str) -> Result<Vec<Pattern>, PatternError> {
    Ok(toml::from_str::<File>(text)?.pattern)
}

/// Replaces secrets in text.
#[derive(Clone, Debug)]
pub struct Redactor(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    namer: KeyNamer,
    prefixes: AhoCorasick,
    /// Which pattern each literal belongs to.
    owners: Vec<usize>,
    patterns: Vec<(Pattern, OnceLock<Option<Regex>>)>,
}

/// Secrets shorter than this show no last four characters: they would be too much of it.
const TAIL_FROM: usize = 20;

/// How often a text is cleaned before nothing of it is shown. Two rounds are the most that was ever needed.
const ROUNDS_MAX: usize = 8;

impl Redactor {
    /// A redactor for these patterns. Regular expressions are compiled when first needed; `check` compiles all.
    pub fn new(patterns: Vec<Pattern>, namer: KeyNamer) -> Result<Self, PatternError> {
        let literals =
            patterns.iter().enumerate().flat_map(|(at, p)| p.prefix.iter().map(move |text| (at, text)));
        let (owners, texts): (Vec<usize>, Vec<&String>) = literals.unzip();
        let prefixes = AhoCorasick::builder().ascii_case_insensitive(true).build(texts)?;
        let patterns = patterns.into_iter().map(|pattern| (pattern, OnceLock::new())).collect();
        Ok(Self(Arc::new(Rules { namer, prefixes, owners, patterns })))
    }

    /// Compiles every expression, for those who want to know now.
    pub fn check(&self) -> Result<(), PatternError> {
        for (pattern, _) in &self.0.patterns {
            Regex::new(&pattern.regex)
                .map_err(|error| PatternError::Regex { name: pattern.name.clone(), error })?;
        }
        Ok(())
    }

    /// True where `text` holds something that looks like a secret.
    pub fn finds(&self, text: &[u8]) -> bool {
        !self.secrets(text).is_empty()
    }

    /// `text` with each secret replaced by its fingerprint and, if it is long, its last four characters. Bytes that
    /// are no UTF-8 become U+FFFD.
    pub fn clean(&self, text: &[u8]) -> String {
        self.clean_part(text, 0..text.len(), usize::MAX)
    }

    /// The stretch `shown` of `text`, cleaned and cut to `max` bytes. Secrets are looked for in all of `text`,
    /// because half a secret matches no pattern.
    pub fn clean_part(&self, text: &[u8], shown: Range<usize>, max: usize) -> String {
        self.settle(self.replace(text, shown, |_| Vec::new()), max)
    }

    /// As [`Redactor::clean_part`], without whatever else might be a secret: text that was no record may be a line of
    /// a key file, whose first line alone says what it is.
    pub fn clean_stray_part(&self, text: &[u8], shown: Range<usize>, max: usize) -> String {
        self.settle(self.replace(text, shown, |part| random_words(text, part).collect()), max)
    }

    /// Cutting and replacing can make something that looks like a secret of two things that did not.
    fn settle(&self, mut clean: String, max: usize) -> String {
        for _ in 0..ROUNDS_MAX {
            let end = (0..=max.min(clean.len())).rev().find(|at| clean.is_char_boundary(*at));
            clean.truncate(end.unwrap_or(0));
            if !self.finds(clean.as_bytes()) {
                return clean;
            }
            clean = self.replace(clean.as_bytes(), 0..clean.len(), |_| Vec::new());
        }
        String::new()
    }

    /// The stretch `shown` of `text` without its secrets, and without what `others` finds between them.
    fn replace(
        &self,
        text: &[u8],
        shown: Range<usize>,
        others: impl Fn(Range<usize>) -> Vec<Range<usize>>,
    ) -> String {
        let mut out = Vec::with_capacity(shown.len());
        let mut done = shown.start;
        let mut hide = |range: Range<usize>, replace: &dyn Fn(&[u8], &mut Vec<u8>)| {
            if range.start < shown.end && range.end > shown.start {
                out.extend_from_slice(text.get(done..range.start).unwrap_or_default());
                replace(&text[range.clone()], &mut out);
                done = range.end;
            }
        };
        let mut from = 0;
        for secret in self.secrets(text).into_iter().chain(std::iter::once(text.len()..text.len())) {
            for word in others(from..secret.start) {
                hide(word, &|word, out| {
                    out.extend_from_slice(format!("[{} characters]", word.len()).as_bytes());
                });
            }
            from = secret.end;
            hide(secret, &|secret, out| self.write_replacement(secret, out));
        }
        out.extend_from_slice(text.get(done..shown.end).unwrap_or_default());
        String::from_utf8_lossy(&out).into_owned()
    }

    fn write_replacement(&self, secret: &[u8], out: &mut Vec<u8>) {
        let id = self.0.namer.id(secret).to_string();
        out.extend_from_slice(b"[key:");
        out.extend_from_slice(&id.as_bytes()[..8]);
        if secret.len() >= TAIL_FROM {
            crate::key::write_tail(secret, out);
        }
        out.push(b']');
    }

    /// Where the secrets are, in order and without overlap.
    fn secrets(&self, text: &[u8]) -> Vec<Range<usize>> {
        let rules = &*self.0;
        let mut found: Vec<Range<usize>> = Vec::new();
        let mut tried = Vec::new();
        for literal in rules.prefixes.find_overlapping_iter(text) {
            let owner = rules.owners[literal.pattern().as_usize()];
            if !tried.contains(&owner) {
                tried.push(owner);
                found.extend(matches(&rules.patterns[owner], text));
            }
        }
        found.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
        found.dedup_by(|next, kept| {
            let overlaps = next.start < kept.end;
            if overlaps {
                kept.end = kept.end.max(next.end);
            }
            overlaps
        });
        found
    }
}

/// Words of a part of `text` that look like base64: long, with capitals, small letters and digits, as no word,
/// identifier or hash is.
fn random_words(text: &[u8], part: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let is_part =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-');
    let mut at = part.start;
    let words = text[part].split(move |byte| !is_part(byte)).map(move |word| {
        let start = at;
        at += word.len() + 1;
        start..start + word.len()
    });
    words.filter(|range| {
        let word = &text[range.clone()];
        let has = |test: fn(&u8) -> bool| word.iter().any(test);
        word.len() >= 40
            && has(u8::is_ascii_uppercase)
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_digit)
    })
}

fn matches((pattern, compiled): &(Pattern, OnceLock<Option<Regex>>), text: &[u8]) -> Vec<Range<usize>> {
    let Some(regex) = compiled.get_or_init(|| Regex::new(&pattern.regex).ok()) else { return Vec::new() };
    let narrow =
        |found: regex::bytes::Captures<'_>| found.name("secret").or_else(|| found.get(0)).map(|m| m.range());
    let is_secret = |range: &Range<usize>| !range.is_empty() && !is_replacement(&text[range.clone()]);
    regex.captures_iter(text).filter_map(narrow).filter(is_secret).collect()
}

/// True for what stands in the place of a secret: `[key:0123abcd]` or `[key:0123abcd...wxyz]`.
fn is_replacement(text: &[u8]) -> bool {
    let inside = text.strip_prefix(b"[key:").and_then(|rest| rest.strip_suffix(b"]"));
    inside.and_then(|inside| inside.split_at_checked(8)).is_some_and(|(id, tail)| {
        let shown = tail.strip_prefix(b"...").and_then(|tail| std::str::from_utf8(tail).ok());
        id.iter().all(u8::is_ascii_hexdigit)
            && (tail.is_empty() || shown.is_some_and(|shown| shown.chars().count() <= 4))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        Redactor::new(parse_patterns(BUILTIN).unwrap(), KeyNamer::new("")).unwrap()
    }

    #[test]
    fn patterns_find_their_examples_and_nothing_else() {
        let redactor = redactor();
        redactor.check().unwrap();
        let patterns = parse_patterns(BUILTIN).unwrap();
        for pattern in &patterns {
            assert!(!pattern.examples.is_empty(), "{}: an example", pattern.name);
            for example in &pattern.examples {
                let regex = Regex::new(&pattern.regex).unwrap();
                assert!(regex.is_match(example.as_bytes()), "{}: {example}", pattern.name);
                let clean = redactor.clean(format!("before {example} after").as_bytes());
                assert!(clean.contains("[key:") && clean.contains("before "), "{}: {clean}", pattern.name);
                let secret =
                    regex.captures(example.as_bytes()).map(|c| c.name("secret").unwrap_or(c.get(0).unwrap()));
                let secret = std::str::from_utf8(secret.unwrap().as_bytes()).unwrap();
                assert!(!clean.contains(secret), "{}: {clean}", pattern.name);
            }
            for counter in &pattern.counter_examples {
                assert_eq!(redactor.clean(counter.as_bytes()), *counter, "{}", pattern.name);
            }
        }
        let mut names: Vec<_> = patterns.iter().map(|pattern| &pattern.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), patterns.len(), "names are unique");
    }

    #[test]
    fn a_line_of_a_key_file_is_no_text_to_show() {
        let stray = |text: &str| redactor().clean_stray_part(text.as_bytes(), 0..text.len(), usize::MAX);
        let line = "MIIEvQexampleexampleexampleexampleexample0EXAMPLE/example+exampl";
        assert_eq!(stray(line), format!("[{} characters]", line.len()));
        for harmless in [
            "request 0b5c1c52-7a3b-4c1e-9d2f-0123456789ab failed at /v1/chat/completions",
            "9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f",
            "session opened for user root(uid=0)",
        ] {
            assert_eq!(stray(harmless), harmless);
        }
    }

    #[test]
    fn a_secret_that_is_partly_shown_is_hidden_whole() {
        let key = "sk-proj-EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0";
        let text = format!("before {key} after");
        let shown = |range| redactor().clean_stray_part(text.as_bytes(), range, 200);
        assert!(shown(0..20).starts_with("before [key:"), "{}", shown(0..20));
        assert!(
            shown(30..40).starts_with("[key:") && !shown(30..40).contains("EXAMPLE0E"),
            "{}",
            shown(30..40)
        );
        assert_eq!((shown(0..4), shown(text.len() - 3..text.len())), ("befo".to_owned(), "ter".to_owned()));
        let word = format!("{{{}aB1}}", "aB1".repeat(20));
        assert_eq!(redactor().clean_stray_part(word.as_bytes(), 10..30, 200), "[63 characters]");
    }

    #[test]
    fn what_is_clean_stays_as_it_is() {
        let redactor = redactor();
        for text in [
            "https://user:hunter2pw@example.org/v1",
            "://:x@",
            "password=\"hunter2pw\" sk-example0example0example0",
        ] {
            let clean = redactor.clean(text.as_bytes());
            assert!(!redactor.finds(clean.as_bytes()), "{clean}");
            assert_eq!(redactor.clean(clean.as_bytes()), clean);
        }
        // A hash in a key field is let through; cut off it would look like a key.
        let hash = format!("api_key={}", "0123456789abcdef".repeat(4));
        assert_eq!(redactor.clean(hash.as_bytes()), hash);
        assert!(redactor.clean_part(hash.as_bytes(), 0..40, 40).starts_with("api_key=[key:"));
    }

    #[test]
    fn short_secrets_show_nothing_of_themselves() {
        let clean = redactor().clean(b"https://user:hunter2pw@example.org/v1");
        assert!(!clean.contains("hunter2pw") && !clean.contains("r2pw"), "{clean}");
        assert!(clean.starts_with("https://user:[key:"), "{clean}");
    }
}
