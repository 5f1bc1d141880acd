//! Lists of mirrors that lead astray.

use std::fmt::Write as _;

use chantal_testkit::corpus::{Draw, Feed};
use chantal_testkit::proxy::Proxy;
use regex::Regex;

use crate::bench::{Bench, none_is, variants};

/// A list, the code of a run that is given it, and a text that it says.
type List = (String, i32, &'static str);

/// A host of this machine, however it is written.
fn here(draw: &mut Draw) -> String {
    let byte = |draw: &mut Draw| draw.between(1, 254);
    let (a, b, c) = (byte(draw), byte(draw), byte(draw));
    match draw.below(10) {
        0 => format!("127.{a}.{b}.{c}"),
        1 => format!("169.254.{a}.{b}"),
        2 => format!("0x7f.{a}"),
        3 => format!("{}", (127 << 24) + a * 65_536 + b),
        4 => format!("0177.0.0.{a}"),
        5 => format!("[::ffff:127.0.0.{a}]"),
        6 => "[::1]".to_owned(),
        7 => "0.0.0.0".to_owned(),
        8 => "localhost".to_owned(),
        _ => "LocalHost.".to_owned(),
    }
}

fn list(draw: &mut Draw) -> List {
    let word = draw.word(8);
    match draw.turn() % 7 {
        0 => (format!("http://{}/\n", here(draw)), 4, "a loopback or link-local host"),
        1 => (
            format!("{}# {word}\n", "\n".repeat(draw.below(100))),
            5,
            "it names no mirror",
        ),
        2 => {
            let scheme = *draw.pick(&["rsync", "ftp", "file", "gopher"]);
            (
                format!("{scheme}://{word}.example.org/\n"),
                4,
                "scheme \"[a-z]+\" refused",
            )
        }
        3 => {
            let line = format!("http://{word}.example.org/r/\n");
            (
                line.repeat((1 << 20) / line.len() + draw.between(1, 10_000)),
                6,
                "more than the 1048576 bytes",
            )
        }
        4 => (format!("<!DOCTYPE html><html><body>{word}</body></html>"), 5, "."),
        5 => {
            let mut metalink = String::from("<?xml version=\"1.0\"?><metalink><files><file name=\"repomd.xml\">");
            let _ = write!(
                metalink,
                "<resources><url>http://{word}.example.org/repodata/repomd.xml</url></resources>"
            );
            metalink.truncate(draw.between(60, metalink.len()));
            (metalink, 5, ".")
        }
        // What leads astray is passed over, where there is something else.
        _ => {
            let bad = match draw.below(2) {
                0 => format!("http://{}/", here(draw)),
                _ => format!("rsync://{word}.example.org/"),
            };
            (format!("{bad}\nhttp://{word}.example.org/\n"), 0, ".")
        }
    }
}

#[test]
fn lists_that_lead_astray_are_refused_or_passed_over() {
    let bench = Bench::new();
    // Through the proxy every host is the server, so that whatever is asked for would be given.
    let proxy = Proxy::leading_to(bench.upstream.address());
    let mut wrong = Vec::new();
    for seed in 0..variants() {
        let mut draw = Draw::new(seed, seed);
        let (text, code, told) = list(&mut draw);
        bench.upstream.change(|site| *site = Feed::fresh(&mut draw).site());
        bench.upstream.put("/list", text.clone());
        bench.chantal.config(&format!(
            "repositories:\n  - id: r\n    type: rpm\n    mirrorlist: http://lists.example.org/list\n    \
             proxy: {{http_proxy: \"{}\"}}\n    download: {{retry_attempts: 0}}\n",
            proxy.url()
        ));
        let before = bench.tree();
        let ran = bench.run(&["repo", "sync", "r", "--publish"]);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        let is_told = Regex::new(told).unwrap().is_match(&said) && !said.contains("panicked");
        if ran.code != code || !is_told || (bench.tree() == before) != (code != 0) {
            wrong.push(format!(
                "seed {seed}: exit {}, not {code}:\n{text:.200}\n{said:.800}",
                ran.code
            ));
        }
    }
    none_is(&wrong);
}
