#!/usr/bin/python3
"""Reads a repository with createrepo_c's own parser and prints what it understood, as JSON.

    parse_repodata.py DIRECTORY

The object has `records` (type -> [checksum type, checksum, size, open size]), `packages` (sorted by pkgid, every field
that the parser knows, lists of dependencies, files and changelogs included), `advisories` (by id, the files of its
packages), `revision`. A warning of the parser goes to stderr, one a line.
"""
import json
import os
import sys

import createrepo_c as cr


def warn(kind, message):
    print("warning:", message, file=sys.stderr)
    return True


SCALARS = (
    "pkgId checksum_type name arch version epoch release summary description url time_file time_build rpm_license "
    "rpm_vendor rpm_group rpm_buildhost rpm_sourcerpm rpm_header_start rpm_header_end rpm_packager size_package "
    "size_installed size_archive location_href location_base"
).split()
LISTS = "provides requires conflicts obsoletes suggests enhances recommends supplements files changelogs".split()


def package(entry):
    fields = {name: getattr(entry, name) for name in SCALARS}
    fields.update({name: [list(one) for one in getattr(entry, name)] for name in LISTS})
    # Newer versions of the parser add a digest to each file; older ones know three fields.
    fields["files"] = sorted([one[0] or "", one[1], one[2]] for one in fields["files"])
    return fields


def packages(paths):
    found = {}

    def take(entry):
        if entry.pkgId in found:
            print("warning: two packages have the id", entry.pkgId, file=sys.stderr)
        found[entry.pkgId] = entry

    def known(pkgid, name, arch):
        if pkgid not in found:
            print("warning: no package has the id", pkgid, file=sys.stderr)
        return found.get(pkgid)

    # Before 1.0 the parser of primary calls for a new package before it knows the id.
    cr.xml_parse_primary(paths["primary"], lambda *_: cr.Package(), take, warn, False)
    if "filelists" in paths:
        cr.xml_parse_filelists(paths["filelists"], known, None, warn)
    if "other" in paths:
        cr.xml_parse_other(paths["other"], known, None, warn)
    return [package(found[pkgid]) for pkgid in sorted(found)]


def advisories(path):
    parsed = cr.UpdateInfo(path)
    result = {}
    for update in parsed.updates:
        result[update.id] = {
            "type": update.type,
            "title": update.title,
            "severity": update.severity,
            "references": [[one.type, one.id, one.href] for one in update.references],
            "packages": sorted(one.filename for part in update.collections for one in part.packages),
        }
    return result


def main():
    directory = sys.argv[1]
    repomd = cr.Repomd()
    cr.xml_parse_repomd(os.path.join(directory, "repodata", "repomd.xml"), repomd, warn)
    paths = {record.type: os.path.join(directory, record.location_href) for record in repomd.records}
    records = {
        record.type: [record.checksum_type, record.checksum, record.size, record.size_open]
        for record in repomd.records
    }
    result = {"revision": repomd.revision, "records": records, "packages": packages(paths)}
    result["advisories"] = advisories(paths["updateinfo"]) if "updateinfo" in paths else {}
    json.dump(result, sys.stdout, sort_keys=True)


if __name__ == "__main__":
    main()
