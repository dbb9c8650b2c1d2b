//! The terminal: taken when the view begins, and given back however it ends.

use super::draw::{Line, Look};
use super::state::Press;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::style::{Attribute, Color, Print, ResetColor, SetAttribute, SetForegroundColor};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{execute, queue};
use std::io::{self, Stdout, Write};

/// A terminal that is taken; dropped, it is as it was before.
pub struct Terminal {
    out: Stdout,
    /// What stands on it.
    shown: Vec<Line>,
    colour: bool,
}

impl Terminal {
    /// Takes the terminal.
    pub fn take(colour: bool) -> io::Result<Self> {
        enable_raw_mode()?;
        // From here on it is given back, also where the next step fails.
        let mut terminal = Self { out: io::stdout(), shown: Vec::new(), colour };
        execute!(terminal.out, EnterAlternateScreen, Hide, Clear(ClearType::All))?;
        Ok(terminal)
    }

    /// Columns and lines.
    pub fn size() -> (usize, usize) {
        let (width, height) = size().unwrap_or((80, 24));
        (width.into(), height.into())
    }

    /// Another size: what stood there is gone.
    pub fn forget(&mut self) -> io::Result<()> {
        self.shown.clear();
        queue!(self.out, Clear(ClearType::All))
    }

    /// Shows lines; only those are sent that are others than before.
    pub fn show(&mut self, lines: Vec<Line>) -> io::Result<()> {
        for (row, line) in (0_u16..).zip(&lines) {
            if self.shown.get(usize::from(row)) == Some(line) {
                continue;
            }
            queue!(self.out, MoveTo(0, row))?;
            if line.is_marked && self.colour {
                queue!(self.out, SetAttribute(Attribute::Reverse))?;
            }
            for (look, text) in &line.pieces {
                self.piece(*look, text, line.is_marked)?;
            }
            queue!(self.out, SetAttribute(Attribute::Reset), Clear(ClearType::UntilNewLine))?;
        }
        self.shown = lines;
        self.out.flush()
    }

    fn piece(&mut self, look: Look, text: &str, is_marked: bool) -> io::Result<()> {
        let colour = match look {
            Look::Bad => Some(Color::Red),
            Look::Warm => Some(Color::Yellow),
            _ => None,
        };
        let colour = colour.filter(|_| self.colour && !is_marked);
        let attribute = match look {
            Look::Bold => Some(Attribute::Bold),
            Look::Dim if self.colour && !is_marked => Some(Attribute::Dim),
            _ => None,
        };
        if let Some(colour) = colour {
            queue!(self.out, SetForegroundColor(colour))?;
        }
        if let Some(attribute) = attribute {
            queue!(self.out, SetAttribute(attribute))?;
        }
        queue!(self.out, Print(text))?;
        if colour.is_some() {
            queue!(self.out, ResetColor)?;
        }
        if attribute.is_some() {
            queue!(self.out, SetAttribute(Attribute::NormalIntensity))?;
        }
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nobody can be told where the terminal has gone.
        let _ = execute!(self.out, SetAttribute(Attribute::Reset), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// What an event of the terminal means; nothing of those that mean nothing here.
pub fn meaning(event: &Event) -> Option<Press> {
    const PAGE: isize = 10;
    let Event::Key(key) = event else { return None };
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return matches!(key.code, KeyCode::Char('c' | 'd')).then_some(Press::Quit);
    }
    Some(match key.code {
        KeyCode::Up => Press::Move(-1),
        KeyCode::Down => Press::Move(1),
        KeyCode::PageUp => Press::Move(-PAGE),
        KeyCode::PageDown => Press::Move(PAGE),
        KeyCode::Home => Press::Edge(false),
        KeyCode::End => Press::Edge(true),
        KeyCode::Enter | KeyCode::Right => Press::Enter,
        KeyCode::Esc | KeyCode::Left => Press::Back,
        KeyCode::Backspace => Press::Erase,
        KeyCode::Tab | KeyCode::BackTab => Press::Tab,
        KeyCode::Char(c) => Press::Char(c),
        _ => return None,
    })
}
