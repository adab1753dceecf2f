//! Fleets that share a node: a host port that another one publishes, or a path that it writes to, is a fault on the
//! deploy branch, and a warning elsewhere.

use schemas::access::Who;
use schemas::query::{Candidate, PlanAnswer, PlanRequest};

use crate::platform::{PATIENCE, Platform};
use crate::workdir::{DB, Workdir};

const WEB: &str = "{ \"image\": \"demo/tool:1\",\n  \"ports\": [\"127.0.0.1:8080:80\"] }";
const ELSEWHERE: &str = "{ \"image\": \"demo/tool:1\",\n  \"ports\": [\"127.0.0.1:8081:80\"] }";

/// `other/till` publishes port 8080, and `acme/shop` is there without a port.
async fn two(platform: &Platform) -> Workdir {
    let bob = Workdir::new(&platform.url("other/till")).await;
    bob.commit(&[("containers/front.json", WEB)]).await;
    bob.push(&["create", "no-wait"], &["main"]).await.good();
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    ann
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_host_port_refuses_the_deploy_branch_and_is_a_warning_elsewhere() {
    let platform = Platform::started().await;
    let ann = two(&platform).await;
    ann.commit(&[("containers/web.json", WEB)]).await;
    ann.push(&[], &["main"])
        .await
        .bad()
        .tells("containers/web.json:2:13: host port 8080/tcp of the node is published by container `front` of fleet `other/till`")
        .tells("refused, nothing changed");
    assert_eq!(platform.refused("acme/shop").await[0].codes, ["port-taken"]);
    // The same commit on another branch.
    ann.push(&[], &["main:next"]).await.good().tells("warning: on next: containers/web.json:2:13: host port 8080/tcp");
    ann.push(&["plan"], &["main"]).await.bad().tells("fleet `other/till`").hides("plan only");

    ann.commit(&[("containers/web.json", ELSEWHERE)]).await;
    ann.push(&["no-wait"], &["main"]).await.good().hides("host port");
    // Its own port is in nobody's way, and what the other one gives up is free.
    ann.commit(&[("README", "x")]).await;
    ann.push(&["no-wait"], &["main"]).await.good().hides("host port");
    let bob = Workdir::clone_of(&platform.url("other/till")).await;
    bob.run(&["rm", "--quiet", "containers/front.json"]).await.good();
    bob.commit(&[]).await;
    bob.push(&["no-wait"], &["main"]).await.good();
    ann.commit(&[("containers/web.json", WEB)]).await;
    ann.push(&["no-wait"], &["main"]).await.good().hides("host port");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_see_the_other_fleet_is_not_told_its_name() {
    let platform = Platform::started().await;
    let ann = two(&platform).await;
    ann.run(&["config", "http.extraHeader", "x-role: maintainer"]).await.good();
    ann.commit(&[("containers/web.json", WEB)]).await;
    ann.push(&[], &["main"])
        .await
        .bad()
        .tells("published by a container of another fleet")
        .hides("till")
        .hides("front");

    let files = || Candidate::Files([("containers/web.json".to_owned(), WEB.to_owned())].into());
    for (by, named) in [(None, false), (Some(Who::admin()), true)] {
        let request = PlanRequest {
            fleet: "acme/shop".parse().unwrap(),
            candidate: files(),
            contents: Default::default(),
            min_position: 0,
            by,
        };
        let PlanAnswer::Planned(planned) = platform.bus.ask(&request, PATIENCE).await.unwrap() else { panic!() };
        assert_eq!(planned.refused.len(), 1, "{:?}", planned.refused);
        assert_eq!(planned.refused[0].code.as_str(), "port-taken");
        assert_eq!(planned.refused[0].seen.contains("other/till"), named, "{}", planned.refused[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_without_a_port_asks_nobody() {
    let mut platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    platform.silence_registry().await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    let bob = Workdir::new(&platform.url("acme/web")).await;
    bob.commit(&[("containers/web.json", WEB)]).await;
    bob.push(&["create"], &["main"])
        .await
        .bad()
        .tells("does not tell what other fleets have")
        .tells("nothing changed, try again");
    assert!(platform.events("acme/web").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_another_fleet_writes_to_refuses_the_deploy_branch() {
    let platform = Platform::started().await;
    let writes = |path: &str, more: &str| {
        format!(r#"{{ "image": "demo/tool:1", "volumes": {{ "/in": {{ "host": "{path}"{more} }} }} }}"#)
    };
    let bob = Workdir::new(&platform.url("other/till")).await;
    bob.commit(&[("containers/front.json", &writes("/srv/media", ""))]).await;
    bob.push(&["create", "no-wait"], &["main"]).await.good();
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/web.json", &writes("/srv/media/films", ""))]).await;
    ann.push(&["create"], &["main"])
        .await
        .bad()
        .tells("containers/web.json:1:47: path `/srv/media/films` of the node is written to by container `front` of fleet `other/till`")
        .tells("\"read_only\": true");
    ann.push(&["plan"], &["main"]).await.bad().tells("fleet `other/till`").hides("plan only");
    ann.commit(&[("containers/web.json", &writes("/srv/media/films", r#", "read_only": true"#))]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good().hides("/srv/media");
    // Both mean it.
    ann.commit(&[("containers/web.json", &writes("/srv/media", r#", "shared": true"#))]).await;
    ann.push(&["no-wait"], &["main"]).await.bad().tells("fleet `other/till`");
    bob.commit(&[("containers/front.json", &writes("/srv/media", r#", "shared": true"#))]).await;
    bob.push(&["no-wait"], &["main"]).await.good();
    ann.push(&["no-wait"], &["main"]).await.good().hides("/srv/media");
}
