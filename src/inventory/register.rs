//! Keys that are listed, by every name that records may have for them.

use super::list::{Listed, Lists, Teller};
use super::row::is_mask;
use crate::key::{KeyId, KeyNamer};
use ahash::RandomState;
use hashbrown::HashMap;

/// Fewest characters of a key's end by which it is known.
const TAIL_MIN: usize = 4;

/// How names begin that say whose key it is.
const BEGINNINGS: [(&str, Teller); 6] = [
    ("apikey_", Teller::Anthropic),
    ("sk-ant-", Teller::Anthropic),
    ("sk-or-", Teller::OpenRouter),
    ("key_", Teller::OpenAi),
    ("sk-proj-", Teller::OpenAi),
    ("sk-svcacct-", Teller::OpenAi),
];

/// Names of keys that are listed.
#[derive(Clone, Debug, Default)]
pub struct Register {
    keys: Vec<Listed>,
    by_id: HashMap<KeyId, u32, RandomState>,
    /// By the ends of masks, so that few have to be compared.
    by_tail: HashMap<Box<str>, Vec<u32>, RandomState>,
}

/// Which listed key it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// This one, by its number.
    Key(usize),
    /// One of several of which the same is left.
    OneOf(Vec<usize>),
    /// None.
    Nothing,
}

impl Register {
    /// Of all keys of some lists, which are settled.
    pub fn new(lists: Lists, namer: &KeyNamer) -> Self {
        let mut register = Self::default();
        for (key, number) in lists.keys.iter().zip(0..) {
            // A mask is what some logs hold: they name the key by it. Hashes are written in either case.
            for name in key.ids.iter().chain(&key.masks) {
                for name in [name.clone(), name.to_ascii_lowercase()] {
                    register.by_id.entry(namer.id(name.as_bytes())).or_insert(number);
                }
            }
            for tail in key.masks.iter().filter_map(|mask| tail(mask)) {
                register.by_tail.entry(tail.into()).or_default().push(number);
            }
        }
        register.keys = lists.keys;
        register
    }

    /// The keys, by their numbers.
    pub fn keys(&self) -> &[Listed] {
        &self.keys
    }

    /// The keys, by their numbers.
    pub fn into_keys(self) -> Vec<Listed> {
        self.keys
    }

    /// The key of this fingerprint, or of which the same is left as of what is shown.
    pub fn find(&self, id: KeyId, shown: &str) -> Found {
        if let Some(number) = self.by_id.get(&id) {
            return Found::Key(*number as usize);
        }
        let Some(tail) = tail(shown).filter(|_| is_mask(shown)) else { return Found::Nothing };
        let agrees = |number: &&u32| {
            let masks = &self.keys[**number as usize].masks;
            masks.iter().any(|mask| heads_agree(head(shown), head(mask)))
        };
        let mut found: Vec<usize> = self
            .by_tail
            .get(tail)
            .into_iter()
            .flatten()
            .filter(agrees)
            .map(|number| *number as usize)
            .collect();
        found.dedup();
        match found.as_slice() {
            [] => Found::Nothing,
            [number] => Found::Key(*number),
            _ => Found::OneOf(found),
        }
    }

    /// What its list calls a key; empty where none does.
    pub fn name(&self, id: KeyId, shown: &str) -> &str {
        match self.find(id, shown) {
            Found::Key(number) => &self.keys[number].name,
            _ => "",
        }
    }

    /// Whether a key that is used ought to be listed and is not. A name that says whose key it is counts only where a list
    /// of that provider was given.
    pub fn misses(&self, id: KeyId, shown: &str) -> bool {
        let has = |teller: Teller| {
            self.keys.iter().any(|key| matches!(key.teller, Teller::Own) || key.teller == teller)
        };
        let of = BEGINNINGS.iter().find(|(start, _)| shown.starts_with(start));
        !self.keys.is_empty()
            && !is_no_key(shown)
            && self.find(id, shown) == Found::Nothing
            && of.is_none_or(|(_, teller)| has(*teller))
    }
}

/// What stands for all keys of somebody, as formats name it, and for none.
pub fn is_no_key(shown: &str) -> bool {
    let stands_for_more = ["proj_", "wrkspc_", "user-", "user_", "org-", "org_"];
    shown.is_empty()
        || matches!(shown, "no-key" | "no-workspace" | "organization")
        || shown.contains('@')
        || stands_for_more.iter().any(|start| shown.starts_with(start))
}

/// The last four characters behind what was left out.
fn tail(mask: &str) -> Option<&str> {
    let end = mask.rfind(['.', '…', '*']).map_or(mask, |at| mask[at..].trim_start_matches(['.', '…', '*']));
    let start = end.char_indices().rev().nth(TAIL_MIN - 1).map(|(at, _)| at)?;
    Some(&end[start..])
}

fn head(mask: &str) -> &str {
    mask.find("...").or_else(|| mask.find(['…', '*'])).map_or(mask, |at| &mask[..at])
}

/// Of two beginnings of one key the shorter begins the longer.
fn heads_agree(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_compared_by_what_is_left_on_both_sides() {
        for (one, other, agree) in [
            ("...3f9c", "sk-abc...3f9c", true),
            ("sk-proj-****3f9c", "sk-...3f9c", true),
            ("sk-proj-****3f9c", "sk-ant...3f9c", false),
            ("...3f9c", "sk-abc...3f9d", false),
            ("sk-…xx3f9c", "sk-a***3f9c", true),
        ] {
            let found = tail(one) == tail(other) && heads_agree(head(one), head(other));
            assert_eq!(found, agree, "{one} {other}");
        }
        assert_eq!((tail("...9c"), tail("***")), (None, None));
    }

    #[test]
    fn a_key_is_missed_where_a_list_should_have_it() {
        let namer = KeyNamer::new("");
        let register = |text: &str| {
            let mut lists = Lists::default();
            lists.add_json(text.as_bytes()).map_err(|error| error.to_string()).unwrap();
            lists.settle();
            Register::new(lists, &namer)
        };
        let openai = register(
            r#"{"object":"organization.project.api_key","id":"key_a","redacted_value":"sk-a...3f9c","name":"search"}"#,
        );
        let misses = |shown: &str| openai.misses(namer.id(shown.as_bytes()), shown);
        for (shown, is) in [
            ("key_a", false),
            ("...3f9c", false),
            ("key_b", true),
            ("...9999", true),
            ("sk-proj-…9999", true),
            ("sk-ant-…9999", false),
            ("apikey_01", false),
            ("proj_a", false),
            ("no-key", false),
        ] {
            assert_eq!(misses(shown), is, "{shown}");
        }
        assert_eq!(openai.name(namer.id(b"...3f9c"), "...3f9c"), "search");
        assert!(!Register::default().misses(namer.id(b"key_b"), "key_b"));
    }
}
