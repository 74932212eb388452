//! What all pages are made of, and share.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aws_adapters::PhaseCounts;
use bundle::ViewTableForm;
use eventsourcing::{Clock, Timestamp};
use maud::{Markup, html};

use super::answer::Answer;
use super::asked::{Asked, address};
use super::kept::{Kept, Known};
use super::layout::{self, Frame};
use super::local_stack::LocalStack;
use super::pulse::Pulse;
use super::stuck::looking::Letters;
use super::waiting::{self, Busy, Counts, HERE, ON_AWS};
use crate::failure::Failure;
use crate::kinds::Kinds;
use crate::outbox::{self, Undelivered};
use crate::stack::Stack;
use crate::trace::{Leftovers, Stuck};
use crate::views::{Asked as AskedOfView, Found, View, answer as answer_of_view};

/// How old may be what is known of what is stuck before it is looked for again.
const STUCK: Duration = Duration::from_secs(15);

/// How many words to the user are kept until they are read.
const KEPT_WORDS: usize = 100;

/// What pages are made of.
pub(crate) struct Pages {
    pub(crate) stack: Rc<Stack>,
    /// What can be done with it if it runs in this process.
    pub(crate) local: Option<Arc<dyn LocalStack>>,
    /// What stands around each.
    pub(crate) frame: Frame,
    /// What happened within the last day.
    pub(crate) pulse: Rc<RefCell<Pulse>>,
    /// How many messages there are in each queue.
    waiting: Rc<Kept<Counts>>,
    /// Which queues are never empty.
    pub(crate) busy: Busy,
    /// How much the outbox holds.
    undelivered: Rc<Kept<Undelivered>>,
    /// What is open of each view, by its name.
    open: BTreeMap<&'static str, Rc<Kept<PhaseCounts>>>,
    /// What is stuck.
    stuck: Rc<Kept<Arc<Stuck>>>,
    /// What was seen of dead letters.
    pub(crate) letters: Rc<Letters>,
    /// What was done, by the number that the next page asks for it with.
    said: RefCell<VecDeque<(u64, Said)>>,
}

/// What became of a change, for its user.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) well: bool,
    pub(crate) text: String,
}

impl Pages {
    pub(crate) fn of(
        stack: Stack,
        local: Option<Arc<dyn LocalStack>>,
        read_only: bool,
        token: String,
    ) -> Self {
        let stack = Rc::new(stack);
        let frame = Frame {
            stack: stack.names.stack().to_owned(),
            at: stack.at.clone(),
            ways: ways(&stack, local.is_some()),
            token,
            is_read_only: read_only,
        };
        let least = if local.is_some() { HERE } else { ON_AWS };
        let views = stack.bundle.registry.views();
        let open = views.map(|form| (form.name, Kept::new(least))).collect();
        Self {
            letters: Letters::of(stack.clone(), least),
            stack,
            local,
            frame,
            pulse: Rc::default(),
            waiting: Kept::new(least),
            busy: Busy::default(),
            undelivered: Kept::new(least),
            open,
            stuck: Kept::new(STUCK),
            said: RefCell::default(),
        }
    }

    /// What the service's clock shows, for whoever goes on beside the pages. That of a stack on this machine can be
    /// moved.
    pub(crate) fn now(&self) -> Timestamp {
        let local = self.local.as_ref();
        local.map_or_else(|| self.stack.clock.now(), |local| local.clock().now)
    }

    /// How many messages there are in each queue.
    pub(crate) async fn waiting(self: &Rc<Self>) -> Result<Known<Counts>, Failure> {
        let pages = self.clone();
        self.waiting
            .get(|| async move { waiting::ask(&pages.stack).await })
            .await
    }

    /// How much the outbox holds that is not delivered.
    pub(crate) async fn undelivered(self: &Rc<Self>) -> Result<Known<Undelivered>, Failure> {
        let pages = self.clone();
        self.undelivered
            .get(|| async move { outbox::undelivered(&pages.stack).await })
            .await
    }

    /// What is open of a view, by phase.
    pub(crate) async fn open(self: &Rc<Self>, form: ViewTableForm) -> Result<Known<PhaseCounts>, Failure> {
        let kept = self.open.get(form.name).ok_or_else(nothing_here)?;
        let pages = self.clone();
        kept.get(|| async move {
            let stack = pages.stack.anew().await?;
            let asked = AskedOfView::counting_open(form);
            match answer_of_view(&View::of(&stack, &form), &asked, None)
                .await?
                .found
            {
                Found::Counts(counts) => Ok(counts),
                Found::One(_) | Found::Rows { .. } => Ok(PhaseCounts::default()),
            }
        })
        .await
    }

    /// What is stuck. Who receives dead letters hides them from others for a moment, so they are looked at seldom.
    pub(crate) async fn stuck(self: &Rc<Self>) -> Result<Known<Arc<Stuck>>, Failure> {
        let pages = self.clone();
        self.stuck
            .get(|| async move {
                let stack = pages.stack.anew().await?;
                let kinds = Kinds::of(&pages.stack.bundle.streams);
                let found = Leftovers::in_stack(&stack, &kinds).await;
                stack.let_go().await;
                found.map(|leftovers| leftovers.stuck())
            })
            .await
    }

    /// Whether nothing can be changed here.
    pub(crate) fn is_read_only(&self) -> bool {
        self.frame.is_read_only
    }

    /// A page with what was said to its user before.
    pub(crate) fn page(&self, asked: &Asked, place: &str, title: &str, content: &Markup) -> Answer {
        let number = asked.param("said").and_then(|number| number.parse::<u64>().ok());
        let said = self.said.borrow();
        let said = number.and_then(|number| said.iter().find(|(known, _)| *known == number));
        let content = html! {
            @if let Some((_, said)) = said {
                p.said.problem[!said.well] role="status" { (said.text) }
            }
            (content)
        };
        Answer::page(layout::page(&self.frame, place, title, &content))
    }

    /// Has the next page find out how things stand: something was done.
    fn forget(&self) {
        self.waiting.forget();
        self.undelivered.forget();
        self.open.values().for_each(|open| open.forget());
        self.stuck.forget();
    }

    /// Shows another page with what became of a change. It is not said in the address: whoever reads that would
    /// learn it, and whoever writes it could say anything.
    pub(crate) fn done(&self, parts: &[&str], outcome: Result<String, Failure>) -> Answer {
        self.done_at(&address(parts.iter().copied()), outcome)
    }

    /// The same for a page that an address of the console names.
    pub(crate) fn done_at(&self, page: &str, outcome: Result<String, Failure>) -> Answer {
        let said = match outcome {
            Ok(text) => Said { well: true, text },
            Err(failure) => Said {
                well: false,
                text: failure.to_string(),
            },
        };
        self.forget();
        let mut all = self.said.borrow_mut();
        let number = all.back().map_or(1, |(last, _)| last + 1);
        all.push_back((number, said));
        if all.len() > KEPT_WORDS {
            all.pop_front();
        }
        let mark = if page.contains('?') { '&' } else { '?' };
        Answer::see(format!("{page}{mark}said={number}"))
    }
}

/// The pages that there are: name, title, address.
fn ways(stack: &Stack, is_local: bool) -> Vec<(String, String, String)> {
    let way = |name: &str, title: &str, href: String| (name.to_owned(), title.to_owned(), href);
    let mut ways = vec![way("now", "Now", address([]))];
    for form in stack.bundle.registry.views() {
        let command = form.listing.command;
        let title = layout::capitalised(form.listing.many);
        ways.push(way(command, &title, address(["view", command])));
    }
    ways.push(way("letters", "Dead letters", address(["letters"])));
    ways.push(way("outbox", "Outbox", address(["outbox"])));
    ways.push(way("messages", "Messages", address(["messages"])));
    if is_local {
        ways.push(way("bench", "This machine", address(["bench"])));
    }
    ways
}

/// There is no such page.
pub(crate) fn nothing_here() -> Failure {
    Failure::NotFound("there is no such page; the links above lead to those that there are".into())
}
