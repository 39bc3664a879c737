//! Request ids: named in every error, log line and audit record of a request, so that a caller's
//! complaint can be matched with the log. They say nothing about the request or the caller.

use std::sync::Arc;

/// Makes request ids. The default draws them at random; tests may fix them.
#[derive(Clone)]
pub struct RequestIds(Arc<dyn Fn() -> String + Send + Sync>);

impl RequestIds {
    /// Ids from a function.
    #[must_use]
    pub fn from_fn(make: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// The next id.
    #[must_use]
    pub fn next(&self) -> String {
        (self.0)()
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::from_fn(crate::telemetry::request_id)
    }
}

/// The id of an HTTP request, put into its extensions by the outermost layer.
#[derive(Debug, Clone)]
pub struct HttpRequestId(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_have_one_shape() {
        let ids = RequestIds::default();
        let (a, b) = (ids.next(), ids.next());
        assert_ne!(a, b);
        assert_eq!(a.len(), 18);
        assert!(a.starts_with("r_"));
    }
}
