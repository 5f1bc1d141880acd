//! A file of a configuration without its secrets, to be kept elsewhere.
//!
//! The text is written anew from what was read. So nothing depends on where in the text a secret stands, and comments,
//! which may hold anything, are gone.

use std::fmt::Write as _;

use chantal_model::is_variable;

use crate::mask::{PROXIES, SECRET, credentials_end, is_reference, without_url_secrets};
use crate::node::{Node, Value, parse};

const HEAD: &str = "# A copy by `chantal db backup`, without comments and without secrets: those are `***`.\n";

/// The text of one file without the values of secret keys and of headers, without the addresses of webhooks and without
/// credentials and values of queries in URLs. References (`env:NAME`, `file:PATH`, `${NAME}`) stay.
///
/// # Errors
/// What is wrong with the text, with line and column; never a part of it.
pub fn without_secrets(text: &str) -> Result<String, String> {
    let root = parse(text, 0).map_err(|broken| {
        let (line, column) = (broken.place.line, broken.place.column);
        format!("line {line}, column {column}: not a configuration that can be read")
    })?;
    let mut out = HEAD.to_owned();
    match &root.value {
        Value::Map(_) | Value::List(_) => write_below(&root, 0, false, &mut out),
        _ => out.push_str("{}\n"),
    }
    Ok(out)
}

/// Writes a value after its key or dash.
fn write(node: &Node, depth: usize, is_secret: bool, out: &mut String) {
    match &node.value {
        Value::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
        Value::List(items) if items.is_empty() => out.push_str(" []\n"),
        Value::Map(_) | Value::List(_) => {
            out.push('\n');
            write_below(node, depth + 1, is_secret, out);
        }
        _ => {
            let _ = writeln!(out, " {}", scalar(node, is_secret));
        }
    }
}

fn write_below(node: &Node, depth: usize, is_secret: bool, out: &mut String) {
    let indent = "  ".repeat(depth);
    match &node.value {
        Value::Map(entries) => {
            for (key, value) in entries {
                let name = key.name.as_str();
                let _ = write!(out, "{indent}{}:", quoted_unless_plain(name));
                if let (true, Value::Text(text)) = (PROXIES.contains(&name), &value.value)
                    && let Some(sign) = credentials_end(text)
                {
                    let _ = writeln!(out, " {}", quoted(&format!("***{}", &text[sign..])));
                    continue;
                }
                let is_secret = is_secret || SECRET.contains(&name) || name == "headers";
                write(value, depth, is_secret, out);
            }
        }
        Value::List(items) => {
            for item in items {
                let _ = write!(out, "{indent}-");
                write(item, depth, is_secret, out);
            }
        }
        _ => {}
    }
}

fn scalar(node: &Node, is_secret: bool) -> String {
    match &node.value {
        Value::Text(text) if !is_secret => quoted(&without_url_secrets(text)),
        Value::Text(text) if text.is_empty() || is_reference(text) || is_variable(text) => quoted(text),
        Value::Null => "null".to_owned(),
        _ if is_secret => quoted("***"),
        _ => node.written().map_or_else(|| node.to_json().to_string(), str::to_owned),
    }
}

/// A text of JSON is one of YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn quoted_unless_plain(key: &str) -> String {
    let is_plain = key.len() > 1 && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if is_plain && !["true", "false", "null", "yes", "no", "on", "off"].contains(&key) {
        key.to_owned()
    } else {
        quoted(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_and_secrets_go() {
        let text = "# CANARY\nstorage: {base_path: /a}\nproxy:\n  http_proxy: 'http://CANARY:CANARY@p:1/'\n  https_proxy: CANARY:CANARY@q:2\n  password: |\n    CANARY\n    \
                    CANARY\n  username: u\nnotify: [{on: [failed], webhook: https://h/CANARY}]\nrepositories:\n- id: r # CANARY\n  \
                    feed: \"http://h/?token=CANARY&key=${K}\"\n  \
                    auth: {type: custom, headers: {X-Key: CANARY, N: 12}}\n  tags: [9.10, 010, no, \"1\"]\n  \
                    ssl: {}\n- id: s\n  auth: &a {type: bearer, token: env:T}\n- {id: t, auth: {password: \"${PW}\", \
                    passphrase: \"CANARY${PW}\"}}\n- {id: u, auth: {token: 123456, password: file:x}}\n- {id: v, auth: *a}\n";
        let stripped = without_secrets(text).unwrap();
        assert!(
            !stripped.contains("CANARY") && !stripped.contains("123456"),
            "{stripped}"
        );
        for kept in [
            "base_path: \"/a\"",
            "- 9.10",
            "- 010",
            "- \"no\"",
            "- \"1\"",
            "env:T",
            "${PW}",
            "file:x",
            "***@p:1",
            "\"***@q:2\"",
            "http://h/?token=***&key=${K}",
        ] {
            assert!(stripped.contains(kept), "{kept}: {stripped}");
        }
        let again = without_secrets(&stripped).unwrap();
        assert_eq!(stripped, again);
        let read = |text: &str| parse(text, 0).unwrap().to_json();
        let (was, is) = (read(text), read(&stripped));
        assert_eq!(was["storage"], is["storage"]);
        assert_eq!(was["repositories"][0]["tags"], is["repositories"][0]["tags"]);
        assert_eq!(is["repositories"][3]["auth"]["token"], "***");
    }

    #[test]
    fn what_is_no_yaml_is_told_without_its_text() {
        let told = without_secrets("password: [CANARY\n}").unwrap_err();
        assert!(!told.contains("CANARY") && told.contains("line"), "{told}");
    }
}
