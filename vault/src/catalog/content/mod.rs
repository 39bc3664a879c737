//! Documents, versions and chunks in the catalog: the rows, what is loaded of them, and what others are
//! told of them. Nothing here may decide who sees a document.

mod documents;
mod image;
mod indexable;
mod places;
mod versions;

pub(crate) use documents::{
    Document, HELD_FOR_CONTENT, HELD_FOR_FAILURE, KnownDocument, add_document, document, document_by_number,
    free, guard, in_container, known, promote, remove, unsure,
};
pub(crate) use image::{load, refresh};
pub(crate) use indexable::{Embeddable, embeddable, indexable, indexed_rows};
pub(crate) use places::{find, place};
pub(crate) use versions::{
    RETIRED, Stored, add_version, any_embedded, chunk_range, drop_waiting_vectors, forget, forget_embeddings,
    retired, set_embedded, set_modified, set_state, waiting,
};
