//! `keyhound top`: what goes on, live in a terminal; of a running keyhound by its API, or of records that are read here.

mod draw;
mod source;
mod state;
mod terminal;
#[cfg(test)]
mod tests;
mod words;

use super::colour::Colour;
use super::{Failure, check, exit, print, replay, run};
use crate::config::Plan;
use crate::encode::NATIVE;
use crate::engine::reload::Reload;
use crate::engine::{self, Inputs, Options, Output, Progress, Rendering, Told};
use anyhow::anyhow;
use clap::Args;
use crossterm::event::Event;
use draw::Canvas;
use source::{Detail, LIMIT, Remote, Shot, Source};
use state::{Screen, State};
use std::env;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::thread::{self, available_parallelism};
use std::time::Duration;
use terminal::Terminal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// How often it is asked what has changed.
const EVERY: Duration = Duration::from_secs(1);
/// Where an API is usually.
const URL: &str = "http://127.0.0.1:9601";

#[derive(Debug, Args)]
pub(super) struct TopArgs {
    /// Records to read here instead of looking into a running keyhound: files or quoted patterns, `-` for standard input
    #[arg(value_name = "FILE", conflicts_with_all = ["url", "token_file"])]
    inputs: Vec<String>,
    /// Where the API of a running keyhound is (`keyhound run --api`, docs/api.md)
    #[arg(long, value_name = "URL", default_value = URL)]
    url: String,
    /// A file with the token of that API, if it has one
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Settings for reading records here; every one has a default
    #[arg(short, long, value_name = "FILE", requires = "inputs")]
    config: Option<PathBuf>,
    /// The format of all records, if it is not to be recognised
    #[arg(long, value_name = "NAME", requires = "inputs")]
    format: Option<String>,
    /// One plain table, once, as where standard output is no terminal
    #[arg(long)]
    once: bool,
    /// Colours
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Colour,
}

pub(super) fn main(args: &TopArgs) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(exit::INTERNAL, error))?;
    let done = runtime.block_on(async {
        if args.inputs.is_empty() { remote(args).await } else { Box::pin(inside(args)).await }
    });
    // Threads that wait for the terminal or a pipe cannot be asked to stop.
    runtime.shutdown_background();
    done
}

/// Whether somebody is there to press keys.
fn is_live(args: &TopArgs) -> bool {
    !args.once && io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

async fn remote(args: &TopArgs) -> Result<ExitCode, Failure> {
    let token = args.token_file.as_ref().map(|path| {
        let text = crate::config::read_text(path)
            .map_err(|error| Failure::new(exit::NO_INPUT, anyhow!("{}: {error}", path.display())))?;
        Ok(text.trim().to_owned())
    });
    let remote =
        Remote::new(&args.url, token.transpose()?).map_err(|why| Failure::new(exit::USAGE, anyhow!(why)))?;
    let source = Source::Remote(remote);
    // Where nothing answers at all, there is nothing to look at.
    let first = source.shot().await.map_err(|why| {
        let hint = "is there a `keyhound run --api`, or `--url` to be given? (docs/api.md)";
        Failure::new(exit::UNAVAILABLE, anyhow!("{why}; {hint}"))
    })?;
    if is_live(args) { live(args, source, first).await } else { print(&draw::table(&first, false)) }
}

async fn inside(args: &TopArgs) -> Result<ExitCode, Failure> {
    let (told, mut heard) = mpsc::channel::<Told>(4);
    let (look, looking) = oneshot::channel();
    let options = options(args, told, look)?;
    let running = async {
        let draining = async { while heard.recv().await.is_some() {} };
        tokio::join!(engine::run(options), draining).0
    };
    let mut running = pin!(running);
    if !is_live(args) {
        let outcome = running.await.map_err(|error| Failure::new(exit::IO, error))?;
        let source = Source::Inside(looking.await.map_err(|error| Failure::new(exit::INTERNAL, error))?);
        let shot = source.shot().await.map_err(|why| Failure::new(exit::INTERNAL, anyhow!(why)))?;
        print(&draw::table(&shot, false))?;
        return Ok(if outcome.totals.failed_inputs > 0 {
            ExitCode::from(exit::IO)
        } else {
            ExitCode::SUCCESS
        });
    }
    let showing = async {
        let inside = looking.await.map_err(|error| Failure::new(exit::INTERNAL, error))?;
        live(args, Source::Inside(inside), Shot::default()).await
    };
    let mut showing = pin!(showing);
    let mut is_read = false;
    loop {
        tokio::select! {
            shown = &mut showing => return shown,
            // What was read stays to be looked at.
            read = &mut running, if !is_read => match read {
                Ok(_) => is_read = true,
                Err(error) => return Err(Failure::new(exit::IO, error)),
            },
        }
    }
}

/// A run that tells nobody anything and can be looked into. Incidents are looked for whatever the configuration says: that is
/// what is asked.
fn options(
    args: &TopArgs,
    told: mpsc::Sender<Told>,
    look: oneshot::Sender<engine::api::Inside>,
) -> Result<Options, Failure> {
    if args.inputs == ["-"] && io::stdin().is_terminal() {
        let message =
            "`-` is standard input, and that is the terminal in which keys are pressed: pipe records in";
        return Err(Failure::new(exit::USAGE, anyhow!(message)));
    }
    let (mut config, _) = check::load(args.config.as_deref())?;
    config.incidents.enabled = true;
    let mut plan = Plan::new(&config, "", "").map_err(|error| Failure::new(exit::CONFIG, error))?;
    plan.sinks.clear();
    plan.pace();
    let mut api = config.api.inside();
    (api.keys_max, api.refresh) = (LIMIT, Duration::from_millis(500));
    plan.api = Some(api);
    let files = replay::inputs(&args.inputs, 1)?;
    let format = args.format.as_deref().map(|name| run::format(name, &plan.rulebook.formats)).transpose()?;
    let threads = available_parallelism().map_or(1, usize::from);
    Ok(Options {
        sources: Vec::new(),
        probes: Vec::new(),
        plan,
        history: Vec::new(),
        inputs: if files.is_empty() { Inputs::Stdin } else { Inputs::Files(files) },
        format,
        output: Output::Memory(told),
        rendering: Rendering::Encoded(NATIVE),
        rejects: None,
        metrics: None,
        decoders: threads,
        shards: threads.div_ceil(4),
        progress: Progress::none(),
        state: None,
        reload: Reload::default(),
        look: Some(look),
        shadow: None,
        contain: None,
    })
}

/// What was asked for has come.
enum Answer {
    Shot(Box<Result<Shot, String>>),
    Detail(Screen, Detail),
}

/// The view, until somebody leaves it.
async fn live(args: &TopArgs, source: Source, first: Shot) -> Result<ExitCode, Failure> {
    let failed = |error: io::Error| Failure::new(exit::IO, error);
    let [mut terminate, mut hangup, mut interrupt] =
        [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()].map(signal);
    let mut events = listen();
    let mut terminal = Terminal::take(args.color.on(&io::stdout())).map_err(failed)?;
    let (answering, mut answers) = mpsc::channel(8);
    let mut state = State { shot: first, ..State::default() };
    let (name, is_plain) = (source.name(), !is_utf8());
    let mut ticks = tokio::time::interval(EVERY);
    let mut is_asking = false;
    loop {
        let (width, height) = Terminal::size();
        let (lines, last) = draw::screen(&state, &name, Canvas { width, height, is_plain });
        state.scroll = state.scroll.min(last);
        terminal.show(lines).map_err(failed)?;
        tokio::select! {
            event = events.recv() => match event {
                Some(Event::Resize(..)) => terminal.forget().map_err(failed)?,
                Some(event) => {
                    let before = state.screen.clone();
                    if let Some(press) = terminal::meaning(&event) {
                        state.press(press);
                    }
                    if state.screen != before {
                        ask_detail(&source, &state.screen, &answering);
                    }
                }
                // The terminal has gone.
                None => state.is_over = true,
            },
            Some(answer) = answers.recv() => match answer {
                Answer::Shot(seen) => {
                    is_asking = false;
                    state.see(*seen);
                }
                Answer::Detail(of, detail) => state.see_detail(&of, detail),
            },
            _ = ticks.tick() => if !is_asking && !state.is_paused {
                is_asking = true;
                ask(&source, &answering);
                ask_detail(&source, &state.screen, &answering);
            },
            () = came(&mut terminate) => state.is_over = true,
            () = came(&mut hangup) => state.is_over = true,
            () = came(&mut interrupt) => state.is_over = true,
        }
        if state.is_over {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

async fn came(signal: &mut io::Result<tokio::signal::unix::Signal>) {
    match signal {
        Ok(signal) => _ = signal.recv().await,
        Err(_) => std::future::pending().await,
    }
}

/// What is pressed, from a thread that waits for it.
fn listen() -> mpsc::Receiver<Event> {
    let (sender, events) = mpsc::channel(64);
    thread::spawn(move || {
        while let Ok(event) = crossterm::event::read() {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    });
    events
}

fn ask(source: &Source, answering: &mpsc::Sender<Answer>) {
    let (source, answering) = (source.clone(), answering.clone());
    tokio::spawn(async move {
        let seen = Box::new(source.shot().await);
        // Whoever asked may have gone.
        let _ = answering.send(Answer::Shot(seen)).await;
    });
}

fn ask_detail(source: &Source, screen: &Screen, answering: &mpsc::Sender<Answer>) {
    if *screen == Screen::All {
        return;
    }
    let (source, of, answering) = (source.clone(), screen.clone(), answering.clone());
    tokio::spawn(async move {
        let detail = match &of {
            Screen::All => return,
            Screen::Key(id) => source.key(id).await,
            Screen::Incident(id) => source.incident(id).await,
        };
        let _ = answering.send(Answer::Detail(of, detail)).await;
    });
}

/// Whether the terminal is said to show more than ASCII.
fn is_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].map(env::var_os);
    let said = set.into_iter().flatten().find(|value| !value.is_empty());
    said.is_none_or(|value| {
        let value = value.to_string_lossy().to_uppercase();
        value.contains("UTF-8") || value.contains("UTF8")
    })
}
