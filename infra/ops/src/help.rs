//! What `--help` says of a business: its examples are made of the business's own commands and streams.

use aws_adapters::pascal_case;
use bundle::Bundle;
use clap::Command;

use crate::kinds::Kinds;
use crate::spanning::{self, with_options};

/// The commands with help texts that speak of this business.
pub(crate) fn speaking_of(bundle: &Bundle, command: Command) -> Command {
    let (of_type, of_stream) = (command_type(bundle), stream_name(bundle));
    let kinds = Kinds::of(&bundle.streams);
    let (titles, prefixes) = (kinds.titles(), kinds.prefixes());
    let prefix = kinds.all().next().map_or("", |kind| kind.category.name());
    let send = format!(
        "Examples:\n  \
         cargo ops send {of_type} --file commands.jsonl\n  \
         cargo ops send {of_type} --command '{{…}}'\n  \
         cargo ops send {of_type} FIELD=VALUE …"
    );
    let spanning = spanning::options(bundle);
    let trace_by = spanning.keys().next();
    let trace_by = trace_by.map_or_else(String::new, |option| format!("\n  cargo ops trace --{option} 7"));
    let trace = format!(
        "Examples:\n  \
         cargo ops trace 7\n  \
         cargo ops trace {prefix}/7\n  \
         cargo ops trace 6f1c2b1e-3c0d-4b8e-9c57-0f1d2a7b9e44 --scan{trace_by}\n\n\
         An id that may be two things is asked about (exit code 2). Its kind in front of it says which one is \
         meant: {prefixes}.\n\n\
         A correlation id leads to all events of its chain, if it is that of something open or stuck, or with --scan, \
         which reads the whole event table.\n\n\
         Dead letters and the outbox are searched for the id and for those that are computed from it, whatever \
         the sender made of the message's body.\n\n\
         A cause is shown always, a reason, in the words of whoever gave it, with --data."
    );
    let republish = format!(
        "Examples:\n  \
         cargo ops republish --from 2026-11-23T08:00:00Z --to 2026-11-24T08:00:00Z --dry-run\n  \
         cargo ops republish --from 2026-11-23T08:00:00Z --to 2026-11-24T08:00:00Z --resume progress.json\n  \
         cargo ops republish --stream-id {of_stream}"
    );
    let id = format!(
        "The id of {titles}, with its kind in front of it if need be; or a stream's name, or a correlation id"
    );
    let event = event_type(bundle);
    let tail_by = spanning
        .keys()
        .next()
        .map(|option| format!("\n  cargo ops tail --{option} 7 --since 10m"));
    let tail = format!(
        "Examples:\n  \
         cargo ops tail\n  \
         cargo ops tail --type {event} --json{}",
        tail_by.unwrap_or_default()
    );
    let views: Vec<_> = bundle.registry.views().map(|view| view.name).collect();
    let view = views.first().copied().unwrap_or("VIEW");
    let views = format!("The view, by its table's name: {}", views.join(", "));
    let rebuild = format!(
        "Examples:\n  \
         cargo ops rebuild {view} --dry-run\n  \
         cargo ops rebuild {view} --resume progress.json\n  \
         cargo ops rebuild {view} --verify"
    );
    command.mut_subcommands(|command| match command.get_name() {
        "send" => with_help(command, "type", &format!("The command's type, such as {of_type}"))
            .after_help(send.clone()),
        "stream" => with_help(command, "stream_id", &format!("The stream, such as {of_stream}")),
        "trace" => {
            let by = || spanning.values().copied();
            let mut command = with_help(command, "id", &id)
                .mut_arg("id", |id| id.required_unless_present_any(by()).conflicts_with_all(by()));
            for of_one in ["data", "scan"] {
                command = command.mut_arg(of_one, |arg| arg.conflicts_with_all(by()));
            }
            with_options(command, &spanning, |option| {
                format!("Shows, in place of one thing, those of this {option}, the newest first, and how each stands")
            })
            .after_help(trace.clone())
        }
        "tail" => with_options(command, &spanning, |option| {
            format!(
                "Shows only what belongs to this {option}: events that name it, and those of their chains and things"
            )
        })
        .after_help(tail.clone()),
        "rebuild" => with_help(command, "view", &views).after_help(rebuild.clone()),
        "republish" => command.after_help(republish.clone()),
        _ => command,
    })
}

/// The command with another help text of one of its arguments, at its place among the others.
fn with_help(command: Command, argument: &str, help: &str) -> Command {
    command.mut_args(|arg| {
        if arg.get_id() == argument {
            arg.help(help.to_owned())
        } else {
            arg
        }
    })
}

/// A stream's name, as an example.
pub(crate) fn stream_name(bundle: &Bundle) -> String {
    let first = bundle.streams.first();
    let category = first.map_or("category", |kind| kind.category.name());
    format!("{category}-7")
}

/// An event's type, as an example.
fn event_type(bundle: &Bundle) -> &'static str {
    let mut events = bundle.streams.iter().flat_map(|kind| kind.events.iter().copied());
    events.next().unwrap_or("SomethingHappened")
}

/// A command's type, as an example.
fn command_type(bundle: &Bundle) -> String {
    pascal_case(bundle.entrance().unwrap_or("do-something"))
}

#[cfg(test)]
mod tests {
    use super::*;

    use clap::CommandFactory;

    use crate::Arguments;

    #[test]
    fn help_speaks_of_the_business_and_says_everything_at_its_place() {
        let plain = Arguments::command();
        let mut command = speaking_of(&library::bundle(), plain.clone());
        command.clone().debug_assert();
        let names = |command: &Command| -> Vec<String> {
            let names = command.get_subcommands().map(Command::get_name);
            names.map(ToOwned::to_owned).collect()
        };
        assert_eq!(names(&command), names(&plain));
        for (name, parts) in [
            (
                "trace",
                &[
                    "The id of a loan, with",
                    "cargo ops trace loan/7",
                    "is meant: loan/.",
                ][..],
            ),
            ("stream", &["such as loan-7"]),
            ("send", &["such as LendBook", "cargo ops send LendBook --file"]),
            ("republish", &["--stream-id loan-7"]),
            (
                "rebuild",
                &["table's name: loans", "cargo ops rebuild loans --verify"],
            ),
        ] {
            let command = command.find_subcommand_mut(name).expect("it is a command");
            let help = command.render_long_help().to_string();
            for part in parts {
                assert!(help.contains(part), "{part}: {help}");
            }
        }
    }
}
