//! The object of a row: its keys are columns, and its values are cells.

use std::collections::{HashMap, HashSet};
use std::fmt;

use csv::StringRecord;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The digits of whole numbers from here on are lost: 2 to the power of 64.
const MAX_NUMBER: f64 = 18_446_744_073_709_551_616.0;

/// Why a text is not an object.
#[derive(Debug)]
pub(super) struct ObjectError {
    /// In the text, from 1.
    pub(super) line: usize,
    /// In bytes, from 1.
    pub(super) column: usize,
    pub(super) reason: String,
}

impl From<serde_json::Error> for ObjectError {
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        let reason = text
            .rsplit_once(" at line ")
            .map_or(text.as_str(), |it| it.0);
        Self {
            line: error.line(),
            column: error.column(),
            reason: reason.to_owned(),
        }
    }
}

impl ObjectError {
    /// The error at the start of a value, which is a part of `text`.
    fn in_value(self, text: &str, value: &str) -> Self {
        let offset = (value.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let before = &text[..offset.min(text.len())];
        let column = before.rsplit('\n').next().map_or(0, str::len) + 1;
        Self {
            line: before.matches('\n').count() + 1,
            column,
            ..self
        }
    }
}

/// The cells of a row.
pub(super) struct ObjectCells {
    pub(super) cells: StringRecord,
    /// The indexes of cells that are not strings.
    pub(super) json: Vec<usize>,
    /// A key that an object has twice, with the keys around it.
    pub(super) duplicate: Option<String>,
}

/// The columns of a file, in the order in which they first appear.
#[derive(Default)]
pub(super) struct Columns {
    names: Vec<String>,
    indexes: HashMap<String, usize>,
}

impl Columns {
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Adds the keys of an object.
    pub(super) fn add_keys(&mut self, text: &str) -> Result<(), ObjectError> {
        Ok(self.add_keys_of(text)?)
    }

    fn add_keys_of(&mut self, text: &str) -> Result<(), serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        (&mut json).deserialize_map(KeysVisitor(self))?;
        json.end()
    }

    /// The cells of an object whose keys have been added.
    pub(super) fn cells(&self, text: &str) -> Result<ObjectCells, ObjectError> {
        let mut json = serde_json::Deserializer::from_str(text);
        let (values, mut duplicate) = (&mut json).deserialize_map(ValuesVisitor(self))?;
        json.end()?;
        let mut cells = StringRecord::with_capacity(text.len(), values.len());
        let mut json = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            let value = value.unwrap_or("null");
            match value.as_bytes() {
                b"null" => cells.push_field(""),
                [b'"', text @ .., b'"'] if !text.contains(&b'\\') => {
                    cells.push_field(&value[1..value.len() - 1]);
                }
                [b'"', ..] => match serde_json::from_str::<String>(value) {
                    Ok(string) => cells.push_field(&string),
                    Err(error) => return Err(ObjectError::from(error).in_value(text, value)),
                },
                [b'[' | b'{', ..] => {
                    json.push(index);
                    cells.push_field(&compact(value));
                    let nested = duplicate_key(value)
                        .map_err(|error| ObjectError::from(error).in_value(text, value))?;
                    duplicate = duplicate.or(nested);
                }
                _ => {
                    json.push(index);
                    cells.push_field(value);
                }
            }
        }
        Ok(ObjectCells {
            cells,
            json,
            duplicate,
        })
    }

    /// The name of a list of objects in an object whose keys have been added.
    pub(super) fn list_of_objects(&self, text: &str) -> Option<String> {
        let row = self.cells(text).ok()?;
        let cell = |index: usize| row.cells.get(index).unwrap_or_default();
        let mut lists = row.json.iter();
        let list = lists.find(|index| cell(**index).starts_with("[{"))?;
        self.names.get(*list).cloned()
    }

    fn index(&self, key: &str, expected: usize) -> Option<usize> {
        match self.names.get(expected) {
            Some(name) if name == key => Some(expected),
            _ => self.indexes.get(key).copied(),
        }
    }
}

/// Whether a text is a whole object (`true`), is not JSON or not an object (`None`), or ends too early.
pub(super) fn is_object(text: &str) -> Option<bool> {
    match Columns::default().add_keys_of(text) {
        Ok(()) => Some(true),
        Err(error) if error.is_eof() => Some(false),
        Err(_) => None,
    }
}

const EXPECTED: &str = "an object";

struct KeysVisitor<'a>(&'a mut Columns);

impl<'de> Visitor<'de> for KeysVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut expected = 0;
        while let Some(key) = map.next_key_seed(Key(self.0, expected))? {
            let index = match key {
                Ok(index) => index,
                Err(key) => {
                    let index = self.0.names.len();
                    self.0.indexes.insert(key.clone(), index);
                    self.0.names.push(key);
                    index
                }
            };
            expected = index + 1;
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Returns the values, and a key that the object has twice.
struct ValuesVisitor<'a>(&'a Columns);

impl<'de> Visitor<'de> for ValuesVisitor<'_> {
    type Value = (Vec<Option<&'de str>>, Option<String>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = vec![None; self.0.names.len()];
        let (mut duplicate, mut expected) = (None, 0);
        while let Some(key) = map.next_key_seed(Key(self.0, expected))? {
            let index =
                key.map_err(|_| A::Error::custom("the file was changed while it was read"))?;
            let value: &RawValue = map.next_value()?;
            if values[index].replace(value.get()).is_some() {
                duplicate = duplicate.or_else(|| self.0.names.get(index).cloned());
            }
            expected = index + 1;
        }
        Ok((values, duplicate))
    }
}

/// The index of a key, which is probably the expected one; or a key that is new.
struct Key<'a>(&'a Columns, usize);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Result<usize, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = Result<usize, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.index(key, self.1).ok_or_else(|| key.to_owned()))
    }
}

/// A key that an object in a value has twice, with the keys around it. An error if templates can't have the value.
fn duplicate_key(value: &str) -> Result<Option<String>, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(value);
    let mut duplicate = None;
    UniqueKeys(&mut duplicate, String::new()).deserialize(&mut json)?;
    Ok(duplicate)
}

struct UniqueKeys<'a>(&'a mut Option<String>, String);

impl<'de> DeserializeSeed<'de> for UniqueKeys<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueKeys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = match self.1.as_str() {
                "" => key.clone(),
                around => format!("{around}.{key}"),
            };
            if !keys.insert(key) {
                self.0.get_or_insert(path.clone());
            }
            map.next_value_seed(UniqueKeys(self.0, path))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items
            .next_element_seed(UniqueKeys(self.0, self.1.clone()))?
            .is_some()
        {}
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        match number.abs() >= MAX_NUMBER {
            true => Err(E::custom(
                "a number in a list or an object has too many digits: put it in quotes",
            )),
            false => Ok(()),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match text.contains('\0') {
            true => Err(E::custom("a text contains a NUL character")),
            false => Ok(()),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A list or an object without the white space between its parts.
fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut in_string, mut is_escaped) = (false, false);
    for character in json.chars() {
        if in_string {
            in_string = is_escaped || character != '"';
            is_escaped = !is_escaped && character == '\\';
        } else if character.is_ascii_whitespace() {
            continue;
        } else {
            in_string = character == '"';
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_objects_lose_white_space_between_their_parts_only() {
        let text = r#"{ "a b" : [ 1 , "x \" } y" ],
            "c\\" : { } }"#;
        assert_eq!(compact(text), r#"{"a b":[1,"x \" } y"],"c\\":{}}"#);
    }
}
