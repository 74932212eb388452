//! What the console of a stack on this machine can do with it: move its clock, hold back what answers, let functions
//! fail, play scenarios, start over.

mod playing;
mod trouble;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bundle::{Scenario, Trigger};
use embedded_aws::mapping::Status;
use eventsourcing::Timestamp;
use ops::console::{Console, Due, Happened, LocalClock, LocalStack, Mishap, NotDone, Played, WaitingMessage};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::stack::Controls;
use crate::{Stack, Storage, tables};
use playing::Playing;
pub(crate) use trouble::Trouble;

/// The console of a stack, which looks at it through its port as any other client does.
pub(crate) fn console(stack: &Stack, bench: Arc<Bench>) -> io::Result<Console> {
    Console::of_local_stack(
        stack.shared_bundle(),
        stack.names().stack(),
        stack.environment(),
        bench,
    )
}

/// A stack on this machine, for its console and for programs.
pub(crate) struct Bench {
    controls: Controls,
    trouble: Arc<Trouble>,
    playing: Playing,
    /// Held by who starts over: one at a time.
    starting_over: tokio::sync::Mutex<()>,
}

/// How long what was begun may take to end: the longest that an invocation takes, and a little more.
const PATIENCE: Duration = Duration::from_secs(40);

/// How long a deadline that has passed may take to be handled.
const DEADLINE_PATIENCE: Duration = Duration::from_secs(10);

impl Bench {
    /// Of that stack; `trouble` is what intercepts its functions.
    pub(crate) fn of(stack: &Stack, trouble: Arc<Trouble>) -> Self {
        let controls = stack.controls();
        trouble.goes_by(controls.clock.clone());
        Self {
            playing: Playing::on(Handle::current(), &controls),
            controls,
            trouble,
            starting_over: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn controls(&self) -> &Controls {
        &self.controls
    }

    fn now(&self) -> Timestamp {
        self.controls.clock.now().into()
    }

    /// A queue's name without the stack's.
    fn own(&self, queue: &str) -> String {
        let prefix = self.controls.names.prefix();
        queue.strip_prefix(&prefix).unwrap_or(queue).to_owned()
    }

    /// The messages that wait for their time to be told of the thing of that id: when, and in which queue.
    fn deadlines_of(&self, id: &str) -> Vec<Due> {
        let (controls, word, now) = (&self.controls, format!("\"{id}\""), self.now());
        let is_own = |body: &str| body.contains(&word);
        let scheduled = controls.scheduler.pending().into_iter();
        let scheduled = scheduled.filter(|pending| is_own(&pending.body));
        let scheduled = scheduled.map(|pending| Due {
            at: pending.at.into(),
            queue: self.own(&pending.queue),
        });
        let queues = controls.bundle.registry.deadlines().into_iter();
        let in_queues = queues.flat_map(|queue| {
            let seen = controls.wire.sqs().look_at(&controls.names.of_function(queue));
            let own = seen.into_iter().filter(|message| is_own(&message.body));
            own.map(move |message| Due {
                at: now.plus(message.hidden_for.unwrap_or_default()),
                queue: queue.to_owned(),
            })
        });
        scheduled.chain(in_queues).collect()
    }

    fn mapping(&self, function: &str) -> Result<&Status, NotDone> {
        let mapping = self.controls.mappings.get(function);
        mapping.ok_or_else(|| NotDone(format!("{function} does not run here")))
    }

    /// Throws away what waits in queues and schedules.
    fn empty(&self) {
        self.controls.wire.sqs().purge_all();
        self.controls.scheduler.delete_all();
    }

    /// Throws everything away while no function takes anything new.
    async fn empty_all(&self) -> Result<(), NotDone> {
        let Controls {
            wire, names, bundle, ..
        } = &self.controls;
        self.empty();
        let mappings = || self.controls.mappings.values();
        until("the invocations that run have ended", PATIENCE, || {
            mappings().all(|mapping| mapping.activity().pending == 0 && mapping.activity().running == 0)
        })
        .await?;
        let relays = &self.controls.relays;
        until("the relay has read all", PATIENCE, || {
            relays.iter().all(Status::is_quiet)
        })
        .await?;
        // What they sent in the end.
        self.empty();
        let views = || bundle.registry.views().filter(|_| self.controls.views);
        let thrown = tables::throw_away(wire.dynamodb(), names, views());
        let made = thrown.and_then(|()| tables::create(wire.dynamodb(), names, views()));
        made.map_err(|error| NotDone(format!("the tables could not be made anew: {error}")))?;
        self.controls.generation.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Waits until something is so.
async fn until(what: &str, patience: Duration, is_so: impl Fn() -> bool) -> Result<(), NotDone> {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > patience {
            let seconds = patience.as_secs();
            return Err(NotDone(format!(
                "it was waited for {seconds} s until {what}, in vain"
            )));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

#[async_trait]
impl LocalStack for Bench {
    fn clock(&self) -> LocalClock {
        LocalClock {
            now: self.now(),
            ahead: self.controls.clock.ahead(),
        }
    }

    fn next_due(&self) -> Option<Due> {
        let scheduled = self.controls.scheduler.next().map(|(at, queue)| Due {
            at: at.into(),
            queue: self.own(&queue),
        });
        let delayed = self.controls.wire.sqs().next_delayed();
        let delayed = delayed.map(|(queue, left)| Due {
            at: self.now().plus(left),
            queue: self.own(&queue),
        });
        scheduled.into_iter().chain(delayed).min_by_key(|due| due.at)
    }

    fn move_clock(&self, by: Duration) -> Result<(), NotDone> {
        if !self.controls.clock.move_ahead(by) {
            return Err(NotDone(
                "the clock can't be moved so far: no time after the year 9999 can be shown".into(),
            ));
        }
        self.controls.following.catch_up();
        Ok(())
    }

    async fn pass_deadline(&self, id: &str) -> Result<Due, NotDone> {
        let due = self.deadlines_of(id).into_iter().min_by_key(|due| due.at);
        let due = due.ok_or_else(|| {
            NotDone(format!(
                "no deadline is set for {id}, so that nothing can be late for it"
            ))
        })?;
        self.move_clock(due.passed_in(self.now()))?;
        let what = format!("{} has handled that its deadline is over", due.queue);
        until(&what, DEADLINE_PATIENCE, || {
            let left = self.deadlines_of(id);
            left.iter().all(|other| other.queue != due.queue)
        })
        .await?;
        Ok(due)
    }

    fn takes_messages(&self, function: &str) -> Option<bool> {
        self.controls.mappings.get(function).map(Status::is_enabled)
    }

    fn take_messages(&self, function: &str, takes: bool) -> Result<(), NotDone> {
        self.mapping(function)?.enable(takes);
        Ok(())
    }

    fn waiting(&self, queue: &str) -> Vec<WaitingMessage> {
        let queue = self.controls.names.of_function(queue);
        let seen = self.controls.wire.sqs().look_at(&queue).into_iter();
        seen.map(|message| WaitingMessage {
            id: message.message_id,
            body: message.body,
            sent_at: Timestamp::from_millis(i64::try_from(message.sent_timestamp_ms).unwrap_or(i64::MAX)),
            is_hidden: message.hidden_for.is_some(),
        })
        .collect()
    }

    fn drop_message(&self, queue: &str, id: &str) -> Result<(), NotDone> {
        let name = self.controls.names.of_function(queue);
        let was_there = self.controls.wire.sqs().take_out(&name, id);
        was_there.then_some(()).ok_or_else(|| {
            NotDone(format!(
                "the message is no longer in {name}: it was answered or dropped before"
            ))
        })
    }

    fn mishaps(&self) -> Vec<(String, Mishap)> {
        self.trouble.set()
    }

    fn happened(&self) -> Vec<Happened> {
        self.trouble.happened()
    }

    fn set_mishap(&self, function: &str, mishap: Option<Mishap>) -> Result<(), NotDone> {
        let runs = match self.controls.bundle.registry.function(function) {
            Some(known) if known.trigger == Trigger::EventStream => !self.controls.relays.is_empty(),
            Some(_) => self.controls.mappings.contains_key(function),
            None => false,
        };
        if !runs {
            return Err(NotDone(format!("{function} does not run here")));
        }
        self.trouble.arm(function, mishap);
        Ok(())
    }

    fn play(&self, scenario: Scenario) {
        self.playing.begin(scenario);
    }

    fn played(&self) -> Vec<Played> {
        self.playing.all()
    }

    fn folder(&self) -> Option<PathBuf> {
        match &self.controls.storage {
            Storage::Memory => None,
            Storage::Folder(folder) => Some(folder.clone()),
        }
    }

    async fn start_over(&self) -> Result<(), NotDone> {
        if let Some(folder) = self.folder() {
            let folder = folder.display();
            return Err(NotDone(format!(
                "the tables are in {folder}, to be kept: stop the stack and delete the folder instead"
            )));
        }
        let _one_at_a_time = self.starting_over.lock().await;
        self.playing.end();
        self.trouble.forget();
        let taking = self.controls.mappings.values();
        let taking: Vec<_> = taking.filter(|mapping| mapping.is_enabled()).collect();
        for mapping in &taking {
            mapping.enable(false);
        }
        let emptied = self.empty_all().await;
        for mapping in &taking {
            mapping.enable(true);
        }
        emptied
    }
}
