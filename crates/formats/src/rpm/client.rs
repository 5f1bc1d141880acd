//! A `.repo` file for dnf and zypper.

use std::fmt::Write;

use crate::render::ClientFile;

/// See [`crate::Format::client_file`].
///
/// Signatures are demanded only where the key is published with the repository: else no client could check them.
pub(super) fn file(about: &ClientFile<'_>) -> (String, String) {
    let flag = |key: Option<&str>| u8::from(key.is_some());
    let mut text = format!("[{}]\nname={}\n", about.id, one_line(about.name));
    let mut line = |key: &str, value: &str| writeln!(text, "{key}={value}").expect("a string takes any text");
    match about.mirrorlist {
        Some(mirrorlist) => line("mirrorlist", mirrorlist),
        None => line("baseurl", about.base_url),
    }
    line("enabled", "1");
    line("gpgcheck", &flag(about.package_key).to_string());
    line("repo_gpgcheck", &flag(about.metadata_key).to_string());
    let mut keys: Vec<&str> = about.package_key.into_iter().chain(about.metadata_key).collect();
    keys.dedup();
    if !keys.is_empty() {
        line("gpgkey", &keys.join(" "));
    }
    (format!("{}.repo", about.id), text)
}

/// A line feed in a name would begin another setting.
fn one_line(name: &str) -> String {
    name.split(|c: char| c.is_control()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_demanded_only_where_their_key_is_published() {
        let mut about = ClientFile {
            id: "x",
            name: "X\nenabled=0",
            base_url: "http://h/x/",
            mirrorlist: None,
            package_key: None,
            metadata_key: None,
        };
        let (name, text) = file(&about);
        assert_eq!(name, "x.repo");
        assert_eq!(
            text,
            "[x]\nname=X enabled=0\nbaseurl=http://h/x/\nenabled=1\ngpgcheck=0\nrepo_gpgcheck=0\n"
        );

        about.mirrorlist = Some("http://h/x/mirrorlist");
        about.package_key = Some("http://h/x/key");
        about.metadata_key = Some("http://h/x/key");
        assert_eq!(
            file(&about).1,
            "[x]\nname=X enabled=0\nmirrorlist=http://h/x/mirrorlist\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\n\
             gpgkey=http://h/x/key\n"
        );
    }
}
