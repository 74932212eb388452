//! `cargo ops`: what an operator does with a running stack of whatever business, on AWS, on an emulator, or
//! on `cargo local up`.
//!
//! Each command is a file: it finds out or does something, and gives a [`Report`](output::Report) that
//! is printed as a table or as one JSON document. Nothing is taken from the stack but what the command
//! says, and no payload is shown unless it is asked for.
//!
//! A business has the command by a program of one line:
//!
//! ```no_run
//! # use std::process::ExitCode;
//! fn main() -> ExitCode {
//!     ops::run(library::bundle())
//! }
//! ```
//!
//! | module | what it is |
//! | --- | --- |
//! | `send` | sends commands, checked by the reader of their function |
//! | `tail` | shows events as they happen |
//! | `spanning` | what spans several things, such as a member with all loans: an option for each |
//! | `events`, `trace` | shows a stream; shows all that belongs to something, and what is outstanding |
//! | `dead_letters`, `outbox` | shows and mends what got stuck in queues, and what could not be delivered |
//! | `republish`, `rebuild` | publishes stored events again; makes a view anew from them |
//! | `resuming` | how far a command has come that goes through a whole table, kept in a file |
//! | `views` | what became of things: a command for each view, made from its declaration |
//! | [`console`] | all of it in a browser |
//! | `preflight`, `service` | what would be in a deployment's way; services that are asked for it |
//! | `place` | where the stack is, and as whom it is operated: variables, profiles, single sign-on |
//! | `patching` | merge patches of messages, digit by digit |
//! | `stack`, `letters` | the stack that is operated; messages that are looked at and let go |
//! | `called`, `manual` | what the program is called; completions and pages of the manual |
//! | `kinds`, `help` | what the business calls its things, in ids and in `--help` |
//! | `arguments`, `confirmation`, `interruption` | what people type, confirm and interrupt |
//! | `output`, `sheet` | documents and progress; tables that fit the terminal |
//! | `failure`, `clock` | why it failed, and the exit code; the service's clock |

mod arguments;
mod called;
mod clock;
mod confirmation;
pub mod console;
mod dead_letters;
mod events;
mod failure;
mod help;
mod interruption;
mod kinds;
mod letters;
#[cfg(test)]
mod made_up;
mod manual;
mod outbox;
mod output;
mod patching;
mod place;
mod preflight;
mod rebuild;
mod republish;
mod resuming;
mod send;
mod service;
mod sheet;
mod spanning;
mod stack;
mod tail;
mod trace;
mod views;

use std::process::ExitCode;
use std::sync::{Arc, LazyLock};

use bundle::Bundle;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use terminal::note;

use arguments::{Wait, at_least_one};
use dead_letters::{DropLetters, Redrive};
use failure::{EXIT_CODES, Failure};
use output::Format;
use stack::Stack;

/// Operates a running stack: sends commands, shows what became of them, mends what got stuck.
///
/// Where the stack is, and as whom it is operated, is found as every AWS SDK finds it: AWS_ENDPOINT_URL (AWS's
/// own if not set), AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, and what they don't
/// say from the profile that AWS_PROFILE names, with single sign-on (after `aws sso login`) and roles.
#[allow(clippy::doc_markdown)] // It is the text of --help, not documentation.
#[derive(Debug, Parser)]
#[command(name = "cargo ops", bin_name = "cargo ops", after_help = EXIT_CODES)]
struct Arguments {
    /// The stack's name
    #[arg(long, global = true, default_value = "local", value_name = "NAME", value_parser = stack_name)]
    stack: String,
    /// Prints one JSON document instead of a table
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[allow(clippy::doc_markdown)]
#[derive(Debug, Subcommand)]
enum Command {
    /// Sends commands to their queue, if the queue's function could read them
    Send(send::Send),
    /// Shows the events of a stream
    Stream {
        /// The stream
        stream_id: String,
        /// Shows what the events hold, too
        #[arg(long)]
        data: bool,
    },
    /// Shows events as they happen, a line each, until Ctrl-C
    ///
    /// They come from the event table's stream, a second after they were committed. With --json each is a JSON
    /// object on a line of its own, in place of one document: there is no end to them. What it says beside them is
    /// on standard error. It changes nothing, and does not keep the relay from its work: an idle shard is asked once
    /// a second.
    Tail(tail::Tail),
    /// Shows all that belongs to something with an id, and what is still outstanding
    Trace(trace::Asked),
    /// Shows and mends what ended in dead-letter queues
    #[command(subcommand)]
    Dlq(Dlq),
    /// Shows and mends what the relay could not deliver
    #[command(subcommand)]
    Outbox(OutboxCommand),
    /// Publishes stored events again, after the loss of the stream or of a queue's messages
    ///
    /// The same messages with the same ids are sent once more: the bundle's functions take what they have
    /// done as done, and systems outside tell repeats by `id`. The whole event table is read
    /// consistently, at a read unit per 4 KB. What can't be sent is saved in the outbox, as the relay does.
    Republish(republish::Republish),
    /// Makes a view anew from the event table, while it is in use; or says what would change
    ///
    /// Each row is put as its whole stream has it now, unless it is so already; a row that the view's function puts
    /// meanwhile is never taken back. The whole event table is read consistently, at a read unit per 4 KB. Exit code
    /// 0 says that every row is what its stream amounts to.
    Rebuild(rebuild::Rebuild),
    /// Serves the console: what goes on in the stack, in a browser on this machine, until Ctrl-C
    ///
    /// It shows and does what the other commands do, with the same credentials; with those of the read-only role it
    /// shows alone. It listens on 127.0.0.1.
    Console {
        /// The port on 127.0.0.1; 0 takes any free one
        #[arg(long, default_value_t = 8080, allow_negative_numbers = true)]
        port: u16,
        /// Shows and changes nothing, even if the credentials would let it
        #[arg(long)]
        read_only: bool,
    },
    /// Says, before a deployment, what in the account would be in its way, and what to do
    ///
    /// Looks at limits (executions at once, roles, resources, schedules), at the stack's state and at names that
    /// are in use, and changes nothing. It takes the rights of whoever deploys; what can't be asked is told.
    /// --stack gives the name that the stack has or will have.
    Preflight,
    /// Prints what completes commands in a shell
    ///
    /// Of bash, once: cargo ops completions bash > ~/.local/share/bash-completion/completions/ops
    Completions(manual::Completions),
    /// Prints the page of the manual, or writes one for each command
    Man(manual::Pages),
    #[command(skip)]
    View(Box<views::Asked>),
}

impl Command {
    /// What it does, for whoever waits.
    fn doing(&self) -> &'static str {
        match self {
            Self::Send(_) => "sending commands",
            Self::Stream { .. } => "reading the stream",
            Self::Tail(_) => "waiting for events",
            Self::Trace(_) => "tracing",
            Self::Dlq(Dlq::List | Dlq::Show { .. }) => "looking at dead letters",
            Self::Dlq(Dlq::Redrive(_)) => "sending dead letters back",
            Self::Dlq(Dlq::Drop(_)) => "dropping dead letters",
            Self::Outbox(OutboxCommand::List { .. }) => "reading the outbox",
            Self::Outbox(OutboxCommand::Redrive(_)) => "making entries of the outbox due",
            Self::Outbox(OutboxCommand::Drop { .. }) => "dropping entries of the outbox",
            Self::Republish(_) => "publishing stored events again",
            Self::Rebuild(command) => command.doing(),
            Self::Console { .. } => "serving the console",
            Self::Preflight => "looking at the account",
            Self::Completions(_) => "making completions",
            Self::Man(_) => "making pages of the manual",
            Self::View(_) => "reading the view",
        }
    }
}

#[allow(clippy::doc_markdown)]
#[derive(Debug, Subcommand)]
enum OutboxCommand {
    /// Shows the commits that wait for the sweeper or for a person, and how many there are
    List {
        /// Shows those of this state instead
        #[arg(long)]
        delivery: Option<outbox::State>,
        /// How many to show
        #[arg(long, value_name = "N", default_value = "100", value_parser = at_least_one, allow_negative_numbers = true)]
        limit: usize,
    },
    /// Has commits sent again at once, with all their attempts before them
    Redrive(outbox::WhichEntries),
    /// Removes commits from the outbox for good, after a confirmation; their events stay in the table
    Drop {
        #[command(flatten)]
        which: outbox::WhichEntries,
        /// Drops without asking
        #[arg(long)]
        yes: bool,
    },
}

#[allow(clippy::doc_markdown)]
#[derive(Debug, Subcommand)]
enum Dlq {
    /// Shows how many messages each dead-letter queue holds, and why
    List,
    /// Shows the messages of a dead-letter queue; they stay there
    Show {
        /// The queue, with or without the stack's name and `-dlq`
        queue: String,
        /// How many to show
        #[arg(long, value_name = "N", default_value = "100", value_parser = at_least_one, allow_negative_numbers = true)]
        limit: usize,
        /// Shows the messages' bodies, too
        #[arg(long)]
        body: bool,
        #[command(flatten)]
        wait: Wait,
    },
    /// Sends messages back to the queue that they came from
    ///
    /// Each is sent first and deleted then, so an interruption at any moment loses nothing. It may leave
    /// one that is sent twice, which is harmless: a command keeps its id, and one without an id is given
    /// that of its dead letter, so both are the same command to every rule.
    Redrive(Redrive),
    /// Deletes messages for good, after a confirmation
    Drop(DropLetters),
}

fn stack_name(name: &str) -> Result<String, String> {
    match aws_adapters::stack_name_problem(name) {
        None => Ok(name.to_owned()),
        Some(problem) => Err(format!(
            "it {problem}; expected a letter, then up to 39 letters, digits or dashes"
        )),
    }
}

impl Arguments {
    /// The command that they belong to, in words of this business and with a command for each of its views.
    fn of_business(bundle: &Bundle) -> clap::Command {
        let command = Self::command().version(version());
        views::with_commands(bundle, help::speaking_of(bundle, command))
    }

    fn from_matches(bundle: &Bundle, matches: &ArgMatches) -> Result<Self, clap::Error> {
        let Some(asked) = views::asked(bundle, matches) else {
            return Self::from_arg_matches(matches);
        };
        Ok(Self {
            // It has a default.
            stack: matches.get_one::<String>("stack").cloned().unwrap_or_default(),
            json: matches.get_flag("json"),
            command: Command::View(Box::new(asked)),
        })
    }
}

/// Does what the process's arguments ask for, with a stack of that business.
pub fn run(bundle: Bundle) -> ExitCode {
    called::is_this_process();
    let command = called::renamed(Arguments::of_business(&bundle), called::name());
    let matches = command.get_matches();
    let arguments = Arguments::from_matches(&bundle, &matches).unwrap_or_else(|error| error.exit());
    let goes_on = match &arguments.command {
        Command::Tail(_) | Command::Console { .. } => true,
        Command::View(asked) => asked.watch,
        _ => false,
    };
    let printed = match &arguments.command {
        Command::Completions(asked) => Some(manual::complete(Arguments::of_business(&bundle), asked)),
        Command::Man(asked) => Some(manual::show(Arguments::of_business(&bundle), asked)),
        _ => None,
    };
    if let Some(printed) = printed {
        return ended(printed);
    }
    if !goes_on {
        output::tell_progress(arguments.command.doing());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(Failure::from).and_then(|runtime| {
        let outcome = runtime.block_on(open_and_carry_out(bundle, arguments));
        // A question that is still open waits for a line that nobody needs any more.
        runtime.shutdown_background();
        outcome
    });
    ended(outcome)
}

/// Which one it is: its version, and of a release that was built in its repository the commit.
fn version() -> &'static str {
    // Its value is known when it is compiled, so it is made once.
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let version = env!("CARGO_PKG_VERSION");
        option_env!("OPS_COMMIT").map_or_else(
            || version.to_owned(),
            |commit| format!("{version} (commit {commit})"),
        )
    });
    &VERSION
}

/// Tells what went wrong, if anything did.
fn ended(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if terminal::reader_left() {
                return ExitCode::from(terminal::CUT_OFF);
            }
            note!("{} {failure}", sheet::error_mark());
            failure.code()
        }
    }
}

/// Carries the command out. However it ends, messages that it held are let go.
async fn open_and_carry_out(bundle: Bundle, arguments: Arguments) -> Result<(), Failure> {
    let format = if arguments.json {
        Format::Json
    } else {
        Format::People
    };
    if let Command::Preflight = arguments.command {
        // There need not be a stack yet.
        return preflight::check(&bundle, format, &arguments.stack).await;
    }
    if let Command::Console { port, read_only } = arguments.command {
        return console::serve(Arc::new(bundle), &arguments.stack, port, read_only).await;
    }
    let stack = Stack::open(Arc::new(bundle), &arguments.stack).await?;
    let outcome = tokio::select! {
        outcome = carry_out(&stack, format, arguments.command) => outcome,
        () = stack.interruption.unminded() => Err(Failure::Interrupted("nothing was changed".into())),
    };
    stack.let_go().await;
    outcome
}

async fn carry_out(stack: &Stack, format: Format, command: Command) -> Result<(), Failure> {
    match command {
        Command::Send(command) => send::send(stack, format, command).await,
        Command::Stream { stream_id, data } => events::show(stack, format, &stream_id, data).await,
        Command::Tail(command) => tail::tail(stack, format, command).await,
        Command::Trace(asked) => trace::show(stack, format, asked).await,
        Command::Dlq(Dlq::List) => dead_letters::list(stack, format).await,
        Command::Dlq(Dlq::Show {
            queue,
            limit,
            body,
            wait,
        }) => dead_letters::show(stack, format, &queue, limit, body, wait).await,
        Command::Dlq(Dlq::Redrive(redrive)) => dead_letters::redrive(stack, format, redrive).await,
        Command::Dlq(Dlq::Drop(drop)) => dead_letters::drop(stack, format, drop).await,
        Command::Outbox(OutboxCommand::List { delivery, limit }) => {
            outbox::list(stack, format, delivery, limit).await
        }
        Command::Outbox(OutboxCommand::Redrive(which)) => outbox::redrive(stack, format, &which).await,
        Command::Outbox(OutboxCommand::Drop { which, yes }) => outbox::drop(stack, format, &which, yes).await,
        Command::Republish(command) => republish::republish(stack, format, command).await,
        Command::Rebuild(command) => rebuild::rebuild(stack, format, command).await,
        Command::Console { port, read_only } => {
            console::serve(stack.bundle.clone(), stack.names.stack(), port, read_only).await
        }
        Command::Preflight => preflight::check(&stack.bundle, format, stack.names.stack()).await,
        Command::Completions(asked) => manual::complete(Arguments::of_business(&stack.bundle), &asked),
        Command::Man(asked) => manual::show(Arguments::of_business(&stack.bundle), &asked),
        Command::View(asked) => views::show(stack, format, &asked).await,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_command_of_the_runbooks_is_one() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runbooks");
        let mut commands = 0;
        for page in std::fs::read_dir(folder).expect("the folder of runbooks") {
            let page = page.expect("a page").path();
            let text = std::fs::read_to_string(&page).expect("a page is text");
            for line in text.lines().filter(|line| line.starts_with("cargo ops ")) {
                let command = line.split('#').next().unwrap_or_default();
                let words = command.split_whitespace().skip(1);
                if let Err(error) = Arguments::try_parse_from(words) {
                    panic!("{}: {line}\n{error}", page.display());
                }
                commands += 1;
            }
        }
        assert!(commands > 10, "only {commands} commands were found");
    }
}
