//! `file`: lines in a file that is followed by the next when it is large, of which so many are kept.
//!
//! What is taken is forced to disk first. A line that was cut off by a full disk is taken back and written again.

use super::carrier::{Answer, Batch, Carrier, Carrying};
use super::file::force_name;
use super::kind::{Kind, acknowledges, encoded};
use crate::config::SinkPlan;
use crate::time::Timestamp;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) const KIND: Kind = Kind {
    name: "file",
    summary: "a file, and the ones before it",
    settings: &["path", "file_bytes_max", "files_max", "encoding"],
    required: &["path"],
    encodings: &["json", "ocsf", "ocsf18", "ecs", "cef", "leef", "gelf", "sigma", "markdown"],
    url: "",
    hosts: &[],
    scheme: "",
    batch_max: 1_000,
    lasts: false,
    hears: acknowledges,
    write: encoded,
    open: |plan, _| Ok(Box::new(Rotating::new(plan))),
};

struct Rotating {
    path: PathBuf,
    bytes_max: u64,
    files_max: u32,
}

impl Rotating {
    fn new(plan: &Arc<SinkPlan>) -> Self {
        Self {
            path: plan.config.path.clone(),
            bytes_max: plan.config.file_bytes_max.into(),
            files_max: plan.config.files_max,
        }
    }

    fn write(&self, batch: &Batch) -> io::Result<()> {
        let bytes = batch.joined();
        let length = fs::metadata(&self.path).map_or(0, |found| found.len());
        if length > 0 && length.saturating_add(bytes.len() as u64) > self.bytes_max {
            self.rotate()?;
        }
        // Opened anew each time: somebody may have moved it away, and alerts are few.
        let is_new = !self.path.exists();
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
        let length = file.metadata()?.len();
        let written = file.write_all(&bytes).and_then(|()| file.sync_data());
        if written.is_err() {
            take_back(&file, length);
        } else if is_new {
            force_name(&self.path)?;
        }
        written
    }

    /// The oldest goes, each other one gets the next number.
    fn rotate(&self) -> io::Result<()> {
        let name = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            if number > 0 {
                name.push(format!(".{number}"));
            }
            PathBuf::from(name)
        };
        for number in (0..self.files_max.saturating_sub(1)).rev() {
            match fs::rename(name(number), name(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.files_max == 1 { fs::remove_file(&self.path) } else { Ok(()) }
    }
}

fn take_back(file: &File, length: u64) {
    if let Err(error) = file.set_len(length) {
        tracing::warn!("what was written of a line before an error cannot be taken back: {error}");
    }
}

impl Carrier for Rotating {
    fn carry<'a>(&'a mut self, batch: &'a Batch, _: Timestamp) -> Carrying<'a> {
        let answer = match self.write(batch) {
            Ok(()) => Answer::Taken,
            Err(error) => Answer::Unreachable(error.to_string()),
        };
        Box::pin(std::future::ready(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::carrier::Parcel;

    fn batch(text: &str) -> Batch {
        let parcel = Parcel { name: "a.0".to_owned(), bytes: text.as_bytes().to_vec().into() };
        Batch { key: String::new(), parcels: vec![parcel] }
    }

    #[test]
    fn so_many_files_of_such_a_size_are_kept() {
        for (files_max, kept) in
            [(1, &["5\n"][..]), (2, &["5\n", "3\n4\n"]), (3, &["5\n", "3\n4\n", "1\n2\n"])]
        {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("alerts");
            let file = Rotating { path: path.clone(), bytes_max: 4, files_max };
            for line in ["1\n", "2\n", "3\n", "4\n", "5\n"] {
                file.write(&batch(line)).unwrap();
            }
            let names =
                (0..5).map(
                    |number| if number == 0 { path.clone() } else { path.with_extension(number.to_string()) },
                );
            let texts: Vec<String> = names.map_while(|name| fs::read_to_string(name).ok()).collect();
            assert_eq!(texts, kept);
        }
    }

    #[test]
    fn one_that_is_too_large_has_a_file_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let file = Rotating { path: dir.path().join("alerts"), bytes_max: 4, files_max: 9 };
        for line in ["too large\n", "2\n", "too large\n"] {
            file.write(&batch(line)).unwrap();
        }
        let text = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(
            (text("alerts.2"), text("alerts.1"), text("alerts")),
            ("too large\n".into(), "2\n".into(), "too large\n".into())
        );
    }
}
