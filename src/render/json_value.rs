//! Values of JSON files in templates.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use tera::Value;
use tera::value::Key;

/// The value of a cell that is JSON. A cell that was replaced, for example to see what becomes of an empty one, may be
/// none: then it is text.
pub(super) fn json_value(cell: &str) -> Value {
    if is_long_number(cell) {
        return Value::from(cell);
    }
    match serde_json::from_str(cell) {
        Ok(JsonValue(value)) => value,
        Err(_) => Value::from(cell),
    }
}

/// Whether it is a whole number with more digits than a number in a template has.
fn is_long_number(cell: &str) -> bool {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_whole && cell.parse::<i64>().is_err() && cell.parse::<u64>().is_err()
}

/// Keeps the order of keys.
struct JsonValue(Value);

impl<'de> Deserialize<'de> for JsonValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor).map(Self)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    /// As an empty cell.
    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::from(""))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(JsonValue(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::from(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = tera::Map::default();
        while let Some((key, JsonValue(value))) = entries.next_entry::<String, _>()? {
            map.insert(Key::from(key), value);
        }
        Ok(Value::from(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_keep_their_digits() {
        for number in ["18446744073709551616", "-12345678901234567890123"] {
            assert_eq!(json_value(number).as_str(), Some(number));
        }
        for number in ["18446744073709551615", "-9223372036854775808", "1.5"] {
            assert_eq!(json_value(number).as_str(), None);
        }
    }
}
