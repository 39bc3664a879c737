"""A LangChain pipeline as its tutorials have it: its Markdown splitter at 1,000 characters that overlap by 200, fastembed,
and Chroma through LangChain's store. Its documents are changed as a whole, and embedded again."""

import os

import peer
from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_text_splitters import Language, RecursiveCharacterTextSplitter
from pipeline import NOBODY, READERS, Pipeline


class Fast(Embeddings):
    """What LangChain's community package has for fastembed, with the model from a folder."""

    def __init__(self, model, stages):
        self.model, self.stages = model, stages

    def embed_documents(self, texts):
        with self.stages("embed"):
            return [vector.tolist() for vector in self.model.embed(texts)]

    def embed_query(self, text):
        return next(iter(self.model.query_embed(text))).tolist()


class LangChain(Pipeline):
    def index(self, folder, model, data):
        stages = peer.Stages()
        with stages("start"):
            self.model = peer.model(model)
            self.store = Chroma("documents", Fast(self.model, stages), persist_directory=data)
            splitter = RecursiveCharacterTextSplitter.from_language(Language.MARKDOWN, chunk_size=1000, chunk_overlap=200)
        paths, loaded = peer.files(folder), []
        for path in paths:
            with stages("read"):
                beside = {"document": os.path.relpath(path, folder), "readers": READERS}
                loaded.append(Document(page_content=peer.read(path), metadata=beside))
        with stages("cut"):
            chunks = splitter.split_documents(loaded)
        whole = peer.Stages()
        with whole("add"):
            for at in range(0, len(chunks), 5000):
                part = chunks[at : at + 5000]
                self.store.add_documents(part, ids=[str(at + number) for number in range(len(part))])
        stages.seconds["write"] = whole.seconds["add"] - stages.seconds["embed"]
        return stages.told(files=len(paths), chunks=len(chunks), characters=sum(len(c.page_content) for c in chunks))

    def search(self, vector, count):
        found = self.store.similarity_search_by_vector(vector.tolist(), k=count, filter={"readers": READERS})
        return [document.metadata["document"] for document in found]

    def restrict(self, document):
        had = self.store.get(where={"document": document})
        beside = {"document": document, "readers": NOBODY}
        changed = [Document(page_content=text, metadata=beside) for text in had["documents"]]
        self.store.update_documents(had["ids"], changed)


LangChain().serve()
