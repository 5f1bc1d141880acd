//! Files with keys, wherever they are named.

use super::Builder;
use crate::effective::KeyFile;
use crate::raw;

impl Builder<'_> {
    pub(super) fn keys(&self, file: &raw::File) -> Vec<KeyFile> {
        let mut found = self.keys_of("", file.gpg.as_ref(), file.verify.as_ref());
        for repository in file.repositories.iter().flatten() {
            let settings = &repository.settings;
            let prefix = format!("{}: ", repository.id);
            found.extend(self.keys_of(&prefix, settings.gpg.as_ref(), settings.verify.as_ref()));
        }
        found
    }

    fn keys_of(&self, prefix: &str, gpg: Option<&raw::Gpg>, verify: Option<&raw::Verify>) -> Vec<KeyFile> {
        let key = |key: &str, path: &String, is_secret| KeyFile {
            key: format!("{prefix}{key}"),
            path: self.path(path),
            is_secret,
        };
        let mut found = Vec::new();
        if let Some(gpg) = gpg.filter(|gpg| gpg.enabled != Some(false)) {
            let secret = [
                ("gpg.key_file", &gpg.key_file),
                ("gpg.passphrase_file", &gpg.passphrase_file),
            ];
            found.extend(
                secret
                    .iter()
                    .filter_map(|(name, path)| Some(key(name, path.as_ref()?, true))),
            );
            found.extend(gpg.gnupg_home.as_ref().map(|path| key("gpg.gnupg_home", path, true)));
            found.extend(
                gpg.public_key_file
                    .as_ref()
                    .map(|path| key("gpg.public_key_file", path, false)),
            );
        }
        if let Some(verify) = verify.filter(|verify| verify.enabled == Some(true)) {
            let files = verify.key_files.iter().flatten();
            found.extend(files.map(|path| key("verify.key_files", path, false)));
        }
        found
    }
}
