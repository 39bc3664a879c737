#!/usr/bin/env python3
"""Lists the licence of everything that is linked into the program for one target, with the licence
texts that the packages carry, each text once. It reads `cargo metadata` and files of packages that
cargo has unpacked; it must never run anything of them.

usage: licences.py TARGET > THIRD-PARTY-LICENCES.txt
"""

import json
import re
import subprocess
import sys
from pathlib import Path

NAMES = re.compile(r"^(licen[cs]e|copying|notice|unlicense)", re.IGNORECASE)


def linked(metadata):
    """Ids of the packages that a normal build of the program links, from its own on."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    waiting, found = [metadata["resolve"]["root"]], set()
    while waiting:
        at = waiting.pop()
        if at in found:
            continue
        found.add(at)
        for dependency in nodes[at]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    return found


def texts(package):
    """The licence texts in a package's folder, by file name."""
    folder = Path(package["manifest_path"]).parent
    named = Path(package["license_file"]) if package["license_file"] else None
    for file in sorted(folder.iterdir()):
        if file.is_file() and (NAMES.match(file.name) or (named and file.name == named.name)):
            yield file.read_text(encoding="utf-8", errors="replace").strip()


def main(target):
    out = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    metadata = json.loads(out)
    wanted = linked(metadata)
    packages = [p for p in metadata["packages"] if p["id"] in wanted and p["source"]]
    packages.sort(key=lambda p: (p["name"], p["version"]))
    print(f"Packages that are linked into kenward for {target}, with their licences.")
    print("SQLite, which libsqlite3-sys carries, is in the public domain. The embedding model and ONNX")
    print("Runtime are no part of this archive; `kenward models list` names them.\n")
    by_text, without = {}, []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        licence = package["license"] or "see its licence file"
        print(f"{name}: {licence} ({package['repository'] or 'no repository named'})")
        found = list(texts(package))
        for text in found:
            by_text.setdefault(text, []).append(name)
        if not found:
            without.append(name)
        if not package["license"] and not found:
            sys.exit(f"{name} names no licence and carries none")
    if without:
        print("\nWithout a licence text in the package (its expression above says which): " + ", ".join(without))
    for text, names in by_text.items():
        print(f"\n{'=' * 100}\n{', '.join(names)}\n{'-' * 100}\n{text}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
