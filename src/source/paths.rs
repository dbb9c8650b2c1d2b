//! Names on the command line to files: patterns are expanded, what is missing is told.

use std::path::{Path, PathBuf};
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
}

/// The files that `names` stand for, each once, in order: a name as it is, a pattern (`*`, `?`, `[…]`, `**`) as
/// the files it matches, sorted. With `may_be_missing`, a file that does not exist yet is kept as it is.
pub fn expand(names: &[String], may_be_missing: bool) -> Result<Vec<PathBuf>, PathError> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for name in names {
        let found = expand_one(name, may_be_missing)?;
        let new: Vec<PathBuf> = found.into_iter().filter(|path| !paths.contains(path)).collect();
        paths.extend(new);
    }
    Ok(paths)
}

fn expand_one(name: &str, may_be_missing: bool) -> Result<Vec<PathBuf>, PathError> {
    let path = Path::new(name);
    let is_pattern = name.contains(['*', '?', '[']);
    if path.exists() || (may_be_missing && !is_pattern) {
        return Ok(vec![path.to_owned()]);
    }
    if !is_pattern {
        return Err(PathError::Missing { pattern: name.to_owned() });
    }
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let matches = glob::glob_with(name, options)
        .map_err(|error| PathError::Pattern { pattern: name.to_owned(), error })?;
    // A place that cannot be looked into has no files for us.
    let mut paths: Vec<PathBuf> = matches.flatten().filter(|path| !path.is_dir()).collect();
    paths.sort();
    if paths.is_empty() && !may_be_missing {
        return Err(PathError::Missing { pattern: name.to_owned() });
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns_become_files_once() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.jsonl", "a.jsonl", "c.log", ".hidden.jsonl", "x[1].log"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let name = |text: &str| dir.path().join(text).display().to_string();
        let files = |names: &[&str]| -> Vec<String> {
            let names: Vec<String> = names.iter().map(|text| name(text)).collect();
            let paths = expand(&names, false).unwrap();
            paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(files(&["*.jsonl"]), ["a.jsonl", "b.jsonl"]);
        assert_eq!(files(&["b.jsonl", "*.jsonl", "c.log"]), ["b.jsonl", "a.jsonl", "c.log"]);
        assert_eq!(files(&["x[1].log"]), ["x[1].log"]);
        assert!(matches!(expand(&[name("no")], false), Err(PathError::Missing { .. })));
        assert!(matches!(expand(&[name("*.no")], false), Err(PathError::Missing { .. })));
        assert_eq!(expand(&[name("no"), name("*.no")], true).unwrap(), [dir.path().join("no")]);
    }
}
