//! Runs of the whole pipeline inside another subcommand: the code of `keyhound run`, with nothing written anywhere.

use super::{Failure, check, exit, run};
use crate::backtest::{Listener, Seen, Stolen, Which};
use crate::config::{Config, ConfigError, Plan};
use crate::detect;
use crate::engine::reload::Reload;
use crate::engine::{self, Inputs, Options, Outcome, Output, Progress, Rendering, Told};
use crate::networks::Networks;
use crate::shard::Witnessed;
use anyhow::anyhow;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;
use tokio::sync::mpsc;

/// Steps on their way to whoever listens.
const STEPS_MAX: usize = 4;

/// A configuration of which runs are made.
pub(super) struct Setup {
    /// What it is called.
    pub name: String,
    config: Config,
    text: String,
    networks: Arc<Networks>,
    witnessed: Witnessed,
    history: Vec<PathBuf>,
    is_thin: bool,
}

impl Setup {
    /// The configuration in `path`, or the defaults. Incidents are looked for whatever it says: that is what is asked.
    pub(super) fn load(path: Option<&Path>) -> Result<Self, Failure> {
        let (mut config, plan) = check::load(path)?;
        config.incidents.enabled = true;
        // Tables of networks are large: they are read once.
        config.networks = crate::config::NetworksConfig::default();
        let name = path.map_or_else(|| "defaults".to_owned(), |path| path.display().to_string());
        Ok(Self {
            name,
            config,
            text: String::new(),
            networks: plan.networks,
            witnessed: Witnessed::NONE,
            history: Vec::new(),
            is_thin: false,
        })
    }

    /// Of these keys it is told whose every request was taken for.
    pub(super) fn witness(&mut self, witnessed: Witnessed) {
        self.witnessed = witnessed;
    }

    /// These files are read first, and only learned from.
    pub(super) fn learn_from(&mut self, history: Vec<PathBuf>) {
        self.history = history;
    }

    /// What requests tell of their sender is disregarded.
    pub(super) fn disregard_senders(&mut self) {
        self.is_thin = true;
    }

    /// Which network an address belongs to.
    pub(super) fn networks(&self) -> Arc<Networks> {
        Arc::clone(&self.networks)
    }

    /// The same where only records are wanted: nothing is judged.
    pub(super) fn of_records(path: Option<&Path>) -> Result<Self, Failure> {
        let mut setup = Self::load(path)?;
        setup.config.incidents.enabled = false;
        for detector in detect::ALL {
            let off = toml::Table::from_iter([("enabled".to_owned(), toml::Value::Boolean(false))]);
            setup.config.detectors.insert(detector.name.to_owned(), toml::Value::Table(off));
        }
        Ok(setup)
    }

    /// The evidence from which on incidents are told: of consumers, and by habits.
    pub(super) fn thresholds(&self) -> [f64; 2] {
        [self.config.incidents.threshold_nats, self.config.incidents.habits_threshold_nats]
    }

    /// The same with other thresholds.
    pub(super) fn set_thresholds(&mut self, [consumers, habits]: [f64; 2]) {
        self.config.incidents.false_per_week = 0.0;
        self.config.incidents.threshold_nats = consumers;
        self.config.incidents.habits_threshold_nats = habits;
    }

    fn plan(&self) -> Result<Plan, ConfigError> {
        let mut plan = Plan::new(&self.config, &self.name, &self.text)?;
        plan.networks = Arc::clone(&self.networks);
        plan.sinks.clear();
        if let Some(shard) = Arc::get_mut(&mut plan.shard) {
            shard.witnessed = self.witnessed.clone();
            shard.is_thin = self.is_thin;
            if let Some(incidents) = &mut shard.incidents {
                incidents.networks = Arc::clone(&self.networks);
            }
        }
        Ok(plan)
    }
}

/// What is read, and how.
pub(super) struct Reading<'a> {
    /// Files, merged by event time; none for standard input.
    pub files: &'a [PathBuf],
    /// The format of all records, if it is named.
    pub format: Option<&'a str>,
    /// No progress bar.
    pub quiet: bool,
}

/// Files to read, or standard input, which can be read only once.
pub(super) fn inputs(names: &[String], runs: usize) -> Result<Vec<PathBuf>, Failure> {
    let is_stdin = names == ["-"] || names.is_empty();
    let usage = |message: String| Err(Failure::new(exit::USAGE, anyhow!(message)));
    if !is_stdin {
        if names.iter().any(|name| name == "-") {
            return usage("`-` stands alone: standard input cannot be merged with files".to_owned());
        }
        return run::files(names);
    }
    if names.is_empty() && io::stdin().is_terminal() {
        return usage("nothing to read: name files, or pipe records in".to_owned());
    }
    if runs > 1 {
        return usage(format!("this takes {runs} runs, and standard input can be read once: name files"));
    }
    Ok(Vec::new())
}

/// Runs the pipeline once; `hear` is given everything in its order.
pub(super) fn replay(
    setup: &Setup,
    reading: &Reading<'_>,
    mut hear: impl FnMut(&Told),
) -> Result<Outcome, Failure> {
    let plan = setup.plan().map_err(|error| Failure::new(exit::CONFIG, error))?;
    let format = reading.format.map(|name| run::format(name, &plan.rulebook.formats)).transpose()?;
    let threads = available_parallelism().map_or(1, usize::from);
    let (told, mut heard) = mpsc::channel(STEPS_MAX);
    let options = Options {
        sources: Vec::new(),
        probes: Vec::new(),
        plan,
        history: setup.history.clone(),
        inputs: if reading.files.is_empty() { Inputs::Stdin } else { Inputs::Files(reading.files.to_vec()) },
        format,
        output: Output::Memory(told),
        rendering: Rendering::Encoded(crate::encode::NATIVE),
        rejects: None,
        metrics: None,
        decoders: threads,
        shards: engine::shards(threads),
        progress: progress(setup, reading),
        state: None,
        reload: Reload::default(),
        look: None,
        shadow: None,
        contain: None,
    };
    let outcome = run::block_on(async {
        let listening = async {
            while let Some(told) = heard.recv().await {
                hear(&told);
            }
        };
        tokio::join!(engine::run(options), listening).0
    })?;
    if outcome.stopped {
        return Err(Failure::new(exit::KILLED, anyhow!("stopped before the inputs were at their end")));
    }
    if outcome.totals.failed_inputs > 0 {
        return Err(Failure::new(exit::IO, anyhow!("an input could not be read to its end")));
    }
    Ok(outcome)
}

/// The same, where keys and incidents are what is asked.
pub(super) fn listen(
    setup: &Setup,
    reading: &Reading<'_>,
    which: Which,
    stolen: Stolen,
) -> Result<(Seen, Outcome), Failure> {
    let mut listener = Listener::new(which, stolen);
    let outcome = replay(setup, reading, |told| {
        for run in told.runs() {
            let records = run.batch.records.get(run.range.clone()).unwrap_or_default();
            for record in records {
                listener.record(record, &run.batch);
            }
        }
        listener.events(&told.outputs);
    })?;
    let seen = listener.finish();
    if seen.keys.is_empty() {
        let rejected = outcome.totals.rejected();
        let error = anyhow!(
            "no record in the inputs ({rejected} lines rejected); `keyhound formats --detect` says why"
        );
        return Err(Failure::new(exit::DATA, error));
    }
    Ok((seen, outcome))
}

fn progress(setup: &Setup, reading: &Reading<'_>) -> Progress {
    if reading.quiet || reading.files.is_empty() || !io::stderr().is_terminal() {
        return Progress::none();
    }
    let sizes = setup.history.iter().chain(reading.files).filter_map(|path| std::fs::metadata(path).ok());
    Progress::of(sizes.map(|metadata| metadata.len()).sum())
}
