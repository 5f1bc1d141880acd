//! What the fuzz target `config`, and the replay test of its corpus, does with an input.

use std::path::Path;

use chantal_config::{LoadError, load_text};

/// Reads an input as a configuration.
///
/// # Panics
/// What is refused is refused without a reason or a place; what is accepted has an id that is no directory name.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    // Other files are not this target's business.
    if text.contains("include") {
        return;
    }
    match load_text(Path::new("/nowhere/config.yaml"), text.to_owned(), &|_| None) {
        Ok(loaded) => {
            for repository in &loaded.config.repositories {
                let id = repository.id.as_str();
                assert!(
                    !id.is_empty() && !id.contains(['/', '\\']) && !id.starts_with('.'),
                    "{id:?}"
                );
            }
        }
        Err(LoadError::Invalid(diagnostics)) => {
            assert!(!diagnostics.is_empty(), "refused without a reason");
            for diagnostic in diagnostics {
                assert!(!diagnostic.message.is_empty(), "refused without a reason");
                assert!(diagnostic.line > 0 && diagnostic.column > 0, "refused without a place");
                let _ = diagnostic.to_string();
            }
        }
        Err(error) => panic!("text in memory cannot fail to be read: {error}"),
    }
}
