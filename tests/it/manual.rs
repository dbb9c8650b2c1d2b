//! Every command line of the manual is one that the program takes, and every link leads somewhere.

use clap::Parser;
use keyhound::cli::Cli;
use keyhound::config::{Config, all_sinks};
use std::fs;
use std::path::{Path, PathBuf};

/// The README and all pages of the manual.
fn pages() -> Vec<(PathBuf, String)> {
    let docs = fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        ["README.md", "SECURITY.md"].into_iter().map(PathBuf::from).chain(docs).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "md"));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The pages of the book in their order: the title of each in the table of contents, and its file.
fn chapters() -> Vec<(String, PathBuf)> {
    let summary = fs::read_to_string("docs/SUMMARY.md").unwrap();
    let links = summary.lines().filter_map(|line| {
        let (title, rest) = line.split_once('[')?.1.split_once("](")?;
        Some((title.to_owned(), Path::new("docs").join(rest.strip_suffix(')')?)))
    });
    links.collect()
}

#[test]
fn the_book_has_every_page_once_under_its_own_title() {
    let chapters = chapters();
    let mut listed: Vec<&PathBuf> = chapters.iter().map(|(_, path)| path).collect();
    listed.sort();
    let pages = pages();
    let is_page = |path: &&PathBuf| path.starts_with("docs") && !path.ends_with("SUMMARY.md");
    let there: Vec<&PathBuf> = pages.iter().map(|(path, _)| path).filter(is_page).collect();
    assert_eq!(listed, there);
    for (title, path) in &chapters {
        let text = fs::read_to_string(path).unwrap();
        // Another file may stand in its place.
        let text = match text.strip_prefix("{{#include ").and_then(|rest| rest.split_once("}}")) {
            Some((other, _)) => fs::read_to_string(Path::new("docs").join(other)).unwrap(),
            None => text,
        };
        assert_eq!(text.lines().next(), Some(&*format!("# {title}")), "{}", path.display());
        // On a site there is nothing beside the pages.
        let outside = ["](../", "](docs/"].into_iter().find(|start| text.contains(start));
        assert_eq!(outside, None, "{}", path.display());
    }
    let book: toml::Table = fs::read_to_string("book.toml").unwrap().parse().unwrap();
    assert_eq!(book["book"]["src"].as_str(), Some("docs"));
}

#[test]
fn the_page_of_detectors_is_what_the_program_prints() {
    let ran = crate::support::run_in(Path::new("."), &["detectors", "--markdown"], b"");
    if std::env::var_os("KEYHOUND_BLESS").is_some() {
        fs::write("docs/detectors.md", &ran.stdout).unwrap();
    }
    assert!(
        ran.stdout == fs::read_to_string("docs/detectors.md").unwrap(),
        "KEYHOUND_BLESS=1 writes it anew"
    );
    for detector in keyhound::detect::ALL {
        let section = ran.stdout.split(&format!("\n## {}\n", detector.name)).nth(1).unwrap();
        let settings = section.split("```").nth(1).unwrap();
        assert!(
            settings.starts_with(&format!("toml\n[detectors.{}]\nenabled = ", detector.name)),
            "{settings}"
        );
    }
}

/// Lines that are run as they stand: those that name a file of the repository, and those of a block that says so.
fn runnable(text: &str) -> Vec<&str> {
    let (mut is_fenced, mut is_run) = (false, false);
    let mut lines = Vec::new();
    for line in text.lines() {
        if let Some(info) = line.strip_prefix("```") {
            is_fenced = !is_fenced;
            is_run = is_fenced && info == "sh run";
        } else if is_run {
            lines.push(line);
        } else if (is_fenced || line.starts_with("    ")) && line.contains(" config/examples/") {
            lines.push(line.trim_start().trim_start_matches("$ "));
        }
    }
    // What is built first is not built here.
    lines.retain(|line| !line.starts_with("cargo "));
    lines
}

/// In order, and those of one page in one folder, which has what the repository has and the program on its path.
#[test]
fn what_the_manual_shows_on_its_sample_is_run() {
    let program = Path::new(env!("CARGO_BIN_EXE_keyhound"));
    let folder = program.parent().unwrap();
    let mut count = 0;
    for (page, text) in pages() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(fs::canonicalize("config").unwrap(), dir.path().join("config")).unwrap();
        for line in runnable(&text) {
            count += 1;
            let mut shell = std::process::Command::new("sh");
            let there = format!("PATH=\"$0:$PATH\"; {line}");
            let ran = shell.args(["-euc", &there]).arg(folder).current_dir(dir.path()).output().unwrap();
            let told = String::from_utf8_lossy(&ran.stderr);
            assert!(ran.status.success(), "{}: {line}\n{told}", page.display());
        }
    }
    assert!(count >= 10, "{count} commands");
}

/// Lines of code: fenced, or set in by four columns.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let mut is_fenced = false;
    text.lines().filter(move |line| {
        if line.starts_with("```") {
            is_fenced = !is_fenced;
            return false;
        }
        is_fenced || line.starts_with("    ")
    })
}

/// The words of each command of a line, as a shell divides them: up to a comment, without redirections.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let mut quote = None;
    let mut letters = line.trim_start().trim_start_matches("$ ").chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (Some('"') | None, '\\') => word.get_or_insert_default().extend(letters.next()),
            (None, '#') if word.is_none() => break,
            (None, ' ' | '|' | ';' | '&' | ')' | '(') => {
                words.extend(word.take());
                if letter != ' ' {
                    commands.push(std::mem::take(&mut words));
                }
            }
            (None, '<' | '>')
                if word.as_ref().is_none_or(|word| word.chars().all(|digit| digit.is_ascii_digit())) =>
            {
                // Where it goes is the shell's.
                word = None;
                while letters.next_if(|next| matches!(next, ' ' | '>' | '&')).is_some() {}
                while letters.next_if(|next| *next != ' ').is_some() {}
            }
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    commands.push(words);
    commands.retain(|words| words.first().is_some_and(|name| name == "keyhound"));
    commands
}

#[test]
fn lines_are_divided_as_a_shell_does() {
    let divided = commands("$ a b | keyhound run 'c d' e\\ f > g 2>>h # i | keyhound j");
    assert_eq!(divided, [["keyhound", "run", "c d", "e f"]]);
    assert_eq!(commands("keyhound x; keyhound y --z=\"#1\"").len(), 2);
    assert!(commands("# keyhound run").is_empty());
}

#[test]
fn every_command_of_the_manual_can_be_typed() {
    let (mut count, mut wrong) = (0, Vec::new());
    for (path, text) in pages() {
        for line in code(&text) {
            for mut words in commands(line) {
                // What is left out, and what continues on the next line.
                words.retain(|word| word != "…" && word != "...");
                if line.trim_end().ends_with('\\') {
                    continue;
                }
                count += 1;
                if let Err(error) = Cli::try_parse_from(&words)
                    && error.use_stderr()
                {
                    wrong.push(format!("{}: {line}\n{error}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 80, "{count} commands");
}

/// What the page of sinks and that of sources show is taken, and every type of sink has a place of its own there.
#[test]
fn every_source_and_sink_of_the_manual_is_one() {
    for page in ["docs/sinks.md", "docs/sources.md"] {
        let text = fs::read_to_string(page).unwrap();
        let blocks: Vec<&str> =
            text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert!(blocks.len() >= 2, "{page}");
        for block in blocks {
            // Secrets and certificates are the reader's: that they are not here is the last thing that may be wrong.
            let block = block.replace("credential:", "/run/secrets/");
            let config = Config::parse(page, &block).and_then(|config| all_sinks(&config).map(|_| config));
            let wrong = config.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(wrong.is_empty() || wrong.contains("No such file"), "{page}: {wrong}\n{block}");
        }
    }
    let text = fs::read_to_string("docs/sinks.md").unwrap();
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with("### ")).collect();
    for kind in keyhound::sink::kind::ALL {
        let name = format!("`{}`", kind.name);
        assert!(
            headings.iter().any(|heading| heading.contains(&name)),
            "{name} has no place in docs/sinks.md"
        );
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for (path, text) in pages() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            if file.contains("://") || file.starts_with("mailto:") {
                continue;
            }
            let there = path.parent().unwrap_or(Path::new("")).join(file);
            let there = if file.is_empty() { path.clone() } else { there };
            let is_heading = |text: &str| {
                text.lines()
                    .filter(|line| line.starts_with('#'))
                    .any(|line| slug(line.trim_start_matches('#')) == anchor)
            };
            let is_there = there.exists()
                && (anchor.is_empty() || fs::read_to_string(&there).is_ok_and(|text| is_heading(&text)));
            if !is_there {
                wrong.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The name of a heading in links.
fn slug(heading: &str) -> String {
    let is_kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(is_kept)
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}
