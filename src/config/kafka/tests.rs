//! What a configuration may say of Kafka, and what it is told where it may not.

use super::*;
use crate::config::{Config, Plan};

fn planned(text: &str) -> Result<Option<KafkaPlan>, String> {
    let told = |error: ConfigError| error.to_string();
    let config = Config::parse("k.toml", text).map_err(told)?;
    Ok(Plan::new(&config, "k.toml", text).map_err(told)?.kafka)
}

const SOUND: &str = "[kafka]\nbootstrap_servers = \"b:1\"\ntopics = [\"usage\"]\n";

#[test]
fn without_brokers_there_is_no_kafka() {
    assert!(planned("").unwrap().is_none());
    let plan = planned(SOUND).unwrap().unwrap();
    assert_eq!(plan.changelog("usage"), "keyhound-usage-changelog");
}

#[test]
fn topics_between_stages_have_names_of_their_own() {
    let plan = planned(&format!("{SOUND}repartition = true\nchangelog_prefix = \"p\"\n")).unwrap().unwrap();
    assert_eq!(plan.read_topics(), ["usage", "p-repartition", "p-halves"]);
    let changelogs: Vec<String> = plan.read_topics().iter().map(|topic| plan.changelog(topic)).collect();
    assert_eq!(changelogs, ["p-usage-changelog", "p-repartition-changelog", "p-halves-changelog"]);
}

#[test]
fn mistakes_are_told_with_their_remedy() {
    for (more, told) in [
        ("topics = []", "`kafka.topics`: is missing"),
        ("topics = [\"a b\"]", "`kafka.topics`: `a b` is no name of a topic"),
        ("alerts_topic = \"usage\"", "`kafka.alerts_topic`: topic `usage` is named twice"),
        ("group_id = \"\"", "`kafka.group_id`: is missing"),
        ("guarantee = \"twice\"", "unknown variant `twice`, expected `exactly-once` or `at-least-once`"),
        ("transaction_timeout_ms = 15000", "has to be shorter than `kafka.session_timeout_ms`"),
        ("repartition = true\nguarantee = \"at-least-once\"", "`kafka.repartition`: needs `kafka.guarantee"),
        (
            "repartition_partitions = 3",
            "`kafka.repartition_partitions`: is given, but `kafka.repartition` is false",
        ),
        ("commit_ms = 0", "`kafka.commit_ms`: is 0; 1 to 60000 is expected"),
        ("[kafka.properties]\nacks = 1", "`acks` is keyhound's own"),
        ("[kafka.properties]\n\"group.id\" = 1", "`group.id` is set by `kafka.group_id`"),
        ("[kafka.properties]\n\"sasl.password\" = \"x\"", "is set by `kafka.sasl.password_file`"),
        ("[kafka.tls]\nca_file = \"x\"", "`kafka.tls.enabled` is false"),
        ("[kafka.sasl]\nusername = \"x\"", "`kafka.sasl.mechanism`: is missing"),
        ("[kafka.sasl]\nmechanism = \"SCRAM-SHA-521\"", "did you mean `SCRAM-SHA-512`?"),
        ("[kafka.sasl]\nmechanism = \"PLAIN\"", "PLAIN needs `username` and `password_file`"),
        ("[kafka.sasl]\nmechanism = \"OAUTHBEARER\"", "OAUTHBEARER needs `token_file`"),
        ("group = \"x\"", "k.toml:4: unknown setting `group` in `kafka`; did you mean `group_id`?"),
    ] {
        let text = match more.split_once(" = ") {
            Some((name, _)) if SOUND.contains(name) => {
                format!("[kafka]\nbootstrap_servers = \"b:1\"\n{more}\n")
            }
            _ => format!("{SOUND}{more}\n"),
        };
        let error = planned(&text).unwrap_err();
        assert!(error.contains(told), "{more}: {error}");
    }
}

/// Whether or not it is used by now: what is switched on later must not find somebody else's messages.
#[test]
fn topics_of_our_own_are_nobody_elses() {
    let own = [
        "usage-changelog",
        "repartition",
        "repartition-changelog",
        "halves",
        "halves-changelog",
        "progress",
        "fleet",
        "sink-oncall",
    ];
    let settings = [
        ("topics", "topics = [\"usage\", \"NAME\"]"),
        ("alerts_topic", "topics = [\"usage\"]\nalerts_topic = \"NAME\""),
        ("rejects_topic", "topics = [\"usage\"]\nrejects_topic = \"NAME\""),
    ];
    for (prefix, own) in ["keyhound", "p"].iter().flat_map(|prefix| own.map(|own| (prefix, own))) {
        for (setting, text) in settings {
            let name = format!("{prefix}-{own}");
            for repartition in [true, false] {
                let text = format!(
                    "[kafka]\nbootstrap_servers = \"b:1\"\nchangelog_prefix = \"{prefix}\"\nrepartition = {repartition}\n{}\n",
                    text.replace("NAME", &name)
                );
                let error = planned(&text).unwrap_err();
                let told = format!("`kafka.{setting}`: `{name}` is what keyhound calls a topic of its own");
                assert!(error.contains(&told) && error.contains("choose another name"), "{error}");
                planned(&text.replace(&name, &format!("other-{name}"))).unwrap();
            }
        }
    }
}

#[test]
fn two_topics_do_not_share_their_state() {
    for topic in ["repartition", "halves"] {
        let text = format!("[kafka]\nbootstrap_servers = \"b:1\"\ntopics = [\"{topic}\"]\n");
        planned(&text).unwrap();
        let error = planned(&format!("{text}repartition = true\n")).unwrap_err();
        let told = format!(
            "`kafka.topics`: with `kafka.repartition`, `keyhound-{topic}-changelog` would hold the state"
        );
        assert!(error.contains(&told), "{error}");
    }
}

#[test]
fn secrets_come_from_files_and_are_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    std::fs::write(&path, "EXAMPLE-password\r\n").unwrap();
    let text = format!(
        "{SOUND}[kafka.sasl]\nmechanism = \"SCRAM-SHA-512\"\nusername = \"u\"\npassword_file = \"{}\"\n",
        path.display()
    );
    let plan = planned(&text).unwrap().unwrap();
    let secret = Secret("EXAMPLE-password".to_owned());
    assert!(plan.properties.contains(&("sasl.password".to_owned(), secret)));
    assert!(!format!("{plan:?}").contains("EXAMPLE-password"));
    std::fs::write(&path, "\n").unwrap();
    assert!(planned(&text).unwrap_err().contains("is empty"));
}

#[cfg(feature = "kafka")]
#[test]
fn what_librdkafka_does_not_know_is_told_by_name() {
    let text = format!("{SOUND}[kafka.properties]\n\"linger.msec\" = 1\n");
    let plan = planned(&text).unwrap().unwrap();
    let error = crate::engine::kafka::check(&plan).unwrap_err().to_string();
    assert!(error.contains("`linger.msec`"), "{error}");
}
