//! Packs of evidence: no byte can be another, what was made unreadable keeps its hash, and others can verify it without us.

use crate::support::{Ran, run_in};
use keyhound::pack::{SigningKey, Writer, check};
use serde_json::Value;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::Command;

const LINES: &[&str] = &[
    r#"{"timestamp":"2026-06-01T09:00:00Z","source_ip":"203.0.113.9","model":"gpt-4o","cost_usd":0.5}"#,
    r#"{"timestamp":"2026-06-01T09:01:00Z","source_ip":"198.51.100.7","note":"a, \"b\" {c}","nested":{"source_ip":[1, 2]}}"#,
    r#"{ "spaced": 1 }"#,
    "no object",
    "",
    r#"{"source_ip":NaN}"#,
    r#"{"a":1,"a":2,"source_ip":null}"#,
];

fn key() -> SigningKey {
    SigningKey::of_seed(&[9; 32]).unwrap()
}

/// A small pack, always the same.
fn pack(key: Option<&SigningKey>) -> Vec<u8> {
    let mut pack = Writer::new(Cursor::new(Vec::new()), [5; 32]);
    pack.add("report.md", b"# Report\n").unwrap();
    pack.add("a/empty", b"").unwrap();
    let mut lines = pack.add_lines("records.jsonl").unwrap();
    for line in LINES {
        lines.line(line.as_bytes()).unwrap();
    }
    lines.end().unwrap();
    pack.seal(key).unwrap().1.into_inner()
}

fn said(dir: &Path, args: &[&str]) -> Ran {
    run_in(dir, args, b"")
}

fn ok(dir: &Path, args: &[&str]) -> String {
    let ran = said(dir, args);
    assert_eq!(ran.code, Some(0), "{args:?}: {}{}", ran.stdout, ran.stderr);
    ran.stdout
}

/// Whether these bytes are a sound pack.
fn is_sound(dir: &Path, bytes: &[u8]) -> bool {
    let path = dir.join("try.tar");
    fs::write(&path, bytes).unwrap();
    check(&path).is_ok_and(|verdict| verdict.faults.is_empty())
}

#[test]
fn no_byte_can_be_another() {
    let dir = tempfile::tempdir().unwrap();
    for key in [None, Some(key())] {
        let whole = pack(key.as_ref());
        assert_eq!(whole, pack(key.as_ref()), "the same in, the same out");
        assert!(is_sound(dir.path(), &whole));
        // What is signed has all that the other has.
        let step = if key.is_some() { 1 } else { 7 };
        for at in (0..whole.len()).step_by(step) {
            let mut other = whole.clone();
            other[at] ^= [1, 0x20, 0x80][at % 3];
            assert!(!is_sound(dir.path(), &other), "byte {at} of {}", whole.len());
        }
        for end in (0..whole.len()).step_by(97).chain(whole.len() - 3..whole.len()) {
            assert!(!is_sound(dir.path(), &whole[..end]), "cut off at {end}");
        }
        for more in [&[0][..], &[0; 512], b"x", &whole] {
            assert!(!is_sound(dir.path(), &[&whole, more].concat()));
        }
    }
}

/// Entries of an archive, each with its header and filling.
fn parts(whole: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut rest) = (Vec::new(), whole);
    while rest[0] != 0 {
        let size = std::str::from_utf8(&rest[124..135]).unwrap();
        let length = 512 + usize::from_str_radix(size, 8).unwrap().next_multiple_of(512);
        let (part, behind) = rest.split_at(length);
        parts.push(part);
        rest = behind;
    }
    parts
}

#[test]
fn entries_cannot_be_taken_away_added_turned_round_or_put_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, end) = (pack(Some(&key())), vec![0; 1024]);
    let parts = parts(&whole);
    assert_eq!(parts.len(), 8);
    for at in 0..parts.len() {
        let without: Vec<&[u8]> =
            parts.iter().enumerate().filter(|(place, _)| *place != at).map(|(_, part)| *part).collect();
        assert!(!is_sound(dir.path(), &[without.concat(), end.clone()].concat()), "without {at}");
        let twice: Vec<&[u8]> = parts
            .iter()
            .enumerate()
            .flat_map(|(place, part)| vec![*part; 1 + usize::from(place == at)])
            .collect();
        assert!(!is_sound(dir.path(), &[twice.concat(), end.clone()].concat()), "{at} twice");
        let mut turned = parts.clone();
        turned.swap(at, (at + 1) % parts.len());
        assert!(!is_sound(dir.path(), &[turned.concat(), end.clone()].concat()), "{at} turned");
    }
    // What tar can do and a pack never does: other kinds of entries, and names that lead out of the folder.
    for (name, kind) in [
        ("../x", b'0'),
        ("/etc/x", b'0'),
        ("x", b'2'),
        ("x", b'1'),
        ("x/", b'5'),
        ("x\ny", b'0'),
        ("./x", b'0'),
    ] {
        let mut block = parts[0][..512].to_vec();
        block[..100].fill(0);
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..135].copy_from_slice(b"00000000000");
        block[156] = kind;
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(!is_sound(dir.path(), &[block, whole.clone()].concat()), "{name}");
    }
    for name in ["../x", "manifest.json", "a", "REPORT.md", "records.jsonl.proof", "report.md/x"] {
        let mut pack = Writer::new(Cursor::new(Vec::new()), [5; 32]);
        pack.add("report.md", b"").unwrap();
        pack.add("a/b", b"").unwrap();
        pack.add_lines("records.jsonl").unwrap().end().unwrap();
        assert!(pack.add(name, b"").is_err(), "{name}");
    }
}

/// Files for the command line.
fn files(dir: &Path) {
    fs::write(dir.join("report.md"), "# Report\n").unwrap();
    fs::write(dir.join("notes.md"), "only ours\n").unwrap();
    fs::write(dir.join("records.jsonl"), LINES.iter().map(|line| format!("{line}\n")).collect::<String>())
        .unwrap();
}

#[test]
fn what_is_unreadable_is_told_and_proved() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    files(dir);
    let print = ok(dir, &["pack", "key", "key", "--public", "pub"]).trim().to_owned();
    ok(
        dir,
        &[
            "pack",
            "create",
            "-o",
            "case.tar",
            "--sign-with",
            "key",
            "report.md",
            "records.jsonl",
            "n/notes.md=notes.md",
        ],
    );
    let whole = ok(dir, &["verify", "case.tar", "--fingerprint", &print]);
    assert!(whole.contains(&format!("signed by {print}")) && whole.contains("records.jsonl: "), "{whole}");
    let redact = [
        "pack",
        "redact",
        "case.tar",
        "-o",
        "less.tar",
        "--field",
        "source_ip",
        "--line",
        "records.jsonl:4",
        "--drop",
        "n/notes.md",
    ];
    ok(dir, &redact);
    let less = ok(dir, &["verify", "less.tar", "--public-key", "pub"]);
    assert!(less.contains("unreadable in part or whole: 1, 2, 4, 6, 7"), "{less}");
    assert!(less.contains("n/notes.md: 10 bytes; left out"), "{less}");
    let bytes = fs::read(dir.join("less.tar")).unwrap();
    for gone in ["203.0.113.9", "198.51.100.7", "no object", "only ours"] {
        assert!(!bytes.windows(gone.len()).any(|window| window == gone.as_bytes()), "{gone}");
    }
    let proved = ok(dir, &["verify", "less.tar", "--original", "case.tar"]);
    for told in [
        "records.jsonl line 1, source_ip: \"203.0.113.9\"",
        "line 4: no object",
        "6 unreadable parts are proved",
    ] {
        assert!(proved.contains(told), "{told}: {proved}");
    }
    // Once more, of what is redacted already.
    ok(
        dir,
        &["pack", "redact", "less.tar", "-o", "least.tar", "--field", "model", "--line", "records.jsonl:1"],
    );
    assert!(ok(dir, &["verify", "least.tar", "--original", "case.tar"]).contains("6 unreadable parts"));
    let json: Value = serde_json::from_str(&ok(dir, &["verify", "least.tar", "--json"])).unwrap();
    assert_eq!((&json["sound"], &json["original_signed_by"]), (&true.into(), &print.as_str().into()));
    fs::rename(dir.join("less.tar"), dir.join("try")).unwrap();
    for at in (0..bytes.len()).step_by(61) {
        let mut other = bytes.clone();
        other[at] ^= 4;
        assert!(!is_sound(dir, &other), "byte {at}");
    }
    // Another original, with one value changed, proves nothing.
    fs::write(dir.join("records.jsonl"), LINES.join("\n").replace("203.0.113.9", "203.0.113.8") + "\n")
        .unwrap();
    ok(dir, &["pack", "create", "-o", "other.tar", "--sign-with", "key", "report.md", "records.jsonl"]);
    let ran = said(dir, &["verify", "least.tar", "--original", "other.tar"]);
    assert!(ran.code == Some(1) && ran.stdout.contains("not made of this original"), "{}", ran.stdout);
}

#[test]
fn each_failure_has_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    files(dir);
    ok(dir, &["pack", "key", "key"]);
    ok(dir, &["pack", "key", "other", "--public", "other.pub"]);
    ok(dir, &["pack", "create", "-o", "signed.tar", "--sign-with", "key", "report.md"]);
    let ran = said(dir, &["pack", "create", "-o", "bare.tar", "report.md"]);
    assert!(ran.code == Some(0) && ran.stderr.contains("not signed") && ran.stdout.contains("not signed"));
    let mut later = fs::read(dir.join("bare.tar")).unwrap();
    let at = later.windows(16).position(|window| window == b"keyhound.pack.v1").unwrap();
    later[at + 15] = b'2';
    fs::write(dir.join("later.tar"), later).unwrap();
    fs::write(dir.join("empty"), "").unwrap();
    let secret = fs::read_to_string(dir.join("key")).unwrap();
    for (args, code, says) in [
        (&["verify", "bare.tar"][..], 0, "not signed"),
        (&["verify", "bare.tar", "--public-key", "other.pub"], 1, "not signed, and"),
        (&["verify", "signed.tar", "--public-key", "other.pub"], 1, "not by"),
        (&["verify", "later.tar"], 65, "another version: `keyhound.pack.v2`"),
        (&["verify", "report.md"], 65, "no pack"),
        (&["verify", "empty"], 65, "no pack"),
        (&["verify", "nowhere"], 66, "nowhere"),
        (&["verify", "."], 65, "no regular file"),
        (&["verify", "bare.tar", "--fingerprint", "12"], 2, "64"),
        (&["verify", "bare.tar", "--public-key", "report.md"], 78, "no Ed25519 key"),
        (&["pack", "create", "-o", "bare.tar", "report.md"], 74, "exists"),
        (&["pack", "create", "-o", "new.tar", "../x=report.md"], 2, "name of an entry"),
        (&["pack", "create", "-o", "new.tar", "nowhere"], 66, "nowhere"),
        (&["pack", "create", "-o", "new.tar", "--sign-with", "report.md", "notes.md"], 78, ""),
        (&["pack", "key", "key"], 74, "exists"),
        (&["pack", "redact", "bare.tar", "-o", "new.tar"], 2, "nothing to redact"),
        (&["pack", "redact", "bare.tar", "-o", "new.tar", "--line", "report.md:1"], 1, "no line 1"),
        (&["pack", "redact", "bare.tar", "-o", "new.tar", "--drop", "else"], 2, "else"),
    ] {
        let ran = said(dir, args);
        assert_eq!(ran.code, Some(code), "{args:?}: {}{}", ran.stdout, ran.stderr);
        assert!(
            format!("{}{}", ran.stdout, ran.stderr).contains(says),
            "{args:?}: {}{}",
            ran.stdout,
            ran.stderr
        );
        let inner = secret.lines().nth(1).unwrap();
        assert!(!ran.stdout.contains(inner) && !ran.stderr.contains(inner));
    }
    assert!(!dir.join("new.tar").exists(), "what is not whole does not stay");
}

#[cfg(unix)]
#[test]
fn a_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    files(dir);
    ok(dir, &["pack", "key", "key"]);
    assert_eq!(fs::metadata(dir.join("key")).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(dir.join("key"), fs::Permissions::from_mode(0o640)).unwrap();
    let ran = said(dir, &["pack", "create", "-o", "case.tar", "--sign-with", "key", "report.md"]);
    assert!(ran.code == Some(78) && ran.stderr.contains("chmod 600"), "{}", ran.stderr);
}

/// The program in the documentation that verifies packs.
fn documented() -> String {
    let text = fs::read_to_string("docs/evidence.md").unwrap();
    text.split("```python\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

fn runs(dir: &Path, program: &str, args: &[&str]) -> Option<(bool, String)> {
    let output = Command::new(program).current_dir(dir).args(args).output().ok()?;
    Some((
        output.status.success(),
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
    ))
}

#[test]
fn others_verify_it_as_documented() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    files(dir);
    fs::write(dir.join("verify.py"), documented()).unwrap();
    let print = ok(dir, &["pack", "key", "key"]).trim().to_owned();
    ok(dir, &["pack", "create", "-o", "case.tar", "--sign-with", "key", "report.md", "records.jsonl"]);
    ok(
        dir,
        &[
            "pack",
            "redact",
            "case.tar",
            "-o",
            "less.tar",
            "--field",
            "source_ip",
            "--line",
            "records.jsonl:3",
        ],
    );
    if runs(dir, "python3", &["--version"]).is_some() {
        let roots = ["case.tar", "less.tar"].map(|name| runs(dir, "python3", &["verify.py", name]).unwrap());
        assert!(roots[0].0 && roots[0].1.starts_with("records.jsonl "), "{}", roots[0].1);
        assert_eq!(roots[0], roots[1]);
        let mut other = fs::read(dir.join("less.tar")).unwrap();
        let at = other.windows(9).position(|window| window == b"no object").unwrap();
        other[at] ^= 1;
        fs::write(dir.join("other.tar"), other).unwrap();
        assert!(!runs(dir, "python3", &["verify.py", "other.tar"]).unwrap().0);
    }
    fs::create_dir(dir.join("case")).unwrap();
    let case = dir.join("case");
    let Some((true, _)) = runs(dir, "tar", &["-xf", "case.tar", "-C", "case"]) else { return };
    if let Some((is_right, says)) = runs(&case, "sha256sum", &["-c", "SHA256SUMS"]) {
        assert!(is_right, "{says}");
    }
    let verify = [
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        "manifest.pub",
        "-rawin",
        "-in",
        "manifest.json",
        "-sigfile",
        "manifest.sig",
    ];
    // Older ones cannot.
    if runs(&case, "openssl", &["version"]).is_some_and(|(_, says)| says.starts_with("OpenSSL 3")) {
        let (is_right, says) = runs(&case, "openssl", &verify).unwrap();
        assert!(is_right, "{says}");
        runs(&case, "openssl", &["pkey", "-pubin", "-in", "manifest.pub", "-outform", "DER", "-out", "der"])
            .unwrap();
        assert!(runs(&case, "sha256sum", &["der"]).is_none_or(|(_, says)| says.starts_with(&print)));
    }
}
