//! Typed messages: one declaration gives a struct its wire name, its reader and its writer.

use serde::Serialize;

use crate::{FieldError, Fields, Review, Shape};

/// A command or an event, with the name and the fields that it has on the wire.
pub trait Message: Sized + Serialize + Send + Sync + 'static {
    /// Its name on the wire, in `PascalCase`.
    const TYPE: &'static str;

    /// The version in which it is written now. Raise it when the fields change in a way that
    /// [`Message::read`] can't bridge by itself, and teach [`Message::lift`] the step.
    const SCHEMA_VERSION: u32 = 1;

    /// Its name, its meaning and its fields.
    fn shape() -> Shape;

    /// Reads it from its fields; unknown fields are ignored.
    fn read(fields: &Fields<'_>) -> Result<Self, FieldError>;

    /// All that is wrong with its fields, and the names that it does not know.
    fn review(fields: &Fields<'_>) -> Review {
        Review::of(Self::read(fields))
    }

    /// Lifts the JSON of version `from` to the next version; none if there is no such step.
    fn lift(from: u32, json: &str) -> Option<String> {
        let (_, _) = (from, json);
        None
    }

    /// Its fields as JSON text.
    fn json(&self) -> String {
        // A message is a struct of strings, numbers and lists of them: no map with keys that are no
        // strings, no writer that can fail.
        serde_json::to_string(self).expect("a message can always be written as JSON")
    }
}

/// An event in the store, or on a queue, that this version of the code can't read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Of a type that the stream's decider does not know: written by newer code, or by something else.
    #[error("its type is not one that this version knows")]
    UnknownType,
    /// In a schema version that there is no way from to the current one.
    #[error("it has schema version {found}, and this version reads 1 to {current}")]
    UnknownVersion {
        /// The version it has.
        found: u32,
        /// The newest version that can be read.
        current: u32,
    },
    /// Not a JSON object.
    #[error("its data is not a JSON object")]
    NotAnObject,
    /// A field is missing or holds something else than it should.
    #[error(transparent)]
    Field(#[from] FieldError),
}

/// Reads a message of type `M` that was written in schema version `version`, lifting it to the
/// current one step by step.
pub fn decode<M: Message>(version: u32, json: &str) -> Result<M, Unreadable> {
    let unknown = || Unreadable::UnknownVersion {
        found: version,
        current: M::SCHEMA_VERSION,
    };
    if version == 0 || version > M::SCHEMA_VERSION {
        return Err(unknown());
    }
    let mut lifted = None;
    for from in version..M::SCHEMA_VERSION {
        let text = lifted.as_deref().unwrap_or(json);
        lifted = Some(M::lift(from, text).ok_or_else(unknown)?);
    }
    let fields = Fields::of(lifted.as_deref().unwrap_or(json)).ok_or(Unreadable::NotAnObject)?;
    Ok(M::read(&fields)?)
}

/// Declares a message: a struct, its wire name (the struct's own), its fields and how it is read and written.
///
/// ```
/// eventsourcing::message! {
///     /// Somebody said something.
///     pub struct SomethingSaid {
///         /// Who.
///         pub by: String,
///     }
/// }
/// ```
///
/// A message that has had other fields says its version, and how each earlier one is lifted to the next:
///
/// ```
/// fn renamed(from: u32, json: &str) -> Option<String> {
///     (from == 1).then(|| json.replace("\"who\"", "\"by\""))
/// }
///
/// eventsourcing::message! {
///     /// Somebody said something.
///     pub struct SomethingSaid, version 2, lifted by renamed {
///         /// Who.
///         pub by: String,
///     }
/// }
/// ```
#[macro_export]
macro_rules! message {
    ($(#[doc = $doc:literal])* pub struct $name:ident $(, version $version:literal, lifted by $lift:path)? {
        $($(#[doc = $field_doc:literal])* pub $field:ident : $type:ty,)*
    }) => {
        $crate::object! { @struct $(#[doc = $doc])* pub struct $name {
            $($(#[doc = $field_doc])* pub $field: $type,)*
        } }

        impl $crate::Message for $name {
            const TYPE: &'static str = stringify!($name);
            $(const SCHEMA_VERSION: u32 = $version;)?

            fn shape() -> $crate::Shape {
                $crate::Shape {
                    message_type: Self::TYPE,
                    about: concat!($($doc),*).trim(),
                    schema_version: Self::SCHEMA_VERSION,
                    fields: Self::fields(),
                }
            }

            fn read(fields: &$crate::Fields<'_>) -> Result<Self, $crate::FieldError> {
                Self::read_from(fields)
            }

            fn review(fields: &$crate::Fields<'_>) -> $crate::Review {
                Self::review_of(fields)
            }

            $(fn lift(from: u32, json: &str) -> Option<String> {
                $lift(from, json)
            })?
        }
    };
}

/// Declares the events of a stream as one enum over their messages.
#[macro_export]
macro_rules! events {
    ($(#[$meta:meta])* pub enum $name:ident { $($event:ident),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = concat!("See [`", stringify!($event), "`].")] $event($event),)*
        }

        $(impl From<$event> for $name {
            fn from(event: $event) -> Self { Self::$event(event) }
        })*

        impl $crate::EventSet for $name {
            const TYPES: &'static [&'static str] = &[$(<$event as $crate::Message>::TYPE),*];

            fn event_type(&self) -> &'static str {
                match self { $(Self::$event(_) => <$event as $crate::Message>::TYPE,)* }
            }

            fn schema_version(&self) -> u32 {
                match self { $(Self::$event(_) => <$event as $crate::Message>::SCHEMA_VERSION,)* }
            }

            fn json(&self) -> String {
                match self { $(Self::$event(event) => $crate::Message::json(event),)* }
            }

            fn decode(event_type: &str, version: u32, json: &str) -> Result<Self, $crate::Unreadable> {
                match event_type {
                    $(t if t == <$event as $crate::Message>::TYPE => {
                        $crate::decode::<$event>(version, json).map(Self::$event)
                    })*
                    _ => Err($crate::Unreadable::UnknownType),
                }
            }

            fn shapes() -> Vec<$crate::Shape> {
                vec![$(<$event as $crate::Message>::shape()),*]
            }

            fn visit(visitor: &mut impl $crate::EventVisitor<Self>) {
                $(visitor.event::<$event>();)*
            }
        }
    };
}

/// Declares the commands that one decider takes as one enum over their messages, each with the field
/// that names the stream it is for, and `+ creates` or `+ deadline` where [`Command::CREATES`] or
/// [`Command::DEADLINE`] holds.
///
/// [`Command::CREATES`]: crate::Command::CREATES
/// [`Command::DEADLINE`]: crate::Command::DEADLINE
#[macro_export]
macro_rules! commands {
    ($(#[$meta:meta])* pub enum $name:ident for $decider:ty {
        $($command:ident => $id:ident $(+ $trait:ident)?),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = concat!("See [`", stringify!($command), "`].")] $command($command),)*
        }

        impl $crate::CommandSet for $name {
            const TYPES: &'static [&'static str] = &[$(<$command as $crate::Message>::TYPE),*];

            fn shapes() -> Vec<$crate::Shape> {
                vec![$(<$command as $crate::Message>::shape()),*]
            }

            fn visit(visitor: &mut impl $crate::CommandVisitor<Self>) {
                $(visitor.command::<$command>();)*
            }
        }

        $(impl From<$command> for $name {
            fn from(command: $command) -> Self { Self::$command(command) }
        }

        impl $crate::Command for $command {
            type Decider = $decider;
            $($crate::commands!(@trait $trait);)?

            fn stream(&self) -> $crate::StreamId {
                <$decider as $crate::Decider>::CATEGORY.stream(&self.$id)
            }
        })*
    };
    (@trait creates) => { const CREATES: bool = true; };
    (@trait deadline) => { const DEADLINE: bool = true; };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FieldValue;

    message! {
        /// A greeting, which in version 1 had its name in `who`.
        pub struct Greeted, version 2, lifted by of_who {
            /// Whom.
            pub name: String,
        }
    }

    fn of_who(from: u32, json: &str) -> Option<String> {
        let name = Fields::of(json)?.get::<String>("who").ok()?;
        (from == 1).then(|| Greeted { name }.json())
    }

    #[test]
    fn an_older_version_is_lifted_to_the_current_one() {
        assert_eq!(
            decode::<Greeted>(1, r#"{"who":"Ada"}"#),
            Ok(Greeted { name: "Ada".into() })
        );
        assert_eq!(
            decode::<Greeted>(2, r#"{"name":"Ada"}"#),
            Ok(Greeted { name: "Ada".into() })
        );
    }

    #[test]
    fn a_newer_version_is_unreadable_and_says_which_are_not() {
        let error = decode::<Greeted>(3, r#"{"name":"Ada"}"#).expect_err("version 3 is unknown");
        assert_eq!(
            error.to_string(),
            "it has schema version 3, and this version reads 1 to 2"
        );
    }

    #[test]
    fn an_unknown_field_is_ignored_and_a_missing_one_is_named() {
        assert!(decode::<Greeted>(2, r#"{"name":"Ada","new":1}"#).is_ok());
        let error = decode::<Greeted>(2, "{}").expect_err("the name is missing");
        assert_eq!(
            error,
            Unreadable::Field(
                Fields::of("{}")
                    .expect("object")
                    .get::<String>("name")
                    .expect_err("missing")
            )
        );
        assert!(String::expected().contains("string"));
    }
}
