//! What a key can do, and what of that was done: the seed's assessment (001, `assess_openai_key_scope`), and in the same
//! spirit those of other providers.

use super::Findings;
use super::attribute::Who;
use super::report::{Permission, Question, Scope, Way};
use crate::inventory::{Entry, Own};
use crate::shard::Witnessed;
use serde::Deserialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// What comes with the program.
const BUILTIN: &str = include_str!("../../config/scope.toml");
/// Limits of a month in dollars above which what can be lost is high, and critical (the seed's).
const HIGH_USD: f64 = 1_000.0;
const CRITICAL_USD: f64 = 10_000.0;
/// Models that are named.
const MODELS_MAX: usize = 20;
/// Clients of the owner that are named.
const CLIENTS_MAX: usize = 5;
/// Models at endpoints that are listed.
const WAYS_MAX: usize = 60;
/// Risks, the mildest first.
const RISKS: [&str; 4] = ["low", "medium", "high", "critical"];

/// What keys of all providers can do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    provider: Vec<Provider>,
}

/// What keys of one provider can do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// By which it is asked for.
    pub name: String,
    /// As people call it.
    pub title: String,
    models: Vec<String>,
    endpoints: Vec<String>,
    permission: Vec<Known>,
}

/// Something that a key may be allowed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    name: String,
    endpoints: Vec<String>,
    #[serde(default)]
    service: String,
    risk: String,
    seen: String,
}

/// A file that cannot be used.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct ScopeError(#[from] toml::de::Error);

impl Catalogue {
    /// The one that comes with the program.
    pub fn builtin() -> Result<Self, ScopeError> {
        Ok(toml::from_str(BUILTIN)?)
    }

    /// The provider of this name.
    pub fn named(&self, name: &str) -> Option<&Provider> {
        self.provider.iter().find(|provider| provider.name.eq_ignore_ascii_case(name))
    }

    /// Names of all.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.provider.iter().map(|provider| provider.name.as_str())
    }

    /// Whose model this is, by how its name begins, behind the routes before it.
    pub fn of_model(&self, model: &str) -> Option<&str> {
        let name = model.rsplit('/').next().unwrap_or(model);
        let begins =
            |provider: &&Provider| provider.models.iter().any(|begin| name.starts_with(begin.as_str()));
        self.provider.iter().find(begins).map(|provider| provider.name.as_str())
    }

    /// Whether a permission of this name is used by any of these endpoints; `None` where nobody knows which those are.
    pub fn is_used(&self, permission: &str, endpoints: &BTreeSet<&str>) -> Option<bool> {
        let wanted = permission.trim().to_ascii_lowercase().replace([' ', '-'], "_");
        let mut known = self
            .provider
            .iter()
            .flat_map(|provider| &provider.permission)
            .filter(|known| known.name == wanted || known.name.split('_').next() == Some(wanted.as_str()))
            .peekable();
        known.peek()?;
        let parts: Vec<String> =
            known.flat_map(|known| &known.endpoints).map(|part| part.to_ascii_lowercase()).collect();
        Some(endpoints.iter().any(|endpoint| {
            let endpoint = endpoint.to_ascii_lowercase();
            parts.iter().any(|part| endpoint.contains(part.as_str()))
        }))
    }

    /// The one that most requests point to, by their endpoints or models.
    pub(super) fn guess(&self, findings: &Findings<'_>) -> Option<&Provider> {
        let weight = |provider: &&Provider| -> u64 {
            let ways = findings.gathered.consumers.values().flat_map(|sums| &sums.ways.by);
            let points = ways.filter(|((model, endpoint), _)| {
                provider.endpoints.iter().any(|part| endpoint.contains(part.as_str()))
                    || provider.models.iter().any(|begin| model.starts_with(begin.as_str()))
            });
            points.map(|(_, span)| span.spent.requests).sum()
        };
        // Of equals the first: Amazon's names of models begin with those of others.
        let mut best = None;
        for provider in &self.provider {
            let weight = weight(&provider);
            if weight > best.map_or(0, |(_, known)| known) {
                best = Some((provider, weight));
            }
        }
        best.map(|(provider, _)| provider)
    }
}

/// What an organisation knows of this key.
pub(super) fn entry<'a>(own: &'a Own, findings: &Findings<'_>) -> Option<&'a Entry> {
    let gathered = findings.gathered;
    let id = gathered.key?;
    own.key.iter().find(|entry| {
        let names = entry.all_names().map(str::to_owned).collect();
        Witnessed::new(names).is_named(id, &gathered.hint, &gathered.alias)
    })
}

/// The assessment.
pub(super) fn scope(
    findings: &Findings<'_>,
    provider: Option<&Provider>,
    entry: Option<&Entry>,
    limit: Option<f64>,
) -> Scope {
    let mut scope = Scope {
        key_prefix: findings.gathered.hint.trim_start_matches('.').to_owned(),
        provider: provider.map_or_else(|| "unknown".to_owned(), |provider| provider.name.clone()),
        permissions: vec![format!("model_access: {}", models(findings))],
        systems: entry.map_or_else(Vec::new, |entry| entry.system.clone()),
        ..Scope::default()
    };
    let mut risk = 0;
    for known in provider.map_or(&[][..], |provider| &provider.permission) {
        let seen = seen(findings, known);
        if seen.owner + seen.attacker == 0 {
            scope.possible.push(known.name.clone());
            continue;
        }
        scope.permissions.push(known.name.clone());
        if !known.service.is_empty() {
            scope.connected_services.push(known.service.clone());
        }
        scope.findings.push(known.seen.clone());
        if seen.attacker > seen.attacker_refused {
            let served = seen.attacker - seen.attacker_refused;
            scope.findings.push(format!(
                "The attacker used it: {} was served {} by him.",
                known.name,
                times(served)
            ));
        }
        risk = risk.max(RISKS.iter().position(|name| *name == known.risk).unwrap_or(0));
        scope.seen.push(seen);
    }
    for system in &scope.systems {
        scope.connected_services.push(system.name.clone());
        risk = risk.max(match system.access.as_str() {
            "admin" => 3,
            "write" | "read" => 2,
            _ => 1,
        });
    }
    scope.data_exposure_risk = RISKS[risk];
    let (financial, finding) = financial(limit);
    scope.financial_exposure = financial;
    scope.findings.push(finding);
    scope.ways = ways(findings);
    scope.questions = questions(findings, &scope, entry);
    scope
}

/// The seed's rule.
fn financial(limit: Option<f64>) -> (&'static str, String) {
    match limit {
        Some(limit) => {
            let level = match limit {
                _ if limit > CRITICAL_USD => "critical",
                _ if limit > HIGH_USD => "high",
                _ => "medium",
            };
            (level, format!("Monthly spend limit: ${limit}. Attacker could consume up to this amount."))
        }
        None => (
            "critical",
            "WARNING: No monthly spend limit configured. Attacker has unlimited financial exposure."
                .to_owned(),
        ),
    }
}

fn models(findings: &Findings<'_>) -> String {
    let all = findings.gathered.consumers.values().flat_map(|sums| sums.models.by.keys());
    let names: BTreeSet<&str> = all.map(|name| &**name).filter(|name| !name.is_empty()).collect();
    let more = names.len().saturating_sub(MODELS_MAX);
    let mut text = names.into_iter().take(MODELS_MAX).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text = format!("{text} and {more} more");
    }
    text
}

fn seen(findings: &Findings<'_>, known: &Known) -> Permission {
    let parts: Vec<String> = known.endpoints.iter().map(|part| part.to_ascii_lowercase()).collect();
    let is_meant = |endpoint: &str| {
        let endpoint = endpoint.to_ascii_lowercase();
        parts.iter().any(|part| endpoint.contains(part.as_str()))
    };
    let mut permission =
        Permission { permission: known.name.clone(), owner: 0, attacker: 0, attacker_refused: 0 };
    for (number, sums) in &findings.gathered.consumers {
        let is_his = findings.judged.get(number).is_some_and(|judged| judged.who == Who::Attacker);
        for (_, span) in sums.endpoints.by.iter().filter(|(endpoint, _)| is_meant(endpoint)) {
            if is_his {
                permission.attacker += span.spent.requests;
                permission.attacker_refused += span.spent.refused;
            } else {
                permission.owner += span.spent.requests;
            }
        }
    }
    permission
}

/// By what the owner uses it, as far as the log tells.
fn clients(findings: &Findings<'_>) -> String {
    let mut clients: BTreeMap<&str, u64> = BTreeMap::new();
    for (client, span) in findings.of(Who::Owner).flat_map(|sums| &sums.clients.by) {
        *clients.entry(client).or_default() += span.spent.requests;
    }
    let mut clients: Vec<(&str, u64)> = clients.into_iter().collect();
    clients.sort_by_key(|(_, requests)| Reverse(*requests));
    let names: Vec<&str> = clients.into_iter().map(|(name, _)| name).take(CLIENTS_MAX).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("by the log with {}; who holds it?", names.join(", "))
    }
}

/// Models and endpoints, the most used first.
fn ways(findings: &Findings<'_>) -> Vec<Way> {
    let mut ways: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for (number, sums) in &findings.gathered.consumers {
        let is_his = findings.judged.get(number).is_some_and(|judged| judged.who == Who::Attacker);
        for (way, span) in &sums.ways.by {
            let (owner, attacker) = ways.entry(way).or_default();
            *(if is_his { attacker } else { owner }) += span.spent.requests;
        }
    }
    let named = |name: &str, none: &str| if name.is_empty() { none.to_owned() } else { name.to_owned() };
    let mut ways: Vec<Way> = ways
        .into_iter()
        .map(|((model, endpoint), (owner, attacker))| Way {
            model: named(model, "(no model)"),
            endpoint: named(endpoint, "(no endpoint)"),
            owner,
            attacker,
        })
        .collect();
    ways.sort_by_key(|way| Reverse(way.owner + way.attacker));
    ways.truncate(WAYS_MAX);
    ways
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// The three questions of seed 002.
fn questions(findings: &Findings<'_>, scope: &Scope, entry: Option<&Entry>) -> Vec<Question> {
    let ask = |question, answer: String| Question { question, is_open: answer.is_empty(), answer };
    let seen = Question { question: "Where was it used?", answer: clients(findings), is_open: true };
    let allowed = entry.map_or(&[][..], |entry| &entry.permissions);
    let could = match (allowed, scope.seen.is_empty()) {
        ([], true) => String::new(),
        ([], false) => {
            let names: Vec<&str> = scope.seen.iter().map(|seen| seen.permission.as_str()).collect();
            format!(
                "seen in the log: {}; what it was allowed besides stands at the provider",
                names.join(", ")
            )
        }
        (allowed, _) => format!("allowed: {}", allowed.join(", ")),
    };
    let used = entry.map(|entry| {
        let parts = [entry.used_by.join(", "), entry.environment.clone()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    });
    let used = used.filter(|text| !text.is_empty()).unwrap_or_default();
    let next: Vec<String> = scope
        .systems
        .iter()
        .map(|system| {
            format!(
                "{} ({}{}{})",
                system.name,
                system.kind,
                if system.access.is_empty() { "" } else { ", " },
                system.access
            )
        })
        .collect();
    vec![
        ask("What could this secret do?", could),
        if used.is_empty() { seen } else { ask("Where was it used?", used) },
        ask("What can an attacker do next?", next.join("; ")),
    ]
}
