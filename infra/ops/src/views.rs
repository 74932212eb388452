//! The views of a business: a command for each, made from its declaration, that shows what became of its things.

mod ask;
mod read;
mod show;
mod watch;

use std::io::{self, IsTerminal};

use crate::failure::Failure;
use crate::output::Format;
use crate::sheet::width;
use crate::stack::Stack;

pub(crate) use ask::{Asked, Place, askable, asked, option, with_commands};
pub(crate) use read::{Answer, Found, View, answer};
pub(crate) use show::{Shown, amount, value};

/// Shows what was asked for.
pub(crate) async fn show(stack: &Stack, format: Format, asked: &Asked) -> Result<(), Failure> {
    asked.check(format == Format::Json, io::stdout().is_terminal())?;
    let form = &asked.form;
    let view = View::of(stack, form);
    if asked.watch {
        return watch::watch(&view, asked).await;
    }
    let limit = asked.limit_in(format == Format::Json);
    let answer = answer(&view, asked, limit).await?;
    let width = width().filter(|_| io::stdout().is_terminal());
    format.print(&Shown { answer, asked, width })?;
    Ok(())
}
