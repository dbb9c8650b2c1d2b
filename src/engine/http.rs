//! `/metrics`, `/healthz` and `/readyz` on one address, and whatever else answers GET. Reads nothing but the request line and headers, and of
//! those no more than a little, for no longer than a moment, from no more than a few at once.

use super::metrics;
use super::totals::Totals;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// Connections at once; further ones take the place of the oldest.
const CONNECTIONS_MAX: usize = 64;
/// Time for the headers of a request.
const HEADERS_WITHIN: Duration = Duration::from_secs(5);
/// Time for a whole connection.
const CONNECTION_WITHIN: Duration = Duration::from_secs(60);
/// Bytes of headers that are read.
const HEADER_BYTES_MAX: usize = 16 << 10;

/// Serves the metrics until it is dropped.
pub async fn serve(listener: TcpListener, totals: watch::Receiver<Arc<Totals>>) {
    let shown = move |request| {
        let totals = Arc::clone(&totals.borrow());
        async move { answer(&request, &totals) }
    };
    accept(listener, "metrics", shown).await;
}

/// Answers whoever connects, until it is dropped; `what` it is in messages.
pub async fn accept<A, F>(listener: TcpListener, what: &'static str, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut by_age: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while connections.try_join_next().is_some() {}
                by_age.retain(|connection| !connection.is_finished());
                // Whoever has been silent for longest gives way: waiting for them is what they want.
                if by_age.len() >= CONNECTIONS_MAX
                    && let Some(oldest) = by_age.pop_front()
                {
                    oldest.abort();
                }
                by_age.push_back(connections.spawn(connection(stream, answer.clone())));
            }
            Err(error) => {
                // Out of file descriptors, say: others may be closed soon.
                tracing::warn!("{what}: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection<A, F>(stream: TcpStream, answer: A)
where
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Full<Bytes>>>,
{
    let service = service_fn(move |request| {
        let answered = answer(request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    // A client that goes away or talks nonsense is its own affair.
    let _ = timeout(CONNECTION_WITHIN, served).await;
}

fn answer(request: &Request<Incoming>, totals: &Totals) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
        response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/metrics" => page(totals),
        "/healthz" => text(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" if totals.ready => text(StatusCode::OK, "ready\n".to_owned()),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "reading history\n".to_owned()),
        "/" => text(StatusCode::OK, "keyhound: /metrics /healthz /readyz\n".to_owned()),
        _ => {
            text(StatusCode::NOT_FOUND, "no such page; there are /metrics, /healthz and /readyz\n".to_owned())
        }
    }
}

fn page(totals: &Totals) -> Response<Full<Bytes>> {
    match metrics::render(totals, super::clock::now().as_secs_f64()) {
        Ok(page) => {
            let mut response = text(StatusCode::OK, page);
            let format = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, format);
            response
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let plain = hyper::header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
