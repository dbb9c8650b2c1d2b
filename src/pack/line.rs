//! What of a line is hashed how, so that any part of it can be made unreadable and the hash stays.
//!
//! The value of each member of an object is hidden behind SHA-256(salt ‖ value), its *commitment*; the leaf of the line is
//! SHA-256(0 ‖ for each member SHA-256(name) ‖ commitment). A line that is no object, or has spaces between its members, is
//! one member with an empty name.

use super::tree::{Hash, sha256};
use super::{MEMBERS_MAX, hex, unhex};
use crate::frame::shape::Shape;

/// What keeps short values from being guessed.
pub(super) type Salt = [u8; 16];

/// A member: its name as written, with quotes, and its value as written.
pub(super) type Member<'l> = (&'l [u8], &'l [u8]);

/// The members of a line.
pub(super) fn members(line: &[u8]) -> Vec<Member<'_>> {
    object(line).unwrap_or_else(|| vec![(b"", line)])
}

/// The members of an object that are all of the line, to the byte.
fn object(line: &[u8]) -> Option<Vec<Member<'_>>> {
    if !line.starts_with(b"{\"") || std::str::from_utf8(line).is_err() {
        return None;
    }
    let shape = Shape::of(line, false).ok()?;
    let mut members = Vec::new();
    let mut at = 1;
    for (_, (_, value)) in shape.members() {
        let start = (value.as_ptr() as usize).checked_sub(line.as_ptr() as usize)?;
        // Its name is what stands between, but for the colon.
        let name = line.get(at..start)?.strip_suffix(b":")?;
        let is_name = name.len() >= 2 && name.starts_with(b"\"") && name.ends_with(b"\"");
        let end = start + value.len();
        let next = line.get(end)?;
        if !is_name || value.is_empty() || members.len() >= MEMBERS_MAX || !matches!(next, b',' | b'}') {
            return None;
        }
        members.push((name, value));
        at = end + 1;
    }
    (at == line.len() && line.ends_with(b"}")).then_some(members)
}

/// The salt of all of a line, of which those of its members are made.
pub(super) fn line_salt(secret: &Hash, entry: &str, number: u64) -> Salt {
    half(sha256(&[secret, entry.as_bytes(), &[0], &number.to_be_bytes()]))
}

/// The salt of one member.
pub(super) fn member_salt(line: &Salt, member: usize) -> Salt {
    half(sha256(&[line, &(member as u64).to_be_bytes()]))
}

fn half(hash: Hash) -> Salt {
    let mut salt = Salt::default();
    salt.copy_from_slice(&hash[..16]);
    salt
}

/// What stands for a value.
pub(super) fn commitment(salt: &Salt, value: &[u8]) -> Hash {
    sha256(&[salt, value])
}

/// The leaf of a line with these commitments.
pub(super) fn leaf<'m>(members: impl IntoIterator<Item = (&'m [u8], Hash)>) -> Hash {
    let mut all = vec![0];
    for (name, commitment) in members {
        all.extend_from_slice(&sha256(&[name]));
        all.extend_from_slice(&commitment);
    }
    sha256(&[&all])
}

/// How much of a line is told: a line of the file of proofs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Proof {
    /// All of it: the salt of the line.
    Whole(Salt),
    /// Some of its members: the salts of these, and of the others what stands for them.
    Parts(Vec<Result<Salt, Hash>>),
    /// Nothing: the leaf.
    Nothing(Hash),
}

impl Proof {
    /// As it is written.
    pub fn text(&self) -> String {
        match self {
            Self::Whole(salt) => format!("whole {}\n", hex(salt)),
            Self::Nothing(leaf) => format!("nothing {}\n", hex(leaf)),
            Self::Parts(parts) => {
                let part = |part: &Result<Salt, Hash>| match part {
                    Ok(salt) => hex(salt),
                    Err(hash) => format!("-{}", hex(hash)),
                };
                format!("parts {}\n", parts.iter().map(part).collect::<Vec<_>>().join(" "))
            }
        }
    }

    /// Reads what [`Proof::text`] writes, without its line feed.
    pub fn read(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(' ')?;
        match kind {
            "whole" => unhex(rest).map(Self::Whole),
            "nothing" => unhex(rest).map(Self::Nothing),
            "parts" => {
                let part = |part: &str| match part.strip_prefix('-') {
                    Some(hash) => unhex(hash).map(Err),
                    None => unhex(part).map(Ok),
                };
                rest.split(' ').map(part).collect::<Option<Vec<_>>>().map(Self::Parts)
            }
            _ => None,
        }
    }

    /// The leaf of a line, and how many of its members are unreadable; `None` where line and proof do not fit.
    pub fn leaf(&self, line: &[u8]) -> Option<(Hash, usize)> {
        match self {
            Self::Nothing(hash) => (line == placeholder(hash)).then_some((*hash, 1)),
            Self::Whole(salt) => {
                let members = members(line);
                let committed = |(at, (name, value))| {
                    let (name, value): Member<'_> = (name, value);
                    (name, commitment(&member_salt(salt, at), value))
                };
                Some((leaf(members.into_iter().enumerate().map(committed)), 0))
            }
            Self::Parts(parts) => {
                let members = object(line).filter(|members| members.len() == parts.len())?;
                let mut hidden = 0;
                let mut committed = Vec::with_capacity(parts.len());
                for ((name, value), part) in members.into_iter().zip(parts) {
                    committed.push((
                        name,
                        match part {
                            Ok(salt) => commitment(salt, value),
                            Err(hash) if value == placeholder(hash) => *hash,
                            Err(_) => return None,
                        },
                    ));
                    hidden += usize::from(part.is_err());
                }
                (hidden > 0).then(|| (leaf(committed), hidden))
            }
        }
    }
}

/// What stands where something was made unreadable.
pub(super) fn placeholder(hash: &Hash) -> Vec<u8> {
    format!("{{\"redacted\":\"{}\"}}", hex(hash)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_parted_to_the_byte_or_not_at_all() {
        let parted = |line: &str| members(line.as_bytes()).len();
        for (line, count) in [
            (r#"{"a":1,"b":{"c":[1, 2]},"a":"x,\"}"}"#, 3),
            (r#"{"a":1}"#, 1),
            (r#"{"a\"b":null,"c":true}"#, 2),
        ] {
            assert_eq!(parted(line), count, "{line}");
            let whole: Vec<String> = members(line.as_bytes())
                .iter()
                .map(|(name, value)| {
                    format!("{}:{}", std::str::from_utf8(name).unwrap(), std::str::from_utf8(value).unwrap())
                })
                .collect();
            assert_eq!(format!("{{{}}}", whole.join(",")), line);
        }
        for line in [
            r#"{ "a":1}"#,
            r#"{"a": 1}"#,
            r#"{"a":1 }"#,
            r#"{"a":1} "#,
            "{}",
            "",
            "text",
            "[1,2]",
            r#"{"a":1}{"b":2}"#,
            r#"{"a":1"#,
            "{\"a\":\"\u{0}\"}x",
        ] {
            let all = members(line.as_bytes());
            assert_eq!(all, vec![(&b""[..], line.as_bytes())], "{line}");
        }
    }

    #[test]
    fn what_is_made_unreadable_keeps_its_leaf() {
        let line = br#"{"a":1,"b":"secret","c":[3]}"#;
        let salt = [7; 16];
        let (whole, hidden) = Proof::Whole(salt).leaf(line).unwrap();
        assert_eq!(hidden, 0);
        let hash = commitment(&member_salt(&salt, 1), b"\"secret\"");
        let parts = Proof::Parts(vec![Ok(member_salt(&salt, 0)), Err(hash), Ok(member_salt(&salt, 2))]);
        let text = [br#"{"a":1,"b":"#, &placeholder(&hash)[..], br#","c":[3]}"#].concat();
        assert_eq!(parts.leaf(&text), Some((whole, 1)));
        assert_eq!(Proof::Nothing(whole).leaf(&placeholder(&whole)), Some((whole, 1)));
        let other = text.iter().map(|byte| if *byte == b'c' { b'd' } else { *byte }).collect::<Vec<_>>();
        assert_ne!(parts.leaf(&other).map(|(leaf, _)| leaf), Some(whole));
        for proof in [Proof::Whole(salt), parts, Proof::Nothing(whole)] {
            assert_eq!(Proof::read(proof.text().trim_end()), Some(proof));
        }
        for wrong in
            ["whole", "whole 00", "parts ", "parts -00", "else 0", "whole  00000000000000000000000000000000"]
        {
            assert_eq!(Proof::read(wrong), None, "{wrong}");
        }
    }
}
