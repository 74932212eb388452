//! One round of one side: a start in an empty folder, a few carts that are not counted, then the burst.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::side::{Programs, Running, Side, cart};
use peer_burst::http::{Failure, Http};
use peer_burst::process::{busy, load, processor_time, size};

/// Carts that find everything cold.
const UNCOUNTED: usize = 100;

/// How long all orders may take before something must be wrong.
const PATIENCE: Duration = Duration::from_mins(5);

/// Between two questions how many orders have completed: often at the end, seldom before, since a side that answers
/// does nothing else meanwhile.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What is still done when the last order has completed belongs to the burst, too.
const TAIL: Duration = Duration::from_secs(1);

/// A machine that is less busy than that, in percent, is quiet, and is waited for so long.
const QUIET: f64 = 10.0;
const WAITS_FOR_QUIET: usize = 30;

/// How many carts, and how many of them are sent at a time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Burst {
    /// Carts in a burst.
    pub carts: usize,
    /// Requests that are under way at a time.
    pub at_once: usize,
}

/// What a round has come to.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// The side.
    pub side: &'static str,
    /// Orders a second, from the first cart sent to the last order seen completed.
    pub orders_per_second: f64,
    /// Carts a second that were accepted.
    pub accepted_per_second: f64,
    /// Milliseconds of processor time an order, of all processes of the side.
    pub cpu_ms_per_order: f64,
    /// The same of the client.
    pub client_cpu_ms_per_order: f64,
    /// Peak memory of all processes of the side, in MiB.
    pub peak_mib: f64,
    /// What is on the disk in the end, in MiB.
    pub disk_mib: f64,
    /// The system's load of the minute before.
    pub load_before: String,
    /// The share of the processors that something else kept busy in the second before, in percent.
    pub busy_before: f64,
}

/// Plays a round in a folder that is made for it, and removed.
pub async fn play(
    side: Side,
    programs: &Programs,
    folder: &Path,
    burst: Burst,
    number: usize,
) -> Result<Figures, Failure> {
    let busy_before = quiet().await?;
    let load_before = load()?;
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let http = Http::new();
    let running = Arc::new(side.start(programs, folder, &http).await?);
    let few = Burst {
        carts: UNCOUNTED,
        ..burst
    };
    sent_and_completed(&running, &format!("cold-{number}"), few).await?;
    sleep(TAIL).await;

    let (before, client_before) = (running.processor_time()?, processor_time(std::process::id())?);
    let (accepted, took) = sent_and_completed(&running, &format!("burst-{number}"), burst).await?;
    let client_spent = processor_time(std::process::id())? - client_before;
    sleep(TAIL).await;
    let spent = running.processor_time()? - before;

    let orders = as_f64(burst.carts);
    let mib = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;
    let figures = Figures {
        side: side.key(),
        orders_per_second: orders / took.as_secs_f64(),
        accepted_per_second: orders / accepted.as_secs_f64(),
        cpu_ms_per_order: spent.as_secs_f64() * 1_000.0 / orders,
        client_cpu_ms_per_order: client_spent.as_secs_f64() * 1_000.0 / orders,
        peak_mib: mib(running.peak_memory()?),
        disk_mib: mib(size(folder)),
        load_before,
        busy_before,
    };
    let running = Arc::into_inner(running).ok_or("something is still being sent")?;
    running.stop().await?;
    fs::remove_dir_all(folder)?;
    Ok(figures)
}

/// Sends a burst and waits until all its orders have completed: how long it took until all were accepted, and until all
/// were seen completed.
async fn sent_and_completed(
    running: &Arc<Running>,
    client: &str,
    burst: Burst,
) -> Result<(Duration, Duration), Failure> {
    let began = Instant::now();
    let (accepted, took) = tokio::join!(
        async {
            sent(running, client, burst).await?;
            Ok::<_, Failure>(began.elapsed())
        },
        async {
            completed(running, client, burst.carts, began).await?;
            Ok::<_, Failure>(began.elapsed())
        }
    );
    Ok((accepted?, took?))
}

async fn sent(running: &Arc<Running>, client: &str, burst: Burst) -> Result<(), Failure> {
    let carts: VecDeque<_> = (0..burst.carts).map(|number| cart(client, number)).collect();
    let carts = Arc::new(Mutex::new(carts));
    let mut senders = JoinSet::new();
    for _ in 0..burst.at_once {
        let (running, carts) = (running.clone(), carts.clone());
        let next = move || carts.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        senders.spawn(async move {
            while let Some(cart) = next() {
                running.send(&cart).await?;
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(sent) = senders.join_next().await {
        sent??;
    }
    Ok(())
}

/// Asks until all have completed, the more often the fewer are left.
async fn completed(running: &Running, client: &str, orders: usize, began: Instant) -> Result<(), Failure> {
    sleep(LONGEST_PAUSE).await;
    loop {
        let completed = running.completed(client).await?;
        if completed == orders {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("{completed} of {orders} orders have completed").into());
        }
        let left = began
            .elapsed()
            .mul_f64(as_f64(orders - completed) / as_f64(completed.max(1)));
        sleep((left / 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)).await;
    }
}

/// Waits for a while until nothing else keeps the machine busy; how busy it is then, in percent.
async fn quiet() -> Result<f64, Failure> {
    let mut now = busy().await?;
    for _ in 0..WAITS_FOR_QUIET {
        if now < QUIET {
            break;
        }
        now = busy().await?;
    }
    Ok(now)
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
