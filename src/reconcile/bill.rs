//! Cost exports of clouds, as CSV: which column is what is data (`config/bills.toml`), amounts are read as people of any
//! country write them, and other currencies are dollars only by a rate that somebody gave.

use crate::json::Decimal;
use crate::time::{DAY, Timestamp, days_from_civil, parse};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use serde::Deserialize;
use std::collections::BTreeMap;
use thiserror::Error;

/// The maps that come with the program.
const BUILTIN: &str = include_str!("../../config/bills.toml");
/// Longest header or row.
pub const ROW_BYTES_MAX: usize = 256 << 10;
/// Most columns: those of the AWS report are some 250.
const COLUMNS_MAX: usize = 2048;
/// The most one line may cost: a thousand million units, of which some currencies have few to a dollar. More is a wrong unit.
const AMOUNT_MAX: i64 = 1_000_000_000_000_000_000;

/// A bill that cannot be used.
#[derive(Debug, Error)]
pub enum BillError {
    /// Not TOML of the right shape.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A rate that is none.
    #[error("--rate `{0}`: CODE=DOLLARS is expected, such as EUR=1.08")]
    Rate(String),
}

/// Which columns are what, by kind of file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BillMaps {
    bill: Vec<BillMap>,
}

/// How times are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
enum Dates {
    /// As the standards say, with or without a time of day.
    #[default]
    #[serde(rename = "iso")]
    Iso,
    #[serde(rename = "month/day/year")]
    MonthDayYear,
    #[serde(rename = "day.month.year")]
    DayMonthYear,
}

/// One kind of file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BillMap {
    name: String,
    when: Vec<String>,
    start: Vec<String>,
    #[serde(default)]
    end: Vec<String>,
    cost: Vec<String>,
    #[serde(default)]
    currency: Vec<String>,
    /// The currency of files without such a column.
    #[serde(default)]
    usd: String,
    #[serde(default)]
    key: Vec<String>,
    #[serde(default)]
    model: Vec<String>,
    #[serde(default)]
    service: Vec<String>,
    #[serde(default)]
    services: Vec<String>,
    #[serde(default)]
    dates: Dates,
}

impl BillMaps {
    /// Those that come with the program, after those of `own`.
    pub fn with(own: Option<&str>) -> Result<Self, BillError> {
        let mut maps = own.map_or_else(|| Ok(Self { bill: Vec::new() }), toml::from_str)?;
        maps.bill.extend(toml::from_str::<Self>(BUILTIN)?.bill);
        Ok(maps)
    }

    /// The header that a line is, if it is one of a bill.
    pub fn header(&self, line: &[u8]) -> Option<Header> {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        [b',', b';', b'\t'].into_iter().find_map(|delimiter| {
            let names: Vec<String> =
                Row::split(line, delimiter)?.cells().map(|cell| folded(cell.trim())).collect();
            let place = |name: &String| names.iter().position(|known| *known == folded(name));
            let map = self.bill.iter().find(|map| map.when.iter().all(|name| place(name).is_some()))?;
            let places = |columns: &[String]| columns.iter().filter_map(place).collect();
            Some(Header {
                name: map.name.clone(),
                delimiter,
                columns: names.len(),
                start: places(&map.start),
                end: places(&map.end),
                cost: places(&map.cost),
                currency: places(&map.currency),
                usual_currency: map.usd.clone(),
                key: places(&map.key),
                model: places(&map.model),
                service: places(&map.service),
                services: map.services.iter().map(|name| name.to_lowercase()).collect(),
                dates: map.dates,
            })
        })
    }
}

fn folded(text: &str) -> String {
    text.to_lowercase()
}

/// The columns of one file.
#[derive(Clone, Debug)]
pub struct Header {
    /// What kind of file it is.
    pub name: String,
    delimiter: u8,
    columns: usize,
    start: Vec<usize>,
    end: Vec<usize>,
    cost: Vec<usize>,
    currency: Vec<usize>,
    usual_currency: String,
    key: Vec<usize>,
    model: Vec<usize>,
    service: Vec<usize>,
    services: Vec<String>,
    dates: Dates,
}

/// How amounts are written, where they do not tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Decimals {
    /// As they tell themselves; what may be read in two ways is refused.
    #[default]
    Auto,
    /// With a decimal point.
    Point,
    /// With a decimal comma.
    Comma,
}

/// Dollars for a unit of other currencies, in billionths.
#[derive(Clone, Debug, Default)]
pub struct Rates(BTreeMap<String, i64>);

impl Rates {
    /// Reads `EUR=1.08`, several times.
    pub fn read<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, BillError> {
        let mut rates = BTreeMap::new();
        for text in texts {
            let wrong = || BillError::Rate(text.to_owned());
            let (code, rate) = text.split_once('=').ok_or_else(wrong)?;
            let code = code.trim().to_uppercase();
            let rate = Decimal::parse(rate.trim().as_bytes())
                .and_then(|rate| rate.scaled(9, AMOUNT_MAX))
                .map_err(|_| wrong())?;
            let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
            if !is_code
                || rate <= 0
                || (code == "USD" && rate != 1_000_000_000)
                || rates.insert(code, rate).is_some()
            {
                return Err(wrong());
            }
        }
        Ok(Self(rates))
    }

    /// Nano-dollars of so many nano-units, rounded half away from nought; `None` without a rate.
    pub fn dollars(&self, currency: &str, nano: i128) -> Option<i128> {
        if currency == "USD" {
            return Some(nano);
        }
        let rate = i128::from(*self.0.get(currency)?);
        let product = nano * rate;
        Some((product + product.signum() * 500_000_000) / 1_000_000_000)
    }
}

/// A line of a bill.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// From when.
    pub start: Timestamp,
    /// Until when.
    pub end: Timestamp,
    /// Dollars, in billionths.
    pub nano_usd: i128,
    /// Whose it is, as written; empty where it does not say.
    pub key: String,
    /// What was bought, as written.
    pub model: String,
}

/// What a row is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Amount {
    /// A line that counts.
    Line(Box<Line>),
    /// Money of a currency without a rate.
    Foreign(String, i128),
    /// Something else than the use of models.
    Other,
}

impl Header {
    /// Reads a row; what is wrong with it, in words, where it is none.
    pub fn read(&self, row: &[u8], decimals: Decimals, rates: &Rates) -> Result<Amount, String> {
        let row = Row::split(row, self.delimiter).ok_or("not a row of CSV")?;
        if row.ends.len() != self.columns {
            return Err(format!("{} fields under a header of {}", row.ends.len(), self.columns));
        }
        let cell = |places: &[usize]| {
            places.iter().map(|at| row.cell(*at).trim()).find(|text| !text.is_empty()).unwrap_or_default()
        };
        let is_ours = |text: &str| self.services.iter().any(|service| text.to_lowercase().contains(service));
        if !self.services.is_empty() && !self.service.iter().any(|at| is_ours(row.cell(*at))) {
            return Ok(Amount::Other);
        }
        let start = self.time(cell(&self.start))?;
        let end = match cell(&self.end) {
            "" => start.plus(DAY),
            text => self.time(text)?,
        };
        if end < start {
            return Err("it ends before it starts".to_owned());
        }
        let nano = i128::from(amount(cell(&self.cost), self.delimiter, decimals)?);
        let currency = match cell(&self.currency) {
            "" if self.usual_currency.is_empty() => "USD".to_owned(),
            "" => self.usual_currency.to_uppercase(),
            text => text.to_uppercase(),
        };
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err("the code of its currency is none".to_owned());
        }
        let Some(nano_usd) = rates.dollars(&currency, nano) else {
            return Ok(Amount::Foreign(currency, nano));
        };
        let (key, model) = (cell(&self.key).to_owned(), cell(&self.model).to_owned());
        Ok(Amount::Line(Box::new(Line { start, end, nano_usd, key, model })))
    }

    fn time(&self, text: &str) -> Result<Timestamp, String> {
        let parts =
            |mark: char| text.split(mark).map(|part| part.parse::<i64>().ok()).collect::<Option<Vec<_>>>();
        let date = match self.dates {
            Dates::MonthDayYear => {
                parts('/').and_then(|parts| <[i64; 3]>::try_from(parts).ok()).map(|[m, d, y]| [y, m, d])
            }
            Dates::DayMonthYear => {
                parts('.').and_then(|parts| <[i64; 3]>::try_from(parts).ok()).map(|[d, m, y]| [y, m, d])
            }
            Dates::Iso => None,
        };
        // 2026-06-03, or a time; those of Google end in ` UTC`, and all without a zone are of it.
        let date = date.or_else(|| parts('-').and_then(|parts| <[i64; 3]>::try_from(parts).ok()));
        if let Some([year, month, day]) = date {
            return civil(year, month, day).ok_or_else(|| "a day that there is not".to_owned());
        }
        let text = text.strip_suffix(" UTC").map_or_else(|| text.to_owned(), |text| format!("{text}Z"));
        let at = parse(text.as_bytes()).map_err(|error| error.to_string())?.at;
        Ok(at)
    }
}

/// Midnight of a day.
fn civil(year: i64, month: i64, day: i64) -> Option<Timestamp> {
    let is_day = (2010..2200).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_day {
        return None;
    }
    let days = days_from_civil(year, month, day);
    // The 31st of a month of 30 days would be the first of the next.
    let next =
        if month == 12 { days_from_civil(year + 1, 1, 1) } else { days_from_civil(year, month + 1, 1) };
    (days < next).then(|| Timestamp(days * DAY))
}

/// Billionths of a unit of money: `1234.56`, `-1,234.56`, `1.234,56 €`, `(12.00)` for what is taken back.
fn amount(text: &str, delimiter: u8, decimals: Decimals) -> Result<i64, String> {
    let wrong = || "an amount of money is expected".to_owned();
    let shown: String = text.chars().filter(|c| !c.is_whitespace() && !"$€£¥'’".contains(*c)).collect();
    let (taken_back, digits) = match shown.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => (true, inner),
        None => match shown.strip_prefix(['-', '\u{2212}']) {
            Some(rest) => (true, rest),
            None => (false, shown.strip_suffix('-').map_or(shown.as_str(), |rest| rest)),
        },
    };
    let taken_back = taken_back || shown.ends_with('-');
    let is_comma = decimal_comma(digits, delimiter, decimals)?;
    let (point, thousands) = if is_comma { (',', '.') } else { ('.', ',') };
    let (whole, fraction) = digits.split_once(point).unwrap_or((digits, ""));
    let mut groups = whole.split(thousands);
    let first = groups.next().unwrap_or_default();
    let is_grouped = groups.clone().count() > 0;
    if is_grouped && (first.is_empty() || first.len() > 3 || groups.clone().any(|group| group.len() != 3)) {
        return Err(wrong());
    }
    let whole: String = std::iter::once(first).chain(groups).collect();
    let plain = match fraction {
        "" => whole,
        fraction => format!("{}.{fraction}", if whole.is_empty() { "0" } else { &whole }),
    };
    let nano = Decimal::parse(plain.as_bytes()).and_then(|amount| amount.scaled(9, AMOUNT_MAX));
    nano.map(|nano| if taken_back { -nano } else { nano }).map_err(|_| wrong())
}

/// Whether the comma of an amount comes before its fraction.
fn decimal_comma(digits: &str, delimiter: u8, decimals: Decimals) -> Result<bool, String> {
    match (decimals, digits.rfind(','), digits.rfind('.')) {
        (Decimals::Comma, ..) => Ok(true),
        (Decimals::Point, ..) | (_, None, _) => Ok(false),
        (_, Some(comma), Some(point)) => Ok(comma > point),
        // Where fields are not kept apart by commas, it is because amounts have them.
        (_, Some(_), None) if delimiter == b';' => Ok(true),
        (_, Some(comma), None) if digits.len() - comma != 4 && digits.matches(',').count() == 1 => Ok(true),
        (_, Some(_), None) if digits.matches(',').count() > 1 => Ok(false),
        _ => Err("an amount that may be read in two ways; say --decimal comma or --decimal point".to_owned()),
    }
}

/// The cells of a row.
struct Row {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Row {
    fn split(line: &[u8], delimiter: u8) -> Option<Self> {
        if line.len() > ROW_BYTES_MAX {
            return None;
        }
        let mut reader: Reader = ReaderBuilder::new().delimiter(delimiter).build();
        let mut row = Self { text: vec![0; line.len() + 1], ends: vec![0; COLUMNS_MAX] };
        let (mut line, mut written, mut cells) = (line, 0, 0);
        loop {
            let (result, read, wrote, ended) =
                reader.read_record(line, &mut row.text[written..], &mut row.ends[cells..]);
            (line, written, cells) = (line.get(read..).unwrap_or_default(), written + wrote, cells + ended);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record | ReadRecordResult::End => break,
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => return None,
            }
        }
        row.text.truncate(written);
        row.ends.truncate(cells);
        std::str::from_utf8(&row.text).is_ok().then_some(row)
    }

    fn cell(&self, at: usize) -> &str {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(start);
        std::str::from_utf8(self.text.get(start..end).unwrap_or_default()).unwrap_or_default()
    }

    fn cells(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|at| self.cell(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, delimiter, decimals, expected) in [
            ("1234.56", b',', Decimals::Auto, Some(1_234_560_000_000)),
            ("-1,234.56", b',', Decimals::Auto, Some(-1_234_560_000_000)),
            ("1.234,56 €", b',', Decimals::Auto, Some(1_234_560_000_000)),
            ("0,5", b',', Decimals::Auto, Some(500_000_000)),
            ("1,234", b';', Decimals::Auto, Some(1_234_000_000)),
            ("1,234", b',', Decimals::Auto, None),
            ("1,234", b',', Decimals::Comma, Some(1_234_000_000)),
            ("1,234", b',', Decimals::Point, Some(1_234_000_000_000)),
            ("1.234", b',', Decimals::Auto, Some(1_234_000_000)),
            ("1.234", b',', Decimals::Comma, Some(1_234_000_000_000)),
            ("1,234,567", b',', Decimals::Auto, Some(1_234_567_000_000_000)),
            ("(12.00)", b',', Decimals::Auto, Some(-12_000_000_000)),
            ("12.00-", b',', Decimals::Auto, Some(-12_000_000_000)),
            ("1'234.50", b',', Decimals::Auto, Some(1_234_500_000_000)),
            ("1e-7", b',', Decimals::Auto, Some(100)),
            ("-0", b',', Decimals::Auto, Some(0)),
            ("12,34,56", b',', Decimals::Auto, None),
            ("--5", b',', Decimals::Auto, None),
            ("NaN", b',', Decimals::Auto, None),
            ("", b',', Decimals::Auto, None),
            ("99999999999", b',', Decimals::Auto, None),
        ] {
            assert_eq!(amount(text, delimiter, decimals).ok(), expected, "{text}");
        }
    }

    #[test]
    fn rates_are_given_and_never_guessed() {
        let rates = Rates::read(["eur=1.08", "JPY=0.0065"]).unwrap();
        assert_eq!(rates.dollars("EUR", 100), Some(108));
        assert_eq!(rates.dollars("EUR", -5), Some(-5));
        assert_eq!(rates.dollars("USD", 7), Some(7));
        assert_eq!(rates.dollars("GBP", 7), None);
        for wrong in ["EUR", "EUR=", "EUR=0", "EUR=-1", "EURO=1", "USD=1.1", "=1", "EUR=1e99"] {
            assert!(Rates::read([wrong]).is_err(), "{wrong}");
        }
        assert!(Rates::read(["EUR=1", "EUR=2"]).is_err());
    }

    #[test]
    fn each_map_knows_its_own_header_and_reads_a_row() {
        let maps = BillMaps::with(None).unwrap();
        for map in &maps.bill {
            let mut names: Vec<&String> = Vec::new();
            let lists = [&map.start, &map.end, &map.cost, &map.currency, &map.key, &map.model, &map.service];
            for name in lists.into_iter().filter_map(|list| list.first()) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            let header: Vec<String> = names.iter().map(|name| name.to_uppercase()).collect();
            let header = maps.header(header.join(";").as_bytes()).unwrap();
            assert_eq!(header.name, map.name);
            let cell = |name: &str| {
                let is = |list: &[String]| list.first().is_some_and(|first| first == name);
                match () {
                    () if is(&map.start) || is(&map.end) => match map.dates {
                        Dates::MonthDayYear => "06/03/2026".to_owned(),
                        _ => "2026-06-03 00:00:00 UTC".to_owned(),
                    },
                    () if is(&map.cost) => "-1.234,5".to_owned(),
                    () if is(&map.currency) => "EUR".to_owned(),
                    () => map.services[0].to_uppercase(),
                }
            };
            let row: Vec<String> = names.iter().map(|name| cell(name)).collect();
            let read =
                header.read(row.join(";").as_bytes(), Decimals::Auto, &Rates::read(["EUR=2"]).unwrap());
            let Ok(Amount::Line(line)) = read else { panic!("{}: {read:?}", map.name) };
            assert_eq!(line.nano_usd, -2_469_000_000_000, "{}", map.name);
            assert_eq!(line.start, civil(2026, 6, 3).unwrap(), "{}", map.name);
        }
        assert!(maps.header(b"timestamp,api_key_prefix").is_none());
    }

    #[test]
    fn days_that_there_are_not_are_refused() {
        for (date, is_one) in [
            ((2026, 2, 28), true),
            ((2026, 2, 29), false),
            ((2028, 2, 29), true),
            ((2026, 12, 31), true),
            ((2026, 13, 1), false),
        ] {
            assert_eq!(civil(date.0, date.1, date.2).is_some(), is_one, "{date:?}");
        }
    }
}
