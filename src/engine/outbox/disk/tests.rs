//! What an outbox is after runs that were ended at any moment.

use super::*;
use crate::sink::Rooms;
use proptest::prelude::*;

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn put(disk: &mut Disk, numbers: Range<u64>, run: u32) {
    let room = Rooms::default().place();
    for number in numbers {
        block(disk.append(number, format!("{run}:{number}").as_bytes(), &room)).unwrap();
    }
}

fn texts(found: &Found) -> Vec<String> {
    found.entries.iter().map(|(_, text)| String::from_utf8(text.to_vec()).unwrap()).collect()
}

fn open(dir: &Path, next: Option<u64>, repeats: bool) -> (Disk, Found) {
    Disk::open(&dir.join("outbox"), Known { next, repeats }).unwrap()
}

#[test]
fn what_is_made_again_is_not_kept_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (mut disk, found) = open(dir.path(), None, false);
    assert_eq!((found.next, found.entries.len()), (0, 0));
    put(&mut disk, 0..5, 1);
    // A checkpoint knew of three, and five were sent.
    disk.delivered().write(5);
    drop(disk);
    let (mut disk, found) = open(dir.path(), Some(3), true);
    assert_eq!((found.next, found.entries.len()), (3, 0));
    put(&mut disk, 3..6, 2);
    drop(disk);
    let (_, found) = open(dir.path(), Some(6), true);
    assert_eq!(texts(&found), ["2:3", "2:4", "2:5"]);
}

#[test]
fn what_cannot_be_made_again_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (mut disk, _) = open(dir.path(), None, false);
    put(&mut disk, 0..5, 1);
    disk.delivered().write(2);
    drop(disk);
    let path = dir.path().join("outbox/segment-00000000000000000000");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let (mut disk, found) = open(dir.path(), Some(1), false);
    assert_eq!((found.next, texts(&found)), (4, vec!["1:2".to_owned(), "1:3".to_owned()]));
    put(&mut disk, 4..5, 2);
    drop(disk);
    assert_eq!(texts(&open(dir.path(), Some(5), false).1), ["1:2", "1:3", "2:4"]);
}

#[test]
fn files_go_when_they_are_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let (mut disk, _) = open(dir.path(), None, false);
    let room = Rooms::default().place();
    let text = vec![b'x'; 600_000];
    for number in 0..6 {
        block(disk.append(number, &text, &room)).unwrap();
    }
    let files = || fs::read_dir(dir.path().join("outbox")).unwrap().count() - 1;
    assert_eq!((files(), disk.unforced().len(), disk.unforced().len()), (3, 3, 1));
    disk.remove(3);
    assert_eq!(files(), 2, "the second holds the fourth, which is not delivered");
    disk.remove(6);
    assert_eq!(files(), 1);
    disk.delivered().write(6);
    drop(disk);
    let (_, found) = open(dir.path(), Some(6), true);
    assert_eq!((files(), found.next, found.entries.len()), (0, 6, 0));
}

#[test]
fn an_older_checkpoint_makes_more_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut disk, _) = open(dir.path(), None, false);
    put(&mut disk, 0..4, 1);
    disk.delivered().write(4);
    drop(disk);
    open(dir.path(), Some(4), true);
    let (mut disk, _) = open(dir.path(), Some(4), true);
    put(&mut disk, 4..6, 2);
    drop(disk);
    let (mut disk, found) = open(dir.path(), Some(1), true);
    assert_eq!((found.next, found.entries.len()), (1, 0));
    put(&mut disk, 1..6, 3);
    drop(disk);
    assert_eq!(texts(&open(dir.path(), Some(6), true).1), ["3:1", "3:2", "3:3", "3:4", "3:5"]);
}

#[test]
fn files_of_another_version_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("outbox")).unwrap();
    fs::write(dir.path().join("outbox/segment-00000000000000000000"), "keyhound outbox 9\n").unwrap();
    let error =
        Disk::open(&dir.path().join("outbox"), Known { next: None, repeats: false }).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("another version"), "{error}");
}

proptest! {
    /// Runs that put some in, deliver some and are killed, from checkpoints anywhere: what a checkpoint knew of was
    /// delivered before or is there, as it was written last.
    #[test]
    fn what_a_checkpoint_knows_of_is_not_lost(
        runs in prop::collection::vec((0_u64..8, 0_u64..8, 0_u64..12, any::<bool>()), 1..8),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut known, mut latest): (Option<u64>, Vec<u32>) = (None, Vec::new());
        let mut sent: Vec<(u64, u32)> = Vec::new();
        for (run, (puts, checkpoint, sends, is_torn)) in (1_u32..).zip(runs) {
            let (mut disk, found) = open(dir.path(), known, known.is_some());
            prop_assert_eq!(found.next, known.unwrap_or(0));
            latest.truncate(usize::try_from(found.next).unwrap());
            for (number, by) in (0..).zip(&latest) {
                let is_there = found.entries.iter().any(|(there, text)| *there == number && *text == format!("{by}:{number}"));
                prop_assert!(is_there || sent.contains(&(number, *by)), "{} of run {}", number, by);
            }
            let next = found.next + puts;
            put(&mut disk, found.next..next, run);
            latest.extend((0..puts).map(|_| run));
            let waiting: Vec<u64> = found.entries.iter().map(|(number, _)| *number).chain(found.next..next).collect();
            for number in waiting.into_iter().take(usize::try_from(sends).unwrap()) {
                sent.push((number, latest[usize::try_from(number).unwrap()]));
                disk.delivered().write(number + 1);
                disk.remove(number + 1);
            }
            known = Some(known.unwrap_or(0).max(found.next + checkpoint.min(puts)));
            if is_torn && puts > checkpoint {
                let last = disk.path(*disk.firsts.back().unwrap());
                let length = fs::metadata(&last).unwrap().len();
                OpenOptions::new().write(true).open(&last).unwrap().set_len(length - 1).unwrap();
            }
        }
    }
}
