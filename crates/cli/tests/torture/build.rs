//! What is delivered has no place where tests make something fail.

use std::process::Command;

use chantal_testkit::needs::workspace;

/// The features of the crates that a build of the command alone has.
fn features(edges: &str) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--locked", "-p", "chantal-cli", "--prefix", "none"])
        .args(["-e", edges, "-f", "{p} {f}"])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_normal_build_has_no_failpoints() {
    let delivered = features("normal,build");
    assert!(delivered.contains("chantal-model v"), "{delivered}");
    assert!(!delivered.contains("failpoints"), "{delivered}");
    assert!(!delivered.lines().any(|line| line.starts_with("fail v")), "{delivered}");
    let tested = features("normal,build,dev");
    assert!(tested.contains("failpoints"), "the tests' build has them");
    // Where somebody has built it, its bytes are looked at too.
    if let Ok(bytes) = std::fs::read(workspace().join("target/release/chantal")) {
        let name = b"pool::rename::before";
        assert!(!bytes.windows(name.len()).any(|window| window == name));
    }
}
