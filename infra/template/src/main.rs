//! `cargo template`: writes `template.yaml` at the root of the workspace, and says what it changed.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let new = template::template(&functions::bundle());
    let old = match fs::read_to_string(&path) {
        Ok(old) => old,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    fs::write(path, &new)?;
    terminal::announce(format_args!("template.yaml: {}", change(&old, &new)));
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
