//! `syslog`: messages of RFC 5424 by UDP (RFC 5426), TCP with lengths before them (RFC 6587) or TLS (RFC 5425).
//!
//! The protocol answers nothing. A connection that is gone is noticed before something is written to it, but what was
//! handed to one that breaks a moment later is lost.

use super::carrier::{Answer, Batch, Carrier, Carrying, SinkError};
use super::kind::{Hears, Kind};
use crate::config::SinkPlan;
use crate::encode::{View, syslog_level};
use crate::net::trust;
use crate::shard::Event;
use crate::time::Timestamp;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio_rustls::TlsConnector;

pub(super) const KIND: Kind = Kind {
    name: "syslog",
    summary: "syslog by UDP, TCP or TLS (RFC 5424)",
    settings: &["address", "protocol", "facility", "hostname", "ca_file", "encoding"],
    required: &["address"],
    encodings: &["json", "ocsf", "ocsf18", "ecs", "cef", "leef", "gelf", "sigma"],
    url: "",
    hosts: &[],
    scheme: "",
    batch_max: 1_000,
    lasts: false,
    hears: |plan| if plan.config.protocol == "udp" { Hears::Nothing } else { Hears::Connection },
    write,
    open: |plan, _| {
        let tls = (plan.config.protocol == "tls")
            .then(|| trust::config(&plan.trust()))
            .transpose()
            .map_err(SinkError::from)?;
        let tls = tls.map(|config| TlsConnector::from(Arc::new(config)));
        Ok(Box::new(Syslog { plan: Arc::clone(plan), tls, line: None }))
    },
};

/// Bytes that a datagram holds, at most.
const DATAGRAM_MAX: usize = 65_507;

fn write(plan: &SinkPlan, event: &Event, out: &mut Vec<u8>) {
    let Some(view) = View::of(event) else { return };
    let priority = plan.config.facility * 8 + u32::from(syslog_level(view.severity));
    // No more than six digits behind the point.
    let at = Timestamp(view.updated.at.0.div_euclid(1000) * 1000);
    let head = format!("<{priority}>1 {at} {} keyhound - {} - ", plan.hostname(), view.rule);
    out.extend_from_slice(head.as_bytes());
    (plan.encoding.write)(event, out);
    // A message ends where it ends.
    out.truncate(out.trim_ascii_end().len());
}

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

enum Line {
    Datagrams(UdpSocket),
    Stream(Box<dyn Stream>),
}

struct Syslog {
    plan: Arc<SinkPlan>,
    tls: Option<TlsConnector>,
    line: Option<Line>,
}

impl Syslog {
    async fn attempt(&mut self, batch: &Batch) -> Answer {
        if self.plan.config.protocol == "udp"
            && let Some(parcel) = batch.parcels.iter().find(|parcel| parcel.bytes.len() > DATAGRAM_MAX)
        {
            let why =
                format!("a message of {} bytes fits into no datagram; use tcp or tls", parcel.bytes.len());
            return Answer::Refused(413, why);
        }
        let sent = tokio::time::timeout(self.plan.timeout, self.send(batch)).await;
        let answer = match sent {
            Ok(Ok(())) => return Answer::Taken,
            Ok(Err(error)) => Answer::Unreachable(told(&self.plan, &error)),
            Err(_) => Answer::TimedOut,
        };
        // Nobody knows where in a message it broke off.
        self.line = None;
        answer
    }

    async fn send(&mut self, batch: &Batch) -> io::Result<()> {
        if let Some(Line::Stream(stream)) = &mut self.line
            && is_closed(stream).await
        {
            self.line = None;
        }
        let mut line = match self.line.take() {
            Some(line) => line,
            None => self.connect().await?,
        };
        match &mut line {
            Line::Datagrams(socket) => {
                for parcel in &batch.parcels {
                    socket.send(&parcel.bytes).await?;
                }
            }
            Line::Stream(stream) => {
                let mut bytes = Vec::new();
                for parcel in &batch.parcels {
                    bytes.extend_from_slice(format!("{} ", parcel.bytes.len()).as_bytes());
                    bytes.extend_from_slice(&parcel.bytes);
                }
                stream.write_all(&bytes).await?;
                stream.flush().await?;
            }
        }
        self.line = Some(line);
        Ok(())
    }

    async fn connect(&self) -> io::Result<Line> {
        let address = &self.plan.config.address;
        if self.plan.config.protocol == "udp" {
            let to = lookup_host(address).await?.next().ok_or(io::ErrorKind::NotFound)?;
            let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(from).await?;
            socket.connect(to).await?;
            return Ok(Line::Datagrams(socket));
        }
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Line::Stream(Box::new(stream))) };
        let host = address.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(Line::Stream(Box::new(tls.connect(name, stream).await?)))
    }
}

fn told(plan: &SinkPlan, error: &io::Error) -> String {
    let text = error.to_string();
    let advice = trust::advice(&plan.place, &text);
    text + &advice
}

/// Whether the other side has hung up: nothing is ever said by one that has not.
async fn is_closed(stream: &mut Box<dyn Stream>) -> bool {
    let mut word = [0; 64];
    tokio::select! {
        biased;
        read = stream.read(&mut word) => !matches!(read, Ok(1..)),
        () = std::future::ready(()) => false,
    }
}

impl Carrier for Syslog {
    fn carry<'a>(&'a mut self, batch: &'a Batch, _: Timestamp) -> Carrying<'a> {
        Box::pin(self.attempt(batch))
    }
}
