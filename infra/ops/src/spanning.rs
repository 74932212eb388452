//! What spans several things of a business, such as a member with all loans: an option for each, by what the views
//! declare. An index `by-member` of the attribute `member_id` gives `--member`.

use std::collections::BTreeMap;

use bundle::{Bundle, ViewTableForm};
use clap::builder::NonEmptyStringValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use eventsourcing::Index;

use crate::views::{askable, option};

/// What was asked by such options: which of them, and the value.
///
/// Which options there are only the business says, so they are added to the command in [`with_options`].
#[derive(Clone, Debug, Default)]
pub(crate) struct By(pub(crate) Vec<(String, String)>);

/// A place where things are found by a value that spans them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// The option, without its dashes.
    pub(crate) option: &'static str,
    pub(crate) form: ViewTableForm,
    pub(crate) index: Index,
}

/// All such places, in the order of the views.
pub(crate) fn spans(bundle: &Bundle) -> Vec<Span> {
    let of_form = |form: ViewTableForm| {
        askable(&form).map(move |index| Span {
            option: option(index),
            form,
            index: *index,
        })
    };
    bundle.registry.views().flat_map(of_form).collect()
}

/// All such options, each once, and what they are called among a command's arguments: as their indexes are.
pub(crate) fn options(bundle: &Bundle) -> BTreeMap<&'static str, &'static str> {
    let spans = spans(bundle);
    spans.iter().map(|span| (span.option, span.index.name)).collect()
}

/// The command with these options; `help` says what one is for.
pub(crate) fn with_options(
    command: Command,
    options: &BTreeMap<&'static str, &'static str>,
    help: impl Fn(&str) -> String,
) -> Command {
    let options = options.iter().map(|(option, id)| {
        Arg::new(*id)
            .long(*option)
            .value_name("ID")
            .value_parser(NonEmptyStringValueParser::new())
            .help(help(option))
    });
    command.args(options)
}

/// What the names of such arguments begin with, and no others.
const PREFIX: &str = "by-";

impl Args for By {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl FromArgMatches for By {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut by = Self::default();
        by.update_from_arg_matches(matches)?;
        Ok(by)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let mut given = Vec::new();
        for id in matches.ids() {
            let Some(option) = id.as_str().strip_prefix(PREFIX) else {
                continue;
            };
            let value = matches.get_one::<String>(id.as_str());
            let value = value.ok_or_else(|| clap::Error::new(ErrorKind::MissingRequiredArgument))?;
            given.push((option.to_owned(), value.clone()));
        }
        self.0 = given;
        Ok(())
    }
}
