//! What was found, for people and for programs. Whatever comes from outside (names of files, authors, refs) is cleaned of
//! keys first: a file may be named after one.

use super::Report;
use super::finding::{CommitInfo, Finding, Place};
use super::judge::Confidence;
use super::kinds::Priority;
use super::matcher::Matcher;
use super::remote::Remote;
use crate::encode::Visible;
use crate::normalise::Redactor;
use serde::Serialize;
use std::fmt::Write;

/// Places of one key that people are shown.
const PLACES_SHOWN: usize = 8;
/// Places of one key that programs are told.
const PLACES_MAX: usize = 1000;
/// Refs of one place that people are shown.
const REFS_SHOWN: usize = 6;
/// Remarks on what could not be searched that people are shown.
const TROUBLES_SHOWN: usize = 20;

/// Shows reports.
#[derive(Debug)]
pub struct Renderer<'a> {
    matcher: &'a Matcher,
    redactor: &'a Redactor,
}

/// One line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    event: &'static str,
    key_id: String,
    api_key_prefix: &'a str,
    secret_type: &'a str,
    pattern: &'a str,
    provider: &'a str,
    priority: Priority,
    confidence: Confidence,
    why: &'a str,
    leverage: &'a str,
    first_step: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen: Option<CommitInfo>,
    at_head: bool,
    pushed: bool,
    public_host: bool,
    places_total: usize,
    places: Vec<Place>,
}

impl<'a> Renderer<'a> {
    /// Shows what `matcher` has found.
    pub fn new(matcher: &'a Matcher, redactor: &'a Redactor) -> Self {
        Self { matcher, redactor }
    }

    fn clean(&self, text: &str) -> String {
        self.matcher.conceal(&self.redactor.clean(text.as_bytes()))
    }

    /// The same for a terminal: nothing in it acts.
    fn visible(&self, text: &str) -> String {
        Visible(&self.clean(text)).to_string()
    }

    /// A line of JSON for each key.
    pub fn json(&self, report: &Report) -> serde_json::Result<String> {
        let mut out = String::new();
        for finding in &report.findings {
            out.push_str(&serde_json::to_string(&self.line(finding))?);
            out.push('\n');
        }
        Ok(out)
    }

    fn line<'b>(&'b self, finding: &'b Finding) -> Line<'b> {
        let kind = self.matcher.kinds().get(finding.kind);
        let pattern = finding.pattern.map(|at| self.matcher.pattern(at));
        Line {
            schema: "keyhound.leak.v1",
            event: "leak",
            key_id: finding.id.to_string(),
            api_key_prefix: &finding.hint,
            secret_type: &kind.name,
            pattern: pattern.map_or("", |pattern| &pattern.name),
            provider: pattern.map_or("", |pattern| &pattern.provider),
            priority: kind.priority,
            confidence: finding.verdict.confidence,
            why: finding.verdict.why,
            leverage: &kind.leverage,
            first_step: &kind.first,
            first_seen: finding.since().map(|commit| self.commit(commit)),
            at_head: finding.places.iter().any(|place| place.at_head == Some(true)),
            pushed: finding.places.iter().any(|place| !place.pushed_to.is_empty()),
            public_host: finding
                .places
                .iter()
                .flat_map(|place| &place.pushed_to)
                .any(|remote| remote.public_host),
            places_total: finding.places.len(),
            places: finding.places.iter().take(PLACES_MAX).map(|place| self.place(place)).collect(),
        }
    }

    fn commit(&self, commit: &CommitInfo) -> CommitInfo {
        CommitInfo { author: self.clean(&commit.author), ..commit.clone() }
    }

    fn place(&self, place: &Place) -> Place {
        let clean = |commit: &CommitInfo| self.commit(commit);
        let all = |texts: &[String]| texts.iter().map(|text| self.clean(text)).collect();
        let remote = |remote: &Remote| Remote {
            name: self.clean(&remote.name),
            address: self.clean(&remote.address),
            public_host: remote.public_host,
        };
        Place {
            within: self.clean(&place.within),
            path: self.clean(&place.path),
            added: place.added.as_ref().map(clean),
            removed: place.removed.as_ref().map(clean),
            refs: all(&place.refs),
            shown_by: all(&place.shown_by),
            pushed_to: place.pushed_to.iter().map(remote).collect(),
            ..place.clone()
        }
    }

    /// Text for people.
    pub fn text(&self, report: &Report) -> String {
        let mut out = String::new();
        for (number, finding) in report.findings.iter().enumerate() {
            self.finding(number + 1, finding, &mut out);
        }
        if report.findings.is_empty() {
            out.push_str("no leaked key found\n");
        }
        out
    }

    fn finding(&self, number: usize, finding: &Finding, out: &mut String) {
        let kind = self.matcher.kinds().get(finding.kind);
        let pattern = finding.pattern.map(|at| self.matcher.pattern(at));
        let what = pattern.map_or(String::new(), |pattern| {
            let by = if pattern.provider == "any" { "" } else { pattern.provider.as_str() };
            format!(" ({}{}{})", by, if by.is_empty() { "" } else { ", " }, pattern.name)
        });
        let _ = writeln!(out, "{number}. {} {}{what}", finding.hint, kind.name);
        let _ = writeln!(out, "   key id      {}", finding.id);
        let _ = writeln!(out, "   contain     {}: {}", kind.priority.label(), kind.leverage);
        let _ = writeln!(out, "   first       {}", kind.first);
        let _ =
            writeln!(out, "   confidence  {}: {}", finding.verdict.confidence.label(), finding.verdict.why);
        for place in finding.places.iter().take(PLACES_SHOWN) {
            self.place_text(place, out);
        }
        if finding.places.len() > PLACES_SHOWN {
            let _ = writeln!(
                out,
                "   and {} more places; --json tells them",
                finding.places.len() - PLACES_SHOWN
            );
        }
        out.push('\n');
    }

    fn place_text(&self, place: &Place, out: &mut String) {
        let within = if place.within.is_empty() {
            String::new()
        } else {
            format!(" of {}", self.visible(&place.within))
        };
        let form = if place.form == super::forms::Form::Plain {
            String::new()
        } else {
            format!(", {}", place.form.label())
        };
        let path = self.visible(&place.path);
        let colon = if path.is_empty() { "line " } else { ":" };
        let _ = writeln!(out, "   {path}{colon}{} ({}{within}{form})", place.line, place.kind.label());
        let commit = |label: &str, commit: &CommitInfo, more: &str, out: &mut String| {
            let id = commit.id.get(..12).unwrap_or(&commit.id);
            let _ =
                writeln!(out, "     {label:<9} {id} {} {}{more}", commit.date, self.visible(&commit.author));
        };
        if let Some(added) = &place.added {
            let more = if place.times_added > 1 {
                format!(" (and {} more times)", place.times_added - 1)
            } else {
                String::new()
            };
            commit("added", added, &more, out);
        }
        if let Some(removed) = &place.removed {
            commit("removed", removed, "", out);
        }
        match place.at_head {
            Some(true) => out.push_str("     now       still at HEAD\n"),
            Some(false) if place.shown_by.is_empty() => {
                out.push_str("     now       in no branch any more, but in the history of those below\n");
            }
            Some(false) => {
                let _ = writeln!(
                    out,
                    "     now       still in {}",
                    self.refs(&place.shown_by, place.shown_by.len())
                );
            }
            None => {}
        }
        if !place.refs.is_empty() {
            let _ = writeln!(out, "     reached   from {}", self.refs(&place.refs, place.refs_total));
        }
        for remote in &place.pushed_to {
            let public = if remote.public_host { ", a host where most repositories are public" } else { "" };
            let _ = writeln!(
                out,
                "     pushed    to {} {}{public}",
                self.visible(&remote.name),
                self.visible(&remote.address)
            );
        }
    }

    fn refs(&self, refs: &[String], total: usize) -> String {
        let mut shown: Vec<String> = refs.iter().take(REFS_SHOWN).map(|name| self.visible(name)).collect();
        if total > shown.len() {
            shown.push(format!("and {} more", total - shown.len()));
        }
        shown.join(", ")
    }

    /// What was searched and what was not, for standard error.
    pub fn closing(&self, report: &Report, min: Confidence) -> String {
        let mut out = String::new();
        let places: usize = report.findings.iter().map(|finding| finding.places.len()).sum();
        let _ = writeln!(
            out,
            "{} in {}; searched {} ({}, {}), {}, {} bytes",
            some(report.findings.len() as u64, "key", "keys"),
            some(places as u64, "place", "places"),
            some(report.repositories, "repository", "repositories"),
            some(report.commits, "commit", "commits"),
            some(report.objects, "object", "objects"),
            some(report.files, "file", "files"),
            report.bytes
        );
        if report.unsure > 0 {
            let _ = writeln!(
                out,
                "{} more look like keys and are less sure than {}; --min-confidence low shows them",
                report.unsure,
                min.label()
            );
        }
        if report.unreachable > 0 {
            let _ = writeln!(
                out,
                "{} more stand only in objects to which nothing leads any more; --unreachable shows them",
                report.unreachable
            );
        }
        for trouble in report.troubles.iter().take(TROUBLES_SHOWN) {
            let _ = writeln!(out, "not searched: {}", self.visible(trouble));
        }
        if report.troubles.len() > TROUBLES_SHOWN {
            let _ = writeln!(out, "not searched: {} more", report.troubles.len() - TROUBLES_SHOWN);
        }
        out
    }
}

/// So many of these, in words.
fn some(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}
