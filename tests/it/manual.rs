//! Every command line of the manual is one that the program takes, and every link leads somewhere.

use clap::Parser;
use keyhound::cli::Cli;
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
