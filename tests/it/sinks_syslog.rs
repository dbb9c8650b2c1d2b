//! Syslog by UDP, TCP and TLS: what arrives is read by the grammar of RFC 5424.

use crate::post::Running;
use crate::post_tls::Authority;
use crate::sinks::place;
use regex::Regex;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

/// Reads messages with their lengths before them, until the other side hangs up or so many have come.
fn framed(stream: impl Read, max: usize) -> Vec<String> {
    let mut reader = BufReader::new(stream);
    let mut messages = Vec::new();
    while messages.len() < max {
        let mut length = Vec::new();
        if reader.read_until(b' ', &mut length).unwrap_or(0) == 0 {
            break;
        }
        let length: usize = std::str::from_utf8(&length).unwrap().trim().parse().expect("a length");
        let mut message = vec![0; length];
        if reader.read_exact(&mut message).is_err() {
            break;
        }
        messages.push(String::from_utf8(message).unwrap());
    }
    messages
}

/// The message of one, and its priority.
fn read(text: &str) -> (u32, String) {
    let grammar = Regex::new(
        r"(?s)^<(\d{1,3})>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z box keyhound - [!-~]{1,32} - ([^\r\n]*)$",
    );
    let found = grammar.unwrap().captures(text).unwrap_or_else(|| panic!("no message: {text}"));
    (found[1].parse().unwrap(), found[2].to_owned())
}

fn config(address: &str, more: &str) -> String {
    format!(
        "[sinks.x]\ntype = \"syslog\"\naddress = \"{address}\"\nhostname = \"box\"\nretry_max_ms = 20\n{more}"
    )
}

#[test]
fn each_datagram_is_a_message() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let dir = place(3, &config(&address, "protocol = \"udp\"\nfacility = 13\n"));
    let ran = Running::with(dir.path(), &["log"]).end();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for line in ran.stdout.lines() {
        let mut bytes = vec![0; 65_536];
        let length = socket.recv(&mut bytes).unwrap();
        let (priority, message) = read(std::str::from_utf8(&bytes[..length]).unwrap());
        let event: Value = serde_json::from_str(line).unwrap();
        let level =
            ["critical", "high", "medium", "low"].iter().position(|name| event["severity"] == *name).unwrap();
        assert_eq!((priority, message.as_str()), (13 * 8 + 2 + u32::try_from(level).unwrap(), line));
    }
}

#[test]
fn a_connection_that_was_hung_up_is_made_anew_before_anything_is_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let dir =
        place(0, &config(&address, "encoding = \"cef\"\nbatch_alerts_max = 1\nstatuses = [\"open\"]\n"));
    let (told, messages) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Each connection is good for one message.
            let stream = stream.unwrap();
            for message in framed(&stream, 1) {
                drop(stream.shutdown(std::net::Shutdown::Both));
                told.send(message).unwrap();
            }
        }
    });
    let mut running = Running::with(dir.path(), &["--threads", "1"]);
    let mut pipe = running.child.stdin.take().unwrap();
    for key in 0..4 {
        std::io::Write::write_all(&mut pipe, crate::post::records(key..key + 1).as_bytes()).unwrap();
        let message = messages.recv_timeout(Duration::from_secs(60)).unwrap();
        let (_, message) = read(&message);
        assert!(message.starts_with("CEF:0|keyhound|keyhound|"), "{message}");
        assert!(message.contains(&format!("cs1=...k{key:05} ")), "{message}");
    }
    drop(pipe);
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn what_goes_by_tls_goes_only_to_whom_it_is_for() {
    let ours = Authority::new("ours");
    for (name, is_taken) in [("localhost", true), ("elsewhere.example", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::sync::Arc::new(ours.server(name));
        let (told, messages) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let session = tokio_rustls::rustls::ServerConnection::new(server.clone()).unwrap();
                let stream = tokio_rustls::rustls::StreamOwned::new(session, stream.unwrap());
                for message in framed(stream, usize::MAX) {
                    told.send(message).unwrap();
                }
            }
        });
        let more = "protocol = \"tls\"\nca_file = \"ca.pem\"\nencoding = \"leef\"\n";
        let dir = place(2, &config(&format!("localhost:{port}"), more));
        std::fs::write(dir.path().join("ca.pem"), &ours.pem).unwrap();
        let mut running = Running::with(dir.path(), &["log"]);
        if is_taken {
            let ran = running.end();
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
            let mut lines = ran.stdout.lines();
            for message in std::iter::from_fn(|| messages.recv_timeout(Duration::from_secs(60)).ok()).take(2)
            {
                let event: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
                let (_, message) = read(&message);
                assert!(message.starts_with("LEEF:2.0|keyhound|keyhound|"), "{message}");
                assert!(
                    message.contains(&format!("externalId={}\t", event["id"].as_str().unwrap())),
                    "{message}"
                );
            }
        } else {
            running.wait_for("cannot be reached");
            running.terminate();
            assert_eq!(running.end().code, Some(74));
            assert!(messages.try_recv().is_err());
        }
    }
}
