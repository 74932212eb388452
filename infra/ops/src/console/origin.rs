//! What a request says of where it comes from. A page can't have its browser say otherwise.

use std::net::SocketAddr;

use http::HeaderMap;

/// Where a request comes from, as far as its headers tell.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    headers: &'a HeaderMap,
}

impl<'a> Origin<'a> {
    /// As these headers tell it.
    pub fn of(headers: &'a HeaderMap) -> Self {
        Self { headers }
    }

    /// Whether it is for this machine by name, whatever the port. A site whose name is made to lead here (DNS
    /// rebinding) keeps its name.
    pub fn asks_this_machine(self) -> bool {
        self.host_name()
            .is_some_and(|name| matches!(name, "127.0.0.1" | "localhost" | "[::1]"))
    }

    /// The name that it is for, without the port.
    pub fn host_name(self) -> Option<&'a str> {
        let host = self.header("host")?;
        Some(match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
            _ => host,
        })
    }

    /// Whether no other site's page has the browser fetch it, as the browser itself says
    /// (<https://www.w3.org/TR/fetch-metadata/>).
    pub fn is_not_fetched_for_another_site(self) -> bool {
        matches!(self.header("sec-fetch-site"), None | Some("same-origin" | "none"))
    }

    /// Whether a page of this very address sends it; none if no page says so, such as where a program asks.
    pub fn is_own_page(self) -> Option<bool> {
        let origin = self.header("origin")?;
        let origin = origin.strip_prefix("http://");
        Some(origin.is_some() && origin == self.header("host"))
    }

    pub(super) fn header(self, name: &str) -> Option<&'a str> {
        let value = self.headers.get(name)?;
        Some(value.to_str().unwrap_or("?"))
    }
}

/// Whether whoever is connected is on this machine.
pub fn is_on_this_machine(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}
