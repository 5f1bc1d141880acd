//! The units for systemd.

use std::process::Command;

use chantal_testkit::needs::{need, programs, workspace};

/// What systemd takes for well protected.
const MOST_EXPOSED: f64 = 2.0;

#[test]
fn systemd_takes_the_units_and_finds_them_well_protected() {
    if !need(programs(&["systemd-analyze"]), "systemd-analyze") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let analyze = |words: &[&str]| {
        let output = Command::new("systemd-analyze").args(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said)
    };
    for name in [
        "chantal-scheduler.service",
        "chantal-sync.service",
        "chantal-sync.timer",
    ] {
        let text = std::fs::read_to_string(workspace().join("examples/systemd").join(name)).unwrap();
        // Here the program is not installed.
        let text = text.replace("/usr/local/bin/chantal", "/bin/true");
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    for name in [
        "chantal-scheduler.service",
        "chantal-sync.service",
        "chantal-sync.timer",
    ] {
        let path = directory.path().join(name);
        let (is_fine, said) = analyze(&["verify", "--man=no", path.to_str().unwrap()]);
        assert!(is_fine && !said.contains(name), "{name}: {said}");
        if name.ends_with(".service") {
            let (_, said) = analyze(&["security", "--offline=true", "--no-pager", path.to_str().unwrap()]);
            let level = said.split("Overall exposure level for").nth(1).unwrap_or_default();
            let level = level.split(": ").nth(1).unwrap_or_default();
            let level: f64 = level.split(' ').next().unwrap().parse().unwrap_or(10.0);
            assert!(level <= MOST_EXPOSED, "{said}");
        }
    }
}
