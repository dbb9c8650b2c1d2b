//! All forms of a report in one folder, with the rows that it is made of.

use crate::cli::{Failure, exit};
use crate::investigate::{Gathered, Judgement, Phase, Report, SpoolError, Who, sha256, show};
use crate::pack::{PackError, SigningKey, Writer};
use anyhow::anyhow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use thiserror::Error;

/// A folder that cannot be written.
#[derive(Debug, Error)]
enum FolderError {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Write(#[from] io::Error),
    #[error(transparent)]
    Pack(#[from] PackError),
}

/// What the folder of one key among several is called: what is shown of the key, and how its fingerprint begins, for several
/// may be shown alike.
pub fn name(report: &Report) -> String {
    let shown = report.key.prefix.chars().filter(char::is_ascii_alphanumeric);
    let id = report.key.id.get(..8).unwrap_or(&report.key.id);
    shown.chain(['-']).chain(id.chars()).collect()
}

/// Writes everything into a folder, which is made where it is not there; nothing in it is written over.
pub fn write(
    folder: &Path,
    report: &Report,
    gathered: &mut Gathered,
    judged: &BTreeMap<u32, Judgement>,
) -> Result<(), Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::new(exit::IO, anyhow!("{}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    if fs::read_dir(folder).map_err(|error| failed(&error))?.next().is_some() {
        let error = anyhow!(
            "{}: is not empty, and evidence is not written over: name another folder",
            folder.display()
        );
        return Err(Failure::new(exit::USAGE, error));
    }
    for (name, text) in files(report)? {
        let written =
            File::create_new(folder.join(name)).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| failed(&error))?;
    }
    for (name, form) in ROWS {
        let file = File::create_new(folder.join(name)).map_err(|error| failed(&error))?;
        let mut file = BufWriter::new(file);
        let written = rows(report, gathered, judged, form, |row| Ok(writeln!(file, "{row}")?));
        written.and_then(|()| Ok(file.flush()?)).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// The same as a pack of evidence, signed by the key in a file if there is one; says what it is.
pub fn pack(
    path: &Path,
    report: &Report,
    gathered: &mut Gathered,
    judged: &BTreeMap<u32, Judgement>,
    sign_with: Option<&Path>,
) -> Result<String, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::new(exit::IO, anyhow!("{}: {error}", path.display()));
    let key =
        sign_with.map(SigningKey::load).transpose().map_err(|error| Failure::new(exit::CONFIG, error))?;
    let mut pack = Writer::create(path).map_err(|error| failed(&error))?;
    for (name, text) in files(report)? {
        pack.add(name, text.as_bytes()).map_err(|error| failed(&error))?;
    }
    for (name, form) in ROWS {
        let mut lines = pack.add_lines(name).map_err(|error| failed(&error))?;
        let written = rows(report, gathered, judged, form, |row| Ok(lines.line(row.as_bytes())?));
        written.and_then(|()| Ok(lines.end()?)).map_err(|error| failed(&error))?;
    }
    let sealed = pack.finish(key.as_ref()).map_err(|error| failed(&error))?;
    Ok(sealed.summary())
}

/// All forms of the report.
fn files(report: &Report) -> Result<[(&'static str, String); 10], Failure> {
    let json = serde_json::to_string_pretty(report).map_err(|error| Failure::new(exit::INTERNAL, error))?;
    let plain = crate::encode::Palette { colour: false };
    Ok([
        ("report.txt", show::text(report, plain)),
        ("report.md", show::markdown(report)),
        ("report.html", show::html(report)),
        ("report.json", json + "\n"),
        ("letter.md", show::letter(report)),
        ("indicators.csv", show::csv(report)),
        ("indicators.watch.txt", show::watch_list(report)),
        ("indicators.stix.json", show::stix(report)),
        ("indicators.misp.json", show::misp(report)),
        ("indicators.sigma.yml", show::sigma(report)),
    ])
}

/// A form of rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As they are.
    Plain,
    /// For Timesketch, with the moments.
    Timesketch,
}

/// Files of rows.
const ROWS: [(&str, Form); 2] = [("requests.jsonl", Form::Plain), ("timesketch.jsonl", Form::Timesketch)];

/// The attacker's requests, one a line.
fn rows(
    report: &Report,
    gathered: &mut Gathered,
    judged: &BTreeMap<u32, Judgement>,
    form: Form,
    mut give: impl FnMut(&str) -> Result<(), FolderError>,
) -> Result<(), FolderError> {
    let firsts = report.timeline.episodes.iter().filter(|episode| episode.phase == Phase::Reconnaissance);
    let firsts: Vec<&str> = firsts.map(|episode| episode.row_sha256.as_str()).collect();
    gathered.spool.each(|number, phase, row| {
        if judged.get(&number).is_none_or(|judged| judged.who != Who::Attacker) {
            return Ok(());
        }
        if form == Form::Plain {
            return give(row);
        }
        let hash = sha256(row.as_bytes());
        // The first are told apart when all are known.
        let is_first = firsts.contains(&hash.as_str());
        let phase = if is_first { Phase::Reconnaissance } else { phase };
        give(&show::timesketch(phase, row, &hash))
    })?;
    let moments = if form == Form::Timesketch { show::timesketch_moments(report) } else { Vec::new() };
    moments.iter().try_for_each(|moment| give(moment))
}
