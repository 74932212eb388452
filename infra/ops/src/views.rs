//! The views of a business: a command for each, made from its declaration, that shows what became of its things.

mod ask;
mod read;
mod show;
mod watch;

use std::io::{self, IsTerminal};

use aws_adapters::ViewReader;

use crate::failure::Failure;
use crate::output::Format;
use crate::stack::Stack;

pub(crate) use ask::{Asked, asked, with_commands};
use read::View;
use show::Shown;

/// Shows what was asked for.
pub(crate) async fn show(stack: &Stack, format: Format, asked: &Asked) -> Result<(), Failure> {
    asked.check(format == Format::Json, io::stdout().is_terminal())?;
    let form = &asked.form;
    let client = stack.connection.dynamodb.clone();
    let reader = ViewReader::new(client, stack.names.view_table(form.name), form.key);
    let view = View { stack, form, reader };
    if asked.watch {
        return watch::watch(&view, asked).await;
    }
    let limit = asked.limit_in(format == Format::Json);
    let answer = read::answer(&view, asked, limit).await?;
    let width = show::width().filter(|_| io::stdout().is_terminal());
    format.print(&Shown { answer, asked, width })?;
    Ok(())
}
