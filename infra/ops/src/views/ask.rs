//! What can be asked of a view, and what fits together.

use std::time::Duration;

use bundle::{Bundle, ViewTableForm};
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use clap::{Arg, ArgAction, ArgMatches, Command};
use eventsourcing::Index;

use crate::arguments::{at_least_one, long_ago};
use crate::failure::Failure;

/// How many rows people are shown if they don't say.
const ROWS: usize = 100;

/// The same of rows that are read one by one, at half a read unit each or more.
const ROWS_READ_SINGLY: usize = 30;

/// What an index that can be asked by a value of its own is called: `by-member` gives `--member`.
const BY: &str = "by-";

/// What was asked of a view.
#[allow(clippy::struct_excessive_bools)] // Each is an option of the command.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) form: ViewTableForm,
    pub(crate) id: Option<String>,
    /// Of an index each, the value that is meant.
    pub(crate) by: Vec<(Index, String)>,
    pub(crate) open: bool,
    /// What has ended, too.
    pub(crate) all: bool,
    pub(crate) overdue: bool,
    pub(crate) older: Option<Duration>,
    pub(crate) phase: Option<String>,
    /// What has ended for this reason: the attribute that tells it, and the word.
    pub(crate) cause: Option<(&'static str, String)>,
    pub(crate) count: bool,
    pub(crate) data: bool,
    pub(crate) watch: bool,
    /// Whether it was asked of `trace`, which lists and does not count.
    pub(crate) is_traced: bool,
    pub(crate) limit: Option<usize>,
}

/// Where rows are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// In an index, under that value; whole rows are read one by one.
    Index(&'a Index, &'a str),
    /// In the index of those that are open.
    Open,
    /// Everywhere.
    Table,
}

impl Asked {
    /// The place where the least has to be read.
    pub(crate) fn place(&self) -> Place<'_> {
        let phase = self.phase.as_deref();
        let phase = phase.and_then(|phase| self.form.listing.phase(phase));
        let ends = phase.map_or(self.all || self.cause.is_some(), |phase| !phase.is_open);
        match self.by.first() {
            Some((index, value)) => Place::Index(index, value),
            None if ends => Place::Table,
            None => Place::Open,
        }
    }

    /// The most rows that are shown; none if there is no end.
    pub(crate) fn limit_in(&self, json: bool) -> Option<usize> {
        let default = match self.place() {
            Place::Index(..) => ROWS_READ_SINGLY,
            Place::Open | Place::Table => ROWS,
        };
        // A program that is cut off in silence would take a part for the whole.
        self.limit.or((!json).then_some(default))
    }

    /// Whether it is about some of the rows of its place only.
    pub(crate) fn is_choosy(&self) -> bool {
        self.overdue || self.older.is_some() || self.phase.is_some() || self.cause.is_some()
    }

    /// Refuses what does not fit together.
    pub(crate) fn check(&self, json: bool, is_terminal: bool) -> Result<(), Failure> {
        let problem = self.of_one().or_else(|| self.of_several()).or_else(|| {
            if !self.watch {
                None
            } else if json {
                Some("--watch draws for people and --json is for programs: leave one of them out".to_owned())
            } else if is_terminal {
                None
            } else {
                let instead = "without --watch the command shows once how things stand";
                Some(format!(
                    "--watch draws on a terminal, and standard output is none; {instead}"
                ))
            }
        });
        problem.map_or(Ok(()), |problem| Err(Failure::Usage(problem)))
    }

    fn of_one(&self) -> Option<String> {
        let id = self.id.as_ref()?;
        let choosing = [
            ("--open", self.open),
            ("--all", self.all),
            ("--overdue", self.overdue),
            ("--older", self.older.is_some()),
            ("--phase", self.phase.is_some()),
            ("--count", self.count),
            ("--limit", self.limit.is_some()),
        ];
        let by = self.by.first().map(|(index, _)| format!("--{}", option(index)));
        let choosing = choosing.iter().find(|(_, is_given)| *is_given);
        let choosing = choosing.map(|(name, _)| (*name).to_owned()).or(by)?;
        let listing = &self.form.listing;
        Some(format!(
            "{id} names one {}, and {choosing} chooses among all {}: give either the id or {choosing}",
            listing.one, listing.many
        ))
    }

    fn of_several(&self) -> Option<String> {
        let listing = &self.form.listing;
        let of_rows = [("--limit", self.limit.is_some()), ("--data", self.data)];
        let of_rows = of_rows.iter().find(|(_, is_given)| *is_given && self.count);
        if let Some((option, _)) = of_rows {
            return Some(format!(
                "--count counts all that match, and shows none of them: leave {option} out"
            ));
        }
        let open_only = [("--open", self.open), ("--overdue", self.overdue)];
        let (option, _) = open_only.iter().find(|(_, is_given)| *is_given)?;
        if self.all {
            return Some(format!(
                "{option} is about what is open, and --all about what has ended, too: leave one of them out"
            ));
        }
        let ended = self.phase.as_deref().and_then(|phase| listing.phase(phase));
        let ended = ended.filter(|phase| !phase.is_open)?;
        let open = listing.phases.iter().filter(|phase| phase.is_open);
        let open: Vec<_> = open.map(|phase| phase.name).collect();
        Some(format!(
            "{option} is about what is open, and {} is a phase of what has ended: leave one of them out, or give a \
             phase of what is open: {}",
            ended.name,
            open.join(", ")
        ))
    }
}

/// The option that asks an index, without its dashes.
pub(crate) fn option(index: &Index) -> &'static str {
    index.name.strip_prefix(BY).unwrap_or(index.name)
}

pub(crate) fn askable(form: &ViewTableForm) -> impl Iterator<Item = &'static Index> + use<> {
    form.indexes.iter().filter(|index| index.name.starts_with(BY))
}

/// The command, with one more for each view: after those that show single things, before those that mend.
pub(crate) fn with_commands(bundle: &Bundle, command: Command) -> Command {
    let mut place = 0;
    let mut of_views = None;
    let command = command.mut_subcommands(|known| {
        place += 1;
        if known.get_name() == "dlq" {
            of_views = Some(place);
            place += 1;
        }
        known.display_order(place)
    });
    let of_views = of_views.unwrap_or(place);
    command.subcommands(
        bundle
            .registry
            .views()
            .map(|form| of_view(&form).display_order(of_views)),
    )
}

/// What was asked, if it was asked of a view.
pub(crate) fn asked(bundle: &Bundle, matches: &ArgMatches) -> Option<Asked> {
    let (name, matches) = matches.subcommand()?;
    let mut forms = bundle.registry.views();
    let form = forms.find(|form| form.listing.command == name)?;
    Some(Asked::of(form, matches))
}

impl Asked {
    /// Everything that is open.
    pub(crate) fn everything_open(form: ViewTableForm) -> Self {
        Self {
            form,
            id: None,
            by: Vec::new(),
            open: false,
            all: false,
            overdue: false,
            older: None,
            phase: None,
            cause: None,
            count: false,
            data: false,
            watch: false,
            is_traced: false,
            limit: None,
        }
    }

    /// How much of it is open.
    pub(crate) fn counting_open(form: ViewTableForm) -> Self {
        Self {
            count: true,
            ..Self::everything_open(form)
        }
    }

    /// All rows that an index has under a value, the newest first.
    pub(crate) fn by(form: ViewTableForm, index: Index, value: String, limit: Option<usize>) -> Self {
        Self {
            by: vec![(index, value)],
            is_traced: true,
            limit,
            ..Self::everything_open(form)
        }
    }

    pub(crate) fn of(form: ViewTableForm, matches: &ArgMatches) -> Self {
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        let by = askable(&form).filter_map(|index| Some((*index, text(option(index))?)));
        Self {
            id: text(ID),
            by: by.collect(),
            open: matches.get_flag("open"),
            all: matches.get_flag("all"),
            overdue: matches.get_flag("overdue"),
            older: matches.get_one("older").copied(),
            phase: text("phase"),
            cause: None,
            count: matches.get_flag("count"),
            // There is no such option where nothing is a payload.
            data: !form.listing.payload.is_empty() && matches.get_flag("data"),
            watch: matches.get_flag("watch"),
            is_traced: false,
            limit: matches.get_one("limit").copied(),
            form,
        }
    }
}

/// The name of the argument that is a row's id; no option can have it.
const ID: &str = "ID";

/// The command of a view.
pub(crate) fn of_view(form: &ViewTableForm) -> Command {
    let listing = form.listing;
    let id = Arg::new(ID)
        .value_parser(NonEmptyStringValueParser::new())
        .help(format!(
            "The {} of one {}, of which everything is shown",
            form.key, listing.one
        ));
    Command::new(listing.command)
        .about(format!(
            "Shows what became of {}: those that are open, or others",
            listing.many
        ))
        .arg(id)
        .args(choosing(form))
        .args(showing(form))
        .after_help(after_help(form))
}

/// The options that choose rows.
fn choosing(form: &ViewTableForm) -> Vec<Arg> {
    let many = form.listing.many;
    let phases = PossibleValuesParser::new(form.listing.phases.iter().map(|phase| phase.name));
    let mut options = vec![
        flag("open").help(format!(
            "Shows {many} that are open, which is what is shown if nothing else is said"
        )),
        flag("all").help(format!(
            "Shows {many} that have ended, too, newest first; the whole table is read"
        )),
        flag("overdue").help(format!(
            "Shows {many} that are open though their deadline has passed"
        )),
        with_value("older", "AGE").value_parser(long_ago).help(format!(
            "Shows {many} that have been in their phase for longer: 90s, 15m, 1h, 2d"
        )),
        with_value("phase", "PHASE").value_parser(phases).help(format!(
            "Shows {many} in this phase; the whole table is read for one of what has ended"
        )),
    ];
    options.extend(askable(form).map(|index| {
        let value = if index.partition.ends_with("_id") {
            "ID"
        } else {
            "VALUE"
        };
        with_value(option(index), value)
            .value_parser(NonEmptyStringValueParser::new())
            .help(format!(
                "Shows {many} with this {}, newest first",
                index.partition
            ))
    }));
    options
}

/// The options that say how rows are shown.
fn showing(form: &ViewTableForm) -> Vec<Arg> {
    let limit = with_value("limit", "N")
        .value_parser(at_least_one)
        .allow_negative_numbers(true)
        .help(format!(
            "How many to show: {ROWS} if it is not said, {ROWS_READ_SINGLY} of those that are read one by one, and no \
             end with --json"
        ));
    let mut options = vec![
        flag("count").help("Counts by phase, in place of showing"),
        limit,
        flag("watch").help("Shows it anew every 2 seconds until Ctrl-C; on a terminal"),
    ];
    if !form.listing.payload.is_empty() {
        options.push(flag("data").help(format!(
            "Shows what is in somebody's own words, too: {}",
            form.listing.payload.join(", ")
        )));
    }
    options
}

fn flag(name: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue)
}

fn with_value(name: &'static str, value: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value)
}

fn after_help(form: &ViewTableForm) -> String {
    let listing = form.listing;
    let names = |is_open: bool| {
        let phases = listing.phases.iter().filter(|phase| phase.is_open == is_open);
        phases.map(|phase| phase.name).collect::<Vec<_>>().join(", ")
    };
    let by = askable(form).next();
    let by = by.map(|index| format!("\n  cargo ops {} --{} 7", listing.command, option(index)));
    format!(
        "Open: {}\nEnded: {}\n\n\
         Examples:\n  \
         cargo ops {command}\n  \
         cargo ops {command} --older 1h\n  \
         cargo ops {command} --overdue --json{}\n  \
         cargo ops {command} --count --watch\n\n\
         What is asked for together has to hold together. A row is a moment behind its events.",
        names(true),
        names(false),
        by.unwrap_or_default(),
        command = listing.command,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up::LOANS;

    fn asked(arguments: &[&str]) -> Asked {
        let words = ["loans"].iter().chain(arguments);
        let matches = of_view(&LOANS).try_get_matches_from(words);
        Asked::of(LOANS, &matches.unwrap_or_else(|error| panic!("{error}")))
    }

    fn refused(arguments: &[&str], json: bool, is_terminal: bool) -> String {
        let refused = asked(arguments).check(json, is_terminal);
        let Err(Failure::Usage(why)) = refused else {
            panic!("{arguments:?}: {refused:?}");
        };
        why
    }

    #[test]
    fn a_view_has_an_option_for_each_index_by_something_and_lists_its_phases() {
        let mut command = of_view(&LOANS);
        command.clone().debug_assert();
        let help = command.render_long_help().to_string();
        for part in [
            "Shows loans with this member_id, newest first",
            "[possible values: lent_out, reminded, returned]",
            "Open: lent_out, reminded\nEnded: returned",
            "cargo ops loans --member 7",
            "too: excuse",
        ] {
            assert!(help.contains(part), "{part}: {help}");
        }
        assert!(!help.contains("--by-"), "{help}");
    }

    #[test]
    fn an_unknown_phase_is_refused_with_those_that_there_are() {
        let refused = of_view(&LOANS).try_get_matches_from(["loans", "--phase", "burnt"]);
        let why = refused.expect_err("there is no such phase").to_string();
        assert!(
            why.contains("possible values: lent_out, reminded, returned"),
            "{why}"
        );
    }

    #[test]
    fn rows_are_looked_for_where_the_least_has_to_be_read() {
        for (arguments, place) in [
            (&[][..], "Open"),
            (&["--older", "1h", "--phase", "reminded"], "Open"),
            (&["--phase", "returned"], "Table"),
            (&["--all"], "Table"),
            (&["--all", "--phase", "reminded"], "Open"),
            (&["--all", "--member", "ada"], "by-member"),
            (&["--member", "ada", "--phase", "returned"], "by-member"),
            (&["--member", "ada", "--open"], "by-member"),
        ] {
            let asked = asked(arguments);
            let found = match asked.place() {
                Place::Index(index, value) => {
                    assert_eq!(value, "ada");
                    index.name
                }
                Place::Open => "Open",
                Place::Table => "Table",
            };
            assert_eq!(found, place, "{arguments:?}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused_with_what_would() {
        for (arguments, why) in [
            (&["l-1", "--overdue"][..], "give either the id or --overdue"),
            (&["l-1", "--member", "ada"], "give either the id or --member"),
            (&["l-1", "--limit", "3"], "give either the id or --limit"),
            (&["--count", "--limit", "3"], "leave --limit out"),
            (&["--count", "--data"], "leave --data out"),
            (
                &["--all", "--overdue"],
                "--all about what has ended, too: leave one of them out",
            ),
            (
                &["--open", "--phase", "returned"],
                "give a phase of what is open: lent_out, reminded",
            ),
            (
                &["--overdue", "--phase", "returned", "--member", "ada"],
                "returned is a phase of what has ended",
            ),
        ] {
            let refused = refused(arguments, false, true);
            assert!(refused.contains(why), "{arguments:?}: {refused}");
        }
        assert!(refused(&["--watch"], false, false).contains("standard output is none"));
        assert!(refused(&["--watch"], true, true).contains("leave one of them out"));
    }

    #[test]
    fn what_fits_together_is_taken() {
        for arguments in [
            &["l-1"][..],
            &["l-1", "--data", "--watch"],
            &[
                "--open",
                "--overdue",
                "--older",
                "15m",
                "--phase",
                "reminded",
                "--limit",
                "3",
            ],
            &["--phase", "returned", "--older", "2d"],
            &["--member", "ada", "--count", "--open"],
            &["--count", "--watch"],
            &["--count", "--all", "--older", "2d"],
        ] {
            let taken = asked(arguments).check(false, true);
            assert!(taken.is_ok(), "{arguments:?}: {taken:?}");
        }
    }

    #[test]
    fn people_are_shown_some_and_programs_all_unless_they_say_how_many() {
        let limits = |arguments: &[&str]| [false, true].map(|json| asked(arguments).limit_in(json));
        assert_eq!(limits(&[]), [Some(100), None]);
        assert_eq!(limits(&["--member", "ada"]), [Some(30), None]);
        assert_eq!(limits(&["--limit", "7"]), [Some(7), Some(7)]);
    }
}
