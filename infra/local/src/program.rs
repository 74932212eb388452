//! The command line of `cargo local`. Deadlines, and what the demo can play, come from the bundle.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_adapters::{event_bus_name_problem, process_variable, stack_name_problem};
use bundle::scenario::{Load, OwnInput};
use bundle::{Bundle, Settings};
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, value_parser};
use embedded_aws::Durability;
use terminal::note;
use tracing_subscriber::EnvFilter;

use crate::demo::{self, Program};
use crate::play::{self, PlayOptions};
use crate::up::{self, UpOptions};

/// Runs the bundle on this machine, on an embedded DynamoDB and SQS
#[allow(clippy::doc_markdown)] // It is the text of --help, not documentation.
#[derive(Debug, Parser)]
#[command(name = "cargo local", bin_name = "cargo local", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[allow(clippy::doc_markdown)]
#[derive(Debug, Subcommand)]
enum Command {
    /// Plays every scenario to its end and shows what happened; succeeds if every outcome was right
    Demo,
    /// Plays every scenario on a deployed stack with simulators, in real time; succeeds if every outcome was right
    ///
    /// Endpoint, region and credentials come from AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY; the deadlines in the environment have to be those of the stack.
    #[command(alias = "play")]
    PlayRemote {
        /// The stack's name
        #[arg(long, default_value = "local", value_parser = stack_name)]
        stack: String,
        /// How long to wait for the last outcome beyond all deadlines; a message that fails for good
        /// is given up after seven minutes
        #[arg(
            long,
            value_name = "SECONDS",
            default_value_t = 600,
            allow_negative_numbers = true
        )]
        patience: u64,
    },
    /// Serves the stack on a port until interrupted
    Up {
        /// The port on 127.0.0.1; 0 takes any free one
        #[arg(long, default_value_t = 4566, allow_negative_numbers = true)]
        port: u16,
        /// Also listens on this address of the machine, so that containers reach the stack; anybody who
        /// reaches the address may then do everything
        #[arg(long, value_name = "ADDRESS", value_parser = address)]
        bind: Option<IpAddr>,
        /// The stack's name, which begins the names of its queues and tables
        #[arg(long, default_value = "local", value_parser = stack_name)]
        stack: String,
        /// A folder in which all survives that was acknowledged: tables, queues with the messages and dead letters on
        /// them, schedules. A start with the same folder goes on where the last one ended, however it ended
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// With --data, acknowledges what was synced to the disk, so that it survives the loss of power; the default
        #[arg(long, requires = "data", overrides_with = "no_sync")]
        sync: bool,
        /// With --data, acknowledges what survives the end of the process, but not the loss of power
        #[arg(long, requires = "data")]
        no_sync: bool,
        /// Runs no stand-ins for the systems outside: their queues are left to gateways of your own
        #[arg(long)]
        no_simulators: bool,
        /// Puts each event on the event bus of this name, which is made, so that rules pass them on to queues
        #[arg(long, value_name = "NAME", value_parser = event_bus_name)]
        event_bus: Option<String>,
        /// Ends when its standard input does: with whoever started it, however that ends
        #[arg(long)]
        until_stdin_closes: bool,
        /// Serves tables and queues alone; the functions run elsewhere, such as in `sam local`
        #[arg(long)]
        no_functions: bool,
    },
}

/// An address without a port.
fn address(given: &str) -> Result<IpAddr, String> {
    given.parse().map_err(|_| {
        "expected an IP address of this machine without a port, such as 172.17.0.1 or fd00::1; \
         0.0.0.0 and :: are all its addresses"
            .to_owned()
    })
}

fn stack_name(name: &str) -> Result<String, String> {
    match stack_name_problem(name) {
        None => Ok(name.to_owned()),
        Some(problem) => Err(format!(
            "it {problem}; expected a letter, then up to 39 letters, digits or dashes"
        )),
    }
}

fn event_bus_name(name: &str) -> Result<String, String> {
    match event_bus_name_problem(name) {
        None => Ok(name.to_owned()),
        Some(problem) => Err(format!(
            "it {problem}; expected the name of a bus, up to 256 letters, digits, dots, dashes and underscores"
        )),
    }
}

/// Does what the arguments of this process ask for, with the business of this bundle.
pub fn run(bundle: Bundle) -> ExitCode {
    let bundle = Arc::new(bundle);
    let matches = command_line(&bundle).get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    tracing_subscriber::fmt()
        .with_env_filter(log_filter())
        .with_writer(|| terminal::Notes)
        .init();
    match obey(&bundle, arguments.command, &matches) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(_) if terminal::reader_left() => ExitCode::from(terminal::CUT_OFF),
        Err(error) => {
            note!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The arguments, those among them that the bundle declares.
fn command_line(bundle: &Bundle) -> clap::Command {
    let command = Arguments::command().long_about(about(bundle));
    command.mut_subcommand("demo", |demo| {
        let (own, load) = (bundle.demo.own.as_ref(), bundle.demo.load.as_ref());
        let (file, number) = (own.map(file_argument), load.map(number_argument));
        let file = match (file, load) {
            (Some(file), Some(load)) => Some(file.conflicts_with(load.flag)),
            (file, _) => file,
        };
        demo.args(file.into_iter().chain(number))
    })
}

fn about(bundle: &Bundle) -> String {
    let settings = bundle.settings();
    let each = settings
        .iter()
        .map(|setting| format!("{} ({})", setting.variable, setting.default.as_secs()));
    let deadlines = match each.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => none,
        all => format!("Deadlines come from the environment, in seconds: {all}. "),
    };
    format!(
        "Runs the bundle on this machine, on an embedded DynamoDB and SQS.\n\n\
         {deadlines}RUST_LOG=info shows what every function does."
    )
}

fn file_argument(own: &OwnInput) -> Arg {
    let file = Arg::new(own.flag).long(own.flag).help(own.help);
    file.value_name("FILE").value_parser(value_parser!(PathBuf))
}

fn number_argument(load: &Load) -> Arg {
    let (least, most) = load.range;
    let number = Arg::new(load.flag).long(load.flag).help(load.help);
    number
        .value_name("N")
        .value_parser(value_parser!(u32).range(i64::from(least)..=i64::from(most)))
        .allow_negative_numbers(true)
}

/// What the arguments ask the demo to play.
fn program(bundle: &Bundle, matches: &ArgMatches) -> Program {
    let matches = matches.subcommand_matches("demo");
    let own = bundle.demo.own.and_then(|own| {
        let file = matches?.get_one::<PathBuf>(own.flag)?;
        Some(Program::Own(own, file.clone()))
    });
    let load = || {
        let load = bundle.demo.load?;
        Some(Program::Load(load, *matches?.get_one::<u32>(load.flag)?))
    };
    own.or_else(load).unwrap_or(Program::Scenarios)
}

/// What `RUST_LOG` asks for; errors alone if it asks for nothing.
fn log_filter() -> EnvFilter {
    let asked = process_variable("RUST_LOG").filter(|asked| !asked.is_empty());
    EnvFilter::try_new(asked.as_deref().unwrap_or("error")).unwrap_or_else(|error| {
        note!("RUST_LOG can't be read ({error}) and is passed over; it takes a level such as info, or local=debug");
        EnvFilter::new("error")
    })
}

fn obey(
    bundle: &Arc<Bundle>,
    command: Command,
    matches: &ArgMatches,
) -> Result<bool, Box<dyn std::error::Error>> {
    let settings = Settings::values(&bundle.settings(), process_variable)?;
    match command {
        Command::Demo => {
            let program = program(bundle, matches);
            Ok(demo::run(bundle.clone(), &program, settings)?)
        }
        Command::PlayRemote { stack, patience } => Ok(play::run(
            bundle,
            &PlayOptions {
                stack,
                settings,
                patience: Duration::from_secs(patience),
            },
        )?),
        Command::Up {
            port,
            bind,
            stack,
            data,
            sync: _,
            no_sync,
            no_simulators,
            event_bus,
            until_stdin_closes,
            no_functions,
        } => {
            up::run(
                bundle.clone(),
                UpOptions {
                    port,
                    bind,
                    stack,
                    data,
                    durability: if no_sync {
                        Durability::Process
                    } else {
                        Durability::Power
                    },
                    settings,
                    simulators: !no_simulators,
                    event_bus,
                    functions: !no_functions,
                    until_stdin_closes,
                },
            )?;
            Ok(true)
        }
    }
}
