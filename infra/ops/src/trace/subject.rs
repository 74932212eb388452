//! What an id names: a thing, and with it all that it is a part of. What may be two things is asked about,
//! never guessed.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};

use aws_adapters::DynamoDbEventStore;
use eventsourcing::standing::{Heard, Members, StoredStream, Subject};
use eventsourcing::{EventStore, LoadError, Read, StreamId, TextForm};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use super::leftovers::Leftovers;
use super::whole_table;
use crate::called;
use crate::events;
use crate::failure::Failure;
use crate::kinds::{Key, Kinds};
use crate::output::{Format, Report, count};
use crate::stack::Stack;

/// How many streams are read at once: something may have thousands of members.
pub(super) const READS: usize = 16;

/// What is traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Traced {
    /// What it consists of, in the order in which it comes to be, as far as it is known; its members apart.
    Things(Vec<Key>),
    /// Something that messages name, and nothing tells what it is.
    Unknown(String),
}

impl Traced {
    /// A thing and what it belongs to, the outermost first, with all that their ids lead to.
    fn of(mut chain: Vec<Key>, kinds: &Kinds<'_>) -> Self {
        for key in chain.clone().into_iter().rev() {
            for computed in kinds.with_computed(key) {
                if chain.iter().all(|known| known.category != computed.category) {
                    chain.push(computed);
                }
            }
        }
        let place = |key: &Key| kinds.all().position(|kind| kind.category == key.category);
        chain.sort_by_key(place);
        Self::Things(chain)
    }

    /// What it consists of.
    pub(crate) fn keys(&self) -> &[Key] {
        match self {
            Self::Things(keys) => keys,
            Self::Unknown(_) => &[],
        }
    }

    /// Its streams.
    pub(crate) fn streams(&self) -> Vec<StreamId> {
        self.keys().iter().map(Key::stream).collect()
    }

    /// Who tells how it stands.
    pub(crate) fn subject(&self, kinds: &Kinds<'_>) -> Option<&'static dyn Subject> {
        self.keys().first().and_then(|key| kinds.subject(key))
    }

    /// The one of what it consists of that it is called by, if that is known.
    pub(crate) fn main(&self, kinds: &Kinds<'_>) -> Option<&Key> {
        let main = self.subject(kinds).map(Subject::main);
        self.keys().iter().find(|key| Some(key.category) == main)
    }

    /// What it is called: `loan 7 of book b-1`.
    pub(crate) fn title(&self, kinds: &Kinds<'_>) -> String {
        let keys = match self {
            Self::Things(keys) => keys,
            Self::Unknown(id) => return id.clone(),
        };
        let called = |key: &Key| {
            let noun = kinds.kind(key.category).map_or("", |kind| kind.noun());
            format!("{noun} {}", key.id)
        };
        match (self.main(kinds), keys.first()) {
            (Some(main), Some(first)) if main != first => format!("{} of {}", called(main), called(first)),
            (_, first) => first.map_or_else(String::new, called),
        }
    }

    /// What it is made up of besides, by its own streams.
    pub(crate) fn members(&self, kinds: &Kinds<'_>, own: &[StoredStream]) -> Option<Members> {
        self.subject(kinds)?.members(own)
    }

    /// What it has heard of each of them, by its own streams.
    pub(crate) fn heard(&self, kinds: &Kinds<'_>, own: &[StoredStream]) -> Vec<Heard> {
        let subject = self.subject(kinds);
        subject.map_or_else(Vec::new, |subject| subject.heard(own))
    }

    /// More streams that tell how it stands.
    pub(crate) fn related(&self, kinds: &Kinds<'_>, own: &[StoredStream]) -> Vec<StreamId> {
        let subject = self.subject(kinds);
        subject.map_or_else(Vec::new, |subject| subject.related(own))
    }
}

/// Where a thing of the id that was asked for is named, or what its own id leads to, which may be there
/// before the thing itself is.
#[derive(Clone, Debug)]
struct Evidence {
    stream: Option<StreamId>,
    letters: usize,
    outbox: usize,
}

impl Evidence {
    fn of(kinds: &Kinds<'_>, key: &Key, streams: &Streams, leftovers: &Leftovers<'_>) -> Self {
        let keys = kinds.with_computed(key.clone());
        Self {
            stream: keys
                .iter()
                .map(Key::stream)
                .find(|stream| streams.0.contains(stream)),
            letters: leftovers.letters_naming(&keys),
            outbox: leftovers.entries_naming(&keys),
        }
    }

    fn is_any(&self) -> bool {
        self.stream.is_some() || self.letters > 0 || self.outbox > 0
    }
}

/// The streams that there are of what an id may name, and of what that leads to.
pub(crate) struct Streams(BTreeSet<StreamId>);

impl Streams {
    /// Looks for all of them at once.
    pub(crate) async fn of(stack: &Stack, kinds: &Kinds<'_>, id: &str) -> Result<Self, Failure> {
        let keys = possible(id, kinds)?.into_iter();
        let keys = keys.flat_map(|key| kinds.with_computed(key));
        let names: BTreeSet<_> = keys
            .filter(|key| is_id(&key.id))
            .map(|key| key.stream())
            .collect();
        let there = names.into_iter().map(async |name| {
            let is_there = exists(stack, &name).await?;
            Ok::<_, Failure>(is_there.then_some(name))
        });
        let there: Vec<_> = stream::iter(there).buffered(READS).try_collect().await?;
        Ok(Self(there.into_iter().flatten().collect()))
    }
}

/// What an id names.
pub(crate) enum Found {
    Nothing,
    One(Traced),
    /// Whoever asks has to say which of them is meant.
    Several(Vec<Candidate>),
}

/// Finds what `id` names, and asks which is meant if that is more than one thing.
pub(crate) async fn find(
    stack: &Stack,
    format: Format,
    id: &str,
    kinds: &Kinds<'_>,
    streams: &Streams,
    leftovers: &Leftovers<'_>,
) -> Result<Option<Traced>, Failure> {
    match search_among(stack, id, kinds, streams, leftovers).await? {
        Found::Nothing => Ok(None),
        Found::One(traced) => Ok(Some(traced)),
        Found::Several(candidates) => Err(ask(format, id, candidates)?),
    }
}

/// Finds what `id` names: in the names of streams, in what is stuck on the way, or both.
pub(crate) async fn search(
    stack: &Stack,
    id: &str,
    kinds: &Kinds<'_>,
    leftovers: &Leftovers<'_>,
) -> Result<Found, Failure> {
    let streams = Streams::of(stack, kinds, id).await?;
    search_among(stack, id, kinds, &streams, leftovers).await
}

/// The same, where the streams have been looked for.
async fn search_among(
    stack: &Stack,
    id: &str,
    kinds: &Kinds<'_>,
    streams: &Streams,
    leftovers: &Leftovers<'_>,
) -> Result<Found, Failure> {
    let mut found: Vec<(Key, Evidence, Traced)> = Vec::new();
    for key in possible(id, kinds)? {
        let evidence = Evidence::of(kinds, &key, streams, leftovers);
        if evidence.is_any() {
            let traced = whole(stack, kinds, &key, leftovers).await?;
            found.push((key, evidence, traced));
        }
    }
    if let Some((_, _, first)) = found.first() {
        if found.iter().all(|(_, _, traced)| traced == first) {
            return Ok(Found::One(first.clone()));
        }
        return Ok(Found::Several(found.iter().map(Candidate::of).collect()));
    }
    if leftovers.letters_mentioning(id) > 0 {
        return Ok(Found::One(Traced::Unknown(id.to_owned())));
    }
    Ok(Found::Nothing)
}

/// What the text may name: the one thing of a kind that is said, or things of all kinds, and the one whose
/// stream is called so.
fn possible(id: &str, kinds: &Kinds<'_>) -> Result<Vec<Key>, Failure> {
    if let Some((kind, id)) = id.split_once('/')
        && let Some(category) = kinds.named(kind)
    {
        return Ok(vec![Key::new(category, id)]);
    }
    if id.is_empty() {
        let titles = kinds.titles();
        return Err(Failure::Usage(format!(
            "the id is empty; expected the id of {titles}"
        )));
    }
    let keys = kinds.all().map(|kind| Key::new(kind.category, id));
    Ok(kinds.of_stream(id).into_iter().chain(keys).collect())
}

async fn exists(stack: &Stack, stream: &StreamId) -> Result<bool, Failure> {
    let store = DynamoDbEventStore::new(stack.connection.dynamodb.clone(), stack.names.events_table());
    match store.latest(stream, Read::Consistent).await {
        Ok(latest) => Ok(latest.is_some()),
        // A broken stream is there, and its trace says what is wrong with it.
        Err(LoadError::Broken(_)) => Ok(true),
        Err(error) => Err(Failure::Failed(error.to_string())),
    }
}

/// A thing with what it belongs to, as far as streams tell, or leftovers.
pub(super) async fn whole(
    stack: &Stack,
    kinds: &Kinds<'_>,
    key: &Key,
    leftovers: &Leftovers<'_>,
) -> Result<Traced, Failure> {
    // What is no id is in no stream, but a message may hold it, and be refused for that.
    if !is_id(&key.id) {
        return Ok(Traced::Unknown(key.id.clone()));
    }
    let mut chain = vec![key.clone()];
    while let Some(owner) = owner(stack, kinds, &chain[0], leftovers).await? {
        // A kind that is a part of itself would lead on for ever.
        if chain.iter().any(|known| known.category == owner.category) {
            break;
        }
        chain.insert(0, owner);
    }
    Ok(Traced::of(chain, kinds))
}

/// What a thing belongs to: its stream says it, or its id is computed from one that is stuck.
async fn owner(
    stack: &Stack,
    kinds: &Kinds<'_>,
    key: &Key,
    leftovers: &Leftovers<'_>,
) -> Result<Option<Key>, Failure> {
    let Some(part_of) = kinds.kind(key.category).and_then(|kind| kind.part_of) else {
        return Ok(None);
    };
    let stream = events::read(stack, &key.stream()).await?;
    let recorded = stream.events().find_map(|(_, event)| event.text(part_of.field));
    let leads_here = |id: &String| {
        let computed = kinds.with_computed(Key::new(part_of.category, id));
        computed.contains(key)
    };
    let id = recorded.filter(|id| is_id(id));
    let id = id.or_else(|| leftovers.ids_of(part_of.category).find(leads_here));
    Ok(id.map(|id| Key::new(part_of.category, &id)))
}

/// Whether a business object may be called so; they all follow one rule.
fn is_id(id: &str) -> bool {
    TextForm::ID.fits(id)
}

/// One of the things that an id may name, for programs.
#[derive(Serialize)]
pub(crate) struct Candidate {
    /// What names it and nothing else.
    pub(crate) name: String,
    /// A stream of it, if there is one.
    stream_id: Option<String>,
    /// How many name it.
    dead_letters: usize,
    /// How many of its commits are in the outbox.
    outbox: usize,
}

impl Candidate {
    fn of((key, evidence, _): &(Key, Evidence, Traced)) -> Self {
        Self {
            name: key.to_string(),
            stream_id: evidence.stream.as_ref().map(ToString::to_string),
            dead_letters: evidence.letters,
            outbox: evidence.outbox,
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stream = self.stream_id.clone();
        let letters =
            (self.dead_letters > 0).then(|| count(self.dead_letters, "dead letter", "dead letters"));
        let outbox = (self.outbox > 0).then(|| count(self.outbox, "outbox entry", "outbox entries"));
        let places: Vec<_> = [stream, letters, outbox].into_iter().flatten().collect();
        f.write_str(&places.join(" and "))
    }
}

#[derive(Serialize)]
struct Ambiguous<'a> {
    id: &'a str,
    candidates: Vec<Candidate>,
}

impl Report for Ambiguous<'_> {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        let candidates = &self.candidates;
        let places: Vec<_> = candidates.iter().map(ToString::to_string).collect();
        write!(
            out,
            "{} names {} things: {}. Name the one that you mean by its kind and its id:",
            self.id,
            candidates.len(),
            places.join(", ")
        )?;
        let width = candidates.iter().map(|one| one.name.len()).max().unwrap_or(0);
        for (one, places) in candidates.iter().zip(places) {
            write!(out, "\n  {:width$}  {places}", one.name)?;
        }
        Ok(())
    }
}

/// The question which of them is meant, as an error. For programs it is the document, too.
fn ask(format: Format, id: &str, candidates: Vec<Candidate>) -> Result<Failure, Failure> {
    let question = Ambiguous { id, candidates };
    if format == Format::Json {
        format.print(&question)?;
    }
    let mut text = Vec::new();
    question.show(&mut text)?;
    Ok(Failure::Usage(String::from_utf8_lossy(&text).into_owned()))
}

/// Nothing is called so: as an error, with what could not be searched.
pub(crate) async fn nothing(
    stack: &Stack,
    id: &str,
    kinds: &Kinds<'_>,
    leftovers: &Leftovers<'_>,
) -> Result<Failure, Failure> {
    let of_kind = id.split_once('/').filter(|(kind, _)| kinds.named(kind).is_some());
    let bare = of_kind.map_or(id, |(_, id)| id);
    if !is_id(bare) && kinds.of_stream(bare).is_none_or(|key| !is_id(&key.id)) {
        return Ok(Failure::Usage(format!(
            "nothing can be called {id:?}, and no dead letter holds it; expected an id (1 to 128 characters from \
             A-Z a-z 0-9 . _ ~ : -), which may have its kind in front of it ({}), or a stream's name; \
             {}",
            kinds.prefixes(),
            whole_table::advice(stack).await
        )));
    }
    if let Ok(stream) = id.parse::<StreamId>()
        && exists(stack, &stream).await?
    {
        return Ok(Failure::Usage(format!(
            "{stream} is a stream of a kind that trace knows nothing of; {} stream {stream} shows it",
            called::name()
        )));
    }
    let nowhere = format!(
        "there is nothing of {id}: no stream of {}, no dead letter and no entry of the outbox that names it; {}",
        kinds.titles(),
        whole_table::advice(stack).await
    );
    if leftovers.unsearched().is_empty() {
        return Ok(Failure::NotFound(nowhere));
    }
    Ok(Failure::Failed(format!(
        "{nowhere}, as far as could be searched: {}",
        leftovers.unsearched().join("; ")
    )))
}
