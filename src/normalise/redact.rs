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

    /// Appends `text` with each secret replaced by its fingerprint and, if it is long, its last four characters.
    pub fn write_clean(&self, text: &[u8], out: &mut Vec<u8>) {
        let mut done = 0;
        for secret in self.secrets(text) {
            out.extend_from_slice(&text[done..secret.start]);
            self.write_replacement(&text[secret.clone()], out);
            done = secret.end;
        }
        out.extend_from_slice(&text[done..]);
    }

    /// `text` cleaned, as a `String`; bytes that are no UTF-8 become U+FFFD.
    pub fn clean(&self, text: &[u8]) -> String {
        let mut out = Vec::with_capacity(text.len());
        self.write_clean(text, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// `text` cleaned as [`Redactor::clean`] does, and of whatever else might be a secret: text that was no record
    /// may be a line of a key file, whose first line alone says what it is.
    pub fn clean_stray(&self, text: &[u8]) -> String {
        self.clean_part(text, 0..text.len())
    }

    /// The part `shown` of `text`, cleaned as [`Redactor::clean_stray`] does. What stands around it decides what is
    /// a secret: half of one matches no pattern.
    pub fn clean_part(&self, text: &[u8], shown: Range<usize>) -> String {
        let mut out = Vec::with_capacity(shown.len());
        let mut done = shown.start;
        let secrets = self.secrets(text);
        let mut hide = |range: Range<usize>, replace: &dyn Fn(&[u8], &mut Vec<u8>)| {
            if range.start < shown.end && range.end > shown.start {
                out.extend_from_slice(text.get(done..range.start).unwrap_or_default());
                replace(&text[range.clone()], &mut out);
                done = range.end;
            }
        };
        let mut from = 0;
        for secret in secrets.into_iter().chain(std::iter::once(text.len()..text.len())) {
            for word in random_words(text, from..secret.start) {
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
    regex.captures_iter(text).filter_map(narrow).filter(|range| !range.is_empty()).collect()
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
        let line = "MIIEvQexampleexampleexampleexampleexample0EXAMPLE/example+exampl";
        assert_eq!(redactor().clean_stray(line.as_bytes()), format!("[{} characters]", line.len()));
        for harmless in [
            "request 0b5c1c52-7a3b-4c1e-9d2f-0123456789ab failed at /v1/chat/completions",
            "9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f",
            "session opened for user root(uid=0)",
        ] {
            assert_eq!(redactor().clean_stray(harmless.as_bytes()), harmless);
        }
    }

    #[test]
    fn a_secret_that_is_partly_shown_is_hidden_whole() {
        let key = "sk-proj-EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0";
        let text = format!("before {key} after");
        let shown = |range| redactor().clean_part(text.as_bytes(), range);
        assert!(shown(0..20).starts_with("before [key:"), "{}", shown(0..20));
        assert!(
            shown(30..40).starts_with("[key:") && !shown(30..40).contains("EXAMPLE0E"),
            "{}",
            shown(30..40)
        );
        assert_eq!((shown(0..4), shown(text.len() - 3..text.len())), ("befo".to_owned(), "ter".to_owned()));
        let word = format!("{{{}aB1}}", "aB1".repeat(20));
        assert_eq!(redactor().clean_part(word.as_bytes(), 10..30), "[63 characters]");
    }

    #[test]
    fn short_secrets_show_nothing_of_themselves() {
        let clean = redactor().clean(b"https://user:hunter2pw@example.org/v1");
        assert!(!clean.contains("hunter2pw") && !clean.contains("r2pw"), "{clean}");
        assert!(clean.starts_with("https://user:[key:"), "{clean}");
    }
}
