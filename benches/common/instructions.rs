//! Instructions per record, counted by valgrind: the same on a busy machine and an idle one, so that a program that has
//! become slower is noticed without a clock. `cargo bench --bench pipeline -- --instructions`.

use std::path::Path;
use std::process::{Command, Stdio};

/// What was counted when it was last written down, for builds without link-time optimisation.
const WRITTEN_DOWN: &str = include_str!("../instructions.tsv");
/// From how much more on it is a fall: other processors have other ways to copy memory, other compilers other ideas.
const MORE_MAX: f64 = 1.15;

/// Counts whole runs, each given as what it is called and its command but for the file; false where one takes more than
/// is written down.
pub fn count(file: (&Path, u64), one_record: &Path, runs: &[(&str, Vec<String>)]) -> bool {
    let mut is_well = true;
    for (name, command) in runs {
        // What it takes to start is not counted.
        let (all, start) = (instructions(command, file.0), instructions(command, one_record));
        #[allow(clippy::cast_precision_loss)]
        let each = (all - start) as f64 / file.1 as f64;
        let told = written_down(name);
        let is_more = told.is_some_and(|told| each > told * MORE_MAX);
        let remark = match told {
            Some(told) if is_more => {
                format!("MORE than the {told:.0} written down in benches/instructions.tsv")
            }
            Some(told) => format!("{told:.0} written down"),
            None => "not written down".to_owned(),
        };
        println!("{name:<34} {each:>7.0} instructions a record  ({remark})");
        is_well &= !is_more;
    }
    is_well
}

fn written_down(name: &str) -> Option<f64> {
    let line = WRITTEN_DOWN.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'))?;
    line.trim().parse().ok()
}

fn instructions(command: &[String], file: &Path) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .args(command)
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .expect("valgrind, which counts, is installed");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let refs =
        told.lines().find_map(|line| line.split_once("I   refs:").or_else(|| line.split_once("I refs:")));
    let digits = refs.map(|(_, number)| number.trim().replace(',', "")).expect("valgrind tells a count");
    digits.parse().expect("a number")
}
