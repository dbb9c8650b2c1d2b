//! What a loss of power may leave: of everything that was not forced to disk, any part.
//!
//! `strace` tells every call that changes files. From these follows, for the moment after each call, what the disk may
//! hold: names and contents that were forced to it, and of the others all, none, or what hurts. From each such disk a run
//! goes on, and its outputs must be those of a run that nothing happened to.

use super::faults::{Place, has_strace};
use super::post::{name, receiver};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;

/// Calls that change what files hold or are called.
const CALLS: &str = "trace=mkdir,openat,write,ftruncate,fsync,fdatasync,rename,unlink";

/// The folder with checkpoints, in that of the run, and the one with alerts that are still to be posted.
const STATE: &str = "state";
const OUTBOXES: &str = "state/outbox";
const OUTBOX: &str = "state/outbox/post";
const FOLDERS: [&str; 3] = [STATE, OUTBOXES, OUTBOX];

/// A file or a folder, whatever its name.
type Node = usize;

/// What a call did.
#[derive(Debug)]
enum Step {
    Made(String, Node),
    Wrote(Node, Vec<u8>),
    Cut(Node, usize),
    Named(String, String),
    Removed(String),
    /// What was written by the beginning of the call is on disk at its end.
    ForcingBegan(Node),
    Forced(Node),
    FolderForced(String),
}

/// Names of files, and which files they are of.
type Names = BTreeMap<String, Node>;

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    forcing: Vec<u8>,
    on_disk: Vec<u8>,
}

/// Files as programs see them, and as much of them as is on disk.
#[derive(Default)]
struct Disk {
    names: Names,
    names_on_disk: Names,
    /// Changes of names since their folder was forced to disk: with a file to which they lead, or without one.
    pending: Vec<(String, Option<Node>)>,
    contents: BTreeMap<Node, Content>,
}

/// What is left of names that were not forced to disk.
const NAMES: [&str; 3] = ["no names", "all names", "removals only"];
/// What is left of contents that were not forced to disk.
const CONTENTS: [&str; 4] = ["no content", "half the content", "zeros", "all content"];

fn folder(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl Disk {
    fn go(&mut self, step: &Step) {
        match step {
            Step::Made(name, node) => {
                self.contents.insert(*node, Content::default());
                self.name(name, Some(*node));
            }
            Step::Wrote(node, bytes) => self.content(*node).now.extend_from_slice(bytes),
            Step::Cut(node, length) => self.content(*node).now.truncate(*length),
            Step::Named(from, to) => {
                let node = self.names.get(from).copied();
                self.name(from, None);
                self.name(to, node);
            }
            Step::Removed(name) => self.name(name, None),
            Step::ForcingBegan(node) => {
                let content = self.content(*node);
                content.forcing.clone_from(&content.now);
            }
            Step::Forced(node) => {
                let content = self.content(*node);
                content.on_disk = std::mem::take(&mut content.forcing);
            }
            Step::FolderForced(forced) => {
                let pending = std::mem::take(&mut self.pending);
                let (done, left): (Vec<_>, _) =
                    pending.into_iter().partition(|(name, _)| folder(name) == forced);
                self.pending = left;
                done.into_iter().for_each(|(name, node)| rename(&mut self.names_on_disk, name, node));
            }
        }
    }

    fn content(&mut self, node: Node) -> &mut Content {
        self.contents.entry(node).or_default()
    }

    fn name(&mut self, name: &str, node: Option<Node>) {
        rename(&mut self.names, name.to_owned(), node);
        self.pending.push((name.to_owned(), node));
    }

    /// What a loss of power leaves.
    fn after_loss(&self, names: &str, contents: &str) -> BTreeMap<String, Vec<u8>> {
        let mut left = self.names_on_disk.clone();
        for (name, node) in &self.pending {
            if names == "all names" || names == "removals only" && node.is_none() {
                rename(&mut left, name.clone(), *node);
            }
        }
        // Nothing is in a folder that is lost itself, or stood in one that is.
        let is_there = |name: &str| {
            std::iter::successors(Some(folder(name)), |name| Some(folder(name)))
                .take_while(|name| !name.is_empty())
                .all(|name| left.contains_key(name))
        };
        let left = left.iter().filter(|(name, _)| is_there(name));
        left.map(|(name, node)| (name.clone(), self.contents[node].after_loss(contents))).collect()
    }
}

impl Content {
    fn after_loss(&self, contents: &str) -> Vec<u8> {
        let Self { now, on_disk, .. } = self;
        // A file that was cut off since may have been cut off on disk or not: either holds what is the same.
        let length = on_disk.len().min(now.len());
        match contents {
            "no content" => on_disk.clone(),
            "half the content" => now[..length + (now.len() - length) / 2].to_vec(),
            "zeros" => [&now[..length], &vec![0; now.len() - length]].concat(),
            _ => now.clone(),
        }
    }
}

fn rename(names: &mut Names, name: String, node: Option<Node>) {
    match node {
        Some(node) => names.insert(name, node),
        None => names.remove(&name),
    };
}

/// Reads what `strace` tells of files in one folder.
struct Trace<'a> {
    root: &'a str,
    names: Names,
    nodes: Node,
    steps: Vec<Step>,
    /// Calls that have begun, by thread.
    begun: BTreeMap<String, String>,
}

impl Trace<'_> {
    fn line(&mut self, line: &str) {
        let Some((thread, call)) = line.split_once(' ') else { return };
        let call = call.trim_start();
        if let Some(begun) = call.strip_suffix(" <unfinished ...>") {
            self.forcing_began(begun);
            self.begun.insert(thread.to_owned(), begun.to_owned());
        } else if let Some((_, rest)) =
            call.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>"))
        {
            let begun = self.begun.remove(thread).unwrap();
            self.call(&(begun + rest));
        } else {
            self.forcing_began(call);
            self.call(call);
        }
    }

    fn forcing_began(&mut self, call: &str) {
        if let Some(node) = call.starts_with('f').then(|| self.file_of(call)).flatten() {
            self.steps.push(Step::ForcingBegan(node));
        }
    }

    fn call(&mut self, call: &str) {
        let (Some((name, _)), Some((_, result))) = (call.split_once('('), call.rsplit_once(" = ")) else {
            return;
        };
        let Ok(result) = result.split(['<', ' ']).next().unwrap().parse::<usize>() else { return };
        let texts = quoted(call);
        let step = match name {
            "openat" => return self.open(&texts[0], call),
            "write" => self.file_of(call).map(|node| Step::Wrote(node, texts[0][..result].to_vec())),
            "ftruncate" => {
                let length = call.rsplit_once(')').unwrap().0.rsplit_once(", ").unwrap().1.parse().unwrap();
                self.file_of(call).map(|node| Step::Cut(node, length))
            }
            "fsync" | "fdatasync" => match self.descriptor(call) {
                Some(name) if name.is_empty() || FOLDERS.contains(&name.as_str()) => {
                    Some(Step::FolderForced(name))
                }
                Some(name) => self.names.get(&name).map(|node| Step::Forced(*node)),
                None => None,
            },
            "rename" => self.inside(&texts[0]).zip(self.inside(&texts[1])).map(|(from, to)| {
                let node = self.names.remove(&from).unwrap();
                self.names.insert(to.clone(), node);
                Step::Named(from, to)
            }),
            "mkdir" => self.inside(&texts[0]).map(|name| self.made(name)),
            "unlink" => self.inside(&texts[0]).map(Step::Removed),
            _ => None,
        };
        self.steps.extend(step);
    }

    fn open(&mut self, path: &[u8], call: &str) {
        let Some(name) = self.inside(path).filter(|_| call.contains("O_CREAT")) else { return };
        match self.names.get(&name) {
            Some(node) if call.contains("O_TRUNC") => self.steps.push(Step::Cut(*node, 0)),
            Some(_) => {}
            None => {
                let made = self.made(name);
                self.steps.push(made);
            }
        }
    }

    fn made(&mut self, name: String) -> Step {
        self.nodes += 1;
        self.names.insert(name.clone(), self.nodes);
        Step::Made(name, self.nodes)
    }

    /// The path below the folder, if it is one.
    fn inside(&self, path: &[u8]) -> Option<String> {
        let path = String::from_utf8_lossy(path);
        let below = path.strip_prefix(self.root).or((!path.starts_with('/')).then_some(&path[..]))?;
        let below = below.trim_start_matches('/');
        // Of the folders around it only the one of the run counts.
        below.strip_prefix("run").map(|name| name.trim_start_matches('/').to_owned())
    }

    /// What the first descriptor of a call is of.
    fn descriptor(&self, call: &str) -> Option<String> {
        let (_, rest) = call.split_once('<')?;
        self.inside(&unescaped(rest.split_once('>')?.0))
    }

    fn file_of(&self, call: &str) -> Option<Node> {
        self.names.get(&self.descriptor(call)?).copied()
    }
}

fn quoted(call: &str) -> Vec<Vec<u8>> {
    call.split('"').skip(1).step_by(2).map(unescaped).collect()
}

/// Bytes that are written as `\x7b\x22`.
fn unescaped(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|byte| u8::from_str_radix(&byte[..2], 16).unwrap()).collect()
}

/// Puts files into a folder as a loss of power left them. Outputs keep their number in the file system, by which they
/// are told from others.
fn lay_out(place: &Place, left: &BTreeMap<String, Vec<u8>>) {
    let _ = fs::remove_dir_all(place.path("run").join(STATE));
    for output in ["alerts", "rejects"] {
        let (name, aside) = (place.path(&format!("run/{output}")), place.path(&format!("aside-{output}")));
        if aside.exists() {
            fs::rename(&aside, &name).unwrap();
        }
        if !left.contains_key(output) {
            fs::rename(&name, &aside).unwrap();
        }
    }
    for folder in FOLDERS.into_iter().filter(|folder| left.contains_key(*folder)) {
        fs::create_dir(place.path("run").join(folder)).unwrap();
    }
    for (name, content) in left.iter().filter(|(name, _)| !FOLDERS.contains(&name.as_str())) {
        fs::write(place.path("run").join(name), content).unwrap();
    }
}

fn traced(place: &Place, more: &[&str]) -> Vec<Step> {
    let trace = place.path("trace");
    let around = ["strace", "-f", "-y", "-xx", "-s", "99999999", "-e", CALLS, "-o", trace.to_str().unwrap()];
    let ran = place.command(&around, "run").args(more).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let root = place.path("").canonicalize().unwrap();
    let (names, begun) = (Names::new(), BTreeMap::new());
    let mut trace = Trace { root: root.to_str().unwrap(), names, nodes: 0, steps: Vec::new(), begun };
    fs::read_to_string(place.path("trace")).unwrap().lines().for_each(|line| trace.line(line));
    trace.steps
}

#[test]
fn whatever_a_loss_of_power_leaves_the_next_run_makes_whole() {
    if !has_strace() {
        return;
    }
    let place = Place::new(2500);
    after_each_loss(&place, &traced(&place, &[]), |after| goes_on(&place, after));
}

/// What was to be posted to somebody who was away is posted by the next run, each alert once.
#[test]
fn whatever_a_loss_of_power_leaves_every_alert_is_posted() {
    if !has_strace() {
        return;
    }
    let place = Place::new(900);
    fs::OpenOptions::new()
        .append(true)
        .open(place.path("keyhound.toml"))
        .unwrap()
        .write_all(b"[post]\nretry_max_ms = 20\n")
        .unwrap();
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let steps = traced(&place, &["--post", &format!("http://{away}/")]);
    let (address, names) = receiver(None);
    after_each_loss(&place, &steps, |after| {
        let ran = place.command(&[], "run").args(["--post", &format!("http://{address}/")]).output().unwrap();
        assert!(ran.status.success(), "after {after}: {}", String::from_utf8_lossy(&ran.stderr));
        let written = fs::read_to_string(place.path("run/alerts")).unwrap();
        let (written, posted): (Vec<_>, Vec<_>) =
            (written.lines().map(name).collect(), names.try_iter().collect());
        assert!(
            !written.is_empty() && posted == written,
            "after {after}: {} of {}",
            posted.len(),
            written.len()
        );
    });
}

/// Lays out everything that a loss of power may leave, and sees whether a run goes on from it.
fn after_each_loss(place: &Place, steps: &[Step], goes_on: impl Fn(&str)) {
    let (mut disk, mut seen) = (Disk::default(), BTreeSet::new());
    for (number, step) in steps.iter().enumerate() {
        disk.go(step);
        for names in NAMES {
            for contents in CONTENTS {
                let left = disk.after_loss(names, contents);
                if seen.insert(left.clone()) {
                    lay_out(place, &left);
                    goes_on(&format!("step {number} ({}), {names}, {contents}", told(step)));
                }
            }
        }
    }
    let forced = steps.iter().filter(|step| matches!(step, Step::Forced(_) | Step::FolderForced(_))).count();
    println!("{} different disks after {} steps, {forced} of them forced something", seen.len(), steps.len());
    assert!(forced > 10);
}

fn goes_on(place: &Place, after: &str) {
    let ran = place.run(&[], "run");
    assert!(ran.status.success(), "after {after}: {}", String::from_utf8_lossy(&ran.stderr));
    place.expect_whole(Path::new(&place.path("run")), after);
}

fn told(step: &Step) -> String {
    format!("{step:?}").chars().take(60).collect()
}
