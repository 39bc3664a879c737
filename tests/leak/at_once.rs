//! Questions asked at once, by the person and by others, while sources that they cannot see are
//! read and people they have nothing to do with come and go. Whatever happens meanwhile, each answer
//! is world B's, in which none of it exists.

use crate::ask::{Request, answer, ask, difference, requests};
use crate::broken::no_faults;
use crate::dice::Dice;
use crate::stage::{Stage, operator};
use crate::world::World;
use kenward::identity::authenticate;
use kenward_access::acl::Clearance;
use kenward_vault::directory::DirectoryChange;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Worlds that are asked at once.
const WORLDS: u64 = 6;

#[test]
fn what_others_do_at_the_same_time_changes_no_byte() {
    let _quiet = no_faults();
    let (asked, noise) = (AtomicU64::new(0), AtomicU64::new(0));
    for seed in 900..900 + WORLDS {
        let world = World::make(seed);
        let callers = world.first_state.callers();
        let handle = &callers[0];
        let visible = world.first_state.visible(handle, world.first_asked);
        let mut a = Stage::everything(&world);
        let mut b = Stage::only(&world, handle, &visible);
        let all = requests(&world, &world.first_state, &visible, &mut Dice::of(seed, "at once"));
        let draw = |at: usize| Dice::of(seed ^ ((at as u64) << 20), "at once").next();
        let wanted: Vec<String> =
            all.iter().enumerate().map(|(at, request)| ask(&mut b, handle, request, draw(at))).collect();

        let (own, other) = (a.claim(handle), a.claim(&callers[1]));
        let (a, config, over) = (&a, a.config(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    a.hidden_run();
                    strangers_come_and_go(a);
                    noise.fetch_add(1, Ordering::Relaxed);
                }
            });
            let askers: Vec<_> = [(&own, false, true), (&own, true, true), (&other, false, false)]
                .into_iter()
                .map(|(claim, backwards, compared)| {
                    let (all, wanted, config, asked) = (&all, &wanted, &config, &asked);
                    scope.spawn(move || {
                        let caller = authenticate(
                            (a.vault(), &kenward::identity::issued::Issuers::default()),
                            config,
                            claim,
                            0,
                        )
                        .unwrap();
                        let knowledge = a.vault().knowledge_base();
                        let mut order: Vec<(usize, &Request)> = all.iter().enumerate().collect();
                        if backwards {
                            order.reverse();
                        }
                        for (at, request) in order {
                            a.entropy.reset(draw(at));
                            let told = answer(&knowledge, &caller, request);
                            if let (true, Some(difference)) = (compared, difference(&told, &wanted[at])) {
                                return Err(format!("world {seed}, {request:?}\n{difference}"));
                            }
                            asked.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(())
                    })
                })
                .collect();
            let results: Vec<_> = askers.into_iter().map(|asker| asker.join().unwrap()).collect();
            over.store(true, Ordering::Relaxed);
            results.into_iter().collect::<Result<Vec<_>, _>>().unwrap_or_else(|leak| panic!("{leak}"));
        });
    }
    let (asked, noise) = (asked.into_inner(), noise.into_inner());
    println!(
        "{WORLDS} worlds, {asked} questions asked at once, {noise} hidden runs and directory changes meanwhile"
    );
    assert!(asked > WORLDS * 300 && noise > WORLDS, "{asked} questions, {noise} times something happened");
}

/// People and groups that no rights name: every change is a new epoch all the same.
pub fn strangers_come_and_go(a: &Stage) {
    let (handle, group) = ("zoe@harbor.example".to_owned(), "night-watch".to_owned());
    for change in [
        DirectoryChange::AddUser {
            handle: handle.clone(),
            name: "Zoe".to_owned(),
            clearance: Clearance::default(),
        },
        DirectoryChange::AddGroup { handle: group.clone() },
        DirectoryChange::AddMember { group: group.clone(), member: format!("user:{handle}") },
        DirectoryChange::RemoveMember { group: group.clone(), member: format!("user:{handle}") },
        DirectoryChange::RemoveUser { handle },
        DirectoryChange::RemoveGroup { handle: group },
    ] {
        a.vault().change_directory(&operator(), &[change]).unwrap();
    }
}
