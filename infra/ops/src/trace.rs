//! Everything that belongs to something with an id: the events of all its streams in order of time, what is
//! still outstanding, and what got stuck on the way.

mod belonging;
pub(crate) mod chain;
mod leftovers;
mod named;
mod report;
mod spanned;
pub(crate) mod subject;
mod whole_table;

use aws_adapters::Received;
use clap::Args;

use crate::arguments::at_least_one;
use crate::failure::Failure;
use crate::kinds::{Key, Kinds};
use crate::output::Format;
use crate::spanning::By;
use crate::stack::Stack;

pub(crate) use chain::Chain;
pub(crate) use leftovers::{Leftovers, Stuck};
pub(crate) use report::{Sources, Trace};
use subject::Streams;
pub(crate) use subject::{Found, Traced};

/// The things that a dead letter names, and those whose ids are computed from theirs.
pub(crate) fn named_by(letter: &Received, kinds: &Kinds<'_>) -> Vec<Key> {
    named::Named::by(letter, kinds).keys.into_iter().collect()
}

/// What is traced, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct Asked {
    /// The id, with its kind in front of it if need be; or a stream's name, or a correlation id
    id: Option<String>,
    /// Shows what the events hold, too
    #[arg(long, requires = "id")]
    data: bool,
    /// Takes the id for a correlation id, and looks for it through the whole event table
    #[arg(long, requires = "id")]
    scan: bool,
    /// How many things to show
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least_one,
        allow_negative_numbers = true,
        conflicts_with = "id"
    )]
    limit: Option<usize>,
    #[command(flatten)]
    by: By,
}

/// Shows everything that belongs to an id, or the things of what spans them.
pub(crate) async fn show(stack: &Stack, format: Format, asked: Asked) -> Result<(), Failure> {
    let kinds = Kinds::of(&stack.bundle.streams);
    let Some(id) = &asked.id else {
        return spanned::show(stack, &kinds, format, &asked.by, asked.limit).await;
    };
    let leftovers = Leftovers::in_stack(stack, &kinds);
    let (found, leftovers) = if asked.scan {
        (None, leftovers.await?)
    } else {
        // Both at once: each is many calls, and a stack that is hard at work takes its time for each.
        let (streams, leftovers) = futures::try_join!(Streams::of(stack, &kinds, id), leftovers)?;
        let found = subject::find(stack, format, id, &kinds, &streams, &leftovers).await?;
        (found, leftovers)
    };
    if let Some(traced @ Traced::Things(_)) = &found {
        let trace = Trace::of(stack, &kinds, &leftovers, traced, asked.data).await?;
        return Ok(format.print(&trace)?);
    }
    if let Some(chain) = chain::find(stack, &kinds, &leftovers, id, asked.data, asked.scan).await? {
        return Ok(format.print(&chain)?);
    }
    match found {
        Some(traced) => {
            let trace = Trace::of(stack, &kinds, &leftovers, &traced, asked.data).await?;
            Ok(format.print(&trace)?)
        }
        None if asked.scan => Err(Failure::NotFound(format!(
            "no event in table {} has the correlation id {id}",
            stack.names.events_table()
        ))),
        None => Err(subject::nothing(stack, id, &kinds, &leftovers).await?),
    }
}
