//! A stream of single commits, read by `event-store-adapter-rs` and by the bundle's event store, in turn, through one
//! client of the SDK on one endpoint. `tests/peers/run query` starts it; `tests/peers/README.md` says what is measured.

mod peer;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use aws_adapters::DynamoDbEventStore;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use clap::Parser;
use eventsourcing::{Category, Commit, EventStore, NewEvent, Position, Read, StreamId, Timestamp, event_id};
use peer_burst::http::Failure;
use peer_burst::machine::{Machine, said};
use peer_burst::process::{load, processor_time};
use peer_burst::spread::Spread;
use serde_json::{Value, json};

use crate::peer::Peer;

/// The bundle's event table on the local stack.
const TABLE: &str = "local-events";

/// Loads an event store in turn, and prints one table.
#[derive(Parser)]
struct Arguments {
    /// The bundle's local stack, as a release
    #[arg(long)]
    local: PathBuf,
    /// Where the table is written
    #[arg(long)]
    folder: PathBuf,
    /// What was built of the bundle, for the table
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// Commits in the stream
    #[arg(long, default_value_t = 100)]
    commits: u64,
    /// Rounds of each reader
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Loads in a round
    #[arg(long, default_value_t = 200)]
    loads: u32,
    /// Read with this reader only, for so many seconds, so that a profiler can be attached: peer, ours
    #[arg(long)]
    only: Option<String>,
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Peer,
    Ours,
    PeersItems,
    OurItems,
}

impl Reader {
    const ALL: [Self; 4] = [Self::Peer, Self::Ours, Self::PeersItems, Self::OurItems];

    fn title(self) -> &'static str {
        match self {
            Self::Peer => "event-store-adapter-rs, events decoded",
            Self::Ours => "the bundle's event store, commits decoded",
            Self::PeersItems => "the SDK alone, the peer's items",
            Self::OurItems => "the SDK alone, the bundle's items",
        }
    }
}

/// What a round has come to, in microseconds a load.
struct Round {
    reader: Reader,
    time: f64,
    client: f64,
    server: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match measure(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: Arguments) -> Result<(), Failure> {
    fs::create_dir_all(&arguments.folder)?;
    let machine = Machine::here(&arguments.folder)?;
    let load_before = load()?;
    let server = Server::start(&arguments.local)?;
    let client = client(&server.url);
    let readers = Readers::filled(client, arguments.commits).await?;
    if let Some(only) = &arguments.only {
        let reader = if only == "peer" {
            Reader::Peer
        } else {
            Reader::Ours
        };
        let until = Instant::now() + Duration::from_secs(20);
        eprintln!("client {}, server {}", std::process::id(), server.process.id());
        while Instant::now() < until {
            readers.read(reader).await?;
        }
        return Ok(());
    }
    let mut rounds = Vec::new();
    for number in 0..=arguments.rounds {
        for reader in Reader::ALL {
            let round = readers
                .round(reader, arguments.loads, server.process.id())
                .await?;
            // The first finds everything cold.
            if number > 0 {
                rounds.push(round);
            }
        }
    }
    let table = table(&arguments, &machine, &load_before, &rounds);
    fs::write(arguments.folder.join("query.md"), &table)?;
    println!("{table}");
    Ok(())
}

/// Both event stores, with a stream in each.
struct Readers {
    client: Client,
    peer: Peer,
    ours: DynamoDbEventStore,
    stream: StreamId,
    commits: usize,
}

impl Readers {
    async fn filled(client: Client, commits: u64) -> Result<Self, Failure> {
        let peer = Peer::filled(client.clone(), commits, data).await?;
        let ours = DynamoDbEventStore::new(client.clone(), TABLE.to_owned());
        let stream = Category::new("bench").stream(&"read");
        let mut end = Position::START;
        for _ in 0..commits {
            end = ours.append(&commit(&stream, end)).await?;
        }
        Ok(Self {
            client,
            peer,
            ours,
            stream,
            commits: usize::try_from(commits)?,
        })
    }

    async fn round(&self, reader: Reader, loads: u32, server: u32) -> Result<Round, Failure> {
        let own = std::process::id();
        let (client_before, server_before) = (processor_time(own)?, processor_time(server)?);
        let began = Instant::now();
        for _ in 0..loads {
            self.read(reader).await?;
        }
        let each = |took: Duration| took.as_secs_f64() * 1e6 / f64::from(loads);
        Ok(Round {
            reader,
            time: each(began.elapsed()),
            client: each(processor_time(own)? - client_before),
            server: each(processor_time(server)? - server_before),
        })
    }

    async fn read(&self, reader: Reader) -> Result<(), Failure> {
        let read = match reader {
            Reader::Peer => self.peer.load().await?,
            Reader::Ours => self
                .ours
                .load(&self.stream, Read::Consistent)
                .await?
                .events()
                .count(),
            Reader::PeersItems => self.items(peer::JOURNAL, "aid", peer::AID).await?,
            Reader::OurItems => self.items(TABLE, "stream_id", &self.stream.to_string()).await?,
        };
        if read == self.commits {
            return Ok(());
        }
        Err(format!("{reader:?} read {read} of {} events", self.commits).into())
    }

    /// The same query without anything made of its items.
    async fn items(&self, table: &str, key: &str, value: &str) -> Result<usize, Failure> {
        let query = self.client.query().table_name(table).consistent_read(true);
        let query = query
            .key_condition_expression(format!("{key} = :key"))
            .expression_attribute_values(":key", AttributeValue::S(value.to_owned()));
        Ok(query.send().await?.items().len())
    }
}

/// The content of each event, for both.
fn data(number: u64) -> Value {
    json!({
        "loan_id": format!("loan-{number:04}"),
        "book_id": "moby-dick",
        "member_id": "member-0001",
        "lent_at": "2026-11-23T08:00:00.000Z",
        "due_at": "2026-12-07T08:00:00.000Z",
        "note": "x".repeat(120),
    })
}

fn commit(stream: &StreamId, position: Position) -> Commit {
    let revision = position.last_revision().unwrap_or(0) + 1;
    let id = event_id(stream, revision);
    let event = NewEvent {
        event_type: "BookLent",
        schema_version: 1,
        data: data(revision).to_string(),
        correlation_id: id.to_string(),
        causation_id: id.to_string(),
        trace: None,
    };
    let at = Timestamp::from_millis(1_795_420_800_000);
    Commit::at(position, stream, id, at, vec![event])
}

/// The local stack in memory, over HTTP. It ends with this.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(local: &PathBuf) -> Result<Self, Failure> {
        use std::io::{BufRead, BufReader};
        let mut process = Command::new(local)
            .args(["up", "--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = process.stdout.take().ok_or("its output is not read")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let url = line
            .trim()
            .strip_prefix("ready ")
            .ok_or("the stack did not start")?;
        Ok(Self {
            url: url.to_owned(),
            process,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        if self.process.kill().is_ok() {
            drop(self.process.wait());
        }
    }
}

fn client(url: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("any", "any", None, None, "given"))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .endpoint_url(url);
    Client::from_conf(config.build())
}

fn table(arguments: &Arguments, machine: &Machine, load_before: &str, rounds: &[Round]) -> String {
    let of = |reader: Reader, figure: fn(&Round) -> f64| {
        let own = rounds.iter().filter(|round| round.reader == reader);
        Spread::of(own.map(figure))
    };
    let first = of(Reader::Peer, |round| round.time).median;
    let rows: String = Reader::ALL
        .into_iter()
        .map(|reader| {
            let time = of(reader, |round| round.time);
            format!(
                "| {} | {} | {:.2} | {} | {} |\n",
                reader.title(),
                time.whole(),
                time.median / first,
                of(reader, |round| round.client).whole(),
                of(reader, |round| round.server).whole()
            )
        })
        .collect();
    format!(
        "A stream of {} single commits, {} loads a round, {} rounds of each in turn, on {}. Medians (lowest to highest), \
         in microseconds a load.\n\n| reader | time | to the first | CPU of the client | CPU of the server |\n\
         | --- | ---: | ---: | ---: | ---: |\n{rows}\n{} Load before: {load_before}. event-store-adapter-rs {}, the bundle \
         at {}, {}.\n",
        arguments.commits,
        arguments.loads,
        arguments.rounds,
        said("date", &["+%Y-%m-%d"]),
        machine.told(),
        env!("EVENT_STORE_ADAPTER"),
        arguments.commit,
        said("rustc", &["--version"]),
    )
}
