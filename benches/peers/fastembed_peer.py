"""Python's fastembed on the same texts: its defaults (batches of 256, its own threads), the model from a folder.

Arguments: folder with model.onnx and the tokenizer, JSON list of texts, number of cores it may use.
Prints JSON: who, wall and CPU seconds, vectors.
"""

import json
import os
import sys
import time

folder, texts, cores = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])

from fastembed import TextEmbedding  # noqa: E402 (after the cores are chosen: its runtime counts them)
from importlib.metadata import version  # noqa: E402

with open(texts) as file:
    texts = json.load(file)
# Held to one core it must be told so: its runtime's threads choose their cores themselves, whatever the process may use.
threads = 1 if cores == 1 else None
model = TextEmbedding("sentence-transformers/all-MiniLM-L6-v2", specific_model_path=folder, threads=threads)
list(model.embed(texts[:1]))
wall, cpu = time.perf_counter(), time.process_time()
vectors = [vector.tolist() for vector in model.embed(texts)]
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
who = f"python fastembed {version('fastembed')}, onnxruntime {version('onnxruntime')}"
json.dump({"who": who, "wall": wall, "cpu": cpu, "vectors": vectors}, sys.stdout)
