//! The service on a real log: what is written, what opens the door, and what is gone once it is erased.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::time::Duration;

use profiles::Denied;
use schemas::access::{Role, Who};
use schemas::event::{Data, ProfileErased};
use schemas::query::{
    CreateProfile, CreateToken, EraseProfile, Expiry, FaultCode, Mail, MembersRequest, PolicyRequest, ProfilesRequest,
    RevokeToken, SetMail, SetMember, SetPolicy, TokensRequest,
};
use streams::{KeyPart, clock};
use support::{Log, eventually};
use uuid::Uuid;

const ADDRESS: &str = "ann.unmistakable@example.org";

fn who(name: &str) -> Who {
    Who { name: name.parse().unwrap(), admin: false, roles: Default::default() }
}

fn create(id: Uuid, name: &str, email: Option<&str>) -> CreateProfile {
    let email = email.map(|it| Mail::parse(it).unwrap());
    CreateProfile { by: Who::admin(), id, name: name.parse().unwrap(), email }
}

fn token(by: Who, profile: &str, expires: Expiry) -> CreateToken {
    CreateToken { by, id: clock::new_id(), profile: profile.parse().unwrap(), name: "ci".to_owned(), expires }
}

fn erase(name: &str) -> EraseProfile {
    EraseProfile { by: Who::admin(), id: clock::new_id(), name: name.parse().unwrap() }
}

#[tokio::test]
async fn a_start_sees_to_the_admin_and_the_token_in_the_file() {
    let log = Log::start().await;
    let (first, second) = (profiles::mint().unwrap(), profiles::mint().unwrap());
    let service = log.service(&first).await;
    assert!(service.admit(&first).unwrap().who.admin);
    let kinds = ["profile.created", "member.set", "token.created"];
    assert_eq!(log.kinds().await, kinds);
    service.stop().await;

    let service = log.service(&first).await;
    assert!(service.admit(&first).is_ok());
    assert_eq!(log.kinds().await, kinds, "a start that finds everything writes nothing");
    service.stop().await;

    // The file was removed, and another token made.
    let service = log.service(&second).await;
    assert!(service.admit(&second).unwrap().who.admin);
    assert_eq!(service.admit(&first).unwrap_err(), Denied::Revoked { name: "admin.token".to_owned() });
    assert_eq!(log.kinds().await[3..], ["token.created", "token.revoked"]);
    service.stop().await;

    // An old copy of the file came back: what was revoked stays it, and what opens goes on opening.
    let service = log.service(&first).await;
    assert!(service.admit(&first).is_err() && service.admit(&second).is_ok());
    assert_eq!(log.kinds().await.len(), 5);
    service.stop().await;
    log.stop().await;
}

#[tokio::test]
async fn the_same_is_done_once_and_names_are_given_once() {
    let log = Log::start().await;
    let service = log.service(&profiles::mint().unwrap()).await;
    let id = clock::new_id();
    let made = log.ask(&create(id, "ann", None)).await.unwrap();
    let again = log.ask(&create(id, "ann", None)).await.unwrap();
    assert_eq!((made.position, made.profile.id), (again.position, id));
    let code = |end: Result<schemas::query::ProfileMade, schemas::query::Fault>| end.unwrap_err().code;
    assert_eq!(code(log.ask(&create(id, "bob", None)).await), FaultCode::Conflict, "a key is for one thing");
    assert_eq!(code(log.ask(&create(clock::new_id(), "ann", None)).await), FaultCode::Conflict);
    assert_eq!(code(log.ask(&create(clock::new_id(), "shazam", None)).await), FaultCode::Conflict);
    let by_ann = CreateProfile { by: who("ann"), ..create(clock::new_id(), "eve", None) };
    assert_eq!(code(log.ask(&by_ann).await), FaultCode::NotAllowed);

    // Many at once, of which one is first.
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let bus = log.bus.clone();
        asked.spawn(
            async move { bus.ask(&create(clock::new_id(), "carl", None), Duration::from_secs(30)).await.is_ok() },
        );
    }
    assert_eq!(asked.join_all().await.into_iter().filter(|it| *it).count(), 1);

    let set = |role| SetMember {
        by: Who::admin(),
        id: clock::new_id(),
        owner: "acme".parse().unwrap(),
        profile: "ann".parse().unwrap(),
        role,
    };
    let first = log.ask(&set(Some(Role::Viewer))).await.unwrap();
    assert_eq!(log.ask(&set(Some(Role::Viewer))).await.unwrap().position, first.position);
    log.ask(&set(Some(Role::Owner))).await.unwrap();
    let members = MembersRequest { owner: "acme".parse().unwrap(), after: None, limit: 10, min_position: 0 };
    let shown = log.ask(&members).await.unwrap().members;
    assert_eq!(shown.iter().map(|it| (it.profile.as_str(), it.role)).collect::<Vec<_>>(), [("ann", Role::Owner)]);
    let by_bob = SetMember { by: who("bob"), ..set(None) };
    assert_eq!(log.ask(&by_bob).await.unwrap_err().code, FaultCode::NotAllowed);
    log.ask(&set(None)).await.unwrap();
    assert_eq!(log.ask(&set(None)).await.unwrap_err().code, FaultCode::NotFound);

    let gone = log.ask(&erase("ann")).await.unwrap();
    assert_eq!(log.ask(&erase("ann")).await.unwrap().position, gone.position, "erasing again finds it done");
    assert_eq!(code(log.ask(&create(clock::new_id(), "ann", None)).await), FaultCode::Conflict);
    assert_eq!(log.ask(&erase("admin")).await.unwrap_err().code, FaultCode::Conflict);
    assert_eq!(log.ask(&erase("nobody")).await.unwrap_err().code, FaultCode::NotFound);
    service.stop().await;
    log.stop().await;
}

#[tokio::test]
async fn a_token_is_shown_once_and_dies_at_once() {
    let log = Log::start().await;
    let service = log.service(&profiles::mint().unwrap()).await;
    log.ask(&create(clock::new_id(), "ann", None)).await.unwrap();
    let wanted = token(who("ann"), "ann", Expiry::Never);
    let made = log.ask(&wanted).await.unwrap();
    let repeated = log.ask(&wanted).await.unwrap_err();
    assert_eq!(repeated.code, FaultCode::Conflict);
    assert!(repeated.message.contains("shown once"), "{}", repeated.message);
    assert_eq!(log.ask(&token(who("bob"), "ann", Expiry::Never)).await.unwrap_err().code, FaultCode::NotAllowed);
    assert_eq!(log.ask(&token(Who::admin(), "bob", Expiry::Never)).await.unwrap_err().code, FaultCode::NotFound);
    let past = Expiry::At("2020-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(log.ask(&token(who("ann"), "ann", past)).await.unwrap_err().code, FaultCode::BadRequest);

    let usual = log.ask(&token(who("ann"), "ann", Expiry::Usual)).await.unwrap();
    let days = usual.line.expires.unwrap().duration_since(clock::now()).as_hours() / 24;
    assert!((88..=90).contains(&days), "{days} days");

    let pass = service.admit(&made.token).unwrap();
    assert_eq!(pass.who, who("ann"));
    let revoke = |by| RevokeToken { by, id: clock::new_id(), token: made.line.id };
    assert_eq!(
        log.ask(&revoke(who("bob"))).await.unwrap_err().code,
        FaultCode::NotFound,
        "others' are as if not there"
    );
    log.ask(&revoke(who("ann"))).await.unwrap();
    // Answered means: it opens nothing any more in this process, and what is open ends.
    assert_eq!(service.admit(&made.token).unwrap_err(), Denied::Revoked { name: "ci".to_owned() });
    tokio::time::timeout(Duration::from_secs(1), pass.over.cancelled()).await.expect("open streams end in a second");

    // A token that expires while a stream is open ends it too.
    let soon = Expiry::At(clock::now() + Duration::from_millis(1_500));
    let short = log.ask(&token(who("ann"), "ann", soon)).await.unwrap();
    let pass = service.admit(&short.token).unwrap();
    tokio::time::timeout(Duration::from_secs(4), pass.over.cancelled()).await.expect("expiry ends open streams");
    assert!(matches!(service.admit(&short.token), Err(Denied::Expired { .. })));

    // A change of roles is another pass.
    let pass = service.admit(&usual.token).unwrap();
    let (owner, profile) = ("acme".parse().unwrap(), "ann".parse().unwrap());
    let set = SetMember { by: Who::admin(), id: clock::new_id(), owner, profile, role: Some(Role::Scraper) };
    log.ask(&set).await.unwrap();
    tokio::time::timeout(Duration::from_secs(1), pass.over.cancelled()).await.expect("old roles end open streams");
    assert_eq!(service.admit(&usual.token).unwrap().who.roles.len(), 1);

    let list = |by| TokensRequest { by, profile: None, after: None, limit: 10, min_position: 0 };
    let seen = log.ask(&list(who("ann"))).await.unwrap().tokens;
    assert_eq!(seen.len(), 2, "what is revoked is not shown: {seen:?}");
    assert!(seen[0].last_used.is_some());
    assert_eq!(log.ask(&list(Who::admin())).await.unwrap().tokens.len(), 3);
    let digests = serde_json::to_string(&log.shown().await).unwrap();
    for token in [&made.token, &usual.token, &short.token] {
        assert!(!digests.contains(token.as_str()), "a token is in an event");
    }
    service.stop().await;
    log.stop().await;
}

#[tokio::test]
async fn an_erased_address_is_nowhere() {
    let log = Log::start().await;
    let service = log.service(&profiles::mint().unwrap()).await;
    let id = clock::new_id();
    let made = log.ask(&create(id, "ann", Some(ADDRESS))).await.unwrap();
    assert_eq!(made.profile.email.as_ref().unwrap().as_str(), ADDRESS);
    let pass_for = log.ask(&token(Who::admin(), "ann", Expiry::Never)).await.unwrap().token;
    assert!(log.files_with(ADDRESS.as_bytes()).is_empty(), "it is sealed from the start");
    let mut sealed = Vec::new();
    for part in KeyPart::ALL {
        sealed.push(log.bus.load_key(id, part).await.unwrap().unwrap());
        assert!(!log.files_with(sealed.last().unwrap()).is_empty(), "the search finds what is there");
    }

    log.ask(&erase("ann")).await.unwrap();
    assert_eq!(service.admit(&pass_for).unwrap_err(), Denied::Erased);
    for part in &sealed {
        let left = log.files_with(part);
        assert!(left.is_empty(), "sealed bytes are still in {left:?}");
    }
    assert!(log.bus.key_holders().await.unwrap().is_empty());
    let list = ProfilesRequest { by: Who::admin(), after: None, limit: 10, min_position: 0 };
    assert_eq!(log.ask(&list).await.unwrap().profiles.len(), 1);
    service.stop().await;
    log.stop().await;
}

#[tokio::test]
async fn an_address_that_was_changed_is_nowhere_either() {
    let log = Log::start().await;
    let service = log.service(&profiles::mint().unwrap()).await;
    let id = clock::new_id();
    log.ask(&create(id, "ann", Some(ADDRESS))).await.unwrap();
    log.ask(&create(clock::new_id(), "bob", None)).await.unwrap();
    let mail = |by: Who, name: &str, email: Option<&str>| SetMail {
        by,
        name: name.parse().unwrap(),
        email: email.map(|it| Mail::parse(it).unwrap()),
    };
    let shown = async || {
        let list = ProfilesRequest { by: Who::admin(), after: None, limit: 10, min_position: 0 };
        let all = log.ask(&list).await.unwrap().profiles;
        let mail = |name: &str| all.iter().find(|it| it.name.as_str() == name).and_then(|it| it.email.clone());
        ["ann", "bob"].map(|name| mail(name).map(|it| it.as_str().to_owned()))
    };
    let events = log.kinds().await;
    let old = log.bus.load_key(id, KeyPart::Mail).await.unwrap().unwrap();
    let key = log.bus.load_key(id, KeyPart::Data).await.unwrap().unwrap();

    // Whose it is may; others are told that there is nobody.
    let changed = log.ask(&mail(who("ann"), "ann", Some("ann@new.example.org"))).await.unwrap();
    assert_eq!(changed.profile.email.unwrap().as_str(), "ann@new.example.org");
    for (by, name) in [(who("bob"), "ann"), (Who::admin(), "nobody"), (who("ann"), "bob")] {
        let refused = log.ask(&mail(by, name, Some("eve@example.org"))).await.unwrap_err();
        assert_eq!((refused.code, refused.message), (FaultCode::NotFound, format!("there is no profile `{name}`")));
    }
    log.ask(&mail(Who::admin(), "bob", Some("bob@example.org"))).await.unwrap();
    let new = log.bus.load_key(id, KeyPart::Mail).await.unwrap().unwrap();
    assert!(!log.files_with(&new).is_empty(), "the search finds what is there");
    for sealed in [old, key] {
        assert!(log.files_with(&sealed).is_empty(), "the old one is still on the disk");
    }
    // The same again changes nothing.
    log.ask(&mail(who("ann"), "ann", Some("ann@new.example.org"))).await.unwrap();
    assert_eq!(log.bus.load_key(id, KeyPart::Mail).await.unwrap().unwrap(), new);
    assert_eq!(shown().await, [Some("ann@new.example.org".to_owned()), Some("bob@example.org".to_owned())]);

    // Taken away; nothing of all this is in the log, sealed or not.
    log.ask(&mail(who("ann"), "ann", None)).await.unwrap();
    log.ask(&mail(who("ann"), "ann", None)).await.unwrap();
    assert!(log.files_with(&new).is_empty());
    assert_eq!(shown().await, [None, Some("bob@example.org".to_owned())]);
    assert_eq!(log.kinds().await, events);
    log.ask(&erase("bob")).await.unwrap();
    assert!(log.bus.key_holders().await.unwrap().is_empty());
    assert_eq!(log.ask(&mail(Who::admin(), "bob", None)).await.unwrap_err().code, FaultCode::NotFound);
    service.stop().await;
    log.stop().await;
}

#[tokio::test]
async fn a_start_finishes_what_an_erasure_has_begun() {
    let log = Log::start().await;
    let admin = profiles::mint().unwrap();
    let service = log.service(&admin).await;
    let (ann, bob) = (clock::new_id(), clock::new_id());
    log.ask(&create(ann, "ann", Some(ADDRESS))).await.unwrap();
    log.ask(&create(bob, "bob", Some("bob@example.org"))).await.unwrap();
    let sealed = log.bus.load_key(ann, KeyPart::Data).await.unwrap().unwrap();
    service.stop().await;
    // Killed behind the event and before the erasure; and a create that was killed before its event.
    log.append("profiles/ann", Data::ProfileErased(ProfileErased { profile: ann })).await;
    log.bus.store_key(clock::new_id(), KeyPart::Data, vec![7; 40]).await.unwrap();
    assert_eq!(log.bus.key_holders().await.unwrap().len(), 3);

    let service = log.service(&admin).await;
    assert_eq!(log.bus.key_holders().await.unwrap().into_iter().collect::<Vec<_>>(), [bob]);
    assert!(log.files_with(&sealed).is_empty());
    let list = ProfilesRequest { by: Who::admin(), after: None, limit: 10, min_position: 0 };
    let shown = log.ask(&list).await.unwrap().profiles;
    let mail = |name: &str| shown.iter().find(|it| it.name.as_str() == name).and_then(|it| it.email.clone());
    assert_eq!((mail("bob").unwrap().as_str(), mail("ann")), ("bob@example.org", None));
    service.stop().await;
    log.stop().await;
}

#[tokio::test]
async fn nobody_is_let_in_by_what_may_be_wrong() {
    let log = Log::start().await;
    let admin = profiles::mint().unwrap();
    let service = log.service(&admin).await;
    assert!(service.admit(&admin).is_ok());
    for (shown, expected) in [("", "fl_"), ("fl_x", "cut off"), (&admin[..30], "cut off")] {
        let denied = service.admit(shown).unwrap_err();
        assert!(matches!(denied, Denied::Malformed(_)) && denied.to_string().contains(expected), "{denied}");
    }
    assert_eq!(service.admit(&profiles::mint().unwrap()).unwrap_err(), Denied::Unknown);

    // An event from the future stops the fold.
    let pass = service.admit(&admin).unwrap();
    log.append_unreadable().await;
    eventually("nobody is let in", || match service.admit(&admin) {
        Err(Denied::Blind(_)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert!(service.ready().unwrap().contains("stopped"));
    tokio::time::timeout(Duration::from_secs(2), pass.over.cancelled()).await.expect("what is open ends");
    let list = ProfilesRequest { by: Who::admin(), after: None, limit: 10, min_position: 0 };
    assert_eq!(log.ask(&list).await.unwrap_err().code, FaultCode::Stopped);
    service.stop().await;
    log.stop().await;
}

#[tokio::test]
async fn an_owners_policy_is_set_once_by_who_may_and_read_again() {
    let log = Log::start().await;
    let token = profiles::mint().unwrap();
    let service = log.service(&token).await;
    let ask = |min_position| PolicyRequest { owner: "acme".parse().unwrap(), min_position };
    assert!(log.ask(&ask(0)).await.unwrap().guards.is_none());
    let set = |by: Who, id, guards: &str| SetPolicy {
        by,
        id,
        owner: "acme".parse().unwrap(),
        guards: serde_json::from_str(guards).unwrap(),
    };
    let forbid = r#"{ "privileged": "forbid", "max_removals": 5 }"#;
    let owner = |role| Who { roles: [("acme".parse().unwrap(), role)].into(), ..who("ann") };
    let id = clock::new_id();
    let refused = log.ask(&set(owner(Role::Maintainer), id, forbid)).await.unwrap_err();
    assert_eq!(refused.code, FaultCode::NotAllowed, "{refused}");
    let first = log.ask(&set(owner(Role::Owner), id, forbid)).await.unwrap();
    assert_eq!(log.ask(&ask(first.position)).await.unwrap().guards.max_removals, Some(5));
    // Once for a key, and not again where it is so already; another one for the same key is another thing.
    for id in [id, clock::new_id()] {
        assert_eq!(log.ask(&set(Who::admin(), id, forbid)).await.unwrap().position, first.position);
    }
    assert_eq!(log.ask(&set(Who::admin(), id, "{}")).await.unwrap_err().code, FaultCode::Conflict);
    log.ask(&set(Who::admin(), clock::new_id(), r#"{ "max_removals": 1 }"#)).await.unwrap();
    assert_eq!(log.kinds().await.iter().filter(|it| *it == "policy.set").count(), 2);
    service.stop().await;

    let service = log.service(&token).await;
    let guards = log.ask(&ask(0)).await.unwrap().guards;
    assert_eq!((guards.max_removals, guards.privileged.is_allow()), (Some(1), true));
    service.stop().await;
    log.stop().await;
}
