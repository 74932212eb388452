//! Who may ask: a browser on this machine, for what its user asked. A page of another site, which the browser would
//! let send requests here as well, gets nothing.
//!
//! * The connection comes from this machine, and the request is for this machine by name: a site whose name is made to
//!   lead here (DNS rebinding) is refused.
//! * What another site has the browser fetch is refused by what the browser itself says of it
//!   (<https://www.w3.org/TR/fetch-metadata/>). A link on another site is followed: it only shows.
//! * What changes something is a POST from a page of the console itself, with a token that only such a page holds.

use std::net::SocketAddr;

use axum::body::Body;
use http::{Method, Request, StatusCode};
use uuid::Uuid;

use super::answer::Answer;
use super::asked::{Asked, TOKEN};
use super::origin::{Origin, is_on_this_machine};

/// Knows which changes a page of the console asks for.
pub(crate) struct Guard {
    token: String,
}

impl Guard {
    pub(crate) fn new() -> Self {
        // 122 random bits, new with each process.
        let token = Uuid::new_v4().simple().to_string();
        Self { token }
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Whether what is asked holds the token.
    pub(crate) fn knows(&self, asked: &Asked) -> bool {
        asked.field(TOKEN) == Some(self.token.as_str())
    }
}

/// The answer to a request that may not be made; none if it may.
pub(crate) fn refused(request: &Request<Body>, peer: SocketAddr) -> Option<Answer> {
    let origin = Origin::of(request.headers());
    if !is_on_this_machine(peer) || !origin.asks_this_machine() {
        return Some(Answer::refused(
            StatusCode::FORBIDDEN,
            "The console answers this machine alone, as 127.0.0.1 or localhost. From elsewhere, forward its port, \
             such as with ssh -L.",
        ));
    }
    let is_followed = request.method() == Method::GET && origin.header("sec-fetch-mode") == Some("navigate");
    if !origin.is_not_fetched_for_another_site() && !is_followed {
        return Some(Answer::refused(
            StatusCode::FORBIDDEN,
            "Another site's page asked for this, and may not.",
        ));
    }
    match *request.method() {
        Method::GET | Method::HEAD => None,
        Method::POST => (origin.is_own_page() != Some(true)).then(|| {
            Answer::refused(
                StatusCode::FORBIDDEN,
                "What changes something is sent by a page of the console itself: its Origin has to be the \
                     console's.",
            )
        }),
        _ => Some(Answer::refused(
            StatusCode::METHOD_NOT_ALLOWED,
            "The console takes GET and POST.",
        )),
    }
}

/// The answer to a form of a page that an earlier process made, or that is no page of the console.
pub(crate) fn stale() -> Answer {
    Answer::refused(
        StatusCode::FORBIDDEN,
        "The form has no token of this process: it comes from a page that is older, or from none of the console's. \
         Nothing was done. Load the page again, then send it.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: [(&str, &str); 1] = [("host", "127.0.0.1:4566")];

    fn refused(method: &str, peer: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).uri("/console");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("a request");
        let peer = peer.parse().expect("an address");
        super::refused(&request, peer).is_some()
    }

    #[test]
    fn this_machine_may_ask_by_its_names_and_no_other_may() {
        for host in ["127.0.0.1:4566", "localhost:8080", "localhost", "[::1]:8080"] {
            assert!(!refused("GET", "127.0.0.1:1", &[("host", host)]), "{host}");
        }
        for host in [
            "evil.example:4566",
            "127.0.0.1.evil.example",
            "localhost.evil.example:80",
            "",
            "10.0.0.1",
        ] {
            assert!(refused("GET", "127.0.0.1:1", &[("host", host)]), "{host}");
        }
        assert!(refused("GET", "127.0.0.1:1", &[]));
        assert!(refused("GET", "172.17.0.2:1", &HERE));
        assert!(!refused("GET", "[::ffff:127.0.0.1]:1", &HERE));
    }

    #[test]
    fn another_sites_page_can_link_here_and_nothing_else() {
        let from = |site, mode| [HERE[0], ("sec-fetch-site", site), ("sec-fetch-mode", mode)];
        assert!(!refused("GET", "127.0.0.1:1", &from("cross-site", "navigate")));
        for mode in ["no-cors", "cors"] {
            assert!(refused("GET", "127.0.0.1:1", &from("cross-site", mode)), "{mode}");
            assert!(refused("GET", "127.0.0.1:1", &from("same-site", mode)), "{mode}");
            assert!(
                !refused("GET", "127.0.0.1:1", &from("same-origin", mode)),
                "{mode}"
            );
        }
    }

    #[test]
    fn a_change_comes_from_a_page_of_the_console_itself() {
        let from = |origin| [HERE[0], ("origin", origin)];
        assert!(!refused("POST", "127.0.0.1:1", &from("http://127.0.0.1:4566")));
        for origin in [
            "http://evil.example",
            "null",
            "http://127.0.0.1:8080",
            "https://127.0.0.1:4566",
        ] {
            assert!(refused("POST", "127.0.0.1:1", &from(origin)), "{origin}");
        }
        assert!(refused("POST", "127.0.0.1:1", &HERE));
        assert!(refused("PUT", "127.0.0.1:1", &from("http://127.0.0.1:4566")));
    }
}
