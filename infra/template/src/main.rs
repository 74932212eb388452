//! `cargo template`: writes `template.yaml`, the samples in `tests/events`, the pictures in `README.md` and the lists
//! in `functions/README.md`, below the root of the workspace, and says what it changed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use template::written::{SAMPLES, changes, read, renew, stale, written};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bundle = functions::bundle();
    let stale = stale(&bundle, &root)?;
    let written = written(&bundle, &root)?;
    let samples = written.keys().filter(|path| path.starts_with(SAMPLES)).count();
    for (path, new) in written.iter().filter(|(path, _)| !path.starts_with(SAMPLES)) {
        let old = read(&root.join(path))?.unwrap_or_default();
        terminal::announce(format_args!("{}: {}", path.display(), change(&old, new)));
    }
    renew(&written, &root, &stale)?;
    let changed = stale.iter().filter(|file| file.path().starts_with(SAMPLES));
    terminal::announce(format_args!("{SAMPLES}: {samples} files, {}", changes(changed)));
    Ok(())
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
    use super::change;

    #[test]
    fn what_was_rewritten_is_never_called_unchanged() {
        assert_eq!(change("a\nb\n", "a\nb\n"), "unchanged");
        assert_eq!(
            change("a\nb\nb\n", "a\nc\nb\nd\n"),
            "rewritten, 2 lines added, 1 removed; look at `git diff`"
        );
    }
}
