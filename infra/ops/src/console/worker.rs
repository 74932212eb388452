//! Where pages are made: on a thread of its own, so that a page that takes its time holds up no function of a stack
//! in the same process.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use http::StatusCode;
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio::task::LocalSet;

use super::answer::Answer;
use super::asked::Asked;
use super::pages::Pages;
use super::routes;
use crate::failure::Failure;

type Job = Box<dyn FnOnce(Rc<OnceCell<Rc<Pages>>>) -> LocalBoxFuture<'static, ()> + Send>;

/// The thread that makes pages. It ends with this.
pub(crate) struct Worker {
    jobs: mpsc::UnboundedSender<Job>,
    open: Arc<Open>,
}

/// How the stack is found that pages show.
pub(crate) type Open = dyn Fn() -> LocalBoxFuture<'static, Result<Pages, Failure>> + Send + Sync;

impl Worker {
    /// Starts it. The stack is looked for when there is something to show of it, with `open`.
    pub(crate) fn start(open: Arc<Open>) -> io::Result<Self> {
        let (jobs, asked) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let work = move || LocalSet::new().block_on(&runtime, serve(asked));
        thread::Builder::new().name("console".into()).spawn(work)?;
        Ok(Self { jobs, open })
    }

    /// Waits until the stack is found.
    pub(crate) async fn find(&self) -> Result<(), Failure> {
        let open = self.open.clone();
        let found =
            self.do_there(move |pages| async move { found(&*open, &pages).await.map(drop) }.boxed_local());
        found.await.unwrap_or_else(|| Err(Failure::Failed(GONE.into())))
    }

    /// What is answered.
    pub(crate) async fn answer(&self, asked: Asked) -> Answer {
        let open = self.open.clone();
        let answer = self.do_there(move |pages| {
            async move {
                match found(&*open, &pages).await {
                    Ok(pages) => routes::answer(&pages, &asked).await,
                    Err(failure) => Answer::refused(StatusCode::BAD_GATEWAY, &failure.to_string()),
                }
            }
            .boxed_local()
        });
        answer
            .await
            .unwrap_or_else(|| Answer::refused(StatusCode::INTERNAL_SERVER_ERROR, GONE))
    }

    /// What comes of work on the thread; nothing if that is gone.
    async fn do_there<T: Send + 'static>(
        &self,
        work: impl FnOnce(Rc<OnceCell<Rc<Pages>>>) -> LocalBoxFuture<'static, T> + Send + 'static,
    ) -> Option<T> {
        let (done, is_done) = oneshot::channel();
        let job: Job = Box::new(move |pages| {
            async move {
                let outcome = work(pages).await;
                // Whoever asked may be gone, and needs nothing then.
                drop(done.send(outcome));
            }
            .boxed_local()
        });
        self.jobs.send(job).ok()?;
        is_done.await.ok()
    }
}

const GONE: &str =
    "The page could not be made: that is a fault of the console. What its process says tells more.";

async fn found(open: &Open, pages: &OnceCell<Rc<Pages>>) -> Result<Rc<Pages>, Failure> {
    let found = pages.get_or_try_init(async || {
        let pages = Rc::new(open().await?);
        routes::begin(&pages);
        Ok::<_, Failure>(pages)
    });
    Ok(found.await?.clone())
}

async fn serve(mut asked: mpsc::UnboundedReceiver<Job>) {
    let pages = Rc::new(OnceCell::new());
    while let Some(job) = asked.recv().await {
        tokio::task::spawn_local(job(pages.clone()));
    }
}
