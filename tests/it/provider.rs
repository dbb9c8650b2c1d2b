//! A provider on this machine: it answers what a test says, and tells what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

/// A request: its method, its address, its headers as they came, and its body.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub target: String,
    pub head: String,
    pub body: String,
}

impl Asked {
    /// The value of a parameter, as it is written in the address.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// The path.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// A parameter that is a number.
    pub fn number(&self, name: &str) -> i64 {
        self.parameter(name).unwrap_or_else(|| panic!("{name} in {}", self.target)).parse().unwrap()
    }
}

/// What is answered.
pub enum Said {
    /// A body, with 200.
    Ok(String),
    /// A status with further lines of the head, and a body.
    Status(u16, &'static str, String),
    /// A body that ends before it was to.
    Cut(String),
    /// A byte now and then, for ever.
    Drip,
    /// Events of a stream, with further lines of the head, cut into pieces of so many bytes. The end of the connection is
    /// theirs.
    Events(&'static str, String, usize),
    /// The first so many of such events, and then a byte of white space now and then, for ever.
    DripAfter(String),
}

pub struct Provider {
    pub url: String,
    asked: mpsc::Receiver<Asked>,
}

impl Provider {
    /// Answers one request after the other.
    pub fn start(mut answer: impl FnMut(&Asked) -> Said + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (told, asked) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Some(request) = read(&stream) else { continue };
                let said = answer(&request);
                if told.send(request).is_err() {
                    return;
                }
                // Whoever asked may have gone.
                let _ = say(stream, &said);
            }
        });
        Self { url, asked }
    }

    /// What was asked since it was looked at last.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.try_iter().collect()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut head) = (String::new(), String::new());
    reader.read_line(&mut line).ok()?;
    let (method, target) = (line.split(' ').next()?.to_owned(), line.split(' ').nth(1)?.to_owned());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 || line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut asked = Asked { method, target, head, body: String::new() };
    let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    reader.take(length).read_to_string(&mut asked.body).ok()?;
    Some(asked)
}

fn say(mut stream: TcpStream, said: &Said) -> std::io::Result<()> {
    let head = |code: u16, more: &str, length: usize| {
        format!("HTTP/1.1 {code} x\r\nconnection: close\r\ncontent-length: {length}\r\n{more}\r\n")
    };
    match said {
        Said::Ok(body) => write!(stream, "{}{body}", head(200, "", body.len())),
        Said::Status(code, more, body) => write!(stream, "{}{body}", head(*code, more, body.len())),
        Said::Cut(body) => write!(stream, "{}{body}", head(200, "", body.len() + 10)),
        Said::Drip => {
            write!(stream, "{}", head(200, "", 1_000_000))?;
            drip(stream)
        }
        Said::Events(more, text, size) => {
            write!(stream, "{STREAM}{more}\r\n")?;
            stream.set_nodelay(true)?;
            text.as_bytes().chunks(*size).try_for_each(|piece| stream.write_all(piece))
        }
        Said::DripAfter(text) => {
            write!(stream, "{STREAM}\r\n{text}")?;
            drip(stream)
        }
    }
}

const STREAM: &str =
    "HTTP/1.1 200 x\r\nconnection: close\r\ncontent-type: text/event-stream; charset=utf-8\r\n";

fn drip(mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        stream.write_all(b" ")?;
        std::thread::sleep(Duration::from_millis(10));
    }
}
