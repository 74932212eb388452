//! What somebody has asked to go wrong with a function's next invocation.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use embedded_aws::Clock;
use embedded_aws::mapping::{Invocation, Invoke, InvokeError};
use ops::console::{Happened, Mishap};
use serde_json::Value;

use crate::host::Intercept;

/// How much of what has happened is remembered.
const REMEMBERED: usize = 10;

/// Lets invocations pass but for those that something was asked for.
#[derive(Default)]
pub(crate) struct Trouble {
    asked: Mutex<Asked>,
    clock: OnceLock<Clock>,
}

#[derive(Default)]
struct Asked {
    set: BTreeMap<String, Mishap>,
    /// The latest first.
    happened: VecDeque<Happened>,
}

impl Trouble {
    /// Goes by that clock from now on. It stands between a stack and its functions, and so is there before the stack's
    /// clock is.
    pub(crate) fn goes_by(&self, clock: Clock) {
        self.clock.get_or_init(|| clock);
    }

    /// What is going to happen, by function.
    pub(crate) fn set(&self) -> Vec<(String, Mishap)> {
        let asked = self.asked();
        let set = asked.set.iter();
        set.map(|(function, mishap)| (function.clone(), *mishap))
            .collect()
    }

    /// What has happened, the latest first.
    pub(crate) fn happened(&self) -> Vec<Happened> {
        self.asked().happened.iter().cloned().collect()
    }

    /// Has that happen to the next invocation, or nothing.
    pub(crate) fn arm(&self, function: &str, mishap: Option<Mishap>) {
        let set = &mut self.asked().set;
        match mishap {
            Some(mishap) => drop(set.insert(function.to_owned(), mishap)),
            None => drop(set.remove(function)),
        }
    }

    /// Nothing is going to happen, and nothing has.
    pub(crate) fn forget(&self) {
        *self.asked() = Asked::default();
    }

    /// What happens to this invocation, once.
    fn befalls(&self, function: &str) -> Option<Mishap> {
        let mut asked = self.asked();
        let mishap = asked.set.remove(function)?;
        let at = self
            .clock
            .get()
            .map_or_else(std::time::SystemTime::now, Clock::now);
        asked.happened.push_front(Happened {
            function: function.to_owned(),
            mishap,
            at: at.into(),
        });
        asked.happened.truncate(REMEMBERED);
        Some(mishap)
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Intercept for Trouble {
    async fn invoke(
        &self,
        function: &str,
        code: &dyn Invoke,
        invocation: Invocation,
    ) -> Result<Value, InvokeError> {
        match self.befalls(function) {
            None => code.invoke(invocation).await,
            Some(Mishap::Fails) => Err(InvokeError::Function {
                error_type: "AskedFor".into(),
                message: "it fails because somebody asked for that on the console".into(),
            }),
            Some(Mishap::Killed) => {
                // Whatever it answers, nobody hears of it.
                drop(code.invoke(invocation).await);
                Err(InvokeError::Crashed(
                    "it was killed because somebody asked for that on the console".into(),
                ))
            }
            Some(Mishap::Twice) => {
                // The second time decides, as it does where a message comes again.
                drop(code.invoke(invocation.clone()).await);
                let request_id = uuid::Uuid::new_v4().to_string();
                code.invoke(Invocation {
                    request_id,
                    ..invocation
                })
                .await
            }
        }
    }
}
