//! Which proxy a repository's hosts are reached through: the configuration's, else the environment's.

use chantal_config::Proxy;
use chantal_fetch::ProxyOptions;
use url::Url;

/// The proxies that a block of the configuration gives. Each key that the configuration does not set comes from the environment, unless the
/// repository's proxy is switched off.
///
/// # Errors
/// A variable of the environment that is no URL of a proxy, as text.
pub(crate) fn proxies(
    proxy: &Proxy,
    password: Option<String>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<ProxyOptions, String> {
    if !proxy.enabled {
        return Ok(ProxyOptions::default());
    }
    let from = |variable: &str| server(variable, environment);
    let all = || from("all_proxy");
    let http = match &proxy.http_proxy {
        Some(url) => Some(url.clone()),
        None => from("http_proxy")?.map_or_else(all, |url| Ok(Some(url)))?,
    };
    let https = match &proxy.https_proxy {
        Some(url) => Some(url.clone()),
        None => from("https_proxy")?.map_or_else(all, |url| Ok(Some(url)))?,
    };
    let no_proxy = if proxy.no_proxy.is_empty() {
        let text = variable("no_proxy", environment).map(|(_, text)| text);
        words(&text.unwrap_or_default())
    } else {
        proxy.no_proxy.clone()
    };
    Ok(ProxyOptions {
        http,
        https,
        no_proxy,
        username: proxy.username.clone(),
        password,
    })
}

fn words(text: &str) -> Vec<String> {
    let words = text.split([',', ' ']).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// A variable in lower case, else in upper case, with its name; one that is empty counts as not set.
fn variable(name: &str, environment: &dyn Fn(&str) -> Option<String>) -> Option<(String, String)> {
    let upper = name.to_uppercase();
    // A web server hands the request header `Proxy` to its scripts as HTTP_PROXY.
    let is_script = name == "http_proxy" && environment("REQUEST_METHOD").is_some();
    let names = [Some(name.to_owned()), (!is_script).then_some(upper)];
    names.into_iter().flatten().find_map(|name| {
        let text = environment(&name)?.trim().to_owned();
        (!text.is_empty()).then_some((name, text))
    })
}

fn server(name: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Option<Url>, String> {
    let Some((name, text)) = variable(name, environment) else {
        return Ok(None);
    };
    let text = if text.contains("://") {
        text
    } else {
        format!("http://{text}")
    };
    match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") && url.has_host() => Ok(Some(url)),
        Ok(url) => Err(format!(
            "environment variable {name}: scheme {:?} is not supported: expected http, https, socks5 or socks5h",
            url.scheme()
        )),
        // The text is not shown, since it may hold a password.
        Err(error) => Err(format!(
            "environment variable {name} is not the URL of a proxy: {error}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chantal_config::Repository;

    fn repository(lines: &str) -> Repository {
        let text = format!("repositories:\n- id: r\n  type: rpm\n  feed: http://h/\n{lines}");
        let loaded = chantal_config::load_text("/c.yaml".as_ref(), text, &|_| None).unwrap();
        loaded.config.repositories.into_iter().next().unwrap()
    }

    fn found(lines: &str, variables: &[(&str, &str)]) -> Result<[String; 3], String> {
        let environment = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let options = proxies(&repository(lines).proxy, None, &environment)?;
        let shown = |url: Option<Url>| url.map(String::from).unwrap_or_default();
        Ok([shown(options.http), shown(options.https), options.no_proxy.join(",")])
    }

    #[test]
    fn what_the_configuration_does_not_say_comes_from_the_environment() {
        let variables = [
            ("HTTP_PROXY", "upper:1"),
            ("http_proxy", "lower:2"),
            ("ALL_PROXY", "socks5h://all:3"),
            ("NO_PROXY", ".example.org, 10.0.0.0/8"),
        ];
        let expected = ["http://lower:2/", "socks5h://all:3", ".example.org,10.0.0.0/8"];
        assert_eq!(found("", &variables).unwrap(), expected);
        let own = "  proxy: {http_proxy: \"http://own:4\", no_proxy: h}\n";
        assert_eq!(
            found(own, &variables).unwrap(),
            ["http://own:4/", "socks5h://all:3", "h"]
        );
        assert_eq!(found("  proxy: {enabled: false}\n", &variables).unwrap(), ["", "", ""]);
        assert_eq!(found("", &[]).unwrap(), ["", "", ""]);
    }

    #[test]
    fn a_script_of_a_web_server_does_not_take_its_proxy_from_a_request() {
        let variables = [
            ("HTTP_PROXY", "http://evil/"),
            ("REQUEST_METHOD", "GET"),
            ("HTTPS_PROXY", "http://p/"),
        ];
        assert_eq!(found("", &variables).unwrap(), ["", "http://p/", ""]);
    }

    #[test]
    fn a_variable_that_is_no_proxy_is_named_and_not_shown() {
        for (value, part) in [
            ("ftp://u:CANARY@h", "scheme \"ftp\""),
            ("http://u:CANARY@:x", "not the URL"),
        ] {
            let error = found("", &[("HTTPS_PROXY", value)]).unwrap_err();
            assert!(error.contains("HTTPS_PROXY") && error.contains(part), "{error}");
            assert!(!error.contains("CANARY"), "{error}");
        }
    }
}
