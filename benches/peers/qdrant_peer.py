"""fastembed and the local mode of Qdrant's Python client: it writes to SQLite and searches in memory, exactly."""

from pipeline import NOBODY, READERS, Pipeline
from qdrant_client import QdrantClient, models


def holds(name, value):
    return models.Filter(must=[models.FieldCondition(key=name, match=models.MatchValue(value=value))])


class Qdrant(Pipeline):
    def create(self, data):
        self.client = QdrantClient(path=data)
        vectors = models.VectorParams(size=384, distance=models.Distance.COSINE)
        self.client.create_collection("documents", vectors_config=vectors)

    def write(self, ids, texts, documents, vectors):
        points = [
            models.PointStruct(id=int(name), vector=vector.tolist(), payload={"text": text, "document": document, "readers": READERS})
            for name, text, document, vector in zip(ids, texts, documents, vectors)
        ]
        self.client.upsert("documents", points)

    def search(self, vector, count):
        found = self.client.query_points("documents", query=vector.tolist(), query_filter=holds("readers", READERS), limit=count)
        return [point.payload["document"] for point in found.points]

    def restrict(self, document):
        self.client.set_payload("documents", payload={"readers": NOBODY}, points=holds("document", document))


Qdrant().serve()
