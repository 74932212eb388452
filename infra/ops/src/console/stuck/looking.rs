//! What was seen of the dead-letter queues. Counts can be asked for at any time; a look receives letters, which
//! counts as a receive of each and hides them from others meanwhile.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aws_adapters::{Counts, Received, dead_letter_queue};
use eventsourcing::{Clock, TextForm, Timestamp};
use futures::stream::{self, StreamExt};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use crate::dead_letters::{self, ShownLetter};
use crate::failure::Failure;
use crate::kinds::{Key, Kinds};
use crate::letters;
use crate::stack::Stack;
use crate::trace::named_by;

/// How many letters of a queue are looked at.
pub(super) const LOOKED_AT: usize = 1_000;

/// For how long a look is good enough, whatever the counts say.
const SELDOM: Duration = Duration::from_secs(15);

/// The same while the counts say that nothing has changed.
const UNCHANGED: Duration = Duration::from_mins(5);

/// How many queues are asked at once.
const CALLS: usize = 8;

/// What is known of the dead letters of a stack.
pub(crate) struct Letters {
    stack: Rc<Stack>,
    /// For how long counts are good enough.
    good: Duration,
    /// Held by whoever receives letters of that queue, until they are let go: another page would find them held by
    /// another reader.
    locks: RefCell<BTreeMap<String, Arc<Mutex<()>>>>,
    seen: RefCell<BTreeMap<String, Rc<Seen>>>,
    counted: RefCell<Option<(Instant, Rc<Vec<Counted>>)>>,
}

/// How many messages a dead-letter queue holds, or why that is not known.
pub(super) struct Counted {
    /// The queue that it belongs to, without the stack's name.
    pub(super) queue: String,
    /// Nothing if the stack has no such queue.
    pub(super) counts: Result<Option<Counts>, String>,
}

impl Counted {
    pub(super) fn all(&self) -> usize {
        let counts = self.counts.as_ref().ok().copied().flatten();
        counts.map_or(0, |counts| counts.all())
    }
}

/// What there was to see of a queue.
pub(super) struct Seen {
    looked: Instant,
    /// The same by the service's clock.
    pub(super) at: Timestamp,
    counts: Counts,
    /// How many it holds, about.
    pub(super) of: usize,
    /// How many of them another reader held.
    pub(super) held: usize,
    /// Oldest first.
    pub(super) letters: Vec<SeenLetter>,
}

/// A letter without its body.
pub(super) struct SeenLetter {
    pub(super) shown: ShownLetter,
    /// The thing that it is about.
    pub(super) about: Option<Key>,
    /// The names of what stands beside its body.
    pub(super) attributes: Vec<String>,
    /// How large its body is.
    pub(super) bytes: usize,
}

impl SeenLetter {
    pub(super) fn of(stack: &Stack, dead_letter_queue: &str, letter: &Received) -> Self {
        let kinds = Kinds::of(&stack.bundle.streams);
        let shown = ShownLetter::of(stack, dead_letter_queue, letter, false);
        let of_stream = shown.stream_id.as_deref();
        let of_stream = of_stream.and_then(|stream| kinds.of_stream(stream));
        // The first by the sequence in which things come to be leads to the others.
        let named = || {
            let keys = named_by(letter, &kinds);
            let is_id = |key: &&Key| TextForm::ID.fits(&key.id);
            let first = |kind: &bundle::StreamKind| {
                let of_kind = |key: &&Key| key.category == kind.category;
                keys.iter().filter(is_id).find(of_kind).cloned()
            };
            kinds.all().find_map(first)
        };
        Self {
            about: of_stream.or_else(named),
            attributes: letter.attributes.keys().cloned().collect(),
            bytes: letter.body.len(),
            shown,
        }
    }
}

impl Seen {
    fn is_good(&self, counts: Option<Counts>) -> bool {
        let age = self.looked.elapsed();
        age < SELDOM || (age < UNCHANGED && counts == Some(self.counts))
    }
}

impl Letters {
    /// Nothing is known of them yet. Counts are asked for anew after `good`.
    pub(crate) fn of(stack: Rc<Stack>, good: Duration) -> Rc<Self> {
        Rc::new(Self {
            stack,
            good,
            locks: RefCell::default(),
            seen: RefCell::default(),
            counted: RefCell::default(),
        })
    }

    /// Waits until nobody else receives letters of that queue, here.
    pub(super) async fn alone(&self, queue: &str) -> OwnedMutexGuard<()> {
        let lock = self
            .locks
            .borrow_mut()
            .entry(queue.to_owned())
            .or_default()
            .clone();
        lock.lock_owned().await
    }

    /// What was seen of a queue is no longer so.
    pub(super) fn forget(&self, queue: &str) {
        self.seen.borrow_mut().remove(queue);
        self.counted.borrow_mut().take();
    }

    pub(super) fn forget_all(&self) {
        self.seen.borrow_mut().clear();
        self.counted.borrow_mut().take();
    }

    /// How many messages each dead-letter queue holds. It receives none.
    pub(super) async fn counted(&self, stack: &Stack) -> Rc<Vec<Counted>> {
        if let Some((at, counted)) = &*self.counted.borrow()
            && at.elapsed() < self.good
        {
            return counted.clone();
        }
        let count = async |queue: &str| Counted {
            queue: queue.to_owned(),
            counts: letters::counts(stack, &dead_letter_queue(queue))
                .await
                .map_err(|failure| failure.to_string()),
        };
        let queues = stack.queues();
        let counted = stream::iter(queues.iter().map(|queue| count(queue)));
        let counted: Rc<Vec<_>> = Rc::new(counted.buffered(CALLS).collect().await);
        *self.counted.borrow_mut() = Some((Instant::now(), counted.clone()));
        counted
    }

    /// What is known of a queue, after a look if it is not known well enough. The look goes on if nobody waits for it
    /// any more, so that what it receives is let go.
    pub(super) async fn of_queue(self: &Rc<Self>, queue: &str) -> Result<Rc<Seen>, Failure> {
        let counts = self.counts_of(queue);
        let known = self.seen.borrow().get(queue).cloned();
        if let Some(seen) = known.filter(|seen| seen.is_good(counts)) {
            return Ok(seen);
        }
        let (this, queue) = (self.clone(), queue.to_owned());
        let looking = tokio::task::spawn_local(async move {
            let alone = this.alone(&queue).await;
            let of_another = this.seen.borrow().get(&queue).cloned();
            if let Some(seen) = of_another.filter(|seen| seen.is_good(counts)) {
                return Ok(seen);
            }
            let stack = this.stack.anew().await?;
            let seen = look(&stack, &queue).await;
            stack.let_go().await;
            let seen = Rc::new(seen?);
            this.seen.borrow_mut().insert(queue, seen.clone());
            drop(alone);
            Ok(seen)
        });
        looking
            .await
            .map_err(|error| Failure::Failed(format!("the look at the queue ended early: {error}")))?
    }

    /// The counts of a queue, as far as they were asked for of late.
    fn counts_of(&self, queue: &str) -> Option<Counts> {
        let counted = self.counted.borrow();
        let (_, counted) = counted.as_ref()?;
        let counted = counted.iter().find(|counted| counted.queue == queue)?;
        counted.counts.as_ref().ok().copied().flatten()
    }
}

async fn look(stack: &Stack, queue: &str) -> Result<Seen, Failure> {
    let dead_letter_queue = dead_letter_queue(queue);
    let name = stack.names.of_function(&dead_letter_queue);
    let none = || Failure::NotFound(format!("the stack has no queue {name}"));
    let counts = letters::counts(stack, &dead_letter_queue)
        .await?
        .ok_or_else(none)?;
    // All that there are, and no receive more: that would wait for what does not come.
    let limit = counts.all().min(LOOKED_AT);
    let look = if limit == 0 {
        letters::Look::default()
    } else {
        let look = dead_letters::look_at(stack, &dead_letter_queue, limit).await?;
        look.ok_or_else(none)?
    };
    let letters = look.letters.iter();
    let mut letters: Vec<_> = letters
        .map(|letter| SeenLetter::of(stack, &dead_letter_queue, letter))
        .collect();
    letters.sort_by(|one, other| {
        let key = |letter: &SeenLetter| (letter.shown.sent_at, letter.shown.message_id.clone());
        key(one).cmp(&key(other))
    });
    Ok(Seen {
        looked: Instant::now(),
        at: stack.clock.now(),
        counts,
        of: look.of(),
        held: look.held(),
        letters,
    })
}
