#!/bin/sh
# Makes the peers' virtual environment in target/peers, from pinned versions (requirements.txt; about 1 GB). Nothing else
# is installed, and nothing outside that folder is written. Needs a python3 of 3.11 to 3.13 (PYTHON names another).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || {
    echo "the pinned versions need Python 3.11 to 3.13: set PYTHON" >&2
    exit 1
}
mkdir -p "$target"
"$python" -m venv "$target/peers"
"$target/peers/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
echo "peers are in $(cd "$target/peers" && pwd); the benches find them there (KENWARD_PYTHON names another python3)"
