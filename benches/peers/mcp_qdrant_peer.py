"""The store of mcp-server-qdrant, in Qdrant's local mode: one entry after another, as its tool takes them. It has no
notion of taking away: entries are neither changed nor deleted by its tools. The protocol around it is left out, kindly."""

import asyncio
import os
import time

import peer
from mcp_server_qdrant.embeddings.fastembed import FastEmbedProvider
from mcp_server_qdrant.qdrant import Entry, QdrantConnector
from pipeline import READERS, Pipeline
from qdrant_client import models


class Timed:
    """The model, with the time that it takes for entries."""

    def __init__(self, model, stages):
        self.model, self.stages = model, stages

    def __getattr__(self, name):
        return getattr(self.model, name)

    def passage_embed(self, texts):
        with self.stages("embed"):
            return list(self.model.passage_embed(texts))


class McpQdrant(Pipeline):
    def create(self, data, stages):
        # Its constructor would fetch the model; ours is in a folder.
        provider = FastEmbedProvider.__new__(FastEmbedProvider)
        provider.model_name, provider.embedding_model = self.model.model_name, Timed(self.model, stages)
        self.loop = asyncio.new_event_loop()
        self.connector = QdrantConnector(None, None, "documents", provider, qdrant_local_path=data)

    def index(self, folder, model, data):
        stages, embeds, whole = peer.Stages(), peer.Stages(), peer.Stages()
        with stages("start"):
            self.model = peer.model(model)
            self.create(data, embeds)
        count, characters, paths = 0, 0, peer.files(folder)
        for path in paths:
            with stages("read"):
                text = peer.read(path)
            with stages("cut"):
                chunks = peer.cut(text)
            beside = {"document": os.path.relpath(path, folder), "readers": READERS}
            with whole("store"):
                for chunk in chunks:
                    self.loop.run_until_complete(self.connector.store(Entry(content=chunk, metadata=beside)))
            count, characters = count + len(chunks), characters + sum(map(len, chunks))
        stages.seconds |= embeds.seconds
        stages.seconds["write"] = whole.seconds["store"] - embeds.seconds["embed"]
        return stages.told(files=len(paths), chunks=count, characters=characters)

    def query(self, texts):
        search = []
        allowed = models.Filter(must=[models.FieldCondition(key="metadata.readers", match=models.MatchValue(value=READERS))])
        for text in texts:
            begun = time.perf_counter()
            self.loop.run_until_complete(self.connector.search(text, limit=10, query_filter=allowed))
            search.append((time.perf_counter() - begun) * 1e3)
        return {"embed_ms": [0.0] * len(texts), "search_ms": search}

    def revoke(self, document, text):
        return None


McpQdrant().serve()
