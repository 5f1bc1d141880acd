//! Blocks of Helm repositories: there are none.

pub(super) const NAME: &str = "helm";
