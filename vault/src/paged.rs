//! Tables that are copied often and changed a little: pages behind `Arc`s, so that a new version of
//! a table of ten million rows costs its pages' pointers and the few pages that changed. They must
//! never be changed in place once they are shared: a pinned table stays as it was.

use kenward_access::ids::{ChunkNo, ContainerNo, DocNo};
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

const PAGE: usize = 512;

/// A number that a catalog gives out in order, so that a table over it is dense.
pub trait Number: Copy {
    /// The number.
    fn number(self) -> u32;
    /// The number's type back.
    fn from_number(number: u32) -> Self;
}

macro_rules! number {
    ($($name:ident),*) => {$(
        impl Number for $name {
            fn number(self) -> u32 {
                self.0
            }
            fn from_number(number: u32) -> Self {
                Self(number)
            }
        }
    )*};
}
number!(DocNo, ChunkNo, ContainerNo);

/// A map from a dense number, cheap to clone and to change a little.
#[derive(Debug)]
pub struct Paged<K, V> {
    pages: Vec<Option<Arc<Vec<Option<V>>>>>,
    key: PhantomData<K>,
}

impl<K, V> Clone for Paged<K, V> {
    fn clone(&self) -> Self {
        Self { pages: self.pages.clone(), key: PhantomData }
    }
}

impl<K, V> Default for Paged<K, V> {
    fn default() -> Self {
        Self { pages: Vec::new(), key: PhantomData }
    }
}

impl<K: Number, V: Clone> Paged<K, V> {
    /// The value of a number.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        let at = key.number() as usize;
        self.pages.get(at / PAGE)?.as_ref()?.get(at % PAGE)?.as_ref()
    }

    /// Whether the number has a value.
    #[must_use]
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// Sets a value, and gives the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let at = key.number() as usize;
        if self.pages.len() <= at / PAGE {
            self.pages.resize_with(at / PAGE + 1, || None);
        }
        let page = self.pages.get_mut(at / PAGE)?.get_or_insert_with(|| Arc::new(vec![None; PAGE]));
        Arc::make_mut(page).get_mut(at % PAGE)?.replace(value)
    }

    /// Removes a value, and gives it.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let at = key.number() as usize;
        if !self.contains_key(key) {
            return None;
        }
        let page = self.pages.get_mut(at / PAGE)?.as_mut()?;
        Arc::make_mut(page).get_mut(at % PAGE)?.take()
    }

    /// All numbers and values, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.pages.iter().enumerate().filter_map(|(n, page)| Some((n, page.as_ref()?))).flat_map(
            |(n, page)| {
                page.iter().enumerate().filter_map(move |(at, value)| {
                    let number = u32::try_from(n * PAGE + at).ok()?;
                    Some((K::from_number(number), value.as_ref()?))
                })
            },
        )
    }

    /// What this table has and `new` has otherwise, or no more: number, value here, value there. Pages that the
    /// two share are not looked at.
    pub fn changed<'t>(&'t self, new: &'t Self) -> impl Iterator<Item = (K, &'t V, Option<&'t V>)>
    where
        V: PartialEq,
    {
        let other = |n: usize| new.pages.get(n).and_then(Option::as_ref);
        let pages = self.pages.iter().enumerate().filter_map(|(n, page)| Some((n, page.as_ref()?)));
        pages.filter(move |(n, page)| !other(*n).is_some_and(|new| Arc::ptr_eq(page, new))).flat_map(
            move |(n, page)| {
                let there = other(n);
                page.iter().enumerate().filter_map(move |(at, value)| {
                    let (old, new) = (value.as_ref()?, there.and_then(|page| page.get(at)?.as_ref()));
                    let number = u32::try_from(n * PAGE + at).ok()?;
                    (new != Some(old)).then(|| (K::from_number(number), old, new))
                })
            },
        )
    }

    /// All values, by ascending number.
    #[cfg(test)]
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

const SHARDS: usize = 1024;

/// Document numbers by public id. Ids are keyed hashes, so their first bits spread them evenly.
#[derive(Debug, Clone)]
pub struct ById {
    shards: Vec<Arc<HashMap<[u8; 16], DocNo>>>,
}

impl Default for ById {
    fn default() -> Self {
        Self { shards: vec![Arc::default(); SHARDS] }
    }
}

impl ById {
    fn shard(key: &[u8; 16]) -> usize {
        let [a, b, ..] = key;
        (usize::from(*a) << 8 | usize::from(*b)) % SHARDS
    }

    /// The document behind an id as callers write it (`kd_…`); `None` for anything else.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<DocNo> {
        let key = crate::keys::parse_document_id(id)?;
        self.shards.get(Self::shard(&key))?.get(&key).copied()
    }

    /// Adds a document by its full keyed hash.
    pub fn insert(&mut self, key: &[u8; 32], document: DocNo) {
        let short = crate::keys::id_part(key);
        if let Some(shard) = self.shards.get_mut(Self::shard(&short)) {
            Arc::make_mut(shard).insert(short, document);
        }
    }

    /// Removes a document by its full keyed hash, if it is this one.
    pub fn remove(&mut self, key: &[u8; 32], document: DocNo) {
        let short = crate::keys::id_part(key);
        if let Some(shard) = self.shards.get_mut(Self::shard(&short))
            && shard.get(&short) == Some(&document)
        {
            Arc::make_mut(shard).remove(&short);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn a_paged_table_is_a_map_and_its_copies_stay(ops in prop::collection::vec((0u32..2000, any::<Option<u8>>()), 0..200)) {
            let mut model: BTreeMap<u32, u8> = BTreeMap::new();
            let mut table: Paged<DocNo, u8> = Paged::default();
            let mut copies = Vec::new();
            for (at, op) in ops {
                match op {
                    Some(v) => prop_assert_eq!(table.insert(DocNo(at), v), model.insert(at, v)),
                    None => prop_assert_eq!(table.remove(&DocNo(at)), model.remove(&at)),
                }
                copies.push((table.clone(), model.clone()));
            }
            for (table, model) in copies {
                let got: Vec<(u32, u8)> = table.iter().map(|(k, v)| (k.0, *v)).collect();
                let want: Vec<(u32, u8)> = model.iter().map(|(k, v)| (*k, *v)).collect();
                prop_assert_eq!(got, want);
            }
        }
    }

    #[test]
    fn ids_are_found_only_as_they_are_written() {
        let key = [7u8; 32];
        let mut ids = ById::default();
        ids.insert(&key, DocNo(3));
        let id = crate::keys::document_id(&key);
        assert_eq!(ids.get(&id), Some(DocNo(3)));
        assert_eq!(ids.get(&id.to_uppercase()), None);
        assert_eq!(ids.get(&id[3..]), None);
        ids.remove(&key, DocNo(4));
        assert_eq!(ids.get(&id), Some(DocNo(3)));
        ids.remove(&key, DocNo(3));
        assert_eq!(ids.get(&id), None);
    }
}
