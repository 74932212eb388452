//! What can be sent and what is told: each command and event field by field, with who sends it, who gets it, and one
//! to copy. On a stack on this machine a command can be sent from here, as `cargo ops send` sends it: its function's
//! own reader reads it first.

pub(super) mod example;

use std::rc::Rc;

use aws_adapters::{kebab_case, pascal_case};
use bundle::{Function, Outbound, Sender, StreamKind, Trigger};
use eventsourcing::{Field, FieldForm, Shape};
use http::StatusCode;
use maud::{Markup, html};

use self::example::{example, text};
pub(crate) use self::example::{indented, value_in_sample};
use super::answer::Answer;
use super::asked::{Asked, TOKEN, address};
use super::layout::{self, capitalised, section};
use super::pages::{Pages, nothing_here};
use crate::called;
use crate::failure::Failure;
use crate::send::{checked, deliver_one};
use crate::stack::Stack;

/// Answers what was asked of it.
pub(crate) async fn answer(
    pages: &Rc<Pages>,
    stack: &Stack,
    asked: &Asked,
    path: &[&str],
) -> Result<Answer, Failure> {
    match path {
        [] => Ok(pages.page(asked, "messages", "Messages", &all(stack))),
        [name, "check"] if asked.changes() => {
            let message = Message::named(stack, name)?;
            let function = sendable(pages, &message)?;
            let written = asked.field(WRITTEN).unwrap_or_default();
            let told = Told::of(checked(function, written).map(drop));
            Ok(one(pages, stack, asked, &message, Some((written, told))))
        }
        [name] if asked.changes() => {
            let message = Message::named(stack, name)?;
            let function = sendable(pages, &message)?;
            let written = asked.field(WRITTEN).unwrap_or_default();
            let ready = match checked(function, written) {
                Ok(ready) => ready,
                Err(faults) => {
                    let told = Told::Refused(faults);
                    return Ok(one(pages, stack, asked, &message, Some((written, told))));
                }
            };
            let (id, stream) = (ready.id.clone(), ready.stream_id.clone());
            let queue = stack.names.of_function(&function.name);
            let sent = deliver_one(stack, function, &ready).await;
            let outcome = sent.map(|_| format!("{name} {id} is sent to {queue}."));
            let about = stream.as_deref().filter(|_| outcome.is_ok());
            let about = about.and_then(|stream| stream.split_once('-'));
            Ok(match about {
                Some((category, id)) => pages.done(&["messages", name, "sent", category, id], outcome),
                None => pages.done(&["messages", name], outcome),
            })
        }
        [name] => Ok(one(pages, stack, asked, &Message::named(stack, name)?, None)),
        [name, "sent", category, id] => {
            let message = Message::named(stack, name)?;
            let told = Told::Sent(category, id);
            let written = written_for(&message);
            Ok(one(pages, stack, asked, &message, Some((&written, told))))
        }
        _ => Err(nothing_here()),
    }
}

/// The field of the form that holds what somebody wrote.
const WRITTEN: &str = "message";

/// A type of message.
struct Message<'b> {
    shape: Shape,
    kind: &'b StreamKind,
    /// The function that takes it, if it is a command.
    function: Option<&'b Function>,
}

impl<'b> Message<'b> {
    /// All of a kind of stream: what is asked of it, then what it tells.
    fn of(stack: &'b Stack, kind: &'b StreamKind) -> impl Iterator<Item = Self> {
        let registry = &stack.bundle.registry;
        (kind.shapes)().into_iter().map(move |shape| {
            let is_command = kind.commands.contains(&shape.message_type);
            let function = is_command.then(|| registry.function(&kebab_case(shape.message_type)));
            Self {
                shape,
                kind,
                function: function.flatten(),
            }
        })
    }

    fn named(stack: &'b Stack, name: &str) -> Result<Self, Failure> {
        let kinds = stack.bundle.streams.iter();
        let mut all = kinds.flat_map(|kind| Self::of(stack, kind));
        all.find(|message| message.name() == name).ok_or_else(|| {
            Failure::NotFound(format!("there is no message {name}; the page Messages lists all"))
        })
    }

    fn name(&self) -> &'static str {
        self.shape.message_type
    }

    fn is_command(&self) -> bool {
        self.kind.commands.contains(&self.name())
    }

    /// Who sends it, each in a few words.
    fn from(&self, stack: &Stack) -> Vec<Party> {
        let functions = &stack.bundle.registry.functions;
        let Some(function) = self.function else {
            // What a function records, its samples show.
            let records = |function: &&Function| {
                let samples = function.samples();
                let mut types = samples.iter().flat_map(|sample| sample.follows.recorded.values());
                types.any(|types| types.contains(&self.name()))
            };
            return functions.iter().filter(records).map(Party::function).collect();
        };
        let outside = match function.trigger {
            Trigger::Commands(Sender::Outside | Sender::OutsideAndSteps) => Some("systems outside"),
            Trigger::Commands(Sender::Gateways) => Some("systems outside that answer what was asked of them"),
            _ => None,
        };
        let outside = outside.map(|who| Party::words(who.to_owned()));
        let sends = |other: &&Function| other.sends_to.contains(&function.name);
        let senders = functions.iter().filter(sends).map(|other| {
            if other.name == function.name {
                Party::words("itself, again and again until its time has come".to_owned())
            } else {
                Party::function(other)
            }
        });
        outside.into_iter().chain(senders).collect()
    }

    /// Who gets it.
    fn to(&self, stack: &Stack) -> Vec<Party> {
        if let Some(function) = self.function {
            // Its own page is this one.
            let command = None;
            return vec![Party {
                command,
                ..Party::function(function)
            }];
        }
        let registry = &stack.bundle.registry;
        let routes = stack.routes();
        let party = |queue: &String| {
            let outbound = registry.outbound.iter().find(|outbound| outbound.queue == queue);
            let function = || registry.function(queue).map(Party::function);
            outbound.map(Party::outbound).or_else(function)
        };
        routes.of(self.name()).iter().filter_map(party).collect()
    }
}

/// Somebody who sends or gets messages.
struct Party {
    name: Option<String>,
    /// The command that leads to its page, if it is the function of one.
    command: Option<String>,
    about: String,
    /// The queue, without the stack's name.
    queue: Option<String>,
}

impl Party {
    fn words(about: String) -> Self {
        Self {
            name: None,
            command: None,
            about,
            queue: None,
        }
    }

    fn function(function: &Function) -> Self {
        let is_command = matches!(function.trigger, Trigger::Commands(_));
        Self {
            name: Some(function.name.clone()),
            command: is_command.then(|| pascal_case(&function.name)),
            about: function.about.to_owned(),
            queue: function.queue().map(ToOwned::to_owned),
        }
    }

    fn outbound(outbound: &Outbound) -> Self {
        Self {
            name: Some(outbound.queue.to_owned()),
            command: None,
            about: outbound.about.to_owned(),
            queue: Some(outbound.queue.to_owned()),
        }
    }

    /// In a few words.
    fn short(&self) -> Markup {
        match (&self.name, &self.command) {
            (_, Some(command)) => link(command),
            (Some(name), None) => html! { code { (name) } },
            (None, None) => html! { (self.about) },
        }
    }

    /// With all that is known of it.
    fn whole(&self, stack: &Stack, with_queue: bool) -> Markup {
        html! {
            @if let Some(name) = &self.name {
                @match &self.command {
                    Some(command) => { (link(command)) }
                    None => { code { (name) } }
                }
                ": "
            }
            (self.about)
            @if let (true, Some(queue)) = (with_queue, &self.queue) {
                span.quiet { ", by queue " code { (stack.names.of_function(queue)) } }
            }
        }
    }
}

fn link(name: &str) -> Markup {
    html! { a href=(address(["messages", name])) { (name) } }
}

/// All messages, by what they are about.
fn all(stack: &Stack) -> Markup {
    html! {
        p.quiet {
            "What can be asked, and what is told of it. A message leads to its fields and to one to copy."
        }
        @for kind in &stack.bundle.streams {
            @let messages: Vec<_> = Message::of(stack, kind).collect();
            @let (commands, events): (Vec<_>, Vec<_>) = messages.into_iter().partition(Message::is_command);
            (section(&format!("of-{}", kind.category.name()), &capitalised(kind.noun()), false, &html! {
                (table(stack, "command", ["sent by", "taken by"], &commands))
                (table(stack, "event", ["recorded by", "told to"], &events))
            }))
        }
    }
}

fn table(stack: &Stack, title: &str, parties: [&str; 2], messages: &[Message<'_>]) -> Markup {
    let few = |parties: Vec<Party>| {
        html! {
            @if parties.is_empty() { span.quiet { "nobody" } }
            @for (place, party) in parties.iter().enumerate() {
                @if place > 0 { ", " }
                (party.short())
            }
        }
    };
    html! {
        @if !messages.is_empty() {
            table.messages {
                thead { tr { th { (title) } th { "what it means" } th { (parties[0]) } th { (parties[1]) } } }
                tbody {
                    @for message in messages {
                        tr {
                            td { (link(message.name())) }
                            td { (text(message.shape.about)) }
                            td { (few(message.from(stack))) }
                            td {
                                @match message.function {
                                    Some(function) => { (function.about) }
                                    None => { (few(message.to(stack))) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What is said of what somebody wrote.
enum Told<'a> {
    Nothing,
    Right,
    Refused(Vec<String>),
    /// The kind and the id of what it is about.
    Sent(&'a str, &'a str),
}

impl Told<'_> {
    fn of(checked: Result<(), Vec<String>>) -> Self {
        match checked {
            Ok(()) => Self::Right,
            Err(faults) => Self::Refused(faults),
        }
    }

    fn shown(&self) -> Markup {
        html! {
            @match self {
                Self::Nothing => { div #faults role="status" {} }
                Self::Right => { div #faults.right role="status" { p { "Nothing is wrong with it." } } }
                Self::Refused(faults) => {
                    div #faults.problem role="status" {
                        p { "This would be refused, and is not sent:" }
                        ul { @for fault in faults { li { (fault) } } }
                    }
                }
                Self::Sent(category, id) => {
                    div #faults.right role="status" {
                        p { a href=(address(["of", category, id])) { "See what becomes of it" } }
                    }
                }
            }
        }
    }
}

/// The function that takes it, if it can be sent from here.
fn sendable<'b>(pages: &Pages, message: &Message<'b>) -> Result<&'b Function, Failure> {
    let name = message.name();
    if pages.local.is_none() {
        return Err(Failure::Usage(format!(
            "messages are sent from here on a stack on this machine alone; `{} send {name}` sends one to any",
            called::name()
        )));
    }
    message
        .function
        .ok_or_else(|| Failure::Usage(format!("{name} is an event: it is recorded, and can't be sent")))
}

/// What stands in the form at first.
fn written_for(message: &Message<'_>) -> String {
    let fresh = uuid::Uuid::new_v4().simple().to_string();
    let function = message.function.into_iter();
    example(&message.shape, function, "command", Some(&fresh[..6]))
}

/// One message: what it means, who sends and gets it, its fields, and one to copy or to send.
fn one(
    pages: &Pages,
    stack: &Stack,
    asked: &Asked,
    message: &Message<'_>,
    told: Option<(&str, Told<'_>)>,
) -> Answer {
    let name = message.name();
    let is_refused = matches!(told, Some((_, Told::Refused(_))));
    let parties = |parties: &[Party], with_queue| {
        html! {
            @if parties.is_empty() { p.quiet { "Nobody: it is there for the record." } }
            ul.parties { @for party in parties { li { (party.whole(stack, with_queue)) } } }
        }
    };
    let (from, to) = (message.from(stack), message.to(stack));
    let is_command = message.is_command();
    let content = html! {
        p { (text(message.shape.about)) }
        p.quiet {
            @if is_command { "A command, decided on " } @else { "An event in the stream of " }
            (message.kind.title) "; version " (message.shape.schema_version) " of its fields. "
            a href=(address(["messages"])) { "All messages" }
        }
        div.beside {
            (section("from", if is_command { "Sent by" } else { "Recorded by" }, false, &parties(&from, false)))
            (section("to", if is_command { "Taken by" } else { "Told to" }, false, &parties(&to, true)))
        }
        (section("fields", "Fields", false, &html! {
            // A window may be too narrow for it, and then it is moved by keyboard as well.
            div.wide tabindex="0" role="region" aria-label="The fields" { (fields(&message.shape)) }
        }))
        @if let (true, Some(function)) = (pages.local.is_some(), message.function) {
            (section("send", "Send", false, &form(pages, message, function, told)))
        } @else {
            (section("example", "One to copy", false, &html! { pre tabindex="0" { (sample(stack, message)) } }))
        }
        @if is_command && pages.local.is_none() {
            p.quiet { "To send one: " code { (called::name()) " send " (name) " FIELD=VALUE …" } }
        }
    };
    if is_refused {
        return Answer::with(
            StatusCode::UNPROCESSABLE_ENTITY,
            layout::page(&pages.frame, "messages", name, &content),
        );
    }
    pages.page(asked, "messages", name, &content)
}

/// One as it comes, its fields alone.
fn sample(stack: &Stack, message: &Message<'_>) -> String {
    if let Some(function) = message.function {
        return example(&message.shape, [function].into_iter(), "command", None);
    }
    let functions = stack.bundle.registry.functions.iter();
    example(&message.shape, functions, "event", None)
}

fn form(pages: &Pages, message: &Message<'_>, function: &Function, told: Option<(&str, Told<'_>)>) -> Markup {
    let name = message.name();
    let check = address(["messages", name, "check"]);
    let (written, told) = match told {
        Some((written, told)) => (written.to_owned(), told),
        None => (written_for(message), Told::Nothing),
    };
    html! {
        form.block.send method="post" action=(address(["messages", name])) data-check=(check) {
            input type="hidden" name=(TOKEN) value=(pages.frame.token);
            p.quiet {
                "Its fields, or a whole message with " code { "command" } ", " code { "id" } " and "
                code { "metadata" } ". " code { (function.name) } "'s own reader reads it before it is sent: if "
                "anything is wrong, nothing is."
            }
            label for=(WRITTEN) { (name) " as JSON" }
            div.written {
                textarea #(WRITTEN) name=(WRITTEN) rows="14" spellcheck="false" autocomplete="off"
                    aria-describedby="faults" { "\n" (written) }
                (told.shown())
            }
            button { "Send " (name) }
            button formaction=(check) { "Check without sending" }
        }
    }
}

/// The fields as a table, those of objects in them by their paths.
fn fields(shape: &Shape) -> Markup {
    let mut rows = Vec::new();
    flatten("", &shape.fields, &mut rows);
    html! {
        @if rows.is_empty() { p.quiet { "It has none: that it happened says all." } }
        @else {
            table.fields {
                thead { tr { th { "field" } th { "holds" } th { "required" } th { "takes" } th { "what it is" } } }
                tbody {
                    @for (path, field) in &rows {
                        tr {
                            td { code { (path) } }
                            td { (kind(&field.form)) }
                            td { @if field.required { "yes" } @else { span.quiet { "no" } } }
                            td { (takes(&field.form)) }
                            td { (text(field.about)) }
                        }
                    }
                }
            }
        }
    }
}

fn flatten<'s>(outer: &str, fields: &'s [Field], rows: &mut Vec<(String, &'s Field)>) {
    for field in fields {
        let mut path = format!("{outer}{}", field.name);
        rows.push((path.clone(), field));
        let mut form = &field.form;
        while let FieldForm::List { of, .. } = form {
            path.push_str("[]");
            form = of;
        }
        if let FieldForm::Object { fields, .. } = form {
            flatten(&format!("{path}."), fields, rows);
        }
    }
}

/// What a field holds, in a word or two.
fn kind(form: &FieldForm) -> String {
    match form {
        FieldForm::Text(_) => "text".into(),
        FieldForm::Decimal(_) => "number".into(),
        FieldForm::Whole { .. } => "whole number".into(),
        FieldForm::Timestamp => "time".into(),
        FieldForm::StreamName => "name of a stream".into(),
        FieldForm::OneOf(_) => "a word".into(),
        FieldForm::List { of, .. } => match &**of {
            FieldForm::Object { .. } => "list of objects".into(),
            of => format!("list, each {}", kind(of)),
        },
        FieldForm::Object { .. } => "object".into(),
    }
}

/// What it takes, and of a list what each entry takes.
fn takes(form: &FieldForm) -> String {
    match form {
        FieldForm::List { of, most, least } if (*least, *most) != (0, None) => match &**of {
            FieldForm::Object { .. } => form.to_string(),
            of => format!("{form}, each {of}"),
        },
        form => form.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_objects_in_lists_stand_under_their_paths() {
        let text = |name| Field::of::<String>(name, "What.");
        let object = FieldForm::Object {
            name: "Page",
            about: "",
            fields: vec![text("title"), text("words")],
        };
        let list = FieldForm::List {
            of: Box::new(object),
            least: 1,
            most: Some(3),
        };
        let pages = Field {
            form: list,
            ..text("pages")
        };
        let fields = [text("id"), pages];
        let mut rows = Vec::new();
        flatten("", &fields, &mut rows);
        let paths: Vec<_> = rows.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["id", "pages", "pages[].title", "pages[].words"]);
        assert_eq!(kind(&fields[1].form), "list of objects");
        assert_eq!(takes(&fields[1].form), "a list of 1 to 3 items");
    }
}
