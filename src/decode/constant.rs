//! Values that a format gives to a field of every record in which it has no place that holds one.

use super::draft::{Draft, Read};
use super::field::{Field, assign, assign_in};
use super::map::Unit;
use crate::json::{Str, Value};

/// A field and its value.
#[derive(Clone, PartialEq, Debug)]
pub struct Constant {
    field: Field,
    unit: Unit,
    value: Fixed,
}

#[derive(Clone, PartialEq, Debug)]
enum Fixed {
    Text(Box<[u8]>),
    Number(Box<[u8]>),
    Flag(bool),
}

impl Constant {
    /// A text.
    pub fn text(field: Field, unit: Unit, text: &str) -> Self {
        Self { field, unit, value: Fixed::Text(text.as_bytes().into()) }
    }

    /// A number, as JSON writes it.
    pub fn number(field: Field, unit: Unit, digits: &str) -> Self {
        Self { field, unit, value: Fixed::Number(digits.as_bytes().into()) }
    }

    /// True or false.
    pub fn flag(field: Field, unit: Unit, flag: bool) -> Self {
        Self { field, unit, value: Fixed::Flag(flag) }
    }

    /// The field.
    pub const fn field(&self) -> Field {
        self.field
    }

    /// Whether the field can have this value; if not, why.
    pub fn check(&self) -> Result<(), String> {
        self.assign(&mut Draft::default()).map_err(|fault| fault.into_parts().message.into_owned())
    }

    /// Puts the value into its place in `draft`.
    pub(super) fn assign<'a>(&'a self, draft: &mut Draft<'a>) -> Read<()> {
        let value = match &self.value {
            Fixed::Text(text) => Value::Str(Str::plain(text)),
            Fixed::Number(digits) => Value::Number(digits),
            Fixed::Flag(flag) => Value::flag(*flag),
        };
        match self.unit {
            Unit::Tens(tens) => assign_in(draft, self.field, value, tens),
            Unit::Usual | Unit::Written => assign(draft, self.field, value),
        }
    }
}
