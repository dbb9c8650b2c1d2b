//! What the two numbers of each term are numbers of.

use super::revision::Entry;
use crate::backtest::stats;
use crate::incident;

/// What was seen of the consumer and what is usual, in words; nothing where the term says it all.
pub fn reading(entry: &Entry) -> String {
    let (seen, usual) = (entry.observed, entry.expected);
    let n = |one: &str, several: &str| counted(seen, one, several);
    match entry.term.as_str() {
        "network" | "client" => {
            format!("{}; such a newcomer comes on {} of the key's days", n("visit", "visits"), percent(usual))
        }
        "load_tool" | "fleet" | "server" => String::new(),
        "client_rare" => {
            format!("used by {} of the fleet; from {} on it counts as usual", percent(seen), percent(usual))
        }
        "place" if usual > 0.0 => {
            format!("no key uses its network; by chance that would be so for {}", percent(usual))
        }
        "place" => format!("{} of all keys use its network", percent(seen)),
        "country" => n("country", "countries"),
        "identity_cap" => format!("it comes to {seen:.3} nats, of which {usual} count"),
        "hops" => {
            format!("{} changes of place; {} are usual in as many requests", number(seen), number(usual))
        }
        "switches" => format!("{seen:+.1} nats, over all of its changes"),
        "fan_out" => format!("{} of them; {} are usual in as long", number(seen), number(usual)),
        "probe" | "model" => n("model", "models"),
        "checks_only" => format!("{}, and no other", n("such call", "such calls")),
        "endpoint" => n("endpoint", "endpoints"),
        "list" => n("list", "lists"),
        "refused_key" => format!("{} refused", n("request", "requests")),
        "dormant" => format!("{} days of pause; the longest before was {}", number(seen), number(usual)),
        "dear" => format!("${} a request; the owner's cost ${}", number(seen), number(usual)),
        "tokens" => {
            format!("{seen:+.1} nats against all sizes of the owner's, {usual:+.1} against those of late")
        }
        "hours" => format!("{seen:+.1} nats by the hours of the owner's week"),
        "independent" => {
            format!("both at work in {} of {} stretches of five minutes", number(seen), number(usual))
        }
        "own_sizes" => {
            format!("{} of {} are as the owner's", number(seen), counted(usual, "request", "requests"))
        }
        "habits" => format!("{seen:+.1} nats, over all of its requests"),
        "usual" => format!("{} days of use, or requests a day", number(seen)),
        name if incident::is_of_habits(name) => {
            format!("its weightiest sum is {}; {} is usual", number(seen), number(usual))
        }
        _ => format!("seen {}; usual {}", number(seen), number(usual)),
    }
}

fn counted(count: f64, one: &str, several: &str) -> String {
    if stats::is_one(count) { format!("1 {one}") } else { format!("{} {several}", number(count)) }
}

/// As many digits as say something.
pub fn number(number: f64) -> String {
    let text = match number.abs() {
        ..0.0005 => "0".to_owned(),
        ..0.1 => format!("{number:.3}"),
        ..10.0 => format!("{number:.2}"),
        ..1000.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn percent(part: f64) -> String {
    // To the thousandth is all that is recorded.
    if part < 0.0005 {
        return "less than 0.1 %".to_owned();
    }
    format!("{} %", number(100.0 * part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_is_read_in_words() {
        for (name, _) in incident::TERMS {
            let entry = Entry { term: (*name).to_owned(), nats: 1.0, observed: 2.0, expected: 0.04 };
            let reading = reading(&entry);
            assert!(!reading.starts_with("seen "), "{name} has words of its own");
            assert!(reading.len() <= 72, "{name}: {reading}");
        }
    }

    #[test]
    fn numbers_have_no_more_digits_than_they_need() {
        assert_eq!([0.0, 0.004, 2.0, 12.34, 4321.0].map(number), ["0", "0.004", "2", "12.3", "4321"]);
        assert_eq!(counted(1.0, "visit", "visits"), "1 visit");
    }
}
