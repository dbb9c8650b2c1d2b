//! Objects that a repository borrows from others (`objects/info/alternates`). The file comes from outside like everything
//! else: it may name what is not there, lead in a circle, or never end.

use crate::encode::Visible;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// As deep as git follows them.
const DEPTH_MAX: usize = 5;
/// Folders that are borrowed from, and bytes of one list of them.
const FOLDERS_MAX: usize = 1_000;
const BYTES_MAX: u64 = 1 << 20;
/// The longest `.git` file.
const LINK_BYTES_MAX: u64 = 64 << 10;

/// Where the objects of a repository lie.
#[derive(Debug, Default)]
pub struct Alternates {
    /// Its own folder, and those that it borrows from.
    pub folders: Vec<PathBuf>,
    /// What is not there, or not followed.
    pub troubles: Vec<String>,
    /// Why no reader of git's formats can follow them at all, if none can.
    pub refused: Option<String>,
}

impl Alternates {
    /// Follows the lists from a folder of objects on.
    pub fn of(objects: &Path) -> Self {
        let mut all = Self { folders: vec![objects.to_path_buf()], ..Self::default() };
        let own = real(objects);
        all.follow(objects, &mut vec![own.clone()], &mut BTreeSet::from([own]));
        all
    }

    fn follow(&mut self, objects: &Path, above: &mut Vec<PathBuf>, seen: &mut BTreeSet<PathBuf>) {
        let list = objects.join("info/alternates");
        let shown = Visible(&list.display().to_string()).to_string();
        let text = match read(&list, BYTES_MAX) {
            Ok(Some(text)) => text,
            Ok(None) => return,
            Err(why) => {
                self.refused.get_or_insert_with(|| format!("{shown} {why}"));
                return;
            }
        };
        for line in text.split(|byte| *byte == b'\n').filter(|line| !matches!(line, [] | [b'#', ..])) {
            let named = objects.join(OsStr::from_bytes(&unquoted(line)));
            let told = Visible(&named.display().to_string()).to_string();
            let folder = real(&named);
            if above.contains(&folder) {
                self.refused.get_or_insert_with(|| format!("{shown} leads in a circle, back to {told}"));
            } else if !folder.is_dir() {
                let why = if folder.exists() { "which is no folder" } else { "which is not there" };
                self.troubles.push(format!("objects are borrowed from {told} ({shown}), {why}"));
                if folder.exists() {
                    self.refused.get_or_insert_with(|| format!("{shown} names {told}, {why}"));
                }
            } else if above.len() > DEPTH_MAX || self.folders.len() > FOLDERS_MAX {
                self.troubles.push(format!(
                    "{shown}: borrows of borrows past {DEPTH_MAX}, or of more than {FOLDERS_MAX} folders, are not followed"
                ));
                return;
            } else if seen.insert(folder.clone()) {
                self.folders.push(folder.clone());
                above.push(folder.clone());
                self.follow(&folder, above, seen);
                above.pop();
            }
        }
    }
}

/// The folder of objects of the repository in a folder, or of the bare one that it is.
pub fn objects_of(path: &Path) -> Option<PathBuf> {
    let git = path.join(".git");
    let folder = if git.is_dir() {
        git
    } else if let Ok(Some(text)) = read(&git, LINK_BYTES_MAX) {
        let named = text.strip_prefix(b"gitdir:")?.trim_ascii();
        path.join(OsStr::from_bytes(named))
    } else {
        path.to_path_buf()
    };
    let common = match read(&folder.join("commondir"), LINK_BYTES_MAX) {
        Ok(Some(named)) => folder.join(OsStr::from_bytes(named.trim_ascii())),
        _ => folder,
    };
    Some(common.join("objects"))
}

/// A path without detours, as far as it is there.
pub fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// The same, but as it was called where there are none.
pub fn plain(path: &Path) -> PathBuf {
    let has_detour = path.components().any(|part| part == Component::ParentDir);
    if has_detour { real(path) } else { path.to_path_buf() }
}

/// A small file; nothing if it is not there.
fn read(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, String> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {error}")),
        // A pipe would be waited for.
        Ok(data) if !data.is_file() => return Err("is no file".to_owned()),
        Ok(_) => {}
    }
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut text));
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > bytes_max {
        return Err(format!("is longer than {bytes_max} bytes, which no list of folders is"));
    }
    Ok(Some(text))
}

/// A name, which git quotes as C does where it has odd characters.
fn unquoted(line: &[u8]) -> Vec<u8> {
    if !line.starts_with(b"\"") {
        return line.to_vec();
    }
    gix::quote::ansi_c::undo(line.into()).map_or_else(|_| line.to_vec(), |(text, _)| text.to_vec())
}
