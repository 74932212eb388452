//! What can be asked of a thing from outside while it is open, each with a form.

use bundle::{Bundle, Function, Sender, Trigger};
use eventsourcing::{Field, FieldForm, Form};
use maud::{Markup, html};

use super::super::asked::Asked;
use super::super::layout;
use super::super::pages::Pages;
use crate::failure::Failure;
use crate::kinds::{Key, Kinds};
use crate::send::{checked_fields, deliver_one};
use crate::stack::Stack;

/// The field of a form that names the command, the one that says that it is meant, and what begins the names of the
/// command's own.
const COMMAND: &str = "command";
const MEANT: &str = "meant";
const FIELD: &str = "field:";

/// A command that somebody outside may send about a thing that is there.
struct Ask<'b> {
    function: &'b Function,
    command: &'static str,
    about: &'static str,
    /// The field that holds the thing's id.
    id: &'static str,
    fields: Vec<Field>,
}

/// Those of a kind.
fn asks<'b>(bundle: &'b Bundle, kinds: &Kinds<'_>, key: &Key) -> Vec<Ask<'b>> {
    let types = kinds.kind(key.category).map_or(&[][..], |kind| kind.commands);
    let functions = bundle.registry.functions.iter();
    let from_outside = functions.filter(|function| {
        matches!(
            function.trigger,
            Trigger::Commands(Sender::Outside | Sender::OutsideAndSteps | Sender::Gateways)
        )
    });
    from_outside
        .filter(|function| !function.creates)
        .filter_map(|function| Ask::of(function, types))
        .collect()
}

impl<'b> Ask<'b> {
    fn of(function: &'b Function, types: &[&str]) -> Option<Self> {
        let envelope = function.shapes().into_iter().next()?;
        if !types.contains(&envelope.message_type) {
            return None;
        }
        let (about, fields) = envelope.fields.into_iter().find_map(|field| match field.form {
            FieldForm::Object { about, fields, .. } if field.name == "command" => Some((about, fields)),
            _ => None,
        })?;
        // The field that names the stream is the one with which the stream changes.
        let probe = |field: &&Field| {
            let json = object(&fields, |other| {
                if other.name == field.name {
                    r#""probe""#.to_owned()
                } else {
                    other.form.typical()
                }
            });
            let draft = function.draft(&json, Form::Fields);
            let stream = draft.and_then(|draft| function.read_command(&draft.body)?.ok());
            stream.is_some_and(|stream| stream.id() == "probe")
        };
        let id = fields.iter().find(probe)?.name;
        Some(Self {
            function,
            command: envelope.message_type,
            about,
            id,
            fields,
        })
    }

    fn form(&self, pages: &Pages, action: &str) -> Markup {
        let own = self.fields.iter().filter(|field| field.name != self.id);
        let content = html! {
            input type="hidden" name=(COMMAND) value=(self.command);
            @for field in own { (input(self.command, field)) }
            label.meant { input type="checkbox" name=(MEANT) value="yes" required; " I mean it" }
            button.danger { "Send " (self.command) }
        };
        html! {
            details.ask id={ "ask-" (self.command) } {
                summary { (self.command) @if !self.about.is_empty() { " " span.quiet { (self.about) } } }
                (layout::form(&pages.frame, action, &content))
            }
        }
    }
}

/// The fields of an object, each with a value.
fn object(fields: &[Field], value: impl Fn(&Field) -> String) -> String {
    let member = |field: &Field| format!("\"{}\":{}", field.name, value(field));
    format!("{{{}}}", fields.iter().map(member).collect::<Vec<_>>().join(","))
}

fn input(command: &str, field: &Field) -> Markup {
    let (name, id) = (
        format!("{FIELD}{}", field.name),
        format!("{command}-{}", field.name),
    );
    html! {
        div.field {
            label for=(id) { (field.name) @if !field.required { " " span.quiet { "(may be left out)" } } }
            @match &field.form {
                FieldForm::OneOf(words) => {
                    select id=(id) name=(name) required[field.required] {
                        @if !field.required { option value="" {} }
                        @for word in *words { option { (word) } }
                    }
                }
                FieldForm::List { .. } | FieldForm::Object { .. } => {
                    textarea id=(id) name=(name) required[field.required] placeholder="JSON" {}
                }
                _ => { input id=(id) name=(name) required[field.required] autocomplete="off"; }
            }
            span.quiet { (field.about) " Expected: " (field.form) "." }
        }
    }
}

/// The forms of what can be asked of it; nothing if nothing can.
pub(super) fn forms(pages: &Pages, kinds: &Kinds<'_>, key: &Key) -> Option<Markup> {
    if pages.is_read_only() {
        return None;
    }
    let asks = asks(&pages.stack.bundle, kinds, key);
    let action = layout::page_of(key);
    (!asks.is_empty()).then(|| html! { @for ask in &asks { (ask.form(pages, &action)) } })
}

/// Sends what a form asks of it.
pub(super) async fn send(
    stack: &Stack,
    kinds: &Kinds<'_>,
    key: &Key,
    asked: &Asked,
) -> Result<String, Failure> {
    let command = asked.field(COMMAND).unwrap_or_default();
    let asks = asks(&stack.bundle, kinds, key);
    let ask = asks
        .iter()
        .find(|ask| ask.command == command)
        .ok_or_else(|| Failure::Usage(format!("{command} can't be sent from here; nothing was sent")))?;
    if asked.field(MEANT) != Some("yes") {
        return Err(Failure::Usage(
            "nothing was sent: check \"I mean it\" if you do".into(),
        ));
    }
    let own = asked.fields().filter_map(|(name, value)| {
        let name = name.strip_prefix(FIELD)?;
        (!value.is_empty() && name != ask.id).then_some((name, value))
    });
    let fields = own.chain([(ask.id, key.id.as_str())]);
    let ready = checked_fields(ask.function, fields)
        .map_err(|faults| Failure::Usage(format!("nothing was sent:\n{}", faults.join("\n"))))?;
    let message_id = deliver_one(stack, ask.function, &ready).await?;
    Ok(format!(
        "{} was sent to {} as {} (message {message_id}). What comes of it is seen below in a moment.",
        ask.command,
        ready.stream_id.as_deref().unwrap_or("its stream"),
        ready.id,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_that_holds_the_id_of_the_stream_is_found_by_the_commands_reader() {
        let bundle = library::bundle();
        let kinds = &bundle.streams;
        let types: Vec<_> = kinds
            .iter()
            .flat_map(|kind| kind.commands.iter().copied())
            .collect();
        let functions = bundle.registry.functions.iter();
        let found = functions.filter_map(|function| Ask::of(function, &types));
        let found: Vec<_> = found.map(|ask| (ask.command, ask.id)).collect();
        assert_eq!(found, [("LendBook", "loan_id"), ("RemindMember", "loan_id")]);
    }

    #[test]
    fn what_begins_a_thing_is_not_offered_for_one_that_is_there() {
        let bundle = library::bundle();
        let kinds = Kinds::of(&bundle.streams);
        let all = bundle.streams.iter();
        let offered = all.flat_map(|kind| asks(&bundle, &kinds, &Key::new(kind.category, "7")));
        assert_eq!(offered.count(), 0);
    }
}
