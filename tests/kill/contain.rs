//! Containment by runs that are ended by `kill -9` again and again: nothing is done without an event of it before and after,
//! nothing twice once it is known to be done, and never more than so many keys a day.

use super::{random, setting};
use keyhound::engine::clock::now;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Keys that are used by a thief, and keys that something may be done about in a day.
const KEYS: usize = 9;
const PER_DAY: usize = 5;

fn hash(number: usize) -> String {
    format!("{number:064x}")
}

/// Blocks keys and takes a moment for it; what was asked is told.
struct Proxy {
    url: String,
    blocked: mpsc::Receiver<String>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (told, blocked) = mpsc::channel();
        thread::spawn(move || {
            let mut off: BTreeSet<String> = BTreeSet::new();
            for stream in listener.incoming().map_while(Result::ok) {
                // Whoever asked may have been killed.
                let _ = serve(&stream, &mut off, &told);
            }
        });
        Self { url, blocked }
    }
}

fn serve(stream: &TcpStream, off: &mut BTreeSet<String>, told: &mpsc::Sender<String>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut first).ok()?;
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = bytes.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let target = first.split(' ').nth(1)?;
    let answer = if let Some(key) = target.strip_prefix("/key/info?key=") {
        format!("{{\"key\":\"{key}\",\"info\":{{\"blocked\":{}}}}}", off.contains(key))
    } else if target.starts_with("/key/list") {
        let all: Vec<String> = (0..KEYS).map(|number| format!("\"{}\"", hash(number))).collect();
        format!("{{\"keys\":[{}],\"total_pages\":1}}", all.join(","))
    } else {
        let body: serde_json::Value = serde_json::from_slice(&body).ok()?;
        let key = body["key"].as_str()?.to_owned();
        thread::sleep(Duration::from_millis(3));
        off.insert(key.clone());
        told.send(key).ok()?;
        thread::sleep(Duration::from_millis(3));
        "{\"blocked\":true}".to_owned()
    };
    let mut stream = stream;
    write!(stream, "HTTP/1.1 200 x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())
        .ok()
}

fn start(dir: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyhound"));
    command.current_dir(dir).args([
        "run",
        "--quiet",
        "-c",
        "keyhound.toml",
        "--state=state",
        "--output=alerts",
    ]);
    command.args(["--threads=1", "--follow", "log"]);
    let errors = OpenOptions::new().create(true).append(true).open(dir.join("errors")).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn().unwrap()
}

fn configure(dir: &Path, url: &str) {
    let mut text = format!(
        "[incidents]\nenabled = true\n[checkpoint]\ninterval_ms = 5\ntime_percent_max = 100\n[input]\npoll_ms = 2\n\
         [sinks.told]\ntype = \"file\"\npath = \"told\"\nevents = [\"containment\"]\nfiles_max = 9\n\
         [[contain]]\nname = \"block\"\naction = \"litellm_block\"\ndry_run = false\nurl = \"{url}\"\nkey_file = \"key\"\n\
         retry_max_ms = 2\n[containment]\nactions_per_day_max = {PER_DAY}\n"
    );
    for number in 0..KEYS {
        text.push_str(&format!("[[key]]\nkey = \"...{}\"\ncanary = true\n", &hash(number)[60..]));
    }
    fs::write(dir.join("keyhound.toml"), text).unwrap();
    fs::write(dir.join("key"), "EXAMPLE\n").unwrap();
    let lines = (0..KEYS).map(|number| {
        let (at, key) = (now().to_string(), hash(number));
        format!(
            "{{\"timestamp\":\"{at}\",\"api_key_prefix\":\"{key}\",\"model\":\"gpt-4o\",\"input_tokens\":9,\"output_tokens\":1,\"endpoint\":\"/v1/x\",\"source_ip\":\"203.0.113.7\"}}\n"
        )
    });
    fs::write(dir.join("log"), lines.collect::<String>()).unwrap();
}

/// Status and provider's key of every step of the journal, in order.
fn steps(path: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let deeds = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let of = |deed: &serde_json::Value, name: &str| deed[name].as_str().unwrap_or_default().to_owned();
    deeds.map(|deed| (of(&deed, "status"), of(&deed, "provider_key"))).collect()
}

#[test]
fn nothing_is_done_without_an_event_and_never_too_much() {
    let mut random = random("contain");
    for _ in 0..setting("KEYHOUND_CONTAINED", 6) {
        let (dir, proxy) = (tempfile::tempdir().unwrap(), Proxy::start());
        let dir = dir.path();
        configure(dir, &proxy.url);
        let journal = dir.join("state/contain/journal.jsonl");
        let (mut asked, mut kills): (Vec<String>, usize) = (Vec::new(), 0);
        let is_over = |steps: &[(String, String)]| {
            steps.iter().filter(|(status, _)| status == "done" || status == "refused").count() == KEYS
        };
        for round in 0..400_u64 {
            let mut child = start(dir);
            if is_over(&steps(&journal)) || round == 399 {
                for _ in 0..3000 {
                    thread::sleep(Duration::from_millis(10));
                    let told = steps(&dir.join("told"));
                    if is_over(&steps(&journal))
                        && told.iter().filter(|(status, _)| status == "done").count() >= PER_DAY
                    {
                        break;
                    }
                }
                child.kill().unwrap();
                child.wait().unwrap();
                break;
            }
            thread::sleep(Duration::from_micros(
                random.below(1 + round.min(40) * 4) * 1000 + random.below(20_000),
            ));
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            asked.extend(proxy.blocked.try_iter());
            // Whatever was asked stands in the journal, before and without a word of how it went.
            let intended: BTreeSet<String> = steps(&journal)
                .into_iter()
                .filter(|(status, _)| status == "intended")
                .map(|(_, key)| key)
                .collect();
            assert!(asked.iter().all(|key| intended.contains(key)), "{asked:?} {intended:?}");
            assert!(intended.len() <= PER_DAY, "{intended:?}");
        }
        thread::sleep(Duration::from_millis(20));
        asked.extend(proxy.blocked.try_iter());
        let all = steps(&journal);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        all.iter().for_each(|(status, _)| *counts.entry(status).or_default() += 1);
        assert_eq!(
            (counts.get("done"), counts.get("refused")),
            (Some(&PER_DAY), Some(&(KEYS - PER_DAY))),
            "{counts:?}"
        );
        assert_eq!(counts.get("intended"), Some(&PER_DAY), "{counts:?}");
        let blocked: BTreeSet<&String> = asked.iter().collect();
        assert_eq!(blocked.len(), PER_DAY, "{asked:?}");
        // What was done is asked for again only where nobody knew that it was: the provider is asked first.
        assert_eq!(asked.len(), PER_DAY, "{asked:?}");
        let told: BTreeSet<(String, String)> = steps(&dir.join("told")).into_iter().collect();
        let expected: BTreeSet<(String, String)> =
            all.into_iter().filter(|(status, _)| status != "noticed").collect();
        assert_eq!(told, expected, "{}", fs::read_to_string(dir.join("errors")).unwrap_or_default());
        println!("{kills} kills");
    }
}
