//! The shape of a saga step: what an event makes the bundle do next.

use crate::{Command, Decider, Message, RuleSettings, StreamId, Timestamp};

/// One step of a saga or process: turns an event into commands. Pure, like the rules.
pub trait Step: Send + Sync + 'static {
    /// The event it waits for.
    type Event: Message;
    /// The rules of the stream that the event is in, for steps that need more of it than the event
    /// says.
    type Source: Decider;
    /// What it can be set to, such as deadlines.
    type Settings: RuleSettings;
    /// Whether it needs the state of the event's stream; otherwise it gets the empty state, unread.
    const READS_STATE: bool = false;
    /// The types of the commands that it sends.
    const SENDS: &'static [&'static str];

    /// The commands that follow from `event`. `state` is of the event's stream, at or after the event.
    ///
    /// It must be deterministic: a repeat of the event sends the same commands again.
    fn react(
        event: &Self::Event,
        state: &<Self::Source as Decider>::State,
        settings: &Self::Settings,
    ) -> Vec<Dispatch>;
}

/// The steps of one saga or process.
pub trait StepSet {
    /// What they can be set to.
    type Settings: RuleSettings;

    /// Shows the type of each of them to `visitor`, for what is done with every step alike.
    fn visit(visitor: &mut impl StepVisitor<Self::Settings>);
}

/// Does something with every step of a set.
pub trait StepVisitor<T: RuleSettings> {
    /// With this one.
    fn step<S: Step<Settings = T>>(&mut self);
}

/// Declares the steps of one saga or process, so that whoever explores it explores all of them.
#[macro_export]
macro_rules! steps {
    ($(#[$meta:meta])* pub struct $name:ident with $settings:ty { $($step:ident),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl $crate::StepSet for $name {
            type Settings = $settings;

            fn visit(visitor: &mut impl $crate::StepVisitor<$settings>) {
                $(visitor.step::<$step>();)*
            }
        }
    };
}

/// A command on its way out of a step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dispatch {
    /// The command's type.
    pub command_type: &'static str,
    /// The version of its fields.
    pub schema_version: u32,
    /// The stream it is for.
    pub stream: StreamId,
    /// Its fields as JSON text.
    pub json: String,
    /// When it is to be decided; at once if none.
    pub due: Option<Timestamp>,
}

impl Dispatch {
    /// Sends `command` at once.
    pub fn now<C: Command>(command: &C) -> Self {
        Self {
            command_type: C::TYPE,
            schema_version: C::SCHEMA_VERSION,
            stream: command.stream(),
            json: command.json(),
            due: None,
        }
    }

    /// Sends `command` so that it is decided at `due`, however far off that is. It has to be a deadline: only
    /// of those it is known that they may come early, and who may send them.
    pub fn at<C: Command>(due: Timestamp, command: &C) -> Self {
        const { assert!(C::DEADLINE, "only a deadline has a time of its own") };
        Self {
            due: Some(due),
            ..Self::now(command)
        }
    }
}
