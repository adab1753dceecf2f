//! Every route × every role, held to a reviewed file: `access.txt`. The HTTP API's rows stand in
//! `services/api/tests/access.txt`. Write it anew with `UPDATE_EXPECT=1`, and read what has changed.

use schemas::event::Refusal;

use crate::http::ask;
use crate::platform::Platform;
use crate::workdir::{DB, Workdir};

const HEAD: &str = "\
# What each of Git's routes answers to whom; the roles are with the fleet's owner. A fleet that one may not see is 404,
# as one that is not there; a push that one may not make to a fleet that one sees is 403, before the body is read.
";
const ROLES: [&str; 7] = ["stranger", "scraper", "viewer", "operator", "maintainer", "owner", "admin"];

fn routes() -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    for fleet in ["acme/shop", "acme/unknown"] {
        for service in ["upload-pack", "receive-pack"] {
            all.push(("GET", format!("/git/{fleet}.git/info/refs?service=git-{service}")));
            all.push(("POST", format!("/git/{fleet}.git/git-{service}")));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_answers_each_role_as_it_was_reviewed() {
    let platform = Platform::started().await;
    let work = Workdir::new(&platform.url("acme/shop")).await;
    work.commit(&[("containers/db.json", DB)]).await;
    work.push(&["create", "no-wait"], &["main"]).await.good();
    let mut table = HEAD.to_owned();
    for (method, path) in routes() {
        let mut row = format!("{method:4} {path:56}");
        for role in ROLES {
            let service = if path.contains("upload-pack") { "upload-pack" } else { "receive-pack" };
            let head = format!(
                "{method} {path} HTTP/1.1\r\nx-role: {role}\r\ncontent-type: application/x-git-{service}-request"
            );
            let answer = ask(&platform, &head, if method == "POST" { b"0000" } else { b"" }).await;
            let status = answer.strip_prefix("HTTP/1.1 ").and_then(|it| it.split(' ').next()).unwrap();
            row.push_str(&format!(" {role}:{status}"));
            if status == "403" {
                assert!(answer.contains(&format!("is `{role}` with `acme`")), "{answer}");
            }
        }
        table.push_str(&row);
        table.push('\n');
    }
    expect_test::expect_file!["access.txt"].assert_eq(&table);

    // Remembered where the fleet is there and who pushes sees it: each of the two asked twice.
    let refused = platform.refused("acme/shop").await;
    assert_eq!(refused.len(), 4);
    for it in refused {
        assert_eq!((it.refusal, it.codes, it.refs.len()), (Refusal::NotAllowed, vec!["role".to_owned()], 0));
    }
    assert!(platform.events("acme/unknown").await.is_empty());
    // And nothing of it is in the way of a push that may be.
    work.commit(&[("README.md", "more")]).await;
    work.push(&["no-wait"], &["main"]).await.good();
}
