//! A folder of small documents with rights that changes from run to run, drawn from a seed: files
//! that come, change and go, rights that narrow and widen, a file that is blanked, a group that
//! nobody knows.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Documents at the beginning; about as many come as go.
const DOCUMENTS: u32 = 150;

/// Folders, each with the rights files that it has at one time or another (empty = no file).
const FOLDERS: &[(&str, &[&str])] = &[
    ("", &["allow = [\"group:staff\"]\n"]),
    ("travel", &[""]),
    (
        "finance",
        &[
            "inherit = false\nallow = [\"group:finance\"]\n",
            "allow = [\"group:finance\"]\n",
            "inherit = false\nallow = [\"user:ben@acorn.example\"]\n",
        ],
    ),
    (
        "finance/pay",
        &[
            "[[file]]\nmatch = \"*7*\"\ndeny = [\"user:dana@acorn.example\"]\n",
            "",
            "[[file]]\nmatch = \"*.html\"\nonly = true\nallow = [\"group:hr\"]\n",
        ],
    ),
    (
        "hr",
        &[
            "inherit = false\nallow = [\"group:hr\"]\n",
            "inherit = false\nallow = [\"group:hr\", \"user:ben@acorn.example\"]\n",
        ],
    ),
    ("ops", &["deny = [\"group:contractors\"]\n", ""]),
    ("ops/berths", &["label = \"secret\"\n", "label = \"internal\"\n", ""]),
    (
        "board",
        &["allow = [\"everyone\"]\nlabel = \"internal\"\n", "inherit = false\nallow = [\"group:board\"]\n"],
    ),
    // Hidden from everybody while it names a group that the directory does not know.
    ("lost", &["allow = [\"everyone\"]\n", "allow = [\"group:nobody-knows\"]\n"]),
];

const WORDS: &[&str] = &[
    "anchor", "berth", "cargo", "dredger", "ebb", "ferry", "gangway", "harbour", "invoice", "jetty", "keel",
    "ledger", "mooring", "notice", "officer", "pilot", "quay", "rope", "salary", "tariff", "union", "vessel",
    "wharf", "yard",
];

/// SplitMix64: the same draws from the same seed.
pub struct Dice(u64);

impl Dice {
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// From 0 to 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The folder as it is now.
pub struct History {
    root: PathBuf,
    dice: Dice,
    /// By path: which edition it is.
    documents: BTreeMap<String, u32>,
    /// Number of the next document.
    next: u32,
    step: u32,
}

impl History {
    pub fn begin(root: PathBuf, seed: u64) -> Self {
        Self { root, dice: Dice::of(seed), documents: BTreeMap::new(), next: 0, step: 0 }
    }

    /// The next state: at first everything is new; later about half of it changes in some way.
    pub fn step(&mut self) {
        if self.step == 0 {
            for (folder, rights) in FOLDERS {
                self.state(folder, rights[0]);
            }
            (0..DOCUMENTS).for_each(|_| self.add());
        } else {
            for _ in 0..DOCUMENTS / 4 {
                let path = self.draw();
                *self.documents.get_mut(&path).unwrap() += 1;
                self.write(&path);
            }
            for _ in 0..DOCUMENTS / 8 {
                let path = self.draw();
                self.documents.remove(&path);
                std::fs::remove_file(self.root.join(&path)).unwrap();
            }
            (0..DOCUMENTS / 8).for_each(|_| self.add());
            for _ in 0..3 {
                let (folder, rights) = FOLDERS[self.dice.below(FOLDERS.len())];
                let rights = rights[self.dice.below(rights.len())];
                self.state(folder, rights);
            }
        }
        // Every other time without a byte: a failure, and what it was is gone.
        let text = if self.step % 2 == 1 { "" } else { "# Tides\n\nHigh water at noon.\n" };
        std::fs::write(self.root.join("travel/tides.md"), text).unwrap();
        self.step += 1;
    }

    fn draw(&mut self) -> String {
        let at = self.dice.below(self.documents.len());
        self.documents.keys().nth(at).unwrap().clone()
    }

    fn state(&self, folder: &str, rights: &str) {
        let folder = self.root.join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(".access.toml");
        if rights.is_empty() {
            // It may not have been there.
            let _ = std::fs::remove_file(file);
        } else {
            std::fs::write(file, rights).unwrap();
        }
    }

    fn add(&mut self) {
        let (folder, _) = FOLDERS[self.dice.below(FOLDERS.len())];
        let ending = if self.dice.below(3) == 0 { "html" } else { "md" };
        let slash = if folder.is_empty() { "" } else { "/" };
        let path = format!("{folder}{slash}note-{:03}.{ending}", self.next);
        self.next += 1;
        self.documents.insert(path.clone(), 0);
        self.write(&path);
    }

    fn write(&self, path: &str) {
        let text = text(path, self.documents[path]);
        std::fs::write(self.root.join(path), text).unwrap();
    }
}

/// The text of an edition: common words, and one that no other edition of any document has.
fn text(path: &str, edition: u32) -> String {
    let seed =
        path.bytes().fold(u64::from(edition), |sum, byte| sum.wrapping_mul(257).wrapping_add(byte.into()));
    let mut dice = Dice::of(seed);
    let name = path.rsplit('/').next().unwrap().split('.').next().unwrap();
    let html = path.ends_with(".html");
    let mut out = if html { format!("<html><title>{name}</title><body>") } else { format!("# {name}\n\n") };
    for section in 0..1 + dice.below(4) {
        let words: Vec<&str> = (0..20 + dice.below(60)).map(|_| WORDS[dice.below(WORDS.len())]).collect();
        let words = words.join(" ");
        if html {
            out.push_str(&format!("<h2>Part {section}</h2><p>{words}.</p>"));
        } else {
            out.push_str(&format!("## Part {section}\n\n{words}.\n\n"));
        }
    }
    let mark = format!("{}e{edition}", name.replace('-', ""));
    out.push_str(&if html {
        format!("<p>It is {mark}.</p></body></html>")
    } else {
        format!("It is {mark}.\n")
    });
    out
}
