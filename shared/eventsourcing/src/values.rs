//! Types of fields that are declared in a line: ids, words out of a list, objects.

/// A text that can't be the id of a business object.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an id; expected {}", crate::FieldForm::Text(crate::TextForm::ID))]
pub struct InvalidId;

/// Declares types of ids of business objects: strings of 1 to 128 characters from
/// `A-Z a-z 0-9 . _ ~ : -`, so that they need no escape in a key, a name or a line of a log.
///
/// ```
/// eventsourcing::ids! {
///     /// A book.
///     BookId,
/// }
/// assert!("moby-dick".parse::<BookId>().is_ok());
/// ```
#[macro_export]
macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident,)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::InvalidId;

            fn from_str(text: &str) -> Result<Self, $crate::InvalidId> {
                $crate::TextForm::ID.fits(text).then(|| Self(text.to_owned())).ok_or($crate::InvalidId)
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl $crate::FieldValue for $name {
            fn form() -> $crate::FieldForm {
                $crate::FieldForm::Text($crate::TextForm::ID)
            }

            fn read(raw: &str) -> Result<Self, $crate::FieldError> {
                let text = <String as $crate::FieldValue>::read(raw);
                text.ok()
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(|| $crate::FieldError::value::<Self>(raw))
            }
        }
    )*};
}

/// Declares an enum each variant of which is one word on the wire.
///
/// ```
/// eventsourcing::words! {
///     /// What becomes of a book.
///     pub enum Fate {
///         /// It comes back.
///         Returned = "returned",
///         /// It does not.
///         Lost = "lost",
///     }
/// }
/// assert_eq!(Fate::ALL.map(Fate::word), ["returned", "lost"]);
/// ```
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$word_meta:meta])* $variant:ident = $word:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$word_meta])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$variant),*];
            /// The words of all of them on the wire.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            /// The word on the wire.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl $crate::FieldValue for $name {
            fn form() -> $crate::FieldForm {
                $crate::FieldForm::OneOf(Self::WORDS)
            }

            fn read(raw: &str) -> Result<Self, $crate::FieldError> {
                // A word needs no escape, so its text is the word in quotes.
                match raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) {
                    $(Some($word) => Ok(Self::$variant),)*
                    _ => Err($crate::FieldError::value::<Self>(raw)),
                }
            }
        }
    };
}

/// Declares an object that is a value of a message's field: a struct, with how it is read and written.
///
/// ```
/// eventsourcing::object! {
///     /// Where a book stands.
///     pub struct Place {
///         /// On which shelf.
///         pub shelf: u64,
///         /// Behind which book, if behind one.
///         pub behind: Option<String>,
///     }
/// }
/// ```
#[macro_export]
macro_rules! object {
    ($(#[doc = $doc:literal])* $vis:vis struct $name:ident {
        $($(#[doc = $field_doc:literal])* $field_vis:vis $field:ident : $type:ty,)*
    }) => {
        $crate::object! { @struct $(#[doc = $doc])* $vis struct $name {
            $($(#[doc = $field_doc])* $field_vis $field: $type,)*
        } }

        impl $crate::FieldValue for $name {
            fn form() -> $crate::FieldForm {
                $crate::FieldForm::Object {
                    name: stringify!($name),
                    about: concat!($($doc),*).trim(),
                    fields: Self::fields(),
                }
            }

            fn read(raw: &str) -> Result<Self, $crate::FieldError> {
                let fields = $crate::Fields::of(raw);
                let fields = fields.ok_or_else(|| $crate::FieldError::value::<Self>(raw))?;
                Self::read_from(&fields)
            }

            fn review(raw: &str) -> $crate::Review {
                match $crate::Fields::of(raw) {
                    Some(fields) => Self::review_of(&fields),
                    None => $crate::Review::of(Self::read(raw)),
                }
            }
        }
    };
    // The struct, and all that goes through its fields: the one list of them. Fields that are absent are left
    // out.
    (@struct $(#[doc = $doc:literal])* $vis:vis struct $name:ident {
        $($(#[doc = $field_doc:literal])* $field_vis:vis $field:ident : $type:ty,)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        $vis struct $name { $($(#[doc = $field_doc])* $field_vis $field: $type,)* }

        impl $name {
            fn fields() -> Vec<$crate::Field> {
                vec![$($crate::Field::of::<$type>(stringify!($field), concat!($($field_doc),*)),)*]
            }

            fn read_from(fields: &$crate::Fields<'_>) -> Result<Self, $crate::FieldError> {
                Ok(Self { $($field: fields.get(stringify!($field))?,)* })
            }

            fn review_of(fields: &$crate::Fields<'_>) -> $crate::Review {
                fields.review()$(.field::<$type>(stringify!($field)))*.finish()
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use ::serde::ser::SerializeMap as _;
                let mut fields = serializer.serialize_map(None)?;
                $(if !$crate::FieldValue::is_absent(&self.$field) {
                    fields.serialize_entry(stringify!($field), &self.$field)?;
                })*
                fields.end()
            }
        }
    };
}
