//! The catalogue: models that have a name, as fastembed knows them: which files of which repository, how tokens become
//! one vector, and what goes before a query and a passage. It must never name a model that is used otherwise than it was
//! trained. What a hub has under a repository may change; what was pulled is kept in a [lock](super::lock).

use fastembed::{EmbeddingModel, OutputKey, Pooling, TextEmbedding, TextRerank};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a model of the catalogue is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It embeds.
    Embedding,
    /// It reads pairs.
    Reranker,
}

impl Kind {
    /// For people.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::Embedding => "embedding model",
            Self::Reranker => "reranker",
        }
    }
}

/// How an embedding model is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) pooling: Pooling,
    pub(crate) output: Option<OutputKey>,
    /// Whether its graph computes in whole numbers.
    pub(crate) quantized: bool,
    pub(crate) query_prefix: &'static str,
    pub(crate) passage_prefix: &'static str,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As it is written in a configuration.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Where a hub has it: `OWNER/NAME`.
    pub repository: String,
    /// Numbers per vector of an embedding model.
    pub dimension: Option<usize>,
    /// The graph, and what it cannot be without, as paths in the repository.
    pub(crate) graph: String,
    pub(crate) beside: Vec<String>,
    /// Of an embedding model.
    pub(crate) usage: Option<Usage>,
}

/// What every repository must have, besides the graph.
const NEEDED: [&str; 3] = ["config.json", "tokenizer.json", "tokenizer_config.json"];
/// What newer ones do without.
const OPTIONAL: [&str; 1] = ["special_tokens_map.json"];

impl Entry {
    /// Files without which it is not whole.
    pub(super) fn needed(&self) -> impl Iterator<Item = &str> {
        let graph = std::iter::once(&self.graph).chain(&self.beside).map(String::as_str);
        NEEDED.into_iter().chain(graph)
    }

    /// All its files, and whether it must have each: the others are taken where they are.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, bool)> {
        self.needed().map(|name| (name, true)).chain(OPTIONAL.map(|name| (name, false)))
    }
}

/// The model that is always known by another way: [`Artifact::MiniLm`](super::Artifact::MiniLm), with pinned hashes.
const PINNED: &str = "all-minilm-l6-v2";

/// All models, by name.
#[must_use]
pub fn catalogue() -> &'static [Entry] {
    static ALL: LazyLock<Vec<Entry>> = LazyLock::new(|| {
        let embedding = TextEmbedding::list_supported_models().into_iter().map(|info| {
            let (query_prefix, passage_prefix) = prefixes(&info.model);
            let name = name(&info.model_code, &info.model_file);
            Entry {
                kind: Kind::Embedding,
                usage: Some(Usage {
                    pooling: TextEmbedding::get_default_pooling_method(&info.model).unwrap_or_default(),
                    output: info.output_key,
                    quantized: SMALLER.iter().any(|suffix| name.ends_with(suffix)),
                    query_prefix,
                    passage_prefix,
                }),
                dimension: Some(info.dim),
                name,
                repository: info.model_code,
                graph: info.model_file,
                beside: info.additional_files,
            }
        });
        let rerankers = TextRerank::list_supported_models().into_iter().map(|info| Entry {
            name: name(&info.model_code, &info.model_file),
            kind: Kind::Reranker,
            usage: None,
            dimension: None,
            repository: info.model_code,
            graph: info.model_file,
            beside: info.additional_files,
        });
        let all = embedding.chain(rerankers).filter(|entry| entry.name != PINNED);
        let by_name: BTreeMap<String, Entry> = all.map(|entry| (entry.name.clone(), entry)).collect();
        by_name.into_values().collect()
    });
    &ALL
}

/// The model of a name, which may also be the repository of an unquantized one.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    let by_name = catalogue().iter().find(|entry| entry.name.eq_ignore_ascii_case(name));
    by_name.or_else(|| {
        let mut of_repository = catalogue().iter().filter(|e| e.repository.eq_ignore_ascii_case(name));
        // Two graphs of one repository: the name must say which.
        of_repository.next().filter(|_| of_repository.next().is_none())
    })
}

/// How the names of models end whose graphs compute in whole numbers.
const SMALLER: [&str; 2] = ["-q", "-q4"];

/// A repository's name without its owner, and of two graphs in one the smaller with what makes it so.
fn name(repository: &str, graph: &str) -> String {
    let name = repository.rsplit('/').next().unwrap_or(repository).to_lowercase();
    let name = name.strip_suffix("-q").unwrap_or(&name);
    let name = name.strip_suffix("-onnx").unwrap_or(name);
    let suffix = if graph.contains("quantized") || graph.contains("optimized") {
        "-q"
    } else if graph.contains("_q4") {
        "-q4"
    } else {
        ""
    };
    format!("{name}{suffix}")
}

/// What the authors of a model put before a query and before a passage when they trained it for search.
fn prefixes(model: &EmbeddingModel) -> (&'static str, &'static str) {
    const SENTENCE: &str = "Represent this sentence for searching relevant passages: ";
    use EmbeddingModel as M;
    match model {
        M::BGESmallENV15
        | M::BGESmallENV15Q
        | M::BGEBaseENV15
        | M::BGEBaseENV15Q
        | M::BGELargeENV15
        | M::BGELargeENV15Q
        | M::MxbaiEmbedLargeV1
        | M::MxbaiEmbedLargeV1Q
        | M::SnowflakeArcticEmbedXS
        | M::SnowflakeArcticEmbedXSQ
        | M::SnowflakeArcticEmbedS
        | M::SnowflakeArcticEmbedSQ
        | M::SnowflakeArcticEmbedM
        | M::SnowflakeArcticEmbedMQ
        | M::SnowflakeArcticEmbedMLong
        | M::SnowflakeArcticEmbedMLongQ
        | M::SnowflakeArcticEmbedL
        | M::SnowflakeArcticEmbedLQ => (SENTENCE, ""),
        M::BGESmallZHV15 | M::BGELargeZHV15 => ("为这个句子生成表示以用于检索相关文章：", ""),
        M::MultilingualE5Small | M::MultilingualE5Base | M::MultilingualE5Large => ("query: ", "passage: "),
        M::NomicEmbedTextV1 | M::NomicEmbedTextV15 | M::NomicEmbedTextV15Q | M::ModernBertEmbedLarge => {
            ("search_query: ", "search_document: ")
        }
        M::EmbeddingGemma300M | M::EmbeddingGemma300MQ | M::EmbeddingGemma300MQ4 => {
            ("task: search result | query: ", "title: none | text: ")
        }
        // Trained without: a new model of the library must be looked at before it gets here.
        M::AllMiniLML6V2
        | M::AllMiniLML6V2Q
        | M::AllMiniLML12V2
        | M::AllMiniLML12V2Q
        | M::AllMpnetBaseV2
        | M::ParaphraseMLMiniLML12V2
        | M::ParaphraseMLMiniLML12V2Q
        | M::ParaphraseMLMpnetBaseV2
        | M::BGEM3
        | M::GTEBaseENV15
        | M::GTEBaseENV15Q
        | M::GTELargeENV15
        | M::GTELargeENV15Q
        | M::ClipVitB32
        | M::JinaEmbeddingsV2BaseCode
        | M::JinaEmbeddingsV2BaseEN => ("", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_of_the_library_has_one_name_and_is_found_by_it() {
        let known = TextEmbedding::list_supported_models().len() + TextRerank::list_supported_models().len();
        // All but the one that is pinned: no two share a name.
        assert_eq!(catalogue().len(), known - 1);
        for entry in catalogue() {
            assert_eq!(find(&entry.name.to_uppercase()), Some(entry));
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
            assert!(entry.name.chars().all(plain) && !entry.name.starts_with('.'), "{}", entry.name);
            let folder = |path: &str| path.starts_with('/') || path.split('/').any(|part| part == "..");
            assert!(!entry.needed().any(folder), "{entry:?}");
        }
        for (name, repository) in [
            ("bge-small-en-v1.5", "Xenova/bge-small-en-v1.5"),
            ("bge-small-en-v1.5-q", "Qdrant/bge-small-en-v1.5-onnx-Q"),
            ("embeddinggemma-300m-q4", "onnx-community/embeddinggemma-300m-ONNX"),
            ("bge-reranker-base", "BAAI/bge-reranker-base"),
        ] {
            assert_eq!(find(name).map(|entry| &*entry.repository), Some(repository), "{name}");
        }
        assert_eq!(find("BAAI/bge-reranker-base").map(|e| &*e.name), Some("bge-reranker-base"));
        // It has two graphs.
        assert_eq!(find("Xenova/all-MiniLM-L12-v2"), None);
        assert_eq!(find(PINNED), None);
    }

    #[test]
    fn a_quantized_model_is_used_as_the_one_it_was_made_of() {
        for entry in catalogue().iter().filter(|e| e.name.ends_with("-q")) {
            let whole = entry.name.strip_suffix("-q").unwrap();
            let Some(whole) = find(whole) else {
                assert_eq!(whole, PINNED);
                continue;
            };
            let (small, whole) = (entry.usage.as_ref().unwrap(), whole.usage.as_ref().unwrap());
            assert_eq!(Usage { quantized: false, ..small.clone() }, *whole, "{}", entry.name);
            assert!(small.quantized, "{}", entry.name);
        }
    }
}
