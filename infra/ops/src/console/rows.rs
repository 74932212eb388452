//! The things of a view in a table: chosen, sorted and paged by the page's address, so that a list can be kept and
//! passed on.

use std::cmp::Ordering;
use std::rc::Rc;
use std::time::Duration;

use aws_adapters::ViewRow;
use bundle::ViewTableForm;
use eventsourcing::{Column, ColumnKind, Timestamp};
use maud::{Markup, html};

use super::answer::Answer;
use super::asked::{Asked, address};
use super::layout::{PATIENCE, capitalised, in_words, page_of, part_within};
use super::pages::{Pages, nothing_here};
use crate::arguments::long_ago;
use crate::failure::Failure;
use crate::kinds::Key;
use crate::output::{age, count};
use crate::stack::Stack;
use crate::views::{
    Answer as AnswerOfView, Asked as AskedOfView, Found, Place, View, amount, answer as answer_of_view,
    askable, option, value,
};

/// How many rows a page shows.
const PAGE: usize = 50;

/// Among how many rows is sorted: the oldest of what is open, and otherwise the newest.
const SORTED: usize = 1_000;

/// For how long a page waits that reads the whole table.
const WHOLE_TABLE: Duration = Duration::from_mins(1);

/// The last page that is shown. Whoever is there looks for something, and finds it by a filter.
const LAST_PAGE: usize = 200;

/// Answers what was asked of it.
pub(crate) async fn answer(
    pages: &Rc<Pages>,
    stack: &Stack,
    asked: &Asked,
    path: &[&str],
) -> Result<Answer, Failure> {
    let [command] = path else {
        return Err(nothing_here());
    };
    let mut forms = stack.bundle.registry.views();
    let form = forms
        .find(|form| form.listing.command == *command)
        .ok_or_else(nothing_here)?;
    let question = question(form, asked)?;
    let sorted = Sorting::of(&form, asked)?;
    let number = page_number(asked)?;
    // The whole table is read when somebody asks, and not every two seconds.
    let is_live = question.place() != Place::Table;
    let limit = if sorted.is_some() { SORTED } else { number * PAGE };
    let patience = if is_live { PATIENCE } else { WHOLE_TABLE };
    let rows = part_within(patience, "rows", "Found", is_live, async {
        let view = View::of(stack, &form);
        let found = answer_of_view(&view, &question, Some(limit)).await?;
        Ok(table(asked, &question, sorted.as_ref(), number, found))
    });
    let content = html! {
        (filters(&form, asked, &question))
        (rows.await)
    };
    Ok(pages.page(asked, command, &capitalised(form.listing.many), &content))
}

/// What the address asks of the view.
fn question(form: ViewTableForm, asked: &Asked) -> Result<AskedOfView, Failure> {
    let listing = form.listing;
    let wrong = |what: &str, value: &str, known: Vec<&str>| {
        let many = listing.many;
        Failure::Usage(format!(
            "no {many} have the {what} {value:?}; expected one of {}",
            known.join(", ")
        ))
    };
    let phase = match asked.param("phase") {
        Some(phase) if listing.phase(phase).is_none() => {
            let known = listing.phases.iter().map(|phase| phase.name).collect();
            return Err(wrong("phase", phase, known));
        }
        phase => phase.map(ToOwned::to_owned),
    };
    let cause = match (asked.param("cause"), form.figures.cause) {
        (Some(cause), Some((name, words))) if words.contains(&cause) => Some((name, cause.to_owned())),
        (Some(cause), words) => {
            return Err(wrong(
                "cause",
                cause,
                words.map_or(Vec::new(), |(_, words)| words.to_vec()),
            ));
        }
        (None, _) => None,
    };
    let older = asked.param("older").map(long_ago).transpose();
    let older = older.map_err(|why| Failure::Usage(format!("the age of what is older: {why}")))?;
    let by = askable(&form).filter_map(|index| Some((*index, asked.param(option(index))?.to_owned())));
    let question = AskedOfView {
        by: by.collect(),
        all: asked.param("all").is_some(),
        overdue: asked.param("overdue").is_some(),
        older,
        phase,
        cause,
        ..AskedOfView::everything_open(form)
    };
    question.check(false, false)?;
    Ok(question)
}

/// By which column rows are sorted.
struct Sorting {
    column: Column,
    descending: bool,
}

impl Sorting {
    fn of(form: &ViewTableForm, asked: &Asked) -> Result<Option<Self>, Failure> {
        let Some(name) = asked.param("sort") else {
            return Ok(None);
        };
        let (name, descending) = match name.strip_prefix('-') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let columns = form.listing.columns;
        let column = columns.iter().find(|column| column.attribute == name);
        let column = column.ok_or_else(|| {
            let known: Vec<_> = columns.iter().map(|column| column.attribute).collect();
            Failure::Usage(format!(
                "there is no column {name:?} to sort by; expected one of {}",
                known.join(", ")
            ))
        })?;
        Ok(Some(Self {
            column: *column,
            descending,
        }))
    }

    fn sort(&self, rows: &mut [ViewRow]) {
        let name = self.column.attribute;
        rows.sort_by(|one, other| {
            let order = compared(one, other, name);
            if self.descending { order.reverse() } else { order }
        });
    }
}

/// Numbers by their value, texts and times as they are written.
fn compared(one: &ViewRow, other: &ViewRow, name: &str) -> Ordering {
    let number = |row: &ViewRow| row.number(name).and_then(|number| number.parse::<f64>().ok());
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        _ => one.text(name).cmp(&other.text(name)),
    }
}

fn page_number(asked: &Asked) -> Result<usize, Failure> {
    let number = asked.param("page").map_or(Ok(1), str::parse::<usize>);
    number
        .ok()
        .filter(|number| (1..=LAST_PAGE).contains(number))
        .ok_or_else(|| {
            Failure::Usage(format!(
                "pages are numbered from 1 to {LAST_PAGE}; choose among the rows to see others"
            ))
        })
}

/// The form that chooses: each field stands in the address.
fn filters(form: &ViewTableForm, asked: &Asked, question: &AskedOfView) -> Markup {
    let phases = form.listing.phases;
    let chosen = question.phase.as_deref();
    html! {
        form.filters method="get" action=(address(asked.path())) {
            label { "phase "
                select name="phase" {
                    option value="" { "any" }
                    @for phase in phases {
                        option value=(phase.name) selected[chosen == Some(phase.name)] { (phase.name) }
                    }
                }
            }
            @if let Some((name, words)) = form.figures.cause {
                label { (name) " "
                    select name="cause" {
                        option value="" { "any" }
                        @for word in words {
                            option value=(word) selected[asked.param("cause") == Some(word)] { (word) }
                        }
                    }
                }
            }
            @for index in askable(form) {
                label { (option(index)) " "
                    input name=(option(index)) value=[asked.param(option(index))] size="14" autocomplete="off";
                }
            }
            label { "in it for longer than "
                input name="older" value=[asked.param("older")] size="5" placeholder="15m" autocomplete="off";
            }
            label { input type="checkbox" name="overdue" value="1" checked[question.overdue]; " overdue" }
            label { input type="checkbox" name="all" value="1" checked[question.all]; " ended, too" }
            @if let Some(sort) = asked.param("sort") { input type="hidden" name="sort" value=(sort); }
            button { "Show" }
            a href=(address(asked.path())) { "all that are open" }
        }
    }
}

fn table(
    asked: &Asked,
    question: &AskedOfView,
    sorted: Option<&Sorting>,
    number: usize,
    answer: AnswerOfView,
) -> Markup {
    let form = &question.form;
    let listing = &form.listing;
    let Found::Rows { mut rows, more } = answer.found else {
        return html! {};
    };
    if let Some(sorted) = sorted {
        sorted.sort(&mut rows);
    }
    let from = (number - 1) * PAGE;
    let (found, has_next) = (rows.len(), more || rows.len() > number * PAGE);
    let shown: Vec<_> = rows.iter().skip(from).take(PAGE).collect();
    let overdue = shown.iter().filter(|row| row.is_overdue(answer.now)).count();
    let which = match question.place() {
        Place::Open => "oldest first",
        Place::Index(..) | Place::Table => "newest first",
    };
    html! {
        @if shown.is_empty() {
            p { "No " (listing.one) " matches." }
        } @else {
            p.quiet {
                (from + 1) " to " (from + shown.len()) ", "
                @match sorted {
                    Some(sorted) => {
                        "sorted by " (sorted.column.title)
                        @if more { " among the " (SORTED) " that come first, " (which) }
                    }
                    None => (which),
                }
                @if overdue > 0 { ", " strong.problem { (overdue) " overdue" } }
                @if question.place() == Place::Table { "; the whole table was read, at " (answer.read_units) " read units" }
            }
            table {
                thead {
                    tr {
                        @for column in listing.columns { (heading(asked, sorted, column)) }
                    }
                }
                tbody {
                    @for row in &shown {
                        tr {
                            @for column in listing.columns {
                                td.number[is_number(column)] { (cell(form, row, column, answer.now)) }
                            }
                        }
                    }
                }
            }
        }
        nav.pages aria-label="More rows" {
            @if number > 1 {
                a href=(asked.with(&[("page", Some(&(number - 1).to_string())), ("said", None)])) rel="prev" { "← before" }
            }
            @if has_next && number < LAST_PAGE {
                a href=(asked.with(&[("page", Some(&(number + 1).to_string())), ("said", None)])) rel="next" { "more →" }
            }
            @if !has_next && found > PAGE { span.quiet { (count(found, listing.one, listing.many)) " in all" } }
        }
    }
}

fn is_number(column: &Column) -> bool {
    matches!(column.kind, ColumnKind::Number | ColumnKind::Amount)
}

/// The name of a column, which sorts by it, and the other way if that is so already.
fn heading(asked: &Asked, sorted: Option<&Sorting>, column: &Column) -> Markup {
    let by_it = sorted.filter(|sorted| sorted.column.attribute == column.attribute);
    let (next, order, arrow) = match by_it.map(|sorted| sorted.descending) {
        None => (column.attribute.to_owned(), None, ""),
        Some(false) => (format!("-{}", column.attribute), Some("ascending"), " ↑"),
        Some(true) => (column.attribute.to_owned(), Some("descending"), " ↓"),
    };
    html! {
        th scope="col" .number[is_number(column)] aria-sort=[order] {
            a href=(asked.with(&[("sort", Some(&next)), ("page", None), ("said", None)])) { (column.title) (arrow) }
        }
    }
}

fn cell(form: &ViewTableForm, row: &ViewRow, column: &Column, now: Timestamp) -> Markup {
    let name = column.attribute;
    let time = row.time(name);
    let text = value(row, name);
    let list = address(["view", form.listing.command]);
    let is_overdue = row.is_overdue(now);
    match (column.kind, time, text) {
        (ColumnKind::Age, Some(at), _) => html! { time datetime=(at) title=(at) { (age(now.since(at))) } },
        (ColumnKind::Due, Some(at), _) => html! {
            time.problem[is_overdue] datetime=(at) title=(at) {
                @if at > now { "in " (age(at.since(now))) } @else { (age(now.since(at))) " ago" }
            }
        },
        (ColumnKind::Amount, _, Some(number)) => html! { (amount(&number)) },
        (_, _, Some(text)) if name == form.key => {
            html! { a href=(page_of(&Key::new(form.category, &text))) { code { (text) } } }
        }
        (_, _, Some(text)) if name == "phase" => html! {
            span.tag.bad[is_overdue].good[!row.is_open()] { (in_words(&text)) }
        },
        (_, _, Some(text)) => {
            let by = askable(form).find(|index| index.partition == name);
            html! {
                @if let Some(index) = by {
                    @let query = form_urlencoded::Serializer::new(String::new()).append_pair(option(index), &text).finish();
                    a href=(format!("{list}?{query}")) { (text) }
                } @else { (text) }
            }
        }
        (_, _, None) => html! { span.quiet { "–" } },
    }
}
