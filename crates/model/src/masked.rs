//! URLs for people and for what is kept: without what may be secret.

/// A URL without credentials and without its fragment; of its query, which may hold a token, only the names are kept.
///
/// A value that is a reference to an environment variable (`${NAME}`) stays: it says nothing.
pub fn masked(url: &str) -> String {
    let url = url.split_once('#').map_or(url, |(before, _)| before);
    let (place, query) = match url.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (url, None),
    };
    let mut shown = without_credentials(place);
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        shown.push('?');
        shown.push_str(&masked_query(query));
    }
    shown
}

/// The query of a URL with stars in place of its values; a part without a name is stars.
pub fn masked_query(query: &str) -> String {
    let masked = query.split('&').map(|pair| match pair.split_once('=') {
        Some((_, value)) if is_variable(value) => pair.to_owned(),
        Some((name, _)) => format!("{name}=***"),
        None if is_variable(pair) => pair.to_owned(),
        None => "***".to_owned(),
    });
    masked.collect::<Vec<_>>().join("&")
}

/// Whether a text is a reference to an environment variable and nothing else.
pub fn is_variable(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

fn without_credentials(place: &str) -> String {
    let Some((scheme, rest)) = place.split_once("://") else {
        return place.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let host = rest[..end].rfind('@').map_or(0, |sign| sign + 1);
    format!("{scheme}://{}", &rest[host..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_may_be_secret() {
        for (url, shown) in [
            ("https://h/x/", "https://h/x/"),
            ("https://CANARY:CANARY@h:8/x", "https://h:8/x"),
            ("https://CANARY@h/x@y", "https://h/x@y"),
            ("https://h/x?token=CANARY", "https://h/x?token=***"),
            ("https://h?a=CANARY&CANARY&b=CANARY=CANARY", "https://h?a=***&***&b=***"),
            ("https://h/x?#CANARY", "https://h/x"),
            ("https://h/x#CANARY?CANARY", "https://h/x"),
            ("https://h/x?token=${TOKEN}", "https://h/x?token=${TOKEN}"),
            ("https://h/x?token=${TOKEN}CANARY", "https://h/x?token=***"),
            ("file:///srv/x", "file:///srv/x"),
            ("no URL", "no URL"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }
}
