//! The rights of a folder or a file, from the rights files above it. It must never leave out a deny
//! or a label in force, and never fall back to the default where something was said.

use super::fidelity::Tally;
use super::parse::{FileRule, FolderRules, Unusable, Written, parse};
use crate::connectors::{ItemRights, RIGHTS_FILE};
use kenward_access::acl::{Effect, Window};
use kenward_access::rights::{Naming, Origin, RightsEntry, RightsSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a source's configuration says for what says nothing itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Defaults {
    /// `everyone`, `user:HANDLE`, `group:HANDLE`; empty = not answered: nobody.
    pub allow: Vec<String>,
    /// Label of what has none of its own.
    pub label: Option<String>,
}

impl Defaults {
    /// Who may read what nothing speaks of.
    pub(super) fn entries(&self) -> impl Iterator<Item = RightsEntry> + '_ {
        self.allow.iter().map(|principal| RightsEntry {
            effect: Effect::Allow,
            principal: principal.clone(),
            naming: Naming::Handle,
            window: Window::ALWAYS,
            origin: Origin { file: "default_allow".to_owned(), line: 0 },
        })
    }

    /// The label of what has none.
    pub(super) fn label(&self) -> Option<(String, Origin)> {
        let origin = Origin { file: "default_label".to_owned(), line: 0 };
        self.label.clone().map(|label| (label, origin))
    }
}

/// All rights files of a source, by folder.
#[derive(Debug, Clone)]
pub struct TomlRules {
    folders: Arc<BTreeMap<String, Result<FolderRules, Unusable>>>,
    raw: Arc<BTreeMap<String, Vec<u8>>>,
    defaults: Defaults,
}

impl PartialEq for TomlRules {
    /// Equal if they were read from the same bytes under the same defaults.
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw && self.defaults == other.defaults
    }
}

impl Eq for TomlRules {}

/// One link of a chain: a folder above (or at) the item, with its rules.
struct Link<'a> {
    folder: &'a str,
    rules: &'a FolderRules,
}

impl TomlRules {
    /// Reads all rights files (folder → bytes). Those that cannot be understood hide what is below them.
    #[must_use]
    pub fn parse(raw: &BTreeMap<String, Vec<u8>>, defaults: Defaults) -> Self {
        let folders = raw.iter().map(|(folder, bytes)| (folder.clone(), parse(bytes))).collect();
        Self { folders: Arc::new(folders), raw: Arc::new(raw.clone()), defaults }
    }

    /// The rights of a folder: of what is in it and has none of its own.
    #[must_use]
    pub fn of_folder(&self, folder: &str) -> ItemRights {
        self.combine(folder, None)
    }

    /// The rights of a file, and the container that they hang on.
    #[must_use]
    pub fn of_file(&self, path: &str) -> ItemRights {
        self.combine(parent(path), Some(path))
    }

    /// Every rights file, or line of one, that could not be used: (path, line, what).
    pub(super) fn problems(&self) -> impl Iterator<Item = (String, u32, &str)> {
        self.folders.iter().flat_map(|(folder, rules)| {
            let problems = match rules {
                Ok(rules) => rules.idle.as_slice(),
                Err(problem) => std::slice::from_ref(problem),
            };
            problems.iter().map(move |problem| (rights_file(folder), problem.line, problem.what.as_str()))
        })
    }

    /// What became of the constructs: all of them have a meaning here, so a file counts as a whole.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (folder, rules) in self.folders.iter() {
            match rules {
                Ok(rules) => {
                    tally.exact("allow", rules.allow.len());
                    tally.exact("deny", rules.deny.len());
                    tally.exact("[[file]]", rules.files.len());
                    tally.exact("inherit = false", usize::from(!rules.inherit));
                }
                Err(problem) => {
                    tally.refused("rights file", &rights_file(folder), problem.line, &problem.what);
                }
            }
        }
        tally
    }

    /// The `[[file]]` rules that match none of these files: (path of the rights file, line of `match`).
    ///
    /// Nobody's view depends on them; but a name that was misspelt guards nothing.
    pub fn unmatched<'p>(&self, paths: impl Iterator<Item = &'p str>) -> Vec<(String, u32)> {
        let mut idle: BTreeMap<&str, Vec<&FileRule>> = self
            .folders
            .iter()
            .filter_map(|(folder, rules)| {
                Some((folder.as_str(), rules.as_ref().ok()?.files.iter().collect()))
            })
            .filter(|(_, rules): &(_, Vec<_>)| !rules.is_empty())
            .collect();
        for path in paths {
            if idle.is_empty() {
                break;
            }
            for folder in ancestors(parent(path)) {
                let Some(rules) = idle.get_mut(folder) else { continue };
                rules.retain(|rule| !rule.matcher.is_match(below(folder, path)));
                if rules.is_empty() {
                    idle.remove(folder);
                }
            }
        }
        let places = |(folder, rules): (&str, Vec<&FileRule>)| {
            let file = rights_file(folder);
            rules.into_iter().map(|rule| (file.clone(), rule.line)).collect::<Vec<_>>()
        };
        idle.into_iter().flat_map(places).collect()
    }

    fn combine(&self, folder: &str, file: Option<&str>) -> ItemRights {
        let mut chain = Vec::new();
        for above in ancestors(folder) {
            match self.folders.get(above) {
                None => {}
                Some(Ok(rules)) => chain.push(Link { folder: above, rules }),
                // INVARIANT (I3): also under `inherit = false`, because a label of the file that
                // cannot be read would have stayed.
                Some(Err(problem)) => return self.hidden(folder, above, problem),
            }
        }
        let cut = chain.iter().rposition(|link| !link.rules.inherit);
        let in_force = chain.get(cut.unwrap_or(0)..).unwrap_or_default();
        let mut parts = Parts::default();
        parts.gather(in_force, file);
        for link in &chain {
            parts.labels(link, file);
        }
        parts.mentions(in_force);
        // INVARIANT: the default is for what nobody spoke of. An empty list speaks: it names nobody.
        // A label does not, and stays a layer beside the default.
        let unsaid = cut.is_none() && !parts.said;
        if unsaid {
            parts.spec.entries.extend(self.defaults.entries());
        }
        if parts.spec.labels.is_empty() {
            parts.spec.labels.extend(self.defaults.label());
        }
        let container = if parts.own { file.unwrap_or(folder) } else { folder };
        ItemRights { container: container.to_owned(), spec: parts.spec, unsaid }
    }

    fn hidden(&self, folder: &str, broken: &str, problem: &Unusable) -> ItemRights {
        let origin = Origin { file: rights_file(broken), line: problem.line };
        let spec = RightsSpec { problem: Some((problem.what.clone(), origin)), ..RightsSpec::default() };
        ItemRights { container: folder.to_owned(), spec, unsaid: false }
    }
}

/// The entries of one item while they are put together.
#[derive(Default)]
struct Parts {
    spec: RightsSpec,
    /// A `[[file]]` rule matches: the file does not hang on its folder's rights, which lack the rule's
    /// entries and its label.
    own: bool,
    /// Something in force says who may read it, even if that is nobody.
    said: bool,
}

impl Parts {
    /// All denies in force, the nearest first; then all allows.
    fn gather(&mut self, in_force: &[Link<'_>], file: Option<&str>) {
        let nearest_first = || in_force.iter().rev();
        for link in nearest_first() {
            for rule in link.matching(file) {
                self.own = true;
                self.said |= rule.said;
                self.entries(Effect::Deny, link, &rule.deny, rule.window);
            }
        }
        for link in nearest_first() {
            self.said |= link.rules.said;
            self.entries(Effect::Deny, link, &link.rules.deny, link.rules.window);
        }
        let only: Vec<_> = nearest_first()
            .flat_map(|link| link.matching(file).map(move |rule| (link, rule)))
            .filter(|(_, rule)| rule.only)
            .collect();
        if let Some(((link, first), others)) = only.split_first() {
            // Several `only` rules: each says "nobody else", so an allow counts if all of them have it.
            for written in &first.allow {
                let shared =
                    others.iter().all(|(_, rule)| rule.allow.iter().any(|(name, _)| *name == written.0));
                let until = only.iter().filter_map(|(_, rule)| rule.window.until).min();
                if shared {
                    let window = Window { from: None, until };
                    self.entries(Effect::Allow, link, std::slice::from_ref(written), window);
                }
            }
            return;
        }
        for link in nearest_first() {
            for rule in link.matching(file) {
                self.entries(Effect::Allow, link, &rule.allow, rule.window);
            }
        }
        for link in nearest_first() {
            self.entries(Effect::Allow, link, &link.rules.allow, link.rules.window);
        }
    }

    fn entries(&mut self, effect: Effect, link: &Link<'_>, names: &[Written], window: Window) {
        self.spec.entries.extend(names.iter().map(|(principal, line)| RightsEntry {
            effect,
            principal: principal.clone(),
            naming: Naming::Handle,
            window,
            origin: link.origin(*line),
        }));
    }

    /// Labels stay even where `inherit = false` cut the entries off; each one is a layer.
    fn labels(&mut self, link: &Link<'_>, file: Option<&str>) {
        if let Some((label, line)) = &link.rules.label {
            self.spec.labels.push((label.clone(), link.origin(*line)));
        }
        for rule in link.matching(file) {
            if let Some((label, line)) = &rule.label {
                self.own = true;
                self.spec.labels.push((label.clone(), link.origin(*line)));
            }
        }
    }

    /// Names in the rights files in force that did not become entries: they must be known all the same.
    fn mentions(&mut self, in_force: &[Link<'_>]) {
        let used: BTreeSet<&str> = self.spec.entries.iter().map(|entry| entry.principal.as_str()).collect();
        let mut seen = BTreeSet::new();
        let mut mentioned = Vec::new();
        for link in in_force {
            let of_files = link.rules.files.iter().flat_map(|rule| rule.allow.iter().chain(&rule.deny));
            for (name, line) in link.rules.allow.iter().chain(&link.rules.deny).chain(of_files) {
                if !used.contains(name.as_str()) && seen.insert(name.as_str()) {
                    mentioned.push((name.clone(), link.origin(*line)));
                }
            }
        }
        self.spec.mentioned = mentioned;
    }
}

impl<'a> Link<'a> {
    fn origin(&self, line: u32) -> Origin {
        Origin { file: rights_file(self.folder), line }
    }

    /// The `[[file]]` rules of this folder that match the file, in their order.
    fn matching(&self, file: Option<&str>) -> impl Iterator<Item = &'a FileRule> {
        let relative = file.map(|path| below(self.folder, path).to_owned());
        let rules = self.rules;
        rules
            .files
            .iter()
            .filter(move |rule| relative.as_ref().is_some_and(|path| rule.matcher.is_match(path)))
    }
}

/// The folder that holds a file.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A file's path from a folder above it.
pub(super) fn below<'p>(folder: &str, path: &'p str) -> &'p str {
    path.strip_prefix(folder).unwrap_or(path).trim_start_matches('/')
}

fn rights_file(folder: &str) -> String {
    if folder.is_empty() { RIGHTS_FILE.to_owned() } else { format!("{folder}/{RIGHTS_FILE}") }
}

/// The root, then each folder down to this one.
pub(super) fn ancestors(folder: &str) -> impl Iterator<Item = &str> {
    let below = (!folder.is_empty()).then(|| {
        let slashes = folder.match_indices('/').map(|(at, _)| at);
        slashes.chain([folder.len()]).filter_map(|end| folder.get(..end))
    });
    std::iter::once("").chain(below.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(files: &[(&str, &str)]) -> TomlRules {
        let raw =
            files.iter().map(|(folder, text)| ((*folder).to_owned(), text.as_bytes().to_vec())).collect();
        TomlRules::parse(&raw, Defaults { allow: vec!["everyone".into()], label: None })
    }

    fn entries(rights: &ItemRights) -> Vec<String> {
        let entries = rights.spec.entries.iter();
        entries
            .map(|entry| {
                let sign = if entry.effect == Effect::Allow { '+' } else { '-' };
                format!("{sign}{}@{}:{}", entry.principal, entry.origin.file, entry.origin.line)
            })
            .collect()
    }

    #[test]
    fn denies_come_first_and_inherit_false_cuts_entries_but_not_labels() {
        let rules = rules(&[
            ("", "allow = [\"everyone\"]\ndeny = [\"group:guests\"]\nlabel = \"internal\""),
            ("a", "allow = [\"group:a\"]\ndeny = [\"user:x@e.example\"]"),
            ("a/b", "inherit = false\nallow = [\"group:b\"]"),
        ]);
        assert_eq!(
            entries(&rules.of_file("a/doc.md")),
            [
                "-user:x@e.example@a/.access.toml:2",
                "-group:guests@.access.toml:2",
                "+group:a@a/.access.toml:1",
                "+everyone@.access.toml:1",
            ]
        );
        let below = rules.of_file("a/b/c/doc.md");
        assert_eq!(below.container, "a/b/c");
        assert_eq!(entries(&below), ["+group:b@a/b/.access.toml:2"]);
        assert_eq!(below.spec.labels.len(), 1);
        assert!(!below.unsaid);
    }

    #[test]
    fn a_file_rule_adds_or_replaces_and_gets_its_own_container() {
        let rules = rules(&[(
            "pay",
            "allow = [\"group:finance\"]\ndeny = [\"group:guests\"]\n[[file]]\nmatch = \"open-*\"\nallow = [\"everyone\"]\n[[file]]\nmatch = \"salaries-*\"\nonly = true\nallow = [\"group:hr\"]\n",
        )]);
        let open = rules.of_file("pay/x/open-1.md");
        assert_eq!(open.container, "pay/x/open-1.md");
        assert_eq!(entries(&open).len(), 3);
        let only = rules.of_file("pay/salaries-1.md");
        assert_eq!(entries(&only), ["-group:guests@pay/.access.toml:2", "+group:hr@pay/.access.toml:9"]);
        assert!(only.spec.mentioned.iter().any(|(name, _)| name == "group:finance"));
        assert_eq!(rules.of_file("pay/other.md").container, "pay");
    }

    #[test]
    fn rules_that_match_no_file_are_told_by_their_line() {
        let rules = rules(&[
            ("", "[[file]]\nmatch = '*.pdf'\n[[file]]\nmatch = 'pay/salary.md'\nallow = []\n"),
            ("pay", "[[file]]\nmatch = 'salaries-*'\n[[file]]\nmatch = '/board/**'\n"),
            ("payroll", "[[file]]\nmatch = '**'\n"),
            ("broken", "[[file]]\nmacht = 'x'\n"),
        ]);
        let idle = |paths: &[&str]| {
            let idle = rules.unmatched(paths.iter().copied());
            idle.into_iter().map(|(file, line)| format!("{file}:{line}")).collect::<Vec<_>>()
        };
        let told = [".access.toml:2", ".access.toml:4", "pay/.access.toml:2", "pay/.access.toml:4"];
        assert_eq!(idle(&["payroll/a.md", "pay/salaries.md"]), told);
        assert_eq!(
            idle(&["deep/er/a.pdf", "pay/salary.md", "pay/board/x/y", "pay/x/salaries-1"]),
            ["payroll/.access.toml:2"]
        );
        assert_eq!(idle(&[]).len(), 5);
    }

    #[test]
    fn two_only_rules_leave_what_both_allow_until_the_earlier_end() {
        let rules = rules(&[(
            "",
            "[[file]]\nmatch = \"a*\"\nonly = true\nallow = [\"group:hr\", \"group:it\"]\nuntil = 2027-01-01\n[[file]]\nmatch = \"*z\"\nonly = true\nallow = [\"group:it\", \"group:ops\"]\nuntil = 2026-01-01\n",
        )]);
        let both = rules.of_file("az");
        assert_eq!(entries(&both), ["+group:it@.access.toml:4"]);
        assert_eq!(both.spec.entries[0].window.until.map(|until| until.0), Some(1_767_312_000_000));
    }

    #[test]
    fn the_default_decides_only_where_nothing_was_said() {
        let rules = rules(&[
            ("silent", "label = \"internal\""),
            ("closed", "inherit = false"),
            ("denied", "deny = [\"group:guests\"]"),
        ]);
        assert!(rules.of_file("doc.md").unsaid);
        assert!(rules.of_file("silent/doc.md").unsaid);
        assert_eq!(entries(&rules.of_file("silent/doc.md")), ["+everyone@default_allow:0"]);
        assert_eq!(entries(&rules.of_file("closed/doc.md")), Vec::<String>::new());
        assert_eq!(entries(&rules.of_file("denied/doc.md")), ["-group:guests@denied/.access.toml:1"]);
    }

    #[test]
    fn every_form_that_names_nobody_counts_as_said() {
        let until = "until = 2027-01-31";
        for (text, problems) in [
            ("allow = []".to_owned(), 0),
            ("deny = []".to_owned(), 0),
            ("allow = []\ndeny = []".to_owned(), 0),
            (until.to_owned(), 1),
            (format!("allow = []\n{until}"), 1),
            (format!("inherit = true\n{until}"), 1),
            ("[[file]]\nmatch = '*'\nallow = []".to_owned(), 0),
            ("[[file]]\nmatch = '*'\ndeny = []".to_owned(), 0),
            (format!("[[file]]\nmatch = '*'\n{until}"), 1),
            ("[[file]]\nmatch = '*'\nonly = true".to_owned(), 0),
            ("[[file]]\nmatch = '*'\nonly = true\nlabel = 'internal'".to_owned(), 0),
            ("[[file]]\nmatch = '*'\nlabel = 'internal'\nallow = []".to_owned(), 0),
            ("[[file]]\nmatch = '*'\nlabel = 'internal'\ndeny = []".to_owned(), 0),
            (format!("[[file]]\nmatch = '*'\nlabel = 'internal'\n{until}"), 1),
            // Begun and not finished: nobody's, and told.
            ("[[file]]\nmatch = '*'".to_owned(), 1),
            ("[[file]]\nmatch = '*'\nonly = false".to_owned(), 1),
        ] {
            for at in ["", "a"] {
                let rules = rules(&[(at, &text)]);
                let rights = rules.of_file("a/b/doc.md");
                assert!(!rights.unsaid, "{at}: {text}");
                assert_eq!(entries(&rights), Vec::<String>::new(), "{at}: {text}");
                assert_eq!(rules.problems().count(), problems, "{at}: {text}");
            }
            // Elsewhere nothing was said.
            assert!(rules(&[("a", &text)]).of_file("doc.md").unsaid, "{text}");
        }
        let elsewhere = rules(&[("", "[[file]]\nmatch = 'x*'\nallow = []")]);
        assert!(elsewhere.of_file("doc.md").unsaid && !elsewhere.of_file("x.md").unsaid);
        assert_eq!(elsewhere.of_file("x.md").container, "x.md");
        let (file, line, what) = (".access.toml".to_owned(), 3, "`until`");
        let idle = rules(&[("", "# rights\n\nuntil = 2027-01-31\nallow = []")]);
        let told: Vec<_> = idle.problems().collect();
        assert!(told.len() == 1 && told[0].0 == file && told[0].1 == line && told[0].2.contains(what));
        // An end with somebody to end for is none of this.
        assert_eq!(rules(&[("", "until = 2027-01-31\ndeny = ['group:guests']")]).problems().count(), 0);
    }

    #[test]
    fn a_label_alone_leaves_the_readers_to_the_default_and_is_a_layer() {
        let rule = "[[file]]\nmatch = 'pay*'\nlabel = 'internal'\n";
        let labels = |rights: &ItemRights| -> Vec<String> {
            rights.spec.labels.iter().map(|(label, origin)| format!("{label}@{}", origin.line)).collect()
        };
        for at in ["", "a"] {
            for text in [rule.to_owned(), format!("inherit = true\n{rule}only = false\n")] {
                let rules = rules(&[(at, &text)]);
                let rights = rules.of_file("a/b/pay.md");
                assert!(rights.unsaid, "{at}: {text}");
                assert_eq!(entries(&rights), ["+everyone@default_allow:0"], "{at}: {text}");
                assert_eq!(labels(&rights).len(), 1, "{at}: {text}");
                // The folder lacks the label, so the file hangs on a container of its own.
                assert_eq!(rights.container, "a/b/pay.md");
                let beside = rules.of_file("a/b/open.md");
                assert_eq!((beside.container.as_str(), labels(&beside).len()), ("a/b", 0));
                assert_eq!(rules.problems().count(), 0);
            }
        }
        // Each label is a layer of its own; another rule that speaks is heard.
        let both = rules(&[("", &format!("label = 'public'\n{rule}")), ("a", "allow = ['group:a']")]);
        let rights = both.of_file("a/pay.md");
        assert_eq!(labels(&rights), ["public@1", "internal@4"]);
        assert_eq!(entries(&rights), ["+group:a@a/.access.toml:1"]);
        let closed = rules(&[("", &format!("{rule}[[file]]\nmatch = '*.md'\nallow = []"))]);
        assert_eq!(entries(&closed.of_file("pay.md")), Vec::<String>::new());
        // Above a cut, the label stays and the readers are nobody.
        let cut = rules(&[("", rule), ("a", "inherit = false")]);
        let rights = cut.of_file("a/pay.md");
        assert_eq!((entries(&rights), rights.unsaid), (Vec::new(), false));
        assert_eq!((labels(&rights).len(), rights.container.as_str()), (1, "a/pay.md"));
    }

    #[test]
    fn a_file_that_says_nothing_leaves_the_default() {
        for text in ["", "\u{feff}", "\n \n", "# allow = []\n", "inherit = true", "label = 'internal'"] {
            let rights = rules(&[("", text)]).of_file("doc.md");
            assert!(rights.unsaid, "{text:?}");
            assert_eq!(entries(&rights), ["+everyone@default_allow:0"], "{text:?}");
        }
    }

    #[test]
    fn what_was_said_above_a_cut_is_not_in_force_and_the_cut_itself_says_nobody() {
        let rules = rules(&[("", "allow = ['group:a']"), ("a", "inherit = false"), ("b", "allow = []")]);
        assert_eq!(entries(&rules.of_file("a/doc.md")), Vec::<String>::new());
        // An empty list takes nothing away from what is inherited.
        assert_eq!(entries(&rules.of_file("b/doc.md")), ["+group:a@.access.toml:1"]);
    }

    #[test]
    fn a_typo_hides_everything_below_with_file_and_line() {
        let rules = rules(&[
            ("", "allow = [\"everyone\"]"),
            ("a", "alow = [\"everyone\"]"),
            ("a/b", "inherit = false\nallow = [\"everyone\"]"),
        ]);
        for hidden in ["a/doc.md", "a/b/doc.md", "a/c/doc.md"] {
            let (what, origin) = rules.of_file(hidden).spec.problem.unwrap();
            assert!(what.contains("`alow`"), "{what}");
            assert_eq!((origin.file.as_str(), origin.line), ("a/.access.toml", 1));
        }
        assert!(rules.of_file("doc.md").spec.problem.is_none());
        assert_eq!(rules.problems().count(), 1);
    }
}
