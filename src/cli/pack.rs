//! `keyhound pack` and `keyhound verify`: evidence that can be proved to be what it was.

mod proof;

use super::{Failure, clean, exit, print, tell};
use crate::encode::Visible;
use crate::investigate::Proof;
use crate::pack::{
    EntryState, Fingerprint, KeyError, PackError, PublicKey, Sealed, SigningKey, Verdict, What, Writer,
    check, prove, redact,
};
use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::json;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Proved values that are shown.
const PROVED_SHOWN: usize = 50;
/// Characters of each.
const VALUE_SHOWN: usize = 200;

#[derive(Debug, Args)]
pub(super) struct PackArgs {
    #[command(subcommand)]
    what: Work,
}

#[derive(Debug, Subcommand)]
enum Work {
    /// Make a key that signs packs, in a file that only you can read, and tell its fingerprint
    Key(KeyArgs),
    /// Put files into a pack
    Create(CreateArgs),
    /// Make a pack of which parts are unreadable, and everything else can still be proved
    Redact(RedactArgs),
}

#[derive(Debug, Args)]
struct KeyArgs {
    /// The file for the secret half, which must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write the other half to this file, too
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// The pack, which must not exist
    #[arg(short, long, value_name = "PACK")]
    output: PathBuf,
    /// Sign it with this key
    #[arg(long, value_name = "FILE")]
    sign_with: Option<PathBuf>,
    /// Files, as NAME=FILE where they are to be called otherwise. Those that end in .jsonl and .ndjson are lines, of which
    /// each can be proved and made unreadable by itself
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
}

#[derive(Debug, Args)]
struct RedactArgs {
    /// The pack it is made of, which stays as it is
    #[arg(value_name = "PACK")]
    pack: PathBuf,
    /// The new pack, which must not exist
    #[arg(short, long, value_name = "PACK")]
    output: PathBuf,
    /// Make members of this name unreadable, in all lines
    #[arg(long = "field", value_name = "NAME")]
    fields: Vec<String>,
    /// Make lines unreadable: `records.jsonl:3,7-9`
    #[arg(long = "line", value_name = "ENTRY:LINES")]
    lines: Vec<String>,
    /// Leave an entry out
    #[arg(long = "drop", value_name = "ENTRY")]
    entries: Vec<String>,
    /// Sign it with this key
    #[arg(long, value_name = "FILE")]
    sign_with: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The pack
    #[arg(value_name = "PACK")]
    pack: PathBuf,
    /// It has to be signed by this key
    #[arg(long, value_name = "FILE", conflicts_with = "fingerprint")]
    public_key: Option<PathBuf>,
    /// It has to be signed by the key with this fingerprint
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<String>,
    /// The pack that it was made of: says what stood where it is unreadable now
    #[arg(long, value_name = "PACK")]
    original: Option<PathBuf>,
    /// Logs that an investigation was made of: every request in the pack has to stand there as it was read. NAME=FILE where
    /// one is called otherwise by now
    #[arg(long, value_name = "LOG", num_args = 1..)]
    logs: Vec<String>,
    /// A JSON object instead of text
    #[arg(long, conflicts_with = "original")]
    json: bool,
}

pub(super) fn main(args: &PackArgs) -> Result<ExitCode, Failure> {
    match &args.what {
        Work::Key(args) => key(args),
        Work::Create(args) => create(args),
        Work::Redact(args) => {
            let key = signing_key(args.sign_with.as_deref())?;
            let what = what(args)?;
            let sealed = redact(&args.pack, &args.output, &what, key.as_ref());
            told(&args.output, &sealed.map_err(|error| failed(&args.pack, &args.output, error))?)
        }
    }
}

fn key(args: &KeyArgs) -> Result<ExitCode, Failure> {
    let key = SigningKey::create(&args.file).map_err(|error| key_failed(&args.file, error))?;
    if let Some(path) = &args.public {
        let written = std::fs::write(path, key.public().pem());
        written.map_err(|error| io_failed(exit::IO, path, error))?;
    }
    print(&format!("{}\n", key.public().fingerprint()))
}

fn create(args: &CreateArgs) -> Result<ExitCode, Failure> {
    let key = signing_key(args.sign_with.as_deref())?;
    let mut files = Vec::with_capacity(args.files.len());
    for text in &args.files {
        let (name, path) =
            text.split_once('=').unwrap_or_else(|| (text.rsplit('/').next().unwrap_or(text), text));
        // Before anything is written: a pack that lacks one is none.
        let file = File::open(path).map_err(|error| io_failed(exit::NO_INPUT, Path::new(path), error))?;
        files.push((name, file));
    }
    let wrong = |error| failed(&args.output, &args.output, error);
    let mut pack = Writer::create(&args.output).map_err(wrong)?;
    let added = files.into_iter().try_for_each(|(name, file)| add(&mut pack, name, file));
    let sealed = added.and_then(|()| pack.finish(key.as_ref()));
    let sealed = sealed.map_err(|error| {
        // What is there of it is no pack.
        let _ = std::fs::remove_file(&args.output);
        wrong(error)
    })?;
    told(&args.output, &sealed)
}

fn add(pack: &mut Writer<std::io::BufWriter<File>>, name: &str, mut file: File) -> Result<(), PackError> {
    let is_lines = [".jsonl", ".ndjson"].iter().any(|end| name.ends_with(end));
    if !is_lines {
        return pack.add_from(name, &mut file);
    }
    let (mut reader, mut line) = (BufReader::new(file), Vec::new());
    let mut lines = pack.add_lines(name)?;
    // One byte more than a line may have is enough to see that it has too many.
    while reader.by_ref().take((16 << 20) + 2).read_until(b'\n', &mut line)? > 0 {
        lines.line(line.strip_suffix(b"\n").unwrap_or(&line))?;
        line.clear();
    }
    lines.end()
}

fn told(path: &Path, sealed: &Sealed) -> Result<ExitCode, Failure> {
    let path = clean(&path.display().to_string());
    print(&format!("{}\n{}", Visible(&path), sealed.summary()))
}

fn what(args: &RedactArgs) -> Result<What, Failure> {
    let mut what = What {
        fields: args.fields.iter().cloned().collect(),
        entries: args.entries.iter().cloned().collect(),
        ..What::default()
    };
    for text in &args.lines {
        let wrong = || {
            Failure::new(
                exit::USAGE,
                anyhow!("--line {}: ENTRY:LINES is expected, such as records.jsonl:3,7-9", Visible(text)),
            )
        };
        let (entry, numbers) = text.rsplit_once(':').ok_or_else(wrong)?;
        let lines = what.lines.entry(entry.to_owned()).or_default();
        for part in numbers.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Ok(first), Ok(last)) = (first.parse::<u64>(), last.parse::<u64>()) else {
                return Err(wrong());
            };
            if first == 0 || last < first || last - first > 10_000_000 {
                return Err(wrong());
            }
            lines.extend(first..=last);
        }
    }
    if what.fields.is_empty() && what.lines.is_empty() && what.entries.is_empty() {
        return Err(Failure::new(
            exit::USAGE,
            anyhow!("nothing to redact: --field, --line or --drop says what"),
        ));
    }
    Ok(what)
}

pub(super) fn verify(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let wanted = wanted(args)?;
    let mut verdict = check(&args.pack).map_err(|error| failed(&args.pack, &args.pack, error))?;
    if let Some(wanted) = wanted {
        let fault = match verdict.signer().map(|key| key.fingerprint()) {
            Some(signer) if signer == wanted => None,
            Some(signer) => Some(format!("it is signed by {signer}, not by {wanted}")),
            None => Some(format!("it is not signed, and {wanted} is asked for")),
        };
        verdict.faults.extend(fault);
    }
    let proof = if args.logs.is_empty() || !verdict.faults.is_empty() {
        None
    } else {
        Some(proof::prove(&args.pack, &args.logs, &mut verdict)?)
    };
    let mut text = if args.json {
        as_json(&args.pack, &verdict, proof.as_ref())
    } else {
        as_text(&args.pack, &verdict) + &proof.as_ref().map(proof::as_text).unwrap_or_default()
    };
    if let Some(original) = args.original.as_deref().filter(|_| verdict.faults.is_empty()) {
        compare(&args.pack, original, &mut verdict, &mut text)?;
    }
    print(&text)?;
    Ok(if verdict.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::FINDINGS) })
}

/// Who has to have signed it.
fn wanted(args: &VerifyArgs) -> Result<Option<Fingerprint>, Failure> {
    if let Some(text) = &args.fingerprint {
        let wrong =
            || Failure::new(exit::USAGE, anyhow!("--fingerprint: 64 hexadecimal digits are expected"));
        return Fingerprint::read(text).ok_or_else(wrong).map(Some);
    }
    let Some(path) = &args.public_key else { return Ok(None) };
    let mut text = String::new();
    let file = File::open(path).map_err(|error| io_failed(exit::NO_INPUT, path, error))?;
    let read = file.take(4096).read_to_string(&mut text);
    let key = read.map_err(KeyError::from).and_then(|_| PublicKey::read(&text));
    key.map(|key| Some(key.fingerprint())).map_err(|error| key_failed(path, error))
}

/// Holds a redacted pack against its original.
fn compare(pack: &Path, original: &Path, verdict: &mut Verdict, text: &mut String) -> Result<(), Failure> {
    let wrong = |error| failed(original, original, error);
    if let Some(fault) = check(original).map_err(wrong)?.faults.first() {
        verdict.faults.push(format!("the original is not sound: {fault}"));
    }
    let mut shown = 0;
    let proved = prove(pack, original, |proved| {
        shown += 1;
        if shown <= PROVED_SHOWN {
            let field = if proved.field.is_empty() { String::new() } else { format!(", {}", proved.field) };
            let value: String =
                clean(&String::from_utf8_lossy(&proved.value)).chars().take(VALUE_SHOWN).collect();
            let _ = writeln!(
                text,
                "  {} line {}{}: {}",
                proved.entry,
                proved.line,
                Visible(&clean(&field)),
                Visible(&value)
            );
        }
    });
    match proved {
        Ok(count) => {
            let _ = writeln!(text, "{count} unreadable parts are proved by the original");
        }
        Err(PackError::Damaged(fault)) => verdict.faults.push(fault),
        Err(error) => return Err(wrong(error)),
    }
    for fault in &verdict.faults {
        let _ = writeln!(text, "NOT PROVED: {}", Visible(&clean(fault)));
    }
    Ok(())
}

fn as_text(path: &Path, verdict: &Verdict) -> String {
    let path = clean(&path.display().to_string());
    let state = if verdict.faults.is_empty() { "sound" } else { "NOT SOUND" };
    let mut text = format!("{}: {state}\n", Visible(&path));
    for fault in &verdict.faults {
        let _ = writeln!(text, "  {}", Visible(&clean(fault)));
    }
    if verdict.manifest.is_empty() {
        return text;
    }
    let signer = |key: Option<PublicKey>| {
        key.map_or_else(|| "not signed".to_owned(), |key| format!("signed by {}", key.fingerprint()))
    };
    let _ = writeln!(text, "  manifest  {}\n  {}", verdict.manifest, signer(verdict.signed_by));
    if let Some((manifest, key)) = &verdict.original {
        let _ = writeln!(text, "  made of   {manifest}\n  {}", signer(*key));
    }
    for (name, bytes, lines, state) in &verdict.entries {
        let lines = lines.map_or_else(String::new, |lines| format!(", {lines} lines"));
        let state = match state {
            EntryState::Sound => String::new(),
            EntryState::Withheld => "; left out".to_owned(),
            EntryState::Redacted { lines, first } => {
                let numbers: Vec<String> = first.iter().map(u64::to_string).collect();
                let more = if *lines > first.len() as u64 { ", …" } else { "" };
                format!("; {lines} of them unreadable in part or whole: {}{more}", numbers.join(", "))
            }
        };
        let _ = writeln!(text, "  {name}: {bytes} bytes{lines}{state}");
    }
    text
}

fn as_json(path: &Path, verdict: &Verdict, proof: Option<&Proof>) -> String {
    let entries: Vec<_> = verdict
        .entries
        .iter()
        .map(|(name, bytes, lines, state)| {
            let (state, redacted) = match state {
                EntryState::Sound => ("sound", 0),
                EntryState::Withheld => ("left_out", 0),
                EntryState::Redacted { lines, .. } => ("redacted", *lines),
            };
            json!({ "name": name, "bytes": bytes, "lines": lines, "state": state, "redacted_lines": redacted })
        })
        .collect();
    let print = |key: &PublicKey| key.fingerprint().to_string();
    let faults: Vec<String> = verdict.faults.iter().map(|fault| clean(fault)).collect();
    let mut value = json!({
        "schema": "keyhound.verify.v1",
        "pack": clean(&path.display().to_string()),
        "sound": verdict.faults.is_empty(),
        "manifest": verdict.manifest,
        "signed_by": verdict.signed_by.as_ref().map(print),
        "made_of": verdict.original.as_ref().map(|(manifest, _)| manifest),
        "original_signed_by": verdict.original.as_ref().and_then(|(_, key)| key.as_ref()).map(print),
        "entries": entries,
        "faults": faults,
    });
    if let (Some(proof), Some(value)) = (proof, value.as_object_mut()) {
        value.insert("logs".to_owned(), proof::as_json(proof));
    }
    format!("{value}\n")
}

fn signing_key(path: Option<&Path>) -> Result<Option<SigningKey>, Failure> {
    let Some(path) = path else {
        tell(
            "keyhound: not signed: what is in the pack hangs together, and nobody vouches for it (--sign-with)\n",
        );
        return Ok(None);
    };
    SigningKey::load(path).map(Some).map_err(|error| key_failed(path, error))
}

fn io_failed(code: u8, path: &Path, error: std::io::Error) -> Failure {
    Failure::new(code, anyhow::Error::new(error).context(path.display().to_string()))
}

fn key_failed(path: &Path, error: KeyError) -> Failure {
    let code = match &error {
        KeyError::Io(error) if error.kind() == ErrorKind::NotFound => exit::NO_INPUT,
        KeyError::Io(_) | KeyError::Random => exit::IO,
        KeyError::Open(_) | KeyError::Form => exit::CONFIG,
    };
    Failure::new(code, anyhow::Error::new(error).context(path.display().to_string()))
}

/// What is wrong with what was read, or with what was to be written.
fn failed(read: &Path, written: &Path, error: PackError) -> Failure {
    let (code, path) = match &error {
        PackError::Io(error) if error.kind() == ErrorKind::NotFound => (exit::NO_INPUT, read),
        PackError::Io(_) => (exit::IO, written),
        PackError::NoPack(_) => (exit::DATA, read),
        PackError::Damaged(_) => (exit::FINDINGS, read),
        PackError::Name(_) | PackError::TooMuch(_) | PackError::LineFeed => (exit::USAGE, written),
    };
    Failure::new(code, anyhow::Error::new(error).context(path.display().to_string()))
}
