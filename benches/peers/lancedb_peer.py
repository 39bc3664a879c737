"""fastembed and LanceDB, without an index of the vectors: its default, an exact scan."""

import lancedb
from pipeline import NOBODY, READERS, Pipeline


class Lance(Pipeline):
    def create(self, data):
        self.database, self.table = lancedb.connect(data), None

    def write(self, ids, texts, documents, vectors):
        rows = [
            {"id": name, "text": text, "document": document, "readers": READERS, "vector": vector}
            for name, text, document, vector in zip(ids, texts, documents, vectors)
        ]
        if self.table is None:
            self.table = self.database.create_table("documents", rows)
        else:
            self.table.add(rows)

    def search(self, vector, count):
        where = f"readers = '{READERS}'"
        found = self.table.search(vector).where(where, prefilter=True).limit(count).to_list()
        return [row["document"] for row in found]

    def restrict(self, document):
        quoted = document.replace("'", "''")
        self.table.update(where=f"document = '{quoted}'", values={"readers": NOBODY})


Lance().serve()
