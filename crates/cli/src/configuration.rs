//! Where the configuration file is looked for.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// What the search depends on.
pub(crate) struct Surroundings {
    /// `$CHANTAL_CONFIG`.
    pub(crate) variable: Option<PathBuf>,
    /// The system's file.
    pub(crate) system: PathBuf,
    /// The user's configuration directory.
    pub(crate) user: Option<PathBuf>,
    /// The working directory's file.
    pub(crate) local: PathBuf,
    /// Whether the system's file is this user's to write.
    pub(crate) is_root: bool,
}

impl Surroundings {
    /// Those of this process.
    pub(crate) fn here() -> Self {
        let directory = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        Self {
            variable: directory("CHANTAL_CONFIG"),
            system: "/etc/chantal/config.yaml".into(),
            user: directory("HOME").map(|home| home.join(".config/chantal/config.yaml")),
            local: "config.yaml".into(),
            is_root: rustix::process::geteuid().is_root(),
        }
    }

    fn places(&self) -> Vec<&Path> {
        let user = self.user.as_deref();
        [Some(self.system.as_path()), user, Some(self.local.as_path())]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// The file that is named, or the first that is there.
pub(crate) fn find(named: Option<&Path>, around: &Surroundings) -> Result<PathBuf, Failure> {
    let hint = "`chantal init` writes a commented example; `--config PATH` names another place";
    if let Some(path) = named {
        return if path.is_file() {
            Ok(path.to_owned())
        } else {
            Err(absent("--config", path).hint(hint))
        };
    }
    if let Some(path) = &around.variable {
        return if path.is_file() {
            Ok(path.clone())
        } else {
            Err(absent("$CHANTAL_CONFIG", path).hint(hint))
        };
    }
    let places = around.places();
    if let Some(found) = places.iter().find(|place| place.is_file()) {
        return Ok(found.to_path_buf());
    }
    let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    Err(Failure::usage(format!(
        "no configuration file in $CHANTAL_CONFIG (not set), {}",
        places.join(", ")
    ))
    .hint(hint))
}

fn absent(origin: &str, path: &Path) -> Failure {
    let what = if path.is_dir() {
        "is a directory"
    } else {
        "does not exist"
    };
    Failure::usage(format!("configuration file {} ({origin}) {what}", path.display()))
}

/// The file that is found, or the one that `init` is to write.
pub(crate) fn find_or_choose(named: Option<&Path>, around: &Surroundings) -> PathBuf {
    if let Ok(found) = find(named, around) {
        return found;
    }
    let chosen = named.or(around.variable.as_deref()).map(Path::to_owned);
    let user = around.user.clone().filter(|_| !around.is_root);
    chosen.or(user).unwrap_or_else(|| around.system.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(directory: &Path) -> Surroundings {
        Surroundings {
            variable: None,
            system: directory.join("system.yaml"),
            user: Some(directory.join("user.yaml")),
            local: directory.join("local.yaml"),
            is_root: false,
        }
    }

    #[test]
    fn the_first_place_that_has_a_file_wins() {
        let directory = tempfile::tempdir().unwrap();
        let mut around = around(directory.path());
        let write = |path: &Path| std::fs::write(path, "").unwrap();

        let failure = find(None, &around).unwrap_err();
        assert_eq!(failure.code, 2);
        for place in ["CHANTAL_CONFIG", "system.yaml", "user.yaml", "local.yaml"] {
            assert!(failure.message.contains(place), "{place} is not in {}", failure.message);
        }
        assert!(failure.hint.unwrap().contains("chantal init"));

        for place in [
            around.local.clone(),
            around.user.clone().unwrap(),
            around.system.clone(),
        ] {
            write(&place);
            assert_eq!(find(None, &around).unwrap(), place);
        }
        around.variable = Some(directory.path().join("variable.yaml"));
        assert!(find(None, &around).unwrap_err().message.contains("$CHANTAL_CONFIG"));
        write(&directory.path().join("variable.yaml"));
        assert_eq!(find(None, &around).unwrap(), directory.path().join("variable.yaml"));
        assert!(
            find(Some(Path::new("/nonexistent/x.yaml")), &around)
                .unwrap_err()
                .message
                .contains("--config")
        );
    }

    #[test]
    fn init_writes_where_it_is_told_or_where_the_user_may() {
        let directory = tempfile::tempdir().unwrap();
        let mut around = around(directory.path());
        assert_eq!(find_or_choose(None, &around), directory.path().join("user.yaml"));
        around.is_root = true;
        assert_eq!(find_or_choose(None, &around), directory.path().join("system.yaml"));
        let named = directory.path().join("named.yaml");
        assert_eq!(find_or_choose(Some(&named), &around), named);
    }
}
