#!/usr/bin/env python3
"""Makes a small company, serves it, lets every client at it, and prints what each of them could do.

Called by scripts/clients.sh, which installs the clients. `run.py change HOME` is what drivers call to have two
documents changed while they listen. Nothing outside the temporary folder and --out is written.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
DANA, BEN = "dana@acorn.example", "ben@acorn.example"
COLUMNS = ["list", "search", "fetch", "resources", "prompts", "completion", "listen", "OAuth"]
CANARY = "quillfeather"

DIRECTORY = """
[[user]]
handle = "dana@acorn.example"
name = "Dana Reyes"

[[user]]
handle = "ben@acorn.example"
name = "Ben Okafor"

[[group]]
handle = "finance"
members = ["user:dana@acorn.example"]

[[group]]
handle = "staff"
members = ["user:ben@acorn.example", "group:finance"]
"""

# More than fits on a page of resources or of documents.
NOTES = 118


def salaries(n):
    return f"# Salary bands\n\nThe quillfeather band starts at 71,000. Expense reports are reviewed with it. Edition {n}.\n"


def travel(n):
    return f"# Travel\n\nBook trains early. Expense reports for travel name the trip. Edition {n}.\n"


def documents(folder):
    """The company's documents: all for the staff but one, which is for finance."""
    texts = {
        ".access.toml": 'allow = ["group:staff"]\n',
        "finance/.access.toml": 'inherit = false\nallow = ["group:finance"]\n',
        "finance/salaries.md": salaries(1),
        "travel.md": travel(1),
        "expenses.md": "# Expense policy\n\nExpense reports are due on the 5th of each month.\n",
    }
    for n in range(NOTES):
        texts[f"notes/{n:03}.md"] = f"# Note {n}\n\nNothing of note happened on day {n}.\n"
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


class Home:
    def __init__(self, folder, program):
        self.folder, self.program = Path(folder), program
        self.config = self.folder / "kenward.toml"

    def kenward(self, *arguments):
        environment = {k: v for k, v in os.environ.items() if k not in ("RUST_LOG", "KENWARD__LOG__LEVEL")}
        environment |= {"KENWARD_CONFIG": str(self.config)}
        return subprocess.run(
            [self.program, *arguments], env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout.strip()

    def change(self):
        edition = self.folder / "edition"
        n = int(edition.read_text()) + 1 if edition.exists() else 2
        edition.write_text(str(n))
        (self.folder / "handbook/finance/salaries.md").write_text(salaries(n))
        (self.folder / "handbook/travel.md").write_text(travel(n))
        self.kenward("ingest", "handbook")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def waits(child, path, what):
    """The first line that a child prints."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and child.poll() is None:
        if path.read_text().endswith("\n"):
            return path.read_text().strip()
        time.sleep(0.05)
    sys.exit(f"error: {what} does not start")


def company(home, port, issuer):
    home.config.write_text(
        f'data_dir = "data"\n[operators]\n{os.geteuid()} = "{DANA}"\n[embedding]\nengine = "hashing"\n'
        f'[http]\naddr = "127.0.0.1:{port}"\n[[issuer]]\nurl = "{issuer}"\n'
    )
    (home.folder / "directory.toml").write_text(DIRECTORY)
    documents(home.folder / "handbook")
    home.kenward("users", "import", str(home.folder / "directory.toml"))
    home.kenward("users", "link", DANA, "--issuer", issuer, "--subject", "dana-8f3a")
    home.kenward("ingest", str(home.folder / "handbook"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for matrix.json and the drivers' logs")
    parser.add_argument("--program", required=True)
    parser.add_argument("--node", required=True)
    parser.add_argument("--modules", type=Path, required=True, help="node_modules of the clients")
    parser.add_argument("--python", type=Path, required=True, help="environment of requirements.txt")
    parser.add_argument("--python-mcp1", type=Path, required=True, help="environment of requirements-mcp1.txt")
    parser.add_argument("--only", default="", help="drivers whose name has this")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kenward-clients-") as folder:
        return run(options, Home(folder, options.program))


def run(options, home):
    port, issuer_port = free_port(), free_port()
    issuer = f"http://127.0.0.1:{issuer_port}"
    company(home, port, issuer)
    children = []
    try:
        out, log = home.folder / "serve.out", options.out / "serve.log"
        out.touch()
        environment = {**os.environ, "KENWARD_CONFIG": str(home.config)}
        serving = subprocess.Popen(
            [options.program, "serve"], env=environment, stdin=subprocess.DEVNULL,
            stdout=out.open("w"), stderr=log.open("w"),
        )
        children.append(serving)
        url = waits(serving, out, f"the server ({log})")
        children.append(sign_in_server(options, home, issuer_port, url))
        facts = facts_of(home, options, url, issuer)
        lines = drive(options, home, facts)
    finally:
        for child in children:
            child.send_signal(signal.SIGTERM)
        for child in children:
            child.wait(30)
    return report(options, lines)


def sign_in_server(options, home, port, resource):
    """The real authorization server of the other tests."""
    script = HERE.parent / "it/oauth/provider/provider.mjs"
    out = home.folder / "issuer.out"
    out.touch()
    setting = {"port": port, "resource": resource, "kids": {"RS256": "k1"}, "modules": str(options.modules.parent)}
    child = subprocess.Popen(
        [options.node, str(script), json.dumps(setting)], stdin=subprocess.PIPE, stdout=out.open("w"),
        stderr=(options.out / "issuer.log").open("w"),
    )
    waits(child, out, "the authorization server")
    return child


def facts_of(home, options, url, issuer):
    """What is right: known from how the company was made, and the ids from the server's own answers to curl's like."""
    import urllib.request

    people = {}
    for name, handle in (("may", DANA), ("other", BEN)):
        stdio = [options.program, "serve", "--stdio", "--config", str(home.config)]
        if handle != DANA:
            stdio += ["--as", handle, "--reason", "client tests"]
        people[name] = {"token": home.kenward("tokens", "create", handle), "stdio": stdio}

    def call(name, arguments):
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        headers = {
            "authorization": f"Bearer {people['may']['token']}", "content-type": "application/json",
            "accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25",
        }
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return json.load(opener.open(request))["result"]["structuredContent"]

    rows, cursor = [], None
    while True:
        page = call("list_documents", {"source": "handbook"} | ({"cursor": cursor} if cursor else {}))
        rows += page["documents"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(rows) == NOTES + 3, f"{len(rows)} documents"

    def document(path):
        (row,) = [row for row in rows if row["path"] == path]
        return {"id": row["id"], "uri": row["uri"], "title": row["title"]}

    return {
        "url": url,
        "people": people,
        "canary": CANARY,
        "query": f"{CANARY} expense reports",
        "source": "handbook",
        "forbidden": document("finance/salaries.md"),
        "shared": document("travel.md"),
        "tools": ["search", "fetch", "list_sources", "list_documents", "verify_quote"],
        "prompts": ["answer_with_citations", "compare_documents"],
        "templates": ["kb://document/{id}", "kb://document/{id}/passage/{n}", "kb://source/{name}"],
        # The source itself is a resource.
        "resources": NOTES + 4,
        "page": 100,
        "change": [sys.executable, str(HERE / "run.py"), "change", str(home.folder), options.program],
        "modules": str(options.modules),
        "node": options.node,
        "home": str(home.folder),
        "oauth": {
            "url": url, "issuer": issuer, "client": "agent-one", "subject": "dana-8f3a",
            "redirect": "http://127.0.0.1:9/callback", "scope": "openid kb:read",
        },
    }


def drive(options, home, facts):
    python, python1 = options.python / "bin/python", options.python_mcp1 / "bin/python"
    drivers = [
        ("python_mcp.py", python), ("typescript_client.mjs", options.node), ("typescript_sdk.mjs", options.node),
        ("inspector.mjs", options.node), ("mcp_remote.mjs", options.node), ("langchain_adapters.py", python1),
        ("openai_agents.py", python), ("openai_agents.py", python1),
    ]
    # No client finds a file of the person who runs this, or a proxy.
    environment = {
        **os.environ, "KENWARD_FACTS": json.dumps(facts), "HOME": str(home.folder / "nobody"), "NO_PROXY": "*",
        "no_proxy": "*", "PYTHONDONTWRITEBYTECODE": "1", "MCP_REMOTE_CONFIG_DIR": str(home.folder / "nobody/mcp-remote"),
        "KENWARD_CONFIG": str(home.config), "OPENAI_AGENTS_DISABLE_TRACING": "1",
    }
    (home.folder / "nobody").mkdir()
    lines = []
    for name, runtime in drivers:
        if options.only not in name:
            continue
        started = time.monotonic()
        log = options.out / f"{name}-{Path(runtime).parent.parent.name}.log"
        with log.open("w") as errors:
            command = [str(runtime), str(HERE / name)]
            try:
                ran = subprocess.run(
                    command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=300
                )
                said, code = ran.stdout, ran.returncode
            except subprocess.TimeoutExpired as late:
                said, code = (late.stdout or b"").decode(), "no end in 300 s"
        found = [json.loads(line) for line in said.splitlines() if line.startswith('{"client"')]
        lines += found
        if code != 0 or not found:
            lines.append({"client": name, "version": "", "protocol": "", "transport": "", "capability": "list",
                          "ok": False, "detail": f"the driver ended with {code}; see {log.name}"})
        print(f"{name}: {len(found)} cells in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return lines


def report(options, lines):
    (options.out / "matrix.json").write_text(json.dumps(lines, indent=1, ensure_ascii=False) + "\n")
    rows, notes = {}, []
    # Rows of one client may have been made together.
    clients = [line["client"] for line in lines]
    lines.sort(key=lambda line: (clients.index(line["client"]), line["version"], line["protocol"] != "2026-07-28", line["transport"]))
    for line in lines:
        key = (line["client"], line["version"], line["protocol"], line["transport"])
        row, ok, detail = rows.setdefault(key, {}), line["ok"], line["detail"]
        if ok is None:
            kind, _, why = detail.partition(": ")
            # What the server does not offer is the same for all.
            whose = "" if kind == "not offered" else f"{line['client']}, "
            note = f"{whose}{line['capability']}: {detail}"
            if note not in notes:
                notes.append(note)
            word = f"{kind} [{notes.index(note) + 1}]"
        else:
            word = "yes" if ok else "**NO**"
        if row.get(line["capability"]) != "**NO**":
            row[line["capability"]] = word
    print("| client | version | protocol | over | " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * (4 + len(COLUMNS)))
    for key, row in rows.items():
        print("| " + " | ".join(key) + " | " + " | ".join(row.get(column, "**NO**") for column in COLUMNS) + " |")
    print()
    for n, note in enumerate(notes, 1):
        print(f"{n}. {note}")
    failed = [line for line in lines if line["ok"] is False]
    # A cell that nobody filled is a failure, not a gap.
    missing = [(key, column) for key, row in rows.items() for column in COLUMNS if column not in row]
    for line in failed:
        where = f"{line['client']} {line['protocol']} {line['transport']}"
        print(f"failed: {where}, {line['capability']}: {line['detail']}", file=sys.stderr)
    for key, column in missing:
        print(f"failed: {' '.join(key)}, {column}: nothing was said of it", file=sys.stderr)
    passed = sum(line["ok"] is True for line in lines)
    print(f"\n{passed} cells pass, {len(failed) + len(missing)} fail, {sum(line['ok'] is None for line in lines)} are not there to be tried")
    return 1 if failed or missing or not rows else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["change"]:
        Home(sys.argv[2], sys.argv[3]).change()
    else:
        sys.exit(main())
