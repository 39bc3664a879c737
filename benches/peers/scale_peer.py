"""Stock tantivy beside a graph of vectors, over the same chunks: by a filter (faiss, whose HNSW takes a bitmap; a short list
of what may be seen is scanned instead), and by dropping what may not be seen from ten times as many (usearch). Only the
engines' calls are timed; chunk numbers are looked up and lists are joined outside of that.

Folder: chunks.jsonl, vectors.f32 (384 a row), queries.json, queries.f32, and NAME.sight, the numbers of the chunks that one
caller sees (u32). What is built goes to `built/` of it.
"""

import json
import os
import re
import time

import faiss
import numpy as np
import tantivy
from usearch.index import Index, MetricKind

import peer

DIMENSION, WIDTH, BUILD, SEARCH = 384, 16, 128, 64
# Of each list, under a filter; and how many times ten are fetched without one.
DEPTH, OVER = 100, 10
# Bytes of visible vectors up to which a list of them is scanned instead of the graph: Qdrant's default.
SCANNED = 10_000 * 1024


class Scale:
    def data(self, folder):
        self.folder, self.built = folder, os.path.join(folder, "built")
        path = os.path.join(folder, "vectors.f32")
        self.vectors = np.memmap(path, dtype=np.float32, mode="r").reshape(-1, DIMENSION)
        self.sights = sorted(name[: -len(".sight")] for name in os.listdir(folder) if name.endswith(".sight"))

    def sight(self, name):
        return np.fromfile(os.path.join(self.folder, name + ".sight"), dtype=np.uint32)

    def questions(self):
        return np.fromfile(os.path.join(self.folder, "queries.f32"), dtype=np.float32).reshape(-1, DIMENSION)

    def schema(self):
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("title", tokenizer_name="en_stem")
        builder.add_text_field("body", tokenizer_name="en_stem")
        builder.add_text_field("readers", tokenizer_name="raw", index_option="basic")
        builder.add_unsigned_field("chunk", fast=True)
        return builder.build()

    def build(self, folder, first, last, threads):
        """Adds the chunks first..last to what there is."""
        self.data(folder)
        stages, text = peer.Stages(), os.path.join(self.built, "tantivy")
        os.makedirs(text, exist_ok=True)
        sees = np.zeros(last, dtype=np.uint32)
        for bit, name in enumerate(self.sights):
            sees[self.sight(name)] |= np.uint32(1 << bit)
        with stages("tantivy"):
            index = tantivy.Index(self.schema(), path=text)
            writer = index.writer(heap_size=200_000_000, num_threads=1)
            with open(os.path.join(folder, "chunks.jsonl"), encoding="utf-8") as lines:
                for number, line in enumerate(lines):
                    if first <= number < last:
                        writer.add_document(self.document(number, json.loads(line), int(sees[number])))
            writer.commit()
            writer.wait_merging_threads()
        new = np.ascontiguousarray(self.vectors[first:last])
        path = os.path.join(self.built, "faiss")
        with stages("faiss"):
            faiss.omp_set_num_threads(threads)
            graph = faiss.read_index(path) if first else faiss.IndexHNSWFlat(DIMENSION, WIDTH, faiss.METRIC_INNER_PRODUCT)
            graph.hnsw.efConstruction = BUILD
            graph.add(new)
            faiss.write_index(graph, path)
        del graph
        path = os.path.join(self.built, "usearch")
        with stages("usearch"):
            options = dict(ndim=DIMENSION, metric=MetricKind.IP, dtype="f32", connectivity=WIDTH, expansion_add=BUILD)
            graph = Index(**options, expansion_search=SEARCH)
            if first:
                graph.load(path)
            graph.add(np.arange(first, last, dtype=np.uint64), new, threads=threads)
            graph.save(path)
        disk = {name: peer.disk(os.path.join(self.built, name)) for name in ("tantivy", "faiss", "usearch")}
        return stages.told(disk=disk)

    def document(self, number, chunk, sees):
        document = tantivy.Document()
        document.add_unsigned("chunk", number)
        document.add_text("title", chunk["title"])
        document.add_text("body", chunk["text"])
        for bit, name in enumerate(self.sights):
            if sees >> bit & 1:
                document.add_text("readers", name)
        return document

    def open(self, folder):
        self.data(folder)
        faiss.omp_set_num_threads(1)
        stages, held = peer.Stages(), [peer.memory()["own_mib"]]
        with stages("tantivy"):
            self.index = tantivy.Index.open(os.path.join(self.built, "tantivy"))
            self.searcher = self.index.searcher()
        held.append(peer.memory()["own_mib"])
        with stages("faiss"):
            self.filtered = faiss.read_index(os.path.join(self.built, "faiss"))
        held.append(peer.memory()["own_mib"])
        with stages("usearch"):
            self.graph = Index.restore(os.path.join(self.built, "usearch"), view=False)
            self.graph.expansion_search = SEARCH
        held.append(peer.memory()["own_mib"])
        with open(os.path.join(folder, "queries.json")) as file:
            self.texts = json.load(file)
        self.asked = self.questions()
        held = {name: after - before for name, before, after in zip(("tantivy", "faiss", "usearch"), held, held[1:])}
        return stages.told(segments=self.searcher.num_segments, held_mib=held)

    def query(self, sight):
        """All queries as one caller, both ways: CPU and wall milliseconds, answers, and the vectors' ten best."""
        seen = self.sight(sight)
        bits = np.zeros(len(self.vectors), dtype=bool)
        bits[seen] = True
        if len(seen) * 4 * DIMENSION <= SCANNED:
            near_of = faiss.downcast_index(self.filtered.storage)
            chosen = faiss.IDSelectorArray(seen.astype(np.int64))
            parameters = faiss.SearchParameters(sel=chosen)
        else:
            near_of = self.filtered
            chosen = faiss.IDSelectorBitmap(np.packbits(bits, bitorder="little"))
            parameters = faiss.SearchParametersHNSW(sel=chosen, efSearch=SEARCH)
        readers = tantivy.Query.const_score_query(tantivy.Query.term_query(self.index.schema, "readers", sight, "basic"), 0.0)
        must = tantivy.Occur.Must
        filtered, after = Way(), Way()
        for text, vector in zip(self.texts, self.asked):
            plain = self.index.parse_query_lenient(" ".join(re.findall(r"\w+", text)), ["title", "body"])[0]
            within = tantivy.Query.boolean_query([(must, plain), (must, readers)])
            row = vector[None, :]
            for _ in range(2):  # The second is measured: everybody's memory is warm.
                with filtered:
                    words = self.searcher.search(within, DEPTH, count=False)
                    scores, numbers = near_of.search(row, DEPTH, params=parameters)
            near = [(int(n), float(s)) for n, s in zip(numbers[0], scores[0]) if n >= 0]
            filtered.take(self.numbers(words), near)
            for _ in range(2):
                with after:
                    words = self.searcher.search(plain, OVER * 10, count=False)
                    found = self.graph.search(vector, OVER * 10, threads=1)
            keep = lambda pairs: [pair for pair in pairs if bits[pair[0]]]
            near = [(int(n), 1.0 - float(d)) for n, d in zip(found.keys, found.distances)]
            after.take(keep(self.numbers(words)), keep(near))
        return {"filter": filtered.told(), "after": after.told()}

    def numbers(self, result):
        hits = result.hits
        chunks = self.searcher.fast_field_values("chunk", [address for _, address in hits])
        return [(int(chunk), score) for chunk, (score, _) in zip(chunks, hits)]

    def exact(self, folder, sight):
        """The ten nearest of what the caller sees, by a plain product: what recall is measured against."""
        self.data(folder)
        seen, asked = self.sight(sight), self.questions()
        scores, best = np.empty((len(asked), 0), dtype=np.float32), np.empty((len(asked), 0), dtype=np.uint32)
        for part in np.array_split(seen, len(seen) // 100_000 + 1):
            scores = np.hstack([scores, asked @ self.vectors[part].T])
            best = np.hstack([best, np.broadcast_to(part, (len(asked), len(part)))])
            top = np.argpartition(-scores, min(10, scores.shape[1]) - 1, axis=1)[:, :10]
            scores, best = np.take_along_axis(scores, top, axis=1), np.take_along_axis(best, top, axis=1)
        return best.tolist()

    def memory(self):
        return peer.memory()


class Way:
    """One way of answering: times of the last try of each query, and what came."""

    def __init__(self):
        self.cpu, self.wall, self.answers, self.near = [], [], [], []

    def __enter__(self):
        self.at = (time.process_time_ns(), time.perf_counter_ns())

    def __exit__(self, *_):
        wall, cpu = time.perf_counter_ns() - self.at[1], time.process_time_ns() - self.at[0]
        self.last = (cpu / 1e6, wall / 1e6)

    def take(self, words, near):
        self.cpu.append(self.last[0])
        self.wall.append(self.last[1])
        self.near.append([number for number, _ in near[:10]])
        self.answers.append(fuse(words, near))

    def told(self):
        return {"cpu_ms": self.cpu, "wall_ms": self.wall, "answers": self.answers, "near": self.near}


def fuse(words, near):
    """The ten best by a weighted sum of both lists, each between 0 and 1; equals by their number."""
    joined = {}
    for pairs, weight in ((words, 0.4), (near, 0.6)):
        if pairs:
            least, most = min(s for _, s in pairs), max(s for _, s in pairs)
            for number, score in pairs:
                share = (score - least) / (most - least) if most > least else 1.0
                joined[number] = joined.get(number, 0.0) + weight * share
    return [number for number, _ in sorted(joined.items(), key=lambda pair: (-pair[1], pair[0]))[:10]]


if __name__ == "__main__":
    scale = Scale()
    peer.serve(build=scale.build, open=scale.open, query=scale.query, exact=scale.exact, memory=scale.memory)
