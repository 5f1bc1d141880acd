#!/bin/sh
# Mirrors a small upstream repository twice, with a change in between, publishes both states, and lets dnf install from
# both over HTTP. With FEED=URL it mirrors that RPM repository instead. `make demo` builds the binary and calls this.
#
# Everything happens in a temporary directory that is removed at the end. Fails if a client gets the wrong version.
set -eu
cd "$(dirname "$0")/.."
chantal=${CHANTAL:-target/release/chantal}
case $chantal in */*) ;; *) chantal=$(command -v "$chantal") ;; esac
feed=${FEED:-}

work=$(mktemp -d "${TMPDIR:-/tmp}/chantal-demo.XXXXXX")
chmod 0755 "$work"
servers=''
cleanup() {
    status=$?
    trap - EXIT
    for pid in $servers; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    chmod -R u+w "$work"
    rm -rf "$work"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

bold=''
plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m')
    plain=$(printf '\033[0m')
fi
step=0
tell() { # tell HEADLINE [REMARK]
    step=$((step + 1))
    printf '\n%s%d. %s%s\n' "$bold" "$step" "$1" "$plain"
    [ -z "${2:-}" ] || printf '   %s\n' "$2"
}
fail() {
    printf '\n%sThe demonstration failed:%s %s\n' "$bold" "$plain" "$1" >&2
    exit 1
}
run() { # shows a chantal command and runs it on the demonstration's configuration
    printf '\n%s$ chantal %s%s\n' "$bold" "$*" "$plain"
    "$chantal" --config "$work/config.yaml" "$@"
}

serve() { # serve DIRECTORY NAME: its URL is in $url afterwards
    command -v python3 >/dev/null 2>&1 || fail 'python3 is needed to serve files'
    python3 demo/serve.py "$1" "$work/$2.port" &
    pid=$!
    servers="$servers $pid"
    until [ -s "$work/$2.port" ]; do
        kill -0 "$pid" 2>/dev/null || fail "the server of $1 ended"
        sleep 0.1
    done
    url="http://127.0.0.1:$(cat "$work/$2.port")"
}

state() { # state NAME DATE: makes upstream show that state
    rm -rf "$work/next"
    mkdir -p "$work/next/packages"
    cp -R "demo/upstream/$1/repodata" "$work/next/"
    while read -r package; do cp "demo/upstream/$package" "$work/next/packages/"; done <"demo/upstream/$1/packages.list"
    # A checkout gives both states one time; a server tells by it whether a file changed.
    find "$work/next" -type f -exec touch -t "$2" {} +
    [ ! -e "$work/upstream" ] || mv "$work/upstream" "$work/state-before"
    mv "$work/next" "$work/upstream"
}

configure() { # configure ID FEED [LINE...]
    id=$1
    cat >"$work/config.yaml" <<YAML
storage:
  base_path: $work/chantal
  published_path: $work/published
repositories:
  - id: $1
    name: Demonstration
    type: rpm
    feed: $2
YAML
    run init
    printf '\nThe configuration, all of it:\n\n'
    sed 's/^/    /' "$work/config.yaml"
}

client() { # whether dnf is there afterwards
    command -v dnf >/dev/null 2>&1 && return
    if ! command -v apt-get >/dev/null 2>&1; then
        tell 'No client' 'There is neither dnf nor apt-get here to install it with: the demonstration ends after publishing.'
        return 1
    fi
    [ "$(id -u)" = 0 ] || fail 'dnf is missing, and only root can install it: apt-get install dnf'
    tell 'Installing dnf' 'It is the client of the last steps.'
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    { apt-get update -q && apt-get install -q -y --no-install-recommends dnf rpm; } >"$work/apt.log" 2>&1 || {
        cat "$work/apt.log" >&2
        fail 'dnf could not be installed'
    }
}

on_published() { # on_published TREE ROOT ARGUMENTS...: dnf with that published tree as its only repository
    tree=$1
    root=$2
    shift 2
    mkdir -p "$work/dnf/log"
    printf '[main]\n' >"$work/dnf/dnf.conf"
    # Without skip_if_unavailable=0 dnf ignores a broken repository and ends well.
    env -u http_proxy -u HTTP_PROXY -u https_proxy -u HTTPS_PROXY -u all_proxy -u ALL_PROXY HOME=/ LC_ALL=C.UTF-8 \
        $as_root dnf -y -q --config="$work/dnf/dnf.conf" --setopt=plugins=0 --setopt=reposdir=/dev/null \
        --setopt=varsdir=/dev/null --setopt=cachedir="$work/dnf/cache" --setopt=persistdir="$work/dnf/state" \
        --setopt=logdir="$work/dnf/log" --setopt=module_platform_id=platform:el9 --releasever=9 --forcearch=x86_64 \
        --repofrompath="demo,$url/$tree" --repo=demo --setopt=demo.skip_if_unavailable=0 --refresh \
        --setopt="demo.gpgcheck=$gpgcheck" --setopt="demo.gpgkey=file://$PWD/demo/upstream/v1/repodata/repomd.xml.key" \
        --installroot="$root" "$@"
}

installs() { # installs TREE VERSION: an empty root gets that version of hello-chantal, and the command says so
    root="$work/root-$2"
    mkdir -p "$root"
    printf '\n%s$ dnf install hello-chantal%s   (from %s)\n' "$bold" "$plain" "$url/$1"
    on_published "$1" "$root" install hello-chantal || fail "dnf did not install from $1"
    says=$(sh "$root/usr/bin/hello-chantal")
    printf '$ hello-chantal\n%s\n' "$says"
    [ "$says" = "hello from Chantal $2" ] || fail "expected version $2 from $1"
}

real_feed() {
    tell "A real repository" "$feed"
    configure feed "$feed"
    tell 'Mirroring it'
    run repo sync feed
    tell 'Publishing it'
    run publish repo feed
    run repo list
    run publish list
    client || return 0
    tell 'Asking dnf what it finds' 'The first ten packages:'
    serve "$work/published" published
    gpgcheck=0
    # Otherwise dnf hides packages of module streams that are not the default.
    on_published feed/latest/ "$work/root" --setopt=demo.module_hotfixes=1 repoquery --available >"$work/found" || fail 'dnf cannot read it'
    sort "$work/found" | sed -n 's/^/    /; 1,10p'
    printf '    … %s packages in all\n' "$(wc -l <"$work/found")"
    [ -s "$work/found" ] || fail 'dnf finds no package'
}

shipped_feed() {
    tell 'An upstream repository' 'Built from demo/specs, signed, served on the loopback: advisories, groups and modules included.'
    state v1 202401151000
    serve "$work/upstream" upstream
    echo "   $url"
    configure demo "$url/"

    tell 'Mirroring it'
    run repo sync demo
    tell 'Publishing it, and keeping this state under a name'
    run publish repo demo
    run snapshot create --repo-id demo --name before

    tell 'Upstream changes' 'A fix for a critical hole, a new package, and one package disappears.'
    state v2 202402011000
    run repo sync demo
    tell 'What changed'
    run snapshot diff --repo-id demo before latest

    tell 'Publishing both states' 'The new one where clients look, the old one at a path of its own.'
    run publish repo demo
    run publish snapshot --repo-id demo --snapshot before
    run snapshot list
    run repo list

    client || return 0
    tell 'Installing from both with dnf' 'Into two empty roots, over HTTP, package signatures checked.'
    serve "$work/published" published
    gpgcheck=1
    installs demo/latest/ 2.0
    installs demo/snapshots/before/ 1.1
    tell 'Done' 'New hosts get the fix; whoever pinned the snapshot still has the state of that day.'
}

[ -x "$chantal" ] || fail "no binary at $chantal: run \`make demo\`, or set CHANTAL"
as_root=''
if [ "$(id -u)" != 0 ] && command -v unshare >/dev/null 2>&1; then
    # Installing into a directory of one's own needs the rights of root in no other place.
    as_root='unshare --map-root-user'
fi
if [ -n "$feed" ]; then real_feed; else shipped_feed; fi
