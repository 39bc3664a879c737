//! Links as they stand in blocks, for the sanitizer to number: `[text](<url>)`. A URL must never be able to
//! break out of its `<…>`.

/// Longest URL that is kept.
const URL_MAX: usize = 2048;

/// A URL that cannot break out of `<…>`.
pub(super) fn url_of(raw: &str) -> String {
    let mut url = String::new();
    for c in raw.trim().chars() {
        match c {
            '<' => url.push_str("%3C"),
            '>' => url.push_str("%3E"),
            '\\' => url.push_str("%5C"),
            c if c.is_whitespace() => url.push_str("%20"),
            c if c.is_control() => {}
            c => url.push(c),
        }
        if url.len() >= URL_MAX {
            break;
        }
    }
    url
}

/// Makes a link of what stands in the buffer from there on. Links within the page stay text.
pub(super) fn wrap(buffer: &mut String, from: usize, url: &str) {
    if url.is_empty() || url.starts_with('#') || !buffer.is_char_boundary(from) {
        return;
    }
    let text = buffer.split_off(from);
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.contains("](<") {
        // Nothing to click on, or a picture that is a link: its own marker is enough.
        buffer.push_str(&text);
        return;
    }
    let before = text.len() - text.trim_start().len();
    let after = text.trim_end().len();
    buffer.push_str(text.get(..before).unwrap_or_default());
    buffer.push_str(&format!("[{trimmed}](<{url}>)"));
    buffer.push_str(text.get(after..).unwrap_or_default());
}

/// An image's marker; nothing without words that stand for it.
pub(super) fn image(buffer: &mut String, alt: &str, url: &str) {
    let alt: Vec<&str> = alt.split_whitespace().collect();
    if !alt.is_empty() {
        let alt = alt.join(" ").replace('[', "(").replace(']', ")");
        buffer.push_str(&format!("![{alt}](<{url}>)"));
    }
}
