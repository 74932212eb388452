//! What a program says to whoever started it, where either stream may be closed.
//!
//! `println!` and `eprintln!` panic when nobody reads any more: a program under a supervisor that closed
//! its pipe, or in front of `head`. So programs speak through this crate, and a lint refuses the macros.
//!
//! | what is said | where | when nobody reads |
//! | --- | --- | --- |
//! | what was asked for: [`out`] | standard output | the program ends quietly with [`CUT_OFF`] |
//! | that a server is ready: [`announce`] | standard output | the program goes on |
//! | everything else: [`note!`], [`Notes`] for a log | standard error | the program goes on |

use std::fmt;
use std::io::{self, ErrorKind, StdoutLock, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a program whose output nobody read to its end, as a shell tells it of one that SIGPIPE
/// ended: 128 + 13.
pub const CUT_OFF: u8 = 141;

static READER_LEFT: AtomicBool = AtomicBool::new(false);

/// Writes a line to standard error, formatted as by `format!`. One that can't be written is dropped.
#[macro_export]
macro_rules! note {
    ($($words:tt)*) => { $crate::note(format_args!($($words)*)) };
}

/// See [`note!`].
pub fn note(line: fmt::Arguments<'_>) {
    // One write for the whole line, so that lines of several threads don't mix. `Notes` never fails.
    drop(Notes.write_all(format!("{line}\n").as_bytes()));
}

/// Writes a line to standard output that a program goes on without, if nobody reads it.
pub fn announce(line: fmt::Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    if let Err(error) = writeln!(stdout, "{line}").and_then(|()| stdout.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        note!("standard output can't be written ({error}): {line}");
    }
}

/// Asks on standard error, without ending the line. An error means that nobody saw the question.
pub fn ask(question: &str) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question}")?;
    stderr.flush()
}

/// Standard output, for what a program was asked for. A reader that leaves is remembered; see
/// [`reader_left`].
pub fn out() -> Output {
    Output(io::stdout().lock())
}

/// Whether standard output was closed before all was written to it. The program then ends with
/// [`CUT_OFF`], and says nothing: whoever closed it, as `head` does, had enough.
pub fn reader_left() -> bool {
    READER_LEFT.load(Ordering::Relaxed)
}

/// See [`out`].
#[derive(Debug)]
pub struct Output(StdoutLock<'static>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).inspect_err(remember)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().inspect_err(remember)
    }
}

fn remember(error: &io::Error) {
    if error.kind() == ErrorKind::BrokenPipe {
        READER_LEFT.store(true, Ordering::Relaxed);
    }
}

/// Standard error, as a writer that never fails: what can't be written is dropped, for there is nowhere
/// left to say so.
#[derive(Clone, Copy, Debug)]
pub struct Notes;

impl Write for Notes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(io::stderr().write(bytes).unwrap_or(bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
