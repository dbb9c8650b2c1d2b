//! What is to be posted, on a disk that has no room or fails: every call that makes a file of the outbox, writes to it or
//! forces it to disk is made to fail, and writes are cut short.

use super::faults::{Place, has_strace};
use super::full::{on_a_small_disk, wait_for};
use super::post::{name, receiver};
use super::short::short_writes;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::process::{Command, Output};

const OUTBOX: &str = "state/outbox/post";

/// A folder with an input that is read by two runs, the first of which is left alone. Each run begins a file of the outbox.
struct Scene {
    place: Place,
    whole: String,
    half: String,
    /// The names of both files.
    files: [String; 2],
}

impl Scene {
    fn new() -> Self {
        let place = Place::new(3000);
        let whole = fs::read_to_string(place.path("log")).unwrap();
        // What is told of comes late.
        let most = whole[..whole.len() * 9 / 10].rfind('\n').unwrap() + 1;
        let half = whole[..most].to_owned();
        let mut scene = Self { place, whole, half, files: Default::default() };
        let (address, _names) = receiver(None);
        scene.run_half("half", &address.to_string());
        let before = fs::read_to_string(scene.place.path("half/alerts")).unwrap().lines().count();
        scene.files = [0, before].map(|first| format!("segment-{first:020}"));
        assert!(before > 0);
        scene
    }

    fn run(&self, around: &[&str], folder: &str, address: &str) -> Output {
        fs::write(self.place.path("log"), &self.whole).unwrap();
        self.place.command(around, folder).arg(format!("--post=http://{address}/")).output().unwrap()
    }

    fn run_half(&self, folder: &str, address: &str) {
        fs::write(self.place.path("log"), &self.half).unwrap();
        let ran = self.place.command(&[], folder).arg(format!("--post=http://{address}/")).output().unwrap();
        assert!(ran.status.success(), "{}", told(&ran));
    }

    /// Runs with calls on one file of the outbox failing, then without: in the end everything is written, and posted in
    /// order at least once. Whether anything failed at all.
    fn fail(&self, file: &str, inject: &str, check: impl FnOnce(&Output)) -> bool {
        let folder = format!("{file}-{inject}");
        let trace = self.place.path(&format!("{folder}.trace")).display().to_string();
        let relative = format!("{folder}/{OUTBOX}/{file}");
        let whole = self.place.path(&relative).display().to_string();
        let inject = format!("inject={inject}");
        // By either name: a call is known by the one that it has.
        let around =
            ["strace", "-f", "-qq", "-s", "0", "-o", &trace, "-e", &inject, "-P", &relative, "-P", &whole];
        self.go_on_after(&around, &folder, file == self.files[1], |ran| {
            let is_hit = fs::read_to_string(&trace).unwrap().contains("(INJECTED)");
            if is_hit {
                check(ran);
            }
            is_hit
        })
    }

    fn go_on_after(
        &self,
        around: &[&str],
        folder: &str,
        is_second: bool,
        check: impl FnOnce(&Output) -> bool,
    ) -> bool {
        let (address, names) = receiver(None);
        let address = address.to_string();
        if is_second {
            self.run_half(folder, &address);
        }
        let is_hit = check(&self.run(around, folder, &address));
        let ran = self.run(&[], folder, &address);
        assert!(ran.status.success(), "{folder}: {}", told(&ran));
        self.place.expect_whole(&self.place.path(folder), folder);
        let alerts = fs::read_to_string(self.place.path(folder).join("alerts")).unwrap();
        let mut known = BTreeSet::new();
        let posted: Vec<_> = names.try_iter().filter(|name| known.insert(name.clone())).collect();
        let is_same = posted == alerts.lines().map(name).collect::<Vec<_>>();
        assert!(is_same, "posted is not what was written: {folder}");
        fs::remove_dir_all(self.place.path(folder)).unwrap();
        is_hit
    }
}

fn told(ran: &Output) -> String {
    String::from_utf8_lossy(&ran.stderr).into_owned()
}

/// Neither that a file cannot be made nor that nothing can be written to it ends a run.
#[test]
fn no_room_for_a_file_of_the_outbox_is_waited_for() {
    if !has_strace() {
        return;
    }
    let scene = Scene::new();
    let mut calls = 0;
    for (call, numbers) in [("openat", &[1][..]), ("write", &[1, 2, 7])] {
        for (file, number) in
            scene.files.iter().flat_map(|file| numbers.iter().map(move |number| (file, number)))
        {
            let inject = format!("{call}:error=ENOSPC:when={number}");
            let is_hit = scene.fail(file, &inject, |ran| {
                let told = told(ran);
                assert!(ran.status.success(), "{inject}: {told}");
                let says = format!("{OUTBOX}/{file}: the disk is full; reading stops");
                assert!(told.contains(&says), "{inject}: {told}");
            });
            assert!(is_hit, "{inject} has hit no call on {file}");
            calls += 1;
        }
    }
    println!("no room at {calls} calls on files of the outbox");
}

/// A disk that fails ends the run, which says where; the next one makes again what is missing.
#[test]
fn a_file_of_the_outbox_that_fails_ends_the_run() {
    if !has_strace() {
        return;
    }
    let scene = Scene::new();
    let (mut calls, mut ended) = (0, 0);
    for inject in [
        "openat:error=EIO",
        "write:error=EIO:when=1",
        "write:error=EIO:when=5",
        "fdatasync:error=EIO",
        "fdatasync:error=ENOSPC:when=2",
    ] {
        for file in &scene.files {
            calls += u32::from(scene.fail(file, inject, |ran| {
                let told = told(ran);
                assert_eq!(ran.status.code(), Some(74), "{inject}: {told}");
                assert!(
                    told.contains("Input/output error") || told.contains("No space left"),
                    "{inject}: {told}"
                );
                ended += 1;
            }));
        }
    }
    println!("{calls} calls on files of the outbox failed, which ended {ended} runs");
    assert!(calls > 4, "{calls}");
}

/// How far it was delivered is a note that may be lost: some is posted once more then, and nothing is skipped.
#[test]
fn a_note_of_what_was_delivered_may_fail() {
    if !has_strace() {
        return;
    }
    let scene = Scene::new();
    for error in ["EIO", "ENOSPC"] {
        // The first is written at the start.
        let is_hit = scene.fail("delivered", &format!("pwrite64:error={error}:when=2+"), |ran| {
            assert!(ran.status.success(), "{}", told(ran));
        });
        assert!(is_hit, "nothing is noted");
    }
}

/// A disk that gets full in the middle of an entry takes a part of it; the rest follows when there is room.
#[test]
fn a_write_to_the_outbox_that_was_cut_short_is_gone_on_with() {
    if has_strace() {
        let place = Place::new(3000);
        on_a_small_disk(&place.path("run").join(OUTBOX), "size=64k", || cut_short(&place));
    }
}

fn cut_short(place: &Place) {
    let (address, names) = receiver(None);
    let trace = place.path("trace").display().to_string();
    let relative = format!("run/{OUTBOX}/segment-{:020}", 0);
    let whole = place.path(&relative).display().to_string();
    let around =
        ["strace", "-f", "-qq", "-s", "0", "-e", "trace=write", "-o", &trace, "-P", &relative, "-P", &whole];
    let mut command = place.command(&around, "run");
    command.arg(format!("--post=http://{address}/")).stderr(File::create(place.path("errors")).unwrap());
    let mut child = command.spawn().unwrap();
    let told = || fs::read_to_string(place.path("errors")).unwrap();
    wait_for("the word that the disk is full", || told().contains("the disk is full"));
    assert!(child.try_wait().unwrap().is_none(), "{}", told());
    let larger =
        Command::new("mount").args(["-o", "remount,size=4m"]).arg(place.path("run").join(OUTBOX)).status();
    assert!(larger.unwrap().success());
    assert!(child.wait().unwrap().success(), "{}", told());
    assert!(short_writes(&fs::read_to_string(&trace).unwrap()) > 0, "no write was cut short");
    place.expect_whole(&place.path("run"), "a write that was cut short");
    let alerts = fs::read_to_string(place.path("run/alerts")).unwrap();
    assert!(names.try_iter().eq(alerts.lines().map(name)), "posted is not what was written");
}
