#!/usr/bin/env bash
# python314.sh: CPython 3.14 beside the system, from Debian's newer suite.
#
# usage: python314.sh CACHE_DIR PATCHELF [SUITE]     prints the interpreter's path
#
# Debian's stable suites carry an older Python than Home Assistant needs. This unpacks the
# newer suite's packages under CACHE_DIR, together with the libc and libraries they were built
# against, and points the interpreter at those. Nothing on the system changes and nothing needs
# root: apt only downloads, into folders of its own, and its signatures are checked as always.
set -euo pipefail
umask 022

cache=$1
patchelf=$2
suite=${3:-forky}
version=3.14
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# apt splits its own options at spaces, and a run path at colons.
case $cache in *[[:space:]:]*) fail "the cache folder's path has a space or a colon in it: $cache" ;; esac
command -v apt-get dpkg >/dev/null || fail "this is not Debian: there is no apt-get"
[ -r "$keyring" ] || fail "Debian's keys are missing ($keyring, package debian-archive-keyring)"

mkdir -p "$cache"
cache=$(cd "$cache" && pwd -P)
home=$cache/python$version-$suite # where the interpreter ends up
work=$cache/.work-python-$suite   # removed at the end
python=$home/usr/bin/python$version

# One at a time; whoever waited finds the work done.
exec 9>"$cache/.lock-python-$suite"
flock 9

# The paths are written into the interpreter: one that was moved must be made again.
if [ "$(cat "$home/.path" 2>/dev/null)" = "$home" ] &&
  "$python" -c 'import ssl, sqlite3, ctypes, venv' 2>/dev/null; then
  printf '%s\n' "$python"
  exit
fi

# The mirror that this machine's own apt uses.
# shellcheck disable=SC2016  # the names are apt's to fill in
mirror=$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' 2>/dev/null |
  awk '$2 == "Debian" { print $1; exit }')
if [ -z "$mirror" ]; then
  mirror=$(sed -nE 's/^(URIs:|deb( +\[[^]]*\])?) +([^ ]+).*/\3/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -E '/debian/?$' | head -n 1 || true)
fi
[ -n "$mirror" ] || fail "this machine's apt names no Debian mirror"

rm -rf "$home" "$work"
mkdir -p "$work"/lists/partial "$work"/archives/partial "$work/root"
: >"$work/status" # as if nothing were installed: every library comes along
printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite" >"$work/sources.list"
apt=(apt-get -qq
  -o "Dir::State::Lists=$work/lists"
  -o "Dir::State::status=$work/status"
  -o "Dir::Etc::sourcelist=$work/sources.list"
  -o Dir::Etc::sourceparts=/dev/null
  -o "Dir::Cache::archives=$work/archives"
  -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
  -o APT::Install-Recommends=0
  -o APT::Sandbox::User="$(id -un)"
  -o Acquire::Languages=none
  -o Acquire::Retries=3)
"${apt[@]}" update >&2
"${apt[@]}" -y --download-only install "python$version" "python$version-venv" "libpython$version-dev" >&2

# Python, its headers (two packages of Home Assistant's are compiled) and the libraries, but
# not the C library's headers: the compiler keeps to the system's.
for package in "$work"/archives/*.deb; do
  case ${package##*/} in
    libc6-dev* | libc-dev* | linux-libc-dev* | libcrypt-dev* | libc-l10n* | libc-bin*) ;;
    python"$version"* | lib* | zlib* | tzdata* | media-types*) dpkg -x "$package" "$work/root" ;;
  esac
done

usr=$work/root/usr
libraries=$(echo "$usr"/lib/*-linux-gnu*)
triplet=$(basename "$libraries")
loader=$(basename "$libraries"/ld-linux*)
# Debian's pyconfig.h only includes another by a path that is found in a system install alone.
cp "$usr/include/$triplet/python$version/pyconfig.h" "$usr/include/python$version/pyconfig.h"
"$patchelf" --set-interpreter "$home/usr/lib/$triplet/$loader" \
  --force-rpath --set-rpath "$home/usr/lib/$triplet" "$usr/bin/python$version"

printf '%s\n' "$home" >"$work/root/.path"
mv "$work/root" "$home"
rm -rf "$work"
"$python" -c 'import ssl, sqlite3, ctypes, venv' || fail "the unpacked Python does not run on this machine"
printf '%s\n' "$python"
