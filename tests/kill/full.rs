//! Disks that are full for a while: small file systems of their own, filled up and freed while a run waits.

use super::faults::Place;
use super::post::{name, receiver};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Long enough for any machine.
const PATIENCE_S: u32 = 60;

/// Checks something with a small file system in this folder.
pub(super) fn on_a_small_disk(folder: &Path, room: &str, check: impl FnOnce()) {
    fs::create_dir_all(folder).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", room, "keyhound-test"])
        .arg(folder)
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("left out: no file system can be mounted here");
        return;
    }
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
    // Whoever still runs after a mistake holds it.
    assert!(Command::new("umount").arg("-l").arg(folder).status().unwrap().success());
    outcome.unwrap();
}

#[test]
fn reading_stops_while_the_disk_is_full_and_goes_on_when_there_is_room() {
    let place = Place::new(6000);
    on_a_small_disk(&place.path("small"), "size=2m", || fill_and_free(&place));
}

fn fill_and_free(place: &Place) {
    let ballast = place.path("small/ballast");
    let mut child = place.command(&[], "small");
    let mut child = child.stderr(Stdio::piped()).spawn();
    // All but a little, so that the run begins and then finds no room.
    fs::write(&ballast, vec![0; (2 << 20) - (96 << 10)]).unwrap();
    thread::sleep(Duration::from_secs(2));
    let child = child.as_mut().unwrap();
    let waits = child.try_wait().unwrap().is_none();
    fs::remove_file(&ballast).unwrap();
    let status = child.wait().unwrap();
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(status.success(), "{told}");
    assert!(waits && told.contains("the disk is full"), "it did not wait: {told}");
    place.expect_whole(&place.path("small"), "a full disk");
}

/// There is room for the outputs all the while, and none for what they follow from.
#[test]
fn reading_stops_while_there_is_no_room_for_the_state() {
    let place = Place::new(3000);
    on_a_small_disk(&place.path("run/state"), "size=1m", || fill_and_free_one(&place, "run/state", fill));
}

/// Room for what files hold is not all that a file needs: the next checkpoint cannot even be begun.
#[test]
fn reading_stops_while_there_is_room_for_no_further_file() {
    let place = Place::new(3000);
    let room = "size=1m,nr_inodes=32";
    on_a_small_disk(&place.path("run/state"), room, || {
        fill_and_free_one(&place, "run/state", fill_with_names)
    });
}

/// There is room for outputs and state, and none for what is to be posted: neither for what a file of it holds nor for a
/// file at all.
#[test]
fn reading_stops_while_there_is_no_room_for_the_outbox() {
    for (room, fill) in [("size=1m", fill as fn(&Path)), ("size=1m,nr_inodes=32", fill_with_names)] {
        let place = Place::new(3000);
        let outbox = "run/state/outbox/post";
        on_a_small_disk(&place.path(outbox), room, || fill_and_free_one(&place, outbox, fill));
    }
}

/// Fills up one folder of a run and frees it again: the run says so, waits and goes on.
fn fill_and_free_one(place: &Place, folder: &str, fill: impl Fn(&Path)) {
    let log = fs::read(place.path("log")).unwrap();
    fs::write(place.path("log"), "").unwrap();
    let config = "[checkpoint]\ninterval_ms = 1\ntime_percent_max = 100\n[input]\npoll_ms = 2\n";
    fs::write(place.path("keyhound.toml"), config).unwrap();
    let metrics = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut child = place.command(&[], "run");
    child.args(["--follow", "--metrics", &metrics]).stderr(File::create(place.path("errors")).unwrap());
    let (receiver, posted) = receiver(None);
    if folder.ends_with("outbox/post") {
        child.arg(format!("--post=http://{receiver}/"));
    }
    let mut child = child.spawn().unwrap();
    wait_for("the first checkpoint", || place.path("run/state/checkpoint-0000000001").exists());
    let ballast = place.path(folder).join("ballast");
    fill(&ballast);
    let mut grows = OpenOptions::new().append(true).open(place.path("log")).unwrap();
    for piece in log.chunks(10_000) {
        grows.write_all(piece).unwrap();
        thread::sleep(Duration::from_millis(10));
    }
    let told = || fs::read_to_string(place.path("errors")).unwrap();
    let says = |line: &str| line.contains(folder) && line.contains(": the disk is full");
    wait_for("the word that the disk is full", || told().lines().any(says));
    let is_full = |page: &str| page.lines().any(|line| line == "keyhound_disk_full 1");
    let lines = |page: &str| {
        page.lines().find(|line| line.starts_with("keyhound_source_lines_total")).map(str::to_owned)
    };
    let before = page(&metrics);
    thread::sleep(Duration::from_secs(2));
    let after = page(&metrics);
    assert!(is_full(&before) && is_full(&after), "{after}");
    assert_eq!(lines(&before), lines(&after), "it goes on reading");
    assert!(!place.is_whole(&place.path("run")), "it went on writing");
    fs::remove_dir_all(&ballast).unwrap();
    wait_for("all that follows", || place.is_whole(&place.path("run")));
    wait_for("the word that there is room", || !is_full(&page(&metrics)));
    assert!(Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap().success());
    assert!(child.wait().unwrap().success(), "{}", told());
    place.expect_whole(&place.path("run"), "no room for the state");
    assert_eq!(told().matches("the disk is full").count(), 1, "{}", told());
    if folder.ends_with("outbox/post") {
        let alerts = fs::read_to_string(place.path("run/alerts")).unwrap();
        assert!(posted.try_iter().eq(alerts.lines().map(name)), "posted is not what was written");
    }
}

/// Takes all the room there is.
fn fill(ballast: &Path) {
    fs::create_dir(ballast).unwrap();
    let mut file = File::create(ballast.join("all")).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
}

/// Makes as many files as there can be.
fn fill_with_names(ballast: &Path) {
    fs::create_dir(ballast).unwrap();
    let mut names = (0..).map(|number| ballast.join(format!("{number}")));
    while File::create(names.next().unwrap()).is_ok() {}
}

fn page(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

pub(super) fn wait_for(what: &str, is_there: impl Fn() -> bool) {
    for _ in 0..PATIENCE_S * 20 {
        if is_there() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("{what} does not come");
}
