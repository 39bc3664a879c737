//! What the scripted peer keeps, and how each of its moods answers from that.

use super::peer::{Collection, Mood, Store, completed, no_collection};
use qdrant_client::qdrant as api;
use std::collections::BTreeMap;
use tonic::Status;

type Told<T> = Result<T, Status>;

fn integer(value: &api::Value) -> i64 {
    match value.kind {
        Some(api::value::Kind::IntegerValue(number)) => number,
        _ => panic!("a tag is a number"),
    }
}

fn id(id: Option<api::PointId>) -> u64 {
    match id.unwrap().point_id_options.unwrap() {
        api::point_id::PointIdOptions::Num(id) => id,
        api::point_id::PointIdOptions::Uuid(_) => panic!("ids are numbers"),
    }
}

fn ids(selector: Option<&api::PointsSelector>) -> Vec<u64> {
    match selector.unwrap().points_selector_one_of.as_ref().unwrap() {
        api::points_selector::PointsSelectorOneOf::Points(list) => {
            list.ids.iter().map(|p| id(Some(p.clone()))).collect()
        }
        api::points_selector::PointsSelectorOneOf::Filter(_) => panic!("only ids are selected"),
    }
}

/// The tags that a condition names.
fn tags(condition: &api::Condition) -> &[i64] {
    let Some(api::condition::ConditionOneOf::Field(field)) = &condition.condition_one_of else { panic!() };
    assert_eq!(field.key, "t");
    match field.r#match.as_ref().unwrap().match_value.as_ref().unwrap() {
        api::r#match::MatchValue::Integers(tags) => &tags.integers,
        _ => panic!("tags are matched as numbers"),
    }
}

pub(super) fn takes(filter: Option<&api::Filter>, tag: i64) -> bool {
    filter.is_none_or(|filter| {
        filter.must.iter().all(|c| tags(c).contains(&tag))
            && !filter.must_not.iter().any(|c| tags(c).contains(&tag))
    })
}

/// In another order than ours, so that the last places differ.
fn score(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).rev().map(|(a, b)| a * b).sum()
}

impl Store {
    pub(super) fn one_more(&mut self) {
        self.at_once.0 += 1;
        self.at_once.1 = self.at_once.1.max(self.at_once.0);
    }

    /// Whether so many replicas are up as this reads. (1.19 has all up for a majority.)
    fn read(&self, of: Option<&api::ReadConsistency>) -> Told<()> {
        use api::ReadConsistencyType::{All, Majority};
        use api::read_consistency::Value;
        let wants_all = match of.unwrap().value.unwrap() {
            Value::Type(of) => of == All as i32 || of == Majority as i32,
            Value::Factor(of) => of > 2,
        };
        match self.mood == Mood::OneDown && wants_all {
            true => Err(Status::internal("not enough active replicas")),
            false => Ok(()),
        }
    }

    fn collection(&mut self, name: &str) -> Told<&mut Collection> {
        self.collections.get_mut(name).ok_or_else(no_collection)
    }

    pub(super) fn health(&self) -> Told<api::HealthCheckReply> {
        Ok(api::HealthCheckReply { title: "peer".into(), version: self.version.clone(), commit: None })
    }

    pub(super) fn get(
        &mut self,
        asked: &api::GetCollectionInfoRequest,
    ) -> Told<api::GetCollectionInfoResponse> {
        let replicas = Some(self.replicas);
        let collection = self.collection(&asked.collection_name)?;
        let params = api::VectorParams {
            size: collection.dimension,
            distance: api::Distance::Dot.into(),
            ..Default::default()
        };
        let config = api::CollectionConfig {
            params: Some(api::CollectionParams {
                vectors_config: Some(api::VectorsConfig {
                    config: Some(api::vectors_config::Config::Params(params)),
                }),
                replication_factor: replicas,
                ..Default::default()
            }),
            metadata: collection.metadata.clone(),
            ..Default::default()
        };
        let schema = api::PayloadSchemaInfo::default();
        let payload_schema = collection.indexed.then(|| ("t".to_owned(), schema)).into_iter().collect();
        let info = api::CollectionInfo { config: Some(config), payload_schema, ..Default::default() };
        Ok(api::GetCollectionInfoResponse { result: Some(info), ..Default::default() })
    }

    pub(super) fn create(&mut self, asked: api::CreateCollection) -> Told<api::CollectionOperationResponse> {
        if self.collections.contains_key(&asked.collection_name) {
            return Err(Status::already_exists("there already"));
        }
        let Some(api::vectors_config::Config::Params(params)) = asked.vectors_config.unwrap().config else {
            panic!()
        };
        let made = Collection { dimension: params.size, metadata: asked.metadata, ..Default::default() };
        self.collections.insert(asked.collection_name, made);
        Ok(api::CollectionOperationResponse { result: true, ..Default::default() })
    }

    pub(super) fn update(&mut self, asked: api::UpdateCollection) -> Told<api::CollectionOperationResponse> {
        self.collection(&asked.collection_name)?.metadata.extend(asked.metadata);
        Ok(api::CollectionOperationResponse { result: true, ..Default::default() })
    }

    pub(super) fn drop_collection(
        &mut self,
        asked: &api::DeleteCollection,
    ) -> Told<api::CollectionOperationResponse> {
        self.collections.remove(&asked.collection_name).ok_or_else(no_collection)?;
        Ok(api::CollectionOperationResponse { result: true, ..Default::default() })
    }

    pub(super) fn upsert(&mut self, asked: api::UpsertPoints) -> Told<api::PointsOperationResponse> {
        assert!(asked.wait == Some(true) && asked.ordering.unwrap().r#type == 1, "acknowledged and in order");
        let mood = self.mood;
        self.largest = self.largest.max(asked.points.len());
        let collection = self.collection(&asked.collection_name)?;
        for (n, point) in (1u64..).zip(asked.points) {
            assert!(point.payload.len() == 1, "nothing but the class goes out");
            let vector = match point.vectors.unwrap().vectors_options.unwrap() {
                api::vectors::VectorsOptions::Vector(vector) => match vector.vector {
                    Some(api::vector::Vector::Dense(dense)) => dense.data,
                    _ => panic!("dense vectors"),
                },
                _ => panic!("one vector"),
            };
            assert_eq!(vector.len() as u64, collection.dimension);
            if matches!(mood, Mood::Forgets(every) if n.is_multiple_of(every)) {
                continue;
            }
            collection.points.insert(id(point.id), (integer(&point.payload["t"]), vector));
        }
        Ok(completed())
    }

    pub(super) fn update_batch(&mut self, asked: &api::UpdateBatchPoints) -> Told<api::UpdateBatchResponse> {
        use api::points_update_operation::Operation;
        assert!(asked.wait == Some(true) && asked.ordering.unwrap().r#type == 1, "acknowledged and in order");
        let keeps = self.mood == Mood::KeepsClasses;
        let collection = self.collection(&asked.collection_name)?;
        for operation in &asked.operations {
            let Some(Operation::SetPayload(set)) = &operation.operation else {
                panic!("classes alone are changed")
            };
            for id in ids(set.points_selector.as_ref()) {
                if let Some(point) = collection.points.get_mut(&id).filter(|_| !keeps) {
                    point.0 = integer(&set.payload["t"]);
                }
            }
        }
        let result = asked.operations.iter().filter_map(|_| completed().result).collect();
        Ok(api::UpdateBatchResponse { result, ..Default::default() })
    }

    pub(super) fn delete(&mut self, asked: &api::DeletePoints) -> Told<api::PointsOperationResponse> {
        let collection = self.collection(&asked.collection_name)?;
        for id in ids(asked.points.as_ref()) {
            collection.points.remove(&id);
        }
        Ok(completed())
    }

    pub(super) fn query(&mut self, asked: &api::QueryPoints) -> Told<api::QueryResponse> {
        assert_eq!(asked.params.as_ref().unwrap().exact, Some(true));
        self.read(asked.read_consistency.as_ref())?;
        self.filters.push(asked.filter.clone());
        let mood = self.mood;
        let collection = self.collection(&asked.collection_name)?;
        let Some(api::query::Variant::Nearest(nearest)) = asked.query.as_ref().unwrap().variant.as_ref()
        else {
            panic!()
        };
        let Some(api::vector_input::Variant::Dense(query)) = nearest.variant.as_ref() else { panic!() };
        let filter = asked.filter.as_ref().filter(|_| mood != Mood::OtherClasses);
        let mut found: Vec<(f32, u64)> = collection
            .points
            .iter()
            .filter(|(_, (tag, _))| takes(filter, *tag))
            .map(|(id, (_, vector))| (score(&query.data, vector), *id))
            .collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        let limit = asked.limit.unwrap() as usize;
        match mood {
            Mood::WrongScores => found.iter_mut().for_each(|(score, id)| *score += (*id % 7) as f32 / 10.0),
            Mood::UnknownIds => found.iter_mut().step_by(2).for_each(|(_, id)| *id = id.wrapping_mul(31)),
            Mood::TooFew(every) => {
                let mut n = 0;
                found.retain(|_| {
                    n += 1;
                    (n - 1) % every != 0
                });
            }
            Mood::Unsorted => found.reverse(),
            Mood::Twice => {
                let first = found.first().copied();
                found.splice(0..0, first);
            }
            _ => {}
        }
        found.truncate(limit);
        let points = found.into_iter().map(|(score, id)| api::ScoredPoint {
            id: Some(id.into()),
            score,
            ..Default::default()
        });
        Ok(api::QueryResponse { result: points.collect(), ..Default::default() })
    }

    pub(super) fn count(&mut self, asked: &api::CountPoints) -> Told<api::CountResponse> {
        self.read(asked.read_consistency.as_ref())?;
        let points = self.collection(&asked.collection_name)?.points.values();
        let count = points.filter(|(tag, _)| takes(asked.filter.as_ref(), *tag)).count() as u64;
        Ok(api::CountResponse { result: Some(api::CountResult { count }), ..Default::default() })
    }

    pub(super) fn index(
        &mut self,
        asked: &api::CreateFieldIndexCollection,
    ) -> Told<api::PointsOperationResponse> {
        assert!(asked.wait == Some(true) && asked.field_name == "t");
        self.collection(&asked.collection_name)?.indexed = true;
        Ok(completed())
    }

    pub(super) fn facet(&mut self, asked: &api::FacetCounts) -> Told<api::FacetResponse> {
        self.read(asked.read_consistency.as_ref())?;
        if !self.collection(&asked.collection_name)?.indexed {
            return Err(Status::invalid_argument("Index required but not found"));
        }
        let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
        for (tag, _) in self.collection(&asked.collection_name)?.points.values() {
            *counts.entry(*tag).or_default() += 1;
        }
        let hits = counts.into_iter().take(asked.limit.unwrap() as usize).map(|(tag, count)| api::FacetHit {
            value: Some(api::FacetValue { variant: Some(api::facet_value::Variant::IntegerValue(tag)) }),
            count,
        });
        Ok(api::FacetResponse { hits: hits.collect(), ..Default::default() })
    }

    pub(super) fn scroll(&mut self, asked: &api::ScrollPoints) -> Told<api::ScrollResponse> {
        self.read(asked.read_consistency.as_ref())?;
        let from = asked.offset.clone().map_or(0, |from| id(Some(from)));
        let limit = asked.limit.unwrap() as usize;
        let points = &self.collection(&asked.collection_name)?.points;
        let page = points.range(from..).take(limit).map(|(id, (tag, _))| api::RetrievedPoint {
            id: Some((*id).into()),
            payload: [("t".to_owned(), (*tag).into())].into(),
            ..Default::default()
        });
        let result: Vec<_> = page.collect();
        let next = points.range(from..).nth(limit).map(|(id, _)| (*id).into());
        Ok(api::ScrollResponse { result, next_page_offset: next, ..Default::default() })
    }
}
