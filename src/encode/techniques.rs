//! The techniques of MITRE ATT&CK and ATLAS that detectors name, in words.
//!
//! ATT&CK gave some techniques other numbers in version 19. Receivers know one numbering or the other, so both are told.
//! The names are those of ATT&CK 18 and 19 and of ATLAS 5.6.0.

/// Which of the two catalogues a technique stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Catalogue {
    /// MITRE ATT&CK, Enterprise.
    Attack,
    /// MITRE ATLAS.
    Atlas,
}

/// A technique.
#[derive(Debug, PartialEq, Eq)]
pub struct Technique {
    /// Its number, as `T1078.004`.
    pub id: &'static str,
    /// Its own name.
    pub name: &'static str,
    /// The name of the technique that it is a part of; empty where it is one itself.
    pub parent: &'static str,
    /// Number and name of the tactic that it serves here.
    pub tactic: (&'static str, &'static str),
    /// Its number in the other numbering; empty where that is the same.
    pub twin: &'static str,
    /// The version of the catalogue that has it under this number.
    pub version: &'static str,
}

impl Technique {
    /// The catalogue.
    pub fn catalogue(&self) -> Catalogue {
        if self.id.starts_with("AML.") { Catalogue::Atlas } else { Catalogue::Attack }
    }

    /// The number of the technique that it is a part of, or its own.
    pub fn parent_id(&self) -> &'static str {
        if self.parent.is_empty() {
            return self.id;
        }
        self.id.rsplit_once('.').map_or(self.id, |(parent, _)| parent)
    }
}

const ATTACK: &str = "19";
const ATLAS: &str = "5.6.0";
const INITIAL_ACCESS: (&str, &str) = ("TA0001", "Initial Access");
const PERSISTENCE: (&str, &str) = ("TA0003", "Persistence");
const CREDENTIAL_ACCESS: (&str, &str) = ("TA0006", "Credential Access");
const DISCOVERY: (&str, &str) = ("TA0007", "Discovery");
const COMMAND_AND_CONTROL: (&str, &str) = ("TA0011", "Command and Control");
const IMPACT: (&str, &str) = ("TA0040", "Impact");
const NONE: (&str, &str) = ("", "");

const fn row(
    id: &'static str,
    parent: &'static str,
    name: &'static str,
    tactic: (&'static str, &'static str),
    version: &'static str,
) -> Technique {
    Technique { id, name, parent, tactic, twin: "", version }
}

/// All that any detector names.
pub const ALL: &[Technique] = &[
    row("T1078.004", "Valid Accounts", "Cloud Accounts", INITIAL_ACCESS, ATTACK),
    row("T1090", "", "Proxy", COMMAND_AND_CONTROL, ATTACK),
    row("T1098.001", "Account Manipulation", "Additional Cloud Credentials", PERSISTENCE, ATTACK),
    row("T1098.003", "Account Manipulation", "Additional Cloud Roles", PERSISTENCE, ATTACK),
    row("T1496.004", "Resource Hijacking", "Cloud Service Hijacking", IMPACT, ATTACK),
    row("T1499", "", "Endpoint Denial of Service", IMPACT, ATTACK),
    row("T1526", "", "Cloud Service Discovery", DISCOVERY, ATTACK),
    row("T1552.001", "Unsecured Credentials", "Credentials In Files", CREDENTIAL_ACCESS, ATTACK),
    Technique {
        twin: "T1685.002",
        ..row(
            "T1562.008",
            "Impair Defenses",
            "Disable or Modify Cloud Logs",
            ("TA0005", "Defense Evasion"),
            "18",
        )
    },
    Technique {
        twin: "T1562.008",
        ..row("T1685.002", "Disable or Modify Tools", "Disable or Modify Cloud Logs", NONE, ATTACK)
    },
    row("AML.T0012", "", "Valid Accounts", ("AML.TA0004", "Initial Access"), ATLAS),
    row("AML.T0029", "", "Denial of AI Service", ("AML.TA0011", "Impact"), ATLAS),
    row("AML.T0034", "", "Cost Harvesting", ("AML.TA0011", "Impact"), ATLAS),
    row("AML.T0034.000", "Cost Harvesting", "Excessive Queries", ("AML.TA0011", "Impact"), ATLAS),
    row("AML.T0034.001", "Cost Harvesting", "Resource-Intensive Queries", ("AML.TA0011", "Impact"), ATLAS),
    row("AML.T0034.002", "Cost Harvesting", "Agentic Resource Consumption", ("AML.TA0011", "Impact"), ATLAS),
    row("AML.T0048.000", "External Harms", "Financial Harm", ("AML.TA0011", "Impact"), ATLAS),
    row("AML.T0055", "", "Unsecured Credentials", ("AML.TA0013", "Credential Access"), ATLAS),
    row("AML.T0075", "", "Cloud Service Discovery", ("AML.TA0008", "Discovery"), ATLAS),
];

/// The technique of this number.
pub fn find(id: &str) -> Option<&'static Technique> {
    ALL.iter().find(|technique| technique.id == id)
}

/// Those of these numbers, each under both of its numbers where it has two, and none twice.
pub fn named<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<&'static Technique> {
    let mut found: Vec<&'static Technique> = Vec::new();
    for technique in ids.filter_map(find) {
        for one in [Some(technique), find(technique.twin)].into_iter().flatten() {
            if !found.contains(&one) {
                found.push(one);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect;

    #[test]
    fn every_technique_of_a_detector_has_a_name_and_no_other_is_known() {
        let ids = || detect::ALL.iter().flat_map(|detector| detector.attack.iter().chain(detector.atlas));
        for id in ids() {
            assert!(find(id).is_some(), "{id}");
        }
        for technique in ALL {
            let is_named = ids().any(|id| *id == technique.id || *id == technique.twin);
            assert!(is_named, "{} is nobody's", technique.id);
            let is_part = technique.id.trim_start_matches("AML.").contains('.');
            assert_eq!(is_part, !technique.parent.is_empty(), "{}", technique.id);
            assert_eq!(technique.parent_id().len() < technique.id.len(), is_part, "{}", technique.id);
        }
    }

    #[test]
    fn what_has_two_numbers_is_told_under_both() {
        let told = |ids: &[&str]| named(ids.iter().copied()).iter().map(|one| one.id).collect::<Vec<_>>();
        assert_eq!(told(&["T1685.002"]), ["T1685.002", "T1562.008"]);
        assert_eq!(told(&["T1562.008", "T1685.002"]), ["T1562.008", "T1685.002"]);
        assert_eq!(told(&["T1078.004", "AML.T0012", "T1"]), ["T1078.004", "AML.T0012"]);
    }
}
