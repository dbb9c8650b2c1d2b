//! Who may write: whoever brings one of the tokens of a file, which is read again when it changes.

use super::answer::Refusal;
use crate::config::{read_text, tokens};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether the tokens are others.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The hashes of the tokens that hold; `None` while they cannot be read. Hashes are compared in the same time whatever they
/// are, so that nobody finds a token out bit by bit.
pub struct Tokens(watch::Receiver<Option<Vec<blake3::Hash>>>);

fn load(path: &Path) -> Result<Vec<blake3::Hash>, String> {
    let text = read_text(path).map_err(|error| error.to_string())?;
    tokens(&text).map(|tokens| tokens.into_iter().map(|token| blake3::hash(token.as_bytes())).collect())
}

impl Tokens {
    /// Those of a file; looks after it until a stop.
    pub fn of(path: PathBuf, stop: CancellationToken) -> Self {
        let (told, known) = watch::channel(load(&path).ok());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
                match load(&path) {
                    Ok(hashes) => _ = told.send_replace(Some(hashes)),
                    Err(error) => {
                        if told.send_replace(None).is_some() {
                            tracing::error!(
                                "`listen.token_file`: `{}`: {error}; nobody may write until it can be read",
                                path.display()
                            );
                        }
                    }
                }
            }
        });
        Self(known)
    }

    /// Whether a request brings one of them.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(brought) = brought(headers) else { return Err(Refusal::NoToken) };
        let hash = blake3::hash(&brought);
        let known = self.0.borrow();
        let Some(known) = &*known else { return Err(Refusal::TokensUnreadable) };
        // All of them are looked at, so that it does not show which one it was.
        let found = known.iter().filter(|token| **token == hash).count();
        if found > 0 { Ok(()) } else { Err(Refusal::WrongToken) }
    }
}

/// The token that a request brings: of `Basic` the password, as clients send it that know nothing else.
fn brought(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(AUTHORIZATION)?.as_bytes().trim_ascii();
    let at = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, token) = (value[..at].to_ascii_lowercase(), value[at..].trim_ascii());
    match &scheme[..] {
        b"bearer" | b"splunk" => Some(token.to_vec()),
        b"basic" => {
            let pair = STANDARD.decode(token).ok()?;
            let colon = pair.iter().position(|byte| *byte == b':')?;
            Some(pair[colon + 1..].to_vec())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_brought_in_three_ways() {
        let with = |value: &str| brought(&HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]));
        let is = Some(b"EXAMPLE".to_vec());
        assert_eq!((with("Bearer EXAMPLE"), with("splunk  EXAMPLE ")), (is.clone(), is.clone()));
        assert_eq!(with(&format!("Basic {}", STANDARD.encode("x:EXAMPLE"))), is);
        for none in ["EXAMPLE", "Digest EXAMPLE", "Basic EXAMPLE", "", "Basic !"] {
            assert_eq!(with(none), None, "{none}");
        }
        assert_eq!(brought(&HeaderMap::new()), None);
    }
}
