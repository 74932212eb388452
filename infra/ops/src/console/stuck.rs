//! Dead letters: what is in all queues and why, one queue's, one letter; mended, sent back, dropped.
//!
//! A letter can't be read without receiving it, and is invisible to others meanwhile. So a queue is looked at by one
//! request at a time, seldom, and what was seen is kept ([`looking::Letters`]); what is done with letters receives them anew.

mod dropping;
mod groups;
mod letter;
mod list;
pub(crate) mod looking;
mod parts;
mod queue;
mod words;

use std::collections::BTreeSet;
use std::rc::Rc;

use super::answer::Answer;
use super::asked::{Asked, address};
use super::layout;
use super::pages::{Pages, nothing_here};
use crate::arguments::Which;
use crate::dead_letters;
use crate::failure::Failure;
use crate::output::Change;
use crate::send::Allowed;
use crate::stack::Stack;

use groups::{Filter, error_mark};

/// Answers what was asked of it.
pub(crate) async fn answer(
    pages: &Rc<Pages>,
    stack: &Stack,
    asked: &Asked,
    path: &[&str],
) -> Result<Answer, Failure> {
    if asked.param("again").is_some() && !asked.changes() {
        pages.letters.forget_all();
        return Ok(Answer::see(asked.with(&[("again", None), ("said", None)])));
    }
    match (path, asked.changes()) {
        ([], false) => Ok(list::page(pages, stack, asked).await),
        ([queue], false) => queue::page(pages, stack, asked, stack.queue(queue)?).await,
        ([queue, id], false) => letter::page(pages, stack, asked, stack.queue(queue)?, id).await,
        ([queue], true) => change_group(pages, stack, asked, stack.queue(queue)?).await,
        ([queue, id], true) => change_one(pages, stack, asked, stack.queue(queue)?, id).await,
        _ => Err(nothing_here()),
    }
}

async fn change_group(
    pages: &Rc<Pages>,
    stack: &Stack,
    asked: &Asked,
    queue: &str,
) -> Result<Answer, Failure> {
    let filter = Filter::of_form(asked)?;
    let mut which = filter.which();
    if let Some(mark) = &filter.error {
        let letters = pages.letters.of_queue(queue).await?;
        let errors = letters.letters.iter().map(|letter| &letter.shown.error);
        let errors: BTreeSet<_> = errors.filter(|error| error_mark(error) == *mark).collect();
        if errors.is_empty() {
            return Err(Failure::NotFound(
                "no letter of this queue has that error any more; nothing was done".into(),
            ));
        }
        which.errors = errors.into_iter().cloned().collect();
    }
    let back = filter.address(queue);
    match asked.field(layout::DO) {
        Some("redrive") => send_back(pages, stack, queue, &which, None, &back).await,
        Some("drop") => dropping::answer(pages, stack, asked, queue, which, &back).await,
        _ => Err(nothing_here()),
    }
}

async fn change_one(
    pages: &Rc<Pages>,
    stack: &Stack,
    asked: &Asked,
    queue: &str,
    id: &str,
) -> Result<Answer, Failure> {
    let which = Which {
        ids: vec![id.to_owned()],
        ..Which::default()
    };
    let list = address(["letters", queue]);
    let itself = address(["letters", queue, id]);
    if asked.param("check").is_some() {
        return Ok(letter::check(pages, asked, queue, id));
    }
    match asked.field(layout::DO) {
        Some("redrive") => send_back(pages, stack, queue, &which, None, &list).await,
        Some("drop") => dropping::answer(pages, stack, asked, queue, which, &itself).await,
        Some("mend") => {
            let written = letter::Written::of(asked);
            if !written.faults(pages, queue).is_empty() {
                return Ok(letter::check(pages, asked, queue, id));
            }
            let mended = written.mended();
            let mended = Some((&mended, &written as &dyn Allowed));
            send_back(pages, stack, queue, &which, mended, &list).await
        }
        _ => Err(nothing_here()),
    }
}

async fn send_back(
    pages: &Rc<Pages>,
    stack: &Stack,
    queue: &str,
    which: &Which,
    mended: Option<(&dead_letters::Mended, &dyn Allowed)>,
    back: &str,
) -> Result<Answer, Failure> {
    let alone = pages.letters.alone(queue).await;
    let outcome = dead_letters::sent_back(stack, queue, which, mended).await;
    // Before others may look: what was received and not sent is theirs again.
    stack.let_go().await;
    pages.letters.forget(queue);
    drop(alone);
    Ok(pages.done_at(back, outcome.and_then(|outcome| outcome.told())))
}
