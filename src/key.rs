//! `KeyId`: an API key by fingerprint. The key itself never gets past this file.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// The fingerprint of an API key: 128 bits of a keyed BLAKE3 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct KeyId(pub [u8; 16]);

impl KeyId {
    /// The fingerprint with these digits, as it is shown.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        let mut id = [0; 16];
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.len() != id.len() || !rest.is_empty() {
            return None;
        }
        for (byte, pair) in id.iter_mut().zip(pairs) {
            let digit =
                |at: usize| char::from(pair[at]).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            *byte = digit(0)? << 4 | digit(1)?;
        }
        Some(Self(id))
    }

    /// The first eight bytes as a number, evenly spread: picks shards and table slots.
    pub fn spread(self) -> u64 {
        leading_u64(&self.0)
    }

    /// Which of `of` shards owns the key. Sixteen bits of the fingerprint decide, those that [`KeyId::mark`] shows.
    pub fn shard(self, of: u64) -> u64 {
        shard_of_mark(self.mark(), of)
    }

    /// The bits of the fingerprint that decide who owns the key.
    pub fn mark(self) -> u16 {
        u16::from_le_bytes([self.0[0], self.0[1]])
    }
}

/// Which of `of` shards owns the keys with this [`KeyId::mark`].
pub fn shard_of_mark(mark: u16, of: u64) -> u64 {
    u64::from(mark) % of.max(1)
}

impl fmt::Display for KeyId {
    /// Thirty-two hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Longest text that a key field may show as it stands, where it is an identifier and no secret.
const IDENTIFIER_MAX: usize = 64;
/// Shorter texts are abbreviations or names; the keys of all providers we know are longer.
const SHORTEST_SECRET: usize = 17;

/// What the text in a key field is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// A masked key, a provider's key identifier or a short name: may be shown.
    Identifier,
    /// The SHA-256 of a key in hexadecimal, as LiteLLM writes it.
    Hash,
    /// A full key, or something that may be one.
    Secret,
}

/// Turns the text of a key field into a fingerprint and a display hint.
#[derive(Clone, Debug)]
pub struct KeyNamer {
    salt: [u8; 32],
}

impl KeyNamer {
    /// Fingerprints that cannot be linked to those of an installation with another salt.
    pub fn new(salt: &str) -> Self {
        Self { salt: blake3::derive_key("keyhound 2026-11-22 key fingerprint", salt.as_bytes()) }
    }

    /// The fingerprint of a key as its log names it.
    ///
    /// A full key is fingerprinted by its SHA-256 in hexadecimal, so that it meets the hash that LiteLLM
    /// writes for the same key.
    pub fn id(&self, text: &[u8]) -> KeyId {
        match kind(text) {
            Kind::Identifier => self.fingerprint(text),
            Kind::Hash => self.fingerprint(&text.to_ascii_lowercase()),
            Kind::Secret => self.fingerprint(hex(&Sha256::digest(text)).as_bytes()),
        }
    }

    fn fingerprint(&self, text: &[u8]) -> KeyId {
        let hash = blake3::keyed_hash(&self.salt, text);
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_bytes()[..16]);
        KeyId(id)
    }
}

/// True where the text of a key field may be a full key, which must be kept nowhere, not even in a cache.
pub fn may_be_secret(text: &[u8]) -> bool {
    kind(text) == Kind::Secret
}

/// Appends what may be shown of a key: identifiers as they stand, of everything else the last four characters.
pub fn write_hint(text: &[u8], out: &mut Vec<u8>) {
    if kind(text) == Kind::Identifier {
        out.extend_from_slice(text);
        return;
    }
    write_tail(text, out);
}

/// Appends `...` and the last four characters: what people use to tell their keys apart.
pub fn write_tail(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"...");
    if let Some(tail) = text.last_chunk::<4>()
        && tail.is_ascii()
    {
        return out.extend_from_slice(tail);
    }
    let shown = String::from_utf8_lossy(text);
    let start = shown.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
    out.extend_from_slice(shown[start..].as_bytes());
}

fn kind(text: &[u8]) -> Kind {
    if text.len() == 64 && text.iter().all(u8::is_ascii_hexdigit) {
        return Kind::Hash;
    }
    let masked = || {
        memchr::memchr3_iter(b'.', b'*', 0xe2, text).any(|at| {
            let rest = &text[at..];
            rest[0] == b'*' || rest.starts_with(b"...") || rest.starts_with("…".as_bytes())
        })
    };
    // What names keys in the administration interfaces of OpenAI and Anthropic, what stands for all keys of a project or a
    // workspace, and what canary prompts are called.
    let named = || {
        [&b"key_"[..], b"apikey_", b"proj_", b"wrkspc_", b"probe:"]
            .iter()
            .any(|start| text.starts_with(start))
    };
    if text.len() < SHORTEST_SECRET
        || (text.len() <= IDENTIFIER_MAX && (masked() || named() || is_email(text)))
    {
        Kind::Identifier
    } else {
        Kind::Secret
    }
}

/// Whether a text is the address of a person, whom audit logs name where there is no key. No key has an `@` in it.
fn is_email(text: &[u8]) -> bool {
    let is_usual = |byte: &u8| byte.is_ascii_alphanumeric() || b"@._+-".contains(byte);
    let mut halves = text.split(|&byte| byte == b'@');
    let (name, host, more) = (halves.next(), halves.next(), halves.next());
    text.iter().all(is_usual)
        && name.is_some_and(|name| !name.is_empty())
        && host.is_some_and(|host| host.contains(&b'.'))
        && more.is_none()
}

/// The first eight bytes of a hash as a number; zero for less.
pub(crate) fn leading_u64(hash: &[u8]) -> u64 {
    hash.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).map(|digit| DIGITS[usize::from(digit)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(text: &str) -> String {
        let mut out = Vec::new();
        write_hint(text.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_identifiers_are_shown_whole() {
        let hash = "9f".repeat(32);
        for (text, shown) in [
            ("...18b8", "...18b8"),
            ("sk-proj-****3f9c", "sk-proj-****3f9c"),
            ("sk-…3f9c", "sk-…3f9c"),
            ("prod-gateway", "prod-gateway"),
            ("key_0000EXAMPLE0000", "key_0000EXAMPLE0000"),
            ("proj_0000EXAMPLE0000", "proj_0000EXAMPLE0000"),
            ("wrkspc_0000EXAMPLE0000", "wrkspc_0000EXAMPLE0000"),
            ("probe:a-rather-long-name-of-one", "probe:a-rather-long-name-of-one"),
            ("ada.lovelace@example.com", "ada.lovelace@example.com"),
            ("ada:EXAMPLEEXAMPLE@example.com", "....com"),
            ("EXAMPLEEXAMPLEEXAMPLE@host", "...host"),
            ("@EXAMPLEEXAMPLEEXAMPLE.com", "....com"),
            ("a@EXAMPLEEXAMPLE@example.com", "....com"),
            ("sk-EXAMPLEEXAMPLEEXAMPLE3f9c", "...3f9c"),
            (hash.as_str(), "...9f9f"),
            ("ключ-секретный-очень", "...чень"),
        ] {
            assert_eq!(hint(text), shown, "{text}");
        }
        let long = format!("key_{}", "a".repeat(80));
        assert_eq!(hint(&long), "...aaaa");
        let starred = format!("*{}", "b".repeat(80));
        assert_eq!(hint(&starred), "...bbbb");
    }

    #[test]
    fn a_key_and_its_litellm_hash_are_one_key() {
        let namer = KeyNamer::new("");
        let key = "sk-EXAMPLEEXAMPLEEXAMPLE3f9c";
        let hash = hex(&Sha256::digest(key.as_bytes()));
        assert_eq!(namer.id(key.as_bytes()), namer.id(hash.as_bytes()));
        assert_eq!(namer.id(key.as_bytes()), namer.id(hash.to_uppercase().as_bytes()));
        assert_ne!(namer.id(key.as_bytes()), namer.id(b"...3f9c"));
        assert_ne!(namer.id(key.as_bytes()), KeyNamer::new("another").id(key.as_bytes()));
    }
}
