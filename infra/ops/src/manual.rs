//! What is installed beside the program: completions for shells, and pages of the manual. Both are made of the commands
//! as they are, with those of the views.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::called;
use crate::failure::Failure;

/// Which completions.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// Which pages.
#[derive(Debug, Args)]
pub(crate) struct Pages {
    /// Writes a page for each command into this folder, in place of printing the first one
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

/// Prints the completions of a shell.
pub(crate) fn complete(command: Command, asked: &Completions) -> Result<(), Failure> {
    let (mut command, mut script) = (called::renamed(command, called::program()), Vec::new());
    // Into memory first: it panics where nobody reads.
    clap_complete::generate(asked.shell, &mut command, called::program(), &mut script);
    print(&script)
}

/// Prints the first page, or writes them all.
pub(crate) fn show(command: Command, asked: &Pages) -> Result<(), Failure> {
    // Nobody looks for pages about `help`.
    let command = without_help(called::renamed(command, called::program()));
    let Some(folder) = &asked.to else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        return print(&page);
    };
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written.map_err(|error| Failure::Failed(format!("{} can't be written: {error}", folder.display())))
}

fn without_help(command: Command) -> Command {
    command
        .disable_help_subcommand(true)
        .mut_subcommands(without_help)
}

fn print(text: &[u8]) -> Result<(), Failure> {
    let mut out = terminal::out();
    out.write_all(text)?;
    Ok(out.flush()?)
}
