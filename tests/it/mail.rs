//! Mails: what an SMTP server is told, in which words, and what follows from what it answers.

use crate::sink_forms::{compare, one_alert};
use crate::support::{keyhound, record, run_in};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::json;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Long enough for any machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server answers to a line; none for what it answers usually.
type Script = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A server of mail that behaves as a test wants it to.
struct Server {
    address: String,
    /// Each connection that ended: what was said on it, and the mails.
    talks: mpsc::Receiver<Talk>,
    ca: String,
}

#[derive(Default, Debug)]
struct Talk {
    said: Vec<String>,
    mails: Vec<String>,
}

trait Line: Read + Write {}
impl<T: Read + Write> Line for T {}

impl Server {
    /// Encrypted from the start, or when it is asked to.
    fn start(is_encrypted: bool, script: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (ended, talks) = mpsc::channel();
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let ca = made.cert.pem();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let (config, script): (_, Script) = (Arc::new(config), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, config) = (stream.unwrap(), Arc::clone(&config));
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut talk = Talk::default();
                if is_encrypted {
                    let tls = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                    serve(Box::new(tls), true, &script, &mut talk);
                } else if let Some(stream) =
                    serve(Box::new(stream.try_clone().unwrap()), true, &script, &mut talk).then_some(stream)
                {
                    let tls = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                    serve(Box::new(tls), false, &script, &mut talk);
                }
                if ended.send(talk).is_err() {
                    return;
                }
            }
        });
        Self { address, talks, ca }
    }

    /// A sink to it.
    fn sink(&self, dir: &Path, settings: &str) -> String {
        fs::write(dir.join("ca"), &self.ca).unwrap();
        fs::write(dir.join("password"), "EXAMPLE-password\n").unwrap();
        format!(
            "[sinks.mail]\ntype = \"email\"\naddress = \"{}\"\nfrom = \"keyhound@example.org\"\nto = [\"soc@example.org\", \"on-call@example.net\"]\nhostname = \"box\"\n{settings}\n",
            self.address
        )
    }

    fn next(&self) -> Talk {
        self.talks.recv_timeout(PATIENCE).expect("a connection")
    }
}

/// Talks until the other side goes, or wants to go on encrypted, which is answered with true.
fn serve(line: Box<dyn Line>, greets: bool, script: &Script, talk: &mut Talk) -> bool {
    let mut line = BufReader::new(line);
    let say = |line: &mut BufReader<Box<dyn Line>>, words: &str| {
        line.get_mut().write_all(format!("{words}\r\n").as_bytes()).is_ok()
    };
    if greets && !say(&mut line, &script("").unwrap_or_else(|| "220 mail.example ready".to_owned())) {
        return false;
    }
    loop {
        let mut text = String::new();
        if line.read_line(&mut text).unwrap_or(0) == 0 {
            return false;
        }
        let text = text.trim_end().to_owned();
        talk.said.push(text.clone());
        let usual = match text.split(' ').next().unwrap() {
            "EHLO" => "250-mail.example\r\n250-STARTTLS\r\n250-AUTH LOGIN PLAIN\r\n250 8BITMIME",
            "AUTH" => "235 welcome",
            "DATA" => "354 go on",
            "STARTTLS" => "220 go on encrypted",
            "QUIT" => "221 bye",
            _ => "250 fine",
        };
        let answer = script(&text).unwrap_or_else(|| usual.to_owned());
        if !say(&mut line, &answer) {
            return false;
        }
        if text == "STARTTLS" && answer.starts_with("220") {
            return true;
        }
        if text == "DATA" && answer.starts_with("354") {
            let mut mail = String::new();
            while !mail.ends_with("\r\n.\r\n") {
                if line.read_line(&mut mail).unwrap_or(0) == 0 {
                    return false;
                }
            }
            talk.mails.push(mail[..mail.len() - 3].to_owned());
            if !say(&mut line, &script(".").unwrap_or_else(|| "250 queued".to_owned())) {
                return false;
            }
        }
    }
}

/// A mail with its parts as they are read, without what differs from run to run.
fn shown(mail: &str) -> String {
    let mail = Regex::new("Date: [^\r]*").unwrap().replace(mail, "Date: NOW");
    let mut out = String::new();
    for (at, part) in mail.split("\r\n\r\n").enumerate() {
        let (coded, rest) = part.split_once("\r\n--").map_or((part, ""), |(coded, rest)| (coded, rest));
        let is_body =
            at > 0 && coded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(&byte));
        if is_body && at > 0 && !coded.starts_with("--") {
            let bytes = STANDARD.decode(coded.replace("\r\n", "")).unwrap();
            out.push_str(&String::from_utf8(bytes).unwrap());
            out.push_str(&format!("\r\n--{rest}"));
        } else {
            out.push_str(part);
        }
        out.push_str("\r\n\r\n");
    }
    out.replace("\r\n", "\n").trim_end().to_owned() + "\n"
}

#[test]
fn a_mail_is_what_its_file_says_and_nobody_reads_it_on_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(false, |_| None);
    let settings =
        "username = \"keyhound\"\npassword_file = \"password\"\nca_file = \"ca\"\nstatuses = [\"open\"]";
    one_alert(dir.path(), &server.sink(dir.path(), settings));
    let ran = run_in(dir.path(), &["run", "-c", "k.toml", "log"], b"");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(!ran.stderr.contains("EXAMPLE"), "{}", ran.stderr);
    let talk = server.next();
    let proof = STANDARD.encode("\0keyhound\0EXAMPLE-password");
    // Who we are is said again when nobody else hears it, and the password only then.
    let expected = [
        "EHLO box",
        "STARTTLS",
        "EHLO box",
        &format!("AUTH PLAIN {proof}"),
        "MAIL FROM:<keyhound@example.org>",
        "RCPT TO:<soc@example.org>",
        "RCPT TO:<on-call@example.net>",
        "DATA",
        "QUIT",
    ];
    assert_eq!(talk.said, expected);
    compare("tests/sinks/email", &shown(&talk.mails[0]));
}

#[test]
fn encrypted_from_the_start_or_on_this_machine_not_at_all() {
    for (encryption, settings) in [("tls", "ca_file = \"ca\"\n"), ("none", "")] {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(encryption == "tls", |_| None);
        let settings = format!("encryption = \"{encryption}\"\n{settings}");
        one_alert(dir.path(), &server.sink(dir.path(), &settings));
        let ran = run_in(dir.path(), &["check", "-c", "k.toml", "--send-test"], b"");
        assert!(
            ran.code == Some(0) && ran.stdout.contains("has taken the test"),
            "{encryption}: {}{}",
            ran.stdout,
            ran.stderr
        );
        let talk = server.next();
        assert_eq!(talk.said[..2], ["EHLO box", "MAIL FROM:<keyhound@example.org>"], "{encryption}");
        assert!(shown(&talk.mails[0]).contains("TEST from keyhound"), "{encryption}");
    }
}

#[test]
fn what_a_server_says_is_told_and_what_to_do() {
    let answer = |to: &'static str, answer: &'static str| {
        move |line: &str| line.starts_with(to).then(|| answer.to_owned())
    };
    for (to, said, told) in [
        ("EHLO", "250 mail.example", "answers 530 (`it offers no STARTTLS; set `encryption` to tls"),
        (
            "AUTH",
            "535 5.7.8 bad",
            "answers 535 (`5.7.8 bad`): it wants another name, password or encryption (`sinks.mail.username`",
        ),
        ("RCPT TO", "550 no such mailbox", "answers 550 (`no such mailbox`): somebody has to mend"),
        ("MAIL", "451 greylisted", "answers 451"),
        (".", "554 it is spam", "answers 554 (`it is spam`)"),
        ("DATA", "nonsense", "what it says is no SMTP"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(
            false,
            move |line: &str| if line.is_empty() { None } else { answer(to, said)(line) },
        );
        let settings = "username = \"keyhound\"\npassword_file = \"password\"\nca_file = \"ca\"";
        one_alert(dir.path(), &server.sink(dir.path(), settings));
        let ran = run_in(dir.path(), &["check", "-c", "k.toml", "--send-test", "mail"], b"");
        assert!(
            ran.code == Some(69) && ran.stdout.contains(told),
            "{to}: {:?} {}{}",
            ran.code,
            ran.stdout,
            ran.stderr
        );
        assert!(!ran.stdout.contains("EXAMPLE"));
    }
    // A certificate that nobody has signed whom we trust; and words that were slipped in before encryption began.
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(false, |_| None);
    one_alert(dir.path(), &server.sink(dir.path(), ""));
    let ran = run_in(dir.path(), &["check", "-c", "k.toml", "--send-test"], b"");
    assert!(
        ran.code == Some(69) && ran.stdout.contains("`sinks.mail.ca_file` says whom to trust"),
        "{}",
        ran.stdout
    );
    let slipped = |line: &str| {
        (line == "STARTTLS").then(|| "220 go on\r\n250-mail.example\r\n250 AUTH PLAIN".to_owned())
    };
    let server = Server::start(false, slipped);
    one_alert(dir.path(), &server.sink(dir.path(), "ca_file = \"ca\""));
    let ran = run_in(dir.path(), &["check", "-c", "k.toml", "--send-test"], b"");
    assert!(
        ran.code == Some(69) && ran.stdout.contains("something was said in the clear after STARTTLS"),
        "{}",
        ran.stdout
    );
}

#[test]
fn one_mailbox_that_is_gone_does_not_keep_the_mail_from_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(false, |line| line.starts_with("RCPT TO:<soc").then(|| "550 gone".to_owned()));
    one_alert(dir.path(), &server.sink(dir.path(), "ca_file = \"ca\"\nstatuses = [\"open\"]"));
    let ran = run_in(dir.path(), &["run", "-c", "k.toml", "log"], b"");
    assert!(
        ran.code == Some(0)
            && ran.stderr.contains("not taken for soc@example.org (550 gone); the others have it"),
        "{}",
        ran.stderr
    );
    assert_eq!(server.next().mails.len(), 1);
}

#[test]
fn what_comes_together_is_one_mail_and_there_are_no_more_than_so_many() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(false, |_| None);
    let settings = "ca_file = \"ca\"\nstatuses = [\"open\"]\nmails_per_hour_max = 2";
    one_alert(dir.path(), &server.sink(dir.path(), settings));
    let lines: String = (0..40)
        .map(|key| record(&[("api_key_prefix", json!(format!("...{key:04}"))), ("cost_usd", json!(3.5))]))
        .collect();
    fs::write(dir.path().join("log"), lines).unwrap();
    // With a state, what has to wait for an hour is left for the next run, which may write at once.
    let run = || {
        let mut command = keyhound();
        command
            .current_dir(dir.path())
            .args(["run", "-c", "k.toml", "--state", "state", "-o", "alerts", "log"]);
        let ran = command.output().unwrap();
        assert_eq!(ran.status.code(), Some(0));
        String::from_utf8(ran.stderr).unwrap()
    };
    let mut told = run();
    let alerts = fs::read_to_string(dir.path().join("alerts"))
        .unwrap()
        .lines()
        .filter(|line| line.contains("\"open\""))
        .count();
    assert_eq!(alerts, 40);
    let mut mails: Vec<String> = server.talks.try_iter().flat_map(|talk| talk.mails).collect();
    assert!((1..=2).contains(&mails.len()), "{}", mails.len());
    told += &run();
    mails.extend(server.talks.try_iter().flat_map(|talk| talk.mails));
    assert!(mails.len() <= 4 && !told.contains("mistake"), "{told}");
    let names = Regex::new("[0-9a-f]{32}\\.0").unwrap();
    let mut seen: Vec<String> = Vec::new();
    for mail in &mails {
        let (_, head) = mail.split_once("X-Keyhound-Events: ").unwrap();
        let (head, _) = head.split_once("MIME-Version").unwrap();
        seen.extend(names.find_iter(head).map(|name| name.as_str().to_owned()));
    }
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((count, seen.len()), (40, 40), "each alert once: {told}");
    let last = mails.iter().find(|mail| shown(mail).contains("This is the last of 2 mails within an hour"));
    assert!(last.is_some() || mails.len() < 2, "{}", mails.len());
}
