//! A real broker, started and ended by the test that needs it.

use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// One node on the loopback; it ends with the value.
pub struct Broker {
    dir: TempDir,
    pub address: String,
}

impl Broker {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// One with more to say to the script that starts it: variables and their values.
    pub fn start_with(variables: &[(&str, String)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = script("start", dir.path(), variables);
        Self { dir, address }
    }

    pub fn kill(&self) {
        script("kill", self.dir.path(), &[]);
    }

    pub fn start_again(&self) {
        assert_eq!(script("start", self.dir.path(), &[]), self.address);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        script("kill", self.dir.path(), &[]);
    }
}

fn script(what: &str, dir: &Path, variables: &[(&str, String)]) -> String {
    let mut command = Command::new("tests/real/kafka/broker");
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let output = command.arg(what).arg(dir).stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "tests/real/kafka/broker {what}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
