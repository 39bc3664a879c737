//! The engines' side of the outbox: apply in order, commit with the position, start anew what is
//! lost. An engine may lag behind the catalog or have lost everything; it must never be believed
//! about what is published or whose it is.

use crate::catalog::{Readers, content, outbox};
use crate::error::VaultError;
use crate::published::Vectors;
use crate::text::TextStore;
use kenward_access::ids::{ChunkNo, DocNo};
use kenward_access::untrusted::{UntrustedText, expose_for_indexing};
use kenward_indexes::embedding::{Embedder, EmbeddingSpace, Sizer};
use kenward_indexes::lexical::{ChunkText, LexicalIndex};
use kenward_indexes::vector::{Engine, VectorError, VectorIndex, salvage_flat, surviving_flat, verify_flat};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What of the vectors' folder is not of their last commit: half a manifest, and what a cluster knows the folder by.
const NOT_BACKED_UP: [&str; 2] = ["manifest.new", "mirror.name"];

/// How many outbox rows are in memory at once.
const BATCH: u32 = 32;

/// Both engines, opened for writing.
pub(crate) struct Engines {
    lexical_dir: PathBuf,
    vectors_dir: PathBuf,
    lexical: LexicalIndex,
    vectors: Option<Box<dyn VectorIndex>>,
    space: Option<EmbeddingSpace>,
    /// What keeps them.
    engine: Engine,
    /// Of the space of the vectors, for queries.
    embedder: Option<Arc<dyn Embedder>>,
    /// A write failed; what was not committed is forgotten by opening them again.
    broken: bool,
    /// While the folder is being opened: a lexical index that cannot be written is built anew, once.
    /// Later such an error is told to whoever writes, and the next opening heals it.
    opening: bool,
}

/// Which engines had to start anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) lexical: bool,
    pub(crate) vectors: bool,
}

impl Engines {
    /// Opens both. `applied` is the position up to which the catalog has forgotten outbox rows,
    /// `last` the last one it ever gave out: an engine outside of these bounds is not of this
    /// catalog's past, and starts anew.
    pub(crate) fn open(
        (lexical_dir, vectors_dir): (PathBuf, PathBuf),
        space: Option<EmbeddingSpace>,
        embedder: Option<Arc<dyn Embedder>>,
        engine: Engine,
        (applied, last): (u64, u64),
    ) -> Result<(Self, Lost), VaultError> {
        let fits = |position: u64| (applied..=last).contains(&position);
        let mut lost = Lost { lexical: false, vectors: false };
        let lexical = match open_lexical(&lexical_dir) {
            Ok(lexical) if fits(lexical.position()) => lexical,
            Err(error @ VaultError::DiskFull { .. }) => return Err(error),
            Ok(_) | Err(_) => {
                lost.lexical = true;
                empty(&lexical_dir)?;
                open_lexical(&lexical_dir)?
            }
        };
        let vectors = match space.as_ref().map(|space| open_vectors(&vectors_dir, space, &engine)) {
            None => None,
            Some(Ok(vectors)) if fits(vectors.position()) => Some(vectors),
            Some(Err(error @ VaultError::DiskFull { .. })) => return Err(error),
            // INVARIANT: vectors that are only out of reach are not thrown away.
            Some(Err(error)) if error.is_of_the_system() => return Err(error),
            Some(Ok(_) | Err(_)) => {
                lost.vectors = true;
                empty(&vectors_dir)?;
                space.as_ref().map(|space| open_vectors(&vectors_dir, space, &engine)).transpose()?
            }
        };
        let engines = Self {
            lexical_dir,
            vectors_dir,
            lexical,
            vectors,
            space,
            engine,
            embedder,
            broken: false,
            opening: true,
        };
        Ok((engines, lost))
    }

    /// What keeps vectors.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// How many vectors there are.
    pub(crate) fn vector_count(&self) -> u64 {
        self.vectors.as_ref().map_or(0, |v| v.snapshot().len() as u64)
    }

    /// The files of the vectors' last commit, open, each with the length that it has now: they are only appended to,
    /// replaced or removed, so what was read through these stays of this commit.
    pub(crate) fn vector_files(&self) -> Result<Vec<(String, fs::File, u64)>, VaultError> {
        let dir = &self.vectors_dir;
        if self.vectors.is_none() {
            return Ok(Vec::new());
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(dir).map_err(VaultError::io("listing", dir))? {
            let entry = entry.map_err(VaultError::io("listing", dir))?;
            let (path, name) = (entry.path(), entry.file_name());
            let Some(name) = name.to_str().filter(|name| !NOT_BACKED_UP.contains(name)) else { continue };
            let file = fs::File::open(&path).map_err(VaultError::io("opening", &path))?;
            let length = file.metadata().map_err(VaultError::io("reading", &path))?.len();
            files.push((name.to_owned(), file, length));
        }
        files.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(files)
    }

    /// The lexical snapshot.
    pub(crate) fn lexical_snapshot(&self) -> Result<kenward_indexes::lexical::LexicalSearcher, VaultError> {
        Ok(self.lexical.searcher()?)
    }

    /// The vector snapshot; only where a question can be embedded too.
    pub(crate) fn vector_snapshot(&self) -> Option<Vectors> {
        let embedder = Arc::clone(self.embedder.as_ref()?);
        self.vectors.as_ref().map(|v| Vectors { embedder, snapshot: v.snapshot() })
    }

    /// From now on these vectors, which lie in `dir`, and the embedder of their space. Gives the folder of those
    /// that they replace.
    pub(crate) fn switch(
        &mut self,
        dir: PathBuf,
        vectors: Box<dyn VectorIndex>,
        embedder: Arc<dyn Embedder>,
    ) -> PathBuf {
        self.space = Some(embedder.space().clone());
        self.vectors = Some(vectors);
        self.embedder = Some(embedder);
        std::mem::replace(&mut self.vectors_dir, dir)
    }

    /// Builds the lexical index from catalog and text, as of `position`.
    pub(crate) fn rebuild_lexical(
        &mut self,
        readers: &Readers,
        text: &TextStore,
        position: u64,
    ) -> Result<(), VaultError> {
        for row in content::indexed_rows(readers)? {
            self.index(readers, text, row)?;
        }
        self.lexical.commit(position).map_err(|e| VaultError::from(e).or_full(&self.lexical_dir))
    }

    /// States that an emptied vector index is as of `position`.
    pub(crate) fn restart_vectors(&mut self, position: u64) -> Result<(), VaultError> {
        match &mut self.vectors {
            Some(vectors) => {
                vectors.commit(position).map_err(|e| VaultError::from(e).or_full(&self.vectors_dir))
            }
            None => Ok(()),
        }
    }

    /// Tells the engines everything the outbox holds, durably. Gives the position reached.
    pub(crate) fn apply(&mut self, readers: &Readers, text: &TextStore) -> Result<u64, VaultError> {
        if self.broken {
            self.reopen()?;
        }
        // Whatever stops this half-way, the engines are opened again from their last commit.
        self.broken = true;
        let position = match self.apply_rows(readers, text) {
            Err(VaultError::Lexical(error)) if self.opening => {
                self.opening = false;
                tracing::warn!(%error, "the lexical index cannot be written; it is built anew from catalog and text");
                self.reopen()?;
                self.restart_lexical(readers, text)?;
                self.apply_rows(readers, text)?
            }
            applied => applied?,
        };
        self.broken = false;
        Ok(position)
    }

    /// The folder is open: from here on errors are told.
    pub(crate) fn opened(&mut self) {
        self.opening = false;
    }

    /// Empties the lexical index and builds it again, as of what the outbox has forgotten.
    pub(crate) fn restart_lexical(&mut self, readers: &Readers, text: &TextStore) -> Result<(), VaultError> {
        // INVARIANT: whatever stops this, the next opening finds an index that is older than what the
        // outbox has forgotten, and starts anew, or an outbox that still holds everything.
        let applied = outbox::applied(readers)?;
        empty(&self.lexical_dir)?;
        self.lexical = open_lexical(&self.lexical_dir)?;
        self.rebuild_lexical(readers, text, applied)
    }

    /// Reads every byte of the vectors' files; what is not what was written, in words.
    pub(crate) fn verify_vectors(&self) -> Result<Option<String>, VaultError> {
        let (Some(_), Some(dimension)) = (&self.vectors, self.space.as_ref().map(|s| s.dimension)) else {
            return Ok(None);
        };
        match verify_flat(&self.vectors_dir, dimension) {
            Ok(()) => Ok(None),
            Err(error @ VectorError::Damaged { .. }) => Ok(Some(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// The passages whose vectors are what was written; none where not even that can be said.
    pub(crate) fn surviving_vectors(&self) -> Result<roaring::RoaringBitmap, VaultError> {
        let Some(dimension) = self.space.as_ref().map(|space| space.dimension) else {
            return Ok(roaring::RoaringBitmap::new());
        };
        match surviving_flat(&self.vectors_dir, dimension) {
            Ok(chunks) => Ok(chunks.into_iter().map(|chunk| chunk.0).collect()),
            Err(VectorError::Damaged { .. }) => Ok(roaring::RoaringBitmap::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets go of vectors that are damaged, and of no others.
    pub(crate) fn salvage_vectors(&mut self) -> Result<(), VaultError> {
        let Some(dimension) = self.space.as_ref().map(|space| space.dimension) else { return Ok(()) };
        self.vectors = None;
        let salvaged = salvage_flat(&self.vectors_dir, dimension);
        self.reopen()?;
        Ok(salvaged?)
    }

    /// Loses passages from both engines.
    #[cfg(test)]
    pub(crate) fn forget_for_test(&mut self, chunks: &[ChunkNo]) {
        let position = self.lexical.position();
        chunks.iter().for_each(|chunk| self.lexical.delete(*chunk));
        self.lexical.commit(position).unwrap();
        self.vectors.as_mut().unwrap().delete(chunks).unwrap();
        self.restart_vectors(position).unwrap();
    }

    /// Empties the vectors, as of `position`.
    pub(crate) fn empty_vectors(&mut self, position: u64) -> Result<(), VaultError> {
        self.vectors = None;
        empty(&self.vectors_dir)?;
        self.reopen()?;
        self.restart_vectors(position)
    }

    /// Drops vectors that nothing names.
    pub(crate) fn drop_vectors(&mut self, stray: &roaring::RoaringBitmap) -> Result<(), VaultError> {
        let Some(vectors) = self.vectors.as_mut().filter(|_| !stray.is_empty()) else { return Ok(()) };
        let position = vectors.position();
        vectors.delete(&stray.iter().map(ChunkNo).collect::<Vec<_>>())?;
        self.restart_vectors(position)
    }

    fn apply_rows(&mut self, readers: &Readers, text: &TextStore) -> Result<u64, VaultError> {
        let lexical_from = self.lexical.position();
        let vectors_from = self.vectors.as_ref().map_or(u64::MAX, |v| v.position());
        let mut position = lexical_from.min(vectors_from);
        let start = position;
        loop {
            let rows = outbox::after(readers, position, BATCH)?;
            for row in &rows {
                if row.position > lexical_from {
                    self.apply_lexical(readers, text, row)?;
                }
                if row.position > vectors_from {
                    self.apply_vectors(row)?;
                }
                position = row.position;
            }
            if rows.is_empty() {
                break;
            }
        }
        if position > start {
            if position > lexical_from {
                self.lexical.commit(position).map_err(|e| VaultError::from(e).or_full(&self.lexical_dir))?;
            }
            if position > vectors_from {
                self.restart_vectors(position)?;
            }
        }
        Ok(position)
    }

    fn apply_lexical(
        &mut self,
        readers: &Readers,
        text: &TextStore,
        row: &outbox::Row,
    ) -> Result<(), VaultError> {
        match row.kind {
            outbox::PUT => self.index(readers, text, row.version),
            _ => {
                for chunk in chunks(row) {
                    self.lexical.delete(chunk);
                }
                Ok(())
            }
        }
    }

    fn apply_vectors(&mut self, row: &outbox::Row) -> Result<(), VaultError> {
        let (Some(vectors), Some(space)) = (&mut self.vectors, &self.space) else { return Ok(()) };
        let result = match (row.kind, &row.vectors) {
            (outbox::PUT, Some(blob)) => {
                let rows: Vec<(ChunkNo, Vec<f32>)> =
                    chunks(row).zip(blob.chunks_exact(space.dimension * 4).map(numbers)).collect();
                vectors.append(&rows)
            }
            (outbox::PUT, None) => Ok(()),
            _ => vectors.delete(&chunks(row).collect::<Vec<_>>()),
        };
        result.map_err(|e| VaultError::from(e).or_full(&self.vectors_dir))
    }

    #[expect(clippy::disallowed_methods, reason = "text goes into the index here")]
    fn index(&mut self, readers: &Readers, text: &TextStore, version: i64) -> Result<(), VaultError> {
        let Some(found) = content::indexable(readers, version)? else { return Ok(()) };
        // Not there: replaced or removed since, and the row that says so follows; or lost. What is lost
        // or damaged must not keep the rest from being found: the next look for lost texts marks it, and
        // the next run of its source brings it back.
        let Some(mut reader) = whole(text.reader(&found.text))?.flatten() else { return Ok(()) };
        for chunk in &found.chunks {
            let Some(body) = whole(reader.span(chunk.span.0..chunk.span.1))? else { continue };
            let text = ChunkText {
                chunk: chunk.no,
                language: found.language.as_deref(),
                title: &found.title,
                headings: &chunk.headings.join("\n"),
                body: expose_for_indexing(&body),
            };
            self.lexical.add(text).map_err(|e| VaultError::from(e).or_full(&self.lexical_dir))?;
        }
        Ok(())
    }

    /// The lexical engine forgets by itself what a failed write left; everything in the outbox is
    /// then told again, which changes nothing where it had arrived.
    fn reopen(&mut self) -> Result<(), VaultError> {
        self.vectors = None;
        let (dir, engine) = (&self.vectors_dir, &self.engine);
        self.vectors = self.space.as_ref().map(|space| open_vectors(dir, space, engine)).transpose()?;
        Ok(())
    }
}

/// What is embedded of a stored chunk: the same as when it first came.
#[expect(clippy::disallowed_methods, reason = "text goes into the embedder here")]
pub(crate) fn embedding_input(
    sizer: &Sizer,
    title: &str,
    headings: &[String],
    body: &UntrustedText,
) -> String {
    sizer.input(title, headings, expose_for_indexing(body))
}

/// What was read of a stored text; `None` if it is damaged, which the text store has noted.
pub(crate) fn whole<T>(read: Result<T, VaultError>) -> Result<Option<T>, VaultError> {
    match read {
        Err(VaultError::Damaged { .. }) => Ok(None),
        read => read.map(Some),
    }
}

/// The chunks of an outbox row.
pub(crate) fn chunks(row: &outbox::Row) -> impl Iterator<Item = ChunkNo> + use<> {
    (row.first..row.first.saturating_add(row.count)).map(ChunkNo)
}

/// The documents that rows say are gone.
pub(crate) fn gone(rows: &[outbox::Row]) -> impl Iterator<Item = DocNo> + '_ {
    rows.iter().filter(|r| r.kind == outbox::GONE).map(|r| r.document)
}

/// Vectors as the outbox keeps them.
pub(crate) fn blob<'a>(vectors: impl Iterator<Item = &'a Vec<f32>>) -> Vec<u8> {
    vectors.flat_map(|v| v.iter().flat_map(|n| n.to_le_bytes())).collect()
}

fn numbers(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).filter_map(|b| b.try_into().ok()).map(f32::from_le_bytes).collect()
}

fn open_lexical(dir: &Path) -> Result<LexicalIndex, VaultError> {
    make(dir)?;
    LexicalIndex::open(dir).map_err(|e| VaultError::from(e).or_full(dir))
}

pub(crate) fn open_vectors(
    dir: &Path,
    space: &EmbeddingSpace,
    engine: &Engine,
) -> Result<Box<dyn VectorIndex>, VaultError> {
    make(dir)?;
    engine.open(dir, space).map_err(|e| VaultError::from(e).or_full(dir))
}

fn make(dir: &Path) -> Result<(), VaultError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(VaultError::io("making", dir))
}

/// Empties an engine's folder.
pub(crate) fn empty(dir: &Path) -> Result<(), VaultError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(VaultError::io("emptying", dir)(error))
        }
        _ => Ok(()),
    }
}
