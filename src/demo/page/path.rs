//! The deciding path, drawn: from the person through their groups to the line of the rights file, layer
//! by layer, to the document or to the end before it. It shows what `access why` says, and decides nothing.

use crate::demo::compare::Difference;
use crate::demo::harbor::FILES;
use crate::demo::people::Person;
use crate::html::text;
use kenward_vault::vault::{Why, WhyStep};
use std::fmt::Write;

/// Draws the paths of both people to the same document.
pub(super) fn draw(html: &mut String, people: [&Person; 2], difference: &Difference) {
    let [first, _] = &difference.decisions;
    let _ = write!(
        html,
        "<section class=\"why\"><h2>Why they differ</h2>\n\
         <p>The best passage that only one of them got is from <strong>{}</strong>, \
         <code>{}/{}</code>. A document is open to a person if every layer of its rights allows.</p>\n\
         <div class=\"sides\">\n",
        text(&difference.passage.title),
        text(&first.source),
        text(&first.path)
    );
    for (person, why) in people.into_iter().zip(&difference.decisions) {
        flow(html, person, why, &difference.passage.title);
    }
    html.push_str("</div>\n</section>\n");
}

fn flow(html: &mut String, person: &Person, why: &Why, title: &str) {
    let (class, may) = if why.allowed { ("yes", "may read it") } else { ("no", "may not read it") };
    let _ = write!(
        html,
        "<article class=\"{class}\"><h3>{name} {may}</h3>\n<ol class=\"flow\">\n\
         <li class=\"box person\"><b>{name}</b><small>{}</small></li>\n",
        text(&why.user),
        name = text(&person.name),
    );
    for unresolved in &why.unresolved {
        let _ = writeln!(
            html,
            "<li class=\"box layer no\"><b>Rights that cannot be resolved are nobody&rsquo;s</b><small>{}</small></li>",
            text(unresolved)
        );
    }
    // What cannot be resolved decides alone.
    for step in why.steps.iter().filter(|_| why.unresolved.is_empty()) {
        layer(html, step);
    }
    let (mark, said) = if why.allowed { ("&#10003;", "open") } else { ("&#10007;", "closed") };
    let _ = write!(
        html,
        "<li class=\"box document {class}\"><b>{}</b><small>{mark} {said}</small></li>\n</ol></article>\n",
        text(title)
    );
}

fn layer(html: &mut String, step: &WhyStep) {
    for group in step.chain.iter().map(|group| group.strip_prefix("group:").unwrap_or(group)) {
        let _ = writeln!(html, "<li class=\"box group\"><small>in group</small> <b>{}</b></li>", text(group));
    }
    let (class, verdict) = if step.allows { ("yes", "&#10003; allows") } else { ("no", "&#10007; refuses") };
    let _ = write!(
        html,
        "<li class=\"box layer {class}\"><small>layer {}</small> <b>{}</b>",
        step.layer,
        text(&step.because)
    );
    if let Some(origin) = &step.origin {
        let _ =
            write!(html, "<span class=\"origin\">written in <code>{}</code></span>", text(&place(origin)));
        if let Some(line) = line(origin) {
            let _ = write!(html, "<code class=\"line\">{}</code>", text(line));
        }
    }
    let _ = writeln!(html, "<span class=\"verdict\">{verdict}</span></li>");
}

/// `people/.access.toml`, line 3.
fn place(origin: &str) -> String {
    origin.rsplit_once(':').map_or_else(|| origin.to_owned(), |(file, line)| format!("{file}, line {line}"))
}

/// The line of the rights file that an origin names.
fn line(origin: &str) -> Option<&'static str> {
    let (file, number) = origin.rsplit_once(':')?;
    let (_, bytes) = FILES.iter().find(|(path, _)| *path == file)?;
    let number: usize = number.parse().ok()?;
    Some(std::str::from_utf8(bytes).ok()?.lines().nth(number.checked_sub(1)?)?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_rights_file_is_shown() {
        assert_eq!(line("people/.access.toml:3"), Some("allow = [\"group:people-team\"]"));
        for nowhere in ["people/.access.toml", "people/.access.toml:0", "people/.access.toml:99", "x:1", ""] {
            assert_eq!(line(nowhere), None, "{nowhere}");
        }
    }
}
