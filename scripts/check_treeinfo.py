#!/usr/bin/env python3
"""Checks a published installation tree as another tool would read it: every file that .treeinfo names is there, and
is what its [checksums] say. Prints the number of files and of digests that were compared."""

import configparser
import hashlib
import os
import sys


def main(tree):
    name = next(n for n in (".treeinfo", "treeinfo") if os.path.exists(os.path.join(tree, n)))
    info = configparser.RawConfigParser()
    info.optionxform = str  # keys of [checksums] are paths
    with open(os.path.join(tree, name), encoding="utf-8") as text:
        info.read_file(text)
    named = set()
    for section in info.sections():
        if section.startswith("images-") or section == "stage2":
            named.update(value for _, value in info.items(section) if value)
    promised = dict(info.items("checksums")) if info.has_section("checksums") else {}
    named.update(path for path in promised if "repodata" not in path.split("/"))
    compared = 0
    for path in sorted(named):
        file = os.path.join(tree, path)
        if not os.path.isfile(file):
            sys.exit(f"{path} is not there")
        if path in promised:
            algorithm, expected = promised[path].split(":")
            with open(file, "rb") as data:
                actual = hashlib.new(algorithm, data.read()).hexdigest()
            if actual != expected:
                sys.exit(f"{path}: expected {expected}, got {actual}")
            compared += 1
    try:
        import productmd.treeinfo
    except ImportError:
        judge = "without productmd"
    else:
        productmd.treeinfo.TreeInfo().load(os.path.join(tree, name))
        judge = "with productmd"
    print(f"{len(named)} files, {compared} digests, {judge}")


main(sys.argv[1])
