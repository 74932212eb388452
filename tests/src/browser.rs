//! A browser without a screen, for the console's pages: it asks for pages, and sends the forms that it finds on them,
//! as a browser does that knows no script.

use crate::program::ask;

/// A browser at a console.
#[derive(Clone, Copy, Debug)]
pub struct Browser<'a> {
    /// Host and port of the console.
    pub address: &'a str,
}

/// A page, or what else came.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its status: 200, and 303 for what leads on.
    pub status: u16,
    /// Where it leads, if it does.
    pub location: Option<String>,
    /// What it holds.
    pub html: String,
}

impl Browser<'_> {
    /// The page at an address such as `/console`.
    pub fn get(&self, path: &str) -> Page {
        let host = self.address;
        Page::of(&ask(
            self.address,
            &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        ))
    }

    /// What the first form that goes to `action` holds in its hidden fields.
    fn hidden(&self, page: &str, action: &str) -> Vec<(String, String)> {
        let html = self.get(page).html;
        let form = html.split("<form").find(|form| {
            let own = form.split("</form>").next().unwrap_or_default();
            own.contains(&format!("action=\"{action}\""))
        });
        let form = form.unwrap_or_else(|| panic!("{page} has no form for {action}"));
        let form = form.split("</form>").next().unwrap_or_default();
        let inputs = form
            .split("<input")
            .filter(|input| input.contains("type=\"hidden\""));
        let attribute = |input: &str, name: &str| {
            let value = input.split(&format!(" {name}=\"")).nth(1)?;
            Some(value.split('"').next()?.to_owned())
        };
        inputs
            .filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?)))
            .collect()
    }

    /// Sends the form of `page` that goes to `action`, with these fields beside its hidden ones.
    pub fn send(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> Page {
        let hidden = self.hidden(page, action);
        let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let own = |name: &str| fields.iter().any(|(own, _)| *own == name);
        let all: Vec<_> = hidden
            .filter(|(name, _)| !own(name))
            .chain(fields.iter().copied())
            .collect();
        self.post(action, &all)
    }

    /// What a page's forms hold to be known as the console's own.
    pub fn token(&self, page: &str) -> String {
        let html = self.get(page).html;
        let token = html.split("name=\"token\" value=\"").nth(1);
        let token = token.and_then(|token| token.split('"').next());
        token.unwrap_or_else(|| panic!("{page} has no form")).to_owned()
    }

    /// Sends a form of these fields from a page of the console.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let field = |(name, value): &(&str, &str)| format!("{}={}", escaped(name), escaped(value));
        let body = fields.iter().map(field).collect::<Vec<_>>().join("&");
        let (host, length) = (self.address, body.len());
        Page::of(&ask(
            self.address,
            &format!(
                "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: close\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
            ),
        ))
    }

    /// Sends a form and shows the page that it leads to.
    pub fn done(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> Page {
        let sent = self.send(page, action, fields);
        let location = sent.location.unwrap_or_else(|| panic!("{}", sent.html));
        self.get(&location)
    }
}

impl Page {
    fn of(answer: &str) -> Self {
        let (head, html) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let location = head.lines().find_map(|line| line.strip_prefix("location: "));
        Self {
            status: status.unwrap_or_else(|| panic!("no answer: {answer:?}")),
            location: location.map(ToOwned::to_owned),
            html: html.to_owned(),
        }
    }

    /// Its words, without what marks them up.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for part in self.html.split('<') {
            let shown = part.split_once('>').map_or(part, |(_, shown)| shown);
            text.push(' ');
            text.push_str(shown);
        }
        let text = text
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"");
        let words: Vec<_> = text.split_whitespace().collect();
        words.join(" ").replace("&amp;", "&")
    }
}

/// As a form writes it.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(escape).collect()
}
