//! The plan as a table: what runs, what is pushed, what follows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use expect_test::{Expect, expect};
use schemas::descriptors::{Desired, File, Files, Path, Restart};
use schemas::event::{
    ContainerChange, Data, Draft, Event, GitPushed, ImageMove, ImageUpdated, RolloutPlanned, RolloutStep,
    RolloutSucceeded, Scope, Sighting, StepStatus, ThingChange,
};
use schemas::fleet::Fleet;
use schemas::images::Resolved;
use schemas::names::FleetId;
use schemas::plan::{Action, Step, describe, plan};
use schemas::spec::{self, DigestKey};
use serde_json::{Value, json};
use uuid::Uuid;

fn key() -> DigestKey {
    DigestKey::derive(&[7; 32])
}

fn id() -> FleetId {
    "acme/shop".parse().unwrap()
}

fn desired(files: &Value) -> Desired {
    let files = files.as_object().unwrap().iter().map(|(path, value)| {
        let path: Path = path.parse().unwrap();
        let file = File::read(&path, value.clone()).unwrap();
        (path, file)
    });
    Files(files.collect()).into()
}

fn event(position: u64, data: Data) -> Event {
    let time = jiff::Timestamp::UNIX_EPOCH;
    let scope = Scope::Fleet(id());
    let draft = Draft {
        id: Uuid::from_u128(position.into()),
        scope,
        subject: "x".into(),
        time,
        actor: "a".into(),
        cause: None,
        data,
    };
    Event { position, draft }
}

/// A fleet in which everything of `files` was pushed, made, started and found healthy.
fn running(files: &Value) -> Fleet {
    let desired = desired(files);
    let mut fleet = Fleet::new(id());
    fleet.apply(&event(
        1,
        Data::GitPushed(GitPushed {
            allow_destroy: Vec::new(),
            created: true,
            refs: Vec::new(),
            pack: None,
            deploy: "main".into(),
            commit: Some("a".repeat(40).parse().unwrap()),
            descriptors: Desired::default().changes_to(&desired),
            reason: None,
        }),
    ));
    let mut position = 1;
    let seen = |at_ns| Sighting { node: "local".parse().unwrap(), at_ns, obs: 1 };
    for name in desired.volumes.keys() {
        position += 1;
        let name = spec::resource_name(&id(), Some(name));
        fleet.apply(&event(position, Data::VolumeCreated(ThingChange { name, seen: seen(1) })));
    }
    if !desired.containers.is_empty() {
        position += 1;
        let name = spec::resource_name(&id(), None);
        fleet.apply(&event(position, Data::NetworkCreated(ThingChange { name, seen: seen(1) })));
    }
    for name in desired.containers.keys() {
        let spec = spec::render(&id(), name, &desired).unwrap();
        position += 1;
        fleet.apply(&event(
            position,
            Data::ContainerHealthy(change(name.as_str(), 10, Some(spec::digest(&key(), &spec)))),
        ));
    }
    fleet
}

/// The fleet's push was rolled out once for each of `times`, and re-creating `container` took so long.
fn rolled_out(fleet: &mut Fleet, container: &str, times: &[u64]) {
    for (index, ms) in (0_u64..).zip(times) {
        let at = 100 + index * 10;
        let step = Step {
            container: container.parse().unwrap(),
            action: Action::Recreate,
            reasons: Vec::new(),
            after: Vec::new(),
        };
        fleet.apply(&event(
            at,
            Data::RolloutPlanned(RolloutPlanned {
                retries: None,
                commit: "a".repeat(40).parse().unwrap(),
                desired: 1,
                observed: 1,
                epoch: 1,
                node: "local".parse().unwrap(),
                steps: vec![step],
                heals: false,
            }),
        ));
        let (rollout, status) = (Uuid::from_u128(at.into()), StepStatus::Succeeded);
        let step =
            RolloutStep { rollout, step: 0, status, error: None, duration_ms: Some(*ms), obs: None, image: None };
        fleet.apply(&event(at + 1, Data::RolloutStep(step)));
        fleet.apply(&event(at + 2, Data::RolloutSucceeded(RolloutSucceeded { rollout, duration_ms: *ms })));
    }
}

fn change(name: &str, at_ns: i64, spec: Option<String>) -> ContainerChange {
    ContainerChange {
        container: name.parse().unwrap(),
        seen: Sighting { node: "local".parse().unwrap(), at_ns, obs: 1 },
        docker_id: format!("id-of-{name}"),
        image: None,
        spec,
        commit: Some("a".repeat(40).parse().unwrap()),
        live: None,
        files: None,
        checked: true,
        exit_code: None,
        out_of_memory: false,
        restarts: 0,
    }
}

fn check(fleet: &Fleet, files: &Value, expected: Expect) {
    let plan = plan(fleet, &desired(files), &key()).unwrap();
    let order = plan.steps.iter().map(|step| format!("\n{} after {:?}", step.container, step.after));
    expected.assert_eq(&(describe(&plan) + &order.collect::<String>() + "\n"));
}

fn shop() -> Value {
    json!({
        "containers/api.json": { "image": "tool:1", "env": { "DB": "{{ containers.db.host }}", "REGION": "{{ variables.app.region }}" },
                                 "needs": ["db"], "ports": ["8080:80"] },
        "containers/db.json": { "image": "tool:1", "volumes": { "/data": "data" } },
        "containers/worker.json": { "image": "tool:1" },
        "variables/app.json": { "region": "eu-1" },
        "volumes/data.json": {}
    })
}

fn with(mut files: Value, path: &str, value: Value) -> Value {
    files[path] = value;
    files
}

fn without(mut files: Value, path: &str) -> Value {
    files.as_object_mut().unwrap().remove(path);
    files
}

#[test]
fn a_new_fleet_is_created_in_the_order_of_its_needs() {
    check(
        &Fleet::new(id()),
        &shop(),
        expect![[r#"
            plan: 3 to create
              + create     db
              + create     api
              + create     worker
              + volume     data
              + network    acme.shop
            touches 3 of 3 containers, nothing that runs is stopped
            db after []
            api after [0]
            worker after []
        "#]],
    );
}

#[test]
fn the_second_plan_is_empty() {
    check(
        &running(&shop()),
        &shop(),
        expect![[r#"
        plan: nothing to do, 3 containers are as they should be
    "#]],
    );
}

#[test]
fn what_docker_does_not_see_changes_nothing() {
    let worker = json!({ "image": "tool:1", "needs": { "db": "started" }, "metrics": { "port": 80 }, "restart": "unless-stopped" });
    check(
        &running(&shop()),
        &with(shop(), "containers/worker.json", worker),
        expect![[r#"
            plan: nothing to do, 3 containers are as they should be
              ~ live       containers/worker  metrics.path: "/metrics" is new; metrics.port: 80 is new; needs.db: "started" is new; the container is not touched
        "#]],
    );
}

#[test]
fn a_changed_variable_re_creates_exactly_what_uses_it() {
    check(
        &running(&shop()),
        &with(shop(), "variables/app.json", json!({ "region": "eu-2" })),
        expect![[r#"
            plan: 1 to re-create, 2 unchanged
              ~ re-create  api  variables.app.region: "eu-1" → "eu-2"
                                down while it stops and until it runs again
              = unchanged  db, worker
            touches 1 of 3 containers, 1 is down while it stops and until it runs again
            api after []
        "#]],
    );
}

#[test]
fn a_changed_field_is_the_reason() {
    let worker = json!({ "image": "tool:2", "env": { "A": "b" }, "limits": { "memory": "64MiB" } });
    check(
        &running(&shop()),
        &with(shop(), "containers/worker.json", worker),
        expect![[r#"
            plan: 1 to re-create, 2 unchanged
              ~ re-create  worker  env.A: "b" is new
                                   image: "tool:1" → "tool:2"
                                   limits.memory: "64MiB" is new
                                   down while it stops and until it runs again
              = unchanged  api, db
            touches 1 of 3 containers, 1 is down while it stops and until it runs again
            worker after []
        "#]],
    );
}

/// One container, as `files` say, that Docker shows with these limits.
fn running_with(files: &Value, label: impl Fn(&spec::Digests) -> String) -> Fleet {
    let mut fleet = running(files);
    let desired = desired(files);
    let specs = desired.containers.keys().map(|name| {
        let spec = spec::render(&id(), name, &desired).unwrap();
        (name.to_string(), label(&spec::digests(&key(), &spec)), spec.live())
    });
    for (position, (name, label, live)) in (500..).zip(specs.collect::<Vec<_>>()) {
        let change = ContainerChange { live: Some(live), ..change(&name, 20, Some(label)) };
        fleet.apply(&event(position, Data::ContainerHealthy(change)));
    }
    fleet
}

#[test]
fn limits_and_the_restart_policy_change_while_it_runs() {
    let of = |limits: Value, restart: &str| json!({ "containers/a.json": { "image": "x:1", "limits": limits, "restart": restart } });
    let fleet = running_with(&of(json!({ "memory": "64MiB" }), "always"), |it| it.now.clone());
    check(
        &fleet,
        &of(json!({ "memory": "128MiB", "cpus": 0.5 }), "no"),
        expect![[r#"
            plan: 1 to update
              ~ update     a  limits.cpus: 0.5 is new
                              limits.memory: "64MiB" → "128MiB"
                              restart: "always" → "no"
            touches 1 of 1 container, nothing that runs is stopped
            a after []
        "#]],
    );
    // A limit that goes takes another container, and so does swap.
    check(
        &fleet,
        &of(json!({}), "always"),
        expect![[r#"
            plan: 1 to re-create
              ~ re-create  a  limits.memory: "64MiB" → none
                              down while it stops and until it runs again
            touches 1 of 1 container, 1 is down while it stops and until it runs again
            a after []
        "#]],
    );
    check(
        &fleet,
        &of(json!({ "memory": "64MiB", "swap": "1MiB" }), "always"),
        expect![[r#"
        plan: 1 to re-create
          ~ re-create  a  limits.swap: "1MiB" is new
                          down while it stops and until it runs again
        touches 1 of 1 container, 1 is down while it stops and until it runs again
        a after []
    "#]],
    );
    // Another hand changed it: what runs is not what should be.
    let mut drifted = fleet.clone();
    let live = spec::Updatable { restart: Restart::No, ..Default::default() };
    let label = drifted.observed.containers.values().next().unwrap().spec.clone();
    let change = ContainerChange { live: Some(live), ..change("a", 30, label) };
    drifted.apply(&event(900, Data::ContainerUpdated(change)));
    check(
        &drifted,
        &of(json!({ "memory": "64MiB" }), "always"),
        expect![[r#"
            plan: 1 to update
              ~ update     a  limits.memory: "64MiB" is new
                              restart: "no" → "always"
            touches 1 of 1 container, nothing that runs is stopped
            a after []
        "#]],
    );
}

#[test]
fn a_container_of_an_older_fleetlog_is_known_again() {
    let of = |memory: &str| json!({ "containers/a.json": { "image": "x:1", "limits": { "memory": memory } } });
    let fleet = running_with(&of("64MiB"), |it| it.before.clone());
    check(
        &fleet,
        &of("64MiB"),
        expect![[r#"
        plan: nothing to do, 1 container is as it should be
    "#]],
    );
    // Its label is over its limits as well, and Docker changes no label.
    check(
        &fleet,
        &of("128MiB"),
        expect![[r#"
        plan: 1 to re-create
          ~ re-create  a  limits.memory: "64MiB" → "128MiB"
                          down while it stops and until it runs again
        touches 1 of 1 container, 1 is down while it stops and until it runs again
        a after []
    "#]],
    );
}

#[test]
fn who_is_in_the_network_of_another_is_made_anew_with_it() {
    let of = |image: &str| {
        json!({
            "containers/web.json": { "image": image },
            "containers/log.json": { "image": "y:1", "network": "container:web" },
            "containers/host.json": { "image": "y:1", "network": "host" },
        })
    };
    let fleet = running_with(&of("x:1"), |it| it.now.clone());
    check(
        &fleet,
        &of("x:1"),
        expect![[r#"
        plan: nothing to do, 3 containers are as they should be
    "#]],
    );
    check(
        &fleet,
        &of("x:2"),
        expect![[r#"
        plan: 2 to re-create, 1 unchanged
          ~ re-create  web  image: "x:1" → "x:2"
                            down while it stops and until it runs again
          ~ re-create  log  network of web
                            down while it stops and until it runs again
          = unchanged  host
        touches 2 of 3 containers, 2 are down while they stop and until they run again
        web after []
        log after [0]
    "#]],
    );
}

#[test]
fn a_removed_container_goes_before_the_one_that_takes_its_port() {
    let files = with(
        without(shop(), "containers/api.json"),
        "containers/web.json",
        json!({ "image": "tool:1", "ports": ["127.0.0.1:8080:80"] }),
    );
    check(
        &running(&shop()),
        &files,
        expect![[r#"
            plan: 1 to create, 1 to remove, 2 unchanged
              - remove     api  its volumes stay; the container is kept, stopped, for 7 days
              + create     web
              = unchanged  db, worker
            touches 2 of 4 containers, 1 goes
            api after []
            web after [0]
        "#]],
    );
}

#[test]
fn a_removed_dependant_stops_before_what_it_needed() {
    let files = without(without(without(shop(), "containers/api.json"), "containers/db.json"), "volumes/data.json");
    check(
        &running(&shop()),
        &files,
        expect![[r#"
            plan: 2 to remove, 1 unchanged
              - remove     api  its volumes stay; the container is kept, stopped, for 7 days
              - remove     db   its volumes stay; the container is kept, stopped, for 7 days
              = unchanged  worker
              = volume     data stays, with its data
            touches 2 of 3 containers, 2 go
            api after []
            db after [0]
        "#]],
    );
}

#[test]
fn what_does_not_run_well_is_started_again() {
    let mut fleet = running(&shop());
    let exited = ContainerChange { exit_code: Some(3), ..change("worker", 20, None) };
    fleet.apply(&event(20, Data::ContainerDied(exited)));
    fleet.apply(&event(21, Data::ContainerUnhealthy(change("api", 21, None))));
    fleet.apply(&event(22, Data::ContainerRemoved(change("db", 22, None))));
    check(
        &fleet,
        &shop(),
        expect![[r#"
            plan: 1 to create, 2 to restart
              + create     db      state: removed → running
              ~ restart    api     health: unhealthy → healthy
                                   down while it stops and until it runs again
              ~ restart    worker  state: exited with code 3 → running
            touches 3 of 3 containers, 1 is down while it stops and until it runs again
            db after []
            api after [0]
            worker after []
        "#]],
    );
}

#[test]
fn a_container_that_has_done_its_work_is_left_alone() {
    let job = json!({ "containers/job.json": { "image": "tool:1", "restart": "no" } });
    let mut fleet = running(&job);
    fleet.apply(&event(20, Data::ContainerDied(ContainerChange { exit_code: Some(0), ..change("job", 20, None) })));
    check(
        &fleet,
        &job,
        expect![[r#"
        plan: nothing to do, 1 container is as it should be
    "#]],
    );
}

#[test]
fn two_that_swap_their_ports_lose_no_step() {
    let a = |port: u16| json!({ "image": "tool:1", "ports": [format!("{port}:80")] });
    let before = json!({ "containers/a.json": a(8001), "containers/b.json": a(8002) });
    let after = json!({ "containers/a.json": a(8002), "containers/b.json": a(8001) });
    check(
        &running(&before),
        &after,
        expect![[r#"
            plan: 2 to re-create
              ~ re-create  b  ports: ["8002:80"] → ["8001:80"]
                              down while it stops and until it runs again
              ~ re-create  a  ports: ["8001:80"] → ["8002:80"]
                              down while it stops and until it runs again
            touches 2 of 2 containers, 2 are down while they stop and until they run again
            b after []
            a after [0]
        "#]],
    );
}

#[test]
fn no_containers_no_steps() {
    check(
        &Fleet::new(id()),
        &json!({}),
        expect![[r#"
        plan: nothing to do, the fleet has no containers
    "#]],
    );
}

#[test]
fn what_has_not_passed_its_check_yet_is_waited_for() {
    let files = json!({ "containers/db.json": { "image": "tool:1" }, "containers/api.json": { "image": "tool:1", "needs": ["db"] } });
    let mut fleet = running(&files);
    fleet.apply(&event(20, Data::ContainerStarted(change("db", 20, None))));
    check(
        &fleet,
        &files,
        expect![[r#"
            plan: 1 to wait for, 1 unchanged
              = wait for   db  health: starting → healthy
              = unchanged  api
            db after []
        "#]],
    );
}

#[test]
fn how_long_it_is_down_is_what_it_took_the_last_times() {
    let mut fleet = running(&shop());
    // The second one had an image to fetch.
    rolled_out(&mut fleet, "db", &[9_000, 2_100, 60_000, 2_960]);
    let db = json!({ "image": "tool:2", "volumes": { "/data": "data" } });
    check(
        &fleet,
        &with(shop(), "containers/db.json", db),
        expect![[r#"
        plan: 1 to re-create, 2 unchanged
          ~ re-create  db  image: "tool:1" → "tool:2"
                           down for about 3 s, as the last 3 times
          = unchanged  api, worker
        touches 1 of 3 containers, 1 is down for about 3 s, needed by api
        db after []
    "#]],
    );
}

#[test]
fn without_a_measure_its_grace_bounds_the_stop_and_only_where_it_is_known_what_runs() {
    let mut fleet = running(&shop());
    rolled_out(&mut fleet, "worker", &[500]);
    let files = with(shop(), "variables/app.json", json!({ "region": "eu-2" }));
    check(
        &fleet,
        &files,
        expect![[r#"
        plan: 1 to re-create, 2 unchanged
          ~ re-create  api  variables.app.region: "eu-1" → "eu-2"
                            down while it stops (up to 10s) and until it runs again
          = unchanged  db, worker
        touches 1 of 3 containers, 1 is down while it stops (up to 10s) and until it runs again
        api after []
    "#]],
    );
    let changed = with(files, "containers/worker.json", json!({ "image": "tool:2", "stop": { "grace": "1s" } }));
    check(
        &fleet,
        &changed,
        expect![[r#"
        plan: 2 to re-create, 1 unchanged
          ~ re-create  api     variables.app.region: "eu-1" → "eu-2"
                               down while it stops (up to 10s) and until it runs again
          ~ re-create  worker  image: "tool:1" → "tool:2"
                               stop.grace: "10s" → "1s"
                               down for about 0.5 s, as the last time
          = unchanged  db
        touches 2 of 3 containers, 2 are down while they stop and until they run again
        api after []
        worker after []
    "#]],
    );
}

#[test]
fn what_is_updated_start_first_is_replaced_while_it_runs() {
    let web = |image: &str| json!({ "image": image, "update": "start-first" });
    let of = |web: Value| json!({ "containers/web.json": web, "containers/front.json": { "image": "x:1", "needs": ["web"] } });
    check(
        &running(&of(web("x:1"))),
        &of(web("x:2")),
        expect![[r#"
        plan: 1 to replace, 1 unchanged
          ~ replace    web  image: "x:1" → "x:2"
                            nothing is down: the new one is ready before this one is stopped
          = unchanged  front
        touches 1 of 2 containers, nothing is down
        web after []
    "#]],
    );
    // What it says of updates makes no other container.
    check(
        &running(&of(json!({ "image": "x:1" }))),
        &of(web("x:1")),
        expect![[r#"
        plan: nothing to do, 2 containers are as they should be
          ~ live       containers/web  update: "start-first" is new; the container is not touched
    "#]],
    );
    // Together with one that goes down, and with who is started again for it.
    let front = json!({ "image": "x:2", "needs": { "web": { "restart_with": true } } });
    check(
        &running(&of(web("x:1"))),
        &with(of(web("x:2")), "containers/front.json", front),
        expect![[r#"
        plan: 1 to re-create, 1 to replace
          ~ replace    web    image: "x:1" → "x:2"
                              nothing is down: the new one is ready before this one is stopped
          ~ re-create  front  image: "x:1" → "x:2"
                              down while it stops and until it runs again
        touches 2 of 2 containers, 1 is down while it stops and until it runs again
        web after []
        front after [0]
    "#]],
    );
    // What does not run is made anew as ever.
    let mut fleet = running(&of(web("x:1")));
    fleet.apply(&event(20, Data::ContainerDied(ContainerChange { exit_code: Some(1), ..change("web", 20, None) })));
    check(
        &fleet,
        &of(web("x:2")),
        expect![[r#"
        plan: 1 to re-create, 1 unchanged
          ~ re-create  web  image: "x:1" → "x:2"
          = unchanged  front
        touches 1 of 2 containers, nothing that runs is stopped
        web after []
    "#]],
    );
}

#[test]
fn what_is_not_touched_is_told_too() {
    let greet = json!({ "image": "tool:1", "steps": [{ "run": ["true"] }] });
    let before = with(with(shop(), "tasks/greet.json", greet.clone()), "tasks/old.json", greet.clone());
    let mut after = without(before.clone(), "tasks/old.json");
    after["tasks/greet.json"]["steps"][0]["run"] = json!(["false"]);
    after["tasks/new.json"] = greet;
    after["containers/worker.json"]["metrics"] = json!({ "port": 80 });
    check(
        &running(&before),
        &after,
        expect![[r#"
            plan: nothing to do, 3 containers are as they should be
              ~ live       containers/worker  metrics.path: "/metrics" is new; metrics.port: 80 is new; the container is not touched
              ~ live       tasks/greet  steps: [{"run":["true"]}] → [{"run":["false"]}]; from its next run on
              ~ live       tasks/new  new: it can be run
              ~ live       tasks/old  gone: no further run
        "#]],
    );
}

#[test]
fn many_are_counted() {
    let one = |image: &str| json!({ "image": image });
    let files = |image: &str| {
        let named = (0..30).map(|n| (format!("containers/c{n:02}.json"), one(if n < 3 { image } else { "tool:1" })));
        Value::Object(named.collect())
    };
    check(
        &running(&files("tool:1")),
        &files("tool:2"),
        expect![[r#"
        plan: 3 to re-create, 27 unchanged
          ~ re-create  c00  image: "tool:1" → "tool:2"
                            down while it stops and until it runs again
          ~ re-create  c01  image: "tool:1" → "tool:2"
                            down while it stops and until it runs again
          ~ re-create  c02  image: "tool:1" → "tool:2"
                            down while it stops and until it runs again
          = unchanged  c03, c04, c05, c06, c07, c08, c09, c10, 19 more
        touches 3 of 30 containers, 3 are down while they stop and until they run again
        c00 after []
        c01 after []
        c02 after []
    "#]],
    );
}

#[test]
fn the_network_goes_with_the_last_container() {
    let fleet = running(&json!({ "containers/a.json": { "image": "tool:1" } }));
    check(
        &fleet,
        &json!({}),
        expect![[r#"
            plan: 1 to remove
              - remove     a  its volumes stay; the container is kept, stopped, for 7 days
              - network    acme.shop, with its last container
            touches 1 of 1 container, 1 goes
            a after []
        "#]],
    );
}

/// What a push that takes everything away, and names `named`, plans and leaves in the fold.
fn destroys(named: &[&str], expected: Expect) -> Fleet {
    let files = json!({
        "containers/a.json": { "image": "tool:1", "volumes": { "/cache": "cache", "/data": "data" } },
        "volumes/cache.json": { "class": "ephemeral" },
        "volumes/data.json": {}
    });
    let mut fleet = running(&files);
    let after = Desired::default();
    let data = Data::GitPushed(GitPushed {
        created: false,
        refs: Vec::new(),
        pack: None,
        deploy: "main".into(),
        commit: Some("b".repeat(40).parse().unwrap()),
        descriptors: fleet.desired.changes_to(&after),
        reason: None,
        allow_destroy: named.iter().map(|it| it.parse().unwrap()).collect(),
    });
    let before = fleet.desired.clone();
    fleet.apply(&event(90, data));
    let plan = schemas::plan::plan_after(&fleet, &before, &after, &key()).unwrap();
    let order = plan.steps.iter().map(|step| format!("\n{} after {:?}", step.container, step.after));
    expected.assert_eq(&(describe(&plan) + &order.collect::<String>() + "\n"));
    fleet
}

#[test]
fn only_an_ephemeral_volume_that_a_push_names_is_destroyed_and_after_its_container() {
    destroys(
        &[],
        expect![[r#"
            plan: 1 to remove
              - remove     a  its volumes stay; the container is kept, stopped, for 7 days
              = volume     cache stays, with its data; to destroy it: -o allow-destroy=cache
              = volume     data stays, with its data
              - network    acme.shop, with its last container
            touches 1 of 1 container, 1 goes
            a after []
        "#]],
    );
    // The event cannot hold the others, as the push is refused; should it, the fold knows better.
    let mut fleet = destroys(
        &["cache", "data", "unknown"],
        expect![[r#"
            plan: 1 to remove, 1 to destroy
              - remove     a      its volumes stay; the container is kept, stopped, for 7 days
              - destroy    cache  a volume: its data goes for good, as a push allowed
              = volume     data stays, with its data
              - network    acme.shop, with its last container
            touches 1 of 1 container, 1 goes, destroys 1 volume
            a after []
            cache after [0]
        "#]],
    );
    assert_eq!(fleet.doomed.iter().map(|it| it.as_str()).collect::<Vec<_>>(), ["cache"]);
    // Once it is gone, nothing is left to be done.
    let seen = Sighting { node: "local".parse().unwrap(), at_ns: 9, obs: 1 };
    fleet.apply(&event(91, Data::VolumeRemoved(ThingChange { name: "acme.shop.cache".into(), seen })));
    assert!(fleet.doomed.is_empty());
}

#[test]
fn a_volume_that_is_wanted_again_is_not_destroyed() {
    let mut fleet = destroys(
        &["cache"],
        expect![[r#"
            plan: 1 to remove, 1 to destroy
              - remove     a      its volumes stay; the container is kept, stopped, for 7 days
              - destroy    cache  a volume: its data goes for good, as a push allowed
              = volume     data stays, with its data
              - network    acme.shop, with its last container
            touches 1 of 1 container, 1 goes, destroys 1 volume
            a after []
            cache after [0]
        "#]],
    );
    let back = desired(&json!({ "volumes/cache.json": {} }));
    let data = Data::GitPushed(GitPushed {
        created: false,
        refs: Vec::new(),
        pack: None,
        deploy: "main".into(),
        commit: Some("c".repeat(40).parse().unwrap()),
        descriptors: fleet.desired.changes_to(&back),
        reason: None,
        allow_destroy: Vec::new(),
    });
    fleet.apply(&event(92, data));
    assert!(fleet.doomed.is_empty());
    assert!(plan(&fleet, &back, &key()).unwrap().steps.iter().all(|step| step.action != Action::Destroy));
}

#[test]
fn what_a_push_may_not_destroy_is_told_by_name() {
    let before = desired(&json!({
        "volumes/cache.json": { "class": "ephemeral" }, "volumes/data.json": {}, "volumes/kept.json": { "class": "ephemeral" },
        "volumes/both.json": { "class": "shared" }
    }));
    let after = desired(&json!({ "volumes/kept.json": { "class": "ephemeral" } }));
    let named: Vec<_> = ["cache", "data", "kept", "both", "other"].map(|it| it.parse().unwrap()).to_vec();
    let told = schemas::plan::destroy::refused(&before, &after, &named);
    expect![[r#"
        volume `data` is persistent: no push destroys its data, only `fleetlog volume rm`, which is not built yet
        volume `kept` stays in the tree: only what a push removes can be destroyed by it
        volume `both` is shared: no push destroys its data, only `fleetlog volume rm`, which is not built yet
        this push removes no volume `other`: only the data of a volume whose descriptor it removes can be destroyed
    "#]]
    .assert_eq(&(told.join("\n") + "\n"));
}

/// `api` says that it is started again with `db`, `web` needs `api`, `job` needs `db` as well and says nothing.
fn with_restart(image: &str) -> Value {
    json!({
        "containers/db.json": { "image": image },
        "containers/api.json": { "image": "api:1", "needs": { "db": { "restart_with": true } } },
        "containers/web.json": { "image": "web:1", "needs": { "api": { "condition": "started", "restart_with": true } } },
        "containers/job.json": { "image": "job:1", "needs": ["db"] },
    })
}

#[test]
fn what_says_so_is_started_again_with_what_it_needs() {
    let fleet = running(&with_restart("db:1"));
    check(
        &fleet,
        &with_restart("db:2"),
        expect![[r#"
        plan: 1 to re-create, 1 to restart, 2 unchanged
          ~ re-create  db   image: "db:1" → "db:2"
                            down while it stops and until it runs again
          ~ restart    api  db is made anew
                            down while it stops and until it runs again
          = unchanged  job, web
        touches 2 of 4 containers, 2 are down while they stop and until they run again, needed by job and web
        db after []
        api after [0]
    "#]],
    );
}

#[test]
fn what_was_started_before_what_it_needs_was_made_anew_is_started_again_once() {
    let files = with_restart("db:1");
    let mut fleet = running(&files);
    let spec = |name: &str| {
        let spec = spec::render(&id(), &name.parse().unwrap(), &desired(&files)).unwrap();
        Some(spec::digest(&key(), &spec))
    };
    let anew = |at_ns| ContainerChange { docker_id: "another".to_owned(), ..change("db", at_ns, spec("db")) };
    let api = |at_ns| change("api", at_ns, spec("api"));
    let steps = |fleet: &Fleet| plan(fleet, &desired(&files), &key()).unwrap().steps;
    fleet.apply(&event(90, Data::ContainerStarted(api(20))));
    fleet.apply(&event(91, Data::ContainerHealthy(api(21))));
    assert_eq!(steps(&fleet), []);
    fleet.apply(&event(92, Data::ContainerCreated(anew(30))));
    fleet.apply(&event(93, Data::ContainerStarted(anew(31))));
    fleet.apply(&event(94, Data::ContainerHealthy(anew(32))));
    let again: Vec<_> = steps(&fleet).into_iter().map(|it| (it.container.to_string(), it.action)).collect();
    assert_eq!(again, [("api".to_owned(), Action::Restart)]);
    fleet.apply(&event(95, Data::ContainerStopped(api(40))));
    fleet.apply(&event(96, Data::ContainerStarted(api(41))));
    fleet.apply(&event(97, Data::ContainerHealthy(api(42))));
    assert_eq!(steps(&fleet), []);
}

/// A fleet of one container `api`, seen with image `a`, whose tag was resolved so.
fn recorded(image: &Resolved) -> (Fleet, Value) {
    let files = json!({ "containers/api.json": { "image": "tool:1" } });
    let mut fleet = running(&files);
    let spec = spec::render(&id(), &"api".parse().unwrap(), &fleet.desired).unwrap();
    let seen = ContainerChange { image: Some("sha256:aaaaaaaaaaaaaaaa".into()), ..change("api", 20, None) };
    fleet
        .apply(&event(50, Data::ContainerHealthy(ContainerChange { spec: Some(spec::digest(&key(), &spec)), ..seen })));
    rolled_out(&mut fleet, "api", &[400]);
    let rollout = fleet.rollouts.last().unwrap().id;
    fleet.apply(&event(
        200,
        Data::RolloutStep(RolloutStep {
            rollout,
            step: 0,
            status: StepStatus::Succeeded,
            error: None,
            duration_ms: Some(400),
            obs: None,
            image: Some(image.clone()),
        }),
    ));
    (fleet, files)
}

fn resolved(digest: &str, id: Option<&str>) -> Resolved {
    Resolved {
        reference: "tool:1".into(),
        platform: None,
        digest: Some(format!("sha256:{}", digest.repeat(64))),
        id: id.map(|it| format!("sha256:{}", it.repeat(16))),
        pulled: true,
    }
}

#[test]
fn a_container_of_its_recorded_image_is_left_alone() {
    let (fleet, files) = recorded(&resolved("d", Some("a")));
    check(
        &fleet,
        &files,
        expect![[r#"
        plan: nothing to do, 1 container is as it should be
    "#]],
    );
}

#[test]
fn a_container_of_another_image_than_the_recorded_one_is_made_anew() {
    let (fleet, files) = recorded(&resolved("d", Some("b")));
    check(
        &fleet,
        &files,
        expect![[r#"
        plan: 1 to re-create
          ~ re-create  api  image: sha256:aaaaaaaaaaaa → sha256:dddddddddddd
                            down for about 0.4 s, as the last time
        touches 1 of 1 container, 1 is down for about 0.4 s
        api after []
    "#]],
    );
    // Another tag: what is recorded says nothing of it.
    let files_of_two = json!({ "containers/api.json": { "image": "tool:2" } });
    check(
        &fleet,
        &files_of_two,
        expect![[r#"
        plan: 1 to re-create
          ~ re-create  api  image: "tool:1" → "tool:2"
                            down for about 0.4 s, as the last time
        touches 1 of 1 container, 1 is down for about 0.4 s
        api after []
    "#]],
    );
}

#[test]
fn an_updated_image_makes_its_container_anew() {
    let (mut fleet, files) = recorded(&resolved("d", Some("a")));
    let images = [("api".parse().unwrap(), ImageMove { from: None, to: resolved("e", None) })].into();
    fleet.apply(&event(300, Data::ImageUpdated(ImageUpdated { images, reason: None })));
    check(
        &fleet,
        &files,
        expect![[r#"
        plan: 1 to re-create
          ~ re-create  api  image: sha256:dddddddddddd → sha256:eeeeeeeeeeee
                            down for about 0.4 s, as the last time
        touches 1 of 1 container, 1 is down for about 0.4 s
        api after []
    "#]],
    );
}
