#!/bin/sh
# Copies the pictures for README from target/bench to benches/pictures, and says of which runs they are. Run it
# after whole runs on a machine that does nothing else: a picture of a small run has no place in the repository.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
from=$here/../target/bench
mkdir -p "$here/pictures"
for picture in scale-topic scale-changed pipelines ranking; do
    if [ ! -f "$from/$picture.svg" ]; then
        echo "no $picture.svg: run the bench first (benches/README.md)" >&2
        exit 1
    fi
    cp "$from/$picture.svg" "$here/pictures/$picture.svg"
done
grep -hE '"(bench|chunks|queries|files)": ("[a-z]+"|[0-9]+),?$' "$from/scale.json" "$from/pipelines.json" | sort -u
