#!/usr/bin/env bash
# Packs the desktop bundle (.mcpb): the program and a manifest, for clients that install an MCP server with one click.
#
#   scripts/bundle.sh [FOLDER]        into FOLDER, else target/bundle
#
# KENWARD_BIN names a program that is built already; else a release is built. KENWARD_RELEASE_URL names the folder from which
# the bundle will be fetched: server.json, as the registry of MCP servers takes it, then names the bundle there with its
# hash. The same program gives the same bytes. Needed: python3, and cargo where nothing is built yet.
set -euo pipefail
export LC_ALL=C TZ=UTC CARGO_TERM_COLOR=never
cd "$(dirname "$0")/.."
out=${1:-target/bundle}
fail() { printf 'error: %s\n' "$1" >&2; exit 1; }

program=${KENWARD_BIN:-}
if [ -z "$program" ]; then
  cargo build --release --locked --package kenward
  program=${CARGO_TARGET_DIR:-target}/release/kenward
fi
[ -x "$program" ] || fail "there is no program at $program; hint: unset KENWARD_BIN to build one"
version=$("$program" --version | sed -n 's/^kenward \([0-9][^ ]*\).*/\1/p')
[ -n "$version" ] || fail "the program does not say its version"
target=$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m)
mkdir -p "$out"
bundle=$out/kenward-$version-$target.mcpb

python3 - "$program" "$version" "$bundle" "$out/server.json" "${KENWARD_RELEASE_URL:-}" <<'PYTHON'
import hashlib, json, sys, zipfile

program, version, bundle, server, url = sys.argv[1:]
manifest = open("deploy/bundle/manifest.json", encoding="utf-8").read()
manifest = json.loads(manifest.replace('"VERSION"', json.dumps(version)))
with open(program, "rb") as file:
    binary = file.read()
parts = [
    ("manifest.json", json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n", 0o644),
    ("LICENSE", open("LICENSE", "rb").read(), 0o644),
    ("server/kenward", binary, 0o755),
]
with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
    for name, data, mode in parts:
        entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
        entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, (0o100000 | mode) << 16, 3
        packed.writestr(entry, data)
with open(bundle, "rb") as file:
    digest = hashlib.sha256(file.read()).hexdigest()
entry = json.load(open("server.json", encoding="utf-8"))
entry["version"] = version
if url:
    entry["packages"] = [{
        "registryType": "mcpb",
        "identifier": url.rstrip("/") + "/" + bundle.rsplit("/", 1)[-1],
        "fileSha256": digest,
        "transport": {"type": "stdio"},
    }]
with open(server, "w", encoding="utf-8") as file:
    json.dump(entry, file, indent=2)
    file.write("\n")
print(f"{digest}  {bundle}")
PYTHON
