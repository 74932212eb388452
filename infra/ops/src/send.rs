//! Sends commands, read from fields, from text or from a file, and checked by the reader of the function
//! that will take them: what it would refuse as malformed is refused here, before anything is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::slice;

use aws_adapters::{MAX_BATCH, Outgoing, pascal_case};
use bundle::Function;
use clap::Args;
use eventsourcing::{Draft, DraftFault, Form, written};
use futures::stream::{FuturesUnordered, StreamExt};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::arguments::{name_of, read_input};
use crate::failure::Failure;
use crate::letters::with_id;
use crate::output::{Format, Report, count, progress};
use crate::sheet::{Kind, Sheet, Tone, say};
use crate::stack::Stack;

/// How many batches are under way at once: a stack that is hard at work takes its time for each, and would do so two
/// hundred times for two thousand commands.
const CALLS: usize = 16;

/// Which commands.
#[allow(clippy::doc_markdown)]
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The command's type
    r#type: String,
    /// The command's fields; a value is taken as JSON where the field holds a number or a list, as text
    /// elsewhere
    #[arg(value_name = "FIELD=VALUE", conflicts_with_all = ["file", "command"])]
    fields: Vec<String>,
    /// A file with one command as JSON, or one on each line; `-` is standard input. A command is its
    /// fields, or a whole message with `command`, `id` and `metadata`
    #[arg(long, value_name = "FILE", conflicts_with = "command")]
    file: Option<PathBuf>,
    /// The command as JSON, as in a file
    #[arg(long, value_name = "JSON")]
    command: Option<String>,
    /// Sends fields that the function does not know, and ignores
    #[arg(long)]
    allow_unknown_fields: bool,
    /// Sends even what the function will refuse
    #[arg(long)]
    no_check: bool,
}

/// A command that can be sent.
#[derive(Debug)]
pub(crate) struct Ready {
    body: String,
    pub(crate) id: String,
    pub(crate) stream_id: Option<String>,
}

#[derive(Serialize)]
struct Outcome {
    queue: String,
    /// How many were to be sent.
    of: usize,
    /// Whether it was interrupted before it came to all of them.
    interrupted: bool,
    /// Those that it came to.
    sent: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    message_id: Option<String>,
    id: String,
    stream_id: Option<String>,
    error: Option<String>,
}

impl Row {
    fn of((ready, outcome): (&Ready, Result<String, String>)) -> Self {
        let (message_id, error) = match outcome {
            Ok(message_id) => (Some(message_id), None),
            Err(why) => (None, Some(why)),
        };
        Self {
            message_id,
            id: ready.id.clone(),
            stream_id: ready.stream_id.clone(),
            error,
        }
    }
}

impl Report for Outcome {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        let columns = ["queue", "message id", "id", "stream"];
        let mut sheet = Sheet::new(columns.map(|title| (title, Kind::Whole)));
        for row in &self.sent {
            sheet.add([
                self.queue.clone().into(),
                row.message_id.clone().into(),
                row.id.clone().into(),
                row.stream_id.clone().into(),
            ]);
        }
        sheet.write(out)?;
        for row in &self.sent {
            if let Some(error) = &row.error {
                say(out, Tone::Bad, &format!("{}: {error}", row.id))?;
            }
        }
        Ok(())
    }
}

/// Checks all, then sends all.
pub(crate) async fn send(stack: &Stack, format: Format, command: Send) -> Result<(), Failure> {
    let function = stack.command(&command.r#type)?;
    let ready = read(function, &command)?;
    let (rows, interrupted) = deliver_all(stack, function, &ready).await;
    let failed = rows.iter().filter(|row| row.error.is_some()).count();
    let (tried, all) = (rows.len(), count(ready.len(), "command", "commands"));
    format.print(&Outcome {
        queue: stack.names.of_function(&function.name),
        of: ready.len(),
        interrupted,
        sent: rows,
    })?;
    match failed {
        _ if interrupted => Err(Failure::Interrupted(format!(
            "{} of {all} sent, {failed} not sent or not known to be, {} not come to",
            tried - failed,
            ready.len() - tried
        ))),
        0 => Ok(()),
        _ => Err(Failure::Failed(format!("{failed} of {all} could not be sent"))),
    }
}

/// Sends them in batches, several of which are under way at once; what became of those that it came to, in their order,
/// and whether it was interrupted before it came to all. Of one stream, a batch is begun when the one before has its
/// answer: its commands go in the order in which they were written.
async fn deliver_all(stack: &Stack, function: &Function, ready: &[Ready]) -> (Vec<Row>, bool) {
    let bar = progress(Some(ready.len() as u64), "sending commands");
    let batches: Vec<_> = ready.chunks(MAX_BATCH).collect();
    let mut outcomes: Vec<Option<Vec<Result<String, String>>>> = vec![None; batches.len()];
    let (mut begun, mut interrupted) = (0, false);
    let mut under_way = FuturesUnordered::new();
    // The streams of what is under way, by the place of the batch.
    let mut streams: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    stack.interruption.mind();
    loop {
        while let Some(batch) = batches.get(begun)
            && under_way.len() < CALLS
        {
            if stack.interruption.came() {
                interrupted = true;
                break;
            }
            let own: BTreeSet<_> = batch
                .iter()
                .filter_map(|ready| ready.stream_id.as_deref())
                .collect();
            if streams.values().any(|others| !others.is_disjoint(&own)) {
                break;
            }
            streams.insert(begun, own);
            let place = begun;
            under_way.push(async move { (place, deliver(stack, function, batch).await) });
            begun += 1;
        }
        match stack.interruption.unless_twice(under_way.next()).await {
            Some(Some((place, sent))) => {
                streams.remove(&place);
                bar.inc(sent.len() as u64);
                outcomes[place] = Some(sent);
            }
            Some(None) => break,
            None => {
                interrupted = true;
                break;
            }
        }
    }
    bar.finish_and_clear();
    let unknown = "it is not known whether it was sent: the answer was not waited for";
    let of_batch = |(batch, outcomes): (&&[Ready], Option<Vec<_>>)| {
        let outcomes = outcomes.unwrap_or_else(|| vec![Err(unknown.to_owned()); batch.len()]);
        batch.iter().zip(outcomes).map(Row::of).collect::<Vec<_>>()
    };
    let rows = batches.iter().zip(outcomes).take(begun).flat_map(of_batch);
    (rows.collect(), interrupted)
}

/// Sends up to [`MAX_BATCH`] commands at once; for each its message's id, or why it was not sent.
pub(crate) async fn deliver(
    stack: &Stack,
    function: &Function,
    batch: &[Ready],
) -> Vec<Result<String, String>> {
    let outgoing = |ready: &Ready| Outgoing::now(&function.name, &ready.body, None);
    let messages: Vec<_> = batch.iter().map(outgoing).collect();
    let outcomes = stack.queues.send(&messages).await.into_iter();
    outcomes
        .map(|outcome| outcome.map_err(|why| format!("not sent: {why}")))
        .collect()
}

/// Sends one command; its message's id.
pub(crate) async fn deliver_one(
    stack: &Stack,
    function: &Function,
    ready: &Ready,
) -> Result<String, Failure> {
    let sent = deliver(stack, function, slice::from_ref(ready)).await.pop();
    let unknown = || Err("SQS did not say whether it was sent".to_owned());
    sent.unwrap_or_else(unknown).map_err(Failure::Failed)
}

/// One command as somebody wrote it, in the forms that a file holds; or all that is wrong with it, each with its line.
pub(crate) fn checked(function: &Function, text: &str) -> Result<Ready, Vec<String>> {
    let pieces = written(text);
    let several = pieces.len();
    let (mut commands, mut problems) = (Vec::new(), Problems::default());
    for piece in pieces {
        match piece {
            Ok(piece) => {
                let draft = draft(function, piece.json, Form::Either);
                problems.add(&draft, &Nothing, |path| format!("line {}", piece.line_of(path)));
                commands.push(ready(function, &draft.body));
            }
            Err(error) => problems.add_other(error.to_string()),
        }
    }
    if several > 1 && commands.len() == several {
        problems.add_other(format!("these are {several} commands; expected one"));
    }
    match commands.pop() {
        Some(command) if problems.told.is_empty() => Ok(command),
        None if several == 0 => Err(vec!["nothing is written; expected a command".to_owned()]),
        _ => Err(problems.told),
    }
}

fn read(function: &Function, command: &Send) -> Result<Vec<Ready>, Failure> {
    let (text, place) = match (&command.file, &command.command) {
        (Some(file), _) => (read_input(file)?, name_of(file)),
        (None, Some(text)) => (text.clone(), "--command".to_owned()),
        (None, None) => return Ok(vec![of_fields(function, command)?]),
    };
    let pieces = written(&text);
    if pieces.is_empty() {
        return Err(Failure::Usage(format!("{place} holds no command")));
    }
    // What is no JSON can be sent only unchecked, and then as one message.
    if command.no_check && pieces.iter().any(Result::is_err) {
        return Ok(vec![ready(function, &text)]);
    }
    let bar = progress(Some(pieces.len() as u64), "checking commands");
    let (mut commands, mut problems) = (Vec::new(), Problems::default());
    for (number, piece) in pieces.into_iter().enumerate() {
        match piece {
            Ok(piece) => {
                let draft = draft(function, piece.json, Form::Either);
                let place =
                    |path: &str| format!("{place}, command {}, line {}", number + 1, piece.line_of(path));
                problems.add(&draft, command, place);
                commands.push(ready(function, &draft.body));
            }
            Err(error) => problems.add_other(format!("{place}, {error}")),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    problems.none(function, "nothing was sent")?;
    Ok(commands)
}

/// What is wrong with what somebody wrote.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    told: Vec<String>,
    /// Whether there is more to it than unknown fields.
    faults: bool,
}

/// How many problems are shown.
const SHOWN: usize = 50;

impl Problems {
    /// Adds what is wrong with a command that stands at a place, by the path of the field.
    pub(crate) fn add(
        &mut self,
        draft: &Draft,
        allowed: &(impl Allowed + ?Sized),
        place: impl Fn(&str) -> String,
    ) {
        if allowed.everything() {
            return;
        }
        for fault in &draft.faults {
            self.add_other(format!("{}: {fault}", place(fault.path().unwrap_or_default())));
        }
        if !allowed.unknown_fields() {
            let told = draft.unknown.iter();
            self.told
                .extend(told.map(|field| format!("{}: {field}", place(field.path()))));
        }
    }

    fn add_other(&mut self, fault: String) {
        self.faults = true;
        self.told.push(fault);
    }

    /// All of them, in words.
    pub(crate) fn told(self) -> Vec<String> {
        self.told
    }

    /// Fails if there are any.
    pub(crate) fn none(&self, function: &Function, undone: &str) -> Result<(), Failure> {
        if self.told.is_empty() {
            return Ok(());
        }
        let mut told: Vec<_> = self.told.iter().take(SHOWN).cloned().collect();
        if self.told.len() > SHOWN {
            told.push(format!("and {} more", self.told.len() - SHOWN));
        }
        let anyway = if self.faults {
            "--no-check sends it all the same"
        } else {
            "--allow-unknown-fields sends them, and the function ignores them"
        };
        Err(Failure::Usage(format!(
            "what was given is no {}; {undone} ({anyway}):\n  {}",
            pascal_case(&function.name),
            told.join("\n  ")
        )))
    }
}

/// What may be sent though something is wrong with it.
pub(crate) trait Allowed {
    /// Whatever it is.
    fn everything(&self) -> bool;

    /// Fields that no function reads.
    fn unknown_fields(&self) -> bool;
}

/// Nothing may be wrong.
struct Nothing;

impl Allowed for Nothing {
    fn everything(&self) -> bool {
        false
    }

    fn unknown_fields(&self) -> bool {
        false
    }
}

impl Allowed for Send {
    fn everything(&self) -> bool {
        self.no_check
    }

    fn unknown_fields(&self) -> bool {
        self.allow_unknown_fields
    }
}

/// A command that was written for a function that takes commands, as all do here.
fn draft(function: &Function, json: &str, form: Form) -> Draft {
    function.draft(json, form).unwrap_or_else(|| Draft {
        body: json.to_owned(),
        faults: Vec::new(),
        unknown: Vec::new(),
    })
}

fn ready(function: &Function, body: &str) -> Ready {
    // Its own id, so that a request which the SDK repeats can't make two commands of one.
    let body = with_id(body, &Uuid::new_v4().to_string());
    let stream = function.read_command(&body).and_then(Result::ok);
    let (id, _) = eventsourcing::ids_of(&body, "-");
    Ready {
        body,
        id,
        stream_id: stream.map(|stream| stream.to_string()),
    }
}

/// The command of `field=value` arguments.
fn of_fields(function: &Function, command: &Send) -> Result<Ready, Failure> {
    let mut fields = BTreeMap::new();
    for argument in &command.fields {
        let (name, value) = argument.split_once('=').ok_or_else(|| {
            Failure::Usage(format!(
                "{argument:?} is no field; expected FIELD=VALUE, such as id=7"
            ))
        })?;
        if fields.insert(name.to_owned(), Candidate::of(value)).is_some() {
            return Err(Failure::Usage(format!("field {name} is given twice")));
        }
    }
    let told = draft_of(function, fields);
    let mut problems = Problems::default();
    problems.add(&told, command, |_| "the fields".to_owned());
    problems.none(function, "nothing was sent")?;
    Ok(ready(function, &told.body))
}

/// One command of these fields; or all that is wrong with it.
pub(crate) fn checked_fields<'f>(
    function: &Function,
    fields: impl IntoIterator<Item = (&'f str, &'f str)>,
) -> Result<Ready, Vec<String>> {
    let fields = fields.into_iter();
    let fields = fields.map(|(name, value)| (name.to_owned(), Candidate::of(value)));
    let draft = draft_of(function, fields.collect());
    let faults = draft.faults.iter().map(ToString::to_string);
    let unknown = draft.unknown.iter().map(ToString::to_string);
    let told: Vec<_> = faults.chain(unknown).collect();
    if told.is_empty() {
        Ok(ready(function, &draft.body))
    } else {
        Err(told)
    }
}

/// The command of these fields, with what is wrong with it. A value that is JSON, though not a string, is tried as
/// such first; where the reader wants something else there, it is text.
fn draft_of(function: &Function, mut fields: BTreeMap<String, Candidate>) -> Draft {
    let mut as_json: Vec<DraftFault> = Vec::new();
    let draft = loop {
        let draft = draft(function, &object(&fields), Form::Fields);
        let wrong = draft.faults.clone().into_iter();
        let tried: Vec<_> = wrong.filter(|fault| takes_as_text(&mut fields, fault)).collect();
        if tried.is_empty() {
            break draft;
        }
        as_json.extend(tried);
    };
    // What was wrong with the value as it was given says more than that text is wrong too.
    let as_given = |fault: &DraftFault| {
        let given = as_json.iter().find(|given| given.path() == fault.path());
        given.unwrap_or(fault).clone()
    };
    Draft {
        faults: draft.faults.iter().map(as_given).collect(),
        ..draft
    }
}

/// A field's value: as JSON if it can be taken so, and as text.
struct Candidate {
    json: Option<String>,
    text: String,
}

impl Candidate {
    fn of(value: &str) -> Self {
        let json = serde_json::from_str::<&RawValue>(value).ok();
        Self {
            json: json
                .map(|json| json.get().to_owned())
                .filter(|json| !json.starts_with('"')),
            text: Value::from(value).to_string(),
        }
    }

    fn raw(&self) -> &str {
        self.json.as_deref().unwrap_or(&self.text)
    }
}

/// Turns the value that the reader can't take from JSON into text; whether there was such a value.
fn takes_as_text(fields: &mut BTreeMap<String, Candidate>, fault: &DraftFault) -> bool {
    let field = fault.path().and_then(|field| fields.get_mut(field));
    field.is_some_and(|field| field.json.take().is_some())
}

fn object(fields: &BTreeMap<String, Candidate>) -> String {
    let field =
        |(name, value): (&String, &Candidate)| format!("{}:{}", Value::from(name.as_str()), value.raw());
    format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
}
