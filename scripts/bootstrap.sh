#!/usr/bin/env bash
# What Maru needs beside the Swift toolchain: scripts/bootstrap.sh build|run|test
#   build  libraries that are linked, headers that are compiled in
#   run    build, and the programs that services call
#   test   run, and the clients of Conformance/
# Brings only what is missing; each step appears whole under its name or not at all, so it may be interrupted and repeated.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly hnswlib=0.8.0
readonly hnswlib_sha256=cb6d037eedebb34a7134e7dc78966441dfd04c9cf5ee93911be911ced951c44c

say() { printf 'bootstrap: %s\n' "$*"; }
fail() { printf 'bootstrap: %s\n' "$*" >&2; exit 1; }
sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d' ' -f1; }

# step WHAT COMMAND...: one line, what is done before it begins and how long it took after; the output only if it fails.
step() {
    local what=$1 begun=$SECONDS log="$scratch/log"
    shift
    printf 'bootstrap: %s ... ' "$what"
    if ! "$@" >"$log" 2>&1; then
        printf 'failed\n'
        cat "$log" >&2
        fail "stopped at: $what. What was there before is untouched; run it again once the cause is mended."
    fi
    printf 'done in %d s\n' $((SECONDS - begun))
}

as_root() {
    if [ "$(id -u)" = 0 ]; then env DEBIAN_FRONTEND=noninteractive "$@"; else sudo env DEBIAN_FRONTEND=noninteractive "$@"; fi
}

swift_toolchain() {
    command -v swift >/dev/null ||
        fail "Swift 6.2 or later is needed and 'swift' is not on PATH. Install it from https://www.swift.org/install/, then run this again."
}

debian_packages() {
    local wanted="g++ git libsqlite3-dev zlib1g-dev python3 python3-venv" missing="" package
    [ "$1" = build ] || wanted="$wanted bubblewrap chromium curl fonts-nanum poppler-utils ripgrep prometheus prometheus-alertmanager prometheus-node-exporter"
    [ "$1" != test ] || wanted="$wanted jq shellcheck"
    for package in $wanted; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    # shellcheck disable=SC2086 # a list of names
    set -- --no-install-recommends $missing
    [ "$(id -u)" = 0 ] || sudo -v || fail "root is needed once. Run: apt-get install $*"
    step "refresh the list of Debian packages" refresh_package_list
    local size
    size=$(LC_ALL=C apt-get install --assume-no "$@" 2>/dev/null | sed -n 's/^Need to get \(.*\) of archives.*/\1/p') || true # it exits 1: we said no
    step "install$missing (${size:-size unknown}, some minutes at the most)" without_starting_services as_root apt-get install -qy "$@"
}

# Some other source of packages may be broken; whether ours can be had shows when they are installed.
refresh_package_list() { as_root apt-get update -q || true; }

# Debian starts a service as it installs it; Maru runs its own Prometheus. An exit of 101 tells Debian's scripts not to.
readonly policy=/usr/sbin/policy-rc.d
policy_is_ours=no

without_starting_services() {
    local status=0
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$scratch/policy"
        policy_is_ours=yes
        as_root install -m 755 "$scratch/policy" "$policy" || return
    fi
    "$@" || status=$?
    if [ -d /run/systemd/system ]; then # nor at the next boot
        as_root systemctl disable --quiet prometheus prometheus-alertmanager prometheus-node-exporter || true
    fi
    return "$status"
}

clean_up() {
    [ "$policy_is_ours" = no ] || as_root rm -f "$policy"
    rm -rf "$scratch"
}

homebrew_packages() {
    command -v brew >/dev/null || fail "Homebrew is needed: https://brew.sh"
    local wanted="python@3.13" missing="" package prefix
    [ "$1" = build ] || wanted="$wanted poppler ripgrep llama.cpp prometheus alertmanager node_exporter" # sandboxing is macOS's own, Chrome or Chromium the user's
    [ "$1" != test ] || wanted="$wanted jq shellcheck"
    prefix=$(brew --prefix)
    for package in $wanted; do
        [ -e "$prefix/opt/$package" ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    # shellcheck disable=SC2086 # a list of names
    step "install$missing with Homebrew (up to 300 MB, some minutes)" brew install --quiet $missing
}

system_packages() {
    if command -v apt-get >/dev/null; then
        debian_packages "$1"
    elif [ "$(uname)" = Darwin ]; then
        homebrew_packages "$1"
    else
        say "neither apt nor Homebrew here: see to a C++ compiler, git, SQLite and zlib headers, Python 3.10+ with venv, bubblewrap, poppler, curl, jq yourself"
    fi
    python3 -c 'import sys, venv; sys.exit(sys.version_info < (3, 10))' ||
        fail "Python 3.10 or later with venv is needed; $(command -v python3 || echo python3) is not"
}

# The vector index is a library of headers. Debian's is too old (no filters), so they come out of the source package for Python;
# pip checks the hash before it looks inside.
index_headers() {
    local target=.deps/hnswlib
    [ "$(cat "$target/.sha256" 2>/dev/null)" != "$hnswlib_sha256" ] || return 0
    step "fetch the headers of hnswlib $hnswlib (36 kB, with pip's tools 25 MB, half a minute)" fetch_index_headers "$target"
}

fetch_index_headers() {
    local new="$scratch/hnswlib"
    python3 -m venv "$scratch/venv" &&
        printf 'hnswlib==%s --hash=sha256:%s\n' "$hnswlib" "$hnswlib_sha256" >"$scratch/requirements.txt" &&
        "$scratch/venv/bin/pip" download --disable-pip-version-check --no-deps --no-binary hnswlib --require-hashes \
            -r "$scratch/requirements.txt" -d "$scratch" &&
        mkdir -p "$new" &&
        tar -xzf "$scratch/hnswlib-$hnswlib.tar.gz" -C "$new" --no-same-owner --strip-components=1 "hnswlib-$hnswlib/hnswlib" "hnswlib-$hnswlib/LICENSE" &&
        printf '%s\n' "$hnswlib_sha256" >"$new/.sha256" &&
        rm -rf "$1" && mv "$new" "$1"
}

# A virtual environment cannot be moved, so its stamp, written last, is what makes it whole.
conformance_clients() {
    local stamp
    stamp=$( (cat Conformance/requirements.txt && python3 --version) | sha256)
    [ "$(cat .venv/.stamp 2>/dev/null)" != "$stamp" ] || return 0
    step "install the clients of Conformance/ into .venv (35 MB, a minute)" install_conformance_clients
    printf '%s\n' "$stamp" >.venv/.stamp
}

install_conformance_clients() {
    rm -rf .venv && python3 -m venv .venv &&
        .venv/bin/pip install --disable-pip-version-check --only-binary :all: -r Conformance/requirements.txt
}

main() {
    case "${1-}" in
    build | run | test) ;;
    *) fail "usage: scripts/bootstrap.sh build|run|test" ;;
    esac
    swift_toolchain
    mkdir -p .deps
    scratch=$(mktemp -d "$PWD/.deps/.bootstrap.XXXXXX") # beside its targets: a rename there is atomic
    trap clean_up EXIT
    system_packages "$1"
    index_headers
    [ "$1" != test ] || conformance_clients
    say "ready to $1"
}

main "$@"
