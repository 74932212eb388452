//! The folder in which a stack's tables survive: one process at a time holds it.
//!
//! The hold is a lock that the system takes off when the process ends, however it ends. Who holds it stands
//! in the locked file, for whoever comes second.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The file that is locked. It stays behind, empty or not.
const LOCK: &str = "lock";

/// How what is written there begins.
const SIGNED: &str = "process ";

/// Why a folder can't be held.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process has it, or another stack in this one.
    #[error(
        "the folder {folder} is in use by {holder}: stop that first, or name another folder",
        folder = .folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// Who has it.
        holder: String,
    },
    /// The folder is not one, or can't be made or written.
    #[error("the folder {folder} can't be used for the tables: {problem}; {remedy}", folder = .folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
}

/// A folder that is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Its lock goes when it is closed.
    _lock: File,
}

impl Folder {
    /// Takes the folder, which is made if it is not there, in the name of `holder`.
    pub(crate) fn take(folder: &Path, holder: &str) -> Result<Self, FolderError> {
        let unusable = |problem: String, remedy| FolderError::Unusable {
            folder: folder.to_owned(),
            problem,
            remedy,
        };
        if folder.as_os_str().is_empty() {
            return Err(unusable("it has no name".to_owned(), "name one with --data"));
        }
        if fs::metadata(folder).is_ok_and(|found| !found.is_dir()) {
            return Err(unusable(
                "it is a file".to_owned(),
                "name a folder, or one that is not there yet",
            ));
        }
        let remedy = "name one that you may write to";
        fs::create_dir_all(folder).map_err(|error| unusable(error.to_string(), remedy))?;
        let file = folder.join(LOCK);
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&file);
        let of_lock = |error: io::Error| format!("{}: {error}", file.display());
        let mut lock = opened.map_err(|error| unusable(of_lock(error), remedy))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FolderError::InUse {
                    folder: folder.to_owned(),
                    holder: holder_of(&mut lock),
                });
            }
            Err(TryLockError::Error(error)) => {
                let remedy =
                    "name one on a disk of this machine: file systems of other machines may have no locks";
                return Err(unusable(of_lock(error), remedy));
            }
        }
        let is_ours = is_signed_or_empty(&mut lock);
        if !is_ours.map_err(|error| unusable(of_lock(error), remedy))? {
            return Err(unusable(
                format!("{} is another program's file", file.display()),
                "name another folder, or move the file away",
            ));
        }
        sign(&mut lock, holder).map_err(|error| unusable(of_lock(error), "see to the space on its disk"))?;
        Ok(Self {
            path: folder.to_owned(),
            _lock: lock,
        })
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Whether the file is one that a holder wrote, or was about to.
fn is_signed_or_empty(lock: &mut File) -> io::Result<bool> {
    let mut beginning = Vec::new();
    lock.take(SIGNED.len() as u64).read_to_end(&mut beginning)?;
    Ok(beginning.is_empty() || beginning == SIGNED.as_bytes())
}

fn sign(lock: &mut File, holder: &str) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    write!(lock, "{SIGNED}{}, {holder}", std::process::id())?;
    lock.flush()
}

/// What the holder wrote; some systems show nobody else what is locked.
fn holder_of(lock: &mut File) -> String {
    let mut holder = String::new();
    let read = lock.take(400).read_to_string(&mut holder);
    let told = read.is_ok() && !holder.is_empty() && !holder.contains(char::is_control);
    if told {
        holder
    } else {
        "another process".to_owned()
    }
}

// A test that can't set its stage has to stop there.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_by_one_at_a_time_and_the_second_is_told_by_whom() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("made/on/the/way");
        let first = Folder::take(&folder, "stack shop at http://127.0.0.1:1").unwrap();
        let refused = Folder::take(&folder, "stack late")
            .expect_err("it is held")
            .to_string();
        let holder = format!("process {}, stack shop at http://127.0.0.1:1", std::process::id());
        assert!(refused.contains(&holder), "{refused}");
        drop(first);
        Folder::take(&folder, "stack next").unwrap();
    }

    #[test]
    fn a_lock_that_another_program_wrote_is_named_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join(LOCK);
        fs::write(&lock, "4711, my editor").unwrap();
        let refused = Folder::take(folder.path(), "stack shop")
            .expect_err("it is not ours")
            .to_string();
        assert!(
            refused.contains("lock is another program's file; name another folder"),
            "{refused}"
        );
        assert_eq!(fs::read_to_string(&lock).unwrap(), "4711, my editor");
        fs::write(&lock, "").unwrap();
        Folder::take(folder.path(), "stack shop").unwrap();
    }

    #[test]
    fn what_is_no_folder_is_named_and_left_as_it_is() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("letter");
        fs::write(&file, "dear all").unwrap();
        let refused = Folder::take(&file, "stack shop").expect_err("a file").to_string();
        assert!(
            refused.contains("letter can't be used for the tables: it is a file"),
            "{refused}"
        );
        let refused = Folder::take(&file.join("below"), "stack shop")
            .expect_err("below a file")
            .to_string();
        assert!(refused.contains("letter/below can't be used"), "{refused}");
        let refused = Folder::take(Path::new(""), "stack shop")
            .expect_err("no name")
            .to_string();
        assert!(refused.contains("it has no name"), "{refused}");
        assert_eq!(fs::read_to_string(file).unwrap(), "dear all");
    }
}
