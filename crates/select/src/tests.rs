//! One test per rule, by hand; `model` holds them all together against a second, naive writing of them.

mod model;

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Owned {
    name: String,
    full_name: String,
    arch: String,
    version: VersionKey,
    size_bytes: Option<u64>,
    build_time: Option<i64>,
    fields: Fields,
    origin: Origin,
}

fn package(name: &str, version: u8, arch: &str) -> Owned {
    Owned {
        name: name.into(),
        full_name: format!("{name}-{version}-1.{arch}"),
        arch: arch.into(),
        version: VersionKey(Box::new([version])),
        size_bytes: Some(100),
        build_time: Some(1_000),
        fields: Fields::default(),
        origin: Origin::NEW,
    }
}

fn dropped(name: &str, version: u8) -> Owned {
    Owned {
        origin: Origin::DROPPED,
        ..package(name, version, "x86_64")
    }
}

fn with_field(name: &str, field: &str, text: &str) -> Owned {
    Owned {
        fields: Fields::new([(field, text)]),
        ..package(name, 1, "x86_64")
    }
}

fn candidates(packages: &[Owned]) -> Vec<Candidate<'_>> {
    packages
        .iter()
        .map(|p| Candidate {
            name: &p.name,
            full_name: &p.full_name,
            arch: &p.arch,
            version: &p.version,
            is_source: p.arch == "src",
            size_bytes: p.size_bytes,
            build_time: p.build_time,
            fields: &p.fields,
            origin: p.origin,
        })
        .collect()
}

fn verdicts(packages: &[Owned], bundles: &[Bundle<'_>], filters: &Filters) -> Vec<Verdict> {
    select(&candidates(packages), bundles, filters).verdicts
}

fn patterns(include: &[&str], exclude: &[&str]) -> Filters {
    let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    Filters::new(&owned(include), &owned(exclude)).unwrap()
}

fn bundle(members: &[u32], series: &'static str, rank: u64) -> Bundle<'static> {
    Bundle {
        members: members.to_vec(),
        series,
        rank,
        origin: Origin::NEW,
    }
}

fn filters(set: impl FnOnce(&mut Filters)) -> Filters {
    let mut filters = Filters::default();
    set(&mut filters);
    filters
}

fn retaining(keep: Keep, keep_vanished: bool) -> Filters {
    filters(|filters| filters.retention = Retention { keep, keep_vanished })
}

#[test]
fn patterns_are_searched_in_the_name_and_in_the_full_name() {
    let packages = [
        package("nginx", 1, "x86_64"),
        package("nginx-mod", 1, "noarch"),
        package("vim", 1, "x86_64"),
    ];
    let chosen = verdicts(&packages, &[], &patterns(&["^nginx$", "noarch$"], &[]));
    assert_eq!(chosen, [Verdict::Chosen, Verdict::Chosen, Verdict::NotIncluded]);
}

#[test]
fn exclude_wins_over_include() {
    let packages = [package("nginx", 1, "x86_64"), package("nginx-debuginfo", 1, "x86_64")];
    let chosen = verdicts(&packages, &[], &patterns(&["nginx"], &["-debug(info|source)$"]));
    assert_eq!(chosen, [Verdict::Chosen, Verdict::Excluded]);
}

#[test]
fn an_include_list_of_architectures_does_not_let_others_in() {
    let packages = [
        package("a", 1, "x86_64"),
        package("a", 1, "i686"),
        package("a", 1, "src"),
    ];
    let mut filters = patterns(&[], &[]);
    filters.exclude_sources = true;
    filters.architectures.include = vec!["x86_64".into(), "src".into()];
    assert_eq!(
        verdicts(&packages, &[], &filters),
        [Verdict::Chosen, Verdict::Architecture, Verdict::Source]
    );
}

#[test]
fn the_newest_stays_per_name_and_architecture_and_ties_all_stay() {
    let packages = [
        package("a", 1, "x86_64"),
        package("a", 3, "x86_64"),
        package("a", 2, "i686"),
        package("a", 3, "x86_64"),
    ];
    let mut filters = patterns(&[], &[]);
    filters.latest = 1;
    assert_eq!(
        verdicts(&packages, &[], &filters),
        [Verdict::Superseded, Verdict::Chosen, Verdict::Chosen, Verdict::Chosen]
    );
}

#[test]
fn the_newest_is_taken_among_those_that_pass_the_filters() {
    let packages = [package("a", 1, "x86_64"), package("a", 2, "x86_64")];
    let mut filters = patterns(&[], &["^a-2"]);
    filters.latest = 1;
    assert_eq!(verdicts(&packages, &[], &filters), [Verdict::Chosen, Verdict::Excluded]);
}

#[test]
fn a_bundle_is_whole_as_soon_as_one_member_passes() {
    let packages = [
        package("nodejs", 1, "x86_64"),
        package("npm", 1, "x86_64"),
        package("vim", 1, "x86_64"),
    ];
    let chosen = verdicts(
        &packages,
        &[bundle(&[0, 1], "nodejs:18", 1)],
        &patterns(&["^nodejs$"], &[]),
    );
    assert_eq!(
        chosen,
        [Verdict::Chosen, Verdict::ChosenWithBundle, Verdict::NotIncluded]
    );
}

#[test]
fn an_excluded_member_drops_its_whole_bundle() {
    let packages = [package("nodejs", 1, "x86_64"), package("npm", 1, "x86_64")];
    let chosen = verdicts(
        &packages,
        &[bundle(&[0, 1], "nodejs:18", 1)],
        &patterns(&[], &["^npm$"]),
    );
    assert_eq!(chosen, [Verdict::BundleDropped, Verdict::Excluded]);
}

#[test]
fn streams_do_not_supersede_each_other_but_their_own_versions() {
    let packages = [
        package("nodejs", 1, "x86_64"),
        package("nodejs", 2, "x86_64"),
        package("nodejs", 9, "x86_64"),
        package("nodejs", 5, "x86_64"),
    ];
    let bundles = [
        bundle(&[0], "nodejs:18", 1),
        bundle(&[1], "nodejs:18", 2),
        bundle(&[2], "nodejs:20", 1),
    ];
    let mut filters = patterns(&[], &[]);
    filters.latest = 1;
    assert_eq!(
        verdicts(&packages, &bundles, &filters),
        [Verdict::Superseded, Verdict::Chosen, Verdict::Chosen, Verdict::Chosen]
    );
}

#[test]
fn a_package_without_a_field_does_not_pass_an_include_list_for_it() {
    let packages = [
        with_field("a", "license", "MIT"),
        with_field("b", "license", "GPL"),
        with_field("c", "vendor", "MIT"),
    ];
    let by = |include: &[&str], exclude: &[&str]| {
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        filters(|filters| {
            filters.fields = vec![FieldChoice {
                field: "license".into(),
                choice: Choice {
                    include: owned(include),
                    exclude: owned(exclude),
                },
            }];
        })
    };
    assert_eq!(
        verdicts(&packages, &[], &by(&["MIT"], &[])),
        [Verdict::Chosen, Verdict::FieldNotIncluded, Verdict::FieldNotIncluded]
    );
    assert_eq!(
        verdicts(&packages, &[], &by(&[], &["GPL"])),
        [Verdict::Chosen, Verdict::FieldExcluded, Verdict::Chosen]
    );
    assert_eq!(
        verdicts(&packages, &[], &by(&["MIT"], &["MIT"]))[0],
        Verdict::FieldExcluded
    );
}

#[test]
fn ranges_hold_their_ends_and_nothing_unknown() {
    let mut packages: Vec<Owned> = (9_u8..=13).map(|version| package("a", version, "x86_64")).collect();
    for package in &mut packages {
        package.size_bytes = Some(u64::from(package.version.0[0]));
    }
    packages[4].size_bytes = None;
    let sized = filters(|filters| {
        filters.size_bytes = Range {
            min: Some(10),
            max: Some(11),
        }
    });
    assert_eq!(
        verdicts(&packages, &[], &sized),
        [
            Verdict::Size,
            Verdict::Chosen,
            Verdict::Chosen,
            Verdict::Size,
            Verdict::Size
        ]
    );
    let built = filters(|filters| {
        filters.build_time = Range {
            min: Some(1_001),
            max: None,
        }
    });
    assert_eq!(verdicts(&packages, &[], &built), [Verdict::BuildTime; 5]);
}

#[test]
fn so_many_newest_versions_stay() {
    let packages: Vec<Owned> = [1, 4, 2, 3, 4].map(|version| package("a", version, "x86_64")).into();
    let chosen = verdicts(&packages, &[], &filters(|filters| filters.latest = 3));
    assert_eq!(
        chosen,
        [
            Verdict::Superseded,
            Verdict::Chosen,
            Verdict::Chosen,
            Verdict::Chosen,
            Verdict::Chosen
        ]
    );
}

#[test]
fn a_bundle_is_allowed_by_its_series_or_the_beginning_of_it() {
    let packages = [
        package("nodejs", 1, "x86_64"),
        package("nodejs", 2, "x86_64"),
        package("nodejs-tools", 1, "x86_64"),
        package("vim", 1, "x86_64"),
    ];
    let bundles = [
        bundle(&[0], "nodejs:18:x86_64", 1),
        bundle(&[1], "nodejs:20:x86_64", 1),
        bundle(&[2], "nodejs-tools:1:x86_64", 1),
    ];
    for (include, exclude, expected) in [
        (vec!["nodejs:20"], vec![], [false, true, false, true]),
        (vec!["nodejs"], vec!["nodejs:18"], [false, true, false, true]),
        (vec![], vec!["nodejs"], [false, false, true, true]),
        (vec!["nodejs:2"], vec![], [false, false, false, true]),
    ] {
        let choice = filters(|filters| {
            filters.bundles.include = include.iter().map(ToString::to_string).collect();
            filters.bundles.exclude = exclude.iter().map(ToString::to_string).collect();
        });
        let chosen: Vec<bool> = verdicts(&packages, &bundles, &choice)
            .into_iter()
            .map(Verdict::is_chosen)
            .collect();
        assert_eq!(chosen, expected, "{include:?} {exclude:?}");
    }
}

#[test]
fn each_retention_keeps_what_it_says() {
    // Upstream had 1 and 2 of `a` and all of `gone`, and now has 3 of `a`.
    let packages = [
        package("a", 3, "x86_64"),
        dropped("a", 2),
        dropped("a", 1),
        dropped("gone", 1),
    ];
    for (keep, keep_vanished, expected) in [
        (Keep::Listed, false, [true, false, false, false]),
        (Keep::Listed, true, [true, false, false, true]),
        (Keep::Newest(1), false, [true, false, false, false]),
        (Keep::Newest(2), false, [true, true, false, false]),
        (Keep::Newest(2), true, [true, true, false, true]),
        (Keep::All, false, [true, true, true, false]),
        (Keep::All, true, [true, true, true, true]),
    ] {
        let chosen: Vec<bool> = verdicts(&packages, &[], &retaining(keep, keep_vanished))
            .into_iter()
            .map(Verdict::is_chosen)
            .collect();
        assert_eq!(chosen, expected, "{keep:?} {keep_vanished}");
    }
}

#[test]
fn what_is_held_must_still_pass_the_filters_and_is_replaced_by_the_same_version() {
    let packages = [package("a", 2, "x86_64"), dropped("a", 2), dropped("a", 1)];
    let mut keep_all = patterns(&[], &["^a-1-"]);
    keep_all.retention.keep = Keep::All;
    assert_eq!(
        verdicts(&packages, &[], &keep_all),
        [Verdict::Chosen, Verdict::Gone, Verdict::Excluded]
    );
}

#[test]
fn a_held_version_that_upstream_still_lists_is_retained_although_only_the_newest_is_taken() {
    let mut packages = [
        package("a", 3, "x86_64"),
        package("a", 2, "x86_64"),
        package("a", 1, "x86_64"),
    ];
    packages[1].origin.held = true;
    let mut filters = retaining(Keep::Newest(5), false);
    filters.latest = 1;
    assert_eq!(
        verdicts(&packages, &[], &filters),
        [Verdict::Chosen, Verdict::Retained, Verdict::Superseded]
    );
}

#[test]
fn a_dropped_bundle_is_retained_whole_or_not_at_all() {
    let packages = [
        package("nodejs", 3, "x86_64"),
        dropped("nodejs", 2),
        dropped("npm", 2),
        dropped("nodejs", 1),
    ];
    let old = |members: &[u32], rank| Bundle {
        origin: Origin::DROPPED,
        ..bundle(members, "nodejs:20", rank)
    };
    let bundles = [bundle(&[0], "nodejs:20", 3), old(&[1, 2], 2), old(&[3], 1)];
    let selection = select(&candidates(&packages), &bundles, &retaining(Keep::Newest(2), false));
    assert_eq!(selection.fates, [Fate::Kept, Fate::Kept, Fate::Superseded]);
    assert_eq!(
        selection.verdicts,
        [
            Verdict::Chosen,
            Verdict::Retained,
            Verdict::Retained,
            Verdict::Superseded
        ]
    );
}

#[test]
fn a_bundle_whose_package_is_shared_with_a_newer_one_is_still_superseded() {
    let packages = [
        package("a", 1, "x86_64"),
        package("b", 1, "x86_64"),
        package("b", 2, "x86_64"),
    ];
    let bundles = [bundle(&[0, 1], "m:1", 1), bundle(&[0, 2], "m:1", 2)];
    let selection = select(&candidates(&packages), &bundles, &filters(|filters| filters.latest = 1));
    assert_eq!(selection.fates, [Fate::Superseded, Fate::Kept]);
    assert_eq!(
        selection.verdicts,
        [Verdict::Chosen, Verdict::Superseded, Verdict::Chosen]
    );
}

proptest! {
    #[test]
    fn a_kept_bundle_is_complete_and_an_excluded_name_never_gets_in(
        names in proptest::collection::vec(0_u8..6, 1..30),
        groups in proptest::collection::vec(proptest::collection::vec(0_u32..30, 1..5), 0..6),
        include in 0_u8..6,
        exclude in 0_u8..6,
    ) {
        let packages: Vec<Owned> = names.iter().map(|n| package(&format!("p{n}"), *n, "x86_64")).collect();
        let bundles: Vec<Bundle<'_>> = groups
            .iter()
            .map(|group| Bundle {
                members: group.iter().copied().filter(|i| (*i as usize) < packages.len()).collect(),
                series: "s",
                rank: 0,
                origin: Origin::NEW,
            })
            .collect();
        let filters = patterns(&[&format!("^p{include}$")], &[&format!("^p{exclude}$")]);
        let verdicts = verdicts(&packages, &bundles, &filters);
        for (package, verdict) in packages.iter().zip(&verdicts) {
            let vetoed = format!("p{exclude}");
            prop_assert!(!(verdict.is_chosen() && package.name == vetoed));
        }
        for bundle in &bundles {
            if bundle.members.iter().any(|i| verdicts[*i as usize] == Verdict::ChosenWithBundle)
                && !bundles.iter().any(|other| !std::ptr::eq(other, bundle)
                    && other.members.iter().any(|i| bundle.members.contains(i)))
            {
                prop_assert!(bundle.members.iter().all(|i| verdicts[*i as usize].is_chosen()));
            }
        }
    }
}

#[test]
fn entries_of_include_lists_that_nothing_listed_has_are_idle() {
    let packages = [
        package("bash", 1, "x86_64"),
        with_field("zsh", "license", "MIT"),
        dropped("fish", 1),
    ];
    let candidates = candidates(&packages);
    let words = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut filters = Filters::new(&words(&["^ba", "fish", "[x-z]sh$"]), &[]).unwrap();
    filters.architectures.include = words(&["x86_64", "noarch"]);
    filters.bundles.include = words(&["node:18", "ruby"]);
    filters.fields = vec![FieldChoice {
        field: "license".into(),
        choice: Choice {
            include: words(&["MIT", "GPL"]),
            exclude: words(&["BSD"]),
        },
    }];
    let node = |series| Bundle {
        members: vec![0],
        series,
        rank: 1,
        origin: Origin::NEW,
    };
    let found = |bundles: &[Bundle<'_>], filters: &Filters| -> Vec<(List, Vec<String>)> {
        let all = idle(&candidates, bundles, filters).into_iter();
        all.map(|one| (one.list, one.entries)).collect()
    };
    let license = (List::Field("license".into()), words(&["GPL"]));
    let expected = [
        (List::Patterns, words(&["fish"])),
        license.clone(),
        (List::Bundles, words(&["ruby"])),
    ];
    assert_eq!(found(&[node("node:18"), node("perl:5")], &filters), expected);
    filters.architectures.include = words(&["x86-64"]);
    assert!(!found(&[], &filters).iter().any(|(list, _)| *list == List::Bundles));
    assert!(found(&[], &filters).contains(&(List::Architectures, words(&["x86-64"]))));
    assert_eq!(found(&[], &Filters::default()), []);
}
