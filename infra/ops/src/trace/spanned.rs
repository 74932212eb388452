//! What spans several things, such as a member: its things, the newest first, and how each stands.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::called;
use crate::failure::Failure;
use crate::kinds::Kinds;
use crate::output::{Format, Report};
use crate::sheet::width;
use crate::spanning::{By, Span, spans};
use crate::stack::Stack;
use crate::views::{Asked, Shown, View, answer};

/// The things of one that spans them, by view.
#[derive(Serialize)]
struct Spanned<'a> {
    /// The option that it was asked by.
    by: &'a str,
    id: &'a str,
    views: Vec<Shown<'a>>,
    /// How one of them is traced.
    #[serde(skip)]
    hints: Vec<String>,
}

impl Report for Spanned<'_> {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        for shown in &self.views {
            shown.show(out)?;
        }
        for hint in &self.hints {
            writeln!(out, "{hint}")?;
        }
        Ok(())
    }
}

/// Shows the things of one that spans them.
pub(crate) async fn show(
    stack: &Stack,
    kinds: &Kinds<'_>,
    format: Format,
    by: &By,
    limit: Option<usize>,
) -> Result<(), Failure> {
    let [(option, id)] = by.0.as_slice() else {
        let options: Vec<_> = by.0.iter().map(|(option, _)| format!("--{option}")).collect();
        return Err(Failure::Usage(format!(
            "{} are about different things: give one of them",
            options.join(" and ")
        )));
    };
    let spans: Vec<Span> = spans(&stack.bundle)
        .into_iter()
        .filter(|span| span.option == option)
        .collect();
    let asked = |span: &Span| Asked::by(span.form, span.index, id.clone(), limit);
    let asked: Vec<_> = spans.iter().map(asked).collect();
    let (mut views, mut hints) = (Vec::new(), Vec::new());
    for asked in &asked {
        let view = View::of(stack, &asked.form);
        let answer = answer(&view, asked, asked.limit_in(format == Format::Json)).await?;
        if !answer.has_rows() {
            continue;
        }
        let name = kinds
            .kind(asked.form.category)
            .map_or("", |kind| kind.category.name());
        hints.push(format!(
            "{} trace {name}/ID shows all that happened to one {}",
            called::name(),
            asked.form.listing.one
        ));
        views.push(Shown {
            answer,
            asked,
            width: width().filter(|_| io::stdout().is_terminal()),
        });
    }
    if views.is_empty() {
        let many: Vec<_> = spans.iter().map(|span| span.form.listing.many).collect();
        return Err(Failure::NotFound(format!(
            "there are no {} of {option} {id}; a view is a moment behind the events",
            many.join(" and no ")
        )));
    }
    format.print(&Spanned {
        by: option,
        id,
        views,
        hints,
    })?;
    Ok(())
}
