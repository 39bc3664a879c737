//! What is watched over a transport, and what must be told of it by the harness's own account: equal streams that tell
//! nothing, or tell of what nobody may see, would be equal, too.

use crate::dice::Dice;
use crate::sight::Directory;
use crate::stage::document_id;
use crate::world::{Place, World};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Documents that are watched; a subscription has a hundred places for all that is.
const DOCUMENTS: usize = 50;

pub struct Watched {
    places: Vec<Place>,
    pub uris: Vec<String>,
}

impl Watched {
    /// Documents of both states, some of their passages, all sources, what never was, and these.
    pub fn of(world: &World, others: &[String]) -> Self {
        let states = [&world.first_state, &world.second_state];
        let sources = states.iter().flat_map(|state| state.sources.iter().enumerate());
        let all = sources.flat_map(|(number, source)| source.docs.keys().map(move |id| (number, id.clone())));
        let mut places: Vec<Place> = all.collect::<BTreeSet<_>>().into_iter().collect();
        Dice::of(world.seed, "watched over a transport").shuffle(&mut places);
        places.truncate(DOCUMENTS);
        let mut uris: Vec<String> = places.iter().map(|place| uri(world, place)).collect();
        let passages: Vec<String> = uris.iter().take(20).map(|uri| format!("{uri}/passage/1")).collect();
        uris.extend(passages);
        uris.extend(world.named.iter().map(|named| format!("kb://source/{}", named.name)));
        uris.extend(["kb://source/nowhere".to_owned(), uri(world, &(0, "never/was.md".to_owned()))]);
        uris.extend(others.iter().take(3).map(|id| format!("kb://document/{id}")));
        Self { places, uris }
    }

    /// For one subscription to all of it.
    pub fn notifications(&self) -> Value {
        json!({ "resourceSubscriptions": self.uris, "resourcesListChanged": true })
    }

    /// Only so many of them.
    pub fn first(mut self, count: usize) -> Self {
        self.places.truncate(count);
        self.uris.truncate(count);
        self
    }

    /// What must be told between the two states and what must not, by who sees what.
    pub fn wrong(&self, world: &World, handle: &str, told: &str) -> Option<String> {
        let first = world.first_state.visible(handle, world.first_asked);
        let second = world.second_state.visible(handle, world.second_asked);
        for place in &self.places {
            let (before, after) = (first.contains(place), second.contains(place));
            let is_told = told.contains(&format!("\"uri\":\"{}\"", uri(world, place)));
            if is_told && !before && !after {
                return Some(format!("{} is hidden, and was told of: heard {told}", place.1));
            }
            if !is_told && before != after {
                return Some(format!("{} came or went, and nothing was heard of it: {told}", place.1));
            }
        }
        None
    }
}

fn uri(world: &World, place: &Place) -> String {
    format!("kb://document/{}", document_id(world, place))
}

/// Somebody who can ask at both questions, if there is one.
pub fn asker(world: &World, dice: &mut Dice) -> (String, bool) {
    let both = |directory: &Directory, handle: &String| {
        directory.people.get(handle).is_some_and(|(_, disabled)| !disabled)
    };
    let mut callers = world.first_state.callers();
    dice.shuffle(&mut callers);
    let stays = callers.iter().find(|handle| both(&world.second_state.directory, handle));
    stays.map_or_else(|| (callers[0].clone(), false), |handle| (handle.clone(), true))
}
