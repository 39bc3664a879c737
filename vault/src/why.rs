//! `access why`: the decision's path for one person and one document, rendered from the very call
//! that guards the data. For operators; it shows no content, and is recorded.

use crate::catalog::{content, json};
use crate::error::VaultError;
use crate::published::Rights;
use crate::vault::{Operator, Vault, Why, WhyStep};
use crate::writer::place;
use kenward_access::acl::Acl;
use kenward_access::decision::{Holder, decide};
use kenward_access::explain::{Step, explain};
use kenward_access::principal::Principal;
use kenward_access::rights::{Origin, RightsSpec};
use std::collections::HashMap;

impl Vault {
    /// Whether the person may read the document, by which path. Writes an audit record.
    ///
    /// `document` is an id (`kd_…`) or `source/path`.
    ///
    /// # Errors
    /// [`VaultError::Name`] for an unknown person or document.
    pub fn why(&self, by: &Operator, handle: &str, document: &str) -> Result<Why, VaultError> {
        // As answers show it.
        let document = document.strip_prefix("kb://document/").unwrap_or(document);
        let (rights, found) = {
            // Under the writer's lock, so that the rights and the place are of one moment.
            let mut catalog = self.catalog.lock();
            let found =
                catalog.transaction("explaining a decision", |tx| match content::find(tx, document)? {
                    Some(no) => Ok(Some((no, content::place(tx, no)?))),
                    None => Ok(None),
                })?;
            (self.core.rights.load_full(), found)
        };
        let Some(user) = rights.handles.get(handle).and_then(|id| rights.users.get(id)) else {
            return Err(VaultError::name(
                format!("there is no person `{handle}`"),
                "see `kenward users list`",
            ));
        };
        let Some((no, at)) = found else {
            return Err(VaultError::name(
                format!("there is no document `{document}`"),
                "give its id (`kd_…`) or `SOURCE/PATH`",
            ));
        };
        let nobody = Acl::nobody();
        let acl = rights.class_of(no).and_then(|class| rights.classes.get(class)).unwrap_or(&nobody);
        let holder = Holder::new(
            [Principal::User(user.id.clone()), Principal::Everyone],
            rights.groups.closure(&user.id),
            user.clearance.clone(),
        );
        let decision = decide(acl, &holder, self.core.now());
        let spec: RightsSpec = json(&at.spec)?;
        let steps = explain(acl, at.plain.then_some(&spec), &holder, &decision);
        let names = Handles::of(&rights);
        let mut steps: Vec<WhyStep> = steps.into_iter().map(|step| names.step(step)).collect();
        if user.disabled {
            let because = "the person is disabled".to_owned();
            steps.insert(0, WhyStep { layer: 0, allows: false, because, origin: None, chain: Vec::new() });
        }
        let unknown: Vec<(String, Origin)> = json(&at.unknown)?;
        let why = Why {
            allowed: decision.allowed && !user.disabled,
            user: user.handle.clone(),
            document: crate::keys::document_id(&at.key),
            source: at.source,
            path: at.path,
            container: at.container,
            steps,
            unresolved: unknown
                .into_iter()
                .map(|(what, origin)| format!("{what} ({})", place(&origin.file, origin.line)))
                .collect(),
        };
        self.core.record_deed(
            by,
            "why",
            serde_json::json!({ "user": user.id, "document": why.document, "allowed": why.allowed }),
        )?;
        Ok(why)
    }
}

/// Handles by immutable id, for words that people read.
struct Handles<'a>(HashMap<&'a str, String>);

impl<'a> Handles<'a> {
    fn of(rights: &'a Rights) -> Self {
        let people = rights.users.values().map(|u| (u.id.as_str(), format!("user:{}", u.handle)));
        let groups = rights.group_handles.iter().map(|(h, id)| (id.as_str(), format!("group:{h}")));
        Self(people.chain(groups).collect())
    }

    fn step(&self, step: Step) -> WhyStep {
        let name = |id: &String| self.0.get(id.as_str()).cloned().unwrap_or_else(|| id.clone());
        WhyStep {
            layer: step.layer,
            allows: step.allows,
            because: self.words(&step.because),
            origin: step.origin.map(|o| place(&o.file, o.line)),
            chain: step.chain.iter().map(name).collect(),
        }
    }

    /// Where an entry is no longer written anywhere, its principal stands as an id.
    fn words(&self, text: &str) -> String {
        if !text.contains("u_") && !text.contains("g_") {
            return text.to_owned();
        }
        let mut out = text.to_owned();
        for (id, handle) in &self.0 {
            if out.contains(id) {
                out = out.replace(id, handle);
            }
        }
        out
    }
}
