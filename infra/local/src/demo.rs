//! Plays the scenarios on a stack of their own and shows what happened.
//!
//! The stack's clock is moved on: whenever nothing is left to do before the next delay or deadline, it
//! jumps there. So a day's deadline passes at once, and the times shown are those of the stack's clock.

pub mod large_group;
mod stage;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use domain::cart::FinalizeCart;
use eventsourcing::{Draft, Form, SettingValues, text_of, written};
use futures::future::{join, join_all};
use serde_json::Value;
use terminal::note;

use crate::Stack;
use crate::groups::{GroupScenario, group_scenarios};
use crate::progress::progress;
use crate::report::{self, Played};
use crate::scenarios::{Outcome, OwnCart, Scenario, order_scenarios};
pub use stage::DemoError;
use stage::{settle, start};

/// What the demo plays.
#[derive(Clone, Debug)]
pub enum Program {
    /// Every scenario.
    Scenarios,
    /// The carts of a file: one as JSON, or one on each line.
    Carts(PathBuf),
    /// The checkout of a group of so many guests, and of one of 50 to compare.
    Guests(usize),
}

/// Plays the program; whether every outcome was right.
pub fn run(program: &Program, settings: SettingValues) -> Result<bool, DemoError> {
    let carts = match program {
        Program::Carts(file) => read_carts(file)?,
        Program::Scenarios | Program::Guests(_) => Vec::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()?;
    runtime.block_on(async {
        match program {
            Program::Scenarios => play(order_scenarios(), group_scenarios(), settings).await,
            Program::Carts(_) => play_own(carts, settings).await,
            Program::Guests(count) => large_group::play(*count, settings).await,
        }
    })
}

/// The carts of a file: one as JSON, or one on each line. All that is wrong with them is told, by the line
/// and the field as they stand in the file.
fn read_carts(file: &Path) -> Result<Vec<OwnCart>, DemoError> {
    let unread = |source| DemoError::File {
        file: file.to_owned(),
        source,
    };
    let bytes = std::fs::read(file).map_err(unread)?;
    let text = text_of(bytes).map_err(|error| unread(io::Error::other(error)))?;
    let (mut carts, mut wrong) = (Vec::new(), Vec::new());
    for written in written(&text) {
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                wrong.push(format!("{}, {error}", file.display()));
                continue;
            }
        };
        let place = |path: &str| format!("{}, line {}", file.display(), written.line_of(path));
        let draft = Draft::of::<FinalizeCart>(written.json, Form::Either);
        let told = draft.faults.iter();
        wrong.extend(told.map(|fault| format!("{}: {fault}", place(fault.path().unwrap_or_default()))));
        // What the function would ignore is no reason not to play it.
        for field in &draft.unknown {
            note!("{}: {field} (it is ignored)", place(field.path()));
        }
        carts.extend(OwnCart::of(&draft));
    }
    if !wrong.is_empty() {
        return Err(DemoError::Carts(wrong));
    }
    if carts.is_empty() {
        return Err(DemoError::NoCart {
            file: file.to_owned(),
        });
    }
    Ok(carts)
}

async fn play(
    orders: Vec<Scenario>,
    groups: Vec<GroupScenario>,
    settings: SettingValues,
) -> Result<bool, DemoError> {
    let started = Instant::now();
    let (stack, player) = start(settings).await?;
    let began = stack.clock().now();
    let progress = progress(orders.len() + groups.len(), "scenarios played");
    let of_orders = join_all(orders.iter().map(|order| async {
        let ended = player.play(order).await;
        progress.inc(1);
        ended
    }));
    let of_groups = join_all(groups.iter().map(|group| async {
        let ended = player.play_group(group).await;
        progress.inc(1);
        ended
    }));
    let (of_orders, of_groups) = join(of_orders, of_groups).await;
    settle(&stack, &progress).await;
    let refused = player.refused(&stack.registry().queues()).await?;
    let mut results = Vec::new();
    for (scenario, script) in orders.iter().zip(of_orders) {
        let outcome = player.outcome(&scenario.cart, &refused).await?;
        results.push(Played::order(scenario, &script, outcome));
    }
    for (scenario, script) in groups.iter().zip(of_groups) {
        let outcome = player.group_outcome(scenario, &refused).await?;
        results.push(Played::group(scenario, &script, outcome));
    }
    finish(stack, &results, began, started).await
}

async fn play_own(carts: Vec<OwnCart>, settings: SettingValues) -> Result<bool, DemoError> {
    let started = Instant::now();
    let (stack, player) = start(settings).await?;
    let began = stack.clock().now();
    let progress = progress(carts.len(), "carts finalized");
    for cart in &carts {
        player
            .send("finalize-cart", &serde_json::json!({ "command": cart.cart }))
            .await?;
        progress.inc(1);
    }
    settle(&stack, &progress).await;
    let refused = player.refused(&stack.registry().queues()).await?;
    let mut results = Vec::new();
    for contents in by_id(&carts) {
        let outcome = player.outcome(contents[0], &refused).await?;
        results.extend(of_one_id(&contents, outcome));
    }
    finish(stack, &results, began, started).await
}

/// The contents of each cart id, in the order of the file: a cart has one order, however often it is finalized.
fn by_id(carts: &[OwnCart]) -> Vec<Vec<&Value>> {
    let mut groups: Vec<Vec<&Value>> = Vec::new();
    for OwnCart { cart } in carts {
        let same = groups
            .iter_mut()
            .find(|group| group[0]["cart_id"] == cart["cart_id"]);
        match same {
            Some(group) => group.push(cart),
            None => groups.push(vec![cart]),
        }
    }
    groups
}

/// The order of carts that have one id, and those of them that were refused: one for each content.
fn of_one_id(contents: &[&Value], mut outcome: Outcome) -> Vec<Played> {
    let title = format!("cart {}", contents[0]["cart_id"].as_str().unwrap_or_default());
    let mut not_taken = Vec::new();
    let mut taken = 0;
    for (number, content) in contents.iter().enumerate() {
        let is_known = contents[..number].contains(content);
        let all = std::mem::take(&mut outcome.refused).into_iter();
        let (own, others): (Vec<_>, Vec<_>) = all.partition(|refused| refused.is_of_cart(content));
        outcome.refused = others;
        if own.is_empty() && !(is_known && not_taken.iter().any(|(refused, _)| refused == content)) {
            taken += 1;
        } else if !own.is_empty() {
            not_taken.push((*content, own));
        }
    }
    let has_order = taken > 0 || !outcome.timeline.is_empty();
    let mut played = Vec::new();
    if has_order {
        let problems = match outcome.ending() {
            Some(_) => vec![],
            None => vec!["the order is neither completed nor cancelled".to_owned()],
        };
        let times = match taken {
            0 | 1 => String::new(),
            times => format!(" ({times} times in the file)"),
        };
        played.push(Played::own_cart(format!("{title}{times}"), outcome, problems));
    }
    let other = if has_order { ", with other content" } else { "" };
    let refused = |(_, refused)| Played::refused_cart(format!("{title}{other}"), refused);
    played.extend(not_taken.into_iter().map(refused));
    played
}

async fn finish(
    stack: Stack,
    played: &[Played],
    began: SystemTime,
    started: Instant,
) -> Result<bool, DemoError> {
    let moved = stack.clock().now().duration_since(began).unwrap_or_default();
    let metrics = stack.metrics().total();
    let totals = format!(
        "{} messages, {} write units; {} handled, {} refused, {} retried, {} conflicts\n\
         the clock was moved on by {}, in {:.1} s",
        stack.wire().sqs().totals().sends,
        stack.wire().dynamodb().totals().all().write,
        metrics.handled,
        metrics.refused,
        metrics.retried,
        metrics.conflicts,
        report::clock(moved),
        started.elapsed().as_secs_f64()
    );
    let right = report::print(&mut terminal::out(), played, &totals)?;
    stack.stop().await?;
    Ok(right)
}
