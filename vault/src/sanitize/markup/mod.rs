//! What HTML's elements and styles do to the text in them. Two read it: the sanitizer, for tags that stand
//! in text, and the extractor of HTML documents, which walks a tree and has the document's sheets too. It
//! decides from names and values alone; it must never parse a document, and never fetch anything.

mod color;
mod declarations;
mod elements;
mod style;

pub use declarations::{Declaration, declarations, plain};
pub use elements::{Shape, is_void, shape, stands_open};
pub use style::{Style, pixels};
