//! S6 and S7: publications.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::storage::packages;
use super::{Bench, OURS, named, seconds};
use crate::data::{DataSet, HALF, State};
use crate::mirror::{Mirror, REPOSITORY, walk, written};
use crate::peers::{Tool, chain, copy_links, createrepo};
use crate::report::{Report, Row, Unit};
use crate::stage::Stage;
use crate::stats::{Series, wall};

const NEW: &str = "createrepo_c (PyPI) --update";
const OLD: &str = "createrepo_c (Debian) --update";

/// Lines of a repository that takes half of the packages.
pub(super) fn half() -> [String; 1] {
    [format!("filters: {{patterns: {{include: [\"{HALF}\"]}}}}")]
}

/// A mirror of the half, synced and not published.
pub(super) fn synced_half(stage: &Stage, set: &DataSet, name: &str) -> Result<Mirror> {
    stage.serve(set, State::One)?;
    let lines = half();
    let mirror = stage.mirror(name, &lines.each_ref().map(String::as_str))?;
    mirror.run(&["--quiet", "repo", "sync", REPOSITORY])?;
    let (has, wanted) = (packages(&mirror)?, set.half(State::One)?.len() as i64);
    ensure!(
        has == wanted,
        "the mirror of half of the packages has {has}, not {wanted}"
    );
    Ok(mirror)
}

/// A tree of links to the half of a state, with some metadata beside it.
fn half_tree(stage: &Stage, set: &DataSet, state: State, metadata: &Path) -> Result<PathBuf> {
    let tree = stage.fresh("half")?.join("tree");
    let root = set.state(state);
    for file in set.half(state)? {
        let target = tree.join(&file);
        let parent = target.parent().context("a package is in a directory")?;
        std::fs::create_dir_all(parent)?;
        std::fs::hard_link(root.join(&file), &target).with_context(|| format!("link {}", target.display()))?;
    }
    crate::measure::run(&mut copy_links(metadata, &tree.join("repodata")))?;
    Ok(tree)
}

fn tools<'a>(bench: &'a Bench<'_>) -> Vec<(&'static str, &'a Tool)> {
    let tools = [(NEW, &bench.peers.createrepo_new), (OLD, &bench.peers.createrepo_old)];
    tools
        .into_iter()
        .filter_map(|(name, tool)| Some((name, tool.as_ref()?)))
        .collect()
}

/// Bytes of primary, filelists and other of a repository.
fn metadata_bytes(repository: &Path) -> Result<u64> {
    let mut bytes = 0;
    walk(&repository.join("repodata"), &mut |path, metadata| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let counts = ["primary.xml", "filelists.xml", "other.xml"]
            .iter()
            .any(|part| name.contains(part));
        bytes += if counts { metadata.len() } else { 0 };
    })?;
    Ok(bytes)
}

/// S6: the first publication.
pub(super) fn first(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let stage = bench.stage;
    let set = &bench.deep;
    let template = synced_half(stage, set, "s6-first")?;
    let tree = half_tree(stage, set, State::One, &set.state(State::One).join("repodata"))?;
    let mut series = Series::default();
    let mut sizes = [None, None];
    for _ in 0..stage.pairs {
        let mirror = stage.copy(&template, "s6")?;
        series.push(OURS, stage.measure("s6", &mirror.publish())?);
        sizes[0] = Some(metadata_bytes(&mirror.published())?);
        for (name, tool) in tools(bench) {
            let target = stage.fresh("s6-createrepo")?.join("tree");
            let command = chain(&[copy_links(&tree, &target), createrepo(tool, &target)]);
            series.push(name, stage.measure("s6-createrepo", &command)?);
        }
    }
    let row = Row::at_most("S6", "first publish of half of the packages, wall", Unit::Ratio, 0.25).stretch(0.125);
    report.row(against(&series, row, "cp -al, "));
    if let Some(tool) = &bench.peers.createrepo_new {
        let target = stage.fresh("s6-size")?.join("tree");
        let mut command = createrepo(tool, &target);
        command.arg("--general-compress-type=gz");
        crate::measure::run(&mut chain(&[copy_links(&tree, &target), command]))?;
        sizes[1] = Some(metadata_bytes(&target)?);
    }
    let row = Row::at_most("S6", "bytes of primary, filelists and other, gzip", Unit::Ratio, 1.15).stretch(1.05);
    report.row(match sizes {
        [Some(ours), Some(theirs)] => row.measured(
            ours as f64 / theirs as f64,
            format!("{ours} B"),
            format!("createrepo_c {theirs} B"),
        ),
        _ => row.missing("createrepo_c from PyPI is absent"),
    });
    report.samples("S6 first publish", series);
    Ok(())
}

fn against(series: &Series, row: Row, before: &str) -> Row {
    if series.of(NEW).is_empty() {
        return row.missing("createrepo_c from PyPI is absent");
    }
    let ratio = series.ratio(OURS, NEW, wall);
    row.measured(
        ratio,
        seconds(series, OURS),
        format!("{before}{}", named(series, NEW, seconds)),
    )
}

/// S7: publications after a small change, and after none.
pub(super) fn again(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let stage = bench.stage;
    let set = &bench.deep;
    let template = synced_half(stage, set, "s7-first")?;
    template.run(&["--quiet", "publish", "repo", REPOSITORY])?;
    stage.serve(set, State::Two)?;
    template.run(&["--quiet", "repo", "sync", REPOSITORY])?;
    // Each tool finds the metadata that it wrote itself for the first state.
    let mut trees = Vec::new();
    for (name, tool) in tools(bench) {
        let old = half_tree(stage, set, State::One, &set.state(State::One).join("repodata"))?;
        crate::measure::run(&mut createrepo(tool, &old))?;
        trees.push((name, tool, half_tree(stage, set, State::Two, &old.join("repodata"))?));
    }
    let mut series = Series::default();
    let mut last = None;
    for _ in 0..stage.pairs {
        let mirror = stage.copy(&template, "s7")?;
        series.push(OURS, stage.measure("s7", &mirror.publish())?);
        last = Some(mirror);
        for (name, tool, tree) in &trees {
            let target = stage.fresh("s7-createrepo")?.join("tree");
            crate::measure::run(&mut copy_links(tree, &target))?;
            series.push(name, stage.measure("s7-createrepo", &createrepo(tool, &target))?);
        }
    }
    let row = Row::at_most("S7", "publish after 1 % changed, wall", Unit::Ratio, 1.0 / 6.0).stretch(1.0 / 12.0);
    report.row(against(&series, row, ""));
    report.samples("S7 publish, 1 % changed", series);
    let mirror = last.context("there was a round")?;
    let before = mirror.files()?;
    mirror.run(&["--quiet", "publish", "repo", REPOSITORY])?;
    let count = written(&before, &mirror.files()?);
    let row = Row::at_most("S7", "publish, nothing changed: files written", Unit::Count, 0.0);
    report.row(row.measured(count as f64, count.to_string(), "-"));
    Ok(())
}
