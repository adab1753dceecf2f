//! Every route × every role, sent through the router, held to a reviewed file: `tests/access.txt`. A route without a row
//! fails, and so does a row without a route. Write it anew with `UPDATE_EXPECT=1`, and read what has changed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use api::{Until, routes};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use schemas::access::{Role, Who};
use serde_json::{Value, json};
use support::{Platform, in_time, line};
use tower::ServiceExt as _;

const HEAD: &str = "\
# What each route answers to whom: 401 (a token is needed), 403 (not with this role), or ok (it is let through).
# `stranger` has a profile and no role; the roles are with the owner that the path names. Lists are let through for
# everybody who may come in, and hold what each may see. Git's routes stand in services/git/tests/door/access.txt.
";

/// A path that the route takes. What it names is not there: nothing happens, whoever asks.
fn example(path: &str) -> String {
    let mut path = path.replace("{owner}", "acme").replace("{id}", "0198c0de-0000-7000-8000-000000000000");
    while let Some((start, end)) = path.find('{').zip(path.find('}')) {
        path.replace_range(start..=end, "nothing");
    }
    path
}

fn roles() -> Vec<(&'static str, Option<Who>)> {
    let ann = |roles: &[Role]| {
        let roles = roles.iter().map(|role| ("acme".parse().unwrap(), *role)).collect();
        Some(Who { name: "ann".parse().unwrap(), admin: false, roles })
    };
    let mut all = vec![("nobody", None), ("stranger", ann(&[]))];
    all.extend(Role::ALL.into_iter().rev().map(|role| (role.as_str(), ann(&[role]))));
    all.push(("admin", Some(Who::admin())));
    all
}

#[tokio::test]
async fn every_route_answers_each_role_as_it_was_reviewed() {
    // Nobody answers questions here: what is let through ends at once, in one way or another.
    let platform = Platform::start().await;
    let mut table = HEAD.to_owned();
    for route in routes() {
        let mut row = format!("{:6} {:52} {:11}", route.method.as_str(), route.path, format!("{:?}", route.needs));
        for (name, who) in roles() {
            let path = example(route.path);
            let asked = platform.ask_as(who, route.method.as_str(), &path);
            let status = in_time(&format!("{} {path} as {name}", route.method), asked).await;
            let word = match status {
                StatusCode::UNAUTHORIZED => "401",
                StatusCode::FORBIDDEN => "403",
                StatusCode::METHOD_NOT_ALLOWED => panic!("{} {path} is not routed", route.method),
                _ => "ok",
            };
            row.push_str(&format!(" {name}:{word}"));
        }
        table.push_str(row.trim_end());
        table.push('\n');
    }
    expect_test::expect_file!["access.txt"].assert_eq(&table);
    platform.stop().await;
}

#[tokio::test]
async fn a_list_holds_what_the_asker_may_see() {
    let mut platform = Platform::start().await;
    let all = ["acme/a", "acme/b", "beta/a", "gamma/a", "gamma/b"];
    platform.fleets(7, all.map(line).to_vec()).await;
    let who = |roles: &[(&str, Role)]| {
        let roles = roles.iter().map(|(owner, role)| (owner.parse().unwrap(), *role)).collect();
        Who { name: "ann".parse().unwrap(), admin: false, roles }
    };
    let both = [("acme", Role::Viewer), ("beta", Role::Scraper), ("gamma", Role::Owner)];
    for (who, expected) in [
        (Who::admin(), &all[..]),
        (who(&[]), &[]),
        (who(&both), &["acme/a", "acme/b", "gamma/a", "gamma/b"]),
        (who(&both[2..]), &["gamma/a", "gamma/b"]),
    ] {
        // By pages of any size it is the same list.
        for limit in [1, 2, 100] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let page =
                    platform.get_as(who.clone(), &format!("/v1/fleets?limit={limit}&cursor={cursor}")).await.json();
                let fleets = page["fleets"].as_array().unwrap();
                assert!(fleets.len() <= limit);
                seen.extend(fleets.iter().map(|it| it["fleet"].as_str().unwrap().to_owned()));
                let Value::String(next) = &page["next"] else { break };
                cursor.clone_from(next);
            }
            assert_eq!(json!(seen), json!(expected), "{who:?} by {limit}");
        }
    }
    platform.stop().await;
}

/// A body takes as long as its sender likes: what let it in may not hold any more when it is there.
#[tokio::test]
async fn who_is_shut_out_while_the_body_comes_changes_nothing() {
    let platform = Platform::start().await;
    let token = tokio_util::sync::CancellationToken::new();
    let body = r#"{ "profile": "ann", "name": "x" }"#;
    let send = || {
        let mut request = Request::post("/v1/tokens").body(Body::from(body)).unwrap();
        request.extensions_mut().insert(Who::admin());
        request.extensions_mut().insert(Until(token.clone()));
        api::router(api::Api::new(platform.bus.clone(), Vec::new())).oneshot(request)
    };
    assert_eq!(send().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE, "nobody answers here");
    token.cancel();
    assert_eq!(send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    platform.stop().await;
}
