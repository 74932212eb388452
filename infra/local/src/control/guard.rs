//! Who may call: a program. A page that a browser shows may not, whatever site it is from: it could move the clock of
//! whoever looks at it, or throw their tables away.
//!
//! A browser says of each request where it comes from, and asks before it sends JSON to another site, which is never
//! allowed here. A site whose name is made to lead here (DNS rebinding) is known by its name.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, StatusCode};
use ops::console::origin::{Origin, is_on_this_machine};

use super::request::Refused;

/// From where the port is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// From this machine.
    Loopback,
    /// From wherever another address of it is reached, such as from containers.
    Elsewhere,
}

/// Refuses what may come from a page.
pub(super) fn check(headers: &HeaderMap, peer: SocketAddr, reach: Reach) -> Result<(), Refused> {
    let forbidden = |why: &str| Err(Refused::of(StatusCode::FORBIDDEN, why.into()));
    let origin = Origin::of(headers);
    match reach {
        Reach::Loopback if !is_on_this_machine(peer) || !origin.asks_this_machine() => {
            return forbidden("this is for programs on this machine, which ask for 127.0.0.1 or localhost");
        }
        Reach::Elsewhere if !origin.host_name().is_some_and(is_private) => {
            return forbidden(
                "the Host of the request is a name that anybody can have: expected localhost, an address, a name \
                 without a dot, or one that ends in .internal",
            );
        }
        _ => {}
    }
    if !origin.is_not_fetched_for_another_site() || origin.is_own_page() == Some(false) {
        return forbidden("a page of another site asked for this, and may not: it is for programs");
    }
    Ok(())
}

/// Whether no name server of the Internet decides where that name leads.
fn is_private(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let is_address = address.parse::<IpAddr>().is_ok();
    !name.is_empty() && (is_address || !name.contains('.') || name.ends_with(".internal"))
}
