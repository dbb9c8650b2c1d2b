//! Texts and numbers as they stand in a terminal: nothing in them acts, and each is as wide as it is meant to be.

use crate::encode::Visible;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A text from outside, harmless.
pub fn clean(text: &str) -> String {
    Visible(text).to_string()
}

/// A text in so many columns: cut off with a mark, or filled up.
pub fn fit(text: &str, width: usize) -> String {
    let text = clean(text);
    let wide = text.width();
    if wide <= width {
        return format!("{text}{}", " ".repeat(width - wide));
    }
    let (mut cut, mut taken) = (String::new(), 0);
    for c in text.chars() {
        let next = c.width().unwrap_or(0);
        if taken + next + 1 > width {
            break;
        }
        cut.push(c);
        taken += next;
    }
    if width > 0 {
        cut.push('…');
        taken += 1;
    }
    format!("{cut}{}", " ".repeat(width.saturating_sub(taken)))
}

/// The same with the text at the right.
pub fn right(text: &str, width: usize) -> String {
    let text = clean(text);
    let wide = text.width();
    if wide > width { fit(&text, width) } else { format!("{}{text}", " ".repeat(width - wide)) }
}

/// A text in lines of so many columns.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in clean(text).split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Dollars.
pub fn usd(value: f64) -> String {
    if value > 0.0 && value < 0.01 {
        return "<$0.01".to_owned();
    }
    if value >= 100_000.0 {
        return format!("${}", grouped_float(value));
    }
    format!("${value:.2}")
}

fn grouped_float(value: f64) -> String {
    let whole = format!("{value:.0}");
    group(&whole)
}

/// A count, its thousands apart.
pub fn count(value: u64) -> String {
    group(&value.to_string())
}

fn group(digits: &str) -> String {
    let mut grouped = String::new();
    for (at, c) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && c.is_ascii_digit() {
            grouped.push(',');
        }
        grouped.push(c);
    }
    grouped
}

/// A time of seconds, in its two largest units.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never below nought")]
pub fn lasting(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        86_400..864_000 => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A time of day, without what is behind the second.
pub fn when(time: &str) -> String {
    let (head, tail) = time.split_once('.').unwrap_or((time, ""));
    let zone = tail.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{head}{zone}").replace('T', " ")
}

/// The same without its seconds.
pub fn minute(time: &str) -> String {
    when(time).chars().take(16).collect()
}

/// Values as bars, the highest full.
pub fn spark(values: &[f64], is_plain: bool) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const PLAIN: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];
    let bars = if is_plain { PLAIN } else { BARS };
    let most = values.iter().copied().fold(0.0, f64::max);
    let bar = |value: &f64| {
        if *value <= 0.0 || most <= 0.0 {
            return ' ';
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 7")]
        let at = (value / most * 7.0).round() as usize;
        bars[at.min(7)]
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_wide_as_they_are_meant_to_be_and_harmless() {
        for (text, width, shown) in [
            ("abc", 5, "abc  "),
            ("abcdef", 4, "abc…"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日… "),
            ("\u{1b}[2J", 8, "\\u{1b}[…"),
            ("x", 0, ""),
        ] {
            assert_eq!(fit(text, width), shown);
            assert_eq!(fit(text, width).width(), width);
        }
        assert_eq!((right("7", 3), right("12345", 3)), ("  7".to_owned(), "12…".to_owned()));
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
    }

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!([0.0, 0.004, 12.345, 1_234_567.0].map(usd), ["$0.00", "<$0.01", "$12.35", "$1,234,567"]);
        assert_eq!([7, 1234, 1_234_567].map(count), ["7", "1,234", "1,234,567"]);
        assert_eq!(
            [5.0, 61.0, 7260.0, 90_000.0, 8_640_000.0].map(lasting),
            ["5 s", "1 min", "2 h 1 min", "1 d 1 h", "100 d"]
        );
        assert_eq!(when("2026-07-01T02:14:07.800Z"), "2026-07-01 02:14:07Z");
        assert_eq!(spark(&[0.0, 1.0, 8.0], false), " ▂█");
        assert_eq!(spark(&[0.0, 0.0], true), "  ");
    }
}
