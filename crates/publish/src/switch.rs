//! SWITCH: the staged entry directory becomes the served one.

use std::collections::HashSet;

use chantal_model::{fault, faulty};
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::Site;
use crate::dir::Dir;
use crate::error::PublishError;
use crate::files::{is_unfinished, write_over};
use crate::stage::{Home, Stage};

/// Name of the record, inside the stage, that renames are under way.
const INTENT: &str = ".renaming";

/// What is left to do where files are renamed one by one, in this order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Intent {
    /// Files of the stage that replace those of the live directory, the entry last.
    rename: Vec<String>,
    /// Files of the live directory that are not of the new state.
    remove: Vec<String>,
}

impl Site {
    /// Makes a stage the served state and makes that durable. The old state's carried files stay reachable.
    ///
    /// # Errors
    /// Either state is served whole; where directories cannot be exchanged, a mixed one may be until
    /// [`Site::recover`] finishes the switch.
    #[expect(clippy::needless_pass_by_value, reason = "a stage can be switched once")]
    pub fn switch(&self, stage: Stage) -> Result<(), PublishError> {
        let home = &stage.home;
        let Some(live) = home.parent.child(&home.live)? else {
            home.parent.rename(&home.stage, &home.parent, &home.live)?;
            return home.parent.sync();
        };
        if !self.can_exchange(&home.parent)? {
            return rename_files(&stage, &live);
        }
        let exchanged = || {
            home.parent
                .exchange(&home.stage, &home.live)
                .map_err(std::io::Error::from)
        };
        match faulty!("publish::exchange", exchanged()) {
            Ok(()) => {}
            // A directory of a lower overlay layer, or a mount that differs from the probed one.
            Err(error) if is_refused(&error) => return rename_files(&stage, &live),
            Err(error) => return Err(PublishError::io("exchange", &home.parent.at(&home.live), error)),
        }
        home.parent.sync()?;
        home.parent.remove_all(&home.stage)
    }

    /// Finishes renames that an interrupted run began.
    pub(crate) fn finish_renames(home: &Home) -> Result<(), PublishError> {
        let Some(stage) = home.parent.child(&home.stage)? else {
            return Ok(());
        };
        let Some(file) = stage.open_file(INTENT)? else {
            return Ok(());
        };
        let text = std::io::read_to_string(file).map_err(|error| PublishError::io("read", &stage.at(INTENT), error))?;
        match home.parent.child(&home.live)? {
            Some(live) => Intent::parse(&text).fulfil(&stage, &live),
            None => Ok(()),
        }
    }
}

/// Whether a file system says that it cannot exchange directories.
fn is_refused(error: &std::io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
    )
}

/// The way of file systems without the exchange: digest-named files first, then fixed ones in order, the entry last.
/// The intent record lets the next run finish what a crash cut short.
fn rename_files(stage: &Stage, live: &Dir) -> Result<(), PublishError> {
    let home = &stage.home;
    let Some(dir) = home.parent.child(&home.stage)? else {
        return Err(PublishError::io("open", &stage.path, Errno::NOENT));
    };
    let staged: HashSet<_> = dir.entries()?.into_iter().map(|entry| entry.name).collect();
    let mut intent = Intent {
        rename: stage.fixed.clone(),
        remove: Vec::new(),
    };
    for entry in live.entries()? {
        let Some(name) = entry.name.to_str() else { continue };
        let is_old = !staged.contains(&entry.name) && entry.kind != FileType::Directory;
        if is_old && !is_unfinished(name) && !name.contains('\n') {
            intent.remove.push(name.to_owned());
        }
    }
    for name in &stage.digest_named {
        dir.rename(name, live, name)?;
    }
    fault!("publish::renames::added").map_err(|error| PublishError::io("rename in", live.path(), error))?;
    live.sync()?;
    write_over(intent.to_string().as_bytes(), &dir, INTENT, None)?;
    dir.sync()?;
    fault!("publish::renames::noted").map_err(|error| PublishError::io("rename in", live.path(), error))?;
    intent.fulfil(&dir, live)?;
    home.parent.discard(&home.stage)
}

impl Intent {
    fn parse(text: &str) -> Self {
        let mut intent = Self::default();
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("rename", name)) if !name.contains('/') => intent.rename.push(name.to_owned()),
                Some(("remove", name)) if !name.contains('/') => intent.remove.push(name.to_owned()),
                _ => {}
            }
        }
        intent
    }

    /// Does what is not done yet.
    fn fulfil(&self, stage: &Dir, live: &Dir) -> Result<(), PublishError> {
        for name in &self.rename {
            if stage.stat(name)?.is_some() {
                stage.rename(name, live, name)?;
            }
        }
        live.sync()?;
        // Only now: the old entry may have named them.
        for name in &self.remove {
            live.remove_file(name)?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Intent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.rename.iter().try_for_each(|name| writeln!(f, "rename {name}"))?;
        self.remove.iter().try_for_each(|name| writeln!(f, "remove {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_reads_back_and_names_nothing_outside() {
        let intent = Intent {
            rename: vec!["repomd.xml.asc".into(), "a b".into()],
            remove: vec!["old".into()],
        };
        assert_eq!(Intent::parse(&intent.to_string()), intent);
        assert_eq!(
            Intent::parse("rename ../x\nremove /etc/passwd\nother y\n\n"),
            Intent::default()
        );
    }
}
