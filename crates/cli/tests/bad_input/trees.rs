//! Descriptions of installation trees.

use chantal_testkit::corpus::trees;

use crate::bench::try_all;

#[test]
fn descriptions_of_trees_that_are_none_are_refused_or_left_out() {
    try_all(trees::TREEINFO);
}
