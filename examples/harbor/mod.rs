//! Harbor & Vale Shipping, the fictional sample company: documents with rights, a directory, and five
//! questions that two people get different, right answers to. Built into the binary for `kenward demo`.

mod files;

pub use files::FILES;

/// People and groups, in the form that `kenward users import` reads.
pub const DIRECTORY: &str = include_str!("directory.toml");

/// Sensitivity labels, least sensitive first.
pub const LABELS: [&str; 4] = ["public", "internal", "confidential", "restricted"];

/// Who asks: handle and name. The first is in the people team, the second is a captain.
pub const ASKERS: [(&str, &str); 2] =
    [("priya@harbor.example", "Priya Raman"), ("tomas@harbor.example", "Tomas Lindgren")];

/// What one asker must get for a question, and must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The document that answers it for them (path in the source).
    pub document: &'static str,
    /// Words of that document which are the answer.
    pub says: &'static str,
    /// Documents of which nothing may show.
    pub hidden: &'static [&'static str],
    /// Words that may not show, because they stand in hidden documents only.
    pub never: &'static [&'static str],
}

/// A question of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The question, as the agent asks it.
    pub ask: &'static str,
    /// For each of [`ASKERS`], in that order.
    pub expected: [Expected; 2],
}

/// The questions.
pub const QUESTIONS: [Question; 5] = [
    Question {
        ask: "What is the parental leave policy?",
        expected: [
            Expected {
                document: "people/parental-leave-change.md",
                says: "24 weeks",
                hidden: &["fleet/parental-leave-at-sea.md"],
                never: &["two whole rotations ashore"],
            },
            Expected {
                document: "fleet/parental-leave-at-sea.md",
                says: "two whole rotations ashore",
                hidden: &["people/parental-leave-change.md"],
                never: &["24 weeks", "1 April 2026"],
            },
        ],
    },
    Question {
        ask: "What do we pay senior captains?",
        expected: [
            Expected {
                document: "people/pay-bands.html",
                says: "108,200",
                hidden: &["fleet/sea-allowances.md"],
                never: &["148 a day"],
            },
            Expected {
                document: "fleet/sea-allowances.md",
                says: "148 a day",
                hidden: &["people/pay-bands.html"],
                never: &["108,200", "91,400"],
            },
        ],
    },
    Question {
        ask: "Which supplier had the incident?",
        expected: [
            Expected {
                document: "people/payroll-incident.md",
                says: "Lumenpay",
                hidden: &["fleet/safety/fuel-incident-report.pdf", "finance/supplier-terms.md"],
                never: &["Brightwater"],
            },
            Expected {
                document: "fleet/safety/fuel-incident-report.pdf",
                says: "Brightwater",
                hidden: &["people/payroll-incident.md", "finance/supplier-terms.md"],
                never: &["Lumenpay"],
            },
        ],
    },
    Question {
        ask: "How long is the notice period?",
        expected: [
            Expected {
                document: "people/contract-terms.docx",
                says: "four months to the end of a quarter",
                hidden: &["legal/charter-terms.docx"],
                never: &["pilot station", "12 hours"],
            },
            Expected {
                document: "legal/charter-terms.docx",
                says: "12 hours before arrival at the pilot station",
                hidden: &["people/contract-terms.docx", "legal/brightwater-claim.md"],
                never: &["four months", "side letter"],
            },
        ],
    },
    Question {
        ask: "When are we in Tarnhaven?",
        expected: [
            Expected {
                document: "people/recruiting-days.md",
                says: "11 September",
                hidden: &["fleet/port-calls-2026-03.zip/tarnhaven.md"],
                never: &["Berth 14", "on Wednesdays until the summer"],
            },
            Expected {
                document: "fleet/port-calls-2026-03.zip/tarnhaven.md",
                says: "on Wednesdays until the summer",
                hidden: &["people/recruiting-days.md"],
                never: &["11 September", "Nautical College"],
            },
        ],
    },
];
