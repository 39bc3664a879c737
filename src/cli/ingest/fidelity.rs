//! How faithfully the rights of a source were mapped, in lines for people. Nothing is said of
//! `.access.toml` that was mapped exactly: it is this program's own format.

use kenward_ingest::acl_mapping::Fidelity;
use kenward_vault::writer::RightsFormat;

/// How many places or names of one kind are listed.
const LISTED: usize = 5;

/// The lines, without the source's name.
pub(in crate::cli) fn lines(fidelity: &Fidelity) -> Vec<String> {
    let own = fidelity.format == RightsFormat::AccessToml;
    let mut lines = Vec::new();
    if own && fidelity.is_exact() && fidelity.unmapped == 0 {
        return lines;
    }
    for construct in &fidelity.constructs {
        let counts = [
            (construct.exact, "exactly"),
            (construct.narrower, "narrower"),
            (construct.refused, "refused (visible to nobody)"),
        ];
        let counts: Vec<String> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, how)| format!("{n} {how}")).collect();
        lines.push(format!("rights  {}: {}", construct.name, counts.join(", ")));
    }
    let inexact = fidelity.inexact.iter().take(LISTED);
    lines.extend(inexact.map(|one| {
        let how = if one.refused { "refused" } else { "narrower" };
        format!("rights  {how} at {}: {}", one.place, one.what)
    }));
    if fidelity.unmapped > 0 {
        lines.push(format!(
            "rights  {} for nobody in the directory: nothing is granted to them; a list of names (`identity`) says whom names stand for",
            if fidelity.unmapped == 1 { "1 name stands".to_owned() } else { format!("{} names stand", fidelity.unmapped) }
        ));
        let first = fidelity.unmapped_first.iter().take(LISTED);
        lines.extend(first.map(|one| format!("rights    {} at {}", one.name, one.place)));
        if fidelity.unmapped as usize > LISTED {
            lines.push("rights    …; `--json` lists more".to_owned());
        }
    }
    if fidelity.nobodys > 0 {
        let documents = super::plan::documents(fidelity.nobodys);
        lines.push(format!("rights  nothing names a reader of {documents}: nobody sees them"));
    }
    lines
}
