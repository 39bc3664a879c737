//! The order of a search's candidates: two lists of fixed depth for each phrasing over the caller's visible chunks, fused;
//! copies of one wording made one; at most two passages of a document. It must never look at anything but visible chunks.

use super::ask::Attempt;
use super::errors;
use super::filters::Parsed;
use super::place::Place;
use crate::error::{AnswerError, VaultError};
use crate::gate::Stop;
use crate::published::{ChunkMeta, ContentImage, DocMeta, Published};
use kenward_access::ids::{ChunkNo, DocNo, TieKey};
use kenward_indexes::embedding::Embedder;
use kenward_indexes::fusion::{Weights, fuse};
use kenward_indexes::{Scored, TieOrder};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Depth of each list, whatever the limit: the order must not change between pages.
const DEPTH: usize = 400;
const PER_DOCUMENT: usize = 2;
/// Copies of a passage that an answer names.
const MOST_COPIES: usize = 5;

/// One way to put the question.
pub(super) struct Phrasing {
    text: String,
    /// Its vector, by the embedder that was in use when the request came.
    vector: Option<(Vec<f32>, Arc<dyn Embedder>)>,
}

impl Phrasing {
    /// Embeds the text once, for all attempts.
    pub(super) fn of(text: String, embedder: Option<&Arc<dyn Embedder>>) -> Result<Self, AnswerError> {
        let vector = embedder
            .map(|embedder| Ok((embedded(&text, embedder.as_ref())?, Arc::clone(embedder))))
            .transpose()?;
        Ok(Self { text, vector })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// A candidate with its place in the order.
pub(super) struct Candidate<'a> {
    pub(super) chunk: ChunkNo,
    pub(super) meta: ChunkMeta,
    pub(super) document: &'a Arc<DocMeta>,
    pub(super) score: f64,
    /// The fused value by the phrasing that it fits best.
    pub(super) best: f64,
    pub(super) tie: TieKey,
    /// The reranker's score, if it was one of those that were scored.
    pub(super) fit: Option<f32>,
    /// Passages of other documents with the same text, best first.
    pub(super) copies: Vec<(ChunkNo, ChunkMeta, &'a Arc<DocMeta>)>,
}

impl Candidate<'_> {
    pub(super) fn place(&self) -> Place {
        let (reranked, value) = match self.fit {
            Some(fit) => (true, f64::from(fit)),
            None => (false, self.score),
        };
        Place { reranked, value, tie: self.tie }
    }

    /// Its first copy in its place, if it has one: the text of the passage itself is lost.
    pub(super) fn fall_back(&mut self) -> bool {
        if self.copies.is_empty() {
            return false;
        }
        (self.chunk, self.meta, self.document) = self.copies.remove(0);
        true
    }
}

/// The candidates in their order.
pub(super) fn candidates<'a>(
    attempt: &Attempt<'a>,
    phrasings: &[Phrasing],
    lexical: bool,
    filters: &Parsed,
) -> Result<Vec<Candidate<'a>>, Stop> {
    let published = &attempt.gate.pin.published;
    let mut lists = Vec::with_capacity(phrasings.len());
    for phrasing in phrasings {
        lists.push(fused(attempt, phrasing, lexical, filters)?);
    }
    let mut all: BTreeMap<ChunkNo, (f64, f64)> = BTreeMap::new();
    // INVARIANT: always in the order of the phrasings, so that the sum of a chunk is the same float every time.
    for candidate in lists.iter().flatten() {
        let (sum, best) = all.entry(candidate.chunk).or_insert((0.0, 0.0));
        *sum += candidate.score;
        *best = best.max(candidate.score);
    }
    let count = phrasings.len().max(1) as f64;
    let mean = |(chunk, (sum, _)): (&ChunkNo, &(f64, f64))| Scored { chunk: *chunk, score: sum / count };
    let ordered = kenward_indexes::top(all.iter().map(mean), all.len(), &published.image);
    Ok(distinct(published, &ordered, &all))
}

/// The fused list of one phrasing.
fn fused(
    attempt: &Attempt<'_>,
    phrasing: &Phrasing,
    lexical: bool,
    filters: &Parsed,
) -> Result<Vec<Scored>, Stop> {
    let published = &attempt.gate.pin.published;
    let image = &published.image;
    let (visible, view) = attempt.gate.core.views.of(attempt.gate)?;
    let document = |chunk: ChunkNo| image.documents.get(&image.chunks.get(&chunk)?.doc);
    let accept = |chunk: ChunkNo| {
        filters.is_empty() || document(chunk).is_some_and(|d| filters.takes(attempt.gate, d))
    };
    let words = if lexical {
        let found = published.lexical.search(&phrasing.text, visible.clone(), &view, &accept, DEPTH, image);
        found.map_err(VaultError::from)?
    } else {
        Vec::new()
    };
    let (meanings, weights) = match (&phrasing.vector, &published.vectors) {
        (Some((query, by)), Some(vectors)) => {
            let weights = if lexical { Weights::default() } else { Weights { lexical: 0.0, vector: 1.0 } };
            // INVARIANT: a query is held against vectors of its own space. Those that this attempt has pinned
            // may be of another one than when the request came.
            let again = (by.space() != vectors.embedder.space())
                .then(|| embedded(&phrasing.text, vectors.embedder.as_ref()))
                .transpose()
                .map_err(Stop::Told)?;
            let query = again.as_ref().unwrap_or(query);
            let found = vectors.snapshot.search(query, visible, &accept, DEPTH, image);
            (found.map_err(VaultError::from)?, weights)
        }
        _ => (Vec::new(), Weights { lexical: 1.0, vector: 0.0 }),
    };
    Ok(fuse(&words, &meanings, weights, image))
}

/// The query's vector.
fn embedded(query: &str, embedder: &dyn Embedder) -> Result<Vec<f32>, AnswerError> {
    embedder.embed_query(query).map_err(|error| {
        tracing::error!(%error, "a query could not be embedded");
        errors::embedding_failed(embedder.space())
    })
}

/// Without the third and further passages of a document, and with copies under the first of their wording.
fn distinct<'a>(
    published: &'a Published,
    ordered: &[Scored],
    all: &BTreeMap<ChunkNo, (f64, f64)>,
) -> Vec<Candidate<'a>> {
    let image: &ContentImage = &published.image;
    let mut of_document: HashMap<DocNo, usize> = HashMap::new();
    let mut of_wording: HashMap<(u64, u64), usize> = HashMap::new();
    let mut kept: Vec<Candidate<'a>> = Vec::new();
    for scored in ordered {
        let Some(meta) = image.chunks.get(&scored.chunk).copied() else { continue };
        let Some(document) = image.documents.get(&meta.doc) else { continue };
        let Some(tie) = image.tie(scored.chunk) else { continue };
        let wording = published.lexical.wording(scored.chunk);
        if let Some(first) = wording.and_then(|w| of_wording.get(&w)).and_then(|at| kept.get_mut(*at)) {
            let known =
                first.meta.doc == meta.doc || first.copies.iter().any(|(_, copy, _)| copy.doc == meta.doc);
            if !known && first.copies.len() < MOST_COPIES {
                first.copies.push((scored.chunk, meta, document));
            }
            continue;
        }
        let passages = of_document.entry(meta.doc).or_default();
        *passages += 1;
        if *passages > PER_DOCUMENT {
            continue;
        }
        if let Some(wording) = wording {
            of_wording.insert(wording, kept.len());
        }
        let best = all.get(&scored.chunk).map_or(scored.score, |(_, best)| *best);
        let (chunk, score) = (scored.chunk, scored.score);
        kept.push(Candidate { chunk, meta, document, score, best, tie, fit: None, copies: Vec::new() });
    }
    kept
}
