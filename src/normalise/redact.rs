//! Finds secrets in text and replaces them before anybody else sees the text.
//!
//! Patterns are data (`config/key_patterns.toml`). A literal of each pattern must occur before its regular
//! expression is tried, so ordinary text costs one pass of a multi-string search. What is encoded in a text is
//! decoded and searched too (`encoded`).

pub(crate) mod encoded;
mod glance;

use crate::key::KeyNamer;
use aho_corasick::AhoCorasick;
use glance::Glance;
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
    /// Whether a text may hold one of the literals.
    glance: Glance,
    prefixes: AhoCorasick,
    /// Which pattern each literal belongs to.
    owners: Vec<usize>,
    patterns: Vec<(Pattern, OnceLock<Option<Regex>>)>,
}

/// Secrets shorter than this show no last four characters: they would be too much of it.
const TAIL_FROM: usize = 20;

/// How often a text is cleaned before nothing of it is shown. Two rounds are the most that was ever needed.
const ROUNDS_MAX: usize = 8;

/// So many encodings around a secret are seen through: base64 in a URL is two.
const LAYERS_MAX: usize = 2;

/// So many bytes in front of what was encoded may look like text by chance.
const LOOSE_MAX: usize = 8;

impl Redactor {
    /// A redactor for these patterns. Regular expressions are compiled when first needed; `check` compiles all.
    pub fn new(patterns: Vec<Pattern>, namer: KeyNamer) -> Result<Self, PatternError> {
        let literals =
            patterns.iter().enumerate().flat_map(|(at, p)| p.prefix.iter().map(move |text| (at, text)));
        let (owners, texts): (Vec<usize>, Vec<&String>) = literals.unzip();
        let glance = Glance::new(texts.iter().map(|text| text.as_bytes()));
        let prefixes = AhoCorasick::builder().ascii_case_insensitive(true).build(texts)?;
        let patterns = patterns.into_iter().map(|pattern| (pattern, OnceLock::new())).collect();
        Ok(Self(Arc::new(Rules { namer, glance, prefixes, owners, patterns })))
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
        let mut found: Vec<Range<usize>> = Vec::new();
        self.search(text, false, LAYERS_MAX, &mut |secret| found.push(secret));
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

    /// Hands over the secrets in a text, and those that can be read when up to `layers` encodings are taken off.
    fn search(&self, text: &[u8], begins_loosely: bool, layers: usize, found: &mut dyn FnMut(Range<usize>)) {
        self.search_plain(text, begins_loosely, found);
        if layers > 0 {
            encoded::views(text, &mut |view| {
                let mut inside = |secret| found(view.place(&secret));
                self.search(&view.bytes, view.begins_loosely, layers - 1, &mut inside);
            });
        }
    }

    fn search_plain(&self, text: &[u8], begins_loosely: bool, found: &mut dyn FnMut(Range<usize>)) {
        let rules = &*self.0;
        if !rules.glance.may_hold(text) {
            return;
        }
        let mut tried = Vec::new();
        for literal in rules.prefixes.find_overlapping_iter(text) {
            let owner = rules.owners[literal.pattern().as_usize()];
            let pattern = &rules.patterns[owner];
            if !tried.contains(&owner) {
                tried.push(owner);
                matches(pattern, text).into_iter().for_each(&mut *found);
            }
            let start = literal.start();
            if begins_loosely && start > 0 && start <= LOOSE_MAX {
                // What stands in front is no part of it, and no boundary either.
                for secret in matches(pattern, &text[start..]) {
                    found(start + secret.start..start + secret.end);
                }
            }
        }
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
mod tests;
