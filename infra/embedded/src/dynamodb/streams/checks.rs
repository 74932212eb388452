//! What a request to DynamoDB Streams has to hold, with the words in which AWS says that it does not.

use dynoxide::DynoxideError;

/// Members that are not as they should be. AWS names all of them at once.
#[derive(Default)]
pub(super) struct Checks(Vec<String>);

impl Checks {
    /// A text that has to be there, of so many characters.
    pub fn text(
        &mut self,
        name: &str,
        value: Option<&str>,
        length: std::ops::RangeInclusive<usize>,
    ) -> &mut Self {
        match value {
            None => self.0.push(format!(
                "Value null at '{name}' failed to satisfy constraint: Member must not be null"
            )),
            Some(text) => {
                self.length(name, text, &length);
            }
        }
        self
    }

    /// A text of so many characters, if it is there.
    pub fn optional(
        &mut self,
        name: &str,
        value: Option<&str>,
        length: std::ops::RangeInclusive<usize>,
    ) -> &mut Self {
        if let Some(text) = value {
            self.length(name, text, &length);
        }
        self
    }

    fn length(&mut self, name: &str, text: &str, length: &std::ops::RangeInclusive<usize>) {
        let (found, least, most) = (text.chars().count(), length.start(), length.end());
        let bound = if found < *least {
            format!("greater than or equal to {least}")
        } else if found > *most {
            format!("less than or equal to {most}")
        } else {
            return;
        };
        self.0.push(format!(
            "Value '{text}' at '{name}' failed to satisfy constraint: Member must have length {bound}"
        ));
    }

    /// A number from 1 to `most`, if it is there.
    pub fn limit(&mut self, value: Option<i64>, most: i64) -> &mut Self {
        let bound = match value {
            Some(limit) if limit < 1 => "greater than or equal to 1".to_owned(),
            Some(limit) if limit > most => format!("less than or equal to {most}"),
            _ => return self,
        };
        self.0.push(format!(
            "Value '{}' at 'limit' failed to satisfy constraint: Member must have value {bound}",
            value.unwrap_or_default()
        ));
        self
    }

    /// One of these words.
    pub fn one_of(&mut self, name: &str, value: Option<&str>, words: &[&str]) -> &mut Self {
        match value {
            None => self.0.push(format!(
                "Value null at '{name}' failed to satisfy constraint: Member must not be null"
            )),
            Some(word) if !words.contains(&word) => self.0.push(format!(
                "Value '{word}' at '{name}' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
                words.join(", ")
            )),
            Some(_) => {}
        }
        self
    }

    pub fn done(&self) -> Result<(), DynoxideError> {
        let errors = match self.0.len() {
            0 => return Ok(()),
            1 => "1 validation error",
            more => &format!("{more} validation errors"),
        };
        Err(DynoxideError::ValidationException(format!(
            "{errors} detected: {}",
            self.0.join("; ")
        )))
    }
}
