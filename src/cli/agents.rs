//! What an operator should hear of `[[agent]]` tables: names in them, or of tokens, that fit nothing. It must never change
//! what an agent may do.

use super::checks::{Check, State, wrong};
use crate::config::agents::{Agents, OTHERS};
use kenward_access::agent::Only;
use kenward_access::ids::AgentId;

/// Agents that may see sources which do not exist, and those without any tool.
pub(super) fn checks(agents: &Agents, sources: &[String]) -> Vec<Check> {
    let mut checks = Vec::new();
    for (id, limits) in agents {
        if let Only::These(names) = &limits.sources {
            for name in names.iter().filter(|name| !sources.iter().any(|source| source == name.as_ref())) {
                let what =
                    format!("agent `{id}` may see the source `{name}`, and there is none of that name");
                let hint = "`kenward sources list` shows their names; until then it sees nothing by it";
                checks.push(wrong("agents", State::Warning, what, hint));
            }
        }
        if matches!(&limits.tools, Only::These(tools) if tools.is_empty()) {
            let what = format!("agent `{id}` has no tools");
            checks.push(wrong("agents", State::Note, what, "leave `tools` out to give it all of them"));
        }
    }
    checks
}

/// What to know of a token for an agent that no table names.
pub(super) fn of_token(agents: &Agents, agent: Option<&str>) -> Option<String> {
    let agent = agent?;
    let named = AgentId::new(agent).is_ok_and(|id| agents.contains_key(&id));
    if agents.is_empty() || named {
        return None;
    }
    let others = agents.keys().any(|id| id.as_str() == OTHERS);
    let then = if others { "what `*` may do holds for it" } else { "it is not limited" };
    Some(format!("no `[[agent]]` has the id `{agent}`: {then}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenward_access::agent::AgentLimits;

    fn agents(of: &[(&str, AgentLimits)]) -> Agents {
        of.iter().map(|(id, limits)| (AgentId::new(*id).unwrap(), limits.clone())).collect()
    }

    fn only(names: &[&str]) -> Only {
        Only::These(names.iter().map(|name| (*name).into()).collect())
    }

    #[test]
    fn names_that_fit_nothing_are_told() {
        let limits = AgentLimits {
            sources: only(&["handbook", "hanbdook"]),
            tools: only(&[]),
            ..AgentLimits::default()
        };
        let found = checks(&agents(&[("bot", limits)]), &["handbook".to_owned()]);
        let details: Vec<&str> = found.iter().map(|check| check.detail.as_str()).collect();
        assert_eq!(
            details,
            [
                "agent `bot` may see the source `hanbdook`, and there is none of that name",
                "agent `bot` has no tools"
            ]
        );
        assert!(checks(&agents(&[("bot", AgentLimits::default())]), &[]).is_empty());
    }

    #[test]
    fn a_token_of_an_agent_that_nobody_named_is_told() {
        let free = || AgentLimits::default();
        assert_eq!(of_token(&agents(&[]), Some("bto")), None);
        assert_eq!(of_token(&agents(&[("bot", free())]), None), None);
        assert_eq!(of_token(&agents(&[("bot", free())]), Some("bot")), None);
        assert!(of_token(&agents(&[("bot", free())]), Some("bto")).unwrap().ends_with("it is not limited"));
        assert!(of_token(&agents(&[("*", free())]), Some("bto")).unwrap().contains("`*`"));
    }
}
