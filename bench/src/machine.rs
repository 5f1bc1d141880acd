//! What the figures were taken on.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

/// The machine, without its name.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    processor: String,
    processors: usize,
    memory_gib: u64,
    kernel: String,
    system: String,
    file_system: String,
    /// Processes that waited for a processor over the last minute, at the start.
    load: String,
}

impl Machine {
    /// Looks at the machine; `place` is where the run's files are.
    pub(crate) fn look(place: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let memory: u64 = field(&read("/proc/meminfo"), "MemTotal:")
            .split_whitespace()
            .next()
            .and_then(|kib| kib.parse().ok())
            .unwrap_or(0);
        let system = field(&read("/etc/os-release"), "PRETTY_NAME=");
        let output = Command::new("stat").args(["-f", "-c", "%T"]).arg(place).output();
        let file_system = output.map_or(String::new(), |output| {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        });
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name")
                .trim_start_matches([' ', ':'])
                .to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory / 1024 / 1024,
            kernel: version(&read("/proc/sys/kernel/osrelease")),
            system: system.trim_matches('"').to_owned(),
            file_system,
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }

    /// One line.
    pub(crate) fn line(&self) -> String {
        format!(
            "{} × {}, {} GiB, {}, Linux {}, {}; load at the start {}",
            self.processors, self.processor, self.memory_gib, self.system, self.kernel, self.file_system, self.load
        )
    }
}

/// What comes after a word at the start of a line.
fn field(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim().to_owned()
}

/// The first two numbers of a kernel's release; the rest says who built it.
fn version(release: &str) -> String {
    let numbers: Vec<&str> = release.trim().split(['.', '-']).take(2).collect();
    numbers.join(".")
}
