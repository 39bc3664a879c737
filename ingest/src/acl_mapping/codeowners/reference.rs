//! An independent reading of `CODEOWNERS`, written from GitHub's description of it: for each line, whether it
//! names the file or a folder that the file is in; the last one decides; lines that are not read are passed
//! over. The mapping must never be wider, and the same where every line is read.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const READ: [&str; 22] = [
    "*",
    "*.md",
    "/a/",
    "a/",
    "a/*",
    "/a/b",
    "a/b",
    "**/b",
    "a/**",
    "a/**/x.md",
    "x.*",
    "/*",
    "b/*.md",
    "?.md",
    "*/b/",
    "/a/b/",
    "/x.md",
    "**",
    "b",
    "/*/b",
    "a/*/x.md",
    "**/a/*",
];
const NOT_READ: [&str; 8] = ["!a/", "!*.md", "[ab]/", "a//b", "\\#x", "/a/[bx]*", "a/b#c", "/"];
const OWNERS: [&str; 6] = ["@ann", "@Bob", "cleo@harbor.example", "@harbor/crew", "# @ann", "@harbor/Leads"];
const PATHS: [&str; 12] = [
    "x.md",
    "y.txt",
    "b",
    "a/x.md",
    "a/b/x.md",
    "a/b/c/y.md",
    "b/x.md",
    "b/a/x.md",
    "a/b",
    "c/a/z.md",
    "c/b/x.txt",
    "a/a/x.md",
];

/// `*` and `?` stop at a slash, `**` does not.
fn glob(pattern: &str, text: &str) -> bool {
    if let Some(rest) = pattern.strip_prefix("**/") {
        let deeper = text.match_indices('/').any(|(at, _)| glob(rest, &text[at + 1..]));
        return glob(rest, text) || deeper;
    }
    if pattern == "**" {
        return !text.is_empty();
    }
    let mut chars = pattern.chars();
    match chars.next() {
        None => text.is_empty(),
        Some('*') => {
            let end = text.find('/').unwrap_or(text.len());
            (0..=end).any(|at| glob(chars.as_str(), &text[at..]))
        }
        Some('?') => text.chars().next().is_some_and(|c| c != '/' && glob(chars.as_str(), &text[1..])),
        Some(c) => text.starts_with(c) && glob(chars.as_str(), &text[c.len_utf8()..]),
    }
}

fn names(pattern: &str, path: &str) -> bool {
    let folder_only = pattern.ends_with('/');
    let bare = pattern.trim_end_matches('/');
    let anywhere = !bare.contains('/');
    let pattern = bare.strip_prefix('/').unwrap_or(bare);
    let mut candidates: Vec<&str> = Vec::new();
    if !folder_only {
        candidates.push(path);
    }
    // `docs/*` is what is directly in `docs`, not what is further down.
    if anywhere || !pattern.ends_with("/*") && pattern != "*" {
        candidates.extend(path.match_indices('/').map(|(at, _)| &path[..at]));
    }
    candidates.into_iter().any(|candidate| {
        let text = if anywhere { candidate.rsplit('/').next().unwrap() } else { candidate };
        glob(pattern, text)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn the_last_line_that_matches_decides_and_nothing_is_wider(
        lines in prop::collection::vec(
            (prop::bool::weighted(0.9), 0..1000_usize, prop::collection::vec(0..OWNERS.len(), 0..3)), 0..6),
        default_allow: bool,
        place in 0..PLACES.len(),
    ) {
        let mut text = "# owners\n\n".to_owned();
        let mut reference = Vec::new();
        let mut all_read = true;
        for (read, at, owners) in &lines {
            let pattern = if *read { READ[at % READ.len()] } else { NOT_READ[at % NOT_READ.len()] };
            let words: Vec<&str> = owners.iter().map(|owner| OWNERS[*owner]).collect();
            writeln!(text, "{pattern} {}", words.join("  ")).unwrap();
            let named: BTreeSet<&str> = words.into_iter().take_while(|word| !word.starts_with('#')).collect();
            if *read {
                reference.push((pattern, named));
            }
            all_read &= *read;
        }
        let raw = BTreeMap::from([(PLACES[place].to_owned(), text.clone().into_bytes())]);
        let allow = if default_allow { vec!["everyone".to_owned()] } else { Vec::new() };
        let rules =
            CodeownersRules::read(&raw, &SourceIdentity::default(), Defaults { allow, label: None });
        for path in PATHS {
            let rights = rules.of_file(path);
            let mapped: BTreeSet<String> =
                rights.spec.entries.iter().map(|entry| entry.principal.clone()).collect();
            let expected: BTreeSet<String> =
                match reference.iter().rev().find(|(pattern, _)| names(pattern, path)) {
                    Some((_, owners)) => owners.iter().map(|owner| match *owner {
                        "@ann" => "user:ann".to_owned(),
                        "@Bob" => "user:bob".to_owned(),
                        "cleo@harbor.example" => "user:cleo@harbor.example".to_owned(),
                        "@harbor/crew" => "group:harbor/crew".to_owned(),
                        _ => "group:harbor/leads".to_owned(),
                    }).collect(),
                    None if default_allow => BTreeSet::from(["everyone".to_owned()]),
                    None => BTreeSet::new(),
                };
            if all_read {
                prop_assert_eq!(&mapped, &expected, "{} under\n{}", path, text);
            } else {
                prop_assert!(mapped.is_subset(&expected), "{path}: {mapped:?} under\n{text}");
            }
            prop_assert!(rights.spec.problem.is_none() || mapped.is_empty());
        }
    }
}
