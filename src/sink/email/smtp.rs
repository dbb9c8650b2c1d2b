//! One mail by SMTP (RFC 5321): greeting, STARTTLS (RFC 3207), AUTH (RFC 4954), envelope, data.
//!
//! By hand: what is needed of the protocol are a dozen lines of dialogue, and the libraries for it bring thirty others along.

use crate::sink::carrier::{Answer, short};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// Bytes of a line of an answer, and lines of one.
const LINE_MAX: u64 = 2000;
const LINES_MAX: usize = 100;
/// Characters of an answer that are told.
const WORDS_MAX: usize = 200;

/// Why a mail was not taken.
pub enum Failed {
    /// The connection.
    Io(io::Error),
    /// What the server says instead.
    Said(Answer),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// An answer: its number, and its lines.
struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    /// The answer, if it is one of those that are hoped for.
    fn expect(self, hoped: &[u16]) -> Result<Self, Failed> {
        if hoped.contains(&self.code) {
            return Ok(self);
        }
        let words = short(&self.lines.join(" "), WORDS_MAX);
        Err(Failed::Said(match self.code {
            400..=499 => Answer::Later(self.code, None),
            code => Answer::Refused(code, words),
        }))
    }
}

/// What is said by whom, and how the name is proved.
pub struct Letter<'a> {
    /// What we are called.
    pub hostname: &'a str,
    /// A name and a password, where they are asked for.
    pub login: Option<(&'a str, &'a str)>,
    /// The sender.
    pub from: &'a str,
    /// The receivers.
    pub to: &'a [String],
    /// The mail.
    pub mail: &'a [u8],
}

/// A connection.
pub struct Talk<S>(BufReader<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    /// On a connection on which the server speaks first.
    pub async fn greeted(stream: S) -> Result<Self, Failed> {
        let mut talk = Self(BufReader::new(stream));
        talk.reply().await?.expect(&[220])?;
        Ok(talk)
    }

    /// On one that was encrypted in between.
    pub fn resumed(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    /// Asks for encryption; the connection as it was below.
    pub async fn start_tls(mut self, hostname: &str) -> Result<S, Failed> {
        let known = self.hello(hostname).await?;
        if !known.iter().any(|line| line.eq_ignore_ascii_case("STARTTLS")) {
            let words =
                "it offers no STARTTLS; set `encryption` to tls if it is encrypted from the start".to_owned();
            return Err(Failed::Said(Answer::Refused(530, words)));
        }
        self.say("STARTTLS").await?.expect(&[220])?;
        if !self.0.buffer().is_empty() {
            // Somebody on the way has put words into the server's mouth that would be taken for encrypted ones.
            let error =
                io::Error::new(io::ErrorKind::InvalidData, "something was said in the clear after STARTTLS");
            return Err(Failed::Io(error));
        }
        Ok(self.0.into_inner())
    }

    /// Hands over a letter; who of the receivers was refused, and why.
    pub async fn deliver(mut self, letter: &Letter<'_>) -> Result<Vec<String>, Failed> {
        let known = self.hello(letter.hostname).await?;
        if let Some(login) = letter.login {
            self.log_in(&known, login).await?;
        }
        self.say(&format!("MAIL FROM:<{}>", letter.from)).await?.expect(&[250])?;
        let (mut refused, mut first) = (Vec::new(), None);
        for to in letter.to {
            match self.say(&format!("RCPT TO:<{to}>")).await?.expect(&[250, 251, 252]) {
                Ok(_) => {}
                Err(Failed::Said(answer @ (Answer::Refused(..) | Answer::Later(..)))) => {
                    refused.push(match &answer {
                        Answer::Refused(code, words) => format!("{to} ({code} {words})"),
                        Answer::Later(code, _) => format!("{to} ({code})"),
                        _ => to.clone(),
                    });
                    first.get_or_insert(answer);
                }
                Err(error) => return Err(error),
            }
        }
        match first {
            Some(answer) if refused.len() == letter.to.len() => return Err(Failed::Said(answer)),
            // One that may be there later gets it when all do: nobody is left out for good by a mailbox that was busy.
            Some(later @ Answer::Later(..)) => return Err(Failed::Said(later)),
            _ => {}
        }
        self.say("DATA").await?.expect(&[354])?;
        let mut stuffed = Vec::with_capacity(letter.mail.len() + 5);
        for line in letter.mail.split_inclusive(|byte| *byte == b'\n') {
            if line.starts_with(b".") {
                stuffed.push(b'.');
            }
            stuffed.extend_from_slice(line);
        }
        stuffed.extend_from_slice(b".\r\n");
        self.0.write_all(&stuffed).await?;
        self.0.flush().await?;
        self.reply().await?.expect(&[250])?;
        // It has it. What it says to a farewell changes nothing.
        let _ = self.0.write_all(b"QUIT\r\n").await;
        let _ = self.0.flush().await;
        Ok(refused)
    }

    async fn hello(&mut self, hostname: &str) -> Result<Vec<String>, Failed> {
        Ok(self.say(&format!("EHLO {hostname}")).await?.expect(&[250])?.lines)
    }

    async fn log_in(&mut self, known: &[String], (name, password): (&str, &str)) -> Result<(), Failed> {
        let offers = |way: &str| {
            let mut lists = known.iter().filter_map(|line| {
                line.get(..5).filter(|word| word.eq_ignore_ascii_case("AUTH ")).map(|_| &line[5..])
            });
            lists.any(|list| list.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(way)))
        };
        if offers("PLAIN") {
            let proof = STANDARD.encode(format!("\0{name}\0{password}"));
            self.say(&format!("AUTH PLAIN {proof}")).await?.expect(&[235])?;
        } else if offers("LOGIN") {
            self.say("AUTH LOGIN").await?.expect(&[334])?;
            self.say(&STANDARD.encode(name)).await?.expect(&[334])?;
            self.say(&STANDARD.encode(password)).await?.expect(&[235])?;
        } else {
            let words = "it takes no password in a way that is known here (PLAIN, LOGIN)".to_owned();
            return Err(Failed::Said(Answer::Refused(504, words)));
        }
        Ok(())
    }

    async fn say(&mut self, line: &str) -> Result<Reply, Failed> {
        self.0.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.0.flush().await?;
        self.reply().await
    }

    async fn reply(&mut self) -> Result<Reply, Failed> {
        let nonsense = || Failed::Io(io::Error::new(io::ErrorKind::InvalidData, "what it says is no SMTP"));
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            let read = (&mut self.0).take(LINE_MAX).read_until(b'\n', &mut line).await?;
            if read == 0 {
                return Err(Failed::Io(io::ErrorKind::UnexpectedEof.into()));
            }
            let text = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
            let code = text.get(..3).and_then(|code| code.parse::<u16>().ok()).ok_or_else(nonsense)?;
            let goes_on = match text.as_bytes().get(3) {
                None | Some(b' ') => false,
                Some(b'-') => true,
                Some(_) => return Err(nonsense()),
            };
            lines.push(text.get(4..).unwrap_or_default().to_owned());
            if !goes_on {
                return Ok(Reply { code, lines });
            }
            if lines.len() >= LINES_MAX {
                return Err(nonsense());
            }
        }
    }
}
