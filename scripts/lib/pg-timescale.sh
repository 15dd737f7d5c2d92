#!/usr/bin/env bash
# pg-timescale.sh: PostgreSQL with TimescaleDB beside the system, from Debian's newer suite.
#
# usage: pg-timescale.sh --cached                    prints the bin directory; fails unless it is there
#        pg-timescale.sh PATCHELF [SUITE [VERSION]]  gets it first (trixie 17; forky has 18)
#
# Debian's stable suite has no TimescaleDB. This unpacks the newer suite's packages under a cache
# folder, together with the libc and libraries they were built against, and points the programs
# at those. Nothing on the system changes: apt only downloads, into folders of its own, and its
# signatures are checked as always.
#
# PostgreSQL refuses to run as root, and root's home is closed to every other user. For root the
# cache is therefore a folder that all may read, and whoever starts the server picks another user.
set -euo pipefail
umask 022

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

if [ "$(id -u)" -eq 0 ]; then
  cache=/var/cache/solarrally
else
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/solarrally
fi
only_cached=
if [ "${1-}" = --cached ]; then
  only_cached=yes
  shift
else
  patchelf=${1:?usage: pg-timescale.sh --cached | PATCHELF [SUITE [VERSION]]}
  shift
fi
suite=${1:-trixie}
version=${2:-17}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

home=$cache/postgresql$version-$suite # where it ends up
work=$cache/.work-postgresql-$suite   # removed at the end
bin=$home/lib/postgresql/$version/bin

# The paths are written into the programs: a folder that was moved must be made again.
complete() { [ "$(cat "$home/.path" 2>/dev/null)" = "$home" ] && "$bin/postgres" -V >/dev/null 2>&1; }

if complete; then
  printf '%s\n' "$bin"
  exit
fi
[ -z "$only_cached" ] || fail "PostgreSQL with TimescaleDB is not there yet; scripts/setup test gets it"

# apt splits its own options at spaces, and a run path at colons.
case $cache in *[[:space:]:]*) fail "the cache folder's path has a space or a colon in it: $cache" ;; esac
command -v apt-get dpkg >/dev/null || fail "this is not Debian: there is no apt-get"
[ -r "$keyring" ] || fail "Debian's keys are missing ($keyring, package debian-archive-keyring)"
mkdir -p "$cache" || fail "the cache folder cannot be made: $cache"

# One at a time; whoever waited finds the work done.
exec 9>"$cache/.lock-postgresql-$suite"
flock 9
if complete; then
  printf '%s\n' "$bin"
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
mkdir -p "$work"/lists/partial "$work"/archives/partial "$work/unpacked" \
  "$work/made/lib/so" "$work/made/share/postgresql"
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
"${apt[@]}" update >&2 || fail "the package list of Debian $suite could not be got"
"${apt[@]}" -y --download-only install "postgresql-$version-timescaledb" >&2 ||
  fail "Debian $suite's postgresql-$version-timescaledb could not be got"

# The server, its extensions and the libraries; not the compilers of Perl and LLVM, which are large
# and would only be loaded for functions that nobody here writes.
for package in "$work"/archives/*.deb; do
  case ${package##*/} in
    libperl* | libllvm* | libz3* | *-perl_* | libc-l10n* | libsystemd-shared*) ;;
    postgresql-"$version"* | postgresql-client-"$version"* | lib* | zlib*) dpkg -x "$package" "$work/unpacked" ;;
  esac
done

usr=$work/unpacked/usr
made=$work/made
libraries=$(echo "$usr"/lib/*-linux-gnu*)
loader=$(basename "$libraries"/ld-linux*)
cp -a "$usr/lib/postgresql" "$made/lib/"
cp -a "$usr/share/postgresql/$version" "$made/share/postgresql/"
rm -rf "$made/lib/postgresql/$version/lib/"{bitcode,pgxs,llvmjit.so,llvmjit_types.bc}

# Only the libraries that are needed, found as the loader itself finds them.
{
  printf 'x => %s\n' "$libraries/$loader"
  for file in "$made/lib/postgresql/$version"/{bin/*,lib/*.so}; do
    "$libraries/$loader" --library-path "$libraries" --list "$file" 2>/dev/null || true
  done
} | awk -v folder="$libraries/" 'index($3, folder) == 1 { print $3 }' | sort -u | xargs cp -L -t "$made/lib/so"
for program in "$made/lib/postgresql/$version"/bin/*; do
  # A script among them has no interpreter to set.
  "$patchelf" --set-interpreter "$home/lib/so/$loader" --force-rpath --set-rpath "$home/lib/so" \
    "$program" 2>/dev/null || true
done

printf '%s\n' "$home" >"$made/.path"
mv "$made" "$home"
rm -rf "$work"
"$bin/postgres" -V >&2 || fail "the unpacked PostgreSQL does not run on this machine"
printf '%s\n' "$bin"
