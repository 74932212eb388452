//! A side that is measured: its processes, how it is sent a cart, and how it tells what became of it.

mod ours;
mod restate;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use peer_burst::http::{Failure, Http};
use peer_burst::process::{peak_memory, processor_time};

/// How long a process may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is run.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Restate's server.
    pub restate_server: PathBuf,
    /// The order saga on its SDK.
    pub restate_orders: PathBuf,
    /// The bundle's local stack.
    pub local: PathBuf,
}

/// A side, with the way in which it keeps what it accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Restate as it comes, each commit synced: a workflow for each cart.
    Restate,
    /// The same with a virtual object for each stream of the bundle, which keeps its events.
    Objects,
    /// The local stack in a folder, each commit synced.
    Synced,
    /// The local stack in a folder, left to the system to write.
    Folder,
    /// The local stack in memory.
    Memory,
}

impl Side {
    /// All that can be measured with these programs.
    pub fn all(programs: &Programs) -> Vec<Self> {
        let synced = ours::can_sync(&programs.local).then_some(Self::Synced);
        [
            Some(Self::Restate),
            Some(Self::Objects),
            synced,
            Some(Self::Folder),
            Some(Self::Memory),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Its name on the command line.
    pub fn key(self) -> &'static str {
        match self {
            Self::Restate => "restate",
            Self::Objects => "objects",
            Self::Synced => "synced",
            Self::Folder => "folder",
            Self::Memory => "memory",
        }
    }

    /// Its name in the table.
    pub fn title(self) -> &'static str {
        match self {
            Self::Restate => "Restate, one workflow a cart, each commit synced",
            Self::Objects => "Restate, an object for each stream, each commit synced",
            Self::Synced => "`local up --data`, each commit synced",
            Self::Folder => "`local up --data`, not synced",
            Self::Memory => "`local up`, in memory",
        }
    }

    /// Starts it with an empty folder.
    pub async fn start(self, programs: &Programs, folder: &Path, http: &Http) -> Result<Running, Failure> {
        let mut running = Running {
            side: self,
            http: http.clone(),
            processes: Vec::new(),
            url: String::new(),
            questions: String::new(),
        };
        match self {
            Self::Restate | Self::Objects => restate::start(&mut running, programs, folder).await?,
            Self::Synced | Self::Folder | Self::Memory => ours::start(&mut running, programs, folder).await?,
        }
        Ok(running)
    }
}

/// A side whose processes run; they end with it.
pub struct Running {
    side: Side,
    http: Http,
    processes: Vec<(&'static str, Child)>,
    /// Where it is sent carts.
    url: String,
    /// Where it is asked.
    questions: String,
}

impl Running {
    /// Sends a cart. It is accepted, and kept as the side promises, when this returns.
    pub async fn send(&self, cart: &Value) -> Result<(), Failure> {
        match self.side {
            Side::Restate | Side::Objects => restate::send(self, cart).await,
            _ => ours::send(self, cart).await,
        }
    }

    /// How many orders of this client's carts have completed.
    pub async fn completed(&self, client: &str) -> Result<usize, Failure> {
        match self.side {
            Side::Restate | Side::Objects => restate::completed(self, client).await,
            _ => ours::completed(self, client).await,
        }
    }

    /// Processor time of all its processes.
    pub fn processor_time(&self) -> Result<Duration, Failure> {
        self.pids().map(processor_time).sum()
    }

    /// The most memory that each of its processes has had, in all.
    pub fn peak_memory(&self) -> Result<u64, Failure> {
        self.pids().map(peak_memory).sum()
    }

    /// Ends its processes.
    pub async fn stop(mut self) -> Result<(), Failure> {
        for (_, process) in self.processes.iter_mut().rev() {
            process.kill().await?;
        }
        Ok(())
    }

    fn pids(&self) -> impl Iterator<Item = u32> {
        self.processes.iter().filter_map(|(_, process)| process.id())
    }

    /// Starts a process that prints `ready URL`, and answers the URL.
    async fn spawn_until_ready(
        &mut self,
        name: &'static str,
        command: &mut Command,
    ) -> Result<String, Failure> {
        let mut process = spawn(name, command.stdout(Stdio::piped()))?;
        let output = process.stdout.take().ok_or("its output is not read")?;
        self.processes.push((name, process));
        let mut lines = BufReader::new(output).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(url) = line.strip_prefix("ready ") {
                    return Ok::<_, Failure>(url.to_owned());
                }
            }
            Err(format!("{name} ended before it was ready").into())
        };
        let url = tokio::time::timeout(PATIENCE, ready).await??;
        // Nobody has to wait because its output is full.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(url)
    }
}

fn spawn(name: &str, command: &mut Command) -> Result<Child, Failure> {
    command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{name} does not start: {error}").into())
}

/// A cart of two lines whose payment and shipment go through, as both sides take it.
pub fn cart(client: &str, number: usize) -> Value {
    json!({
        "cart_id": format!("{client}-{number}"),
        "client_id": client,
        "product_items": [
            { "product_id": "p-espresso-beans", "quantity": 2, "unit_price": 9.99 },
            { "product_id": "p-grinder", "quantity": 1, "unit_price": 79.5 },
        ],
        "total_price": 99.48,
    })
}
