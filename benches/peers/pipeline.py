"""A plain pipeline: read, cut, embed with fastembed's defaults, write to a store with who may read each chunk beside it.

A store says how it is made, written, asked and changed. Every chunk has one reader, a word: rights in their simplest form,
the kindest to the store. What is imported and started before `index` is not counted.
"""

import os
import time

import peer

READERS, NOBODY = "staff", "nobody"


class Pipeline:
    def index(self, folder, model, data):
        stages = peer.Stages()
        with stages("start"):
            self.model = peer.model(model)
            self.create(data)
        texts, documents, paths = [], [], peer.files(folder)
        for path in paths:
            with stages("read"):
                text = peer.read(path)
            with stages("cut"):
                chunks = peer.cut(text)
                texts += chunks
                documents += [os.path.relpath(path, folder)] * len(chunks)
        with stages("embed"):
            vectors = list(self.model.embed(texts))
        with stages("write"):
            ids = [str(number) for number in range(len(texts))]
            # As many at once as the strictest of the stores takes.
            for at in range(0, len(texts), 5000):
                part = slice(at, at + 5000)
                self.write(ids[part], texts[part], documents[part], vectors[part])
        return stages.told(files=len(paths), chunks=len(texts), characters=sum(map(len, texts)))

    def query(self, texts):
        """Milliseconds of each question: its vector, and the search of what staff may read."""
        embed, search = [], []
        for text in texts:
            begun = time.perf_counter()
            vector = self.embedded(text)
            at = time.perf_counter()
            self.search(vector, 10)
            embed.append((at - begun) * 1e3)
            search.append((time.perf_counter() - at) * 1e3)
        return {"embed_ms": embed, "search_ms": search}

    def embedded(self, text):
        return next(iter(self.model.query_embed(text)))

    def revoke(self, document, text):
        """Takes a document from its readers. Hits of it before and afterwards, for a question in its own words."""
        vector = self.embedded(text)
        found = lambda: self.search(vector, 10).count(document)
        before = found()
        begun = time.perf_counter()
        self.restrict(document)
        acknowledged = time.perf_counter() - begun
        after = found()
        return {"before": before, "after": after, "seconds": acknowledged, "seen_seconds": time.perf_counter() - begun}

    def serve(self):
        peer.serve(index=self.index, query=self.query, revoke=self.revoke)
