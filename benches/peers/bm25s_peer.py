"""How stock parts rank: bm25s (k1 0.9, b 0.4, Porter's stemmer), fastembed with its defaults, and both by a weighted sum.

Vectors are kept in a folder by what they are of. Texts are embedded by length and few at a time: the vectors are those of
the defaults, without the hours that padding to the longest of 256 takes.
"""

import gzip
import hashlib
import json
import os

import bm25s
import numpy as np
import peer
import Stemmer

# As many of each list as Kenward takes.
DEPTH = 400


def lines(path):
    with (gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz") else open(path, encoding="utf-8")) as file:
        return [json.loads(line) for line in file]


def embedded(texts, model, kept, of_queries):
    digest = hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:32]
    path = os.path.join(kept, f"fastembed-{digest}.npy")
    if not os.path.exists(path):
        embed = model().query_embed if of_queries else lambda some: model().embed(some, batch_size=8)
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        vectors = np.zeros((len(texts), 384), dtype=np.float32)
        for at, vector in zip(order, embed([texts[at] for at in order])):
            vectors[at] = vector
        np.save(path, vectors)
    return np.load(path)


def scaled(scores, best):
    """Scores of the best between 0 and 1; all others are 0."""
    out = np.zeros(len(scores), dtype=np.float64)
    least, most = scores[best].min(), scores[best].max()
    out[best] = (scores[best] - least) / (most - least) if most > least else 1.0
    return out


def rank(folder, model, kept):
    """Numbers of documents by query, the best first, for each way."""
    made = []

    def once():
        if not made:
            made.append(peer.model(model))
        return made[0]

    corpus = [" ".join((page.get("title", ""), page["text"])).strip() for page in lines(os.path.join(folder, "corpus.jsonl.gz"))]
    queries = [query["text"] for query in lines(os.path.join(folder, "queries.jsonl"))]
    stemmer = Stemmer.Stemmer("porter")
    tokens = lambda texts: bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False)
    index = bm25s.BM25(k1=0.9, b=0.4)
    index.index(tokens(corpus), show_progress=False)
    asked = bm25s.tokenize(queries, stopwords="en", stemmer=stemmer, show_progress=False, return_ids=False)
    documents, vectors = embedded(corpus, once, kept, False), embedded(queries, once, kept, True)
    ways = {"bm25s": [], "fastembed": [], "both": []}
    for words, vector in zip(asked, vectors):
        lexical = index.get_scores(words) if words else np.zeros(len(corpus))
        dense = documents @ vector
        top = lambda scores: np.argsort(-scores, kind="stable")[:DEPTH]
        best = top(lexical)
        best = best[lexical[best] > 0]
        near = top(dense)
        fused = (0.4 * scaled(lexical, best) if len(best) else 0.0) + 0.6 * scaled(dense, near)
        ways["bm25s"].append(best.tolist())
        ways["fastembed"].append(near.tolist())
        ways["both"].append(top(fused).tolist())
    return ways


peer.serve(rank=rank)
