//! The table of routes, the router and the contract say the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::collections::BTreeSet;

use api::{Place, routes};
use schemas::access::Action;
use serde_json::Value;
use support::shape::must_fit;
use support::{Platform, answer, looks};

/// A path that the route takes.
fn example(path: &str) -> String {
    let id = "0198c0de-0000-7000-8000-000000000000";
    let mut path = path.replace("{owner}", "acme").replace("{fleet}", "shop").replace("{id}", id);
    while let Some((start, end)) = path.find('{').zip(path.find('}')) {
        path.replace_range(start..=end, "nothing");
    }
    path
}

#[test]
fn every_route_is_in_the_contract_as_the_table_says() {
    let contract = api::document();
    assert_eq!(contract["openapi"], "3.1.0");
    let mut operations = BTreeSet::new();
    for route in routes() {
        let operation = &contract["paths"][route.path][route.method.as_str().to_ascii_lowercase()];
        assert_eq!(operation["operationId"], route.operation, "{}", route.path);
        assert!(operations.insert(route.operation), "`{}` is there twice", route.operation);
        assert_eq!(operation["security"] == serde_json::json!([]), route.needs == Action::Open, "{}", route.path);
        assert_eq!(operation["responses"].get("401").is_none(), route.needs == Action::Open, "{}", route.path);
        let names: Vec<_> = operation["parameters"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
        assert_eq!(names, route.parameters.iter().map(|it| it.name).collect::<Vec<_>>(), "{}", route.path);
        // What varies in the path is a parameter, and the other way round.
        for parameter in route.parameters.iter().filter(|it| it.place == Place::Path) {
            assert!(route.path.contains(&format!("{{{}}}", parameter.name)), "{}", route.path);
        }
        let in_path = route.parameters.iter().filter(|it| it.place == Place::Path).count();
        assert_eq!(route.path.matches('{').count(), in_path, "{}", route.path);
    }
    let documented: usize =
        contract["paths"].as_object().unwrap().values().map(|it| it.as_object().unwrap().len()).sum();
    assert_eq!(documented, routes().count(), "the contract tells of paths that are not in the table");
}

#[test]
fn every_reference_of_the_contract_leads_somewhere() {
    fn walk(contract: &Value, value: &Value, found: &mut usize) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(contract.pointer(pointer).is_some(), "`{reference}` leads nowhere");
                    *found += 1;
                }
                members.values().for_each(|it| walk(contract, it, found));
            }
            Value::Array(items) => items.iter().for_each(|it| walk(contract, it, found)),
            _ => {}
        }
    }
    let (contract, mut found) = (api::document(), 0);
    walk(&contract, &contract, &mut found);
    assert!(found > 20, "only {found} references: does the walk see them?");
}

#[tokio::test]
async fn the_router_answers_every_path_of_the_contract_and_no_other_method() {
    let mut platform = Platform::with(looks(&[("one", None)])).await;
    platform.fleets(7, Vec::new()).await;
    platform.fleet(answer(7, None)).await;
    for (path, operations) in api::document()["paths"].as_object().unwrap() {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            // A query parameter that nobody knows: refused by the route itself, before anything is done.
            let reply = platform.ask(method, &format!("{}?colour=red", example(path)), &[]).await;
            if operations.get(method.to_ascii_lowercase()).is_some() {
                assert_eq!(reply.problem(400).0, "unknown-parameter", "{method} {path} is not routed");
            } else {
                assert_eq!(reply.problem(405).0, "method-not-allowed", "{method} {path}");
                let known = operations.as_object().unwrap().keys().map(|it| it.to_ascii_uppercase());
                let allow = reply.header("allow");
                known.for_each(|it| assert!(allow.contains(&it), "{path}: {it} is not in {allow:?}"));
            }
        }
    }
    for (path, shape) in [("/v1/fleets", "Fleets"), ("/v1/events", "Events")] {
        must_fit(&api::document(), shape, &platform.get(path).await.json());
    }
    assert_eq!(platform.get("/v1/fleets/acme/shop").await.problem(404).0, "not-found");
    platform.stop().await;
}

#[tokio::test]
async fn every_path_refuses_query_parameters_that_it_does_not_know() {
    let platform = Platform::start().await;
    for route in routes() {
        let path = format!("{}?colour=red", example(route.path));
        let (kind, document) = platform.ask(route.method.as_str(), &path, &[]).await.problem(400);
        assert_eq!(kind, "unknown-parameter", "{}", route.path);
        let known = route.parameters.iter().filter(|it| it.place == Place::Query).map(|it| it.name);
        assert_eq!(document["known"], Value::from(known.collect::<Vec<_>>()), "{}", route.path);
    }
    let (kind, document) = platform.get("/v1/events?limit=1&limit=2").await.problem(400);
    assert_eq!((kind.as_str(), document["detail"].as_str().unwrap().contains("twice")), ("bad-request", true));
    platform.stop().await;
}

#[tokio::test]
async fn unknown_paths_are_problems_too() {
    let platform = Platform::start().await;
    for path in ["/v1", "/v2/fleets", "/v1/fleets/acme", "/v1/fleets/acme/shop/rollouts/1/2"] {
        assert_eq!(platform.get(path).await.problem(404).0, "unknown-path", "{path}");
    }
    // No name of a fleet, so no fleet either.
    assert_eq!(platform.get("/v1/fleets/ACME/shop").await.problem(404).0, "not-found");
    platform.stop().await;
}

#[tokio::test]
async fn readiness_is_told_by_service() {
    let platform = Platform::with(looks(&[("one", None), ("two", Some("its engine is cold"))])).await;
    let reply = platform.get("/readyz").await;
    assert_eq!(reply.status, 503);
    let shown: Value = serde_json::from_slice(&reply.body).unwrap();
    must_fit(&api::document(), "Readiness", &shown);
    assert_eq!(shown["ready"], false);
    assert_eq!(shown["services"]["one"]["ready"], true);
    assert_eq!(shown["services"]["two"]["reason"], "its engine is cold");
    must_fit(&api::document(), "Health", &platform.get("/healthz").await.json());
    platform.stop().await;
}
