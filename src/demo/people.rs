//! The people of the sample company, as its directory names them: who can be chosen on the page, and
//! what to say of them. It must never be asked who may see what.

use super::harbor::DIRECTORY;
use serde::Deserialize;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Handle (`dana@harbor.example`).
    pub handle: String,
    /// Name.
    pub name: String,
    /// The groups that name the person, and those they are in through these, inner ones first.
    pub groups: Vec<String>,
    /// The label up to which the person is cleared, if the directory says one.
    pub clearance: Option<String>,
}

#[derive(Deserialize)]
struct Directory {
    user: Vec<User>,
    group: Vec<Group>,
}

#[derive(Deserialize)]
struct User {
    handle: String,
    name: String,
    clearance: Option<String>,
}

#[derive(Deserialize)]
struct Group {
    handle: String,
    members: Vec<String>,
}

/// Everybody of the directory, in its order.
///
/// # Errors
/// A defect of the directory that is built in.
pub fn people() -> Result<Vec<Person>, toml::de::Error> {
    let directory: Directory = toml::from_str(DIRECTORY)?;
    let people = directory.user.iter().map(|user| Person {
        handle: user.handle.clone(),
        name: user.name.clone(),
        groups: groups(&directory.group, &user.handle),
        clearance: user.clearance.clone(),
    });
    Ok(people.collect())
}

fn groups(all: &[Group], handle: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut members = vec![format!("user:{handle}")];
    while !members.is_empty() {
        let holding = all.iter().filter(|group| group.members.iter().any(|m| members.contains(m)));
        let new: Vec<String> =
            holding.map(|group| group.handle.clone()).filter(|name| !found.contains(name)).collect();
        members = new.iter().map(|name| format!("group:{name}")).collect();
        found.extend(new);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_followed_outwards() {
        let people = people().unwrap();
        let tomas = people.iter().find(|person| person.name == "Tomas Lindgren").unwrap();
        assert_eq!(tomas.groups, ["captains", "fleet", "staff"]);
        assert_eq!(tomas.clearance.as_deref(), Some("internal"));
    }
}
