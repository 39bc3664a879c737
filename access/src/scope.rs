//! The scope: a caller's proven reach, resolved once per request and pinned to a rights epoch.
//! It must never be kept for a session, cloned, or built from stored data.

use crate::acl::Clearance;
use crate::acl_class::ClassTable;
use crate::agent::Only;
use crate::caller::{Caller, Subject};
use crate::decision::{Decision, Holder, decide};
use crate::groups::{Completeness, Memberships};
use crate::ids::{AgentId, ChunkNo, ClassId, DocNo, RightsEpoch, TenantId, Timestamp};
use crate::principal::Principal;
use crate::visible::Grant;
use roaring::RoaringBitmap;
use std::marker::PhantomData;
use std::sync::Arc;

/// Hash of everything about a caller that can make a difference to a decision. Caches are keyed by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RightSet(pub [u8; 32]);

/// A caller's proven reach at one rights epoch and instant.
#[derive(Debug)]
pub struct AccessScope {
    tenant: TenantId,
    subject: Subject,
    agent: Option<AgentId>,
    holder: Holder,
    sources: Only,
    right_set: RightSet,
    epoch: RightsEpoch,
    now: Timestamp,
}

impl AccessScope {
    /// Resolves what a proven caller holds. `now` is the request's fixed clock. Memberships of
    /// somebody else count as no facts at all: no group, and incomplete.
    #[must_use]
    pub fn resolve(
        caller: &Caller,
        memberships: Memberships,
        clearance: Clearance,
        epoch: RightsEpoch,
        now: Timestamp,
    ) -> Self {
        let (own, person) = match caller.subject() {
            Subject::User(id) => (Principal::User(id.clone()), Some(id)),
            Subject::Service(id) => (Principal::Service(id.as_str().to_owned()), None),
        };
        // INVARIANT (I1): a caller's groups are that caller's own.
        let memberships =
            if memberships.of() == person { memberships } else { Memberships::none().incomplete() };
        // INVARIANT: through an agent a caller has the person's rights AND the agent's.
        let clearance = caller.limits().lower(clearance);
        let holder = Holder::new([own, Principal::Everyone], memberships, clearance);
        let right_set = right_set(caller, &holder);
        Self {
            tenant: caller.tenant().clone(),
            subject: caller.subject().clone(),
            agent: caller.agent().cloned(),
            holder,
            sources: caller.limits().sources.clone(),
            right_set,
            epoch,
            now,
        }
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Who acts.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The agent, if known.
    #[must_use]
    pub fn agent(&self) -> Option<&AgentId> {
        self.agent.as_ref()
    }

    /// What the caller holds.
    #[must_use]
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// The sources in which anything may be seen, by name.
    #[must_use]
    pub fn sources(&self) -> &Only {
        &self.sources
    }

    /// The key of every cache that depends on this caller's rights.
    #[must_use]
    pub fn right_set(&self) -> RightSet {
        self.right_set
    }

    /// The rights epoch that this scope is pinned to.
    #[must_use]
    pub fn epoch(&self) -> RightsEpoch {
        self.epoch
    }

    /// The request's fixed clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Evaluates every class once and gives the filter that a search must carry.
    #[must_use]
    pub fn filter(&self, classes: &ClassTable) -> AccessFilter<'_> {
        let mut visible = RoaringBitmap::new();
        let mut void_from: Option<Timestamp> = None;
        for (id, acl) in classes.iter() {
            let decision = decide(acl, &self.holder, self.now);
            if decision.allowed {
                visible.insert(id.0);
            }
            if let Some(edge) = decision.next_edge {
                void_from = Some(void_from.map_or(edge, |v| v.min(edge)));
            }
        }
        AccessFilter {
            visible: Arc::new(visible),
            right_set: self.right_set,
            epoch: self.epoch,
            made: self.now,
            void_from,
            scope: PhantomData,
        }
    }

    /// Decides against the document's class as the catalog has it now, and gives the pass that lets
    /// its text be read. Allowed call site: the gate only.
    #[must_use]
    pub fn check(
        &self,
        document: DocNo,
        class_now: ClassId,
        classes: &ClassTable,
    ) -> (Decision, Option<Grant<'_>>) {
        match classes.get(class_now) {
            Some(acl) => {
                let decision = decide(acl, &self.holder, self.now);
                let grant = decision.allowed.then(|| Grant::mint(self, document));
                (decision, grant)
            }
            // INVARIANT (I3): an unknown class is visible to nobody.
            None => {
                (Decision { allowed: false, path: Vec::new(), outside: Vec::new(), next_edge: None }, None)
            }
        }
    }
}

fn right_set(caller: &Caller, holder: &Holder) -> RightSet {
    let mut hash = blake3::Hasher::new_derive_key("kenward 2026 right-set v1");
    let mut field = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    field(caller.tenant().as_str().as_bytes());
    field(caller.agent().map_or("", AgentId::as_str).as_bytes());
    field(match holder.memberships().completeness() {
        Completeness::Complete => b"c",
        Completeness::Incomplete => b"i",
    });
    field(&holder.clearance().level.0.to_le_bytes());
    field(&(holder.clearance().compartments.len() as u64).to_le_bytes());
    for compartment in &holder.clearance().compartments {
        field(compartment.as_bytes());
    }
    match &caller.limits().sources {
        Only::All => field(b"all"),
        Only::These(names) => {
            field(&(names.len() as u64).to_le_bytes());
            names.iter().for_each(|name| field(name.as_bytes()));
        }
    }
    for principal in holder.principals() {
        field(format!("{principal:?}").as_bytes());
    }
    RightSet(*hash.finalize().as_bytes())
}

/// Which classes a caller may see: an argument by value of every search, never an `Option`.
#[derive(Debug, Clone)]
pub struct AccessFilter<'scope> {
    visible: Arc<RoaringBitmap>,
    right_set: RightSet,
    epoch: RightsEpoch,
    made: Timestamp,
    void_from: Option<Timestamp>,
    scope: PhantomData<&'scope AccessScope>,
}

impl<'scope> AccessFilter<'scope> {
    /// Whether things of this class may be seen.
    #[must_use]
    pub fn sees(&self, class: ClassId) -> bool {
        self.visible.contains(class.0)
    }

    /// How many classes may be seen.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.visible.len()
    }

    /// Whether nothing may be seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.visible.is_empty()
    }

    /// When time alone makes this filter void (milliseconds UTC); `None` = never.
    #[must_use]
    pub fn void_from(&self) -> Option<Timestamp> {
        self.void_from
    }

    /// The right-set and epoch that it was made for.
    #[must_use]
    pub fn key(&self) -> (RightSet, RightsEpoch) {
        (self.right_set, self.epoch)
    }

    /// The visible ones of these chunks. `generation` names the published content that the chunks
    /// were read from, and is part of the key under which the result may be cached.
    pub fn chunks(
        &self,
        generation: u64,
        chunks: impl IntoIterator<Item = (ChunkNo, ClassId)>,
    ) -> VisibleChunks<'scope> {
        let mut bits = RoaringBitmap::new();
        for (chunk, class) in chunks {
            if self.sees(class) {
                bits.insert(chunk.0);
            }
        }
        let set = ChunkSet {
            bits,
            classes: Arc::clone(&self.visible),
            right_set: self.right_set,
            epoch: self.epoch,
            made: self.made,
            void_from: self.void_from,
            generation,
        };
        VisibleChunks { set: Arc::new(set), scope: PhantomData }
    }

    /// Takes a cached set again, if it is exactly this caller's: same right-set, epoch and content.
    #[must_use]
    pub fn reuse(
        &self,
        generation: u64,
        now: Timestamp,
        set: Arc<ChunkSet>,
    ) -> Option<VisibleChunks<'scope>> {
        // INVARIANT (I10): nothing is reused across callers, epochs, window edges or contents.
        let same = set.right_set == self.right_set && set.epoch == self.epoch && set.generation == generation;
        // A set holds from the instant it was made for to its next window edge: for this request's
        // own clock as for `now`. A clock that went back makes it void too.
        let holds_at = |at: Timestamp| set.made <= at && set.void_from.is_none_or(|edge| at < edge);
        let fresh = holds_at(self.made) && holds_at(now);
        (same && fresh).then_some(VisibleChunks { set, scope: PhantomData })
    }
}

/// What may be cached of a [`VisibleChunks`]; useless without a matching [`AccessFilter`].
#[derive(Debug)]
pub struct ChunkSet {
    bits: RoaringBitmap,
    classes: Arc<RoaringBitmap>,
    right_set: RightSet,
    epoch: RightsEpoch,
    made: Timestamp,
    void_from: Option<Timestamp>,
    generation: u64,
}

/// The published chunks that one caller may see. What the engines search; minted by [`AccessFilter`] only.
#[derive(Debug, Clone)]
pub struct VisibleChunks<'scope> {
    set: Arc<ChunkSet>,
    scope: PhantomData<&'scope AccessScope>,
}

impl VisibleChunks<'_> {
    /// Whether this chunk may be seen.
    #[must_use]
    pub fn contains(&self, chunk: ChunkNo) -> bool {
        self.set.bits.contains(chunk.0)
    }

    /// How many may be seen.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.set.bits.len()
    }

    /// Whether none may be seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.bits.is_empty()
    }

    /// The visible ones, ascending.
    pub fn iter(&self) -> impl Iterator<Item = ChunkNo> + '_ {
        self.set.bits.iter().map(ChunkNo)
    }

    /// The visible ones of a range, ascending.
    pub fn within(&self, range: std::ops::RangeInclusive<u32>) -> impl Iterator<Item = ChunkNo> + '_ {
        self.set.bits.range(range).map(ChunkNo)
    }

    /// Whether things of this class may be seen, whether any is published or not. An engine may ask by it for what is
    /// worth looking at; what comes back is decided by [`VisibleChunks::contains`] alone.
    #[must_use]
    pub fn sees(&self, class: ClassId) -> bool {
        self.set.classes.contains(class.0)
    }

    /// The visible ones of some chunks.
    #[must_use]
    pub fn among(&self, chunks: &RoaringBitmap) -> RoaringBitmap {
        &self.set.bits & chunks
    }

    /// The visible ones without these.
    #[must_use]
    pub fn without(&self, chunks: &RoaringBitmap) -> Self {
        let set = ChunkSet {
            bits: &self.set.bits - chunks,
            classes: Arc::clone(&self.set.classes),
            right_set: self.set.right_set,
            epoch: self.set.epoch,
            made: self.set.made,
            void_from: self.set.void_from,
            // INVARIANT: no content has this number, so a cache never gives a part for the whole.
            generation: u64::MAX,
        };
        Self { set: Arc::new(set), scope: PhantomData }
    }

    /// For a cache: the set behind it, and the key it goes under.
    #[must_use]
    pub fn cacheable(&self) -> (RightSet, RightsEpoch, u64, Arc<ChunkSet>) {
        (self.set.right_set, self.set.epoch, self.set.generation, Arc::clone(&self.set))
    }
}

#[cfg(test)]
#[path = "scope_tests.rs"]
mod tests;
