//! A receiver of posted alerts that behaves as a test wants it to.

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Counted from nought.
    pub number: usize,
    pub method: String,
    pub path: String,
    pub key: String,
    pub authorization: String,
    pub content_type: String,
    /// All headers, sorted, but for where and how long.
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub lines: Vec<String>,
    /// The status that it was answered with.
    pub status: u16,
}

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    Status(u16),
    With(u16, &'static str, String),
    /// With this body.
    Body(u16, String),
    Slow(u64),
    Hang,
    /// Says 200 and breaks off in the middle of the body.
    Cut,
    /// An answer that is larger than anybody should read.
    Huge,
}

type Script = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

pub struct Receiver {
    address: SocketAddr,
    seen: mpsc::Receiver<Seen>,
    _runtime: tokio::runtime::Runtime,
}

/// An address that nobody listens at.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Receiver {
    pub fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), None, script)
    }

    pub fn at(
        address: SocketAddr,
        tls: Option<tokio_rustls::rustls::ServerConfig>,
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        let address = listener.local_addr().unwrap();
        let (told, seen) = mpsc::channel();
        let script: Script = Arc::new(script);
        let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        runtime.spawn(async move {
            let number = Arc::new(AtomicUsize::new(0));
            while let Ok((stream, _)) = listener.accept().await {
                let (script, told) = (Arc::clone(&script), told.clone());
                let (tls, number) = (tls.clone(), Arc::clone(&number));
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, script, told, number).await;
                            }
                        }
                        None => serve(stream, script, told, number).await,
                    }
                });
            }
        });
        Self { address, seen, _runtime: runtime }
    }

    pub fn url(&self) -> String {
        format!("http://{}/alerts?key=EXAMPLE-IN-QUERY", self.address)
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The next request, waited for.
    pub fn next(&self) -> Seen {
        self.seen.recv_timeout(Duration::from_secs(60)).expect("a request")
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.try_iter().collect()
    }
}

/// What was taken, in order.
pub fn taken(seen: &[Seen]) -> Vec<String> {
    seen.iter().filter(|seen| seen.status == 200).flat_map(|seen| seen.lines.clone()).collect()
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    script: Script,
    told: mpsc::Sender<Seen>,
    number: Arc<AtomicUsize>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (script, told) = (Arc::clone(&script), told.clone());
        let number = number.fetch_add(1, Ordering::Relaxed);
        async move {
            let mut seen = read(request, number).await?;
            let reply = script(&seen);
            seen.status = match &reply {
                Reply::Status(status) | Reply::With(status, ..) | Reply::Body(status, _) => *status,
                Reply::Slow(_) | Reply::Cut | Reply::Huge => 200,
                Reply::Hang => 0,
            };
            let status = seen.status;
            let _ = told.send(seen);
            let mut response = Response::new(Answer { reply: reply.clone(), sent: 0 });
            match reply {
                Reply::Slow(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                Reply::Hang => std::future::pending::<()>().await,
                Reply::With(_, name, value) => {
                    let value = HeaderValue::from_str(&value).unwrap();
                    response.headers_mut().insert(HeaderName::from_static(name), value);
                }
                Reply::Status(_) | Reply::Body(..) | Reply::Cut | Reply::Huge => {}
            }
            *response.status_mut() = status.try_into().unwrap();
            Ok::<_, hyper::Error>(response)
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn read(request: Request<Incoming>, number: usize) -> Result<Seen, hyper::Error> {
    let header = |name: &str| {
        let value = request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        value.unwrap_or_default()
    };
    let mut seen = Seen {
        number,
        method: request.method().to_string(),
        path: request.uri().to_string(),
        key: header("idempotency-key"),
        authorization: header("authorization"),
        content_type: header("content-type"),
        ..Seen::default()
    };
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    seen.headers = headers.filter(|(name, _)| name != "host" && name != "content-length").collect();
    seen.headers.sort();
    let body = request.into_body().collect().await?.to_bytes();
    seen.body = String::from_utf8(body.to_vec()).unwrap();
    seen.lines = seen.body.lines().map(str::to_owned).collect();
    Ok(seen)
}

/// The body of an answer.
struct Answer {
    reply: Reply,
    sent: usize,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.sent += 1;
        Poll::Ready(match (&self.reply, self.sent) {
            (Reply::Cut, 1) => Some(Ok(Frame::data(Bytes::from_static(b"half")))),
            (Reply::Cut, _) => Some(Err(std::io::ErrorKind::ConnectionReset.into())),
            // Sixteen gigabytes.
            (Reply::Huge, ..1_000_000) => Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 16 << 10])))),
            (Reply::Body(_, text), 1) => Some(Ok(Frame::data(Bytes::from(text.clone())))),
            (_, 1) => Some(Ok(Frame::data(Bytes::from_static(b"answer")))),
            _ => None,
        })
    }

    fn size_hint(&self) -> SizeHint {
        match &self.reply {
            Reply::Body(_, text) => SizeHint::with_exact(text.len() as u64),
            Reply::Cut => SizeHint::with_exact(1000),
            Reply::Huge => SizeHint::default(),
            _ => SizeHint::with_exact(6),
        }
    }
}
