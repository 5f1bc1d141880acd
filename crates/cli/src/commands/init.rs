//! `chantal init`.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chantal_engine::Engine;
use clap::Args;
use serde::Serialize;

use crate::app::App;
use crate::exit::{self, Outcome};
use crate::failure::Failure;
use crate::output::{Column, Format, Show, column};

/// Makes directories, database and, where there is none, a commented example configuration.
///
/// Running it again makes only what is missing.
#[derive(Debug, Args)]
pub(crate) struct Init {}

#[derive(Serialize)]
struct Report {
    /// The configuration that is used from now on.
    config: String,
    /// What was made.
    made: Vec<String>,
}

#[derive(Serialize)]
struct Made<'r> {
    made: &'r str,
}

const COLUMNS: &[Column] = &[column("Made", "made", Show::Text)];

impl Init {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        let path = app.config_path_for_init();
        let mut made = Vec::new();
        if !path.exists() {
            write_example(&path)?;
            made.push(path.display().to_string());
        }
        let loaded = chantal_config::load(&path, &|name| std::env::var(name).ok())?;
        let prepared = Engine::init(&loaded.config).await.map_err(Failure::from);
        made.extend(prepared.map_err(|failure| match failure.hint {
            Some(_) => failure,
            None => failure.hint(format!("`storage` in {} says where everything goes", path.display())),
        })?);
        let report = Report {
            config: path.display().to_string(),
            made,
        };
        if matches!(app.output.format(), Format::Table | Format::Csv) {
            let rows: Vec<_> = report.made.iter().map(|made| Made { made }).collect();
            app.output.rows(&rows, COLUMNS)?;
        } else {
            app.output.tree(&report)?;
        }
        if report.made.is_empty() {
            app.talk.say("nothing to do: everything is there already");
        } else {
            app.talk.say(&format!("configuration: {}", report.config));
        }
        Ok(exit::OK)
    }
}

fn write_example(path: &Path) -> Result<(), Failure> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(|error| Failure::file("create", parent, &error))?;
    }
    let write = || {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o640)
            .open(path)?;
        file.write_all(chantal_config::example().as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| Failure::file("write", path, &error))
}
