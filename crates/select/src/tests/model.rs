//! The rules once more, written naively: quantifiers over all packages and bundles, no maps, no order of passes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Owned, candidates, dropped, package, patterns};
use crate::{Bundle, Filters, Keep, Origin, Retention, Verdict, select};

/// A repository and filters small enough that names, versions and bundles collide all the time.
#[derive(Debug)]
struct World {
    packages: Vec<Owned>,
    bundles: Vec<(BTreeSet<u32>, u8, u64, Origin)>,
    filters: Filters,
}

fn origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        3 => Just(Origin::NEW),
        2 => Just(Origin { listed: true, held: true }),
        2 => Just(Origin::DROPPED),
    ]
}

fn one() -> impl Strategy<Value = Owned> {
    (0_u8..3, 0_u8..4, 0_u64..4, origin()).prop_map(|(name, version, size, origin)| Owned {
        size_bytes: Some(size),
        origin,
        ..package(&format!("p{name}"), version, "x86_64")
    })
}

fn rules() -> impl Strategy<Value = Filters> {
    let keep = prop_oneof![Just(Keep::Listed), (1_usize..3).prop_map(Keep::Newest), Just(Keep::All)];
    let include = proptest::option::of(0_u8..3);
    let exclude = proptest::option::of(0_u8..3);
    let stream = proptest::option::of(0_u8..2);
    (include, exclude, stream, 0_usize..3, keep, any::<bool>(), 0_u64..2).prop_map(
        |(include, exclude, stream, latest, keep, keep_vanished, min)| {
            let pattern = |name: Option<u8>| name.map(|name| format!("^p{name}$"));
            let (include, exclude) = (pattern(include), pattern(exclude));
            let mut filters = patterns(include.as_deref().as_slice(), exclude.as_deref().as_slice());
            filters.bundles.exclude = stream.iter().map(|stream| format!("m:{stream}")).collect();
            filters.size_bytes.min = Some(min);
            filters.latest = latest;
            filters.retention = Retention { keep, keep_vanished };
            filters
        },
    )
}

fn world() -> impl Strategy<Value = World> {
    let bundle = (
        proptest::collection::btree_set(0_u32..12, 1..4),
        0_u8..2,
        0_u64..3,
        origin(),
    );
    let bundles = proptest::collection::vec(bundle, 0..4);
    (proptest::collection::vec(one(), 1..12), bundles, rules()).prop_map(|(packages, mut bundles, filters)| {
        for (members, ..) in &mut bundles {
            members.retain(|member| (*member as usize) < packages.len());
        }
        World {
            packages,
            bundles,
            filters,
        }
    })
}

/// Series, version, where it is, whether it passes.
type Competitor = (String, u64, Origin, bool);

/// What the naive rules say of one kind of competitor: is it in, given all that pass?
fn stays(all: &[Competitor], at: usize, filters: &Filters) -> bool {
    let (series, version, _, passes) = &all[at];
    let newer = |among: &dyn Fn(&Competitor) -> bool| {
        let versions: BTreeSet<u64> = all
            .iter()
            .filter(|one| one.3 && one.0 == *series && one.1 > *version && among(one))
            .map(|one| one.1)
            .collect();
        versions.len()
    };
    let latest = |one: &Competitor| {
        let newer: BTreeSet<u64> = all
            .iter()
            .filter(|other| other.3 && other.0 == one.0 && other.2.listed && other.1 > one.1)
            .map(|other| other.1)
            .collect();
        one.2.listed && (filters.latest == 0 || newer.len() < filters.latest)
    };
    let eligible = |one: &Competitor| {
        let has_series = all.iter().any(|other| other.0 == one.0 && other.2.listed);
        let replaced = !one.2.listed && all.iter().any(|o| o.3 && o.2.listed && o.0 == one.0 && o.1 == one.1);
        let wanted = match (filters.retention.keep, has_series) {
            (Keep::Listed, true) => false,
            (_, true) => true,
            (_, false) => filters.retention.keep_vanished,
        };
        latest(one) || (one.2.held && wanted && !replaced)
    };
    let among_newest = match filters.retention.keep {
        Keep::Newest(count) if filters.retention.looks_back() => newer(&eligible) < count,
        _ => true,
    };
    *passes && eligible(&all[at]) && among_newest
}

fn expected(world: &World) -> Vec<bool> {
    let World {
        packages,
        bundles,
        filters,
    } = world;
    let own: Vec<Verdict> = candidates(packages).iter().map(|one| filters.judge(one)).collect();
    let competing: Vec<Competitor> = bundles
        .iter()
        .map(|(members, stream, rank, origin)| {
            let allowed = filters.bundles.exclude != [format!("m:{stream}")];
            let vetoed = members.iter().any(|i| own[*i as usize] == Verdict::Excluded);
            let passes = members.iter().any(|i| own[*i as usize] == Verdict::Chosen);
            (format!("m:{stream}"), *rank, *origin, allowed && !vetoed && passes)
        })
        .collect();
    let kept: Vec<bool> = (0..bundles.len()).map(|at| stays(&competing, at, filters)).collect();
    let governed = |index: usize| {
        bundles.iter().any(|(members, _, _, origin)| {
            members.contains(&(index as u32)) && (origin.listed || !packages[index].origin.listed)
        })
    };
    let alone: Vec<Competitor> = (0..packages.len())
        .map(|index| {
            let package = &packages[index];
            let passes = own[index] == Verdict::Chosen && !governed(index);
            (
                package.name.clone(),
                u64::from(package.version.0[0]),
                package.origin,
                passes,
            )
        })
        .collect();
    (0..packages.len())
        .map(|index| {
            let comes_in = |at: usize| kept[at] && bundles[at].0.contains(&(index as u32));
            own[index] != Verdict::Excluded && ((0..bundles.len()).any(comes_in) || stays(&alone, index, filters))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn selection_does_what_the_naive_rules_say(world in world()) {
        let series: Vec<String> = world.bundles.iter().map(|(_, stream, ..)| format!("m:{stream}")).collect();
        let bundles: Vec<Bundle<'_>> = world
            .bundles
            .iter()
            .zip(&series)
            .map(|((members, _, rank, origin), series)| Bundle {
                members: members.iter().copied().collect(),
                series,
                rank: *rank,
                origin: *origin,
            })
            .collect();
        let selection = select(&candidates(&world.packages), &bundles, &world.filters);
        let chosen: Vec<bool> = selection.verdicts.iter().map(|verdict| verdict.is_chosen()).collect();
        let told: Vec<String> = world.packages.iter().map(|one| format!("{} {:?}", one.full_name, one.origin)).collect();
        prop_assert_eq!(&chosen, &expected(&world), "{:?} {:?} {:?}", selection, told, &world.bundles);
        for (package, verdict) in world.packages.iter().zip(&selection.verdicts) {
            let retained = *verdict == Verdict::Retained;
            let fits = if package.origin.listed {
                package.origin.held || !retained
            } else {
                retained || !verdict.is_chosen()
            };
            prop_assert!(fits, "{:?} {:?}", package, verdict);
        }
    }

    #[test]
    fn the_order_of_packages_does_not_matter(packages in proptest::collection::vec(one(), 1..12), filters in rules()) {
        let mut reversed = packages.clone();
        reversed.reverse();
        let mut verdicts = select(&candidates(&reversed), &[], &filters).verdicts;
        verdicts.reverse();
        prop_assert_eq!(select(&candidates(&packages), &[], &filters).verdicts, verdicts);
    }
}

#[test]
fn the_naive_rules_can_say_no() {
    let world = World {
        packages: vec![package("p0", 2, "x86_64"), dropped("p0", 1)],
        bundles: Vec::new(),
        filters: Filters::default(),
    };
    assert_eq!(expected(&world), [true, false]);
}
