//! All files that are written from the registry, and which of them are stale.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use bundle::Bundle;
use bundle::sample::files::files;

use crate::lists::LISTS;
use crate::pages::with_section;

/// The folder of samples, from the workspace's root. Whatever JSON is in it is written here.
pub const SAMPLES: &str = "tests/events";

/// What AWS is told.
const TEMPLATE: &str = "template.yaml";

/// The page that shows the pictures.
const README: &str = "README.md";

/// The page that a business has for its operators, if it has one.
const OPERATORS: &str = "functions/README.md";

/// All files, from the workspace's root, with what stands in them. Pages are those below `root` with their
/// sections renewed.
pub fn written(bundle: &Bundle, root: &Path) -> io::Result<BTreeMap<PathBuf, String>> {
    let samples = files(bundle).into_iter();
    let samples = samples.map(|(path, content)| (Path::new(SAMPLES).join(path), content));
    let template = (PathBuf::from(TEMPLATE), crate::template(bundle));
    let pictures = bundle.pictures.iter();
    let pictures = pictures.map(|picture| (picture.section, crate::picture::picture(bundle, picture)));
    let readme = read(&root.join(README))?.unwrap_or_default();
    let readme = (PathBuf::from(README), renewed(README, readme, pictures)?);
    let operators = read(&root.join(OPERATORS))?.map(|page| {
        let lists = LISTS.iter().map(|(section, list)| (*section, list(bundle)));
        Ok::<_, io::Error>((PathBuf::from(OPERATORS), renewed(OPERATORS, page, lists)?))
    });
    let pages = [Some(readme), operators.transpose()?].into_iter().flatten();
    Ok(samples.chain([template]).chain(pages).collect())
}

/// The page with these sections renewed.
fn renewed(
    name: &str,
    page: String,
    sections: impl IntoIterator<Item = (&'static str, String)>,
) -> io::Result<String> {
    sections.into_iter().try_fold(page, |page, (section, text)| {
        with_section(&page, section, &text).ok_or_else(|| {
            io::Error::other(format!(
                "{name} has no place for `{section}`; expected the lines \
                 <!-- written by `cargo template`: {section} --> and <!-- end of {section} -->"
            ))
        })
    })
}

/// How a file differs from what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stale {
    /// It is not there.
    Missing(PathBuf),
    /// It is otherwise, from that line on.
    Otherwise(PathBuf, usize),
    /// It belongs to nothing any more.
    Left(PathBuf),
}

impl Stale {
    /// Its place, from the workspace's root.
    pub fn path(&self) -> &Path {
        match self {
            Self::Missing(path) | Self::Otherwise(path, _) | Self::Left(path) => path,
        }
    }

    /// What is to be done about it, in a line.
    pub fn told(&self) -> String {
        match self {
            Self::Missing(path) => format!("{} is missing: run `cargo template`", path.display()),
            Self::Otherwise(path, line) => format!(
                "{} is stale from line {line} on: run `cargo template`",
                path.display()
            ),
            Self::Left(path) => format!(
                "{} belongs to no sample of the registry any more: run `cargo template`",
                path.display()
            ),
        }
    }
}

/// The files below `root` that are not what the registry says.
pub fn stale(bundle: &Bundle, root: &Path) -> io::Result<Vec<Stale>> {
    stale_of(&written(bundle, root)?, root, SAMPLES)
}

/// The files below `root` that are not what is to be written there. Whatever JSON is in `folder` is written.
pub fn stale_of(written: &BTreeMap<PathBuf, String>, root: &Path, folder: &str) -> io::Result<Vec<Stale>> {
    let mut stale = Vec::new();
    for (path, new) in written {
        match read(&root.join(path))? {
            None => stale.push(Stale::Missing(path.clone())),
            Some(old) if old != *new => {
                stale.push(Stale::Otherwise(path.clone(), first_difference(&old, new)));
            }
            Some(_) => {}
        }
    }
    let left = json_below(root, Path::new(folder))?;
    let left = left.into_iter().filter(|path| !written.contains_key(path));
    stale.extend(left.map(Stale::Left));
    Ok(stale)
}

/// Writes what is stale, and removes what is left over.
pub fn renew(written: &BTreeMap<PathBuf, String>, root: &Path, stale: &[Stale]) -> io::Result<()> {
    for file in stale {
        match file {
            Stale::Missing(path) | Stale::Otherwise(path, _) => {
                let path_on_disk = root.join(path);
                // A file lies in a folder.
                fs::create_dir_all(path_on_disk.parent().unwrap_or(root))?;
                fs::write(path_on_disk, &written[path])?;
            }
            Stale::Left(path) => fs::remove_file(root.join(path))?,
        }
    }
    Ok(())
}

/// How many files were written and removed, in words.
pub fn changes<'s>(stale: impl IntoIterator<Item = &'s Stale>) -> String {
    let stale: Vec<_> = stale.into_iter().collect();
    if stale.is_empty() {
        return "unchanged".to_owned();
    }
    let removed = stale.iter().filter(|file| matches!(file, Stale::Left(_)));
    let removed = removed.count();
    let written = stale.len() - removed;
    format!("{written} written, {removed} removed; look at `git status`")
}

/// The text of a file; none if it is not there.
pub fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn first_difference(old: &str, new: &str) -> usize {
    let same = old.lines().zip(new.lines()).take_while(|(old, new)| old == new);
    1 + same.count()
}

/// All JSON in a folder.
fn json_below(root: &Path, folder: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let entries = match fs::read_dir(root.join(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = folder.join(entry?.file_name());
        if root.join(&path).is_dir() {
            found.extend(json_below(root, &path)?);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.insert(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_were_written_or_removed_are_counted() {
        let path = || PathBuf::from("tests/events/open-door.json");
        assert_eq!(changes([]), "unchanged");
        assert_eq!(
            changes(&[
                Stale::Missing(path()),
                Stale::Otherwise(path(), 3),
                Stale::Left(path())
            ]),
            "2 written, 1 removed; look at `git status`"
        );
    }
}
