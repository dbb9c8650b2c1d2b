//! Databases in MaxMind's form, turned into ranges: the same sorted arrays, and damage is told at the start.

use super::error::NetworksError;
use super::sheet::{Book, Layer, Sheet};
use super::table::shown;
use super::{BYTES_MAX, Format, Known, asn, too_large};
use hashbrown::HashMap;
use maxminddb::{MaxMindDbError, Reader};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;
use std::io::{self, Read};
use std::net::IpAddr;

/// What stands before the last part of every database.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// In a tar archive, what stands at 257.
const TAR: &[u8] = b"ustar";

/// Reads a database; `failed` tells of errors of the reader.
pub(super) fn read(
    file: &str,
    reader: &mut impl Read,
    book: &mut Book,
    failed: impl Fn(io::Error) -> NetworksError,
) -> Result<Layer, NetworksError> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(failed)?;
    check_kind(file, &bytes)?;
    let damaged = |error: MaxMindDbError| NetworksError::Damaged {
        file: file.to_owned(),
        what: format!("MaxMind database: {error}"),
    };
    let database = Reader::from_source(bytes).map_err(damaged)?;
    let mut sheet = Sheet::new(file, Format::Database);
    // Many ranges share a record.
    let mut numbers: HashMap<usize, u32, ahash::RandomState> = HashMap::default();
    for found in database.networks(maxminddb::WithinOptions::default()).map_err(damaged)? {
        let found = found.map_err(damaged)?;
        let network = found.network().map_err(damaged)?;
        let at = found.offset().unwrap_or_default();
        let number = if let Some(&number) = numbers.get(&at) {
            number
        } else {
            let record: Record = found.decode().map_err(damaged)?.unwrap_or_default();
            let wrong = |value| NetworksError::Record {
                file: file.to_owned(),
                network: network.to_string(),
                field: "the AS number",
                value,
                wanted: "0 to 4294967295, with or without `AS` before it,",
            };
            let (known, name) = record.known().map_err(wrong)?;
            book.name(known.asn, name);
            let number = book.number(known);
            numbers.insert(at, number);
            number
        };
        let (first, last) = (network.ip(), last(network.ip(), network.prefix()));
        sheet.push((first.to_canonical(), last.to_canonical()), number)?;
    }
    sheet.finish()
}

/// The last address of the range that begins with `first`.
fn last(first: IpAddr, bits: u8) -> IpAddr {
    match first {
        IpAddr::V4(v4) => {
            let rest = u32::MAX.checked_shr(bits.into()).unwrap_or(0);
            IpAddr::V4((v4.to_bits() | rest).into())
        }
        IpAddr::V6(v6) => {
            let rest = u128::MAX.checked_shr(bits.into()).unwrap_or(0);
            IpAddr::V6((v6.to_bits() | rest).into())
        }
    }
}

fn check_kind(file: &str, bytes: &[u8]) -> Result<(), NetworksError> {
    if bytes.len() as u64 > BYTES_MAX {
        return Err(too_large(file));
    }
    let what = if bytes.get(257..257 + TAR.len()) == Some(TAR) {
        "is a tar archive; unpack it with `tar -x` and name the .mmdb file inside"
    } else if memchr::memmem::rfind(bytes, MARKER).is_none() {
        "is neither a table with tabs nor a whole MaxMind database; if it is one, its end is missing: get it again"
    } else {
        return Ok(());
    };
    Err(NetworksError::Kind { file: file.to_owned(), what: what.to_owned() })
}

/// The fields of a record that are of use, in the layouts of MaxMind and DB-IP (`autonomous_system_number`,
/// `country.iso_code`), of IPinfo (`asn`, `as_name` or `name`, `country` or `country_code`) and of those like them.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Record {
    autonomous_system_number: Field,
    autonomous_system_organization: Field,
    asn: Field,
    as_number: Field,
    as_name: Field,
    as_organization: Field,
    name: Field,
    country: Field,
    country_code: Field,
    registered_country: Field,
}

impl Record {
    /// What it says, and the name of the AS; an AS number that is none is the error.
    fn known(&self) -> Result<(Known, &str), String> {
        let numbers = [&self.autonomous_system_number, &self.asn, &self.as_number];
        let asn = numbers.into_iter().find_map(Field::number).transpose()?.unwrap_or(0);
        let names = [&self.autonomous_system_organization, &self.as_name, &self.as_organization, &self.name];
        let name = names.into_iter().find_map(Field::text).unwrap_or("");
        // IPinfo has the name of the country in `country` where its code is in `country_code`.
        let countries = [&self.country_code, &self.country, &self.registered_country];
        let country =
            countries.into_iter().find_map(|field| super::country(field.text()?)).unwrap_or_default();
        Ok((Known { asn, country }, name))
    }
}

/// A value of a kind that is not known before.
#[derive(Default)]
enum Field {
    /// Nothing of use.
    #[default]
    Nothing,
    Text(String),
    Number(u64),
}

impl Field {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    fn number(&self) -> Option<Result<u32, String>> {
        match self {
            Self::Number(number) => Some(u32::try_from(*number).map_err(|_| number.to_string())),
            Self::Text(text) if !text.is_empty() => Some(asn(text).ok_or_else(|| shown(text))),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Field, E> {
        Ok(Field::Text(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Field, E> {
        Ok(Field::Number(number))
    }

    /// Of a country, its code.
    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Field, M::Error> {
        let mut code = Field::Nothing;
        while let Some(name) = map.next_key::<&str>()? {
            match name {
                "iso_code" => code = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(code)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Field, E> {
        Ok(Field::Nothing)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Field, E> {
        Ok(Field::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Field, E> {
        Ok(Field::Nothing)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Field, E> {
        Ok(Field::Nothing)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Field, E> {
        Ok(Field::Nothing)
    }

    fn visit_seq<S: serde::de::SeqAccess<'de>>(self, mut list: S) -> Result<Field, S::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Nothing)
    }
}

#[cfg(test)]
mod tests;
