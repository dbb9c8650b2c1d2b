//! Texts in which `*` stands for any text: how a configuration names keys.

/// Longer ones are a mistake.
const BYTES_MAX: usize = 256;

/// A text in which `*` stands for any text, the empty one included. Capitals are letters like others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern(String);

impl Pattern {
    /// One, unless it says nothing.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        match text.len() {
            0 => Err("a pattern is empty; `*` stands for any text"),
            1..=BYTES_MAX => Ok(Self(text.to_lowercase())),
            _ => Err("a pattern is longer than any name of a key"),
        }
    }

    /// Whether a text is of this form; the empty text is no name, so it is of none.
    pub fn matches(&self, text: &str) -> bool {
        if text.is_empty() {
            return false;
        }
        let text = text.to_lowercase();
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        // The leftmost place leaves the most to those that follow.
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

/// Whether one of these texts is of one of these forms.
pub fn is_any<'a>(patterns: &[Pattern], texts: impl IntoIterator<Item = &'a str>) -> bool {
    texts.into_iter().any(|text| patterns.iter().any(|pattern| pattern.matches(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_all_else_itself() {
        for (pattern, text, is) in [
            ("...3f9c", "...3f9c", true),
            ("...3f9c", "...3f9d", false),
            ("prod-*", "prod-gateway", true),
            ("prod-*", "Prod-Gateway", true),
            ("prod-*", "prod", false),
            ("*", "x", true),
            ("*", "", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("*key*", "my-key-1", true),
            ("**", "x", true),
            ("ü*", "Übung", true),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().matches(text), is, "{pattern} {text}");
        }
        assert!(Pattern::new("").is_err() && Pattern::new(&"a".repeat(257)).is_err());
    }
}
