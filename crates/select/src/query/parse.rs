//! Reading queries.

use chantal_model::Comparison;

use super::glob::Glob;
use super::term::{Field, Term, Wanted};

/// Text that is no query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column} of the query {query:?}: {message}")]
pub struct QueryError {
    /// All of it.
    pub query: String,
    /// Where it goes wrong: a character, counted from 1.
    pub column: usize,
    /// What was expected and what came.
    pub message: String,
}

/// The longest query in bytes.
const MAX_BYTES: usize = 64 << 10;

/// How a term begins to say what it wants.
#[derive(Clone, Copy)]
enum Operator {
    Compare(Comparison),
    Not,
    Like,
    Unlike,
}

const OPERATORS: [(&str, Operator); 8] = [
    ("<=", Operator::Compare(Comparison::LessOrEqual)),
    (">=", Operator::Compare(Comparison::GreaterOrEqual)),
    ("!=", Operator::Not),
    ("!~", Operator::Unlike),
    ("=", Operator::Compare(Comparison::Equal)),
    ("<", Operator::Compare(Comparison::Less)),
    (">", Operator::Compare(Comparison::Greater)),
    ("~", Operator::Like),
];

fn begins_operator(c: char) -> bool {
    matches!(c, '=' | '!' | '<' | '>' | '~')
}

/// Reads all terms.
pub(super) fn terms(text: &str) -> Result<Vec<Term>, QueryError> {
    let mut reader = Reader { text, at: 0 };
    if text.len() > MAX_BYTES {
        return Err(reader.error(0, format!("it is longer than {MAX_BYTES} bytes")));
    }
    let mut terms = Vec::new();
    loop {
        reader.skip_blanks();
        if reader.rest().is_empty() {
            return Ok(terms);
        }
        reader.refuse_joint(terms.is_empty())?;
        terms.push(reader.term()?);
    }
}

/// Whether text begins with a field and an operator.
pub(super) fn begins_with_field(text: &str) -> bool {
    let text = text.trim_start();
    let end = text.find(|c: char| c.is_whitespace() || begins_operator(c));
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    Field::named(word).is_some() && rest.trim_start().starts_with(begins_operator)
}

/// Whether a word is the text of a version such as `3~rc1`, since what stands before the `~` can be no misspelt field.
fn is_version_text(word: &str) -> bool {
    word.contains(|c: char| !c.is_alphabetic())
}

/// Where a value has another term in it, behind a comma.
fn comma_in(value: &str) -> Option<usize> {
    let is_term = |at: &usize| value.len() == at + 1 || begins_with_field(&value[at + 1..]);
    value.match_indices(',').map(|(at, _)| at).find(is_term)
}

struct Reader<'a> {
    text: &'a str,
    /// Offset in bytes.
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_blanks(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn error(&self, at: usize, message: impl Into<String>) -> QueryError {
        QueryError {
            query: self.text.to_owned(),
            column: self.text[..at].chars().count() + 1,
            message: message.into(),
        }
    }

    fn term(&mut self) -> Result<Term, QueryError> {
        let start = self.at;
        if matches!(self.peek(), Some('"' | '\'')) {
            return Ok(Term::text(&self.value()?));
        }
        let word = self.take_while(|c| !c.is_whitespace() && !begins_operator(c));
        let end = self.at;
        if self.rest().starts_with('~') && Field::named(word).is_none() && is_version_text(word) {
            self.take_while(|c| !c.is_whitespace());
            return Ok(Term::text(&self.text[start..self.at]));
        }
        self.skip_blanks();
        let Some((operator, symbol)) = self.operator()? else {
            self.at = end;
            return Ok(Term::text(word));
        };
        let Some(field) = Field::named(word) else {
            let fields = Field::ALL.map(Field::name).join(", ");
            let got = if word.is_empty() {
                format!("{symbol:?}")
            } else {
                format!("{word:?}")
            };
            return Err(self.error(
                start,
                format!("expected one of {fields} before the operator, got {got}"),
            ));
        };
        self.wanted(field, operator, symbol)
    }

    /// Refuses the words that join terms elsewhere: there are none here. One that stands alone is a text.
    fn refuse_joint(&self, is_first: bool) -> Result<(), QueryError> {
        let (word, rest) = self.rest().split_once(char::is_whitespace).unwrap_or((self.rest(), ""));
        let is_joint = ["or", "and", "not", "|", "||", "&", "&&"].contains(&word.to_ascii_lowercase().as_str());
        if !is_joint || is_first && rest.trim().is_empty() || rest.trim_start().starts_with(begins_operator) {
            return Ok(());
        }
        let all = "terms stand side by side and must all hold, without a word between them";
        Err(self.error(self.at, format!("{all}; {word:?} in quotes is a text to look for")))
    }

    fn operator(&mut self) -> Result<Option<(Operator, &'static str)>, QueryError> {
        if !self.peek().is_some_and(begins_operator) {
            return Ok(None);
        }
        let start = self.at;
        let found = OPERATORS.iter().find(|(symbol, _)| self.rest().starts_with(symbol));
        let Some((symbol, operator)) = found else {
            return Err(self.error(start, "expected one of =, !=, <, <=, >, >=, ~, !~, got \"!\""));
        };
        self.at += symbol.len();
        if let Some(more) = self.peek().filter(|c| begins_operator(*c)) {
            let all = "expected one of =, !=, <, <=, >, >=, ~, !~";
            return Err(self.error(start, format!("{all}, got \"{symbol}{more}\"")));
        }
        Ok(Some((*operator, symbol)))
    }

    fn wanted(&mut self, field: Field, operator: Operator, symbol: &str) -> Result<Term, QueryError> {
        let operator_at = self.at - symbol.len();
        self.skip_blanks();
        let value_at = self.at;
        let value = self.value()?;
        let (comparison, negated) = match operator {
            Operator::Compare(comparison) => (comparison, false),
            Operator::Not => (Comparison::Equal, true),
            Operator::Like | Operator::Unlike if field == Field::Size => {
                return Err(self.error(
                    operator_at,
                    format!("{symbol} does not apply to size, which is a number"),
                ));
            }
            Operator::Like | Operator::Unlike => {
                return Ok(Term::Field {
                    field,
                    negated: matches!(operator, Operator::Unlike),
                    wanted: Wanted::Like(Glob::new(&value)),
                });
            }
        };
        if comparison != Comparison::Equal && !field.is_ordered() {
            let message = format!("{symbol} applies to version and size, not to {}", field.name());
            return Err(self.error(operator_at, message));
        }
        let wanted = match field {
            Field::Version => Wanted::Version(comparison, value),
            Field::Size => {
                let size = bytes(&value).ok_or_else(|| {
                    let message = format!("expected a number of bytes such as 4096, 10M or 2G, got {value:?}");
                    self.error(value_at, message)
                })?;
                Wanted::Size(comparison, size)
            }
            _ => Wanted::Is(value),
        };
        Ok(Term::Field { field, negated, wanted })
    }

    fn value(&mut self) -> Result<String, QueryError> {
        let start = self.at;
        let Some(quote) = self.peek().filter(|c| matches!(c, '"' | '\'')) else {
            let word = self.take_while(|c| !c.is_whitespace());
            if word.is_empty() {
                return Err(self.error(start, "expected a value, got the end"));
            }
            if let Some(comma) = comma_in(word) {
                let message =
                    "terms stand side by side, with a blank between them; a value with a comma stands in quotes";
                return Err(self.error(start + comma, message));
            }
            return Ok(word.to_owned());
        };
        let mut value = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((offset, c)) = characters.next() {
            if c == quote {
                self.at = start + offset + 1;
                if self.peek().is_some_and(|c| !c.is_whitespace()) {
                    return Err(self.error(self.at, "expected a blank after the closing quote"));
                }
                return Ok(value);
            }
            match (c, characters.clone().next()) {
                ('\\', Some((_, escaped))) => {
                    value.push(escaped);
                    characters.next();
                }
                _ => value.push(c),
            }
        }
        Err(self.error(start, format!("the quote {quote} is not closed")))
    }
}

/// A number of bytes with an optional unit.
fn bytes(text: &str) -> Option<u64> {
    let text = text.strip_suffix("iB").or(text.strip_suffix('B')).unwrap_or(text);
    let (number, shift) = match text.chars().last()? {
        'k' | 'K' => (&text[..text.len() - 1], 10),
        'M' => (&text[..text.len() - 1], 20),
        'G' => (&text[..text.len() - 1], 30),
        'T' => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}
