//! What systemd is told by a service of the type `notify`.

use crate::support::{keyhound, record};
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A run whose service manager is this test.
fn start(dir: &Path, socket: &str, args: &[&str]) -> Child {
    let mut command = keyhound();
    command
        .current_dir(dir)
        .arg("run")
        .args(args)
        .env("NOTIFY_SOCKET", socket)
        .env("WATCHDOG_USEC", "400000");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Listens until somebody says `word`; everything that was said.
fn until(socket: &UnixDatagram, word: &str) -> Vec<String> {
    let mut heard = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        let length = socket.recv(&mut bytes).unwrap_or_else(|error| panic!("{error}; so far {heard:?}"));
        heard.push(String::from_utf8(bytes[..length].to_vec()).unwrap());
        if heard.last().unwrap().lines().any(|line| line.starts_with(word)) {
            return heard;
        }
    }
}

fn listener(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket
}

#[test]
fn readiness_life_and_the_end_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let socket = listener(&dir.path().join("notify"));
    std::fs::write(dir.path().join("history"), record(&[])).unwrap();
    let mut child = start(dir.path(), "notify", &["--history", "history", "--", "-"]);
    let heard = until(&socket, "READY=1");
    assert!(heard[..heard.len() - 1].iter().all(|told| told.contains("EXTEND_TIMEOUT_USEC=")), "{heard:?}");
    child.stdin.as_mut().unwrap().write_all(record(&[]).as_bytes()).unwrap();
    let heard = until(&socket, "WATCHDOG=1");
    assert!(heard.last().unwrap().contains("\nSTATUS="), "{heard:?}");
    // It lives on, and counts.
    for tries in 0.. {
        assert!(tries < 100, "the record is never counted");
        if until(&socket, "WATCHDOG=1").last().unwrap().contains("STATUS=2 records of 1 keys, 0 alerts; ") {
            break;
        }
    }
    let told = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status();
    assert!(told.unwrap().success());
    until(&socket, "STOPPING=1");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// In containers the socket often has no place in the file system.
#[cfg(target_os = "linux")]
#[test]
fn a_socket_without_a_file_is_found() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    let name = format!("keyhound-test-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut child = start(dir.path(), &format!("@{name}"), &[]);
    until(&socket, "READY=1");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_manager_that_is_not_there_is_no_reason_to_stop() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = start(dir.path(), "nowhere", &[]);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
