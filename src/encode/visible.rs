//! Text from outside, made harmless for whoever looks at it: what a terminal would obey is shown, not sent.

use std::fmt::{self, Write};

/// True for characters that act instead of being seen: controls (C0, DEL, C1), line and paragraph separators, and
/// format characters such as those that reverse the direction of text.
pub const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        | '\u{ad}' | '\u{61c}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// Shows a text with its invisible characters as escapes: `\n`, `\u{1b}`.
#[derive(Clone, Copy, Debug)]
pub struct Visible<'a>(pub &'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if is_invisible(c) {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown() {
        for (text, shown) in [
            ("curl/8.9 ünï→😀", "curl/8.9 ünï→😀"),
            ("a\nb\r\t", "a\\nb\\r\\t"),
            ("\x1b[2J\x1b]0;x\x07", "\\u{1b}[2J\\u{1b}]0;x\\u{7}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("gpt-4o\u{202e}", "gpt-4o\\u{202e}"),
            ("\u{2028}\u{feff}\u{200b}", "\\u{2028}\\u{feff}\\u{200b}"),
        ] {
            assert_eq!(Visible(text).to_string(), shown);
        }
    }
}
