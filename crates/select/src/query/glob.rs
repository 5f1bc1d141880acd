//! Patterns in which `*` stands for any text and `?` for one character. Case does not matter.

use std::fmt;

/// A pattern, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob(Vec<char>);

impl Glob {
    pub(super) fn new(pattern: &str) -> Self {
        Self(lower(pattern).collect())
    }

    /// Whether the whole text matches. Takes no more than length times length steps.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = lower(text).collect();
        let (mut at, mut pattern) = (0, 0);
        // Where to go back to: the last star, and what it has swallowed so far.
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(pattern) {
                Some('*') => {
                    star = Some((pattern, at));
                    pattern += 1;
                }
                Some(c) if *c == '?' || *c == text[at] => {
                    at += 1;
                    pattern += 1;
                }
                _ => match star {
                    Some((star_at, swallowed)) => {
                        star = Some((star_at, swallowed + 1));
                        pattern = star_at + 1;
                        at = swallowed + 1;
                    }
                    None => return false,
                },
            }
        }
        self.0[pattern..].iter().all(|c| *c == '*')
    }
}

fn lower(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|c| write!(f, "{c}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_take_any_text_and_question_marks_one_character() {
        for (pattern, text, matches) in [
            ("nginx", "nginx", true),
            ("NGINX", "nginx", true),
            ("nginx", "nginx-core", false),
            ("nginx*", "nginx-core", true),
            ("*core", "nginx-core", true),
            ("n*x*r?", "nginx-core", true),
            ("n*x*r?", "nginx-cor", false),
            ("*", "", true),
            ("?", "", false),
            ("a*a*a", "aa", false),
            ("Packages/*/a?.pkg", "Packages/x/y/aB.pkg", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), matches, "{pattern} {text}");
        }
    }

    fn by_definition(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => {
                by_definition(rest, text) || text.split_first().is_some_and(|(_, less)| by_definition(pattern, less))
            }
            (Some((p, rest)), Some((t, less))) => (*p == '?' || p == t) && by_definition(rest, less),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_is_as_defined(pattern in "[ab*?]{0,7}", text in "[ab]{0,9}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(Glob::new(&pattern).matches(&text), by_definition(&p, &t));
        }
    }
}
