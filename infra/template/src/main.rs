//! `cargo template`: writes `template.yaml`, the samples in `tests/events`, the pictures in `README.md` and the lists
//! in `functions/README.md`, below the root of the workspace, and says what it changed.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use template::written::{SAMPLES, Stale, read, stale, written};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bundle = functions::bundle();
    let stale = stale(&bundle, &root)?;
    let written = written(&bundle, &root)?;
    let samples = written.keys().filter(|path| path.starts_with(SAMPLES)).count();
    let mut changed = Vec::new();
    for (path, new) in written.iter().filter(|(path, _)| !path.starts_with(SAMPLES)) {
        let old = read(&root.join(path))?.unwrap_or_default();
        terminal::announce(format_args!("{}: {}", path.display(), change(&old, new)));
    }
    for file in stale {
        match &file {
            Stale::Missing(path) | Stale::Otherwise(path, _) => {
                let path_on_disk = root.join(path);
                // A file lies in a folder.
                fs::create_dir_all(path_on_disk.parent().unwrap_or(&root))?;
                fs::write(path_on_disk, &written[path])?;
            }
            Stale::Left(path) => fs::remove_file(root.join(path))?,
        }
        changed.push(file);
    }
    let changed = changed.iter().filter(|file| file.path().starts_with(SAMPLES));
    terminal::announce(format_args!(
        "{SAMPLES}: {samples} files, {}",
        changes(&changed.cloned().collect::<Vec<_>>())
    ));
    Ok(())
}

/// How many files were written and removed.
fn changes(changed: &[Stale]) -> String {
    if changed.is_empty() {
        return "unchanged".to_owned();
    }
    let removed = changed
        .iter()
        .filter(|file| matches!(file, Stale::Left(_)))
        .count();
    format!(
        "{} written, {removed} removed; look at `git status`",
        changed.len() - removed
    )
}

/// How many lines are new and how many are gone, wherever they stand.
fn change(old: &str, new: &str) -> String {
    if old == new {
        return "unchanged".to_owned();
    }
    let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
    for line in new.lines() {
        *balance.entry(line).or_default() += 1;
    }
    for line in old.lines() {
        *balance.entry(line).or_default() -= 1;
    }
    let added: i64 = balance.values().filter(|count| **count > 0).sum();
    let removed: i64 = balance.values().filter(|count| **count < 0).sum();
    format!(
        "rewritten, {added} lines added, {} removed; look at `git diff`",
        removed.abs()
    )
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use template::written::Stale;

    use super::{change, changes};

    #[test]
    fn files_that_were_written_or_removed_are_counted() {
        let path = || PathBuf::from("tests/events/open-door.json");
        assert_eq!(changes(&[]), "unchanged");
        assert_eq!(
            changes(&[
                Stale::Missing(path()),
                Stale::Otherwise(path(), 3),
                Stale::Left(path())
            ]),
            "2 written, 1 removed; look at `git status`"
        );
    }

    #[test]
    fn what_was_rewritten_is_never_called_unchanged() {
        assert_eq!(change("a\nb\n", "a\nb\n"), "unchanged");
        assert_eq!(
            change("a\nb\nb\n", "a\nc\nb\nd\n"),
            "rewritten, 2 lines added, 1 removed; look at `git diff`"
        );
    }
}
