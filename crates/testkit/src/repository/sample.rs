//! A small repository that has a bit of everything, in two states.

use super::{Advisory, Delta, Fix, Group, Module, Repository};
use crate::rpm::{Compare, Dependency, Payload, Rpm};

/// What differs between [`Repository::sample`] and [`Repository::sample_v2`], as `name-version-release.arch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleDelta {
    /// Names that are new.
    pub added: &'static [&'static str],
    /// Names that are gone.
    pub removed: &'static [&'static str],
    /// Old and new of names whose one version was replaced.
    pub upgraded: &'static [(&'static str, &'static str)],
}

const PRODUCT_ID: &[u8] = b"-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";

fn hello(version: &str, time: u32) -> Rpm {
    Rpm::new("hello-chantal", version, "1.el9", "x86_64")
        .built(time)
        .payload(Payload::Zstd)
        .file(
            "/usr/bin/hello-chantal",
            format!("#!/bin/sh\necho hello {version}\n").as_bytes(),
        )
        .file("/etc/hello-chantal.conf", b"greeting = hello\n")
        .directory("/usr/share/hello-chantal")
        .ghost("/var/log/hello-chantal.log")
        .requires(Dependency::versioned("libgreet", Compare::GreaterOrEqual, "1:1.2"))
        .change(
            time - 100,
            &format!("Test Maker <maker@example.invalid> - {version}-1"),
            "- Fix <greeting> & \"quotes\"",
        )
}

fn libgreet(version: &str, time: u32) -> Rpm {
    Rpm::new("libgreet", version, "3.el9", "x86_64")
        .epoch(1)
        .built(time)
        .license("LGPL-2.1-or-later")
        .file("/usr/lib64/libgreet.so.1", b"\x7fELF not really")
        .provides(Dependency::any("libgreet.so.1()(64bit)"))
        .obsoletes(Dependency::versioned("greet-compat", Compare::Less, "1.0"))
        .recommends(Dependency::any("hello-chantal-doc"))
}

fn tools() -> Rpm {
    Rpm::new("greet-tools", "0.9~rc1", "1.el9", "noarch")
        .group("Applications/System")
        .vendor("Another Vendor")
        .requires(Dependency::any("(libgreet or hello-chantal)"))
        .requires(Dependency::any("/usr/bin/hello-chantal").before_scripts())
        .conflicts(Dependency::versioned("ancient-greet", Compare::LessOrEqual, "0.1-1"))
        .file("/usr/bin/greet-tools", b"#!/bin/sh\n")
}

fn greeter(stream: &str) -> (Rpm, Module) {
    let release = format!("1.module_el9+{stream}");
    let rpm = Rpm::new("greeter", &format!("{stream}.5"), &release, "x86_64");
    let module = Module::new("greeter", stream, 9_040_020_240_101, [&rpm]);
    (rpm.module(&module.label()), module)
}

impl Repository {
    /// Seven packages: several versions of one name, an epoch, noarch, a source package, rich dependencies, two
    /// streams of a module; with an advisory, groups, modules, a product certificate and a file of an unknown type.
    pub fn sample() -> Self {
        let (greeter_1, module_1) = greeter("1");
        let (greeter_2, module_2) = greeter("2");
        let hello_1 = hello("1.0", 1_700_000_100);
        Self::new()
            .advisory(Advisory::new("TEST-2024:0001", "security", "Important", [&hello_1]).cve("CVE-2024-0001"))
            .with(hello_1)
            .with(libgreet("1.2", 1_700_000_050))
            .with(Rpm::new("hello-chantal-doc", "1.0", "1.el9", "noarch").license("CC-BY-4.0"))
            .with(Rpm::new("hello-chantal", "1.0", "1.el9", "src"))
            .with(tools())
            .with(greeter_1)
            .with(greeter_2)
            .module(module_1.by_default())
            .module(module_2)
            .group(Group::new("greeting", &["hello-chantal", "libgreet"]))
            .group(Group::new("documents", &["hello-chantal-doc"]))
            .extra("productid", "productid", PRODUCT_ID)
            .extra("chantal_unknown", "unknown.json", b"{\"kept\": true}\n")
    }

    /// The next state of [`Repository::sample`].
    pub fn sample_v2() -> Self {
        let first = Self::sample();
        let hello_2 = hello("2.0", 1_700_100_100);
        let hello_1 = first.package("hello-chantal").clone();
        let delta = Delta {
            path: "drpms/hello-chantal-1.0-1.el9_2.0-1.el9.x86_64.drpm".into(),
            to: Fix::from(&hello_2),
            from: (0, hello_1.version, hello_1.release),
            bytes: b"drpm made for tests".to_vec(),
        };
        let mut second = first
            .without("hello-chantal")
            .without("hello-chantal-doc")
            .without("libgreet")
            .advisory(Advisory::new("TEST-2024:0002", "security", "Critical", [&hello_2]).cve("CVE-2024-0002"))
            .with(hello_2)
            .with(libgreet("1.3", 1_700_100_050))
            .with(Rpm::new("hello-chantal", "1.0", "1.el9", "src"))
            .with(Rpm::new("newcomer", "1", "1", "noarch").built(1_700_100_000))
            .delta(delta)
            .revision(1_700_200_000);
        second.groups.retain(|group| group.id != "documents");
        second
    }

    /// What a diff of the two states says.
    pub fn sample_delta() -> SampleDelta {
        SampleDelta {
            added: &["newcomer-1-1.noarch"],
            removed: &["hello-chantal-doc-1.0-1.el9.noarch"],
            upgraded: &[
                ("hello-chantal-1.0-1.el9.x86_64", "hello-chantal-2.0-1.el9.x86_64"),
                ("libgreet-1.2-3.el9.x86_64", "libgreet-1.3-3.el9.x86_64"),
            ],
        }
    }
}
