use super::*;
use proptest::prelude::*;

struct Owned(String, String, String, VersionKey, bool);

fn package(name: &str, version: u8, arch: &str) -> Owned {
    Owned(
        name.into(),
        format!("{name}-{version}-1.{arch}"),
        arch.into(),
        VersionKey(Box::new([version])),
        arch == "src",
    )
}

fn verdicts(packages: &[Owned], bundles: &[Bundle<'_>], filters: &Filters) -> Vec<Verdict> {
    let candidates: Vec<Candidate<'_>> = packages
        .iter()
        .map(|p| Candidate {
            name: &p.0,
            full_name: &p.1,
            arch: &p.2,
            version: &p.3,
            is_source: p.4,
        })
        .collect();
    select(&candidates, bundles, filters)
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
    }
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
    filters.only_latest = true;
    assert_eq!(
        verdicts(&packages, &[], &filters),
        [Verdict::Superseded, Verdict::Chosen, Verdict::Chosen, Verdict::Chosen]
    );
}

#[test]
fn the_newest_is_taken_among_those_that_pass_the_filters() {
    let packages = [package("a", 1, "x86_64"), package("a", 2, "x86_64")];
    let mut filters = patterns(&[], &["^a-2"]);
    filters.only_latest = true;
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
    filters.only_latest = true;
    assert_eq!(
        verdicts(&packages, &bundles, &filters),
        [Verdict::Superseded, Verdict::Chosen, Verdict::Chosen, Verdict::Chosen]
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
            })
            .collect();
        let filters = patterns(&[&format!("^p{include}$")], &[&format!("^p{exclude}$")]);
        let verdicts = verdicts(&packages, &bundles, &filters);
        for (package, verdict) in packages.iter().zip(&verdicts) {
            let vetoed = format!("p{exclude}");
            prop_assert!(!(verdict.is_chosen() && package.0 == vetoed));
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
