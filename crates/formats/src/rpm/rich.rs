//! Rich dependencies, such as `(a >= 1 and (b or c) if d)`.
//!
//! As rpm.org's "Boolean Dependencies" defines them: `and`, `or`, `if` with `else`, `unless` with `else`, `with`,
//! `without`. Operators are not mixed without parentheses; `and`, `or` and `with` may be chained.

use chantal_model::Comparison;

use crate::relations::{Capability, Need};

const MAX_DEPTH: usize = 32;

/// Reads a rich dependency; `None` for a plain name, or for what is no valid one.
pub(super) fn read(text: &str) -> Option<Need> {
    let inner = text.strip_prefix('(')?;
    let mut reader = Reader { rest: inner, depth: 1 };
    let need = reader.expression()?;
    reader.rest.is_empty().then_some(need)
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Reads up to and with the closing parenthesis.
    fn expression(&mut self) -> Option<Need> {
        let first = self.operand()?;
        let Some(operator) = self.operator()? else {
            return Some(first);
        };
        let mut operands = vec![first, self.operand()?];
        loop {
            match (self.operator()?, operator) {
                (None, _) => return combine(operator, operands, None),
                (Some(again), "and" | "or" | "with") if again == operator => operands.push(self.operand()?),
                (Some("else"), "if" | "unless") => {
                    let otherwise = self.operand()?;
                    return match self.operator()? {
                        None => combine(operator, operands, Some(otherwise)),
                        Some(_) => None,
                    };
                }
                _ => return None,
            }
        }
    }

    /// The next operator; the inner `None` for the closing parenthesis.
    #[expect(clippy::option_option, reason = "no operator is not the same as a wrong one")]
    fn operator(&mut self) -> Option<Option<&'a str>> {
        self.skip_blanks();
        if let Some(rest) = self.rest.strip_prefix(')') {
            self.rest = rest;
            self.depth -= 1;
            return Some(None);
        }
        let word = self.word();
        matches!(word, "and" | "or" | "if" | "unless" | "else" | "with" | "without").then_some(Some(word))
    }

    fn operand(&mut self) -> Option<Need> {
        self.skip_blanks();
        if let Some(rest) = self.rest.strip_prefix('(') {
            self.rest = rest;
            self.depth += 1;
            return if self.depth > MAX_DEPTH {
                None
            } else {
                self.expression()
            };
        }
        let name = self.word();
        if name.is_empty() {
            return None;
        }
        Some(Need::One(Capability {
            name: name.into(),
            version: self.range()?,
        }))
    }

    /// The range after a name, if there is one.
    #[expect(clippy::option_option, reason = "no range is not the same as a wrong one")]
    fn range(&mut self) -> Option<Option<(Comparison, Box<str>)>> {
        self.skip_blanks();
        let before = self.rest;
        let comparison = match self.word() {
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            "=" => Comparison::Equal,
            ">=" => Comparison::GreaterOrEqual,
            ">" => Comparison::Greater,
            _ => {
                self.rest = before;
                return Some(None);
            }
        };
        self.skip_blanks();
        match self.word() {
            "" => None,
            version => Some(Some((comparison, version.into()))),
        }
    }

    /// Up to a blank or a parenthesis that closes more than the word opened: `perl(Foo)` is one word.
    fn word(&mut self) -> &'a str {
        let mut open = 0_usize;
        let end = self.rest.find(|c: char| {
            match c {
                '(' => open += 1,
                ')' if open == 0 => return true,
                ')' => open -= 1,
                _ => {}
            }
            c.is_whitespace()
        });
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }
}

fn combine(operator: &str, mut operands: Vec<Need>, otherwise: Option<Need>) -> Option<Need> {
    let otherwise = otherwise.map(Box::new);
    Some(match operator {
        "and" => Need::All(operands),
        "or" => Need::Any(operands),
        "with" => Need::Together(operands),
        _ => {
            let (second, first) = (Box::new(operands.pop()?), Box::new(operands.pop()?));
            match operator {
                "without" => Need::Without(first, second),
                "if" => Need::If {
                    condition: second,
                    then: Some(first),
                    otherwise,
                },
                "unless" => Need::If {
                    condition: second,
                    then: otherwise,
                    otherwise: Some(first),
                },
                _ => return None,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(need: &Need) -> String {
        let all = |word: &str, needs: &[Need]| {
            let needs: Vec<_> = needs.iter().map(shown).collect();
            format!("{word}[{}]", needs.join(", "))
        };
        match need {
            Need::One(capability) => capability.to_string(),
            Need::All(needs) => all("all", needs),
            Need::Any(needs) => all("any", needs),
            Need::Together(needs) => all("together", needs),
            Need::Without(one, other) => format!("{} without {}", shown(one), shown(other)),
            Need::If {
                condition,
                then,
                otherwise,
            } => {
                let side = |need: &Option<Box<Need>>| need.as_ref().map_or("nothing".to_owned(), |need| shown(need));
                format!("if {} then {} else {}", shown(condition), side(then), side(otherwise))
            }
        }
    }

    #[test]
    fn expressions_are_read_as_rpm_reads_them() {
        for (text, expected) in [
            ("(a or b)", "any[a, b]"),
            ("(a and b >= 1:2-3 and c)", "all[a, b >= 1:2-3, c]"),
            (
                "(perl(A::B) >= 2 with perl(A::B) < 3)",
                "together[perl(A::B) >= 2, perl(A::B) < 3]",
            ),
            ("(lib.so()(64bit) without b)", "lib.so()(64bit) without b"),
            ("(a if b)", "if b then a else nothing"),
            ("(a if (b and c) else d)", "if all[b, c] then a else d"),
            ("(a unless b else c)", "if b then c else a"),
            ("( a )", "a"),
        ] {
            assert_eq!(shown(&read(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_a_plain_name() {
        for text in [
            "a",
            "",
            "(",
            "()",
            "(a",
            "(a or)",
            "(a b)",
            "(a and b or c)",
            "(a or b) c",
            "(a >= )",
            "(a if b else c else d)",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(&"(".repeat(100_000)), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\(([a-c()<>= ]| and | or | if | else | with ){0,20}\\)?") {
            let _ = read(&text);
        }
    }
}
