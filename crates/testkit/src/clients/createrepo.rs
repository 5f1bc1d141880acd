use std::path::Path;
use std::process::Command;

use crate::chantal::{Output, finish};
use crate::needs::{program, workspace};

/// `createrepo_c`, and its own parser of metadata.
#[derive(Clone, Copy, Debug)]
pub struct Createrepo;

impl Createrepo {
    /// Whether the command and its Python module are there.
    pub fn available() -> bool {
        let module = || Command::new(PYTHON).args(["-c", "import createrepo_c"]).output();
        program("createrepo_c").is_some() && module().is_ok_and(|output| output.status.success())
    }

    /// Makes metadata of the packages below a directory.
    pub fn create(directory: &Path, arguments: &[&str]) -> Output {
        finish(
            Command::new("createrepo_c")
                .arg("--quiet")
                .args(arguments)
                .arg(directory),
        )
    }

    /// What createrepo_c's parser reads from a repository, as `scripts/parse_repodata.py` describes it.
    ///
    /// # Panics
    ///
    /// If it refuses or warns.
    #[track_caller]
    pub fn parse(repository: &Path) -> serde_json::Value {
        let script = workspace().join("scripts/parse_repodata.py");
        let output = finish(Command::new(PYTHON).arg(script).arg(repository)).ok();
        assert_eq!(output.stderr, "", "createrepo_c warns about {}", repository.display());
        serde_json::from_str(&output.stdout).expect("the script writes JSON")
    }
}

/// Debian's own, since the module belongs to it and to no other Python.
const PYTHON: &str = "/usr/bin/python3";
