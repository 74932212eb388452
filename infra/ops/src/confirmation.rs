//! Asks the person at the terminal before anything is dropped.

use std::io::{self, IsTerminal};

use crate::failure::Failure;

/// Whether a person has to be asked; an error if that is so and nobody is there.
pub(crate) fn may_ask(yes: bool) -> Result<bool, Failure> {
    if !yes && !io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "nothing is dropped without a confirmation, and there is no terminal to ask on; --yes confirms"
                .into(),
        ));
    }
    Ok(!yes)
}

/// Asks the person at the terminal.
pub(crate) async fn confirm(question: &str) -> Result<(), Failure> {
    terminal::ask(&format!("{question} [y/N] "))?;
    // Beside the runtime, so that Ctrl-C is heard while the person thinks.
    let asked = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = asked.await.map_err(io::Error::other)??;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::Usage("not confirmed; nothing was dropped".into()))
}
