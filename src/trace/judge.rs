//! How sure is it that what has the form of a secret is one? What stands in documentation and tests is told from what
//! providers hand out by checksums, marks of the provider, chance and the words in it.

use crate::normalise::redact::Pattern;
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Serialize;

/// How sure it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// More likely a placeholder, a name or a piece of code.
    Low,
    /// Something that only its place or its randomness speaks for.
    Medium,
    /// Has the form in which its provider hands out keys, and looks random.
    High,
    /// Is the key that was asked for, or has a checksum that is right.
    Certain,
}

impl Confidence {
    /// As it is shown.
    pub fn label(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Certain => "certain",
        }
    }
}

/// How sure it is, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// How sure it is.
    pub confidence: Confidence,
    /// Why.
    pub why: &'static str,
}

const fn verdict(confidence: Confidence, why: &'static str) -> Verdict {
    Verdict { confidence, why }
}

/// Words that no random key has in it: the shortest would come up once in some 300,000 keys of 100 characters.
const PLACEHOLDER_WORDS: &[&str] = &[
    "example",
    "placeholder",
    "changeme",
    "change_me",
    "change-me",
    "redacted",
    "replace",
    "your_",
    "your-",
    "yourkey",
    "yourapi",
    "yoursecret",
    "dummy",
    "sample",
    "insert",
    "notreal",
    "foobar",
    "deadbeef",
    "mysecret",
    "my_secret",
    "my-secret",
    "secretkey",
    "secret_key",
    "xxxxx",
    "fake-",
    "fake_",
    "-fake",
    "_fake",
    "test_key",
    "testkey",
    "sflkxwrj",
];
/// What people write where a password would stand.
const NO_PASSWORDS: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "postgres",
    "postgresql",
    "changeit",
    "testing",
    "testtest",
    "testpass",
    "username",
    "undefined",
    "disabled",
    "required",
    "pass1234",
    "pass123",
    "password1",
    "password123",
    "admin123",
    "root1234",
    "test1234",
];
/// So many characters that are all the same, or each the next in the alphabet, are nobody's key.
const RUN_MAX: usize = 7;
/// Bits in each character of random text are more, even for twenty characters of base62.
const ENTROPY_MIN: f64 = 3.0;
/// The same for hexadecimal digits.
const HEX_ENTROPY_MIN: f64 = 2.6;
/// Characters that passwords in configuration files have at least.
const PASSWORD_MIN: usize = 8;
/// The header of a private key that nothing follows is a piece of code.
const PRIVATE_KEY_MIN: usize = 150;

/// Judges what a pattern has found. `line` is what stands around it.
pub fn judge(pattern: &Pattern, secret: &[u8], line: &[u8]) -> Verdict {
    use Confidence::{High, Low, Medium};
    if pattern.name == "private_key" {
        return private_key(secret);
    }
    if is_placeholder(secret) {
        return verdict(Low, "looks like a placeholder");
    }
    match pattern.name.as_str() {
        "password_assignment" | "url_userinfo" => password(secret, line),
        "jwt" => jwt(secret),
        "basic_auth" | "basic_auth_header" => basic(secret),
        _ if !is_random(secret) => verdict(Low, "is not random enough for a key"),
        "github" | "npm" => checksum(secret),
        "openai_project" | "openai_project_glued" | "openai_service" | "openai_legacy" => {
            marked(secret, b"T3BlbkFJ")
        }
        "groq" => marked(secret, b"WGdyb3FY"),
        "anthropic" if secret.ends_with(b"AA") => verdict(High, "ends as the provider's keys do"),
        "anthropic" => verdict(Medium, "has the provider's form, but not its end"),
        "generic_sk" => verdict(Medium, "begins as keys do and looks random"),
        name if name.ends_with("_near") || name.ends_with("_behind") => beside(line),
        _ if pattern.provider == "any" && !is_mixed(secret) => {
            verdict(Low, "stands where a key would, but has not the letters and digits of one")
        }
        _ if pattern.provider == "any" => verdict(Medium, "stands where a key would and looks random"),
        _ => verdict(High, "has the form in which the provider hands out keys, and looks random"),
    }
}

fn marked(secret: &[u8], mark: &[u8]) -> Verdict {
    if memchr::memmem::find(secret, mark).is_some() {
        return verdict(Confidence::High, "has the provider's mark in it");
    }
    verdict(Confidence::Medium, "has the provider's form, but not its mark")
}

fn beside(line: &[u8]) -> Verdict {
    let line = line.to_ascii_lowercase();
    let speaks = ["key", "secret", "token", "credential"];
    if speaks.iter().any(|word| memchr::memmem::find(&line, word.as_bytes()).is_some()) {
        return verdict(Confidence::Medium, "stands beside the provider's name and a word for keys");
    }
    verdict(Confidence::Low, "could as well be a checksum: only the provider's name stands beside it")
}

fn private_key(secret: &[u8]) -> Verdict {
    let body = secret.iter().filter(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte)).count();
    if body < PRIVATE_KEY_MIN {
        return verdict(Confidence::Low, "is only the first line of a private key");
    }
    if is_placeholder(secret.get(40..).unwrap_or_default()) {
        return verdict(Confidence::Low, "looks like a placeholder");
    }
    verdict(Confidence::High, "is a private key in PEM form")
}

fn password(secret: &[u8], line: &[u8]) -> Verdict {
    let lower = secret.to_ascii_lowercase();
    if NO_PASSWORDS.iter().any(|word| lower == word.as_bytes()) {
        return verdict(Confidence::Low, "is a word that stands for a password");
    }
    // Variables of shells and templates, calls, members of objects, printf.
    let is_code = secret.iter().any(|byte| b"$()[]{}<>`*\\".contains(byte))
        || secret.windows(2).any(|pair| pair == b"%s" || pair == b"::" || pair == b"->")
        || (secret.contains(&b'.')
            && secret.iter().all(|byte| byte.is_ascii_lowercase() || b"._".contains(byte)));
    if is_code {
        return verdict(Confidence::Low, "is a variable or a piece of code");
    }
    let classes: [fn(&u8) -> bool; 4] =
        [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit, u8::is_ascii_punctuation];
    let mixed = classes.iter().filter(|is| secret.iter().any(is)).count();
    if secret.len() < PASSWORD_MIN
        || mixed < 2
        || !secret.iter().any(u8::is_ascii_digit)
        || entropy(secret) < 2.5
    {
        return verdict(Confidence::Low, "is too plain for a password that was made");
    }
    if ["localhost", "127.0.0.1", "example.com", "example.org"]
        .iter()
        .any(|host| memchr::memmem::find(line, format!("@{host}").as_bytes()).is_some())
    {
        return verdict(Confidence::Low, "opens only the machine it stands on, or an example");
    }
    verdict(Confidence::Medium, "stands where a password would and looks made")
}

fn jwt(secret: &[u8]) -> Verdict {
    let header = secret.split(|byte| *byte == b'.').next().unwrap_or_default();
    match decode(header) {
        Some(text) if text.starts_with(b"{") && memchr::memmem::find(&text, b"\"alg\"").is_some() => {
            verdict(Confidence::High, "is a signed token: its header can be read")
        }
        _ => verdict(Confidence::Low, "has the form of a token, but no header that can be read"),
    }
}

fn basic(secret: &[u8]) -> Verdict {
    let Some(text) = decode(secret).filter(|text| text.is_ascii()) else {
        return verdict(Confidence::Low, "is no user and password in base64");
    };
    match text.iter().position(|byte| *byte == b':') {
        Some(at) => password(&text[at + 1..], b""),
        None => verdict(Confidence::Low, "is no user and password in base64"),
    }
}

/// GitHub's and npm's tokens end in the CRC-32 of the thirty characters before, in base62.
fn checksum(secret: &[u8]) -> Verdict {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let (Some((random, told)), true) =
        (secret.get(4..).and_then(<[u8]>::split_last_chunk::<6>), secret.len() == 40)
    else {
        return verdict(
            Confidence::High,
            "has the form in which the provider hands out keys, and looks random",
        );
    };
    let mut crc = flate2::Crc::new();
    crc.update(random);
    let mut rest = crc.sum();
    let right = told.iter().rev().all(|digit| {
        let is = DIGITS[(rest % 62) as usize] == *digit;
        rest /= 62;
        is
    });
    if right {
        return verdict(Confidence::Certain, "its checksum is right");
    }
    verdict(Confidence::Medium, "has the provider's form, but its checksum is wrong")
}

/// True for what people write where a key would stand.
fn is_placeholder(secret: &[u8]) -> bool {
    let lower = secret.to_ascii_lowercase();
    if PLACEHOLDER_WORDS.iter().any(|word| memchr::memmem::find(&lower, word.as_bytes()).is_some()) {
        return true;
    }
    let longest = |follows: fn(u8, u8) -> bool| {
        let (mut run, mut most) = (1, 1);
        for pair in lower.windows(2) {
            run = if follows(pair[0], pair[1]) { run + 1 } else { 1 };
            most = most.max(run);
        }
        most
    };
    longest(|a, b| a == b) >= RUN_MAX || longest(|a, b| b == a.wrapping_add(1)) >= RUN_MAX
}

/// Whether the characters of a secret, without what all keys of its kind begin with, could have been drawn by chance.
fn is_random(secret: &[u8]) -> bool {
    let start = secret.iter().take(16).rposition(|byte| b"-_.".contains(byte)).map_or(0, |at| at + 1);
    let body = if secret.len() - start >= 16 { &secret[start..] } else { secret };
    let of = |is: fn(&u8) -> bool| body.iter().all(|byte| is(byte) || b"-_.".contains(byte));
    let is_hex = body.iter().all(u8::is_ascii_hexdigit);
    let enough = entropy(body) >= if is_hex { HEX_ENTROPY_MIN } else { ENTROPY_MIN };
    enough && !of(u8::is_ascii_lowercase) && !of(u8::is_ascii_uppercase)
}

/// Letters and several digits, as keys have and names have not.
fn is_mixed(secret: &[u8]) -> bool {
    let digits = secret.iter().filter(|byte| byte.is_ascii_digit()).count();
    // More digits in one place than a year has, or digits in several places.
    let places =
        secret.windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count();
    secret.len() >= 16 && digits >= 2 && places >= 3 && secret.iter().any(u8::is_ascii_alphabetic)
}

/// Bits in each character.
fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text {
        counts[usize::from(*byte)] += 1;
    }
    let all = text.len().max(1);
    let of = |count: &u32| {
        let share = f64::from(*count) / f64::from(u32::try_from(all).unwrap_or(u32::MAX));
        -share * libm::log2(share)
    };
    counts.iter().filter(|count| **count > 0).map(of).sum()
}

/// What base64 says, in either alphabet, with padding or without.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let safe: Vec<u8> = text
        .iter()
        .map(|byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        })
        .collect();
    ENGINE.decode(safe).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_runs_are_placeholders() {
        for text in [
            "sk-EXAMPLEexample",
            "sk-your-key-here",
            "ghp_xxxxxxxxxxxxxxxx",
            "sk-abcdefghijklmnop",
            "0000000000",
        ] {
            assert!(is_placeholder(text.as_bytes()), "{text}");
        }
        for text in ["sk-Zq3vT9", "a1b2c3d4e5f6a7b8", "9f86d081884c7d65"] {
            assert!(!is_placeholder(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn chance_has_many_different_characters() {
        assert!(is_random(b"9f86d081884c7d659a2feaa0c55ad015"));
        assert!(is_random(b"hf_QmVtR7xKp2LwN9sYbZcDfGhJ4k"));
        assert!(!is_random(b"hf_transfer_of_the_model_weights"));
        assert!(!is_random(b"aaaabbbbaaaabbbbaaaabbbb1"));
        assert!(!is_mixed(b"production-frontend-2024") && is_mixed(b"9f86d081884c7d65"));
    }
}
