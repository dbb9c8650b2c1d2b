//! A program that serves something by HTTP while it reads what it is fed.

use crate::support::keyhound;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

pub struct Serving {
    child: Child,
    stdin: Option<ChildStdin>,
    pub address: String,
}

/// An answer: status, head and body.
pub struct Said {
    pub code: u16,
    pub head: String,
    pub body: String,
}

impl Said {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Serving {
    /// Starts `keyhound run` with these arguments, and waits until it says where it is served what is `announced`.
    pub fn start(dir: &Path, args: &[&str], announced: &str) -> Self {
        let mut child = keyhound()
            .current_dir(dir)
            .arg("run")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let (mut line, mut told) = (String::new(), String::new());
        while !line.contains(announced) {
            line.clear();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "an address: {told}");
            told.push_str(&line);
        }
        let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self { stdin: child.stdin.take(), child, address }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The answer to a request.
    pub fn ask(&self, request: &str) -> Said {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Said { code, head: head.to_owned(), body: body.to_owned() }
    }

    pub fn get(&self, path: &str) -> Said {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    }

    /// Writes records.
    pub fn write(&mut self, lines: &str) {
        self.stdin.as_mut().unwrap().write_all(lines.as_bytes()).unwrap();
    }

    /// Sends it a signal by this name.
    pub fn signal(&self, name: &str) {
        let told = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(told.unwrap().success());
    }

    /// Waits for its end, which is a good one.
    pub fn wait(&mut self) {
        assert!(self.child.wait().unwrap().success());
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets its inputs end, and waits for its own end.
    pub fn stop(mut self) {
        drop(self.stdin.take());
        self.wait();
    }
}

/// A test that fails leaves no process behind.
impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
