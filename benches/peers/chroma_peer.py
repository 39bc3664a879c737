"""fastembed and Chroma, persistent, by its own client."""

import chromadb
from pipeline import NOBODY, READERS, Pipeline


class Chroma(Pipeline):
    def create(self, data):
        client = chromadb.PersistentClient(path=data)
        self.collection = client.create_collection("documents", embedding_function=None)

    def write(self, ids, texts, documents, vectors):
        beside = [{"document": document, "readers": READERS} for document in documents]
        self.collection.add(ids=ids, documents=texts, embeddings=vectors, metadatas=beside)

    def search(self, vector, count):
        found = self.collection.query(query_embeddings=[vector], n_results=count, where={"readers": READERS})
        return [beside["document"] for beside in found["metadatas"][0]]

    def restrict(self, document):
        ids = self.collection.get(where={"document": document}, include=[])["ids"]
        self.collection.update(ids=ids, metadatas=[{"readers": NOBODY}] * len(ids))


Chroma().serve()
