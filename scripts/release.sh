#!/usr/bin/env bash
# Builds a release of the commit that is checked out, packs it, and tries what it packed.
#
#   scripts/release.sh [FOLDER]       into FOLDER, else target/release-archives
#
# The archive of a commit is the same bytes each time from the same program: order, owners and times
# are fixed. The program names no folder of the machine that built it. Needed: git, cargo, python3.
set -euo pipefail
export LC_ALL=C TZ=UTC CARGO_TERM_COLOR=never
cd "$(dirname "$0")/.."
root=$PWD
out=${1:-target/release-archives}
fail() { printf 'error: %s\n' "$1" >&2; exit 1; }

[ -z "$(git status --porcelain)" ] || fail "there are changes that are not committed; hint: commit or stash them"
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
target=$(rustc -vV | sed -n 's/^host: //p')
when=$(git log -1 --format=%ct)
name=kenward-$version-$target
if [ -z "$version" ] || [ -z "$target" ]; then fail "no version or no target"; fi

# Panics name their source files: of this project and of the registry, not of this machine.
export SOURCE_DATE_EPOCH=$when CARGO_INCREMENTAL=0
home=${CARGO_HOME:-$HOME/.cargo}
flags=("--remap-path-prefix=$home=cargo" "--remap-path-prefix=$root=kenward")
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; printf '%s' "${flags[*]}")
export CARGO_ENCODED_RUSTFLAGS CFLAGS="-ffile-prefix-map=$home=cargo -ffile-prefix-map=$root=kenward"
cargo build --profile dist --locked --package kenward
program=${CARGO_TARGET_DIR:-target}/dist/kenward
if grep -aqF -e "$home/registry/" -e "$root/src/" "$program"; then fail "the program names folders of this machine"; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/pack/$name" "$out"
install -m 0755 "$program" "$work/pack/$name/kenward"
git archive --format=tar HEAD README.md LICENSE CHANGELOG.md SECURITY.md deploy | tar -x -C "$work/pack/$name"
python3 scripts/licences.py "$target" > "$work/pack/$name/THIRD-PARTY-LICENCES.txt"
find "$work/pack" -type d -exec chmod 0755 {} + -o -name kenward -o -type f -exec chmod 0644 {} +
tar -C "$work/pack" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$when" --format=ustar -cf - "$name" \
  | gzip -9n > "$out/$name.tar.gz"
(cd "$out" && sha256sum "$name.tar.gz" > SHA256SUMS)

# What was packed is tried as somebody would who has nothing but the two files.
mkdir "$work/try" "$work/tmp"
cp "$out/$name.tar.gz" "$out/SHA256SUMS" "$work/try"
(cd "$work/try" && sha256sum --check --quiet SHA256SUMS && tar -xzf "$name.tar.gz")
alone=(env -i PATH=/usr/bin:/bin HOME="$work/tmp" TMPDIR="$work/tmp" "$work/try/$name/kenward")
said=$("${alone[@]}" --version)
[ "$said" = "kenward $version" ] || fail "the packed program says \`$said\`"
"${alone[@]}" demo --no-model > "$work/demo.txt" 2> "$work/demo.log" \
  || { cat "$work/demo.log" >&2; fail "the packed program's demo failed"; }
grep -q '^Question 3: ' "$work/demo.txt" || fail "the packed program's demo showed no third question"
[ -z "$(ls -A "$work/tmp")" ] || fail "the packed program's demo left something behind"

needs=$(objdump -T "$program" 2>/dev/null | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1 || true)
printf '%s/%s.tar.gz\n' "$out" "$name"
cat "$out/SHA256SUMS"
printf 'program %s bytes; needs %s or newer\n' "$(stat -c %s "$program")" "${needs:-an unknown glibc}" >&2
