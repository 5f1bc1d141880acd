//! Any choice of packages.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chantal_formats::rpm::Rpm;
use chantal_model::ItemKind;
use proptest::prelude::*;

use super::memory::Kept;
use super::{Nvra, again, kept, primary, render};

/// What each item refers to, of what is published; items of which nothing is left are not there.
fn expected(content: &Kept, kind: ItemKind, published: &BTreeSet<&str>) -> Vec<(String, Vec<String>)> {
    let mut expected: Vec<(String, Vec<String>)> = content
        .of_kind(kind)
        .filter_map(|item| {
            let left: Vec<String> = item
                .refers
                .iter()
                .filter(|label| published.contains(&***label))
                .map(ToString::to_string)
                .collect();
            (item.refers.is_empty() || !left.is_empty()).then(|| (item.key.clone(), left))
        })
        .collect();
    expected.sort();
    expected
}

proptest! {
    #[test]
    fn any_choice_reads_back_as_what_was_chosen(
        listed in proptest::collection::vec(proptest::collection::btree_set(0..6_usize, 0..5), 0..6),
        chosen in proptest::collection::btree_set(0..6_usize, 0..6),
    ) {
        let names: Vec<String> = (0..6).map(|number| format!("p{number}")).collect();
        let packages: Vec<Nvra<'_>> = names.iter().map(|name| (&**name, "1", "1", "noarch")).collect();
        let (mut advisories, mut groups, mut modules) = (String::new(), String::new(), String::new());
        for (at, list) in listed.iter().enumerate() {
            write!(advisories, "<update><id>u{at}</id><pkglist><collection>")?;
            write!(groups, "<group><id>g{at}</id><packagelist>")?;
            write!(modules, "---\ndocument: modulemd\nversion: 2\ndata:\n  name: m{at}\n  stream: s\n  artifacts:\n    rpms:\n")?;
            for number in list {
                write!(advisories, "\n<package name=\"p{number}\" version=\"1\" release=\"1\" arch=\"noarch\"/>")?;
                write!(groups, "\n<packagereq>p{number}</packagereq>")?;
                writeln!(modules, "    - p{number}-0:1-1.noarch")?;
            }
            advisories.push_str("\n</collection></pkglist></update>\n");
            groups.push_str("\n</packagelist></group>\n");
        }
        let content = kept(&[
            ("primary", &primary(&packages)),
            ("updateinfo", &format!("<updates>{advisories}</updates>")),
            ("group", &format!("<comps>{groups}</comps>")),
            ("modules", &modules),
        ]);
        let published: BTreeSet<String> = chosen.iter().map(|number| format!("p{number}-0:1-1.noarch")).collect();
        let published: BTreeSet<&str> = published.iter().map(String::as_str).collect();
        let found = again(&render(&content.choose(&Rpm, |package| published.contains(&*package.label))));

        prop_assert_eq!(found.labels(), published.clone());
        for kind in [ItemKind::Advisory, ItemKind::Module] {
            let wanted = expected(&content, kind, &published);
            prop_assert_eq!(expected(&found, kind, &published), wanted.clone());
            let all: usize = found.of_kind(kind).map(|item| item.refers.len()).sum();
            prop_assert_eq!(all, wanted.iter().map(|(_, labels)| labels.len()).sum::<usize>(), "nothing else is listed");
        }
        let wanted: Vec<usize> = listed
            .iter()
            .map(|list| (list.len(), list.intersection(&chosen).count()))
            .filter(|(all, left)| *all == 0 || *left > 0)
            .map(|(_, left)| left)
            .collect();
        let groups: Vec<usize> = found
            .of_kind(ItemKind::Group)
            .map(|item| item.attributes["packages"].as_array().map_or(0, Vec::len))
            .collect();
        prop_assert_eq!(groups, wanted);
    }
}
