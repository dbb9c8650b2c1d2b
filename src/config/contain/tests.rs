//! What policies are refused, and in what order rules stand.

use super::*;
use crate::config::Config;

fn planned(text: &str) -> Result<Option<Arc<ContainPlan>>, String> {
    let config = Config::parse("k.toml", text).map_err(|error| error.to_string())?;
    ContainPlan::new(&config.containment, &config.contain).map_err(|error| error.to_string())
}

#[test]
fn what_is_wrong_is_told_with_its_setting() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, "EXAMPLE\n").unwrap();
    let key = key.display();
    let rule =
        |action: &str| format!("[[contain]]\nname = \"r\"\naction = \"{action}\"\nkey_file = \"{key}\"\n");
    let block = rule("litellm_block") + "url = \"https://proxy.example\"\n";
    let anthropic = rule("anthropic_inactive");
    let hook =
        "[[contain]]\nname = \"r\"\naction = \"webhook\"\nurl = \"https://hook.example/x\"\n".to_owned();
    assert!(planned("").unwrap().is_none());
    assert!(planned(&block).unwrap().unwrap().rules[0].is_dry, "dry unless it is said otherwise");
    for (text, told) in [
        (
            rule("litellm_blok"),
            "`contain.r.action`: unknown action `litellm_blok`; did you mean `litellm_block`?",
        ),
        (rule(""), "`contain.r.action`: is missing; litellm_block, "),
        (rule("litellm_block"), "`contain.r.url`: is missing"),
        (block.replace("https", "http"), "everybody on the way can read the key"),
        (
            block.clone() + "irreversible = true",
            "`contain.r.irreversible`: is true, but what `litellm_block`",
        ),
        (
            block.clone() + "limit_usd = 3.0",
            "`contain.r.limit_usd`: is given, but `litellm_block` sets no limit",
        ),
        (block.clone() + "score_min = 0.0", "`contain.r.score_min`: is 0; a number of nats above nought"),
        (block.clone() + "class = \"theft\"", "`contain.r.class`: `theft` is none; compromise, "),
        (block.clone() + "severity_min = \"bad\"", "`contain.r.severity_min`: `bad` is none; low, "),
        (block.clone() + "then = \"go\"", "`contain.r.then`: `go` is none; stop, continue"),
        (block.clone() + "keys = [\"\"]", "`contain.r.keys`: a pattern is empty"),
        (block.clone() + "timeout_ms = 0", "`contain.r.timeout_ms`: is 0; 1 to 60000"),
        (block.clone() + "project = \"proj_a\"", "`contain.r.project`: is for actions of OpenAI"),
        (block.clone() + "signature_file = \"x\"", "`contain.r.signature_file`: is for webhooks"),
        (block.clone() + &block, "two rules are called `r`"),
        (block.replace("\"r\"", "\"R 1\""), "a name has up to 32 lower-case letters"),
        (block.replace("key_file", "#"), "`contain.r.key_file`: is missing, and so is `key_command`"),
        (
            rule("openai_delete"),
            "`contain.r.irreversible`: is false, and what `openai_delete` does cannot be undone",
        ),
        (
            rule("litellm_budget") + "url = \"https://x\"\nlimit_usd = -1.0",
            "`contain.r.limit_usd`: is -1; dollars",
        ),
        (hook, "`contain.r.signature_file`: is missing"),
        (anthropic.clone() + "[containment]\nprotect = [\"\"]", "`containment.protect`: a pattern is empty"),
        (anthropic.clone() + "[containment]\nactions_per_day_max = 0", "is 0; 1 to 1000 is expected"),
        (
            anthropic.clone() + "[[containment.key]]\nkey = \"a\"\nprovider = \"anthropic\"\nid = \"a/b\"",
            "`containment.key.id`: is no id of a key (`apikey_…`)",
        ),
        (
            anthropic + "[[containment.key]]\nkey = \"a\"\nprovider = \"antropic\"\nid = \"a\"",
            "unknown provider `antropic`; did you mean `anthropic`?",
        ),
    ] {
        let error = planned(&text).map(|_| ()).unwrap_err();
        assert!(error.contains(told), "{error}\n{told}");
        assert!(!error.contains("EXAMPLE"), "{error}");
    }
}

#[test]
fn what_can_be_undone_goes_first() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, "EXAMPLE\n").unwrap();
    let key = key.display();
    let text = format!(
        "[[contain]]\nname = \"delete\"\naction = \"openai_delete\"\nkey_file = \"{key}\"\nirreversible = true\n\
         [[contain]]\nname = \"hook\"\naction = \"webhook\"\nurl = \"https://x\"\nsignature_file = \"{key}\"\nirreversible = true\n\
         [[contain]]\nname = \"limit\"\naction = \"openrouter_limit\"\nkey_file = \"{key}\"\nlimit_usd = 1.0\n\
         [[contain]]\nname = \"off\"\naction = \"anthropic_inactive\"\nkey_file = \"{key}\"\n"
    );
    let plan = planned(&text).unwrap().unwrap();
    let names: Vec<&str> = plan.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["limit", "off", "delete", "hook"]);
}
