#!/bin/sh
# Builds demo/upstream anew: packages from demo/specs, signed with a key made on the spot, and the metadata of two
# states. The result is committed; `make demo` does not need any of these tools.
#
# Needs rpmbuild, rpmsign, createrepo_c, modifyrepo_c, gpg.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
export GNUPGHOME="$work/gnupg"
cleanup() {
    gpgconf --homedir "$GNUPGHOME" --kill all 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
mkdir -m 0700 "$GNUPGHOME"

export SOURCE_DATE_EPOCH=1704067200 # 2024-01-01
build() { # build SPEC VERSION [STREAM] [-bs]
    rpmbuild --quiet "${4:--bb}" --define "_topdir $work/rpmbuild" --define "v $2" --define "stream ${3:-none}" \
        --define '_buildhost build.example.invalid' --define 'use_source_date_epoch_as_buildtime 1' \
        --define 'clamp_mtime_to_source_date_epoch 1' --define '_binary_payload w9.gzdio' \
        --define '_source_payload w9.gzdio' "specs/$1.spec"
}
for version in 1.0 1.1 2.0; do build hello-chantal "$version"; done
build hello-chantal 2.0 none -bs
build libgreet 1.0
build libgreet 1.2
build hello-chantal-doc 1.0
build greeter 1.4 1
build greeter 2.1 2
build newcomer 1.0

gpg --quiet --batch --passphrase '' --quick-generate-key 'Chantal demonstration <demo@example.invalid>' rsa2048 sign never
fingerprint=$(gpg --with-colons --list-keys | awk -F: '/^fpr/ { print $10; exit }')
packages="$work/packages"
mkdir "$packages"
find "$work/rpmbuild/RPMS" "$work/rpmbuild/SRPMS" -name '*.rpm' -exec cp {} "$packages" ';'
rpmsign --define '__gpg /usr/bin/gpg' --define "_gpg_name $fingerprint" --addsign "$packages"/*.rpm >/dev/null
find "$packages" -name '*.rpm' -exec touch -d "@$SOURCE_DATE_EPOCH" {} ';'

state() { # state NAME REVISION PACKAGES-NOT-IN-IT...
    name=$1
    revision=$2
    shift 2
    directory="$work/$name"
    mkdir -p "$directory/packages"
    cp -p "$packages"/*.rpm "$directory/packages"
    for pattern in "$@"; do rm "$directory/packages/"$pattern; done
    createrepo_c --quiet --no-database --set-timestamp-to-revision --revision "$revision" "$directory"
    cp documents/comps.xml documents/modules.yaml "documents/$name/updateinfo.xml" "$work"
    touch -d "@$revision" "$work/comps.xml" "$work/modules.yaml" "$work/updateinfo.xml"
    modifyrepo_c --mdtype=group --no-compress "$work/comps.xml" "$directory/repodata" >/dev/null
    for document in modules.yaml updateinfo.xml; do
        modifyrepo_c --mdtype="${document%.*}" --compress-type=gz "$work/$document" "$directory/repodata" >/dev/null
    done
    sed -i "s,<timestamp>[0-9]*</timestamp>,<timestamp>$revision</timestamp>," "$directory/repodata/repomd.xml"
    gpg --quiet --batch --armor --detach-sign --output "$directory/repodata/repomd.xml.asc" "$directory/repodata/repomd.xml"
    gpg --quiet --batch --armor --export "$fingerprint" > "$directory/repodata/repomd.xml.key"
    (cd "$directory" && find packages -name '*.rpm' | LC_ALL=C sort) > "$directory/packages.list"
    rm -r "$directory/packages"
}
state v1 1705312800 'hello-chantal-2.0-*' 'libgreet-1.2-*' 'newcomer-*'
state v2 1706781600 'hello-chantal-1.0-*' 'libgreet-1.0-*' 'hello-chantal-doc-*'

rm -rf upstream
mkdir upstream
mv "$packages" "$work/v1" "$work/v2" upstream/
chmod -R u=rwX,go=rX upstream
du -sk upstream
