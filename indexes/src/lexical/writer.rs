//! The one writer of the lexical index. It must never store text: a chunk becomes its number and
//! its terms.

use super::language::Language;
use super::snapshot::{LexicalSearcher, SegmentChunks};
use super::{ChunkText, LexicalError, analysis, wording};
use kenward_access::ids::ChunkNo;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use tantivy::directory::MmapDirectory;
use tantivy::indexer::IndexWriterOptions;
use tantivy::schema::{Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions};
use tantivy::{Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, TantivyDocument, Term};

/// Memory of the one indexing thread before it writes a segment.
const HEAP: usize = 48_000_000;

/// The fields, in the one order in which a chunk's score is summed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    pub chunk: Field,
    pub language: Field,
    pub text: [Field; 3],
    pub identifiers: Field,
    /// The two halves of a wording.
    pub wording: [Field; 2],
}

impl Fields {
    pub(super) const CHUNK: &'static str = "chunk";
    pub(super) const LANGUAGE: &'static str = "language";
    pub(super) const WORDING: [&'static str; 2] = ["wording", "wording_2"];

    fn schema() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let chunk = schema.add_u64_field(Self::CHUNK, NumericOptions::default().set_fast().set_indexed());
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(analysis::WORDS)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions)
            .set_fieldnorms(true);
        let options = TextOptions::default().set_indexing_options(indexing);
        let text = ["title", "headings", "body"].map(|name| schema.add_text_field(name, options.clone()));
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(analysis::IDENTIFIERS)
            .set_index_option(IndexRecordOption::WithFreqs)
            .set_fieldnorms(false);
        let options = TextOptions::default().set_indexing_options(indexing);
        let identifiers = schema.add_text_field("identifiers", options);
        let language = schema.add_u64_field(Self::LANGUAGE, NumericOptions::default().set_fast());
        let wording =
            Self::WORDING.map(|name| schema.add_u64_field(name, NumericOptions::default().set_fast()));
        (schema.build(), Self { chunk, language, text, identifiers, wording })
    }
}

/// The one writer of the index.
pub struct LexicalIndex {
    index: Index,
    fields: Fields,
    // None after a failed commit, until it is made again.
    writer: Option<IndexWriter>,
    /// A deletion could not be taken, so the next commit must fail instead of forgetting it.
    lost: bool,
    /// Something was added or deleted since the last commit.
    begun: bool,
    reader: IndexReader,
    position: u64,
    // What the last snapshot read of each segment; segments never change.
    segments: Mutex<Vec<Arc<SegmentChunks>>>,
}

impl LexicalIndex {
    /// Opens or creates the index in `dir`. An index of another version of the analyzer, or a
    /// damaged one, is an error: everything in it can be built again in an empty folder.
    ///
    /// # Errors
    /// [`LexicalError::Open`].
    pub fn open(dir: &Path) -> Result<Self, LexicalError> {
        Self::open_with(dir).map_err(LexicalError::Open)
    }

    fn open_with(dir: &Path) -> tantivy::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let (schema, fields) = Fields::schema();
        let directory = MmapDirectory::open(dir)?;
        let index = if Index::exists(&directory)? {
            Index::open(directory)?
        } else {
            Index::create(directory, schema.clone(), IndexSettings::default())?
        };
        if index.schema() != schema {
            return Err(tantivy::TantivyError::SchemaError("the index was built by other rules".to_owned()));
        }
        index.tokenizers().register(analysis::WORDS, analysis::Words);
        index.tokenizers().register(analysis::IDENTIFIERS, analysis::Identifiers);
        let position = match index.load_metas()?.payload {
            None => 0,
            Some(payload) => payload.parse().map_err(|_| {
                tantivy::TantivyError::InvalidArgument("the commit payload is not a position".to_owned())
            })?,
        };
        // A bit that flipped in a posting would be a wrong answer, and one elsewhere a panic: the whole
        // index is read once. That costs about as long as it takes to read its files.
        if let Some(file) = index.validate_checksum()?.into_iter().next() {
            let what = format!("the checksum of {} does not hold", file.display());
            return Err(tantivy::error::DataCorruption::comment_only(what).into());
        }
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let writer = Some(new_writer(&index)?);
        sweep(dir, &index)?;
        Ok(Self {
            index,
            fields,
            writer,
            lost: false,
            begun: false,
            reader,
            position,
            segments: Mutex::default(),
        })
    }

    fn writer(&mut self) -> tantivy::Result<&mut IndexWriter> {
        if self.writer.is_none() {
            self.writer = Some(new_writer(&self.index)?);
        }
        self.writer.as_mut().ok_or(tantivy::TantivyError::Poisoned)
    }

    /// Adds a chunk (replacing one with the same number).
    ///
    /// # Errors
    /// [`LexicalError::Write`]. Everything since the last commit is then lost: go on from
    /// [`LexicalIndex::position`].
    pub fn add(&mut self, chunk: ChunkText<'_>) -> Result<(), LexicalError> {
        self.delete(chunk.chunk);
        let fields = self.fields;
        let mut document = TantivyDocument::default();
        document.add_u64(fields.chunk, u64::from(chunk.chunk.0));
        let language = Language::of(chunk.language);
        document.add_u64(fields.language, language as u64);
        let (first, second) = wording::of(chunk.body);
        for (field, half) in fields.wording.into_iter().zip([first, second]) {
            document.add_u64(field, half);
        }
        for (field, text) in fields.text.into_iter().zip([chunk.title, chunk.headings, chunk.body]) {
            document.add_text(field, analysis::marked(text, language));
            document.add_text(fields.identifiers, text);
        }
        let added = self.writer().and_then(|writer| writer.add_document(document));
        if let Err(source) = added {
            self.retire();
            return Err(LexicalError::Write(source));
        }
        Ok(())
    }

    /// Deletes a chunk, from the next commit on.
    pub fn delete(&mut self, chunk: ChunkNo) {
        self.begun = true;
        let term = Term::from_field_u64(self.fields.chunk, u64::from(chunk.0));
        match self.writer() {
            Ok(writer) => {
                writer.delete_term(term);
            }
            Err(_) => self.lost = true,
        }
    }

    /// Makes everything so far durable, with the outbox position that it reaches as payload.
    ///
    /// # Errors
    /// [`LexicalError::Write`]. Everything since the last commit is then lost: go on from
    /// [`LexicalIndex::position`].
    pub fn commit(&mut self, position: u64) -> Result<(), LexicalError> {
        let whole = if self.lost { Err(tantivy::TantivyError::Poisoned) } else { self.writer() };
        let committed = whole.and_then(|writer| {
            let mut prepared = writer.prepare_commit()?;
            prepared.set_payload(&position.to_string());
            prepared.commit()
        });
        if let Err(source) = committed {
            self.retire();
            self.lost = false;
            return Err(LexicalError::Write(source));
        }
        self.position = position;
        self.begun = false;
        Ok(())
    }

    /// Lets the writer go, so that another one may be made over the same folder.
    ///
    /// The end of a merge that has begun still writes the index's list of segments and removes files after
    /// the writer is gone, under the feet of the next one. Those ends run one after the other, on the thread
    /// that also collects garbage: once that has had its turn, none is under way, and a dropped writer begins none.
    fn retire(&mut self) {
        if let Some(writer) = self.writer.take() {
            let _ = writer.garbage_collect_files().wait();
        }
    }

    /// The outbox position of the last commit (0 for a new index).
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// An immutable snapshot of the last commit.
    ///
    /// # Errors
    /// [`LexicalError::Read`].
    pub fn searcher(&self) -> Result<LexicalSearcher, LexicalError> {
        self.reader.reload().map_err(LexicalError::Read)?;
        let mut segments = self.segments.lock();
        let searcher = LexicalSearcher::new(self.reader.searcher(), self.fields, &segments)
            .map_err(LexicalError::Read)?;
        *segments = searcher.segments();
        Ok(searcher)
    }

    /// Merges everything into one segment. A merge that tantivy has begun by itself may have taken some of
    /// the segments: then again, with those that there are now.
    #[cfg(test)]
    pub(super) fn merge_all(&mut self) {
        for _ in 0..1000 {
            let segments = self.index.searchable_segment_ids().unwrap();
            if segments.is_empty() || self.writer().unwrap().merge(&segments).wait().is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("the segments were never free to be merged");
    }
}

impl Drop for LexicalIndex {
    /// A merge that has begun comes to its end: cut off, it leaves its files until the next opening, and the next
    /// process begins it anew. What was not committed is given up; without the wait for it no segment is made of it.
    fn drop(&mut self) {
        match self.writer.take() {
            Some(writer) if !self.begun => drop(writer.wait_merging_threads()),
            writer => {
                self.writer = writer;
                self.retire();
            }
        }
    }
}

/// A writer for what the last commit says, and nothing that an unfinished one has left.
///
/// A writer counts its stamps on from the last commit, so it gives a replay the file names that a killed
/// or failed replay of the same rows has used already; tantivy never writes over a file.
fn new_writer(index: &Index) -> tantivy::Result<IndexWriter> {
    let options = IndexWriterOptions::builder()
        .num_worker_threads(1)
        .memory_budget_per_thread(HEAP)
        .num_merge_threads(1)
        .build();
    let writer: IndexWriter = index.writer_with_options(options)?;
    // A leftover that stays is no harm by itself; where its name is wanted again, that write fails.
    match writer.garbage_collect_files().wait() {
        Ok(done) if done.failed_to_delete_files.is_empty() => {}
        Ok(done) => left_behind(done.failed_to_delete_files.len()),
        Err(error) => tracing::warn!(%error, "leftovers in the lexical index could not be looked for"),
    }
    Ok(writer)
}

/// Removes the segment files that the last commit does not name. tantivy removes those that it has on its
/// list of files, but that list may be older than they are, after a crash of the system or from a backup.
///
/// Only for an index that has just been opened, whose writer has the folder for itself: later there are
/// segments that are not committed yet.
fn sweep(dir: &Path, index: &Index) -> tantivy::Result<()> {
    let named = index.load_metas()?.list_segment_files();
    let mut stayed = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let orphan = is_of_a_segment(&name.to_string_lossy()) && !named.contains(Path::new(&name));
        if orphan && std::fs::remove_file(entry.path()).is_err() {
            stayed += 1;
        }
    }
    if stayed > 0 {
        left_behind(stayed);
    }
    Ok(())
}

/// Whether a file's name is a segment's id, a dot, and something.
fn is_of_a_segment(name: &str) -> bool {
    name.split_once('.').is_some_and(|(id, _)| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn left_behind(files: usize) {
    tracing::warn!(files, "leftovers in the lexical index could not be removed");
}
