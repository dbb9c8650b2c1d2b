//! Packs of evidence: whatever archive is read, it is told to be none or not sound, unless it is byte for byte what was sealed.

use keyhound::pack::{PackError, What, Writer, check as verify, each_row, prove, redact};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const BLOCK: usize = 512;

/// A folder of this process, in memory where the system has one.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let folder = base.join(format!("keyhound-fuzz-pack-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for packs");
        folder
    })
}

/// The first byte says how the rest is taken: as an archive, as what stands in one, or as what is sealed and then changed.
pub fn check(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    match how % 3 {
        0 => {
            // Nobody finds the hashes of another pack by chance.
            let is_sound = read(rest);
            assert!(!is_sound || rest.len() > 3 * BLOCK, "sound, and hardly more than its end");
        }
        1 => {
            read(&archive(rest));
        }
        _ => sealed(rest),
    }
}

/// Whether an archive is a sound pack. Whatever it is, all that reads packs reads it to an end.
fn read(bytes: &[u8]) -> bool {
    let path = folder().join("read.tar");
    fs::write(&path, bytes).expect("a file");
    let verdict = verify(&path);
    let is_sound = verdict.is_ok_and(|verdict| verdict.faults.is_empty());
    let _ = each_row(&path, "a.jsonl", |_, _| Ok(()));
    let _ = keyhound::investigate::prove(&path, &["log".to_owned()]);
    let out = folder().join("out.tar");
    let _ = fs::remove_file(&out);
    let what = What { fields: ["a".to_owned()].into(), ..What::default() };
    let made = redact(&path, &out, &what, None);
    assert!(is_sound || made.is_err(), "made of a pack that is not sound");
    if made.is_ok() {
        let faults = verify(&out).expect("what was made of a pack is one").faults;
        assert!(faults.is_empty(), "{faults:?}");
        // One that was redacted before keeps the proofs of its own original.
        if !bytes.windows(22).any(|text| text == b"original/manifest.json") {
            prove(&out, &path, |_| {}).expect("what is unreadable is proved");
        }
    }
    is_sound
}

/// An archive of entries that are parted by `\xff`: lines, their proofs, and a manifest that fits as far as it can.
fn archive(data: &[u8]) -> Vec<u8> {
    let names = ["a.jsonl", "a.jsonl.proof", "b.txt"];
    let parts: Vec<&[u8]> = data.split(|byte| *byte == 0xff).collect();
    let hex =
        |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let root = parts.get(3).map_or_else(|| "0".repeat(64), |part| String::from_utf8_lossy(part).into_owned());
    let (mut out, mut entries) = (Vec::new(), Vec::new());
    for (name, part) in names.iter().zip(&parts) {
        let lines = name.ends_with(".jsonl").then(|| {
            let count = part.iter().filter(|byte| **byte == b'\n').count();
            format!("{{\n        \"count\": {count},\n        \"root\": {}\n      }}", json!(root))
        });
        entries.push(format!(
            "    {{\n      \"name\": \"{name}\",\n      \"bytes\": {},\n      \"sha256\": \"{}\",\n      \"lines\": {}\n    }}",
            part.len(),
            hex(part),
            lines.as_deref().unwrap_or("null")
        ));
        put(&mut out, name, part);
    }
    let redacted = parts.get(4).map_or_else(|| "null".to_owned(), |part| json!(hex(part)).to_string());
    let manifest = format!(
        "{{\n  \"schema\": \"keyhound.pack.v1\",\n  \"signed_by\": null,\n  \"redacted_from\": {redacted},\n  \"entries\": [\n{}\n  ]\n}}\n",
        entries.join(",\n")
    );
    put(&mut out, "manifest.json", manifest.as_bytes());
    let mut sums: String =
        names.iter().zip(&parts).map(|(name, part)| format!("{}  {name}\n", hex(part))).collect();
    sums += &format!("{}  manifest.json\n", hex(manifest.as_bytes()));
    put(&mut out, "SHA256SUMS", sums.as_bytes());
    out.resize(out.len() + 2 * BLOCK, 0);
    out
}

/// One entry as docs/evidence.md says that it stands there.
fn put(out: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    let mut header = [0_u8; BLOCK];
    let mut at = |place: usize, text: &[u8]| header[place..place + text.len()].copy_from_slice(text);
    at(0, name.as_bytes());
    at(100, b"0000644\x000000000\x000000000\0");
    at(124, format!("{:011o}\0", bytes.len()).as_bytes());
    at(136, b"00000000000\0");
    at(148, b"        0");
    at(257, b"ustar\x0000");
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// A pack of what is there, of which one byte becomes another.
fn sealed(data: &[u8]) {
    let Some(([high, low, flip], rest)) = data.split_first_chunk() else { return };
    let path = folder().join("sealed.tar");
    let _ = fs::remove_file(&path);
    let made = (|| {
        let mut pack = Writer::create(&path)?;
        pack.add("b.txt", rest)?;
        let mut lines = pack.add_lines("a.jsonl")?;
        rest.split(|byte| *byte == b'\n').try_for_each(|line| lines.line(line))?;
        lines.end()?;
        pack.finish(None)
    })();
    match made {
        Ok(_) => {}
        Err(PackError::TooMuch(_)) => return,
        Err(error) => panic!("{error}"),
    }
    let mut bytes = fs::read(&path).expect("the pack");
    assert!(read(&bytes), "sound as it was sealed");
    if *flip != 0 {
        let at = usize::from(u16::from_be_bytes([*high, *low])) * 7 % bytes.len();
        bytes[at] ^= flip;
        fs::write(&path, &bytes).expect("a file");
        let is_sound = verify(&path).is_ok_and(|verdict| verdict.faults.is_empty());
        assert!(!is_sound, "byte {at} is another");
    }
}
