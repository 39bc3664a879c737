//! Callers by an issuer's token: whose they are, which groups count, and what ends an answer that is under way.

use super::*;
use crate::directory::Identity;
use kenward_access::caller::{Claimed, Issued, IssuedTo, Membership, service};
use kenward_access::ids::AgentId;

const ISSUER: &str = "https://login.harbor.example";
/// An hour after the clock's beginning.
const END: i64 = 1_790_000_000_000 + 3_600_000;

fn identity(subject: &str) -> Identity {
    Identity { issuer: ISSUER.into(), subject: subject.into() }
}

fn credential(holder: IssuedTo) -> Credential {
    Credential::Issued(Issued { issuer: ISSUER.into(), hash: [9; 32], expires: Timestamp(END), holder })
}

fn change(world: &World, change: DirectoryChange) {
    world.vault.change_directory(&by(), &[change]).unwrap();
}

/// Omar, by his link, with these memberships.
fn omar(world: &World, membership: Membership) -> Caller {
    let id = world.vault.user_by_handle("omar").unwrap().id;
    let agent = Some(AgentId::new("agent-one").unwrap());
    let credential = credential(IssuedTo::Person("sub-7".into()));
    Caller::authenticated(TenantId::new("harbor").unwrap(), Subject::User(id), agent, credential)
        .with_membership(membership)
}

fn linked() -> World {
    let world = world(&[]);
    for group in ["crew", "dues", "other"] {
        change(&world, DirectoryChange::AddGroup { handle: group.into() });
    }
    change(&world, DirectoryChange::AddMember { group: "crew".into(), member: "user:omar".into() });
    change(&world, DirectoryChange::AddMember { group: "dues".into(), member: "group:other".into() });
    change(&world, DirectoryChange::Link { handle: "omar".into(), identity: identity("sub-7") });
    let documents = [
        ("crew.md", "group:crew", "# Crew\n\nharbor crew list\n"),
        ("dues.md", "group:dues", "# Dues\n\nharbor dues list\n"),
        ("open.md", "everyone", "# Open\n\nharbor open list\n"),
    ];
    world.ingest(&documents, Window::ALWAYS);
    world
}

fn finds(world: &World, caller: &Caller) -> Vec<String> {
    let answer = json(world.vault.knowledge_base().search(caller, &asking("harbor list")).unwrap());
    let titles =
        answer["results"].as_array().unwrap().iter().map(|r| r["title"].as_str().unwrap().to_owned());
    let mut titles: Vec<String> = titles.collect();
    titles.sort();
    titles
}

fn all(groups: &[&str]) -> Claimed {
    Claimed::All(groups.iter().map(|group| (*group).into()).collect())
}

#[test]
fn groups_come_from_where_the_issuer_is_said_to_give_them_and_never_from_both() {
    let world = linked();
    for (membership, titles) in [
        (Membership::Directory, vec!["About crew.md", "About open.md"]),
        // By a group within the group; one that the directory does not have is none.
        (Membership::Claims(all(&["other", "nowhere"])), vec!["About dues.md", "About open.md"]),
        (Membership::Claims(all(&[])), vec!["About open.md"]),
        (Membership::Claims(Claimed::Incomplete), vec!["About open.md"]),
        (Membership::Intersect(all(&["crew", "other"])), vec!["About crew.md", "About open.md"]),
        (Membership::Intersect(all(&["other"])), vec!["About open.md"]),
        (Membership::Intersect(Claimed::Incomplete), vec!["About open.md"]),
    ] {
        // In turn, so that no view of one is another's.
        assert_eq!(finds(&world, &omar(&world, membership.clone())), titles, "{membership:?}");
    }
    // What the directory took does not come back by a token.
    change(&world, DirectoryChange::RemoveMember { group: "crew".into(), member: "user:omar".into() });
    assert_eq!(finds(&world, &omar(&world, Membership::Intersect(all(&["crew"])))), ["About open.md"]);
}

#[test]
fn facts_that_an_issuer_leaves_out_deny_as_well() {
    let world = linked();
    let mut spec = rights("everyone", Window::ALWAYS);
    let mut deny = rights("group:crew", Window::ALWAYS).entries;
    deny[0].effect = Effect::Deny;
    deny.append(&mut spec.entries);
    let source = world.vault.source(&by(), super::spec("notes", "/srv/notes")).unwrap();
    let mut run = world.vault.begin_run(&by(), source).unwrap();
    run.set_rights([("n".to_owned(), RightsSpec { entries: deny, ..RightsSpec::default() })].into()).unwrap();
    run.put(document("note.md", "n", "# Note\n\nharbor note list\n")).unwrap();
    run.finish().unwrap();
    let sees = |membership| finds(&world, &omar(&world, membership)).contains(&"About note.md".to_owned());
    assert!(!sees(Membership::Directory), "he is of the crew");
    assert!(sees(Membership::Claims(all(&["other"]))));
    assert!(
        !sees(Membership::Claims(Claimed::Incomplete)) && !sees(Membership::Intersect(Claimed::Incomplete))
    );
}

#[test]
fn a_link_a_person_or_a_token_that_goes_ends_an_answer_under_way() {
    for what in ["unlinked", "passed on", "disabled", "removed", "expired"] {
        let world = linked();
        let caller = omar(&world, Membership::Directory);
        assert!(world.vault.knowledge_base().search(&caller, &asking("harbor")).is_ok());
        let (vault, clock) = (Arc::clone(&world.vault), Arc::clone(&world.clock));
        let handle = || "omar".to_owned();
        let gap = move || {
            let unlink = DirectoryChange::Unlink { handle: handle(), identity: identity("sub-7") };
            let changes = match what {
                "unlinked" => vec![unlink],
                "passed on" => {
                    vec![unlink, DirectoryChange::Link { handle: "dana".into(), identity: identity("sub-7") }]
                }
                "disabled" => vec![DirectoryChange::SetDisabled { handle: handle(), disabled: true }],
                "removed" => vec![DirectoryChange::RemoveUser { handle: handle() }],
                _ => {
                    clock.0.store(3_600_000, Ordering::Relaxed);
                    Vec::new()
                }
            };
            vault.change_directory(&by(), &changes).ok();
        };
        let kb = world.vault.knowledge_base().with_gap(Arc::new(gap));
        let error = kb.search(&caller, &asking("harbor")).unwrap_err();
        assert_eq!(error.code, ErrorCode::Unauthenticated, "{what}");
    }
}

#[test]
fn a_service_sees_what_everyone_sees_and_is_recorded_as_what_it_is() {
    let world = linked();
    let id = AgentId::new("indexer").unwrap();
    let named = service(ISSUER, &id).unwrap();
    let through = |holder: IssuedTo| {
        let tenant = TenantId::new("harbor").unwrap();
        Caller::authenticated(tenant, Subject::Service(named.clone()), Some(id.clone()), credential(holder))
    };
    assert_eq!(finds(&world, &through(IssuedTo::Service(id.clone()))), ["About open.md"]);
    // A token of somebody else is none of the service's.
    for holder in [IssuedTo::Person("sub-7".into()), IssuedTo::Service(AgentId::new("other").unwrap())] {
        let refused = world.vault.knowledge_base().search(&through(holder), &asking("harbor")).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Unauthenticated);
    }
    // Nor is the same client of another issuer.
    let elsewhere = Subject::Service(service("https://other.example", &id).unwrap());
    let tenant = TenantId::new("harbor").unwrap();
    let holder = credential(IssuedTo::Service(id.clone()));
    let elsewhere = Caller::authenticated(tenant, elsewhere, Some(id.clone()), holder);
    let refused = world.vault.knowledge_base().search(&elsewhere, &asking("harbor")).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Unauthenticated);
    finds(&world, &omar(&world, Membership::Directory));
    let who: Vec<Value> =
        world.log().iter().filter(|r| r["kind"] == "answer").map(|r| r["who"].clone()).collect();
    assert_eq!(who[0]["issuer"], ISSUER);
    assert_eq!(
        (&who[0]["subject"], &who[0]["client"]),
        (&format!("service:indexer@{ISSUER}").into(), &"indexer".into())
    );
    let last = who.last().unwrap();
    assert!(last["subject"].as_str().unwrap().starts_with("user:u_") && last["client"] == "agent-one");
    assert_eq!(last["token"], "090909090909");
    assert!(!format!("{who:?}").contains("sub-7"));
}

#[test]
fn a_service_with_an_entry_of_its_own_has_that_entrys_rights_and_no_person_is_taken_for_it() {
    let world = linked();
    let id = AgentId::new("indexer").unwrap();
    let client = Identity { issuer: ISSUER.into(), subject: Identity::client("indexer") };
    change(&world, DirectoryChange::Link { handle: "omar".into(), identity: client.clone() });
    let as_entry = |holder: IssuedTo| {
        let entry = world.vault.user_by_handle("omar").unwrap().id;
        let tenant = TenantId::new("harbor").unwrap();
        Caller::authenticated(tenant, Subject::User(entry), Some(id.clone()), credential(holder))
    };
    assert_eq!(finds(&world, &as_entry(IssuedTo::Service(id.clone()))), ["About crew.md", "About open.md"]);
    // A person whose id is written like the client's is not the client, nor the other way round.
    let kb = world.vault.knowledge_base();
    for holder in [
        IssuedTo::Person("client:indexer".into()),
        IssuedTo::Person("indexer".into()),
        IssuedTo::Service(AgentId::new("sub-7").unwrap()),
    ] {
        let refused = kb.search(&as_entry(holder.clone()), &asking("harbor")).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Unauthenticated, "{holder:?}");
    }
    assert_eq!(world.vault.holder(ISSUER, &IssuedTo::Person("client:indexer".into())), Ok(None));
    // Nor does it ask as what it was before; disabled, it asks as nothing.
    let tenant = TenantId::new("harbor").unwrap();
    let bare = credential(IssuedTo::Service(id.clone()));
    let named = Subject::Service(service(ISSUER, &id).unwrap());
    let bare = Caller::authenticated(tenant, named, Some(id.clone()), bare);
    assert_eq!(kb.search(&bare, &asking("harbor")).unwrap_err().code, ErrorCode::Unauthenticated);
    change(&world, DirectoryChange::SetDisabled { handle: "omar".into(), disabled: true });
    assert_eq!(world.vault.holder(ISSUER, &IssuedTo::Service(id)), Err(()));
}
