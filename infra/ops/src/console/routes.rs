//! Which page answers a request.

use std::rc::Rc;

use futures::FutureExt;
use http::StatusCode;

use super::answer::Answer;
use super::asked::Asked;
use super::layout;
use super::pages::{Pages, nothing_here};
use super::{bench, messages, now, parked, pulse, rows, story, stuck};
use crate::failure::Failure;
use crate::stack::Stack;

/// What all pages have, then what some have alone.
const STYLE: &str = concat!(
    include_str!("assets/style.css"),
    include_str!("assets/story.css"),
    include_str!("assets/stuck.css"),
    include_str!("assets/messages.css"),
    include_str!("assets/bench.css"),
);

/// Begins what goes on beside the pages.
pub(crate) fn begin(pages: &Rc<Pages>) {
    let pages = pages.clone();
    tokio::task::spawn_local(async move {
        pulse::follow(&pages.stack, &pages.pulse, || pages.now()).await;
    });
}

/// Answers what was asked.
pub(crate) async fn answer(pages: &Rc<Pages>, asked: &Asked) -> Answer {
    match asked.path().as_slice() {
        ["style.css"] => return Answer::file("text/css; charset=utf-8", STYLE),
        ["console.js"] => {
            return Answer::file(
                "text/javascript; charset=utf-8",
                include_str!("assets/console.js"),
            );
        }
        ["icon.svg"] => return Answer::file("image/svg+xml", include_str!("assets/icon.svg")),
        _ => {}
    }
    if pages.is_read_only() && asked.changes() {
        let content = layout::problem(layout::READ_ONLY);
        let page = layout::page(&pages.frame, "", "Nothing was done", &content);
        return Answer::with(StatusCode::FORBIDDEN, page);
    }
    let stack = match tokio::time::timeout(layout::PATIENCE, pages.stack.anew()).await {
        Ok(Ok(stack)) => stack,
        Ok(Err(failure)) => return failed(pages, &failure),
        Err(_) => {
            return failed(
                pages,
                &Failure::Failed(layout::no_answer_within(layout::PATIENCE)),
            );
        }
    };
    let answer = answer_with(pages, &stack, asked).await;
    stack.let_go().await;
    match answer {
        Ok(answer) => answer,
        Err(failure) => failed(pages, &failure),
    }
}

async fn answer_with(pages: &Rc<Pages>, stack: &Stack, asked: &Asked) -> Result<Answer, Failure> {
    let path = asked.path();
    let (first, rest) = path
        .split_first()
        .map_or(("", &[][..]), |(first, rest)| (*first, rest));
    // Boxed: each is large, and a request waits for one of them.
    let answer = match first {
        "" => now::answer(pages, stack, asked).boxed_local(),
        "view" => rows::answer(pages, stack, asked, rest).boxed_local(),
        "of" => story::answer(pages, stack, asked, rest).boxed_local(),
        "letters" => stuck::answer(pages, stack, asked, rest).boxed_local(),
        "outbox" => parked::answer(pages, stack, asked, rest).boxed_local(),
        "messages" => messages::answer(pages, stack, asked, rest).boxed_local(),
        "bench" => bench::answer(pages, stack, asked, rest).boxed_local(),
        _ => return Err(nothing_here()),
    };
    answer.await
}

fn failed(pages: &Pages, failure: &Failure) -> Answer {
    let (status, title) = match failure {
        Failure::NotFound(_) => (StatusCode::NOT_FOUND, "Not found"),
        Failure::Usage(_) => (StatusCode::BAD_REQUEST, "Not as it was asked for"),
        _ => (StatusCode::BAD_GATEWAY, "The stack gives no answer"),
    };
    let content = layout::problem(&failure.to_string());
    Answer::with(status, layout::page(&pages.frame, "", title, &content))
}
