//! Grants and what they admit: the proof that a decision was made before a text was read.
//! Neither must ever be stored: both live no longer than the scope they were made from.

use crate::ids::DocNo;
use crate::scope::AccessScope;
use std::marker::PhantomData;

/// Something that belongs to one document.
pub trait OfDocument {
    /// The document that it belongs to.
    fn document(&self) -> DocNo;
}

/// A pass to read one document, made by [`AccessScope::check`].
#[derive(Debug)]
pub struct Grant<'scope> {
    document: DocNo,
    scope: PhantomData<&'scope AccessScope>,
}

impl<'scope> Grant<'scope> {
    pub(crate) fn mint(_scope: &'scope AccessScope, document: DocNo) -> Self {
        Self { document, scope: PhantomData }
    }

    /// The document that may be read.
    #[must_use]
    pub fn document(&self) -> DocNo {
        self.document
    }

    /// Lets content through if it belongs to the document of this grant; `None` otherwise.
    #[must_use]
    pub fn admit<T: OfDocument>(&self, content: T) -> Option<Visible<'scope, T>> {
        (content.document() == self.document).then_some(Visible { content, scope: PhantomData })
    }
}

/// Content that its caller may see. No `Clone`, no `'static`: it ends with the request.
#[derive(Debug)]
pub struct Visible<'scope, T> {
    content: T,
    scope: PhantomData<&'scope AccessScope>,
}

impl<T> Visible<'_, T> {
    /// The content.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.content
    }
}
