//! Dead-letter queues: what is in them and why, sent back, mended on the way if need be, or dropped.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_adapters::{
    DEADLINES, MAX_BATCH, MAX_MESSAGE_BYTES, Outgoing, QueueError, Received, dead_letter_queue, source_queue,
};
use bundle::Function;
use clap::Args;
use eventsourcing::{Clock, Form, Timestamp, ids_of, sendable, written};
use futures::stream::{self, StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use serde::Serialize;
use terminal::note;

use crate::arguments::{Wait, Which, name_of, read_input};
use crate::confirmation::{confirm, may_ask};
use crate::failure::Failure;
use crate::letters::{self, Look, Purpose, with_id};
use crate::output::{Change, Format, Report, age, count, one_or_more, progress};
use crate::patching::Patch;
use crate::send::{Allowed, Problems};
use crate::sheet::{Cell, Kind, Sheet, Tone, say};
use crate::stack::Stack;

/// How many messages of each queue `list` looks at to tell the reasons.
const LOOKED_AT: usize = 1_000;

/// How many queues are asked at once: all of a stack with a few dozen, in two rounds.
const CALLS: usize = 32;

/// What is sent back.
#[derive(Debug, Args)]
pub(crate) struct Redrive {
    /// The queue, with or without the stack's name and `-dlq`
    queue: String,
    #[command(flatten)]
    which: Which,
    /// Sends what this file holds in place of the message's body (`-` is standard input), a whole message or
    /// the fields of a command as for `send`; for one message, named with --id
    #[arg(long, value_name = "FILE", requires = "ids", group = "mending")]
    body_from: Option<PathBuf>,
    /// Mends each message by this JSON merge patch (RFC 7396) of its body before it is sent back (`-` is standard
    /// input): {"command":{"FIELD":VALUE}} sets a field, null takes one away, and all else stays as it was written.
    /// Each is checked by the function's own reader, and none is sent if it would refuse one again
    #[arg(long, value_name = "FILE", group = "mending")]
    patch: Option<PathBuf>,
    /// Sends fields of a mended body that the function does not know, and ignores
    #[arg(long, requires = "mending")]
    allow_unknown_fields: bool,
    /// Sends a mended body even if the function will refuse it
    #[arg(long, requires = "mending")]
    no_check: bool,
}

impl Allowed for Redrive {
    fn everything(&self) -> bool {
        self.no_check
    }

    fn unknown_fields(&self) -> bool {
        self.allow_unknown_fields
    }
}

/// What is dropped.
#[derive(Debug, Args)]
pub(crate) struct DropLetters {
    /// The queue, with or without the stack's name and `-dlq`
    queue: String,
    #[command(flatten)]
    which: Which,
    /// Drops without asking
    #[arg(long)]
    yes: bool,
}

impl Which {
    fn matches(&self, letter: &Received) -> bool {
        let code = self
            .code
            .as_deref()
            .is_none_or(|code| letters::code(letter) == Some(code));
        let of_sqs = !self.without_code || letters::code(letter).is_none();
        let own = letters::error(letter);
        let error = self.errors.is_empty() || self.errors.iter().any(|error| error == own);
        code && of_sqs && error && (self.ids.is_empty() || self.ids.contains(&letter.message_id))
    }

    fn check(&self) -> Result<(), Failure> {
        match self.code.as_deref() {
            None | Some("malformed" | "rejected" | "exhausted") => Ok(()),
            Some(code) => Err(Failure::Usage(format!(
                "there is no error_code {code}; expected malformed, rejected or exhausted"
            ))),
        }
    }
}

/// The messages of one dead-letter queue that have one code.
#[derive(Serialize)]
struct Group {
    error_code: Option<String>,
    count: usize,
    oldest_sent_at: Option<Timestamp>,
    newest_sent_at: Option<Timestamp>,
    /// The most frequent reason.
    error: String,
    /// How many others there are.
    other_errors: usize,
    /// All of them, the most frequent first.
    errors: Vec<Counted>,
}

/// How many messages have one error.
#[derive(Serialize)]
struct Counted {
    error: String,
    count: usize,
    oldest_sent_at: Option<Timestamp>,
    newest_sent_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Summary {
    queue: String,
    messages: usize,
    /// How many of them `groups` counts.
    looked_at: usize,
    /// How many of them could not be looked at, because another reader holds them.
    held: usize,
    oldest_sent_at: Option<Timestamp>,
    newest_sent_at: Option<Timestamp>,
    groups: Vec<Group>,
}

#[derive(Serialize)]
struct List {
    messages: usize,
    queues: Vec<Summary>,
    #[serde(skip)]
    now: Timestamp,
}

impl Report for List {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.queues.is_empty() {
            return writeln!(out, "no dead-letter queue holds a message");
        }
        let mut sheet = Sheet::new([
            ("dead-letter queue", Kind::Whole),
            ("messages", Kind::Whole),
            ("oldest", Kind::Whole),
            ("newest", Kind::Whole),
            ("error code", Kind::Whole),
            ("error", Kind::Words),
        ]);
        let old = |at: Option<Timestamp>| at.map(|at| age(self.now.since(at)));
        for queue in &self.queues {
            for group in &queue.groups {
                for error in &group.errors {
                    sheet.add([
                        queue.queue.clone().into(),
                        error.count.to_string().into(),
                        old(error.oldest_sent_at).into(),
                        old(error.newest_sent_at).into(),
                        Cell::bad(group.error_code.clone()),
                        error.error.clone().into(),
                    ]);
                }
            }
        }
        sheet.write(out)?;
        for queue in self
            .queues
            .iter()
            .filter(|queue| queue.looked_at < queue.messages)
        {
            let Summary {
                queue,
                messages,
                looked_at,
                held,
                ..
            } = queue;
            let held = match held {
                0 => String::new(),
                held => format!("; another reader holds {held}"),
            };
            let were = one_or_more(*looked_at, "was", "were");
            let messages = count(*messages, "message", "messages");
            let told = format!("{queue}: {looked_at} of about {messages} {were} looked at{held}");
            say(out, Tone::Plain, &told)?;
        }
        let queues = count(self.queues.len(), "queue", "queues");
        writeln!(out, "{} in {queues}", count(self.messages, "message", "messages"))
    }
}

/// Shows what all dead-letter queues hold.
pub(crate) async fn list(stack: &Stack, format: Format) -> Result<(), Failure> {
    let looks = look_at_all(stack, LOOKED_AT).await?;
    let queues: Vec<_> = looks
        .iter()
        .map(|(queue, look)| Summary {
            messages: look.of(),
            held: look.held(),
            ..summary(stack, queue, &look.letters)
        })
        .map(Summary::with_a_group)
        .collect();
    format.print(&List {
        messages: queues.iter().map(|queue| queue.messages).sum(),
        queues,
        now: stack.clock.now(),
    })?;
    Ok(())
}

/// The messages of all dead-letter queues that hold any, up to `limit` each, with how many there are.
pub(crate) async fn all(stack: &Stack, limit: usize) -> Result<Vec<(String, usize, Vec<Received>)>, Failure> {
    let looks = look_at_all(stack, limit).await?;
    let with_size = |(queue, look): (String, Look)| (queue, look.of(), look.letters);
    Ok(looks.into_iter().map(with_size).collect())
}

async fn look_at_all(stack: &Stack, limit: usize) -> Result<Vec<(String, Look)>, Failure> {
    let names = stack.queues();
    let bar = progress(Some(names.len() as u64), "looking through the dead-letter queues");
    let look = async |queue: &str| {
        let dead_letter_queue = dead_letter_queue(queue);
        let counts = letters::counts(stack, &dead_letter_queue).await?;
        let look = if counts.unwrap_or_default().all() == 0 {
            None
        } else {
            look_at(stack, &dead_letter_queue, limit).await?
        };
        bar.inc(1);
        Ok::<_, Failure>((dead_letter_queue, look.unwrap_or_default()))
    };
    let mut looks: Vec<_> = stream::iter(names.iter().map(|queue| look(queue)))
        .buffered(CALLS)
        .try_collect()
        .await?;
    bar.finish_and_clear();
    looks.retain(|(_, look)| look.of() > 0);
    Ok(looks)
}

/// Looks at up to `limit` messages of a dead-letter queue as they are now; none if there is no such queue.
pub(crate) async fn look_at(
    stack: &Stack,
    dead_letter_queue: &str,
    limit: usize,
) -> Result<Option<Look>, Failure> {
    let hidden = ProgressBar::hidden();
    letters::look(
        stack,
        dead_letter_queue,
        limit,
        Purpose::Look,
        Duration::ZERO,
        &hidden,
    )
    .await
}

impl Summary {
    /// A queue of which nothing could be looked at is listed all the same.
    fn with_a_group(mut self) -> Self {
        if self.groups.is_empty() {
            let error = Counted {
                error: "held by another reader at the moment".into(),
                count: self.messages,
                oldest_sent_at: None,
                newest_sent_at: None,
            };
            self.groups.push(Group::of(None, vec![error]));
        }
        self
    }
}

impl Group {
    fn of(error_code: Option<String>, mut errors: Vec<Counted>) -> Self {
        // Stable: those that are as frequent stay in the order of their texts.
        errors.sort_by_key(|error| std::cmp::Reverse(error.count));
        Self {
            error_code,
            count: errors.iter().map(|error| error.count).sum(),
            oldest_sent_at: errors.iter().filter_map(|error| error.oldest_sent_at).min(),
            newest_sent_at: errors.iter().filter_map(|error| error.newest_sent_at).max(),
            error: errors
                .first()
                .map(|error| error.error.clone())
                .unwrap_or_default(),
            other_errors: errors.len().saturating_sub(1),
            errors,
        }
    }
}

fn summary(stack: &Stack, queue: &str, letters: &[Received]) -> Summary {
    let mut codes: BTreeMap<Option<&str>, BTreeMap<&str, Vec<&Received>>> = BTreeMap::new();
    for letter in letters {
        let errors = codes.entry(letters::code(letter)).or_default();
        errors.entry(letters::error(letter)).or_default().push(letter);
    }
    let counted = |(error, letters): (&str, Vec<&Received>)| Counted {
        error: error.to_owned(),
        count: letters.len(),
        oldest_sent_at: letters.iter().filter_map(|letter| letter.sent_at).min(),
        newest_sent_at: letters.iter().filter_map(|letter| letter.sent_at).max(),
    };
    let group = |(code, errors): (Option<&str>, BTreeMap<&str, Vec<&Received>>)| {
        Group::of(code.map(str::to_owned), errors.into_iter().map(counted).collect())
    };
    Summary {
        queue: stack.names.of_function(queue),
        messages: letters.len(),
        looked_at: letters.len(),
        held: 0,
        oldest_sent_at: letters.iter().filter_map(|letter| letter.sent_at).min(),
        newest_sent_at: letters.iter().filter_map(|letter| letter.sent_at).max(),
        groups: codes.into_iter().map(group).collect(),
    }
}

/// A dead letter as it is shown.
#[derive(Serialize)]
pub(crate) struct ShownLetter {
    pub(crate) queue: String,
    pub(crate) message_id: String,
    pub(crate) error_code: Option<String>,
    pub(crate) error: String,
    pub(crate) sent_at: Option<Timestamp>,
    pub(crate) receive_count: u32,
    /// The stream that the command is for, as far as it can be read.
    pub(crate) stream_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

impl ShownLetter {
    pub(crate) fn of(stack: &Stack, dead_letter_queue: &str, letter: &Received, body: bool) -> Self {
        let queue = source_queue(dead_letter_queue).unwrap_or(dead_letter_queue);
        let function = stack.bundle.registry.function(queue);
        let stream = function.and_then(|function| function.read_command(&letter.body)?.ok());
        Self {
            queue: stack.names.of_function(dead_letter_queue),
            message_id: letter.message_id.clone(),
            error_code: letters::code(letter).map(str::to_owned),
            error: letters::error(letter).to_owned(),
            sent_at: letter.sent_at,
            receive_count: letter.receives,
            stream_id: stream.map(|stream| stream.to_string()),
            body: body.then(|| letter.body.clone()),
        }
    }
}

#[derive(Serialize)]
struct Letters {
    queue: String,
    messages: Vec<ShownLetter>,
    /// How many the queue holds, about.
    of: usize,
    /// How many of them could not be received, because another reader holds them.
    held: usize,
    #[serde(skip)]
    about_held: String,
    #[serde(skip)]
    now: Timestamp,
}

impl Report for Letters {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.messages.is_empty() {
            return match self.held {
                0 => writeln!(out, "{} holds no message", self.queue),
                // What they are is not known; that they are there is told with the failure.
                _ => Ok(()),
            };
        }
        let mut sheet = Sheet::new([
            ("message id", Kind::Whole),
            ("error code", Kind::Whole),
            ("age", Kind::Whole),
            ("receives", Kind::Whole),
            ("stream", Kind::Yields),
            ("error", Kind::Words),
        ]);
        for message in &self.messages {
            sheet.add([
                message.message_id.clone().into(),
                Cell::bad(message.error_code.clone()),
                message.sent_at.map(|at| age(self.now.since(at))).into(),
                message.receive_count.to_string().into(),
                message.stream_id.clone().into(),
                message.error.clone().into(),
            ]);
        }
        sheet.write(out)?;
        for message in &self.messages {
            if let Some(body) = &message.body {
                writeln!(out, "\n{}\n{body}", message.message_id)?;
            }
        }
        let shown = self.messages.len();
        if self.of > shown + self.held {
            writeln!(out, "{shown} of about {} (--limit shows more)", self.of)?;
        }
        if self.held > 0 {
            let Self { held, about_held, .. } = self;
            say(
                out,
                Tone::Plain,
                &format!("{held} more can't be received: {about_held}"),
            )?;
        }
        Ok(())
    }
}

/// Shows the messages of one dead-letter queue.
pub(crate) async fn show(
    stack: &Stack,
    format: Format,
    queue: &str,
    limit: usize,
    body: bool,
    wait: Wait,
) -> Result<(), Failure> {
    let dead_letter_queue = dead_letter_queue(stack.queue(queue)?);
    let look = look(stack, &dead_letter_queue, limit, Purpose::Look, wait).await?;
    let shown = Letters {
        queue: stack.names.of_function(&dead_letter_queue),
        messages: look
            .letters
            .iter()
            .map(|letter| ShownLetter::of(stack, &dead_letter_queue, letter, body))
            .collect(),
        of: look.of(),
        held: look.held(),
        about_held: look.about_held(),
        now: stack.clock.now(),
    };
    format.print(&shown)?;
    if shown.messages.is_empty() && shown.held > 0 {
        return Err(all_held(&shown.queue, &look));
    }
    Ok(())
}

async fn look(
    stack: &Stack,
    queue: &str,
    limit: usize,
    purpose: Purpose,
    wait: Wait,
) -> Result<Look, Failure> {
    let bar = progress(None, "receiving messages");
    let look = letters::look(stack, queue, limit, purpose, wait.into(), &bar).await?;
    bar.finish_and_clear();
    look.ok_or_else(|| {
        Failure::NotFound(format!(
            "the stack has no queue {}",
            stack.names.of_function(queue)
        ))
    })
}

fn all_held(queue: &str, look: &Look) -> Failure {
    Failure::Failed(format!(
        "{queue} holds {}, of which none can be received: {}",
        count(look.held(), "message", "messages"),
        look.about_held()
    ))
}

/// The messages of a dead-letter queue that are meant.
pub(crate) struct Meant {
    pub(crate) letters: Vec<Received>,
    /// How many messages may be meant and could not be received, and what to know of them.
    pub(crate) held: usize,
    pub(crate) about_held: String,
}

/// All messages of a dead-letter queue that are meant. There is no telling where in a queue a message
/// is, so all are received, and those that are not meant are let go with the rest in the end.
pub(crate) async fn meant(stack: &Stack, dead_letter_queue: &str, which: &Which) -> Result<Meant, Failure> {
    which.check()?;
    let look = look(stack, dead_letter_queue, usize::MAX, Purpose::Work, which.wait).await?;
    let queue = stack.names.of_function(dead_letter_queue);
    if look.letters.is_empty() && look.held() > 0 {
        return Err(all_held(&queue, &look));
    }
    let (all, held, about_held) = (look.letters.len(), look.held(), look.about_held());
    let mut letters = look.letters;
    letters.retain(|letter| which.matches(letter));
    let missing: Vec<_> = which
        .ids
        .iter()
        .filter(|id| !letters.iter().any(|letter| letter.message_id == **id))
        .cloned()
        .collect();
    let received = count(all, "message", "messages");
    if (letters.is_empty() || !missing.is_empty()) && held > 0 {
        let wanted = if missing.is_empty() {
            "nothing that matches is".to_owned()
        } else {
            format!("{} is not", missing.join(", "))
        };
        return Err(Failure::Failed(format!(
            "{wanted} among the {received} that could be received from {queue}; {held} more can't be: \
             {about_held}. Nothing was done"
        )));
    }
    if letters.is_empty() || !missing.is_empty() {
        return Err(Failure::NotFound(if missing.is_empty() {
            format!("nothing in {queue} matches; it holds {received}")
        } else {
            format!(
                "{} is not in {queue} or does not match; it holds {received}. Nothing was done",
                missing.join(", ")
            )
        }));
    }
    Ok(Meant {
        letters,
        // Those that were named by their ids are all there.
        held: if which.ids.is_empty() { held } else { 0 },
        about_held,
    })
}

/// What became of the messages that were meant.
#[derive(Serialize)]
pub(crate) struct Outcome {
    /// What was done with them, as in "sent back".
    #[serde(skip)]
    what: &'static str,
    queue: String,
    /// Where they were sent; none if they were dropped.
    to: Option<String>,
    /// How many were meant and could be received.
    of: usize,
    done: usize,
    /// Whether it was interrupted before it came to all of them.
    interrupted: bool,
    /// Those that it came to.
    messages: Vec<Settled>,
    /// How many messages may have been meant, and another reader holds them.
    held: usize,
    #[serde(skip)]
    about_held: String,
}

#[derive(Serialize)]
struct Settled {
    message_id: String,
    /// Its id on the queue that it was sent back to.
    new_message_id: Option<String>,
    failed: Option<String>,
    /// Whether the answer was not waited for.
    #[serde(skip)]
    is_unknown: bool,
}

impl Report for Outcome {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        for message in &self.messages {
            if let Some(failed) = &message.failed {
                writeln!(out, "{}: {failed}", message.message_id)?;
            }
        }
        let messages = if self.interrupted {
            format!("{} of {}", self.done, count(self.of, "message", "messages"))
        } else {
            count(self.done, "message", "messages")
        };
        match &self.to {
            Some(to) => write!(out, "{messages} of {} sent back to {to}", self.queue)?,
            None => write!(out, "{messages} of {} dropped", self.queue)?,
        }
        if self.interrupted {
            write!(out, " before the interruption")?;
        }
        writeln!(out)
    }
}

impl Change for Outcome {
    fn verdict(&self) -> Result<(), Failure> {
        let what = self.what;
        let unknown = self.messages.iter().filter(|message| message.is_unknown).count();
        let failed = self.messages.len() - self.done - unknown;
        let mut wrong = Vec::new();
        if self.interrupted {
            let untouched = self.of - self.messages.len();
            let (was, stays) = one_or_more(untouched, ("was", "stays"), ("were", "stay"));
            wrong.push(format!(
                "{} of {} {} {what}; {untouched} {was} not come to and {stays} in {}",
                self.done,
                count(self.of, "message", "messages"),
                one_or_more(self.done, "was", "were"),
                self.queue
            ));
        }
        if unknown > 0 {
            let (messages, were) = (
                count(unknown, "message", "messages"),
                one_or_more(unknown, "it was", "they were"),
            );
            wrong.push(format!("of {messages} it is not known whether {were} {what}"));
        }
        if failed > 0 {
            let messages = count(self.of, "message", "messages");
            wrong.push(format!("{failed} of {messages} could not be {what}"));
        }
        if self.held > 0 {
            let messages = count(self.held, "message", "messages");
            wrong.push(format!(
                "{messages} more could not be received, and not be {what}: {}; the same command does {} then",
                self.about_held,
                one_or_more(self.held, "it", "them")
            ));
        }
        match wrong.as_slice() {
            [] => Ok(()),
            _ if self.interrupted => Err(Failure::Interrupted(wrong.join("; "))),
            _ => Err(Failure::Failed(wrong.join("; "))),
        }
    }
}

/// Sends messages back to the queue that they came from.
pub(crate) async fn redrive(stack: &Stack, format: Format, redrive: Redrive) -> Result<(), Failure> {
    let queue = stack.queue(&redrive.queue)?;
    let mended = redrive.body_from.as_deref().map(read_mended).transpose()?;
    if mended.is_some() && redrive.which.ids.len() != 1 {
        return Err(Failure::Usage(
            "--body-from mends one message; name it with one --id".into(),
        ));
    }
    if let Some(file) = &redrive.patch {
        return patched_back(stack, queue, &redrive, file).await?.print(format);
    }
    let mended = mended.as_ref().map(|mended| (mended, &redrive as &dyn Allowed));
    let sent_back = sent_back(stack, queue, &redrive.which, mended).await?;
    sent_back.print(format)
}

/// Sends the messages of a queue back that are meant; in place of the one that is, what somebody wrote.
pub(crate) async fn sent_back(
    stack: &Stack,
    queue: &str,
    which: &Which,
    mended: Option<(&Mended, &dyn Allowed)>,
) -> Result<Outcome, Failure> {
    let check = |original: Option<&str>| {
        let checked = mended.map(|(mended, allowed)| mended.checked(stack, queue, allowed, original));
        checked.transpose()
    };
    let mut body = check(None)?;
    let meant = meant(stack, &dead_letter_queue(queue), which).await?;
    if let [letter] = meant.letters.as_slice() {
        body = check(Some(&letter.body))?;
    }
    let bodies: Vec<_> = body.into_iter().collect();
    Ok(all_sent_back(stack, queue, meant, &bodies).await)
}

/// How many messages that a patch does not mend are told.
const UNMENDED: usize = 50;

/// Sends the messages back that are meant, each mended by a patch; none if the function would refuse one of them again.
async fn patched_back(
    stack: &Stack,
    queue: &str,
    redrive: &Redrive,
    file: &Path,
) -> Result<Outcome, Failure> {
    let (text, place) = (read_input(file)?, name_of(file));
    let patch = Patch::read(&text);
    let patch =
        patch.map_err(|why| Failure::Usage(format!("{place} is no patch: {why}; nothing was done")))?;
    let meant = meant(stack, &dead_letter_queue(queue), &redrive.which).await?;
    let (mut bodies, mut told, mut unmended) = (Vec::with_capacity(meant.letters.len()), Vec::new(), 0);
    for letter in &meant.letters {
        let name = format!("message {}", letter.message_id);
        let faults = match patch.apply(&letter.body) {
            Err(why) => vec![format!("{name} can't be patched: {why}")],
            Ok(text) => {
                let mended = Mended::of(&text, &name);
                let faults = mended.faults(stack, queue, redrive, &letter.body);
                if faults.is_empty() {
                    bodies.push(mended.checked(stack, queue, redrive, Some(&letter.body))?);
                }
                faults
            }
        };
        unmended += usize::from(!faults.is_empty());
        told.extend(faults);
    }
    if unmended == 0 {
        return Ok(all_sent_back(stack, queue, meant, &bodies).await);
    }
    if told.len() > UNMENDED {
        let more = told.split_off(UNMENDED).len();
        told.push(format!("and {more} more"));
    }
    Err(Failure::Usage(format!(
        "with {place}, {unmended} of {} would still be refused, so nothing was done; --id and --code leave messages out, \
         and --no-check sends those whatever their function says that can be patched:\n  {}",
        count(meant.letters.len(), "message", "messages"),
        told.join("\n  ")
    )))
}

/// Sends messages back, each with the body at its place in `bodies`, or its own.
async fn all_sent_back(stack: &Stack, queue: &str, meant: Meant, bodies: &[String]) -> Outcome {
    let Meant {
        letters,
        held,
        about_held,
    } = meant;
    let bar = progress(Some(letters.len() as u64), "sending messages back");
    let (mut messages, mut interrupted) = (Vec::with_capacity(letters.len()), false);
    stack.interruption.mind();
    for batch in letters.chunks(MAX_BATCH) {
        if stack.interruption.came() {
            interrupted = true;
            break;
        }
        let mended = bodies.get(messages.len()..).unwrap_or_default();
        let sent = send_back(stack, queue, batch, mended);
        if let Some(sent) = stack.interruption.unless_twice(sent).await {
            messages.extend(sent);
        } else {
            interrupted = true;
            messages.extend(unknown(batch, "sent back"));
        }
        bar.set_position(messages.len() as u64);
    }
    bar.finish_and_clear();
    Outcome {
        what: "sent back",
        queue: stack.names.of_function(&dead_letter_queue(queue)),
        to: Some(if queue == DEADLINES {
            "the queues that they are for".to_owned()
        } else {
            stack.names.of_function(queue)
        }),
        of: letters.len(),
        done: messages.iter().filter(|message| message.failed.is_none()).count(),
        interrupted,
        messages,
        held,
        about_held,
    }
}

/// What somebody wrote in place of a letter's body.
pub(crate) struct Mended {
    text: String,
    /// Where it stands.
    file: String,
}

fn read_mended(file: &Path) -> Result<Mended, Failure> {
    let (text, file) = (read_input(file)?, name_of(file));
    if text.is_empty() {
        return Err(Failure::Usage(format!(
            "{file} is empty; a message has 1 byte to 1 MiB"
        )));
    }
    Ok(Mended { text, file })
}

/// What there is to say of a mended body.
enum Reviewed<'s> {
    /// It is not one message, and why.
    NoMessage(String),
    /// It is one, and nobody can say more of it.
    Unread,
    /// The message that it makes, and what is wrong with it in the eyes of its function.
    Read(String, &'s Function, Problems),
}

impl Mended {
    /// What was written at a place.
    pub(crate) fn of(text: &str, place: &str) -> Self {
        Self {
            text: text.to_owned(),
            file: place.to_owned(),
        }
    }

    /// The body to send. Refused is one that the function would refuse again, or that has fields which
    /// neither the function knows nor the `original` had: those that its sender adds are no mistake of
    /// whoever mends it.
    fn checked(
        &self,
        stack: &Stack,
        queue: &str,
        allowed: &dyn Allowed,
        original: Option<&str>,
    ) -> Result<String, Failure> {
        let fits = |body: String| match self.too_large(&body) {
            Some(why) => Err(Failure::Usage(why)),
            None => Ok(sendable(body)),
        };
        if allowed.everything() {
            return fits(self.text.clone());
        }
        match self.reviewed(stack, queue, allowed, original) {
            Reviewed::NoMessage(why) => Err(Failure::Usage(format!(
                "{why}; nothing was done (--no-check sends it all the same)"
            ))),
            Reviewed::Unread => fits(self.text.clone()),
            Reviewed::Read(body, function, problems) => {
                problems.none(function, "nothing was done")?;
                fits(body)
            }
        }
    }

    /// All that is wrong with it, if that is looked at.
    pub(crate) fn faults(
        &self,
        stack: &Stack,
        queue: &str,
        allowed: &dyn Allowed,
        original: &str,
    ) -> Vec<String> {
        if self.text.is_empty() {
            return vec![format!("{} is empty; a message has 1 byte to 1 MiB", self.file)];
        }
        let (body, mut faults) = if allowed.everything() {
            (self.text.clone(), Vec::new())
        } else {
            match self.reviewed(stack, queue, allowed, Some(original)) {
                Reviewed::NoMessage(why) => (self.text.clone(), vec![why]),
                Reviewed::Unread => (self.text.clone(), Vec::new()),
                Reviewed::Read(body, _, problems) => (body, problems.told()),
            }
        };
        faults.extend(self.too_large(&body));
        faults
    }

    fn too_large(&self, body: &str) -> Option<String> {
        let (file, bytes) = (&self.file, body.len());
        (bytes > MAX_MESSAGE_BYTES)
            .then(|| format!("{file} makes a message of {bytes} bytes; expected 1 MiB at most"))
    }

    fn reviewed<'s>(
        &self,
        stack: &'s Stack,
        queue: &str,
        allowed: &dyn Allowed,
        original: Option<&str>,
    ) -> Reviewed<'s> {
        let Self { text, file } = self;
        let mut pieces = written(text);
        let piece = match (pieces.pop(), pieces.len()) {
            (None, _) => return Reviewed::NoMessage(format!("{file} holds no message, but blanks")),
            (Some(Ok(piece)), 0) => piece,
            (last, others) => {
                let broken = pieces.into_iter().chain(last).filter_map(Result::err);
                let broken: Vec<_> = broken.map(|error| format!("{file}, {error}")).collect();
                return Reviewed::NoMessage(match broken.as_slice() {
                    [] => format!("{file} holds {} messages; one letter takes one", others + 1),
                    _ => broken.join("\n  "),
                });
            }
        };
        let function = stack.bundle.registry.function(queue);
        let draft = function.and_then(|function| Some((function, function.draft(piece.json, Form::Either)?)));
        let Some((function, mut draft)) = draft else {
            return Reviewed::Unread;
        };
        if draft.faults.is_empty() {
            let of_sender = original.and_then(|original| function.draft(original, Form::Message));
            let Some(of_sender) = of_sender else {
                return Reviewed::Read(draft.body, function, Problems::default());
            };
            // By its path in the message; of bare fields, the path in what was written begins further in.
            let is_of_sender = |path: &str| {
                let is_same = |theirs: &str| theirs == path || theirs.strip_prefix("command.") == Some(path);
                of_sender.unknown.iter().any(|field| is_same(field.path()))
            };
            draft.unknown.retain(|field| !is_of_sender(field.path()));
        }
        let mut problems = Problems::default();
        problems.add(&draft, allowed, |path| {
            format!("{file}, line {}", piece.line_of(path))
        });
        Reviewed::Read(draft.body, function, problems)
    }
}

/// Sends a batch, then deletes those of it that were sent. Whatever happens in between, each message is
/// on one of the two queues.
async fn send_back(stack: &Stack, queue: &str, batch: &[Received], mended: &[String]) -> Vec<Settled> {
    let takes_commands = |queue: &str| {
        let function = stack.bundle.registry.function(queue);
        function.is_some_and(|function| function.read_command("").is_some())
    };
    let outgoing = |(to, place, letter): &(&str, usize, &Received)| {
        let body = mended.get(*place).unwrap_or(&letter.body);
        let unchanged = Outgoing {
            attributes: letters::attributes_of_sender(letter),
            ..Outgoing::now(*to, body, letter.trace.clone())
        };
        let (id, _) = ids_of(&letter.body, &letter.message_id);
        let named = Outgoing {
            body: with_id(&unchanged.body, &id),
            ..unchanged.clone()
        };
        // One that leaves no room for an id is taken for what it is by its content.
        if takes_commands(to) && named.bytes() <= MAX_MESSAGE_BYTES {
            named
        } else {
            unchanged
        }
    };
    let homes: Vec<_> = batch
        .iter()
        .map(|letter| letters::came_from(stack, queue, letter))
        .collect();
    let known = homes.iter().zip(batch).enumerate();
    let known: Vec<_> = known
        .filter_map(|(place, (home, letter))| Some((*home.as_ref().ok()?, place, letter)))
        .collect();
    let messages: Vec<_> = known.iter().map(outgoing).collect();
    let mut sent = stack.queues.send(&messages).await.into_iter();
    let unanswered = || Err(QueueError::Unanswered);
    let sent = homes.iter().map(|home| match home {
        Ok(_) => sent.next().unwrap_or_else(unanswered),
        Err(why) => Err(QueueError::Refused(why.clone())),
    });
    let sent: Vec<_> = sent.collect();
    let went = batch.iter().zip(&sent).filter(|(_, sent)| sent.is_ok());
    let went: Vec<_> = went.map(|(letter, _)| letter).collect();
    let deleted = letters::delete(stack, &dead_letter_queue(queue), &went).await;
    let kept: BTreeMap<_, _> = went
        .iter()
        .zip(deleted)
        .filter_map(|(letter, deleted)| Some((letter.message_id.clone(), deleted.err()?)))
        .collect();
    let settled = |(letter, sent): (&Received, Result<String, QueueError>)| {
        let kept = kept.get(&letter.message_id);
        let kept = kept.map(|why| format!("sent back, but it is still in the dead-letter queue: {why}"));
        Settled {
            message_id: letter.message_id.clone(),
            failed: sent.as_ref().err().map(|why| format!("not sent: {why}")).or(kept),
            new_message_id: sent.ok(),
            is_unknown: false,
        }
    };
    batch.iter().zip(sent).map(settled).collect()
}

/// Messages whose request was not waited for.
fn unknown(batch: &[Received], what: &str) -> Vec<Settled> {
    let settled = |letter: &Received| Settled {
        message_id: letter.message_id.clone(),
        new_message_id: None,
        failed: Some(format!(
            "it is not known whether it was {what}: the answer was not waited for"
        )),
        is_unknown: true,
    };
    batch.iter().map(settled).collect()
}

/// Deletes messages for good.
pub(crate) async fn drop(stack: &Stack, format: Format, drop: DropLetters) -> Result<(), Failure> {
    let dead_letter_queue = dead_letter_queue(stack.queue(&drop.queue)?);
    let name = stack.names.of_function(&dead_letter_queue);
    let asks = may_ask(drop.yes)?;
    let Meant {
        letters,
        held,
        about_held,
    } = meant(stack, &dead_letter_queue, &drop.which).await?;
    if asks {
        let summary = summary(stack, &dead_letter_queue, &letters);
        for group in &summary.groups {
            let code = group.error_code.as_deref().unwrap_or("moved by SQS");
            note!("{} {code}: {}", group.count, group.error);
        }
        confirm(&format!(
            "Drop {} of {name} for good?",
            count(letters.len(), "message", "messages")
        ))
        .await?;
    }
    let meant = Meant {
        letters,
        held,
        about_held,
    };
    dropped(stack, &dead_letter_queue, meant).await.print(format)
}

/// Deletes the messages of a dead-letter queue that are meant.
pub(crate) async fn dropped(stack: &Stack, dead_letter_queue: &str, meant: Meant) -> Outcome {
    let Meant {
        letters,
        held,
        about_held,
    } = meant;
    let bar = progress(Some(letters.len() as u64), "dropping messages");
    let (mut messages, mut interrupted) = (Vec::with_capacity(letters.len()), false);
    stack.interruption.mind();
    for batch in letters.chunks(MAX_BATCH) {
        if stack.interruption.came() {
            interrupted = true;
            break;
        }
        let these: Vec<_> = batch.iter().collect();
        let deleted = letters::delete(stack, dead_letter_queue, &these);
        let settled = |(letter, deleted): (&Received, Result<(), QueueError>)| Settled {
            message_id: letter.message_id.clone(),
            new_message_id: None,
            failed: deleted.err().map(|why| format!("not deleted: {why}")),
            is_unknown: false,
        };
        if let Some(deleted) = stack.interruption.unless_twice(deleted).await {
            messages.extend(batch.iter().zip(deleted).map(settled));
        } else {
            interrupted = true;
            messages.extend(unknown(batch, "dropped"));
        }
        bar.set_position(messages.len() as u64);
    }
    bar.finish_and_clear();
    Outcome {
        what: "dropped",
        queue: stack.names.of_function(dead_letter_queue),
        to: None,
        of: letters.len(),
        done: messages.iter().filter(|message| message.failed.is_none()).count(),
        interrupted,
        messages,
        held,
        about_held,
    }
}
