"""What the peers share: the protocol, the clock, and the pages, cut as one would cut them in a plain pipeline.

A peer reads one JSON object a line (`{"do": name, ...}`) and answers each with one line of JSON. What libraries print
goes to standard error: standard output is the protocol's alone. Nothing here may reach the network.
"""

import json
import os
import re
import sys
import time

os.environ.update(HF_HUB_OFFLINE="1", ANONYMIZED_TELEMETRY="False", LANGSMITH_TRACING="false", TOKENIZERS_PARALLELISM="true")


def serve(**does):
    """Answers until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        asked = json.loads(line)
        answers.write(json.dumps(does[asked.pop("do")](**asked)) + "\n")
        answers.flush()


def memory():
    """MiB of this process: resident, its peak, and what of it is no mapped file."""
    with open("/proc/self/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    mib = lambda name: int(lines[name].split()[0]) / 1024
    return {"resident_mib": mib("VmRSS"), "peak_mib": mib("VmHWM"), "own_mib": mib("RssAnon")}


def disk(folder):
    """Bytes of a file, or of all files below."""
    if os.path.isfile(folder):
        return os.path.getsize(folder)
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)


class Stages:
    """Seconds by stage: `with stages("embed"): ...`, as often as one likes."""

    def __init__(self):
        self.seconds, self.begun, self.cpu = {}, time.perf_counter(), time.process_time()

    def __call__(self, name):
        self.name = name
        return self

    def __enter__(self):
        self.at = time.perf_counter()

    def __exit__(self, *_):
        self.seconds[self.name] = self.seconds.get(self.name, 0.0) + time.perf_counter() - self.at

    def told(self, **more):
        wall, cpu = time.perf_counter() - self.begun, time.process_time() - self.cpu
        return {"stages": self.seconds, "wall": wall, "cpu": cpu, **memory(), **more}


def model(folder, **more):
    """fastembed with its defaults; the model's files are in this folder, so nothing is fetched."""
    from fastembed import TextEmbedding

    return TextEmbedding("sentence-transformers/all-MiniLM-L6-v2", specific_model_path=folder, **more)


def files(folder):
    """Paths of all Markdown files below, in one order."""
    paths = (os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)
    return sorted(path for path in paths if path.endswith(".md"))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def cut(text, size=1000):
    """Markdown at its headings and then at about so many characters, at ends of lines."""
    chunks, body, fenced = [], "", False
    for line in text.splitlines(keepends=True):
        fenced ^= line.lstrip().startswith("```")
        if not fenced and re.match(r"#{1,6} ", line) and body.strip():
            chunks.append(body)
            body = ""
        body += line
        if len(body) >= size:
            chunks.append(body)
            body = ""
    return chunks + [body] if body.strip() else chunks
