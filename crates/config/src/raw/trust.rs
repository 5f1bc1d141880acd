//! Keys and signatures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block;

block! {
    /// Key for signing.
    Gpg {
        /// Whether to sign.
        #[schemars(extend("default" = true))]
        enabled: bool,
        /// File with the key.
        key_file: String,
        /// Id of a key in `gnupg_home`.
        key_id: String,
        /// Make a key.
        #[schemars(extend("default" = false))]
        generate_key: bool,
        /// Passphrase; `env:NAME` or `file:PATH` reads it from there.
        passphrase: String,
        /// File with the passphrase.
        passphrase_file: String,
        /// Keyring directory.
        gnupg_home: String,
        /// File with the public key.
        public_key_file: String,
        /// Name under which the public key is published.
        #[schemars(extend("default" = "key.gpg"))]
        public_key_name: String,
        /// Name in a new key.
        key_name: String,
        /// Address in a new key.
        key_email: String,
    }
}

block! {
    /// Checks of upstream's signatures.
    Verify {
        /// Whether to check.
        #[schemars(extend("default" = false))]
        enabled: bool,
        /// Check the metadata's signature.
        #[schemars(extend("default" = true))]
        repo_gpgcheck: bool,
        /// Check packages' signatures.
        #[schemars(extend("default" = true))]
        gpgcheck: bool,
        /// Files with trusted keys.
        key_files: Vec<String>,
        /// Trusted keys in the configuration itself.
        keys: Vec<String>,
        /// Fingerprints that must have signed.
        trusted_fingerprints: Vec<String>,
        /// Name under which the trusted key is published.
        client_key_name: String,
        /// Keyring directory.
        gnupg_home: String,
        /// What to do about a missing signature.
        #[schemars(extend("default" = "fail"))]
        on_missing_signature: SignaturePolicy,
        /// What to do about an invalid signature.
        #[schemars(extend("default" = "fail"))]
        on_invalid_signature: SignaturePolicy,
    }
}

/// What to do about a signature that is missing or invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SignaturePolicy {
    /// Stop.
    Fail,
    /// Say so.
    Warn,
    /// Leave the package out.
    Skip,
}
