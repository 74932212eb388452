//! What is answered: a page, another address, or a file of the console's own.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};
use maud::{Markup, html};

use super::layout;

/// What the browser may do with a page: nothing but use the console's own style and script, and send its forms back.
///
/// Source: <https://www.w3.org/TR/CSP3/>
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// An answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Page(Markup),
    At(String),
    File(&'static str, &'static str),
}

impl Answer {
    /// A whole page.
    pub(crate) fn page(page: Markup) -> Self {
        Self::with(StatusCode::OK, page)
    }

    /// A whole page that says what is not as it was asked for.
    pub(crate) fn with(status: StatusCode, page: Markup) -> Self {
        let content = Content::Page(page);
        Self { status, content }
    }

    /// What was asked for is done, and another page shows it.
    pub(crate) fn see(address: String) -> Self {
        Self {
            status: StatusCode::SEE_OTHER,
            content: Content::At(address),
        }
    }

    /// A file of that type.
    pub(crate) fn file(media_type: &'static str, text: &'static str) -> Self {
        Self {
            status: StatusCode::OK,
            content: Content::File(media_type, text),
        }
    }

    /// A refusal, before any page is made.
    pub(crate) fn refused(status: StatusCode, why: &str) -> Self {
        Self::with(status, layout::bare("Refused", &html! { p { (why) } }))
    }

    pub(crate) fn into_response(self) -> Response {
        let (media_type, body, location) = match self.content {
            Content::Page(page) => ("text/html; charset=utf-8", page.into_string(), None),
            Content::At(address) => ("text/plain; charset=utf-8", String::new(), Some(address)),
            Content::File(media_type, text) => (media_type, text.to_owned(), None),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        // What a page shows is nobody's business once the window is closed.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("content-security-policy", HeaderValue::from_static(POLICY));
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        headers.insert("referrer-policy", HeaderValue::from_static("same-origin"));
        headers.insert(
            "cross-origin-resource-policy",
            HeaderValue::from_static("same-origin"),
        );
        headers.insert(
            "cross-origin-opener-policy",
            HeaderValue::from_static("same-origin"),
        );
        if let Some(Ok(location)) = location.map(HeaderValue::try_from) {
            headers.insert(LOCATION, location);
        }
        response
    }
}
