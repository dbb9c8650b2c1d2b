//! Names on the command line to files: patterns are expanded, what is missing is told.

use super::follow;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use thiserror::Error;

/// A name that leads to no file.
#[derive(Debug, Error)]
pub enum PathError {
    /// A pattern that is none.
    #[error("`{pattern}`: {error}")]
    Pattern {
        /// As written.
        pattern: String,
        /// What is wrong with it.
        error: glob::PatternError,
    },
    /// No such file, and no file that a pattern matches.
    #[error("`{pattern}`: no such file")]
    Missing {
        /// As written.
        pattern: String,
    },
    /// Something is there, but it cannot be read.
    #[error("{path}: {why}", path = path.display())]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// Why, and what to do.
        why: String,
    },
}

/// Which file a path leads to, whatever it is called.
pub type FileId = (u64, u64);

/// Which file `metadata` belongs to.
pub fn file_id(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

/// Says now, and not after an hour of reading the others, what cannot be read. A pipe is not opened for that: its
/// writer would see the reader come and go.
pub fn check(paths: &[PathBuf]) -> Result<(), PathError> {
    paths.iter().try_for_each(|path| {
        let unreadable =
            |why: &dyn ToString| PathError::Unreadable { path: path.clone(), why: why.to_string() };
        let metadata = std::fs::metadata(path).map_err(|error| unreadable(&error))?;
        let kind = metadata.file_type();
        if kind.is_dir() {
            let name = path.display();
            return Err(unreadable(&format!(
                "is a directory; name files, or a pattern such as '{name}/*.jsonl'"
            )));
        }
        if kind.is_socket() {
            return Err(unreadable(&"is a socket; read it with a tool such as `socat` and pipe that in"));
        }
        if kind.is_file() {
            File::open(path).map_err(|error| unreadable(&error))?;
        }
        Ok(())
    })
}

/// Says now what cannot be followed; what is not there may come.
pub fn check_followed(paths: &[PathBuf]) -> Result<(), PathError> {
    paths.iter().try_for_each(|path| match follow::regular(path).and_then(|()| File::open(path)) {
        Err(error) if !follow::is_absent(&error) => {
            Err(PathError::Unreadable { path: path.clone(), why: error.to_string() })
        }
        _ => Ok(()),
    })
}

/// The files that `names` stand for, each once, in order: a name as it is, a pattern (`*`, `?`, `[…]`, `**`) as
/// the files it matches, sorted. With `may_be_missing`, a file that does not exist yet is kept as it is.
pub fn expand(names: &[String], may_be_missing: bool) -> Result<Vec<PathBuf>, PathError> {
    let (mut paths, mut seen, mut read) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for name in names {
        let found = expand_one(name, may_be_missing)?.into_iter();
        paths.extend(found.filter(|path| match std::fs::metadata(path) {
            // By any of its names: what is read twice costs twice. A name that is followed may lead elsewhere later.
            Ok(metadata) if !may_be_missing => read.insert(file_id(&metadata)),
            _ => seen.insert(path.clone()),
        }));
    }
    Ok(paths)
}

/// Whether a name stands for any number of files: a file of that very name goes before a pattern.
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '[']) && std::fs::metadata(name).is_err()
}

fn expand_one(name: &str, may_be_missing: bool) -> Result<Vec<PathBuf>, PathError> {
    let path = Path::new(name);
    let is_pattern = name.contains(['*', '?', '[']);
    match std::fs::metadata(path) {
        Ok(_) => return Ok(vec![path.to_owned()]),
        Err(_) if is_pattern => {}
        Err(_) if may_be_missing => return Ok(vec![path.to_owned()]),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(PathError::Missing { pattern: name.to_owned() });
        }
        Err(error) => return Err(PathError::Unreadable { path: path.to_owned(), why: error.to_string() }),
    }
    let matches = glob::glob(name).map_err(|error| PathError::Pattern { pattern: name.to_owned(), error })?;
    // A place that cannot be looked into has no files for us, and a pipe among them would be waited for. Hidden files
    // are not meant by `*`; the option of `glob` that says so panics at names that are not UTF-8.
    let is_meant = |path: &PathBuf| path.is_file() && hidden(path) == hidden(Path::new(name));
    let mut paths: Vec<PathBuf> = matches.flatten().filter(is_meant).collect();
    paths.sort();
    if paths.is_empty() && !may_be_missing {
        return Err(PathError::Missing { pattern: name.to_owned() });
    }
    Ok(paths)
}

/// How many names in a path or pattern begin with a dot.
fn hidden(path: &Path) -> usize {
    let is_hidden = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
    path.components().filter(|part| matches!(part, Component::Normal(name) if is_hidden(name))).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn names_and_patterns_become_files_once() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.jsonl", "a.jsonl", "c.log", ".hidden.jsonl", "x[1].log"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        std::fs::write(dir.path().join(OsStr::from_bytes(b"\xff.jsonl")), "").unwrap();
        let name = |text: &str| dir.path().join(text).display().to_string();
        let files = |names: &[&str]| -> Vec<String> {
            let names: Vec<String> = names.iter().map(|text| name(text)).collect();
            let paths = expand(&names, false).unwrap();
            paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(files(&["*.jsonl"]), ["a.jsonl", "b.jsonl"]);
        assert_eq!(files(&["b.jsonl", "*.jsonl", "c.log"]), ["b.jsonl", "a.jsonl", "c.log"]);
        assert_eq!(files(&["x[1].log"]), ["x[1].log"]);
        assert_eq!(files(&[".*.jsonl"]), [".hidden.jsonl"]);
        assert!(matches!(expand(&[name("no")], false), Err(PathError::Missing { .. })));
        assert!(matches!(expand(&[name("*.no")], false), Err(PathError::Missing { .. })));
        assert_eq!(expand(&[name("no"), name("*.no")], true).unwrap(), [dir.path().join("no")]);
    }
}
