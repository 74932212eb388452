//! Serves a stack to other programs until it is interrupted.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use aws_adapters::source_queue;
use bundle::Bundle;
use embedded_aws::mapping::Notice;
use embedded_aws::server::{self, Bound, ServerError};
use embedded_aws::{Clock, Durability, Sqs};
use embedded_sqs::Counts;
use eventsourcing::SettingValues;
use ops::console::ROOT as CONSOLE;
use terminal::note;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::bench::{self, Bench};
use crate::control::{Control, Reach};
use crate::{Stack, StackError, StackOptions, Storage, Views};

/// Why serving ended other than by an interrupt.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// The port could not be taken, or the listener broke.
    #[error("{0}; the port is given with --port, a second address with --bind")]
    Server(#[from] ServerError),
    /// The stack did not start, or a part of it ended.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The process could not be set up.
    #[error("the process could not be set up: {0}")]
    Process(#[from] std::io::Error),
}

/// How the stack is served.
#[derive(Clone, Debug)]
pub struct UpOptions {
    /// The port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Another address of the machine to listen on; loopback only if none.
    pub bind: Option<IpAddr>,
    /// The stack's name.
    pub stack: String,
    /// The folder in which all survives that was acknowledged; in memory if none.
    pub data: Option<PathBuf>,
    /// What is acknowledged, if there is a folder.
    pub durability: Durability,
    /// What the business is set to.
    pub settings: SettingValues,
    /// Whether the simulators answer the outbound queues.
    pub simulators: bool,
    /// The event bus that each event is put on, if any.
    pub event_bus: Option<String>,
    /// Whether the functions run; without them, tables and queues are served to functions elsewhere.
    pub functions: bool,
    /// Whether it ends when standard input does.
    pub until_stdin_closes: bool,
}

/// Serves a stack until the process is interrupted.
pub fn run(bundle: Arc<Bundle>, options: UpOptions) -> Result<(), UpError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(bundle, options))
}

async fn serve(bundle: Arc<Bundle>, options: UpOptions) -> Result<(), UpError> {
    // The port first: if it is taken, no table has been touched.
    let (bounds, port) = listen(options.port, options.bind).await?;
    let url = format!("http://127.0.0.1:{port}");
    let is_kept = options.data.is_some();
    let trouble = Arc::new(bench::Trouble::default());
    let mut stack = Stack::start(StackOptions {
        name: options.stack,
        intercept: Some(trouble.clone()),
        base_url: url.clone(),
        storage: options.data.map_or(Storage::Memory, Storage::Folder),
        durability: options.durability,
        settings: options.settings,
        simulators: options.simulators,
        event_bus: options.event_bus.clone(),
        functions: options.functions,
        views: Views::Watched,
        clock: Some(Clock::real()),
        ..StackOptions::of(bundle)
    })
    .await?;
    if stack.republished() > 0 {
        let (commits, plural) = (
            stack.republished(),
            if stack.republished() == 1 { "" } else { "s" },
        );
        note!(
            "the folder is of a version that kept tables alone: published {commits} stored commit{plural} again, so that \
             what was in flight goes on. Commands and dead letters that were on queues at its last end are gone"
        );
    }
    if is_kept && let Some(there) = on_queues(stack.wire().sqs()) {
        note!("goes on with what was on queues at the last end: {there}");
    }
    let ahead = stack.clock().ahead();
    if !ahead.is_zero() {
        note!(
            "goes on with the clock as it was left: {} s ahead of the system's",
            ahead.as_secs()
        );
    }
    if let Some(warning) = options.bind.and_then(|address| warning(address, port)) {
        note!("{warning}");
    }
    if let Some(bus) = &options.event_bus {
        note!("puts each event on the event bus {bus}, where rules of yours pass them on to queues of yours");
    }
    if !options.functions {
        note!("no functions run here: messages stay in their queues until something else takes them");
    }
    let (stop, stopped) = watch::channel(());
    let mut serving = JoinSet::new();
    // It looks at the stack as any other client does, which the port answers when it is served.
    let bench = Arc::new(Bench::of(&stack, trouble));
    let console = bench::console(&stack, bench.clone())?.routes();
    let reach = options.bind.map_or(Reach::Loopback, |_| Reach::Elsewhere);
    let pages = console.merge(Control::of(&stack, bench, reach).routes());
    for bound in bounds {
        let mut stopped = stopped.clone();
        let (pages, wire) = (pages.clone(), stack.wire().clone());
        serving.spawn(bound.serve_beside(pages, wire, async move {
            // Nothing is ever sent: the sender's end is the signal, and comes as an error.
            drop(stopped.changed().await);
        }));
    }
    let interrupted = interruption()?;
    terminal::announce(format_args!("ready {url}"));
    note!("see:  {url}{CONSOLE}");
    note!(
        "try:  aws --endpoint-url {url} --region us-east-1 sqs list-queues    (any credentials do; Ctrl-C stops)"
    );
    let notices = stack.notices();
    let dynamodb = stack.wire().dynamodb().clone();
    tokio::select! {
        interrupted = interrupted => interrupted?,
        () = stdin_closes(options.until_stdin_closes) => {}
        error = stack.failed() => return Err(error.into()),
        error = dynamodb.keep_sweeping() => return Err(StackError::from(error).into()),
        () = tell(notices) => {}
    }
    note!("stopping: invocations that run are finished first");
    drop(stop);
    let sqs = stack.wire().sqs().clone();
    stack.stop().await?;
    while let Some(served) = serving.join_next().await {
        served.map_err(std::io::Error::other)??;
    }
    match on_queues(&sqs) {
        Some(left) if is_kept => note!("kept for the next start with this folder: {left}"),
        Some(lost) => note!("thrown away with the queues, which are in memory: {lost}"),
        None => {}
    }
    Ok(())
}

/// What is on queues, if anything.
fn on_queues(sqs: &Sqs) -> Option<String> {
    let left = |name: String| {
        let Counts {
            visible,
            in_flight,
            delayed,
        } = sqs.counts(&name)?;
        Some((name, visible + in_flight + delayed)).filter(|(_, count)| *count > 0)
    };
    let queues = sqs.queue_names().into_iter().filter_map(left);
    let (dead, waiting): (Vec<_>, Vec<_>) = queues.partition(|(name, _)| source_queue(name).is_some());
    let told = |queues: &[(String, usize)], one: &str, more: &str| {
        let all: usize = queues.iter().map(|(_, count)| count).sum();
        let each: Vec<_> = queues
            .iter()
            .map(|(name, count)| format!("{count} in {name}"))
            .collect();
        (all > 0).then(|| {
            format!(
                "{all} {} ({})",
                if all == 1 { one } else { more },
                each.join(", ")
            )
        })
    };
    let waiting = told(&waiting, "waiting message", "waiting messages");
    let dead = told(&dead, "dead letter", "dead letters");
    let all: Vec<_> = waiting.into_iter().chain(dead).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// Says what happens to queues and tables, for as long as the stack runs.
async fn tell(notices: Option<UnboundedReceiver<Notice>>) {
    if let Some(mut notices) = notices {
        while let Some(notice) = notices.recv().await {
            note!("{notice}");
        }
    }
    std::future::pending::<()>().await;
}

/// Takes the port on loopback, and on another address if one is given. All addresses of the machine include
/// loopback, and some systems then refuse to take that twice: one listener serves both there.
async fn listen(port: u16, also: Option<IpAddr>) -> Result<(Vec<Bound>, u16), ServerError> {
    let loopback = server::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let port = loopback.address().port();
    let Some(also) = also.filter(|&address| address != IpAddr::from(Ipv4Addr::LOCALHOST)) else {
        return Ok((vec![loopback], port));
    };
    let address = SocketAddr::from((also, port));
    match server::listen(address).await {
        Err(ServerError::InUse { .. }) if also.is_unspecified() => {
            drop(loopback);
            Ok((vec![server::listen(address).await?], port))
        }
        bound => Ok((vec![loopback, bound?], port)),
    }
}

/// What has to be said about an address that others may reach.
fn warning(address: IpAddr, port: u16) -> Option<String> {
    if address.is_loopback() {
        return None;
    }
    let (place, they) = if address.is_unspecified() {
        (
            format!("port {port} of every address of this machine"),
            "one of them",
        )
    } else {
        (
            format!("http://{}", SocketAddr::from((address, port))),
            "this address",
        )
    };
    Some(format!(
        "also listens on {place}: anybody who reaches {they} may do everything, reading, sending and deleting \
         included; nobody is asked for a password"
    ))
}

/// Resolves when standard input has ended, if that is of interest. A process that is killed can stop nobody, but the system
/// closes its end of a pipe.
async fn stdin_closes(is_of_interest: bool) {
    if !is_of_interest {
        return std::future::pending().await;
    }
    let (closed, is_closed) = oneshot::channel::<()>();
    // A thread of its own: a runtime would wait for one of its threads that reads.
    std::thread::spawn(move || {
        // Whatever is said there, nobody listens to it. One that can't be read has ended.
        drop(io::copy(&mut io::stdin().lock(), &mut io::sink()));
        drop(closed);
    });
    // The end of the sender is the signal, and comes as an error.
    drop(is_closed.await);
}

/// Listens for Ctrl-C, and for the system's wish that the process ends, from now on: what comes before the
/// answer is waited for is not missed, and does not end the process half way. Resolves at the first.
#[cfg(unix)]
fn interruption() -> std::io::Result<impl Future<Output = std::io::Result<()>>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}

/// Resolves at Ctrl-C.
#[cfg(not(unix))]
fn interruption() -> std::io::Result<impl Future<Output = std::io::Result<()>>> {
    Ok(tokio::signal::ctrl_c())
}
