//! Panics of code that handles messages: where it was, and nothing of what it said, which may quote a payload.

use std::any::Any;
use std::cell::RefCell;
use std::future::poll_fn;
use std::panic::{self, AssertUnwindSafe};
use std::pin::pin;
use std::sync::Once;
use std::task::Poll;

thread_local! {
    /// Where this thread panicked last.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has panics be remembered from now on, in all threads.
pub(crate) fn remember_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(ToString::to_string);
            PLACE.set(Some(place.unwrap_or_else(|| "an unknown place".into())));
            others(panic);
        }));
    });
}

/// What `work` comes to, or where it panicked. It is done for then.
///
/// Whoever panics half way leaves nothing behind that others go by: streams that are kept between invocations are
/// only exchanged as a whole.
pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let mut work = pin!(work);
    poll_fn(|context| match caught_at_once(|| work.as_mut().poll(context)) {
        Ok(polled) => polled.map(Ok),
        Err(place) => Poll::Ready(Err(place)),
    })
    .await
}

/// The same for work that waits for nothing.
pub(crate) fn caught_at_once<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // What others caught is forgotten.
    PLACE.take();
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(place_of)
}

/// The place of the panic that was just caught on this thread. What unwinds and is no panic, for no hook heard of
/// it, means to end more than a message: it goes on.
fn place_of(thrown: Box<dyn Any + Send>) -> String {
    match PLACE.take() {
        Some(place) => place,
        None => panic::resume_unwind(thrown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_known_by_its_place_and_not_by_its_text() {
        remember_places();
        let place = caught(async { panic!("a payload") }).await;
        let place = place.map(|()| "no panic").expect_err("it panicked");
        assert!(
            place.contains("panics.rs:") && !place.contains("payload"),
            "{place}"
        );
        assert_eq!(caught(async { 7 }).await, Ok(7));
        assert_eq!(caught_at_once(|| 7), Ok(7));
    }

    #[test]
    fn what_unwinds_without_a_panic_goes_on() {
        remember_places();
        let ended = panic::catch_unwind(|| caught_at_once(|| panic::resume_unwind(Box::new("killed"))));
        let why = ended.map(|_: Result<(), _>| "caught").expect_err("it goes on");
        assert_eq!(why.downcast_ref(), Some(&"killed"));
    }
}
