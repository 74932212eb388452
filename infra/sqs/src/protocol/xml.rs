//! XML, as far as answers need it.

use std::fmt::Write;

/// A document in the making.
pub(super) struct Xml(String);

impl Xml {
    /// A document that so far has its declaration.
    pub(super) fn new() -> Self {
        Self("<?xml version=\"1.0\"?>\n".to_owned())
    }

    /// Opens an element in a namespace.
    pub(super) fn open_in(&mut self, namespace: &str, name: &str) {
        self.put("<").put(name).put(" xmlns=\"").put(namespace).put("\">");
    }

    /// An element with what `inner` puts into it.
    pub(super) fn element(&mut self, name: &str, inner: impl FnOnce(&mut Self)) {
        self.put("<").put(name).put(">");
        let before = self.0.len();
        inner(self);
        if self.0.len() > before {
            self.close(name);
        } else {
            self.0.truncate(before - 1);
            self.put("/>");
        }
    }

    /// An element that holds a text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.element(name, |xml| xml.escaped(text));
    }

    pub(super) fn close(&mut self, name: &str) {
        self.put("</").put(name).put(">");
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    fn put(&mut self, text: &str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    /// White space is written as references: a reader takes a raw carriage return for a line feed, and some take a
    /// text of white space for none. What XML has no way to carry becomes U+FFFD; no message holds such a character,
    /// an error that repeats a request may.
    ///
    /// Source: <https://www.w3.org/TR/xml/#sec-line-ends>, <https://www.w3.org/TR/xml/#charsets>
    fn escaped(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\t' | '\n' | '\r' => {
                    write!(self.0, "&#x{:X};", u32::from(character)).expect("a String takes any text");
                }
                '\0'..'\u{20}' | '\u{FFFE}' | '\u{FFFF}' => self.0.push('\u{FFFD}'),
                _ => self.0.push(character),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_out_as_it_went_in_whatever_xml_thinks_of_its_characters() {
        let mut xml = Xml::new();
        xml.text("Body", "a<b> & \"c\"\r\n\td\u{1}e\u{ffff}\u{e9}\u{1f600}");
        let written = String::from_utf8(xml.into_bytes()).expect("it is text");
        assert!(
            written.ends_with(
                "<Body>a&lt;b&gt; &amp; &quot;c&quot;&#xD;&#xA;&#x9;d\u{fffd}e\u{fffd}\u{e9}\u{1f600}</Body>"
            ),
            "{written}"
        );
    }
}
