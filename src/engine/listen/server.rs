//! The server: connections, and the way of a request from its head to the desk and back.
//!
//! It has a thread and a runtime of its own, so that a client that sends a lot does not hold up alerts, and an alert that
//! waits does not hold up an answer.

use super::answer::{Answer, Dialect, Refusal, healthy, refused, taken};
use super::body::{Coding, Room, read, unfold};
use super::desk::{Body, Work};
use super::token::Tokens;
use super::traffic::{Outcome, Traffic};
use crate::config::ListenConfig;
use crate::encode::Visible;
use crate::engine::clock::Arrival;
use crate::unwrap::protobuf::{Signal, otlp};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, ORIGIN};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// After a stop, how long requests that are under way may take to be answered.
const FAREWELL_WITHIN: Duration = Duration::from_secs(2);
/// How long a connection lasts: who makes requests and reads no answers would have it for ever.
const CONNECTION_WITHIN: Duration = Duration::from_secs(600);
/// Refused requests of one kind that are told; the rest is counted.
const TOLD_MAX: u64 = 3;

/// Whom requests come to.
pub struct Door {
    /// Its name in messages: the address.
    pub(super) name: String,
    pub(super) limits: ListenConfig,
    pub(super) tokens: Option<Tokens>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) desk: mpsc::Sender<Work>,
    pub(super) traffic: Arc<Traffic>,
    pub(super) stop: CancellationToken,
}

/// What is at a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// Something to post to; its name.
    Post(Dialect, &'static str),
    /// Whether all is well; whether Splunk's words are expected.
    Health(bool),
    /// What Splunk has and we have not.
    Acknowledgements,
}

impl Place {
    fn of(path: &str) -> Option<Self> {
        let otlp = |signal| Dialect::Otlp { signal, is_binary: false };
        Some(match path {
            "/" => Self::Post(Dialect::Records, "/"),
            "/v1/records" => Self::Post(Dialect::Records, "/v1/records"),
            "/v1/logs" => Self::Post(otlp(Signal::Logs), "/v1/logs"),
            "/v1/traces" => Self::Post(otlp(Signal::Traces), "/v1/traces"),
            "/v1/metrics" => Self::Post(otlp(Signal::Metrics), "/v1/metrics"),
            "/services/collector" | "/services/collector/event" | "/services/collector/event/1.0" => {
                Self::Post(Dialect::Hec, "/services/collector/event")
            }
            "/services/collector/raw" | "/services/collector/raw/1.0" => {
                Self::Post(Dialect::Hec, "/services/collector/raw")
            }
            "/services/collector/health" | "/services/collector/health/1.0" => Self::Health(true),
            "/healthz" => Self::Health(false),
            "/services/collector/ack" => Self::Acknowledgements,
            _ => return None,
        })
    }

    fn dialect(self) -> Dialect {
        match self {
            Self::Post(dialect, _) => dialect,
            Self::Acknowledgements | Self::Health(true) => Dialect::Hec,
            Self::Health(false) => Dialect::Records,
        }
    }
}

/// Serves until a stop, and until what was under way by then is answered.
pub async fn serve(door: Door, listener: TcpListener) {
    let door = Arc::new(door);
    let mut connections = JoinSet::new();
    loop {
        let room = Arc::clone(&door.traffic.connections).acquire_owned();
        let accepted = async {
            let room = room.await;
            (room, listener.accept().await)
        };
        let (room, accepted) = tokio::select! {
            () = door.stop.cancelled() => break,
            // A desk that has ended takes nothing any more.
            () = door.desk.closed() => break,
            accepted = accepted => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let door = Arc::clone(&door);
                // Small answers are wanted at once; a connection that cannot be told so is slower, no more.
                let _ = stream.set_nodelay(true);
                connections.spawn(async move {
                    let _room = room;
                    let peer = peer.ip().to_canonical();
                    match &door.tls {
                        None => connection(Arc::clone(&door), stream, peer).await,
                        Some(tls) => {
                            // Whoever does not come to terms is not let in, nor heard of: scanners are many.
                            let within = Duration::from_millis(door.limits.request_ms.into());
                            if let Ok(Ok(stream)) = timeout(within, tls.accept(stream)).await {
                                connection(Arc::clone(&door), stream, peer).await;
                            }
                        }
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, say: others may be closed soon.
                tracing::warn!("listen: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    // Whoever is quiet after that is not waited for.
    let _ = timeout(FAREWELL_WITHIN, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(door: Arc<Door>, stream: S, peer: IpAddr) {
    let service = service_fn(|request| {
        let door = Arc::clone(&door);
        async move { Ok::<_, Infallible>(door.respond(request, peer).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(door.limits.request_ms.into()))
        .max_buf_size(door.limits.header_bytes_max as usize);
    let mut served = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = served.as_mut() => Some(ended),
        () = door.stop.cancelled() => None,
        () = tokio::time::sleep(CONNECTION_WITHIN) => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        served.as_mut().graceful_shutdown();
        // Body and answer of what is under way; whoever does not read answers is not waited for.
        let within = Duration::from_millis(door.limits.request_ms.into()) * 2 + FAREWELL_WITHIN;
        timeout(within, served).await.unwrap_or(Ok(()))
    };
    let Err(error) = ended else { return };
    // What hyper has answered or ended by itself. A client that goes away between two requests is its own affair.
    let outcome = if error.is_parse_too_large() {
        Outcome::HeadersTooLarge
    } else if error.is_timeout() {
        // Nobody has begun a request, or it did not get to the end of its head.
        Outcome::TooSlow
    } else if error.is_parse() {
        Outcome::Malformed
    } else {
        return;
    };
    door.tell(outcome, peer, "a request that is none", &error.to_string());
}

impl Door {
    async fn respond(&self, request: Request<Incoming>, peer: IpAddr) -> Answer {
        let place = Place::of(request.uri().path());
        let mut dialect = place.map_or(Dialect::Records, Place::dialect);
        if let (Dialect::Otlp { signal, .. }, true) = (dialect, is_protobuf(request.headers())) {
            dialect = Dialect::Otlp { signal, is_binary: true };
        }
        let name = match place {
            Some(Place::Health(is_hec)) => return healthy(is_hec),
            Some(Place::Post(_, name)) => name,
            Some(Place::Acknowledgements) => "/services/collector/ack",
            None => "a path that there is not",
        };
        match self.take(place, dialect, request, peer).await {
            Ok(verdict) => {
                self.traffic.count(Outcome::Taken);
                taken(dialect, &verdict)
            }
            Err(why) => {
                self.tell(why.outcome(), peer, name, &why.words());
                refused(dialect, &why)
            }
        }
    }

    /// Counts a request that was refused, and tells the first of their kind.
    fn tell(&self, outcome: Outcome, peer: IpAddr, to: &str, why: &str) {
        let told = self.traffic.count(outcome) + 1;
        if told <= TOLD_MAX {
            let last = if told == TOLD_MAX { " (further ones of this kind are only counted)" } else { "" };
            tracing::warn!("listen {}: refused {to} of {peer}: {}{last}", self.name, Visible(why));
        }
    }

    async fn take(
        &self,
        place: Option<Place>,
        dialect: Dialect,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> Result<super::desk::Verdict, Refusal> {
        let to = match place {
            None => return Err(Refusal::NoPath),
            Some(Place::Acknowledgements) => return Err(Refusal::NoAcknowledgements),
            Some(Place::Post(_, to)) => to,
            Some(Place::Health(_)) => return Err(Refusal::Method),
        };
        if request.method() != Method::POST {
            return Err(Refusal::Method);
        }
        match &self.tokens {
            Some(tokens) => tokens.check(request.headers())?,
            // Any page that somebody looks at on this machine may post here; browsers say whose it is.
            None if request.headers().contains_key(ORIGIN) => return Err(Refusal::Page),
            None => {}
        }
        let coding = Coding::of(request.headers())?;
        if matches!(dialect, Dialect::Records | Dialect::Hec) && is_protobuf(request.headers()) {
            return Err(Refusal::Type);
        }
        let within = Duration::from_millis(self.limits.request_ms.into());
        let (text, room) = timeout(within, self.gather(request.into_body(), coding, dialect))
            .await
            .map_err(|_| Refusal::TooSlow(self.limits.request_ms))??;
        if text.is_empty() && dialect == Dialect::Hec {
            return Err(Refusal::Empty);
        }
        let (answer, verdict) = oneshot::channel();
        // The port it was sent from says nothing, and would be another one each time.
        let name = format!("of {peer} to {}{to}", self.name);
        let (source, steps, arrived) = (String::new(), Vec::new(), Arrival::now());
        let body = Body { bytes: text, name, source, steps, arrived, room, answer };
        self.desk.send(Work::Body(Box::new(body))).await.map_err(|_| Refusal::Ending)?;
        match timeout(within, verdict).await {
            Ok(Ok(verdict)) => Ok(verdict),
            Ok(Err(_)) => Err(Refusal::Ending),
            // A body that nobody waits for is not taken up.
            Err(_) => Err(Refusal::Busy),
        }
    }

    /// The text of a body, with its room in memory.
    async fn gather(
        &self,
        body: Incoming,
        coding: Coding,
        dialect: Dialect,
    ) -> Result<(Bytes, tokio::sync::OwnedSemaphorePermit), Refusal> {
        let max = self.limits.body_bytes_max as usize;
        let mut room = Room::new(&self.traffic);
        // An empty body takes some, too.
        room.grow(1).await?;
        let sent = read(body, max, &mut room).await?;
        let mut free = 0;
        let length = sent.len();
        let mut text = unfold(sent, coding, max, &mut room).await?;
        if coding != Coding::None {
            free += length;
        }
        if let Dialect::Otlp { signal, is_binary: true } = dialect {
            let binary = text;
            room.grow(binary.len()).await?;
            let json = otlp(signal, &binary, max).map_err(Refusal::Malformed)?;
            // As JSON it is a few times as long, for the moment that it takes to be decoded.
            room.grow(json.len().saturating_sub(binary.len())).await?;
            free += binary.len();
            text = json.into();
        }
        Ok((text, room.keep(free)?))
    }
}

fn is_protobuf(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    [&b"application/x-protobuf"[..], b"application/protobuf"]
        .iter()
        .any(|known| kind.eq_ignore_ascii_case(known))
}
