//! Ends the stream of an answer before the answer is there, when a tool wants that: the client comes
//! again with the id of the last event that it saw, and its session goes on from there. Within sessions
//! only; what is cut without one is lost.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::sync::oneshot::{Receiver, Sender, channel};

/// In a request's extensions: cuts its answer.
#[derive(Clone)]
pub struct Cut(Arc<Mutex<Option<Sender<()>>>>);

impl Cut {
    pub fn of(parts: &Parts) -> Option<&Self> {
        parts.extensions.get()
    }

    pub fn now(&self) {
        if let Some(cut) = self.0.lock().unwrap().take() {
            // The client may have gone by itself.
            let _ = cut.send(());
        }
    }
}

/// A body that ends early.
struct Stream {
    inner: Body,
    cut: Option<Receiver<()>>,
}

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        // What is there goes out first.
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) {
            return Poll::Ready(frame);
        }
        match this.cut.as_mut().map(|cut| Future::poll(Pin::new(cut), context)) {
            Some(Poll::Ready(Ok(()))) => {
                this.inner = Body::empty();
                Poll::Ready(None)
            }
            Some(Poll::Ready(Err(_))) => {
                this.cut = None;
                Poll::Pending
            }
            _ => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

pub async fn layer(mut request: Request, next: Next) -> Response {
    let (sender, cut) = channel();
    request.extensions_mut().insert(Cut(Arc::new(Mutex::new(Some(sender)))));
    next.run(request).await.map(|inner| Body::new(Stream { inner, cut: Some(cut) }))
}
