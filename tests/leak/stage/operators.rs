//! What operators do to a staged world while people ask: a source that nobody may read is read, renamed, moved and
//! removed, keys rotate, backups are taken, and everything is embedded anew. None of it may show.

use super::{Stage, operator};
use crate::words;
use crate::world::Doc;
use kenward_access::rights::RightsSpec;
use kenward_indexes::embedding::hashing;
use kenward_vault::reembed::Ended;
use kenward_vault::writer::{SourceRights, SourceSpec};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

impl Stage {
    /// Embeds everything anew, in another space; or begins to, and is stopped at once. Whether it switched over: where there is
    /// little, all of it may have been embedded before it was stopped.
    pub fn embed_anew(&mut self, stopped: bool) -> bool {
        let other = hashing(48);
        let stop = AtomicBool::new(false);
        let tell = |_| stop.store(stopped, Ordering::Relaxed);
        let ended =
            self.vault().embed_anew(&operator(), &other, &|| stop.load(Ordering::Relaxed), &tell).unwrap();
        match ended {
            Ended::Switched { .. } => self.embedder = other,
            Ended::Stopped { .. } => {
                assert!(stopped && self.vault().embedder().unwrap().space().dimension == 32);
                return false;
            }
            Ended::Already { .. } => assert_eq!(self.embedder.space(), other.space()),
        }
        true
    }

    /// Only in world A: a source that nobody may read is read, and its run publishes.
    pub fn hidden_run(&self) {
        if self.only.is_some() {
            return;
        }
        // It may have moved since it was recorded.
        let recorded = self.vault().sources().unwrap().into_iter().find(|(_, spec)| spec.name == "cellar");
        let root = recorded.map_or_else(|| "/srv/cellar".to_owned(), |(_, spec)| spec.root);
        let spec = SourceSpec {
            name: "cellar".to_owned(),
            kind: "files".to_owned(),
            root,
            default_allow: Vec::new(),
            url_template: None,
            tier: 2,
            label: None,
            rights: SourceRights::default(),
        };
        let source = self.vault().source(&operator(), spec).unwrap();
        let mut run = self.vault().begin_run(&operator(), source).unwrap();
        run.set_rights(BTreeMap::from([("cellar".to_owned(), RightsSpec::default())])).unwrap();
        let seed = words::CELLAR + u64::from(self.vault().stats().unwrap().chunks.is_multiple_of(7));
        let doc = Doc {
            container: "cellar".to_owned(),
            kind: "text",
            modified: crate::world::BEGIN,
            seed,
            twin: seed,
            held: Vec::new(),
        };
        run.put(self.document(&format!("cellar/{seed}.md"), &doc)).unwrap();
        run.finish().unwrap();
        self.operate();
    }

    /// What operators do beside what is asked: with the source that nobody may read, and with everything.
    fn operate(&self) {
        let (vault, by) = (self.vault(), operator());
        let cellar =
            vault.source_infos().unwrap().into_iter().find(|source| source.spec.name == "cellar").unwrap();
        vault.rename_source(&by, &cellar.id, "vaults").unwrap();
        vault.move_source(&by, &cellar.id, "/srv/vaults").unwrap();
        vault.rename_source(&by, &cellar.id, "cellar").unwrap();
        for name in ["cursors", "receipts", "ledger"] {
            let key = vault.keys().into_iter().find(|key| key.name == name).unwrap();
            vault.rotate_key(&by, name, &key.fingerprint).unwrap();
        }
        let copy = self.data.with_extension(format!("copy-{}", vault.stats().unwrap().audit_records));
        vault.backup(&by, &copy, "copy").unwrap();
        let found = vault.verify(true).unwrap();
        assert_eq!(found.problems(), 0, "{found:?}");
        if vault.stats().unwrap().chunks.is_multiple_of(2) {
            vault.remove_source(&by, &cellar.id).unwrap();
        }
    }
}
