//! Lines of a configuration for people, without secrets.

use chantal_model::masked_query;

use crate::node::{Node, Place, Value};

/// Keys whose values are secret.
pub(crate) const SECRET: [&str; 4] = ["password", "passphrase", "token", "webhook"];

/// Keys whose URL may be without its scheme.
pub(crate) const PROXIES: [&str; 2] = ["http_proxy", "https_proxy"];

/// Where the credentials end of a URL without its scheme.
pub(crate) fn credentials_end(text: &str) -> Option<usize> {
    if text.contains("://") {
        return None;
    }
    text.rfind('@')
}

/// Secrets that stand in the files, with their places.
pub(crate) fn secrets(root: &Node) -> Vec<(Place, String)> {
    let mut found = Vec::new();
    gather(root, false, &mut found);
    found
}

fn gather(node: &Node, is_secret: bool, found: &mut Vec<(Place, String)>) {
    match &node.value {
        Value::Text(text) if is_secret && !is_reference(text) && !text.is_empty() => {
            found.push((node.place, text.clone()));
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                let name = key.name.as_str();
                if let (true, Value::Text(text)) = (PROXIES.contains(&name), &value.value)
                    && let Some(sign) = credentials_end(text)
                {
                    found.push((value.place, text[..sign].to_owned()));
                }
                gather(value, is_secret || name == "headers" || SECRET.contains(&name), found);
            }
        }
        Value::List(items) => items.iter().for_each(|item| gather(item, is_secret, found)),
        _ => {}
    }
}

pub(crate) fn is_reference(text: &str) -> bool {
    ["env:", "file:"].iter().any(|prefix| text.starts_with(prefix))
}

/// A line without the secrets that stand in it, without credentials in URLs, and cut where the value of a secret key
/// begins: a text that is no YAML has no tree to find them in.
pub(crate) fn line(line: &str, file: usize, number: usize, secrets: &[(Place, String)]) -> String {
    let here = secrets
        .iter()
        .filter(|(place, _)| place.file == file && place.line == number);
    // A secret that is written in another way, as with escapes, is known by its place alone.
    let hidden = here.clone().filter(|(_, secret)| !line.contains(secret.as_str()));
    let end = hidden.map(|(place, _)| place.column.saturating_sub(1)).min();
    let mut line = match end {
        Some(end) => line.chars().take(end).chain("***".chars()).collect(),
        None => line.to_owned(),
    };
    for (_, secret) in here {
        line = line.replace(secret, "***");
    }
    let line = without_url_secrets(&line);
    match secret_value(&line) {
        Some(at) => format!("{} ***", &line[..at]),
        None => line,
    }
}

/// Where the value of a secret key begins that is not a reference.
fn secret_value(line: &str) -> Option<usize> {
    let value = |word: &str| {
        line.match_indices(word).find_map(|(at, _)| {
            let after = at + word.len();
            let rest = line[after..].trim_start_matches(['"', '\'']).trim_start();
            let value = rest.strip_prefix(':')?;
            let is_shown = is_reference(value.trim_start_matches([' ', '"', '\''])) || value.trim().is_empty();
            (!is_shown).then(|| line.len() - value.len())
        })
    };
    SECRET.iter().filter_map(|word| value(word)).min()
}

/// A text without what may be secret in the URLs that stand in it.
pub(crate) fn without_url_secrets(text: &str) -> String {
    without_parameter(&without_values(&without_credentials(text)))
}

/// The values of a URL's query may be tokens. A database's URL has its own parameters.
fn without_values(line: &str) -> String {
    let mut masked = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        masked.push_str(before);
        let (url, other) = after.split_at(query_end(before, after));
        match url.split_once('?') {
            Some((place, query)) if !before.contains("postgres") && !place.contains("://") => {
                masked.push_str(place);
                masked.push('?');
                masked.push_str(&masked_query(query));
                rest = other;
            }
            _ => rest = after,
        }
    }
    masked + rest
}

/// Where what may be a part of a URL's query ends: at the quote that was opened before the URL, or with the line, since
/// a query may hold spaces, commas and quotes.
fn query_end(before: &str, after: &str) -> usize {
    let scheme = |c: char| c.is_ascii_alphanumeric() || "+-.:/".contains(c);
    let quote = before.trim_end_matches(scheme).chars().next_back();
    let end = quote.filter(|quote| ['"', '\''].contains(quote));
    end.and_then(|quote| after.find(quote)).unwrap_or(after.len())
}

fn without_credentials(line: &str) -> String {
    let mut masked = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        masked.push_str(before);
        // A password that should have been encoded may hold a slash; a database's URL has no `@` after its host.
        let is_database = before.contains("postgres");
        let ends: &[char] = if is_database {
            &[' ', '"', '\'']
        } else {
            &['/', ' ', '"', '\'', ',']
        };
        let end = after.find(ends).unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(sign) => {
                masked.push_str("***");
                &after[sign..]
            }
            None => after,
        };
    }
    masked + rest
}

/// A password may also be a parameter of a database's URL.
fn without_parameter(line: &str) -> String {
    const PARAMETER: &str = "password=";
    let mut masked = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(PARAMETER) {
        let (before, after) = rest.split_at(at + PARAMETER.len());
        masked.push_str(before);
        masked.push_str("***");
        rest = &after[after.find(['&', ' ', '"', '\'']).unwrap_or(after.len())..];
    }
    masked + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out_of_lines_and_references_stay() {
        for (text, expected) in [
            ("password: CANARY", "password: ***"),
            (
                "auth: {type: basic, password: CANARY, x: y",
                "auth: {type: basic, password: ***",
            ),
            ("\"token\" : [CANARY", "\"token\" : ***"),
            ("feed: https://u:CANARY@h/x", "feed: https://***@h/x"),
            (
                "feed: \"https://CANARY@h\" # http://CANARY@i/",
                "feed: \"https://***@h\" # http://***@i/",
            ),
            ("password: env:NAME", "password: env:NAME"),
            ("passphrase_file: /etc/x", "passphrase_file: /etc/x"),
            ("feed: https://h/a@b", "feed: https://h/a@b"),
            (
                "feed: https://h/x?token=CANARY&CANARY # y",
                "feed: https://h/x?token=***&***",
            ),
            (
                "feed: https://h/x?token=CAN ARY's, CANARY",
                "feed: https://h/x?token=***",
            ),
            (
                "[\"http://h/x?a=CANARY#CANARY\", http://CANARY@i/?b=CANARY]",
                "[\"http://h/x?a=***\", http://***@i/?b=***",
            ),
            ("[http://h/x, http://h/?a=CANARY]", "[http://h/x, http://h/?a=***"),
            ("feed: https://h/x?token=${TOKEN}", "feed: https://h/x?token=${TOKEN}"),
            (
                "url: postgresql+psycopg://u:CAN/ARY,@CANARY@h/d",
                "url: postgresql+psycopg://***@h/d",
            ),
            (
                "url: \"postgres://h/d?password=CANARY&sslmode=require\"",
                "url: \"postgres://h/d?password=***&sslmode=require\"",
            ),
        ] {
            assert_eq!(line(text, 0, 1, &[]), expected);
        }
    }
}
