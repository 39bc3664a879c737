//! A peer that speaks the cluster's protocol, in memory, and does what a test tells it to: keeps its word, is down,
//! slow, forgetful, or lies. It is the one thing that stands in for something real here: no real server lies on demand.

use parking_lot::Mutex;
use qdrant_client::qdrant as api;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::{Identity, ServerTlsConfig};
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Mood {
    Honest,
    /// Nothing gets an answer but an error.
    Down,
    /// It takes so many milliseconds.
    Slow(u64),
    /// It does what is asked, and every so manieth answer is lost.
    LosesAnswers(u64),
    /// It has too much to do.
    Busy,
    /// Too few of its replicas are up.
    Within,
    /// One of its replicas is down: what is to be read of all of them, or by most of all, is not.
    OneDown,
    /// It makes collections, and nothing within them.
    MakesNoIndex,
    /// It passes over the filter.
    OtherClasses,
    WrongScores,
    /// It makes up ids.
    UnknownIds,
    /// It leaves out every so manieth point, the best first.
    TooFew(usize),
    /// It acknowledges other classes and keeps the old.
    KeepsClasses,
    /// It acknowledges every so manieth point and forgets it.
    Forgets(u64),
    Unsorted,
    /// It gives a point twice.
    Twice,
}

#[derive(Default, Clone)]
pub(super) struct Collection {
    pub dimension: u64,
    pub metadata: HashMap<String, api::Value>,
    pub points: BTreeMap<u64, (i64, Vec<f32>)>,
    /// Classes can be counted.
    pub indexed: bool,
}

pub(super) struct Store {
    pub mood: Mood,
    pub version: String,
    /// Replicas of each shard.
    pub replicas: u32,
    pub key: Option<String>,
    pub collections: HashMap<String, Collection>,
    /// What was asked, by method, and every filter of a question.
    pub asked: BTreeMap<String, u64>,
    pub filters: Vec<Option<api::Filter>>,
    /// Most points in one upsert, and most of those at once.
    pub largest: usize,
    pub at_once: (i64, i64),
}

/// The peer: it stops when it is dropped.
pub(super) struct Peer {
    pub store: Arc<Mutex<Store>>,
    pub url: String,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Peer {
    pub(super) fn start() -> Self {
        Self::with(None)
    }

    /// Over TLS, with a certificate for `localhost` and its key (PEM).
    pub(super) fn over_tls(certificate: &str, key: &str) -> Self {
        Self::with(Some(Identity::from_pem(certificate, key)))
    }

    fn with(identity: Option<Identity>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let store = Arc::new(Mutex::new(Store {
            mood: Mood::Honest,
            version: "1.19.0".to_owned(),
            replicas: 1,
            key: None,
            collections: HashMap::new(),
            asked: BTreeMap::new(),
            filters: Vec::new(),
            largest: 0,
            at_once: (0, 0),
        }));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = match identity {
            Some(_) => format!("https://localhost:{port}"),
            None => format!("http://127.0.0.1:{port}"),
        };
        let (health, collections, points) = (
            Service::<Health>(Arc::clone(&store), PhantomData),
            Service::<Collections>(Arc::clone(&store), PhantomData),
            Service::<Points>(Arc::clone(&store), PhantomData),
        );
        let mut server = tonic::transport::Server::builder();
        if let Some(identity) = identity {
            server = server.tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
        }
        let server = server.add_service(health).add_service(collections).add_service(points);
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        runtime.spawn(async move { server.serve_with_incoming(incoming).await });
        Self { store, url, runtime: Some(runtime) }
    }

    pub(super) fn mood(&self, mood: Mood) {
        self.store.lock().mood = mood;
    }

    pub(super) fn asked(&self, method: &str) -> u64 {
        self.store.lock().asked.get(method).copied().unwrap_or_default()
    }

    /// The points of the one collection.
    pub(super) fn points(&self) -> BTreeMap<u64, (i64, Vec<f32>)> {
        self.store.lock().collections.values().flat_map(|collection| collection.points.clone()).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Health;
struct Collections;
struct Points;

struct Service<N>(Arc<Mutex<Store>>, PhantomData<fn() -> N>);

impl<N> Clone for Service<N> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), PhantomData)
    }
}

impl NamedService for Service<Health> {
    const NAME: &'static str = "qdrant.Qdrant";
}
impl NamedService for Service<Collections> {
    const NAME: &'static str = "qdrant.Collections";
}
impl NamedService for Service<Points> {
    const NAME: &'static str = "qdrant.Points";
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<N> tonic::codegen::Service<Request<Body>> for Service<N> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let store = Arc::clone(&self.0);
        Box::pin(async move { Ok(answer(store, request).await) })
    }
}

static LOST: AtomicU64 = AtomicU64::new(0);

async fn answer(store: Arc<Mutex<Store>>, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let method = path.trim_start_matches("/qdrant.").to_owned();
    let (mood, key) = {
        let mut store = store.lock();
        *store.asked.entry(method.clone()).or_default() += 1;
        (store.mood, store.key.clone())
    };
    let given = request.headers().get("api-key").and_then(|key| key.to_str().ok());
    let early = match mood {
        _ if key.is_some() && key.as_deref() != given => Some(Status::unauthenticated("no")),
        Mood::Down => Some(Status::unavailable("down")),
        Mood::Busy => Some(Status::resource_exhausted("busy")),
        Mood::MakesNoIndex if method == "Points/CreateFieldIndex" => Some(Status::unavailable("gone")),
        Mood::Within => Some(Status::internal("not enough active replicas")),
        _ => None,
    };
    if let Some(status) = early {
        return status.into_http();
    }
    if let Mood::Slow(milliseconds) = mood {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    if method == "Points/Upsert" {
        store.lock().one_more();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let own = Arc::clone(&store);
    let response = match method.as_str() {
        "Qdrant/HealthCheck" => serve(request, move |_: api::HealthCheckRequest| own.lock().health()).await,
        "Collections/Get" => serve(request, move |asked| own.lock().get(&asked)).await,
        "Collections/Create" => serve(request, move |asked| own.lock().create(asked)).await,
        "Collections/Update" => serve(request, move |asked| own.lock().update(asked)).await,
        "Collections/Delete" => serve(request, move |asked| own.lock().drop_collection(&asked)).await,
        "Points/CreateFieldIndex" => serve(request, move |asked| own.lock().index(&asked)).await,
        "Points/Upsert" => serve(request, move |asked| own.lock().upsert(asked)).await,
        "Points/UpdateBatch" => serve(request, move |asked| own.lock().update_batch(&asked)).await,
        "Points/Delete" => serve(request, move |asked| own.lock().delete(&asked)).await,
        "Points/Query" => serve(request, move |asked| own.lock().query(&asked)).await,
        "Points/Count" => serve(request, move |asked| own.lock().count(&asked)).await,
        "Points/Facet" => serve(request, move |asked| own.lock().facet(&asked)).await,
        "Points/Scroll" => serve(request, move |asked| own.lock().scroll(&asked)).await,
        _ => Status::unimplemented(method.clone()).into_http(),
    };
    if method == "Points/Upsert" {
        store.lock().at_once.0 -= 1;
    }
    if let Mood::LosesAnswers(n) = mood
        && method.starts_with("Points/")
        && LOST.fetch_add(1, Ordering::Relaxed).is_multiple_of(n)
    {
        return Status::unavailable("lost").into_http();
    }
    response
}

struct Once<F>(F);

impl<F, Asked, Answered> UnaryService<Asked> for Once<F>
where
    F: FnMut(Asked) -> Result<Answered, Status>,
{
    type Response = Answered;
    type Future = std::future::Ready<Result<tonic::Response<Answered>, Status>>;

    fn call(&mut self, request: tonic::Request<Asked>) -> Self::Future {
        std::future::ready((self.0)(request.into_inner()).map(tonic::Response::new))
    }
}

async fn serve<Asked, Answered>(
    request: Request<Body>,
    answer: impl FnMut(Asked) -> Result<Answered, Status>,
) -> Response<Body>
where
    Asked: prost::Message + Default + Send + 'static,
    Answered: prost::Message + Send + 'static,
{
    let codec = ProstCodec::<Answered, Asked>::default();
    Grpc::new(codec).max_decoding_message_size(64 << 20).unary(Once(answer), request).await
}

pub(super) fn completed() -> api::PointsOperationResponse {
    let status = api::UpdateStatus::Completed.into();
    api::PointsOperationResponse {
        result: Some(api::UpdateResult { operation_id: Some(1), status }),
        ..Default::default()
    }
}

pub(super) fn no_collection() -> Status {
    Status::new(Code::NotFound, "Not found: Collection doesn't exist!")
}
