//! Alerts for people at a terminal: one block per key and day, one line per alert, what to do said once.

use super::Visible;
use crate::detect::{Alert, Severity, Status};
use crate::key::KeyId;
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

/// Renders a stream of alerts.
#[derive(Clone, Debug)]
pub struct Terminal {
    palette: Palette,
    /// The key and day of the last line.
    block: Option<(KeyId, Day)>,
    /// Keys and days for which the advice was given already.
    advised: Vec<(KeyId, Day, &'static str)>,
}

impl Terminal {
    /// A rendering that has shown nothing yet.
    pub fn new(palette: Palette) -> Self {
        Self { palette, block: None, advised: Vec::new() }
    }

    /// Appends the lines for `alert`.
    pub fn write_alert(&mut self, alert: &Alert, out: &mut Vec<u8>) {
        let mut text = String::new();
        if self.block != Some((alert.key, alert.day)) {
            self.block = Some((alert.key, alert.day));
            self.head(alert, &mut text);
        }
        self.line(alert, &mut text);
        self.advice(alert, &mut text);
        out.extend_from_slice(text.as_bytes());
    }

    fn head(&self, alert: &Alert, text: &mut String) {
        let name = self.palette.bold(&Visible(&alert.key_hint).to_string());
        let alias = match &*alert.key_alias {
            "" => String::new(),
            alias => format!(" ({})", Visible(alias)),
        };
        let usual = match alert.typical_cost {
            Some(cost) => format!(", a usual day costs {cost}"),
            None => ", no baseline yet".to_owned(),
        };
        let spent = if alert.status == Status::Open { "so far" } else { "in all" };
        let facts = format!("{}: {} {spent} in {} requests{usual}", alert.day, alert.cost, alert.requests);
        let _ = writeln!(text, "\nkey {name}{alias}  {}", self.palette.dim(&facts));
    }

    fn line(&self, alert: &Alert, text: &mut String) {
        let Alert { status, severity, .. } = *alert;
        let clock = alert.detected_at.to_string();
        let clock = clock.get(11..19).unwrap_or_default();
        let (word, code) = match (status, alert.revision) {
            (Status::Open, 0) => (severity.label(), Some(severity)),
            (Status::Open, _) => ("worse", Some(severity)),
            (Status::Final, _) => ("final", None),
            (Status::Withdrawn, _) => ("withdrawn", None),
        };
        let word = format!("{word:<9}");
        let description = Visible(&alert.description).to_string();
        let line = match code {
            Some(severity) => {
                let word = self.palette.severity(severity, &word);
                format!("  {clock}  {word}  {:<18} {description}", alert.alert_type)
            }
            None => self.palette.dim(&format!("            {word}  {:<18} {description}", alert.alert_type)),
        };
        let _ = writeln!(text, "{line}");
    }

    /// What to do, once for each key, day and kind of advice.
    fn advice(&mut self, alert: &Alert, text: &mut String) {
        let Some(first) = alert.next_steps.first() else { return };
        let advised = (alert.key, alert.day, *first);
        if alert.status != Status::Open || alert.severity < Severity::High || self.advised.contains(&advised)
        {
            return;
        }
        if self.advised.len() >= ADVISED_MAX {
            self.advised.remove(0);
        }
        self.advised.push(advised);
        for (number, step) in (1..).zip(alert.next_steps) {
            let label = if number == 1 { "What to do" } else { "" };
            let _ = writeln!(text, "            {label:<10} {number}. {step}");
        }
    }
}
