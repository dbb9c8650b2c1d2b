//! Another configuration while a run goes on: in force between two records, or not at all.

use crate::metrics::Served;
use crate::support::{keyhound, record, run_in};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Tells a key's owner from so many dollars a day on.
fn amounts(usd: f64) -> String {
    format!("[metrics]\nkeys = \"top\"\n[detectors.billing_threshold]\namounts_usd = [{usd:?}]\n")
}

fn reload(dir: &Path) -> crate::support::Ran {
    run_in(dir, &["reload", "--control", "control"], b"")
}

fn processed(count: u64) -> String {
    format!("keyhound_records_total{{outcome=\"processed\"}} {count}")
}

fn alerts(dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(dir.join("alerts")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn request(number: u32) -> String {
    record(&[("cost_usd", json!(3.0)), ("request_id", json!(format!("r{number}")))])
}

#[test]
fn what_changes_holds_from_the_next_record_on_and_nothing_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("k.toml"), amounts(1e6)).unwrap();
    let mut served = Served::start_in(dir, &["-c", "k.toml", "--control", "control", "--output", "alerts"]);
    served.feed(&request(1), &processed(1));
    assert_eq!(served.value("keyhound_config_reload_success"), 1);
    assert!(alerts(dir).is_empty());
    fs::write(dir.join("k.toml"), amounts(5.0)).unwrap();
    let ran = reload(dir);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stdout, "in force from now on: detectors.billing_threshold.amounts_usd\n");
    // Three dollars of before and three of now: both are remembered.
    served.feed(&request(2), &processed(2));
    let told = alerts(dir);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["alert_type"], &told[0]["status"]), (&json!("billing_threshold"), &json!("open")));
    assert_eq!(reload(dir).stdout, "nothing has changed\n");
    served.stop();
    assert!(!dir.join("control").exists() || reload(dir).code == Some(69));
}

#[test]
fn what_is_wrong_changes_nothing_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("k.toml"), amounts(5.0)).unwrap();
    let mut served = Served::start_in(dir, &["-c", "k.toml", "--control", "control", "--output", "alerts"]);
    served.feed(&request(1), &processed(1));
    let loaded = served.value("keyhound_config_reload_success_timestamp_seconds");
    for (text, told) in [
        (
            "[detectors.billing_threshold]\namounts_usd = \"many\"\n",
            "k.toml:1: detector `billing_threshold`: ",
        ),
        ("[detectors.fancy]\n", "k.toml:1: unknown setting `fancy` in `detectors`"),
        (
            "[metrics]\nkeys = \"top\"\n[limits]\nstate_bytes_max = 2000000\n",
            "`limits.state_bytes_max` cannot be changed while keyhound runs: restart it",
        ),
        ("[watch_list]\nfiles = [\"nowhere\"]\n[metrics]\nkeys = \"top\"\n", "`nowhere`"),
    ] {
        fs::write(dir.join("k.toml"), text).unwrap();
        let ran = reload(dir);
        assert_eq!(ran.code, Some(78), "{}", ran.stderr);
        assert!(
            ran.stderr.contains(told) && ran.stderr.contains("stays as it was"),
            "{told}: {}",
            ran.stderr
        );
        assert_eq!(served.value("keyhound_config_reload_success"), 0);
    }
    // What held before still does.
    served.feed(&request(2), &processed(2));
    assert_eq!(alerts(dir).len(), 1);
    assert_eq!(served.value("keyhound_config_reload_success_timestamp_seconds"), loaded);
    fs::write(dir.join("k.toml"), amounts(5.0)).unwrap();
    served.hang_up();
    for tries in 0.. {
        assert!(tries < 100, "SIGHUP is not heard");
        if served.value("keyhound_config_reload_success") == 1 {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    served.stop();
}

#[test]
fn nobody_listens_and_two_cannot() {
    let dir = tempfile::tempdir().unwrap();
    let ran = reload(dir.path());
    assert_eq!(ran.code, Some(69), "{}", ran.stderr);
    assert!(ran.stderr.contains("does a run listen there"), "{}", ran.stderr);
    fs::write(dir.path().join("k.toml"), "").unwrap();
    let served = Served::start_in(dir.path(), &["-c", "k.toml", "--control", "control"]);
    let args = ["run", "-c", "k.toml", "--control", "control"];
    let second = run_in(dir.path(), &args, b"");
    assert_eq!(second.code, Some(69), "{}", second.stderr);
    assert!(second.stderr.contains("another keyhound listens there"), "{}", second.stderr);
    served.kill();
    // What a killed run has left is no hindrance; a file that is none of ours stays.
    let third = run_in(dir.path(), &args, request(1).as_bytes());
    assert_eq!(third.code, Some(0), "{}", third.stderr);
    fs::remove_file(dir.path().join("control")).unwrap();
    fs::write(dir.path().join("control"), "precious").unwrap();
    assert_eq!(run_in(dir.path(), &args, b"").code, Some(69));
    assert_eq!(fs::read_to_string(dir.path().join("control")).unwrap(), "precious");
}

/// What was written before another configuration is on disk before anything that follows from it: the run that goes on
/// after a kill makes nothing else of it.
#[test]
fn a_kill_after_a_reload_loses_and_repeats_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let often = "[checkpoint]\ninterval_ms = 3600000\n";
    fs::write(dir.join("k.toml"), often.to_owned() + &amounts(2.0)).unwrap();
    fs::write(dir.join("log"), request(1)).unwrap();
    let args =
        ["-c", "k.toml", "--control", "control", "--output", "alerts", "--state", "state", "--follow", "log"];
    let served = Served::start_in(dir, &args);
    served.until(&processed(1));
    assert_eq!(alerts(dir).len(), 1, "three dollars of two");
    fs::write(dir.join("k.toml"), often.to_owned() + &amounts(1e6)).unwrap();
    assert_eq!(reload(dir).code, Some(0));
    let other = |number: u32| request(number).replace("3f9c", "0bad");
    let log = |text: &str| {
        use std::io::Write;
        fs::OpenOptions::new()
            .append(true)
            .open(dir.join("log"))
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    };
    log(&other(2));
    served.until(&processed(2));
    served.kill();
    log(&other(3));
    let served = Served::start_in(dir, &args);
    // What came after the reload was known to nobody.
    served.until(&processed(2));
    served.terminate();
    let told = alerts(dir);
    assert_eq!(told.len(), 1, "neither the first once more nor one of the other key: {told:?}");
}

#[test]
fn the_help_says_where() {
    let help = keyhound().args(["reload", "--help"]).output().unwrap();
    assert!(String::from_utf8(help.stdout).unwrap().contains("/run/keyhound/control"));
}
