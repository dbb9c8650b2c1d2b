//! Finds keys in bytes: one pass over all literals that keys begin with, then the pattern of whose literal it was, on the
//! line around it and nowhere else; then what is said in other forms (`forms`).

use super::forms::{self, Form};
use super::judge::{Confidence, Verdict, judge};
use super::kinds::{self, KindError, Kinds};
use crate::encode::is_invisible;
use crate::key::{KeyId, KeyNamer, write_tail};
use crate::normalise::redact::{BUILTIN, Pattern, PatternError, parse_patterns};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::bytes::Regex;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;
use thiserror::Error;

/// A pattern reaches so far to the left of its literal.
const BEFORE_MAX: usize = 256;
/// And so far to the right: the longest keys are tokens with claims in them.
const AFTER_MAX: usize = 4096;
/// Private keys have many lines.
const PRIVATE_KEY_MAX: usize = 16 << 10;
/// Secrets shorter than this show no last four characters: they would be too much of it.
const TAIL_FROM: usize = 20;
/// So many bytes in front of what was encoded may look like text by chance.
const LOOSE_MAX: usize = 8;
/// So many encodings around a secret are seen through: base64 in a URL is two.
const LAYERS_MAX: usize = 2;
/// Words that are no longer than this may be the key of a fingerprint.
const WORD_MAX: usize = 512;
/// And no shorter.
const WORD_MIN: usize = 16;

/// What is looked for.
pub enum Query {
    /// Whatever has the form of a key.
    Patterns,
    /// Keys, by what they are.
    Keys(Vec<Vec<u8>>),
    /// Keys, by their fingerprints.
    Ids(Vec<KeyId>),
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Patterns => f.write_str("Patterns"),
            Self::Keys(keys) => write!(f, "Keys({})", keys.len()),
            Self::Ids(ids) => f.debug_tuple("Ids").field(ids).finish(),
        }
    }
}

/// Patterns that cannot be used.
#[derive(Debug, Error)]
pub enum MatcherError {
    /// Patterns.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// Types.
    #[error(transparent)]
    Kind(#[from] KindError),
    /// Literals.
    #[error("key patterns: {0}")]
    Literals(#[from] aho_corasick::BuildError),
}

/// A key that was found; not the key itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hit {
    /// Where it begins.
    pub at: usize,
    /// Where it ends.
    pub end: usize,
    /// In which form.
    pub form: Form,
    /// By which pattern; none if it was asked for and has no pattern.
    pub pattern: Option<usize>,
    /// Its type.
    pub kind: usize,
    /// Its fingerprint.
    pub id: KeyId,
    /// Its last four characters, if it is long.
    pub hint: String,
    /// How sure it is, and why.
    pub verdict: Verdict,
}

struct Rule {
    pattern: Pattern,
    regex: OnceLock<Option<Regex>>,
    after: usize,
}

/// Whose literal it is.
#[derive(Clone, Copy)]
enum Owner {
    Rule(usize),
    /// A key that was asked for.
    Key,
}

/// Finds keys.
pub struct Matcher {
    query: Query,
    namer: KeyNamer,
    kinds: Kinds,
    rules: Vec<Rule>,
    literals: AhoCorasick,
    owners: Vec<Owner>,
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Matcher({:?})", self.query)
    }
}

/// Something that was found, before it is known what it is.
struct Candidate {
    range: Range<usize>,
    owner: Owner,
}

impl Matcher {
    /// Looks for `query`; fingerprints are those of `namer`.
    pub fn new(query: Query, namer: KeyNamer) -> Result<Self, MatcherError> {
        let patterns = parse_patterns(BUILTIN)?;
        let kinds = Kinds::new(kinds::BUILTIN, &patterns)?;
        let mut owners = Vec::new();
        let mut texts: Vec<&[u8]> = Vec::new();
        if let Query::Keys(keys) = &query {
            for key in keys {
                owners.push(Owner::Key);
                texts.push(key);
            }
        } else {
            for (at, pattern) in patterns.iter().enumerate() {
                for prefix in &pattern.prefix {
                    owners.push(Owner::Rule(at));
                    texts.push(prefix.as_bytes());
                }
            }
        }
        let literals = AhoCorasick::builder()
            .ascii_case_insensitive(matches!(query, Query::Patterns | Query::Ids(_)))
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(texts)?;
        let rule = |pattern: Pattern| {
            let after = if pattern.name == "private_key" { PRIVATE_KEY_MAX } else { AFTER_MAX };
            Rule { pattern, regex: OnceLock::new(), after }
        };
        let rules = patterns.into_iter().map(rule).collect();
        Ok(Self { query, namer, kinds, rules, literals, owners })
    }

    /// The types of secrets.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// A pattern by its number.
    pub fn pattern(&self, number: usize) -> &Pattern {
        &self.rules[number].pattern
    }

    /// True if all patterns are looked for.
    pub fn is_open(&self) -> bool {
        matches!(self.query, Query::Patterns)
    }

    /// Whatever is found in a text, in order.
    pub fn search(&self, text: &[u8]) -> Vec<Hit> {
        let mut hits = Vec::new();
        self.plain(text, Form::Plain, false, &|range| range, &mut hits);
        self.split(text, &mut hits);
        forms::wide(text, &mut |view, place| self.plain(view, Form::Utf16, false, place, &mut hits));
        self.encoded(text, LAYERS_MAX, &|range| range, &mut hits);
        self.settle(hits)
    }

    /// A text without the keys that were asked for.
    pub fn conceal(&self, text: &str) -> String {
        let mut hits = Vec::new();
        if !self.is_open() {
            self.plain(text.as_bytes(), Form::Plain, false, &|range| range, &mut hits);
        }
        let mut out = text.as_bytes().to_vec();
        for hit in self.settle(hits).into_iter().rev() {
            out.splice(hit.at..hit.end, *b"[key]");
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    /// What is found where a program puts strings together. The first piece of a key may look like one by itself.
    fn split(&self, text: &[u8], hits: &mut Vec<Hit>) {
        let (mut found, mut whole) = (Vec::new(), Vec::new());
        forms::split(text, &mut |view, place, cuts| {
            let mut joined = Vec::new();
            self.plain(view, Form::Split, false, place, &mut joined);
            joined.retain(|hit| {
                let after = cuts.partition_point(|cut| cut.start <= hit.at);
                cuts.get(after).is_some_and(|cut| cut.end < hit.end)
            });
            found.append(&mut joined);
        });
        hits.sort_by_key(|hit| hit.at);
        let mut pieces = std::collections::BTreeSet::new();
        for split in found {
            let first = hits.partition_point(|hit| hit.at + PRIVATE_KEY_MAX < split.at);
            let near = (first..hits.len()).take_while(|at| hits[*at].at < split.end);
            let mine: Vec<usize> = near.filter(|at| split.at < hits[*at].end).collect();
            let sure = mine.iter().filter(|at| hits[**at].verdict.confidence > Confidence::Low);
            // Two keys that stand one behind the other are two.
            let ids: std::collections::BTreeSet<KeyId> = sure.map(|at| hits[*at].id).collect();
            if ids.len() < 2 {
                let less = |at: &usize| hits[*at].verdict.confidence <= split.verdict.confidence;
                pieces.extend(mine.into_iter().filter(less));
                whole.push(split);
            }
        }
        let mut at = 0..hits.len();
        hits.retain(|_| at.next().is_some_and(|at| !pieces.contains(&at)));
        hits.append(&mut whole);
    }

    /// What is found in the parts of a text that are encoded.
    fn encoded(
        &self,
        text: &[u8],
        layers: usize,
        place: &dyn Fn(Range<usize>) -> Range<usize>,
        hits: &mut Vec<Hit>,
    ) {
        forms::encoded(text, &mut |view| {
            let inner = |range: Range<usize>| place(view.place(&range));
            self.plain(&view.bytes, Form::Encoded, view.begins_loosely, &inner, hits);
            if layers > 1 {
                self.encoded(&view.bytes, layers - 1, &inner, hits);
            }
        });
    }

    /// What is found in a text as it stands.
    fn plain(
        &self,
        text: &[u8],
        form: Form,
        loose: bool,
        place: &dyn Fn(Range<usize>) -> Range<usize>,
        hits: &mut Vec<Hit>,
    ) {
        let mut candidates = Vec::new();
        self.candidates(text, loose, &mut candidates);
        for Candidate { range, owner } in candidates {
            hits.extend(self.hit(text, &range, owner, form).map(|mut hit| {
                let there = place(range);
                (hit.at, hit.end) = (there.start, there.end);
                hit
            }));
        }
        if let Query::Ids(ids) = &self.query {
            words(text, &mut |range| {
                let id = self.namer.id(&text[range.clone()]);
                if ids.contains(&id) {
                    hits.push(self.asked(&text[range.clone()], id, place(range), form));
                }
            });
        }
    }

    fn candidates(&self, text: &[u8], loose: bool, found: &mut Vec<Candidate>) {
        // How far each pattern has looked already.
        let mut looked = [0_usize; PATTERNS_MAX];
        for literal in self.literals.find_overlapping_iter(text) {
            let owner = self.owners[literal.pattern().as_usize()];
            let at = match owner {
                Owner::Key => {
                    found.push(Candidate { range: literal.range(), owner });
                    continue;
                }
                Owner::Rule(at) => at,
            };
            let rule = &self.rules[at];
            let Some(regex) = rule.regex.get_or_init(|| Regex::new(&rule.pattern.regex).ok()) else {
                continue;
            };
            let is_loose = loose && (1..=LOOSE_MAX).contains(&literal.start());
            if is_loose {
                collect(
                    regex,
                    text,
                    literal.start()..text.len().min(literal.end() + rule.after),
                    owner,
                    true,
                    found,
                );
            }
            let done = looked.get(at).copied().unwrap_or(0);
            if literal.start() < done {
                continue;
            }
            let window = window(text, literal.range(), rule.after);
            let end = collect(regex, text, window.clone(), owner, false, found);
            if let Some(looked) = looked.get_mut(at) {
                // What begins in the second half may go on behind it, unless a line ends there.
                let sure =
                    if is_cut(text, &window) { literal.end() + window.end } else { 2 * window.end } / 2;
                *looked = end.max(literal.end()).max(sure);
            }
        }
    }

    fn hit(&self, text: &[u8], range: &Range<usize>, owner: Owner, form: Form) -> Option<Hit> {
        let secret = &text[range.clone()];
        let id = self.namer.id(secret);
        let at = match (owner, &self.query) {
            (Owner::Key, _) => return Some(self.asked(secret, id, range.clone(), form)),
            (Owner::Rule(_), Query::Ids(ids)) if ids.contains(&id) => {
                return Some(self.asked(secret, id, range.clone(), form));
            }
            (Owner::Rule(at), Query::Patterns) => at,
            _ => return None,
        };
        let verdict = judge(self.pattern(at), secret, line(text, range));
        let kind = self.kinds.classify(at, secret);
        Some(Hit {
            at: range.start,
            end: range.end,
            form,
            pattern: Some(at),
            kind,
            id,
            hint: hint(secret),
            verdict,
        })
    }

    /// A key that was asked for.
    fn asked(&self, secret: &[u8], id: KeyId, range: Range<usize>, form: Form) -> Hit {
        let matches = |rule: &Rule| {
            let regex = rule.regex.get_or_init(|| Regex::new(&rule.pattern.regex).ok()).as_ref()?;
            let captures = regex.captures(secret)?;
            let found = captures.name("secret").or_else(|| captures.get(0))?;
            (found.range() == (0..secret.len())).then_some(())
        };
        let pattern = self.rules.iter().position(|rule| matches(rule).is_some());
        let unknown =
            self.rules.iter().position(|rule| rule.pattern.name == "api_key_assignment").unwrap_or(0);
        let kind = self.kinds.classify(pattern.unwrap_or(unknown), secret);
        let verdict = Verdict { confidence: Confidence::Certain, why: "is the key that was asked for" };
        Hit { at: range.start, end: range.end, form, pattern, kind, id, hint: hint(secret), verdict }
    }

    /// Of hits that overlap only the one that says most.
    fn settle(&self, mut hits: Vec<Hit>) -> Vec<Hit> {
        let rank = |hit: &Hit| {
            let general = hit.pattern.is_some_and(|at| self.pattern(at).provider == "any");
            let rank = match (hit.verdict.confidence, general, hit.form) {
                (Confidence::Certain, ..) => 0,
                (_, false, Form::Plain) => 1,
                (_, false, _) => 2,
                (_, true, Form::Plain) => 3,
                (_, true, _) => 4,
            };
            (rank, hit.pattern, hit.at, hit.end)
        };
        hits.sort_by_key(rank);
        let mut kept: std::collections::BTreeMap<usize, Hit> = std::collections::BTreeMap::new();
        for hit in hits {
            let before = kept.range(..hit.end).next_back();
            if before.is_none_or(|(_, other)| other.end <= hit.at) {
                kept.insert(hit.at, hit);
            }
        }
        kept.into_values().collect()
    }
}

/// More patterns than there are.
const PATTERNS_MAX: usize = 160;

/// The line around a literal, so much of it as a pattern can reach; two lines, for what begins behind a colon.
fn window(text: &[u8], literal: Range<usize>, after: usize) -> Range<usize> {
    let first = literal.start.saturating_sub(BEFORE_MAX);
    let start = memchr::memrchr(b'\n', &text[first..literal.start]).map_or(first, |at| first + at + 1);
    let last = text.len().min(literal.end + after);
    if after == PRIVATE_KEY_MAX {
        return start..last;
    }
    let end = memchr::memchr_iter(b'\n', &text[literal.end..last]).nth(1).map_or(last, |at| literal.end + at);
    start..end
}

/// Whether a window ends in the middle of a line.
fn is_cut(text: &[u8], window: &Range<usize>) -> bool {
    text.get(window.end).is_some_and(|byte| *byte != b'\n')
}

/// Adds what a pattern matches in a part of a text, and says where the last of it ends.
fn collect(
    regex: &Regex,
    text: &[u8],
    window: Range<usize>,
    owner: Owner,
    loose: bool,
    found: &mut Vec<Candidate>,
) -> usize {
    let mut done = 0;
    for captures in regex.captures_iter(&text[window.clone()]) {
        let (Some(whole), Some(secret)) =
            (captures.get(0), captures.name("secret").or_else(|| captures.get(0)))
        else {
            continue;
        };
        // Where the window begins is no boundary.
        let cut = whole.start() == 0 && window.start > 0 && text[window.start - 1] != b'\n';
        // What ends with it may go on, and is found whole from its own literal on.
        let goes_on = whole.end() == window.len() && whole.start() > BEFORE_MAX && is_cut(text, &window);
        if secret.is_empty() || goes_on || (cut && !loose) {
            continue;
        }
        done = window.start + whole.end();
        found.push(Candidate { range: window.start + secret.start()..window.start + secret.end(), owner });
    }
    done
}

/// The words of a text that are as long as keys are, as they stand and without what joins them.
fn words(text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
    let narrow = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let wide = |byte: u8| narrow(byte) || b"+/=.~:".contains(&byte);
    let mut start = 0;
    for end in 0..=text.len() {
        if end < text.len() && wide(text[end]) {
            continue;
        }
        let word = start..end;
        start = end + 1;
        if word.len() < WORD_MIN {
            continue;
        }
        if word.len() <= WORD_MAX {
            found(word.clone());
        }
        let mut from = word.start;
        for part in text[word.clone()].split(|byte| !narrow(*byte)) {
            let range = from..from + part.len();
            from = range.end + 1;
            if (WORD_MIN..=WORD_MAX).contains(&range.len()) && range != word {
                found(range);
            }
        }
    }
}

/// What stands around, on the same line and not too far away.
fn line<'a>(text: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    let first = range.start.saturating_sub(BEFORE_MAX);
    let start = memchr::memrchr(b'\n', &text[first..range.start]).map_or(first, |at| first + at + 1);
    let last = text.len().min(range.end + BEFORE_MAX);
    let end = memchr::memchr(b'\n', &text[range.end..last]).map_or(last, |at| range.end + at);
    &text[start..end]
}

fn hint(secret: &[u8]) -> String {
    let mut out = Vec::new();
    if secret.len() >= TAIL_FROM {
        write_tail(secret, &mut out);
    } else {
        out.extend_from_slice(b"...");
    }
    // A password may have characters in it that a terminal would obey.
    String::from_utf8_lossy(&out).chars().map(|c| if is_invisible(c) { '?' } else { c }).collect()
}
