#!/usr/bin/env bash
# Drives a running server with real MCP clients of other people, and prints which of them could do what.
# It ends with 1 if a client could not do what it and the server support.
#
#   scripts/clients.sh [DRIVER]      DRIVER: a part of a file's name in tests/clients, to run that alone
#
# KENWARD_BIN names the program; without it, one is built. Needed: npm, and python3 (3.11 or newer) with venv.
# What tests/clients locks is installed into target/clients, once per lock; the table goes to standard output, every
# cell with what was seen to target/clients/matrix.json, and what the clients wrote to target/clients/*.log.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TERM_COLOR=never PIP_DISABLE_PIP_VERSION_CHECK=1
fail() { printf 'error: %s\n' "$1" >&2; exit 1; }
command -v npm >/dev/null || fail "npm is not here"
command -v python3 >/dev/null || fail "python3 is not here"

# Locks name versions and hashes; where they come from is a matter of who installs them.
! grep -l '"resolved"' tests/clients/package-lock.json || fail "a lock names a registry"
! grep -lE '://| @ |^-' tests/clients/requirements*.txt || fail "a lock names a registry"

place=$PWD/target/clients
mkdir -p "$place"

# Runs the rest of its arguments in a new folder, unless that was done for the same lock.
once() {
  local folder=$1 lock=$2
  shift 2
  cmp -s "$lock" "$folder/installed" && return
  printf 'installing %s\n' "$lock" >&2
  rm -rf "$folder"
  mkdir -p "$folder"
  "$@" "$folder" "$lock" || fail "\`$lock\` cannot be installed"
  cp "$lock" "$folder/installed"
}
packages() {
  cp tests/clients/package.json "$2" "$1"
  # Nothing of the packages runs while they are installed.
  npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
}
wheels() { python3 -m venv "$1" && "$1/bin/pip" install --quiet --no-deps -r "$2" >&2; }
once "$place/node" tests/clients/package-lock.json packages
once "$place/python" tests/clients/requirements.txt wheels
once "$place/python-mcp1" tests/clients/requirements-mcp1.txt wheels

# The Inspector needs Node 22.19; the lock brings one for Linux.
node=
for each in "$place"/node/node_modules/node-linux-*/bin/node; do
  if "$each" --version >/dev/null 2>&1; then node=$each; fi
done
node=${node:-$(command -v node || fail "node is not here")}

program=${KENWARD_BIN:-}
if [ -z "$program" ]; then
  cargo build --workspace --bins
  program=$PWD/target/debug/kenward
fi
exec python3 tests/clients/run.py --out "$place" --program "$(realpath "$program")" --node "$node" \
  --modules "$place/node/node_modules" --python "$place/python" --python-mcp1 "$place/python-mcp1" --only "${1:-}"
