//! Agents that may do less than the people they work for: `[[agent]]` tables, by the client id in a token. `*` is every
//! agent without a table of its own; without it, an agent that is not listed has the person's rights.

use super::error::ConfigError;
use super::raw::Table;
use super::validate::Values;
use crate::mcp::tools::TOOLS;
use kenward_access::acl::Level;
use kenward_access::agent::{AgentLimits, Only};
use kenward_access::ids::AgentId;
use std::collections::BTreeMap;

/// By client id.
pub type Agents = BTreeMap<AgentId, AgentLimits>;

/// The client id that stands for all others.
pub const OTHERS: &str = "*";

/// What an agent may do, or a token that names none.
#[must_use]
pub fn limits(agents: &Agents, agent: Option<&AgentId>) -> AgentLimits {
    let own = agent.and_then(|agent| agents.get(agent));
    let others = || agents.iter().find(|(id, _)| id.as_str() == OTHERS).map(|(_, limits)| limits);
    own.or_else(others).cloned().unwrap_or_default()
}

pub(super) fn read(written: &[Table], labels: &[String]) -> Result<Agents, ConfigError> {
    let mut agents = Agents::new();
    for (at, table) in written {
        let values = Values { raw: table, prefix: "agent." };
        let text = values.text("id")?.ok_or_else(|| ConfigError::Value {
            key: "agent.id".into(),
            place: at.clone(),
            found: "missing".into(),
            expected: ID.into(),
        })?;
        let id = AgentId::new(text.clone()).map_err(|_| values.wrong("id", &format!("`{text}`"), ID))?;
        let tools = values.texts("tools")?;
        let known: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
        if let Some(bad) = tools.iter().flatten().find(|name| !known.contains(&name.as_str())) {
            let expected = format!("tools of {}", crate::mcp::arguments::listed(&known));
            return Err(values.wrong("tools", &format!("`{bad}`"), &expected));
        }
        let ceiling = values.text("label")?.map(|label| {
            let at = labels.iter().position(|known| *known == label).and_then(|at| u16::try_from(at).ok());
            at.map(Level).ok_or_else(|| values.wrong("label", &format!("`{label}`"), "a name in `labels`"))
        });
        let limits = AgentLimits {
            tools: only(tools),
            sources: only(values.texts("sources")?),
            ceiling: ceiling.transpose()?,
        };
        if agents.insert(id, limits).is_some() {
            let found = format!("`{text}`, which another agent has");
            return Err(values.wrong("id", &found, "one table for each agent"));
        }
    }
    Ok(agents)
}

const ID: &str = "the client id in its tokens (`--agent` of `tokens create`; `client_id` of an issuer), or `*` for all others";

fn only(names: Option<Vec<String>>) -> Only {
    names.map_or(Only::All, |names| Only::These(names.into_iter().map(String::into_boxed_str).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::path::Path;

    fn of(text: &str) -> Result<Agents, String> {
        let text = format!("data_dir = \"data\"\nlabels = [\"public\", \"internal\"]\n{text}");
        let config = Config::from_text(Path::new("/nowhere/kenward.toml"), &text);
        config.map(|config| config.agents).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_is_not_limited_and_an_empty_list_is_nothing() {
        let agents = of(
            "[[agent]]\nid = \"bot\"\ntools = [\"search\"]\n[[agent]]\nid = \"shut\"\nsources = []\nlabel = \"public\"\n",
        );
        let agents = agents.unwrap();
        let bot = &agents[&AgentId::new("bot").unwrap()];
        assert!(bot.tools.holds("search") && !bot.tools.holds("fetch") && bot.sources.holds("any"));
        let shut = &agents[&AgentId::new("shut").unwrap()];
        assert!(!shut.sources.holds("any") && shut.tools.holds("fetch"));
        assert_eq!(shut.ceiling, Some(Level(0)));
    }

    #[test]
    fn who_is_not_listed_is_one_of_the_others() {
        let bot = AgentId::new("bot").unwrap();
        let new = AgentId::new("registered-today").unwrap();
        let none = of("[[agent]]\nid = \"bot\"\ntools = [\"search\"]\n").unwrap();
        assert_eq!(limits(&none, Some(&new)), AgentLimits::default());
        let others = of("[[agent]]\nid = \"*\"\ntools = [\"search\"]\n[[agent]]\nid = \"bot\"\n").unwrap();
        assert!(limits(&others, Some(&bot)).tools.holds("fetch"));
        for agent in [Some(&new), None] {
            let limits = limits(&others, agent);
            assert!(limits.tools.holds("search") && !limits.tools.holds("fetch"), "{agent:?}");
        }
    }

    #[test]
    fn slips_are_named() {
        for (text, says) in [
            ("[[agent]]\ntools = [\"search\"]\n", "agent.id"),
            ("[[agent]]\nid = \"a b\"\n", "agent.id"),
            ("[[agent]]\nid = \"a\"\ntools = [\"grep\"]\n", "`verify_quote`"),
            ("[[agent]]\nid = \"a\"\nlabel = \"top\"\n", "`labels`"),
            ("[[agent]]\nid = \"a\"\n[[agent]]\nid = \"a\"\n", "another agent"),
            ("[[agent]]\nid = \"a\"\ntool = []\n", "agent.tool"),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
