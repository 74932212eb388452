//! Serves a stack to other programs until it is interrupted.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use domain::Deadlines;
use embedded_aws::server::{self, ServerError};
use tokio::sync::oneshot;

use crate::{Stack, StackError, StackOptions, Storage};

/// Why serving ended other than by an interrupt.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// The port could not be taken, or the listener broke.
    #[error("{0}; the port is given with --port")]
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
    /// The stack's name.
    pub stack: String,
    /// The folder in which the tables survive; in memory if none.
    pub data: Option<PathBuf>,
    /// How long the outside world has for its answers.
    pub deadlines: Deadlines,
}

/// Serves a stack until the process is interrupted.
pub fn run(options: UpOptions) -> Result<(), UpError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(options))
}

async fn serve(options: UpOptions) -> Result<(), UpError> {
    // The port first: if it is taken, no table has been touched.
    let bound = server::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, options.port))).await?;
    let url = format!("http://{}", bound.address());
    let mut stack = Stack::start(StackOptions {
        name: options.stack,
        base_url: url.clone(),
        storage: options.data.map_or(Storage::Memory, Storage::Folder),
        deadlines: options.deadlines,
        ..StackOptions::default()
    })
    .await?;
    if stack.republished() > 0 {
        eprintln!(
            "published {} stored commits again: what was on queues at the last end is not lost",
            stack.republished()
        );
    }
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(bound.serve(stack.wire().clone(), async move {
        // Nothing is ever sent: the sender's end is the signal.
        drop(stopped.await);
    }));
    let mut stdout = std::io::stdout();
    writeln!(stdout, "ready {url}")?;
    stdout.flush()?;
    eprintln!(
        "try:  aws --endpoint-url {url} --region us-east-1 sqs list-queues    (any credentials do; Ctrl-C stops)"
    );
    tokio::select! {
        interrupted = interrupted() => interrupted?,
        error = stack.failed() => return Err(error.into()),
    }
    eprintln!("stopping: invocations that run are finished first");
    drop(stop);
    stack.stop().await?;
    match serving.await {
        Ok(served) => Ok(served?),
        Err(crash) => Err(std::io::Error::other(crash).into()),
    }
}

/// Resolves at Ctrl-C, or when the system asks the process to end.
async fn interrupted() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
