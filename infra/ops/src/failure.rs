//! Why a command did not do what it was asked, and the exit code that tells a script so.

use std::error::Error;
use std::process::ExitCode;

use aws_adapters::EnvironmentError;

/// What went wrong. The text names the thing, what was wrong with it and what would be right.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It could not be done, or not wholly.
    #[error("{0}")]
    Failed(String),
    /// The arguments are invalid.
    #[error("{0}")]
    Usage(String),
    /// There is nothing of that name, or nothing that matches.
    #[error("{0}")]
    NotFound(String),
    /// A variable of the environment is missing.
    #[error(
        "{0}. Endpoint, region and credentials come from the environment, or on AWS from the profile that AWS_PROFILE \
         names; {LOCAL}"
    )]
    Environment(#[from] EnvironmentError),
    /// Nobody gives credentials.
    #[error(
        "there are no credentials: AWS_ACCESS_KEY_ID is not set, AWS_PROFILE names no profile, and the machine gives \
         none. On AWS, sign in and name your profile:\n  \
         aws sso login --profile NAME && export AWS_PROFILE=NAME\n\
         {LOCAL}"
    )]
    NoCredentials,
    /// The user ended it; what had been done then.
    #[error("interrupted: {0}")]
    Interrupted(String),
    /// The output could not be written.
    #[error("the output could not be written: {0}")]
    Output(#[from] std::io::Error),
}

/// What to set for a stack on this machine.
const LOCAL: &str = "for a stack of `cargo local up`:\n  \
    export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=test \
    AWS_SECRET_ACCESS_KEY=test";

/// The text of `--help` about exit codes.
pub(crate) const EXIT_CODES: &str = "Exit codes:\n  \
    0  done\n  \
    1  something failed; what was done and what was not is told\n  \
    2  invalid arguments: a wrong one, an id that may be two things, a command that is refused, a drop not\n  \
    \x20  confirmed\n  \
    3  there is nothing of that name, or nothing that matches\n  \
    130  interrupted; what was done and what was not is told\n  \
    141  standard output was closed before all was written, as `head` does";

impl Failure {
    /// See [`EXIT_CODES`].
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) | Self::Output(_) => 1,
            Self::Usage(_) | Self::Environment(_) | Self::NoCredentials => 2,
            Self::NotFound(_) => 3,
            Self::Interrupted(_) => 130,
        })
    }
}

/// An error with all that it comes from, each said once.
pub(crate) fn in_full(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut inner = error.source();
    while let Some(error) = inner {
        let text = error.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
        inner = error.source();
    }
    told
}
