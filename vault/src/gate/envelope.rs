//! What a response looks like: the JSON of 06, in a fixed order of fields. Only labelled, fenced and
//! sanitized text gets in here; no score, epoch, total or internal number ever does.

use super::{Gate, Shown};
use crate::core::Details;
use crate::published::{DocMeta, SourceMeta};
use crate::sanitize;
use kenward_access::ids::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Longest title or path that is shown.
const LONGEST_LINE: usize = 400;

#[derive(Serialize)]
pub(crate) struct SearchAnswer {
    pub(crate) notice: String,
    pub(crate) results: Vec<Passage>,
    pub(crate) next_cursor: Option<String>,
    pub(crate) receipt: String,
}

#[derive(Serialize)]
pub(crate) struct Passage {
    pub(crate) id: String,
    pub(crate) cite: String,
    pub(crate) title: String,
    pub(crate) url: String,
    pub(crate) text: String,
    /// Where words of the query stand, in Unicode scalars of the text without boundary lines and marks.
    pub(crate) highlights: Vec<(u32, u32)>,
    pub(crate) rank: u64,
    pub(crate) relevance: &'static str,
    /// Cites of passages of other documents with the same text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) copies: Vec<String>,
    pub(crate) provenance: Provenance,
    pub(crate) trust: Trust,
    pub(crate) sensitivity: Option<String>,
    pub(crate) links: Vec<LinkShown>,
}

#[derive(Serialize)]
pub(crate) struct FetchAnswer {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) url: String,
    pub(crate) metadata: FetchMetadata,
}

#[derive(Serialize)]
pub(crate) struct FetchMetadata {
    pub(crate) notice: String,
    pub(crate) offset: u32,
    pub(crate) chars: u32,
    pub(crate) length: u32,
    pub(crate) next_offset: Option<u32>,
    /// Whether the version of the cite that was asked for is the current one; absent without a cite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cited_version_is_current: Option<bool>,
    pub(crate) provenance: Provenance,
    pub(crate) trust: Trust,
    pub(crate) sensitivity: Option<String>,
    pub(crate) links: Vec<LinkShown>,
    pub(crate) receipt: String,
}

#[derive(Serialize)]
pub(crate) struct SourcesAnswer {
    pub(crate) notice: &'static str,
    pub(crate) sources: Vec<SourceRow>,
    pub(crate) next_cursor: Option<String>,
    pub(crate) receipt: String,
}

#[derive(Serialize)]
pub(crate) struct SourceRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) documents: u64,
    pub(crate) fresh: Option<String>,
    pub(crate) tier: u8,
    pub(crate) label: &'static str,
    pub(crate) uri: String,
}

#[derive(Serialize)]
pub(crate) struct DocumentsAnswer {
    pub(crate) notice: &'static str,
    pub(crate) documents: Vec<DocumentRow>,
    pub(crate) next_cursor: Option<String>,
    pub(crate) receipt: String,
}

#[derive(Serialize)]
pub(crate) struct DocumentRow {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) path: String,
    pub(crate) source: String,
    pub(crate) modified: String,
    pub(crate) ingested: String,
    pub(crate) version: String,
    pub(crate) uri: String,
}

/// The rows of `resources/list`, in the protocol's own names.
#[derive(Serialize)]
pub(crate) struct ResourcesAnswer {
    pub(crate) notice: &'static str,
    pub(crate) resources: Vec<ResourceRow>,
    pub(crate) next_cursor: Option<String>,
    pub(crate) receipt: String,
}

#[derive(Serialize)]
pub(crate) struct ResourceRow {
    pub(crate) uri: String,
    /// Source and path of a document; a source's name.
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) kind: &'static str,
    pub(crate) modified: Option<String>,
}

/// A source, read as a resource.
#[derive(Serialize)]
pub(crate) struct SourceAnswer {
    pub(crate) notice: &'static str,
    #[serde(flatten)]
    pub(crate) source: SourceRow,
    pub(crate) receipt: String,
}

#[derive(Serialize)]
pub(crate) struct CompleteAnswer {
    pub(crate) values: Vec<String>,
    pub(crate) more: bool,
    pub(crate) receipt: String,
}

#[derive(Serialize)]
pub(crate) struct WhichDocumentAnswer {
    pub(crate) id: String,
    /// Others have the same title, and were changed before.
    pub(crate) others: bool,
    pub(crate) receipt: String,
}

#[derive(Serialize)]
pub(crate) struct WatchAnswer {
    /// As they were named in the subscription.
    pub(crate) updated: Vec<String>,
    pub(crate) list_changed: bool,
    pub(crate) receipt: String,
}

#[derive(Serialize)]
pub(crate) struct QuoteAnswer {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) url: String,
    pub(crate) found: bool,
    /// To the letter, blanks and line breaks included; `false` where only blanks, quotation marks and dashes differ.
    pub(crate) verbatim: bool,
    pub(crate) occurrences: Vec<Occurrence>,
    /// There are more than are listed.
    pub(crate) more: bool,
    /// Where the beginning of the words stands, if not all of them do.
    pub(crate) closest: Option<Closest>,
    pub(crate) metadata: QuoteMetadata,
}

#[derive(Serialize)]
pub(crate) struct Occurrence {
    pub(crate) cite: Option<String>,
    pub(crate) uri: Option<String>,
    pub(crate) span: (u32, u32),
    pub(crate) page: Option<u32>,
}

#[derive(Serialize)]
pub(crate) struct Closest {
    /// So many characters from the beginning of the words stand there.
    pub(crate) agrees: u32,
    /// What stands there, fenced.
    pub(crate) text: String,
    #[serde(flatten)]
    pub(crate) place: Occurrence,
}

#[derive(Serialize)]
pub(crate) struct QuoteMetadata {
    pub(crate) notice: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cited_version_is_current: Option<bool>,
    pub(crate) provenance: Provenance,
    pub(crate) trust: Trust,
    pub(crate) sensitivity: Option<String>,
    pub(crate) receipt: String,
}

#[derive(Serialize)]
pub(crate) struct Provenance {
    pub(crate) source: String,
    pub(crate) uri: String,
    pub(crate) path: String,
    pub(crate) author_kind: &'static str,
    pub(crate) modified: String,
    pub(crate) ingested: String,
    pub(crate) language: Option<String>,
    pub(crate) version: String,
    pub(crate) span: (u32, u32),
    pub(crate) page: Option<u32>,
    pub(crate) headings: Vec<String>,
}

#[derive(Serialize)]
pub(crate) struct Trust {
    pub(crate) untrusted: bool,
    pub(crate) tier: u8,
    pub(crate) label: &'static str,
    pub(crate) flags: Vec<String>,
    pub(crate) removed: BTreeMap<String, u64>,
}

#[derive(Serialize)]
pub(crate) struct LinkShown {
    pub(crate) n: u32,
    pub(crate) host: Option<String>,
    /// No list of allowed hosts exists yet: always null.
    pub(crate) href: Option<String>,
}

/// What is said about a document beside its text.
pub(crate) struct Labels {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) url: String,
    pub(crate) uri: String,
    pub(crate) source: String,
    pub(crate) path: String,
    pub(crate) tier: u8,
}

impl Labels {
    pub(crate) fn of(gate: &Gate<'_>, document: &DocMeta) -> Self {
        let source = gate.pin.published.image.sources.get(document.source as usize);
        let id = crate::keys::document_id(&document.key);
        let uri = format!("kb://document/{id}");
        Self {
            title: shown_line(&document.title),
            path: shown_line(&document.path),
            url: source.map_or_else(|| uri.clone(), |source| url(source, document, &uri)),
            source: source.map(|s| shown_line(&s.name)).unwrap_or_default(),
            tier: source.map_or(2, |s| s.tier),
            id,
            uri,
        }
    }

    pub(crate) fn provenance(
        &self,
        document: &DocMeta,
        span: (u32, u32),
        page: Option<u32>,
        headings: Vec<String>,
    ) -> Provenance {
        Provenance {
            source: self.source.clone(),
            uri: self.uri.clone(),
            path: self.path.clone(),
            author_kind: "unknown",
            modified: time_text(document.modified),
            ingested: time_text(document.ingested),
            language: document.language.as_deref().map(str::to_owned),
            version: document.version.to_string(),
            span,
            page,
            headings,
        }
    }

    pub(crate) fn trust(&self, details: &Details) -> Trust {
        Trust {
            untrusted: true,
            tier: self.tier,
            label: tier_name(self.tier),
            flags: details.flags.iter().map(|f| shown_line(f)).collect(),
            removed: details.removed.clone(),
        }
    }
}

pub(crate) fn shown_line(text: &str) -> String {
    sanitize::line(text, LONGEST_LINE).text
}

pub(crate) fn tier_name(tier: u8) -> &'static str {
    match tier {
        0 => "external-unreviewed",
        1 => "external-known",
        2 => "internal-open-edit",
        3 => "internal-controlled",
        _ => "reviewed",
    }
}

/// RFC 3339, whole seconds, UTC.
pub(crate) fn time_text(at: Timestamp) -> String {
    let seconds = at.0.div_euclid(1000);
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).unwrap_or_default()
}

/// The document's real link by its source's template, else its own URI.
fn url(source: &SourceMeta, document: &DocMeta, uri: &str) -> String {
    let Some(template) = &source.url_template else { return uri.to_owned() };
    let mut path = String::with_capacity(document.path.len());
    for byte in document.path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    template.replace("{path}", &path)
}

/// The links whose markers stand in the text, in order, each once.
pub(crate) fn links(shown: &Shown) -> Vec<LinkShown> {
    let mut found: Vec<LinkShown> = Vec::new();
    let mut rest = shown.text.as_str();
    while let Some((_, after)) = rest.split_once("[link ") {
        rest = after;
        let Some((digits, _)) = after.split_once(']') else { break };
        let Ok(n) = digits.parse::<u32>() else { continue };
        if found.iter().any(|link| link.n == n) {
            continue;
        }
        if let Some(link) = shown.details.links.iter().find(|link| link.n == n) {
            found.push(LinkShown { n, host: host(&link.url), href: None });
        }
    }
    found
}

/// The host of an absolute URL: untrusted too, sanitized, lower case.
fn host(url: &str) -> Option<String> {
    let lower = url.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("www."));
    let rest = match url.split_once("//") {
        Some((scheme, rest)) if scheme.is_empty() || scheme.ends_with(':') => rest,
        _ if lower => url,
        _ => return None,
    };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let authority = rest.get(..end)?;
    let host = authority.rsplit('@').next()?;
    let host =
        if host.starts_with('[') { host.split_inclusive(']').next()? } else { host.split(':').next()? };
    let host = sanitize::line(host, 253).text.to_lowercase();
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_cut_out_whatever_stands_around_them() {
        for (url, expected) in [
            ("https://User:pw@Wiki.Example.com:8443/a?b", Some("wiki.example.com")),
            ("//cdn.example/x", Some("cdn.example")),
            ("www.a.example", Some("www.a.example")),
            ("https://[2001:db8::1]:80/", Some("[2001:db8::1]")),
            ("guide.md", None),
            ("mailto:a@b.example", None),
            ("docs//x", None),
        ] {
            assert_eq!(host(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn times_are_whole_seconds() {
        assert_eq!(time_text(Timestamp(1_790_928_660_999)), "2026-10-02T08:11:00Z");
    }
}
