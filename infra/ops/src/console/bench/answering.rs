//! Answers for systems outside, by hand: what waits in a queue for one of them, and the commands with which it can be
//! answered. Which these are follows from the declarations: those that gateways send, decided on the stream of the event
//! that waits, with each field that the event has by the same name filled in.

use bundle::{Function, Outbound, Sender, Trigger};
use eventsourcing::{Field, FieldForm, Fields, Shape};
use maud::{Markup, html};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::asked::Asked;
use super::super::layout::{button, form, section};
use super::super::local_stack::{LocalStack, WaitingMessage};
use super::super::messages::value_in_sample;
use super::super::pages::Pages;
use super::parts::{at, field, story};
use crate::failure::Failure;
use crate::output::{age, relative};
use crate::send::{checked, deliver};
use crate::stack::Stack;

/// How many messages of a queue are shown.
const SHOWN: usize = 20;

/// The queues to systems outside, with what waits in them.
pub(super) fn section_of(pages: &Pages, local: &dyn LocalStack) -> Markup {
    let registry = &pages.stack.bundle.registry;
    let queues: Vec<_> = registry
        .outbound
        .iter()
        .map(|outbound| Queue::of(pages, local, outbound))
        .collect();
    let waits = queues.iter().any(|queue| !queue.waiting.is_empty());
    let content = html! {
        @if queues.is_empty() { p.quiet { "Nothing is told to systems outside." } }
        @else {
            p.quiet {
                "A simulator answers for each system outside within moments. Let one wait, and you answer: as it would, "
                "twice, after the deadline, or never."
            }
        }
        @for queue in &queues { (queue.shown(pages, local)) }
    };
    // Nothing that somebody writes is renewed under their hands.
    section("outside", "Systems outside", !waits, &content)
}

/// A queue to a system outside.
struct Queue<'b> {
    outbound: &'b Outbound,
    /// Who answers by itself, if there is anybody, and whether it does.
    simulator: Option<(&'b Function, bool)>,
    waiting: Vec<WaitingMessage>,
}

impl<'b> Queue<'b> {
    fn of(pages: &'b Pages, local: &dyn LocalStack, outbound: &'b Outbound) -> Self {
        let functions = &pages.stack.bundle.registry.functions;
        let reads = |function: &&Function| function.trigger == Trigger::Outbound(outbound.queue);
        let simulator = functions.iter().find(reads).and_then(|function| {
            let takes = local.takes_messages(&function.name)?;
            Some((function, takes))
        });
        Self {
            outbound,
            simulator,
            waiting: local.waiting(outbound.queue),
        }
    }

    fn answers_by_itself(&self) -> bool {
        self.simulator.is_some_and(|(_, takes)| takes)
    }

    fn shown(&self, pages: &Pages, local: &dyn LocalStack) -> Markup {
        html! {
            h3 { (self.outbound.about) " " code { (self.outbound.queue) } }
            div.who {
                @match self.simulator {
                    Some((function, true)) => {
                        span.tag { "answers by itself" } " " span.quiet { (function.about) ". " }
                        (button(&pages.frame, &at("takes"), "Let it wait for me", &[("function", &function.name), ("takes", "no")]))
                    }
                    Some((function, false)) => {
                        span.tag.warn { "waits for you" } " "
                        (button(&pages.frame, &at("takes"), "Let it answer by itself", &[("function", &function.name), ("takes", "yes")]))
                    }
                    None => { span.tag { "nobody reads it here" } }
                }
                @if !self.answers_by_itself() {
                    @match self.waiting.len() {
                        0 => { span.quiet { "Nothing waits." } }
                        1 => { span { "1 message waits." } }
                        many => { span { (many) " messages wait." } }
                    }
                }
            }
            @if !self.answers_by_itself() {
                @for message in self.waiting.iter().take(SHOWN) { (self.message(pages, local, message)) }
                @if self.waiting.len() > SHOWN { p.quiet { "and " (self.waiting.len() - SHOWN) " more" } }
            }
        }
    }

    fn message(&self, pages: &Pages, local: &dyn LocalStack, message: &WaitingMessage) -> Markup {
        let since = local.clock().now.since(message.sent_at);
        let event = Event::of(&message.body);
        let hidden = [("queue", self.outbound.queue), ("id", message.id.as_str())];
        html! {
            div.waiting {
                p {
                    @match &event {
                        Some(event) => {
                            strong { (event.name) } " of "
                            @match event.stream.parse() {
                                Ok(stream) => (story(pages, &stream)),
                                Err(_) => (event.stream),
                            }
                            " " code { (event.stream) }
                        }
                        None => "A message that is no event",
                    }
                    span.quiet { ", for " (age(since)) }
                    @if message.is_hidden { span.quiet { ", delayed or being read" } }
                }
                @if let Some(event) = &event {
                    @for (function, shape) in event.answers(&pages.stack) {
                        (form(&pages.frame, &at("answer"), &html! {
                            @for (name, value) in hidden { input type="hidden" name=(name) value=(value); }
                            input type="hidden" name="command" value=(function.name);
                            strong { (shape.message_type) }
                            @for missing in event.missing(&shape) {
                                label {
                                    (missing.name) " "
                                    input name=(input_name(missing)) value=(value_in_sample(function, missing.name))
                                        required[missing.required] title=(missing.form);
                                }
                            }
                            button name="how" value="once" aria-label={ (shape.message_type) " once" } { "once" }
                            button name="how" value="twice" aria-label={ (shape.message_type) " twice" } { "twice" }
                            button name="how" value="late" aria-label={ (shape.message_type) " late" } title="Moves the clock past the deadline that is set, then answers" { "late" }
                        }))
                    }
                }
                (form(&pages.frame, &at("answer"), &html! {
                    @for (name, value) in hidden { input type="hidden" name=(name) value=(value); }
                    button name="how" value="never" title="Takes the message out of the queue" { "Never answer" }
                }))
            }
        }
    }
}

fn input_name(field: &Field) -> String {
    format!("field-{}", field.name)
}

/// An event that waits in a queue.
struct Event {
    id: String,
    name: String,
    stream: String,
    correlation_id: Option<String>,
    /// Its fields.
    json: String,
}

impl Event {
    fn of(body: &str) -> Option<Self> {
        let fields = Fields::of(body)?;
        let text = |name: &str| fields.get::<String>(name).ok();
        let metadata = fields.raw("metadata").and_then(Fields::of);
        Some(Self {
            id: text("id")?,
            name: text("type")?,
            stream: text("stream_id")?,
            correlation_id: metadata.and_then(|metadata| metadata.get::<String>("correlation_id").ok()),
            json: fields.raw("event")?.to_owned(),
        })
    }

    /// The commands with which it can be answered.
    fn answers<'s>(&self, stack: &'s Stack) -> Vec<(&'s Function, Shape)> {
        let bundle = &stack.bundle;
        let category = self.stream.split_once('-').map_or("", |(category, _)| category);
        let kinds = bundle
            .streams
            .iter()
            .filter(|kind| kind.category.name() == category);
        let shapes = kinds.flat_map(|kind| (kind.shapes)());
        let answers = shapes.filter_map(|shape| {
            let name = aws_adapters::kebab_case(shape.message_type);
            let function = bundle.registry.function(&name)?;
            let is_answer = function.trigger == Trigger::Commands(Sender::Gateways);
            is_answer.then_some((function, shape))
        });
        answers.collect()
    }

    /// The fields of a command that the event does not tell.
    fn missing<'s>(&self, shape: &'s Shape) -> Vec<&'s Field> {
        let told = Fields::of(&self.json);
        let is_told = |field: &&Field| told.as_ref().is_some_and(|told| told.raw(field.name).is_some());
        let fields = shape.fields.iter();
        fields.filter(|field| !is_told(field)).collect()
    }

    /// The command, as a whole message that is caused by it.
    fn answer(&self, shape: &Shape, given: impl Fn(&Field) -> Option<String>) -> String {
        let told = Fields::of(&self.json);
        let value = |field: &Field| {
            let own = told.as_ref().and_then(|told| told.raw(field.name));
            let given = || given(field).filter(|text| field.required || !text.is_empty());
            own.map(ToOwned::to_owned)
                .or_else(|| given().map(|text| written(&field.form, &text)))
        };
        let fields = shape.fields.iter();
        let fields = fields.filter_map(|field| Some(format!("{}:{}", quoted(field.name), value(field)?)));
        let correlation = self.correlation_id.as_ref().unwrap_or(&self.id);
        format!(
            r#"{{"type":{},"command":{{{}}},"metadata":{{"correlation_id":{},"causation_id":{}}}}}"#,
            quoted(shape.message_type),
            fields.collect::<Vec<_>>().join(","),
            quoted(correlation),
            quoted(&self.id),
        )
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// What somebody wrote into an input, as JSON. What is no JSON where a number or a list is wanted is a text, which the
/// reader then refuses.
fn written(form: &FieldForm, text: &str) -> String {
    let is_text = matches!(
        form,
        FieldForm::Text(_) | FieldForm::OneOf(_) | FieldForm::Timestamp | FieldForm::StreamName
    );
    let json = serde_json::from_str::<&RawValue>(text).ok();
    let json = json.filter(|_| !is_text);
    json.map_or_else(|| quoted(text), |json| json.get().to_owned())
}

/// Does with a message that waits what the form says.
pub(super) async fn answer(stack: &Stack, local: &dyn LocalStack, asked: &Asked) -> Result<String, Failure> {
    let (queue, id, how) = (field(asked, "queue")?, field(asked, "id")?, field(asked, "how")?);
    if how == "never" {
        local.drop_message(queue, id)?;
        return Ok(format!(
            "The message is taken out of {queue}: it is never answered."
        ));
    }
    let waiting = local.waiting(queue).into_iter();
    let body = waiting
        .filter(|message| message.id == id)
        .map(|message| message.body)
        .next();
    let event = body.as_deref().and_then(Event::of);
    let event = event.ok_or_else(|| {
        Failure::NotFound(format!(
            "the message is no longer in {queue}: it was answered or dropped before"
        ))
    })?;
    let command = field(asked, "command")?;
    let mut answers = event.answers(stack).into_iter();
    let found = answers.find(|(function, _)| function.name == command);
    let (function, shape) =
        found.ok_or_else(|| Failure::Usage(format!("{} is not answered by {command}", event.name)))?;
    let given = |field: &Field| asked.field(&input_name(field)).map(ToOwned::to_owned);
    let text = event.answer(&shape, given);
    let ready = || {
        checked(function, &text).map_err(|faults| {
            Failure::Usage(format!(
                "nothing was sent, for it would be refused:\n{}",
                faults.join("\n")
            ))
        })
    };
    let mut commands = vec![ready()?];
    let late = match how {
        "once" => None,
        "twice" => {
            commands.push(ready()?);
            None
        }
        "late" => {
            let thing = event.stream.split_once('-').map_or("", |(_, id)| id);
            Some(local.pass_deadline(thing).await?)
        }
        other => return Err(Failure::Usage(format!("{other} is no way to answer"))),
    };
    for sent in deliver(stack, function, &commands).await {
        sent.map_err(Failure::Failed)?;
    }
    // Not before: what could not be sent can be answered again.
    local.drop_message(queue, id)?;
    let name = shape.message_type;
    Ok(match late {
        Some(due) => format!(
            "The clock was moved past the deadline of {} ({}), then {name} was sent.",
            due.queue,
            relative(due.at, local.clock().now)
        ),
        None if commands.len() > 1 => format!("{name} was sent twice, as two messages."),
        None => format!("{name} was sent."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_takes_from_the_event_what_it_tells_and_the_rest_from_whoever_answers() {
        let body = r#"{"id":"e-1","type":"BookLent","stream_id":"loan-l-1","revision":1,
            "event":{"loan_id":"l-1","price":19.90},"metadata":{"correlation_id":"c-1"}}"#;
        let event = Event::of(body).expect("an event");
        let text = |name| Field::of::<String>(name, "What.");
        let shape = Shape {
            message_type: "ReturnBook",
            about: "",
            schema_version: 1,
            fields: vec![
                text("loan_id"),
                Field::of::<u64>("price", "What."),
                text("words"),
                Field::of::<Option<String>>("more", "What."),
                Field::of::<Vec<u64>>("marks", "What."),
            ],
        };
        let missing: Vec<_> = event.missing(&shape).iter().map(|field| field.name).collect();
        assert_eq!(missing, ["words", "more", "marks"]);
        let given = |field: &Field| {
            let text = match field.name {
                "words" => "7",
                "marks" => "[1, 2]",
                _ => "",
            };
            Some(text.to_owned())
        };
        assert_eq!(
            event.answer(&shape, given),
            r#"{"type":"ReturnBook","command":{"loan_id":"l-1","price":19.90,"words":"7","marks":[1, 2]},"metadata":{"correlation_id":"c-1","causation_id":"e-1"}}"#
        );
        assert!(Event::of(r#"{"command":{}}"#).is_none());
    }
}
