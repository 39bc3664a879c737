//! What is said to the cluster, and what its answers mean. Only numbers go out (see [`ids`](super::ids)) and vectors;
//! nothing that comes back is believed here, and no word of the server's gets into an error: it may say anything.

use super::fault::Fault;
use super::options::{Consistency, Options};
use crate::vector::VectorError;
use parking_lot::Mutex;
use qdrant_client::qdrant as api;
use qdrant_client::qdrant::collections_client::CollectionsClient;
use qdrant_client::qdrant::points_client::PointsClient;
use qdrant_client::qdrant::qdrant_client::QdrantClient;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// The one field of a point: its class.
const TAG: &str = "t";
/// The collection's metadata: that it is ours, and who holds it.
const MARK: &str = "kenward_mark";
const HOLDER: &str = "kenward_holder";
/// How long a change may take at the cluster: nobody waits for it.
const CHANGED: Duration = Duration::from_secs(30);

/// A collection as the cluster describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Info {
    pub mark: Option<String>,
    pub holder: Option<String>,
    /// Numbers of a vector, where it has one unnamed vector compared by the dot product.
    pub dimension: Option<u64>,
    /// Whether classes can be looked for, and counted.
    pub indexed: bool,
    /// Replicas of each shard.
    pub replicas: u32,
}

/// A point as it is written.
pub(super) struct NewPoint {
    pub id: u64,
    pub tag: i64,
    pub vector: Vec<f32>,
}

/// Which classes are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    /// All that are there.
    All,
    /// These.
    Any(Vec<i64>),
    /// All but these.
    But(Vec<i64>),
}

type Keyed = InterceptedService<Channel, WithKey>;

/// The way to the cluster: its addresses, of which one that fails makes room for the next.
pub(super) struct Wire {
    channels: Vec<Channel>,
    /// Why there is none: the certificates that it should trust cannot be had.
    pub unfit: Option<Box<str>>,
    at: AtomicUsize,
    key: Mutex<Option<MetadataValue<Ascii>>>,
    collection: String,
    timeout: Duration,
    consistency: api::ReadConsistency,
}

#[derive(Clone)]
struct WithKey(Option<MetadataValue<Ascii>>);

impl tonic::service::Interceptor for WithKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            request.metadata_mut().insert("api-key", key.clone());
        }
        Ok(request)
    }
}

impl Wire {
    /// Connects when it is first used. Within a runtime.
    pub(super) fn new(options: &Options) -> Result<Self, VectorError> {
        let (ca, unfit) = match options.read_ca() {
            Ok(ca) => (ca, None),
            Err(what) => (None, Some(what.into_boxed_str())),
        };
        let channels: Result<Vec<Channel>, tonic::transport::Error> =
            options.urls.iter().map(|url| Ok(options.endpoint(url, ca.as_ref())?.connect_lazy())).collect();
        let channels = channels.map_err(|_| VectorError::Place { urls: options.urls.join(", ").into() })?;
        Ok(Self {
            // INVARIANT: where it is not known whom to trust nobody is.
            channels: if unfit.is_some() { Vec::new() } else { channels },
            unfit,
            at: AtomicUsize::new(0),
            key: Mutex::default(),
            collection: options.collection.clone(),
            timeout: options.timeout,
            consistency: consistency(options.consistency),
        })
    }

    /// Takes another API key from now on.
    pub(super) fn key(&self, key: Option<MetadataValue<Ascii>>) {
        *self.key.lock() = key;
    }

    async fn call<T, F>(&self, within: Duration, ask: impl FnOnce(Keyed) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let at = self.at.load(Ordering::Relaxed);
        let channel = self.channels.get(at % self.channels.len().max(1)).ok_or(Fault::Unreachable)?.clone();
        let keyed = InterceptedService::new(channel, WithKey(self.key.lock().clone()));
        let fault = match tokio::time::timeout(within, ask(keyed)).await {
            Ok(Ok(response)) => return Ok(response.into_inner()),
            Ok(Err(status)) => Fault::of(&status),
            Err(_) => Fault::Slow,
        };
        if matches!(fault, Fault::Unreachable | Fault::Slow | Fault::Certificate) {
            // Whoever asks next asks another node; one that several found so counts once.
            let _ = self.at.compare_exchange(at, at.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed);
        }
        Err(fault)
    }

    /// Whoever asks next asks another node.
    pub(super) fn ask_another(&self) {
        self.at.fetch_add(1, Ordering::Relaxed);
    }

    /// The server's version.
    pub(super) async fn version(&self) -> Result<String, Fault> {
        let ask =
            |keyed| async move { QdrantClient::new(keyed).health_check(api::HealthCheckRequest {}).await };
        Ok(self.call(self.timeout, ask).await?.version)
    }

    /// What the collection is.
    pub(super) async fn info(&self) -> Result<Info, Fault> {
        let request = api::GetCollectionInfoRequest { collection_name: self.collection.clone() };
        let reply = self
            .call(self.timeout, |keyed| async move { CollectionsClient::new(keyed).get(request).await })
            .await?;
        let info = reply.result.ok_or(Fault::Nonsense)?;
        let indexed = info.payload_schema.contains_key(TAG);
        let config = info.config.ok_or(Fault::Nonsense)?;
        let text = |name: &str| match &config.metadata.get(name)?.kind {
            Some(api::value::Kind::StringValue(text)) => Some(text.clone()),
            _ => None,
        };
        let (mark, holder) = (text(MARK), text(HOLDER));
        let params = config.params.unwrap_or_default();
        let replicas = params.replication_factor.unwrap_or(1);
        let vectors = params.vectors_config.and_then(|vectors| vectors.config);
        let dimension = match vectors {
            Some(api::vectors_config::Config::Params(params)) => {
                (params.distance == api::Distance::Dot as i32).then_some(params.size)
            }
            _ => None,
        };
        Ok(Info { mark, holder, dimension, indexed, replicas })
    }

    /// Makes the collection. Without a graph: nothing of other vectors is in a score or an order.
    pub(super) async fn create(&self, dimension: u64, mark: &str, options: &Options) -> Result<(), Fault> {
        let params =
            api::VectorParams { size: dimension, distance: api::Distance::Dot.into(), ..Default::default() };
        let request = api::CreateCollection {
            collection_name: self.collection.clone(),
            vectors_config: Some(api::VectorsConfig {
                config: Some(api::vectors_config::Config::Params(params)),
            }),
            hnsw_config: Some(api::HnswConfigDiff { m: Some(0), payload_m: Some(0), ..Default::default() }),
            shard_number: options.shards,
            replication_factor: Some(options.replicas),
            // Most of them: what a majority read must find, a majority has written.
            write_consistency_factor: Some(options.replicas / 2 + 1),
            metadata: [(MARK.to_owned(), mark.to_owned().into())].into(),
            timeout: Some(CHANGED.as_secs()),
            ..Default::default()
        };
        let made = self
            .call(CHANGED, |keyed| async move { CollectionsClient::new(keyed).create(request).await })
            .await?
            .result;
        if made { Ok(()) } else { Err(Fault::Nonsense) }
    }

    /// Has the cluster index classes: without that none are counted.
    pub(super) async fn index_classes(&self) -> Result<(), Fault> {
        let index = api::CreateFieldIndexCollection {
            collection_name: self.collection.clone(),
            wait: Some(true),
            field_name: TAG.to_owned(),
            field_type: Some(api::FieldType::Integer.into()),
            ordering: ordering(),
            ..Default::default()
        };
        let ask = |keyed| async move { PointsClient::new(keyed).create_field_index(index).await };
        done(self.call(CHANGED, ask).await?.result)
    }

    /// Writes into the collection who holds it.
    pub(super) async fn hold(&self, holder: &str) -> Result<(), Fault> {
        let request = api::UpdateCollection {
            collection_name: self.collection.clone(),
            metadata: [(HOLDER.to_owned(), holder.to_owned().into())].into(),
            timeout: Some(CHANGED.as_secs()),
            ..Default::default()
        };
        let ask = |keyed| async move { CollectionsClient::new(keyed).update(request).await };
        if self.call(CHANGED, ask).await?.result { Ok(()) } else { Err(Fault::Nonsense) }
    }

    /// Drops the collection.
    pub(super) async fn drop_collection(&self) -> Result<(), Fault> {
        let request = api::DeleteCollection {
            collection_name: self.collection.clone(),
            timeout: Some(CHANGED.as_secs()),
        };
        self.call(CHANGED, |keyed| async move { CollectionsClient::new(keyed).delete(request).await })
            .await?;
        Ok(())
    }

    /// Writes points.
    pub(super) async fn upsert(&self, points: Vec<NewPoint>) -> Result<(), Fault> {
        let points = points.into_iter().map(|new| api::PointStruct {
            id: Some(new.id.into()),
            payload: [(TAG.to_owned(), new.tag.into())].into(),
            vectors: Some(new.vector.into()),
        });
        let request = api::UpsertPoints {
            collection_name: self.collection.clone(),
            wait: Some(true),
            points: points.collect(),
            ordering: ordering(),
            ..Default::default()
        };
        done(
            self.call(CHANGED, |keyed| async move { PointsClient::new(keyed).upsert(request).await })
                .await?
                .result,
        )
    }

    /// Gives points other classes.
    pub(super) async fn retag(&self, points: BTreeMap<i64, Vec<u64>>) -> Result<(), Fault> {
        use api::points_update_operation::{Operation, SetPayload};
        let operations = points.into_iter().map(|(tag, points)| api::PointsUpdateOperation {
            operation: Some(Operation::SetPayload(SetPayload {
                payload: [(TAG.to_owned(), tag.into())].into(),
                points_selector: Some(these(points)),
                ..Default::default()
            })),
        });
        let operations: Vec<_> = operations.collect();
        let many = operations.len();
        let request = api::UpdateBatchPoints {
            collection_name: self.collection.clone(),
            wait: Some(true),
            operations,
            ordering: ordering(),
            ..Default::default()
        };
        let ask = |keyed| async move { PointsClient::new(keyed).update_batch(request).await };
        let results = self.call(CHANGED, ask).await?.result;
        if results.len() != many {
            return Err(Fault::Nonsense);
        }
        results.into_iter().try_for_each(|result| done(Some(result)))
    }

    /// Removes points.
    pub(super) async fn delete(&self, points: Vec<u64>) -> Result<(), Fault> {
        let request = api::DeletePoints {
            collection_name: self.collection.clone(),
            wait: Some(true),
            points: Some(these(points)),
            ordering: ordering(),
            ..Default::default()
        };
        done(
            self.call(CHANGED, |keyed| async move { PointsClient::new(keyed).delete(request).await })
                .await?
                .result,
        )
    }

    /// The points of some classes that are nearest to a vector, and their scores.
    pub(super) async fn query(
        &self,
        vector: Vec<f32>,
        reach: Reach,
        limit: u64,
    ) -> Result<Vec<(u64, f32)>, Fault> {
        let params = api::SearchParams {
            exact: Some(true),
            quantization: Some(api::QuantizationSearchParams { ignore: Some(true), ..Default::default() }),
            ..Default::default()
        };
        let request = api::QueryPoints {
            collection_name: self.collection.clone(),
            query: Some(api::Query::new_nearest(vector)),
            filter: reach.filter(),
            params: Some(params),
            limit: Some(limit),
            with_payload: Some(false.into()),
            read_consistency: Some(self.consistency),
            timeout: Some(self.timeout.as_secs().max(1)),
            ..Default::default()
        };
        let ask = |keyed| async move { PointsClient::new(keyed).query(request).await };
        let reply = self.call(self.timeout, ask).await?;
        reply
            .result
            .into_iter()
            .map(|point| Some((number(point.id)?, point.score)))
            .collect::<Option<_>>()
            .ok_or(Fault::Nonsense)
    }

    /// How many points of some classes there are.
    pub(super) async fn count(&self, reach: Reach, of: Consistency) -> Result<u64, Fault> {
        let request = api::CountPoints {
            collection_name: self.collection.clone(),
            filter: reach.filter(),
            exact: Some(true),
            read_consistency: Some(consistency(of)),
            timeout: Some(CHANGED.as_secs()),
            ..Default::default()
        };
        let ask = |keyed| async move { PointsClient::new(keyed).count(request).await };
        Ok(self.call(CHANGED, ask).await?.result.ok_or(Fault::Nonsense)?.count)
    }

    /// How many points there are of each class, of at most so many classes.
    pub(super) async fn per_class(&self, most: u64, of: Consistency) -> Result<Vec<(i64, u64)>, Fault> {
        let request = api::FacetCounts {
            collection_name: self.collection.clone(),
            key: TAG.to_owned(),
            limit: Some(most),
            exact: Some(true),
            read_consistency: Some(consistency(of)),
            timeout: Some(CHANGED.as_secs()),
            ..Default::default()
        };
        let ask = |keyed| async move { PointsClient::new(keyed).facet(request).await };
        let counts = self.call(CHANGED, ask).await?.hits.into_iter().map(|hit| {
            match hit.value.and_then(|value| value.variant)? {
                api::facet_value::Variant::IntegerValue(tag) => Some((tag, hit.count)),
                _ => None,
            }
        });
        counts.collect::<Option<_>>().ok_or(Fault::Nonsense)
    }

    /// Points in the order of their ids, from one on, and where the next begin.
    pub(super) async fn scroll(
        &self,
        from: Option<u64>,
        limit: u32,
        of: Consistency,
    ) -> Result<(Vec<(u64, Option<i64>)>, Option<u64>), Fault> {
        let request = api::ScrollPoints {
            collection_name: self.collection.clone(),
            offset: from.map(Into::into),
            limit: Some(limit),
            with_payload: Some(true.into()),
            read_consistency: Some(consistency(of)),
            timeout: Some(CHANGED.as_secs()),
            ..Default::default()
        };
        let ask = |keyed| async move { PointsClient::new(keyed).scroll(request).await };
        let reply = self.call(CHANGED, ask).await?;
        let tag = |point: &api::RetrievedPoint| match point.payload.get(TAG)?.kind {
            Some(api::value::Kind::IntegerValue(tag)) => Some(tag),
            _ => None,
        };
        let points = reply.result.into_iter().map(|point| {
            let tag = tag(&point);
            Some((number(point.id)?, tag))
        });
        let next = match reply.next_page_offset {
            None => None,
            next => Some(number(next).ok_or(Fault::Nonsense)?),
        };
        Ok((points.collect::<Option<_>>().ok_or(Fault::Nonsense)?, next))
    }
}

impl Reach {
    fn filter(self) -> Option<api::Filter> {
        let matching = |tags: Vec<i64>| api::Condition {
            condition_one_of: Some(api::condition::ConditionOneOf::Field(api::FieldCondition {
                key: TAG.to_owned(),
                r#match: Some(api::Match {
                    match_value: Some(api::r#match::MatchValue::Integers(api::RepeatedIntegers {
                        integers: tags,
                    })),
                }),
                ..Default::default()
            })),
        };
        match self {
            Self::All => None,
            Self::Any(tags) => Some(api::Filter { must: vec![matching(tags)], ..Default::default() }),
            Self::But(tags) => Some(api::Filter { must_not: vec![matching(tags)], ..Default::default() }),
        }
    }
}

fn number(id: Option<api::PointId>) -> Option<u64> {
    match id?.point_id_options? {
        api::point_id::PointIdOptions::Num(id) => Some(id),
        api::point_id::PointIdOptions::Uuid(_) => None,
    }
}

fn these(ids: Vec<u64>) -> api::PointsSelector {
    let ids = ids.into_iter().map(Into::into).collect();
    api::PointsSelector {
        points_selector_one_of: Some(api::points_selector::PointsSelectorOneOf::Points(api::PointsIdsList {
            ids,
        })),
    }
}

/// Through whichever node leads a shard now. Nothing hangs on the order of two changes: one of a point is sent when the last was
/// acknowledged, and where that is not known its id is left behind. A strong order would end all writing with its one leader.
fn ordering() -> Option<api::WriteOrdering> {
    Some(api::WriteOrdering { r#type: api::WriteOrderingType::Medium.into() })
}

/// Whether a change was made: to have heard of it is not enough.
fn done(result: Option<api::UpdateResult>) -> Result<(), Fault> {
    match result.map(|result| result.status) {
        Some(status) if status == api::UpdateStatus::Completed as i32 => Ok(()),
        Some(status) if status == api::UpdateStatus::WaitTimeout as i32 => Err(Fault::Slow),
        _ => Err(Fault::Nonsense),
    }
}

fn consistency(wanted: Consistency) -> api::ReadConsistency {
    use api::read_consistency::Value;
    let value = match wanted {
        Consistency::Majority => Value::Type(api::ReadConsistencyType::Majority.into()),
        Consistency::Quorum => Value::Type(api::ReadConsistencyType::Quorum.into()),
        Consistency::All => Value::Type(api::ReadConsistencyType::All.into()),
        Consistency::One => Value::Factor(1),
    };
    api::ReadConsistency { value: Some(value) }
}
