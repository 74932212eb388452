//! `cargo local`: the bundle on this machine.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aws_adapters::{process_variable, stack_name_problem};
use bundle::Settings;
use clap::{Parser, Subcommand};
use local::demo::Program;
use local::play::PlayOptions;
use local::up::UpOptions;
use local::{demo, play, up};
use terminal::note;
use tracing_subscriber::EnvFilter;

/// Runs the bundle on this machine, on an embedded DynamoDB and SQS.
///
/// Deadlines come from the environment, in seconds: PAYMENT_DEADLINE_SECONDS (900),
/// SHIPMENT_DEADLINE_SECONDS (86400), GROUP_CHECKOUT_DEADLINE_SECONDS (3600). RUST_LOG=info shows what every function does.
#[allow(clippy::doc_markdown)] // It is the text of --help, not documentation.
#[derive(Debug, Parser)]
#[command(name = "cargo local", bin_name = "cargo local")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[allow(clippy::doc_markdown)]
#[derive(Debug, Subcommand)]
enum Command {
    /// Plays every scenario to its end and shows what happened; succeeds if every outcome was right
    Demo {
        /// Plays the carts of this file instead: one as JSON, or one on each line
        #[arg(long, value_name = "FILE", conflicts_with = "guests")]
        cart: Option<PathBuf>,
        /// Plays the checkout of a group of so many guests (1 to 5000) instead, and compares its cost with 50
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=5000), allow_negative_numbers = true)]
        guests: Option<u32>,
    },
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
        /// A folder in which the tables survive; queues, with the commands and dead letters on them, do not
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Leaves the outbound queues to gateways of your own
        #[arg(long)]
        no_simulators: bool,
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

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(log_filter())
        .with_writer(|| terminal::Notes)
        .init();
    match run(arguments.command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(_) if terminal::reader_left() => ExitCode::from(terminal::CUT_OFF),
        Err(error) => {
            note!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What `RUST_LOG` asks for; errors alone if it asks for nothing.
fn log_filter() -> EnvFilter {
    let asked = process_variable("RUST_LOG").filter(|asked| !asked.is_empty());
    EnvFilter::try_new(asked.as_deref().unwrap_or("error")).unwrap_or_else(|error| {
        note!("RUST_LOG can't be read ({error}) and is passed over; it takes a level such as info, or local=debug");
        EnvFilter::new("error")
    })
}

fn run(command: Command) -> Result<bool, Box<dyn std::error::Error>> {
    let settings = Settings::values(&functions::bundle().settings(), process_variable)?;
    match command {
        Command::Demo { cart, guests } => {
            let program = match (cart, guests) {
                (Some(file), _) => Program::Carts(file),
                (None, Some(count)) => Program::Guests(count as usize),
                (None, None) => Program::Scenarios,
            };
            Ok(demo::run(&program, settings)?)
        }
        Command::PlayRemote { stack, patience } => Ok(play::run(&PlayOptions {
            stack,
            settings,
            patience: Duration::from_secs(patience),
        })?),
        Command::Up {
            port,
            bind,
            stack,
            data,
            no_simulators,
            no_functions,
        } => {
            up::run(UpOptions {
                port,
                bind,
                stack,
                data,
                settings,
                simulators: !no_simulators,
                functions: !no_functions,
            })?;
            Ok(true)
        }
    }
}
