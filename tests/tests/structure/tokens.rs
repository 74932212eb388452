//! Rust source as words and signs: without comments, texts and what is compiled for tests only.

/// A word such as `use`, or a sign such as `::` or `{`.
pub type Token = String;

/// The tokens of a file.
pub fn tokens_of(source: &str) -> Vec<Token> {
    without_tests(&all_tokens(source))
}

fn all_tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = length_of_text(rest) {
            length
        } else if is_of_word(first) {
            let length = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the string or character that `rest` begins with.
fn length_of_text(rest: &str) -> Option<usize> {
    let prefix = ["br", "r", "b", "c", ""];
    let opened = prefix.into_iter().find_map(|prefix| {
        let text = rest.strip_prefix(prefix)?;
        let marks = text.len() - text.trim_start_matches('#').len();
        let is_text = text[marks..].starts_with('"') && (marks == 0 || prefix.contains('r'));
        is_text.then_some((prefix, marks))
    });
    if let Some((prefix, marks)) = opened {
        let start = prefix.len() + marks + 1;
        if prefix.contains('r') {
            let end = format!("\"{}", "#".repeat(marks));
            return Some(
                rest[start..]
                    .find(&end)
                    .map_or(rest.len(), |at| start + at + end.len()),
            );
        }
        return Some(end_of_escaped(rest, start, '"'));
    }
    // A lifetime has no mark at its end.
    let mut after = rest.strip_prefix('\'')?.chars();
    let is_character = after.next() == Some('\\') || after.next() == Some('\'');
    is_character.then(|| end_of_escaped(rest, 1, '\''))
}

fn end_of_escaped(rest: &str, start: usize, mark: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest[start..].char_indices() {
        if c == mark && !is_escaped {
            return start + at + 1;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    rest.len()
}

/// Leaves out each item after `#[cfg(test)]`, to its semicolon or its closing brace.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    const ONLY_FOR_TESTS: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut place = 0;
    while place < tokens.len() {
        if tokens[place..].iter().take(7).eq(ONLY_FOR_TESTS.iter()) {
            place = end_of_item(tokens, place + 7);
        } else {
            kept.push(tokens[place].clone());
            place += 1;
        }
    }
    kept
}

fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0;
    let is_use = tokens[start..].iter().take(5).any(|token| token == "use");
    for (place, token) in tokens.iter().enumerate().skip(start) {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        let is_end = token == ";" || (token == "}" && !is_use);
        if depth == 0 && is_end {
            return place + 1;
        }
    }
    tokens.len()
}
