//! Alerts for people at a terminal: one block per key and day, one line per alert, what to do said once.

use super::Visible;
use crate::detect::{Alert, Class, Severity, Status};
use crate::incident::{Incident, Phase};
use crate::key::KeyId;
use crate::shard::Event;
use crate::time::Day;
use std::fmt::Write;

/// Colours, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Palette {
    /// Whether escape sequences may be written.
    pub colour: bool,
}

impl Palette {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Something that matters less.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Something that matters more.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Something that is as it should be, or better than before.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Something that is not.
    pub fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    fn severity(self, severity: Severity, text: &str) -> String {
        let code = match severity {
            Severity::Low => "36",
            Severity::Medium => "33",
            Severity::High => "31",
            Severity::Critical => "1;97;41",
        };
        self.paint(code, text)
    }
}

/// Most key-days whose advice is remembered as given.
const ADVISED_MAX: usize = 1024;

/// Lines that belong together: a key on a day, while it lasts or once it is over.
type Block = (KeyId, Day, bool);

/// Renders a stream of alerts.
#[derive(Clone, Debug)]
pub struct Terminal {
    palette: Palette,
    /// Where the last line belonged.
    block: Option<Block>,
    /// Keys and days for which advice was given, and the class it was for.
    advised: Vec<(KeyId, Day, Class)>,
}

impl Terminal {
    /// A rendering that has shown nothing yet.
    pub fn new(palette: Palette) -> Self {
        Self { palette, block: None, advised: Vec::new() }
    }

    /// Appends the lines for some events that came together.
    pub fn write_events<'a>(&mut self, events: impl Iterator<Item = &'a Event>, out: &mut Vec<u8>) {
        let mut alerts = Vec::new();
        for event in events {
            match event {
                Event::Alert(alert) => alerts.push(alert),
                Event::Incident(incident) => {
                    self.write_alerts(alerts.drain(..), out);
                    self.write_incident(incident, out);
                }
                Event::Use(_) | Event::Containment(_) => {}
            }
        }
        self.write_alerts(alerts.into_iter(), out);
    }

    fn write_incident(&mut self, incident: &Incident, out: &mut Vec<u8>) {
        self.block = None;
        let mut text = String::new();
        let name = self.palette.bold(&Visible(&incident.key_hint).to_string());
        let word = match incident.phase {
            Phase::Resolved => "incident is over".to_owned(),
            Phase::Dismissed => "incident was none".to_owned(),
            _ => {
                let word = if incident.revision == 0 { "INCIDENT" } else { "INCIDENT goes on" };
                let is_certain = incident.phase == Phase::Confirmed;
                let word = format!(
                    "{word}, {}{}",
                    incident.severity.label(),
                    if is_certain { ", confirmed" } else { "" }
                );
                self.palette.severity(incident.severity, &word)
            }
        };
        let time = incident.updated_at.to_string();
        let _ = writeln!(text, "\nkey {name}  {word}  {}", self.palette.dim(&time));
        let _ = writeln!(text, "  {}", Visible(&incident.description));
        if incident.is_shared {
            let theft = incident.theft.get(..8).unwrap_or_default();
            let _ =
                writeln!(text, "  somebody from an address of his is new at other keys, too: theft {theft}");
        }
        if !incident.reason.is_empty() {
            let _ = writeln!(text, "  an operator says: {}", Visible(&incident.reason));
        }
        // One that is sure by itself may be told from a later revision of its alert on.
        if incident.revision == 0 || incident.threshold == 0.0 && incident.phase == Phase::Open {
            for term in incident.ledger.iter().filter(|term| term.nats.abs() >= 0.05) {
                let meaning = self.palette.dim(term.meaning());
                let _ = writeln!(text, "    {:>+6.1}  {:<12} {meaning}", term.nats, term.name);
            }
            let _ = writeln!(text, "    {:>6.1}  nats in all", incident.score);
            for (number, step) in incident.next_steps.iter().enumerate() {
                let _ = writeln!(text, "  {}. {step}", number + 1);
            }
        }
        out.extend_from_slice(text.as_bytes());
    }

    /// Appends the lines for some alerts that came together.
    pub fn write_alerts<'a>(&mut self, alerts: impl Iterator<Item = &'a Alert>, out: &mut Vec<u8>) {
        let mut alerts = alerts.peekable();
        let mut text = String::new();
        // The alert whose advice ends a closed block: theft before accident.
        let mut last_word: Option<&Alert> = None;
        while let Some(alert) = alerts.next() {
            let block = block(alert);
            if self.block != Some(block) {
                self.block = Some(block);
                self.head(alert, &mut text);
            }
            self.line(alert, &mut text);
            match alert.status {
                Status::Open => self.advise_once(alert, &mut text),
                Status::Final if last_word.is_none_or(|word| word.class != Class::Compromise) => {
                    last_word = Some(alert);
                }
                Status::Final | Status::Withdrawn => {}
            }
            if alerts.peek().is_none_or(|next| self::block(next) != block)
                && let Some(word) = last_word.take()
            {
                advise(word, &mut text);
            }
        }
        out.extend_from_slice(text.as_bytes());
    }

    fn head(&self, alert: &Alert, text: &mut String) {
        let name = self.palette.bold(&Visible(&alert.key_hint).to_string());
        let alias = match &*alert.key_alias {
            "" => String::new(),
            alias => format!(" ({})", Visible(alias)),
        };
        let usual = match alert.typical_cost {
            Some(cost) => format!("a usual day costs {cost}"),
            None => "it has no baseline yet".to_owned(),
        };
        let spent = if alert.status == Status::Open { "so far" } else { "whole day" };
        let requests = match alert.requests {
            Some(1) => " in 1 request".to_owned(),
            Some(count) => format!(" in {count} requests"),
            None => String::new(),
        };
        let billed = match alert.invoiced {
            Some(amount) if amount != alert.cost => format!(", {amount} billed"),
            _ => String::new(),
        };
        let facts = format!("{}, {spent}: {}{requests}{billed}; {usual}", alert.day, alert.cost);
        let _ = writeln!(text, "\nkey {name}{alias}  {}", self.palette.dim(&facts));
    }

    fn line(&self, alert: &Alert, text: &mut String) {
        let time = match alert.status {
            Status::Open => format!("{}  ", alert.updated_at.to_string().get(11..19).unwrap_or_default()),
            _ => String::new(),
        };
        let description = Visible(&alert.description).to_string();
        let withdrawn = alert.status == Status::Withdrawn;
        let word = match alert.revision {
            _ if withdrawn => "withdrawn",
            1.. if alert.status == Status::Open => "worse",
            _ => alert.severity.label(),
        };
        let word = format!("{word:<9}");
        let word = if withdrawn { word } else { self.palette.severity(alert.severity, &word) };
        let line = format!("  {time}{word}  {:<18} {description}", alert.alert_type);
        let _ = writeln!(text, "{}", if withdrawn { self.palette.dim(&line) } else { line });
    }

    /// What to do, once for each key and day; again only when what looked like an accident looks like theft.
    fn advise_once(&mut self, alert: &Alert, text: &mut String) {
        let given = |class| self.advised.contains(&(alert.key, alert.day, class));
        if alert.severity < Severity::High || given(Class::Compromise) || given(alert.class) {
            return;
        }
        if self.advised.len() >= ADVISED_MAX {
            self.advised.remove(0);
        }
        self.advised.push((alert.key, alert.day, alert.class));
        advise(alert, text);
    }
}

fn block(alert: &Alert) -> Block {
    (alert.key, alert.day, alert.status != Status::Open)
}

fn advise(alert: &Alert, text: &mut String) {
    if !alert.blind.is_empty() {
        let _ = writeln!(
            text,
            "  blind:      {} (no record of this key has what it takes)",
            alert.blind.join(", ")
        );
    }
    for (number, step) in (1..).zip(alert.next_steps) {
        let label = if number == 1 { "what to do:" } else { "" };
        let _ = writeln!(text, "  {label:<11} {number}. {step}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::AlertId;
    use crate::money::NanoUsd;
    use crate::time::{Stamp, Timestamp};

    fn alert(status: Status, class: Class) -> Alert {
        let at = Stamp::utc(Timestamp(0));
        Alert {
            id: AlertId::default(),
            revision: 0,
            status,
            alert_type: "cost_spike",
            severity: Severity::High,
            class,
            description: "a\u{1b}[2Jb".to_owned(),
            evidence: Vec::new(),
            timestamp: at,
            key_hint: "...3f9c".into(),
            key_alias: "".into(),
            key: KeyId([0; 16]),
            detected_at: at,
            updated_at: at,
            day: Day(0),
            window_start: at.at,
            window_end: at.at,
            requests: Some(1),
            cost: NanoUsd(1_500_000_000),
            invoiced: None,
            typical_cost: None,
            blind: Vec::new(),
            attack: &[],
            atlas: &[],
            next_steps: &["act"],
        }
    }

    #[test]
    fn advice_is_given_once_while_it_lasts_and_once_at_the_end() {
        use Class::{Compromise, Operational};
        let alerts = [
            alert(Status::Open, Operational),
            alert(Status::Open, Operational),
            alert(Status::Open, Compromise),
            alert(Status::Open, Operational),
            alert(Status::Final, Operational),
            alert(Status::Final, Compromise),
        ];
        let mut terminal = Terminal::new(Palette { colour: false });
        let mut out = Vec::new();
        terminal.write_alerts(alerts.iter(), &mut out);
        let text = String::from_utf8(out).unwrap();
        let shape: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
        let expected = [
            "key", "00:00:00", "what", "00:00:00", "00:00:00", "what", "00:00:00", "key", "high", "high",
            "what",
        ];
        assert_eq!(shape, expected, "{text}");
        assert!(!text.contains('\u{1b}') && text.contains("a\\u{1b}[2Jb"), "{text}");
    }
}
