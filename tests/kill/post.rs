//! Alerts that are posted by runs that are ended by `kill -9`, to a receiver that is not always well.

use super::{Place, random, setting};
use crate::records::{Random, lines};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

type Name = (String, u64);

/// Receives alerts and, given chance, now and then answers 500, or not at all after it has taken them.
pub(super) fn receiver(mut random: Option<Random>) -> (SocketAddr, mpsc::Receiver<Name>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (told, names) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let random = random.as_mut().map(|random| Random::new(random.below(u64::MAX)));
            let told = told.clone();
            thread::spawn(move || serve(stream.unwrap(), &told, random));
        }
    });
    (address, names)
}

fn serve(stream: TcpStream, told: &mpsc::Sender<Name>, mut random: Option<Random>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
            if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = number.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let chance = random.as_mut().map_or(9, |random| random.below(10));
        if chance == 0 {
            stream.write_all(b"HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n").ok()?;
            continue;
        }
        for line in String::from_utf8(body).unwrap().lines() {
            told.send(name(line)).ok()?;
        }
        if chance == 1 {
            // Taken, but nobody is told.
            return None;
        }
        stream.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}

pub(super) fn name(line: &str) -> Name {
    let alert: Value = serde_json::from_str(line).unwrap();
    (alert["id"].as_str().unwrap().to_owned(), alert["revision"].as_u64().unwrap())
}

fn start(place: &Place, address: SocketAddr, threads: u64) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyhound"));
    command.current_dir(place.dir.path()).args(["run", "--quiet", "--config", "keyhound.toml"]);
    command.arg(format!("--threads={threads}")).args(["--state=state", "--output=alerts", "--post"]);
    command.arg(format!("http://{address}/")).args(&place.inputs);
    let errors = fs::OpenOptions::new().create(true).append(true).open(place.path("errors")).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn().unwrap()
}

#[test]
fn every_alert_is_posted_however_often_the_run_is_killed() {
    let mut random = random("post");
    let wanted = setting("KEYHOUND_KILLS", 150);
    let (mut kills, mut runs, mut again) = (0, 0, 0);
    while kills < wanted {
        let mut place = Place::new(false);
        let config = fs::read_to_string(place.path("keyhound.toml")).unwrap();
        // Small enough to be full now and then.
        let post = "[post]\nretry_max_ms = 5\nbatch_alerts_max = 8\noutbox_bytes_max = 50000\n";
        fs::write(place.path("keyhound.toml"), config + post).unwrap();
        fs::write(place.path("log"), lines(&mut random, 30_000).join("\n") + "\n").unwrap();
        place.inputs = vec!["log".to_owned()];
        let (address, names) = receiver(Some(Random::new(random.below(u64::MAX))));
        for times in 0.. {
            let mut child = start(&place, address, 1 + random.below(4));
            // After many kills without an end the run is given more time.
            thread::sleep(Duration::from_micros(random.below(300_000 * (1 + times / 50))));
            if child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
                kills += 1;
            }
            if child.wait().unwrap().success() {
                break;
            }
        }
        // The last one may have given up while something was left.
        assert!(start(&place, address, 1).wait().unwrap().success());
        let written: Vec<Name> = String::from_utf8(place.read("alerts")).unwrap().lines().map(name).collect();
        let posted: Vec<Name> = names.try_iter().collect();
        let (mut known, mut first) = (BTreeSet::new(), Vec::new());
        for name in &posted {
            if known.insert(name) {
                first.push(name.clone());
            }
        }
        let other = first.iter().zip(&written).position(|(posted, written)| posted != written);
        assert!(
            !written.is_empty() && first == written,
            "posted is not what was written: {} and {}, others from {other:?} on: {:?} and {:?}; see {}",
            first.len(),
            written.len(),
            other.and_then(|at| first.get(at..first.len().min(at + 10))),
            other.and_then(|at| written.get(at..written.len().min(at + 10))),
            place.keep()
        );
        again += posted.len() - written.len();
        runs += 1;
    }
    println!("post: {runs} runs killed {kills} times, every alert posted in order, {again} of them again");
}
