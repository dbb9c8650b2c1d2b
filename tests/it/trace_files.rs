//! Keys in files, archives and streams: in every form in which programs write them down, and nothing that only looks
//! like one.

use crate::leaks::{ALNUM, HEX, draw, leaks, of, openai, openrouter, run};
use crate::support::run_in;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::Path;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// How a key is written down.
fn forms(key: &str) -> Vec<(&'static str, Vec<u8>)> {
    let (a, b) = key.split_at(key.len() / 2);
    let utf16 = |bytes: fn(u16) -> [u8; 2]| {
        format!("\u{feff}key={key}").encode_utf16().flat_map(bytes).collect::<Vec<u8>>()
    };
    let text = |text: String| text.into_bytes();
    vec![
        ("plain", text(format!("export KEY={key}\n"))),
        ("split", text(format!("const k = \"{a}\" + \"{b}\";"))),
        ("split", text(format!("const k=[\"{a}\",'{b}'].join(\"\")"))),
        ("split", text(format!("k = (\"{a}\"\n     \"{b}\")"))),
        ("split", text(format!("k=\"{a}\".concat(\"{b}\")"))),
        ("split", text(format!("KEY={a}\\\n{b}\n"))),
        ("utf16", utf16(u16::to_le_bytes)),
        ("utf16", utf16(u16::to_be_bytes)),
        ("encoded", text(STANDARD.encode(key))),
        ("encoded", text(STANDARD.encode(format!("a{key}")))),
        ("encoded", text(URL_SAFE_NO_PAD.encode(format!("ab: {key}\n")))),
        ("encoded", text(STANDARD.encode(STANDARD.encode(format!("config: {key}"))))),
        ("encoded", text(key.bytes().map(|byte| format!("{byte:02x}")).collect())),
        ("encoded", text(format!("q={}", key.replace('-', "%2D")))),
        ("encoded", text(format!("{{\"q\":\"{}\"}}", key.replace('-', "\\u002d")))),
    ]
}

#[test]
fn every_form_is_found_by_pattern_and_by_key() {
    let dir = tempfile::tempdir().unwrap();
    let key = openai(1);
    fs::write(dir.path().join("keys"), &key).unwrap();
    let folder = dir.path().join("files");
    fs::create_dir(&folder).unwrap();
    let forms = forms(&key);
    for (at, (_, bytes)) in forms.iter().enumerate() {
        fs::write(folder.join(format!("{at:02}")), [b"first line\n", &bytes[..], b"\nlast line\n"].concat())
            .unwrap();
    }
    for args in [&["files"][..], &["files", "--key-file", "keys"]] {
        let told = leaks(dir.path(), args, &[&key]);
        let places = of(&told, &key)["places"].as_array().unwrap();
        let found: Vec<_> = places.iter().map(|place| (&place["path"], &place["form"])).collect();
        for (at, (form, _)) in forms.iter().enumerate() {
            assert!(
                found.contains(&(&json!(format!("{at:02}")), &json!(form))),
                "{args:?} {at} {form}: {found:#?}"
            );
        }
        assert_eq!(told.len(), 1, "{args:?} finds nothing else: {told:#?}");
    }
}

#[test]
fn archives_are_opened_in_one_another() {
    let dir = tempfile::tempdir().unwrap();
    let keys: Vec<String> = (10..16).map(openrouter).collect();
    let text = |at: usize| format!("line\nKEY={}\n", keys[at]).into_bytes();
    let layer = tar(&[("etc/env", &text(0)), ("empty", b"")]);
    let image = tar(&[
        ("manifest.json", b"[]"),
        ("abc/layer.tar", &layer),
        ("def/layer.tar", &gzip(&tar(&[("root/.bash_history", &text(1))]))),
    ]);
    fs::write(dir.path().join("image.tar"), image).unwrap();
    let jar = zip(&[("config/app.properties", &text(2))]);
    fs::write(dir.path().join("app.apk"), zip(&[("lib/inner.jar", &jar), ("assets/bundle.js", &text(3))]))
        .unwrap();
    fs::write(dir.path().join("job.log.gz"), gzip(&text(4))).unwrap();
    fs::write(dir.path().join("dump.zst"), zstd::encode_all(&text(5)[..], 3).unwrap()).unwrap();
    let all: Vec<&str> = keys.iter().map(String::as_str).collect();
    let told = leaks(dir.path(), &["."], &all);
    let paths = [
        "image.tar!abc/layer.tar!etc/env",
        "image.tar!def/layer.tar!root/.bash_history",
        "app.apk!lib/inner.jar!config/app.properties",
        "app.apk!assets/bundle.js",
        "job.log.gz",
        "dump.zst",
    ];
    for (key, path) in all.iter().zip(paths) {
        let place = &of(&told, key)["places"][0];
        assert_eq!((&place["path"], &place["line"]), (&json!(path), &json!(2)));
    }
}

#[test]
fn bombs_and_nests_come_to_an_end_and_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let key = openrouter(20);
    let mut nest = format!("{key}\n").into_bytes();
    for _ in 0..9 {
        nest = gzip(&nest);
    }
    fs::write(dir.path().join("nest.gz"), nest).unwrap();
    fs::write(dir.path().join("cut.zip"), &zip(&[("a", format!("{key}\n").as_bytes())])[..20]).unwrap();
    fs::write(
        dir.path().join("cut.tar.gz"),
        &gzip(&tar(&[("a", draw(3, ALNUM, 90_000).as_bytes())]))[..60_000],
    )
    .unwrap();
    fs::write(dir.path().join("odd.zip"), format!("PK\x03\x04 {key}\n")).unwrap();
    let ran = run(dir.path(), &["--json", "."], &[&key]);
    assert_eq!(ran.code, Some(0));
    for told in
        ["nest.gz: more than 5 archives in one another", "cut.zip: a zip that cannot be read", "cut.tar.gz: "]
    {
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
    assert_eq!(of(&ran.events(), &key)["places"][0]["path"], "odd.zip");
}

#[test]
fn what_only_looks_like_a_key_is_not_told() {
    let dir = tempfile::tempdir().unwrap();
    let hash = draw(30, HEX, 64);
    let text = format!(
        "api_key = os.environ['OPENAI_API_KEY']\npassword = get_password(user)\nkey: {}-your-key-here-0123456789abcdef\n\
         OPENAI_API_KEY={}-proj-{}\nsha256: {hash}\nintegrity sha512-{}==\n{}EXAMPLE7EXAMPLE\npostgres://user:password@localhost/db\n\
         DATABASE_URL=postgres://app:${{DB_PASSWORD}}@db/app\nAuthorization: Bearer <token>\nid: 123e4567-e89b-12d3-a456-426614174000\n\
         -----BEGIN RSA {}-----\nhf_transfer_of_the_model_weights_and_more\ntoken: abcdefghijklmnopqrstuvwxyz0123456789\n",
        "sk",
        "sk",
        "x".repeat(80),
        draw(31, ALNUM, 86),
        ["AK", "IA"].concat(),
        ["PRIVATE", "KEY"].join(" "),
    );
    fs::write(dir.path().join("a.py"), text).unwrap();
    let told = leaks(dir.path(), &["."], &[]);
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn ends_and_errors_are_those_of_the_other_commands() {
    let dir = tempfile::tempdir().unwrap();
    let key = openrouter(40);
    let text = format!("step 1\n\x1b[32mKEY={key}\x1b[0m\n");
    fs::write(dir.path().join("job.log"), &text).unwrap();
    fs::create_dir_all(dir.path().join("broken/.git/objects")).unwrap();
    fs::write(dir.path().join("broken/.git/config"), "[core\n").unwrap();
    fs::write(dir.path().join("short"), "short\n").unwrap();
    let code = |args: &[&str]| run(dir.path(), args, &[&key]).code;
    assert_eq!(code(&["job.log"]), Some(0));
    assert_eq!(code(&["job.log", "--fail-on", "found"]), Some(1));
    assert_eq!(code(&["short", "--fail-on", "found"]), Some(0));
    assert_eq!(code(&["missing"]), Some(66));
    assert_eq!(code(&["broken"]), Some(65));
    assert_eq!(code(&["job.log", "--key-file", "missing"]), Some(66));
    assert_eq!(code(&["job.log", "--key-file", "short"]), Some(65));
    assert_eq!(code(&["-", "--key-file", "-"]), Some(2));
    let ran = run_in(dir.path(), &["trace-leak", "-", "--json"], text.as_bytes());
    let told = ran.events();
    let place = &of(&told, &key)["places"][0];
    assert_eq!((&place["kind"], &place["line"]), (&json!("input"), &json!(2)));
    let ran = run_in(dir.path(), &["trace-leak", "job.log", "--key-file", "-", "--json"], key.as_bytes());
    assert_eq!(of(&ran.events(), &key)["confidence"], "certain");
}

#[test]
fn the_same_bytes_come_out_on_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    for at in 0..60 {
        let name = dir.path().join(format!("{}", (at * 37) % 60));
        fs::write(name, format!("{}\n{}\n", openrouter(at % 20), openai(at))).unwrap();
    }
    let told = |threads: &str| {
        let ran = run_in(dir.path(), &["trace-leak", "--json", "--threads", threads, "."], b"");
        assert_eq!(ran.code, Some(0));
        ran.stdout
    };
    let one = told("1");
    assert_eq!(one.lines().count(), 80);
    for threads in ["2", "7", "64"] {
        assert!(told(threads) == one, "{threads} threads");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let key = openrouter(50);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("a"), format!("{key}\n")).unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("link")).unwrap();
    std::os::unix::fs::symlink(".", dir.path().join("loop")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(dir.path().join("pipe")).status().unwrap().success());
    fs::write(dir.path().join(Path::new("b")), format!("{key}\n")).unwrap();
    let told = leaks(dir.path(), &["."], &[&key]);
    assert_eq!(of(&told, &key)["places_total"], 1);
}
