//! All forms of a report in one folder, with the rows that it is made of.

use crate::cli::{Failure, exit};
use crate::investigate::{Gathered, Judgement, Phase, Report, SpoolError, Who, sha256, show};
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
    let json = serde_json::to_string_pretty(report).map_err(|error| Failure::new(exit::INTERNAL, error))?;
    let plain = crate::encode::Palette { colour: false };
    let files: [(&str, String); 10] = [
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
    ];
    for (name, text) in files {
        let written =
            File::create_new(folder.join(name)).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| failed(&error))?;
    }
    rows(folder, report, gathered, judged).map_err(|error| failed(&error))
}

/// The attacker's requests, one a line, and the same for Timesketch.
fn rows(
    folder: &Path,
    report: &Report,
    gathered: &mut Gathered,
    judged: &BTreeMap<u32, Judgement>,
) -> Result<(), FolderError> {
    let [mut requests, mut sketch] = ["requests.jsonl", "timesketch.jsonl"]
        .map(|name| File::create_new(folder.join(name)).map(BufWriter::new))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?
        .try_into()
        .map_err(|_| io::Error::other("two files"))?;
    let firsts = report.timeline.episodes.iter().filter(|episode| episode.phase == Phase::Reconnaissance);
    let firsts: Vec<&str> = firsts.map(|episode| episode.row_sha256.as_str()).collect();
    gathered.spool.each(|number, phase, row| {
        if judged.get(&number).is_some_and(|judged| judged.who == Who::Attacker) {
            let hash = sha256(row.as_bytes());
            // The first are told apart when all are known.
            let is_first = firsts.contains(&hash.as_str());
            let phase = if is_first { Phase::Reconnaissance } else { phase };
            writeln!(requests, "{row}")?;
            writeln!(sketch, "{}", show::timesketch(phase, row, &hash))?;
        }
        Ok::<(), FolderError>(())
    })?;
    for moment in show::timesketch_moments(report) {
        writeln!(sketch, "{moment}")?;
    }
    requests.flush()?;
    sketch.flush()?;
    Ok(())
}
