//! The schema that configurations are checked against, read as far as a configuration needs it: every start does.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use serde_json::Value as Json;
use serde_json::value::RawValue;

/// What [`checked_schema`](crate::checked_schema) gives, as a test makes sure.
const TEXT: &str = include_str!("schema.json");
/// Where definitions are.
const DEFINITIONS: &str = "$defs";

/// A JSON Schema whose definitions are read when they are asked for.
pub(crate) struct Schema {
    /// All but the definitions.
    root: Json,
    definitions: HashMap<&'static str, Definition>,
}

struct Definition {
    text: &'static RawValue,
    read: OnceLock<Json>,
}

/// The schema of a whole configuration.
pub(crate) fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::read(TEXT));
    &SCHEMA
}

/// The same in one piece.
pub(crate) fn whole() -> Json {
    serde_json::from_str(TEXT).expect("a tested file")
}

impl Schema {
    fn read(text: &'static str) -> Self {
        let mut top: HashMap<&str, &RawValue> = serde_json::from_str(text).expect("a tested file");
        let definitions = top.remove(DEFINITIONS).map_or("{}", RawValue::get);
        let definitions: HashMap<&str, &RawValue> = serde_json::from_str(definitions).expect("a tested file");
        let of = |text: &RawValue| -> Json { serde_json::from_str(text.get()).expect("a tested file") };
        Self {
            root: top.into_iter().map(|(key, text)| (key.to_owned(), of(text))).collect(),
            definitions: definitions
                .into_iter()
                .map(|(name, text)| {
                    let read = OnceLock::new();
                    (name, Definition { text, read })
                })
                .collect(),
        }
    }

    /// All but the definitions.
    pub(crate) fn root(&self) -> &Json {
        &self.root
    }

    /// A definition by its name.
    pub(crate) fn definition(&self, name: &str) -> Option<&Json> {
        let Definition { text, read } = self.definitions.get(name)?;
        Some(read.get_or_init(|| serde_json::from_str(text.get()).expect("a tested file")))
    }

    /// Follows a reference into the definitions.
    pub(crate) fn resolve<'a>(&'a self, schema: &'a Json) -> &'a Json {
        let name = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
        name.and_then(|name| self.definition(name)).unwrap_or(schema)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_piece_by_piece_is_what_is_read_whole() {
        let mut whole = whole();
        let definitions = whole.as_object_mut().unwrap().remove(DEFINITIONS).unwrap();
        assert_eq!(*schema().root(), whole);
        let definitions = definitions.as_object().unwrap();
        assert_eq!(schema().definitions.len(), definitions.len());
        assert!(definitions.len() > 20);
        for (name, definition) in definitions {
            assert_eq!(schema().definition(name).unwrap(), definition, "{name}");
        }
        assert!(schema().definition("Nothing").is_none());
    }

    #[test]
    fn references_are_followed_and_what_is_none_stays() {
        let reference = serde_json::json!({ "$ref": "#/$defs/Repository" });
        assert_eq!(schema().resolve(&reference), schema().definition("Repository").unwrap());
        for other in [serde_json::json!({}), serde_json::json!({ "$ref": "#/$defs/Nothing" })] {
            assert_eq!(*schema().resolve(&other), other);
        }
    }
}
