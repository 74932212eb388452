//! What the program is called: by its own name where it is installed, `cargo ops` by the alias of a repository. Help
//! and hints name it so, and can be copied.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{LazyLock, OnceLock};

use clap::Command;
use clap::builder::StyledStr;

/// What the texts of this crate call it.
const WRITTEN: &str = "cargo ops";

static PROGRAM: LazyLock<String> = LazyLock::new(|| stem(std::env::args_os().next().as_deref()));
static NAME: OnceLock<String> = OnceLock::new();

/// This process is the program. Others, such as a stack on this machine with its console, speak of it as well.
pub(crate) fn is_this_process() {
    NAME.get_or_init(|| {
        // `cargo run`, which the alias is short for, tells the program of which package it is.
        let package = std::env::var_os("CARGO_PKG_NAME");
        called(&PROGRAM, package.as_deref())
    });
}

/// What people type to run it.
pub(crate) fn name() -> &'static str {
    NAME.get().map_or(WRITTEN, String::as_str)
}

/// The file that it is, as it is called where it is installed.
pub(crate) fn program() -> &'static str {
    &PROGRAM
}

fn stem(path: Option<&OsStr>) -> String {
    let stem = path.and_then(|path| Path::new(path).file_stem());
    let stem = stem.map(|stem| stem.to_string_lossy().into_owned());
    stem.filter(|stem| !stem.is_empty())
        .unwrap_or_else(|| "ops".to_owned())
}

fn called(program: &str, package: Option<&OsStr>) -> String {
    if package.is_some_and(|package| package == program) {
        return format!("cargo {program}");
    }
    // Cargo takes a program of such a name for a command of its own.
    match program.strip_prefix("cargo-") {
        Some(command) => format!("cargo {command}"),
        None => program.to_owned(),
    }
}

/// The command under another name than the one that its texts were written with.
pub(crate) fn renamed(command: Command, name: &'static str) -> Command {
    let command = command.name(name).bin_name(name);
    if name == WRITTEN {
        return command;
    }
    speaking_of(command, name)
}

fn speaking_of(mut command: Command, name: &'static str) -> Command {
    let with_name = |text: &StyledStr| text.to_string().replace(WRITTEN, name);
    if let Some(text) = command.get_about().map(with_name) {
        command = command.about(text);
    }
    if let Some(text) = command.get_long_about().map(with_name) {
        command = command.long_about(text);
    }
    if let Some(text) = command.get_after_help().map(with_name) {
        command = command.after_help(text);
    }
    command
        .mut_args(|arg| {
            let (help, long) = (arg.get_help().map(with_name), arg.get_long_help().map(with_name));
            let arg = help.into_iter().fold(arg, clap::Arg::help);
            long.into_iter().fold(arg, clap::Arg::long_help)
        })
        .mut_subcommands(|command| speaking_of(command, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_called_as_people_call_it() {
        let cargo = Some(OsStr::new("ops"));
        for (path, package, name) in [
            ("/home/ada/.cargo/bin/ops", None, "ops"),
            ("ops", Some(OsStr::new("another")), "ops"),
            ("C:/bin/ops.exe", None, "ops"),
            ("target/debug/ops", cargo, "cargo ops"),
            ("/usr/bin/shop-ops", None, "shop-ops"),
            ("/home/ada/.cargo/bin/cargo-ops", None, "cargo ops"),
        ] {
            assert_eq!(called(&stem(Some(OsStr::new(path))), package), name, "{path}");
        }
        assert_eq!(called(&stem(None), None), "ops");
    }

    #[test]
    fn every_text_of_a_command_names_it_so() {
        let inner = Command::new("list")
            .about("Lists; cargo ops list")
            .after_help("cargo ops list --all")
            .arg(clap::Arg::new("all").help("as in cargo ops list all"));
        let command = Command::new("cargo ops")
            .long_about("cargo ops does")
            .subcommand(inner);
        let mut renamed = renamed(command, "shop-ops");
        let help = renamed.render_long_help().to_string();
        let list = renamed.find_subcommand_mut("list").expect("it is a command");
        let list = list.render_long_help().to_string();
        assert!(!help.contains(WRITTEN) && !list.contains(WRITTEN), "{help}{list}");
        assert!(
            help.contains("shop-ops does") && list.contains("in shop-ops list all"),
            "{help}{list}"
        );
    }
}
