//! What is looked at, and what keys do to it. Pure: nothing here asks a terminal.

use super::source::{Detail, Shot};
use crate::engine::api::forms::{Brief, KeyRow};

/// By what keys are in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sort {
    /// What they spend on their newest day.
    #[default]
    Spend,
    /// What is open of them.
    Risk,
    /// What they spent in the last hour.
    Hour,
}

impl Sort {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spend => "spend",
            Self::Risk => "risk",
            Self::Hour => "last hour",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::Spend => Self::Risk,
            Self::Risk => Self::Hour,
            Self::Hour => Self::Spend,
        }
    }
}

/// What is in front.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Screen {
    /// Incidents and keys.
    #[default]
    All,
    /// A key, by its fingerprint.
    Key(String),
    /// An incident, by its id.
    Incident(String),
}

/// What was pressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Press {
    /// A character.
    Char(char),
    /// Up or down by lines.
    Move(isize),
    /// To the first or the last.
    Edge(bool),
    /// Into what is marked.
    Enter,
    /// Back out.
    Back,
    /// The last character of what is written goes.
    Erase,
    /// The other list.
    Tab,
    /// The end.
    Quit,
}

/// What is looked at.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "none of them follows from another")]
pub struct State {
    /// By what keys are in order.
    pub sort: Sort,
    /// What names of keys have to hold.
    pub filter: String,
    /// The filter is being written.
    pub is_writing: bool,
    /// Nothing changes.
    pub is_paused: bool,
    /// The cursor is among the incidents, not among the keys.
    pub among_incidents: bool,
    /// Where it is in either list.
    pub at: [usize; 2],
    /// What is in front, and what stands behind it.
    pub screen: Screen,
    pub behind: Vec<Screen>,
    /// The first line of a detail that is shown.
    pub scroll: usize,
    /// The detail, once it is there.
    pub detail: Option<Detail>,
    /// What was seen last.
    pub shot: Shot,
    /// Why nothing newer is.
    pub trouble: String,
    /// It is the end.
    pub is_over: bool,
}

impl State {
    /// The keys that fit the filter, in order.
    pub fn keys(&self) -> Vec<&KeyRow> {
        let list = if self.sort == Sort::Risk { &self.shot.risk } else { &self.shot.spend };
        let mut keys: Vec<&KeyRow> = list
            .keys
            .iter()
            .filter(|key| self.fits(&key.api_key_prefix, &key.api_key_alias, &key.key_id))
            .collect();
        if self.sort == Sort::Hour {
            keys.sort_by(|one, other| other.hour_cost_usd.total_cmp(&one.hour_cost_usd));
        }
        keys
    }

    /// The incidents that fit the filter.
    pub fn incidents(&self) -> Vec<&Brief> {
        let fits = |it: &&Brief| self.fits(&it.api_key_prefix, &it.api_key_alias, &it.key_id);
        self.shot.incidents.events.iter().filter(fits).collect()
    }

    fn fits(&self, hint: &str, alias: &str, id: &str) -> bool {
        let wanted = self.filter.to_lowercase();
        [hint, alias].iter().any(|text| text.to_lowercase().contains(&wanted)) || id.starts_with(&wanted)
    }

    /// Takes what was seen.
    pub fn see(&mut self, seen: Result<Shot, String>) {
        match seen {
            Ok(shot) if !self.is_paused => (self.shot, self.trouble) = (shot, String::new()),
            Ok(_) => {}
            Err(why) => self.trouble = why,
        }
        self.keep_inside();
    }

    /// Takes a detail, if it is still what is in front.
    pub fn see_detail(&mut self, of: &Screen, detail: Detail) {
        if *of == self.screen && !(self.is_paused && self.detail.is_some()) {
            self.detail = Some(detail);
        }
    }

    fn keep_inside(&mut self) {
        let lengths = [self.keys().len(), self.incidents().len()];
        for (at, length) in self.at.iter_mut().zip(lengths) {
            *at = (*at).min(length.saturating_sub(1));
        }
        self.among_incidents &= lengths[1] > 0;
    }

    /// Does what was pressed.
    pub fn press(&mut self, press: Press) {
        if self.is_writing {
            self.write(press);
        } else {
            match press {
                Press::Quit | Press::Char('q') => self.is_over = true,
                Press::Char('k') => self.go(-1),
                Press::Char('j') => self.go(1),
                Press::Char('g') => self.go(isize::MIN),
                Press::Char('G') => self.go(isize::MAX),
                Press::Char('s') => self.sort = self.sort.next(),
                Press::Char('p' | ' ') => self.is_paused = !self.is_paused,
                Press::Char('/') if self.screen == Screen::All => self.is_writing = true,
                Press::Char('b' | 'h') | Press::Back | Press::Erase => self.leave(),
                Press::Char('l') | Press::Enter => self.enter(),
                Press::Tab => self.switch(),
                Press::Move(by) => self.go(by),
                Press::Edge(is_last) => self.go(if is_last { isize::MAX } else { isize::MIN }),
                Press::Char(_) => {}
            }
        }
        self.keep_inside();
    }

    fn write(&mut self, press: Press) {
        match press {
            Press::Quit => self.is_over = true,
            Press::Char(c) if self.filter.chars().count() < 64 => self.filter.push(c),
            Press::Erase => _ = self.filter.pop(),
            Press::Back => {
                self.filter.clear();
                self.is_writing = false;
            }
            Press::Enter => self.is_writing = false,
            _ => {}
        }
    }

    fn go(&mut self, by: isize) {
        if self.screen == Screen::All {
            let at = &mut self.at[usize::from(self.among_incidents)];
            *at = at.saturating_add_signed(by);
        } else {
            // Where a detail ends, whoever draws it knows.
            self.scroll = self.scroll.saturating_add_signed(by);
        }
    }

    fn switch(&mut self) {
        if self.screen == Screen::All {
            self.among_incidents = !self.among_incidents;
        }
    }

    fn enter(&mut self) {
        let next = match &self.screen {
            Screen::All if self.among_incidents => {
                self.incidents().get(self.at[1]).map(|it| Screen::Incident(it.id.clone()))
            }
            Screen::All => self.keys().get(self.at[0]).map(|key| Screen::Key(key.key_id.clone())),
            // From a key to its worst incident, from an incident to its key.
            Screen::Key(id) => {
                let of_key = |it: &&Brief| it.key_id == *id;
                self.shot.incidents.events.iter().find(of_key).map(|it| Screen::Incident(it.id.clone()))
            }
            Screen::Incident(id) => {
                let found = self.shot.incidents.events.iter().find(|it| it.id == *id);
                found.map(|it| Screen::Key(it.key_id.clone()))
            }
        };
        let Some(next) = next else { return };
        let before = std::mem::replace(&mut self.screen, next);
        // Back and forth between a key and its incident leads back where it began.
        if self.behind.last() == Some(&self.screen) {
            self.behind.pop();
        } else {
            self.behind.push(before);
        }
        (self.scroll, self.detail) = (0, None);
    }

    fn leave(&mut self) {
        if self.screen == Screen::All {
            self.filter.clear();
            return;
        }
        self.screen = self.behind.pop().unwrap_or_default();
        (self.scroll, self.detail) = (0, None);
    }
}
