//! Messages.

use std::rc::Rc;

use maud::html;

use super::answer::Answer;
use super::asked::Asked;
use super::pages::Pages;
use crate::failure::Failure;
use crate::stack::Stack;

/// Answers what was asked of it.
pub(crate) async fn answer(
    pages: &Rc<Pages>,
    _stack: &Stack,
    asked: &Asked,
    _path: &[&str],
) -> Result<Answer, Failure> {
    Ok(pages.page(asked, "messages", "Messages", &html! {}))
}
