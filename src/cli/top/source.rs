//! Where `keyhound top` gets what it shows: from the API of another process, or from a run inside this one.

use crate::engine::api::Inside;
use crate::engine::api::forms::{Briefs, IncidentDetail, KeyDetail, Keys};
use crate::engine::api::status::Status;
use crate::key::KeyId;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Entries of a list that are asked for.
pub const LIMIT: usize = 100;
/// How long one answer may take.
const WITHIN: Duration = Duration::from_secs(15);
/// Bytes that one may have.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// What is shown of everything.
#[derive(Clone, Debug, Default)]
pub struct Shot {
    /// The program itself.
    pub status: Status,
    /// Keys by what they spend.
    pub spend: Keys,
    /// Keys by risk.
    pub risk: Keys,
    /// Incidents.
    pub incidents: Briefs,
}

/// What is shown of one thing.
#[derive(Clone, Debug)]
pub enum Detail {
    /// A key.
    Key(Box<KeyDetail>),
    /// An incident.
    Incident(Box<IncidentDetail>),
    /// What it is not.
    Missing(String),
}

/// Where it comes from.
#[derive(Clone)]
pub enum Source {
    /// The API at an address.
    Remote(Remote),
    /// A run inside this process.
    Inside(Inside),
}

/// An API.
#[derive(Clone)]
pub struct Remote {
    authority: String,
    token: Option<String>,
}

impl Remote {
    /// The API at `url`; with what is wrong about it.
    pub fn new(url: &str, token: Option<String>) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|_| format!("--url is `{url}`: write http://127.0.0.1:9601"))?;
        if uri.scheme_str() != Some("http") {
            return Err(format!(
                "--url is `{url}`: only http:// is spoken; bring a port here by SSH (docs/api.md)"
            ));
        }
        let authority = uri.authority().ok_or_else(|| format!("--url is `{url}`: it names no host"))?;
        let port = authority.port_u16().unwrap_or(80);
        Ok(Self { authority: format!("{}:{port}", authority.host()), token })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        let asked = timeout(WITHIN, self.ask(path)).await;
        let body = asked.unwrap_or_else(|_| Err(format!("{} does not answer in time", self.authority)))?;
        serde_json::from_slice(&body).map_err(|error| {
            format!("{} answers something else than this keyhound understands: {error}", self.authority)
        })
    }

    async fn ask(&self, path: &str) -> Result<Bytes, String> {
        let told = |error: &dyn std::error::Error| format!("{}: {error}", self.authority);
        let stream = TcpStream::connect(&self.authority).await.map_err(|error| told(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| told(&error))?;
        tokio::spawn(connection);
        let mut request = Request::get(format!("/api/v1/{path}")).header(HOST, &self.authority);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| told(&error))?;
        let response = sender.send_request(request).await.map_err(|error| told(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| told(&*error))?.to_bytes();
        if status == StatusCode::OK {
            return Ok(body);
        }
        let said: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let said = said["error"].as_str().unwrap_or("it is no API of keyhound's");
        Err(format!("{} says {}: {said}", self.authority, status.as_u16()))
    }
}

impl Source {
    /// What it is called.
    pub fn name(&self) -> String {
        match self {
            Self::Remote(remote) => remote.authority.clone(),
            Self::Inside(_) => "replay".to_owned(),
        }
    }

    /// Everything as it is now, or why it cannot be had.
    pub async fn shot(&self) -> Result<Shot, String> {
        match self {
            Self::Remote(remote) => Ok(Shot {
                status: remote.get("status").await?,
                spend: remote.get(&format!("keys?by=spend&limit={LIMIT}")).await?,
                risk: remote.get(&format!("keys?by=risk&limit={LIMIT}")).await?,
                incidents: remote.get(&format!("incidents?limit={LIMIT}")).await?,
            }),
            Self::Inside(inside) => Ok(Shot {
                status: inside.status(),
                spend: inside.keys(false, LIMIT),
                risk: inside.keys(true, LIMIT),
                incidents: inside.incidents(LIMIT),
            }),
        }
    }

    /// A key, by its fingerprint.
    pub async fn key(&self, id: &str) -> Detail {
        let found = match self {
            Self::Remote(remote) => remote.get(&format!("keys/{id}")).await,
            Self::Inside(inside) => match KeyId::parse(id.as_bytes()) {
                Some(key) => inside.key(key).await.ok_or_else(|| "no such key is known".to_owned()),
                None => Err("no such key is known".to_owned()),
            },
        };
        found.map_or_else(Detail::Missing, |found| Detail::Key(Box::new(found)))
    }

    /// An incident, by its id.
    pub async fn incident(&self, id: &str) -> Detail {
        let found = match self {
            Self::Remote(remote) => remote.get(&format!("incidents/{id}")).await,
            Self::Inside(inside) => inside.incident(id).ok_or_else(|| "it is not kept any more".to_owned()),
        };
        found.map_or_else(Detail::Missing, |found| Detail::Incident(Box::new(found)))
    }
}
