//! Figures: what a real Prometheus finds when it scrapes a platform as the shipped configuration says, and what the
//! shipped dashboards make of it.

mod dashboards;
mod prometheus;

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tests::descriptors::{IMAGE, forever, plain};
use tests::{Fleet, Platform, eventually, run};

use self::prometheus::{Prometheus, get, program};

/// Measuring, scraping and a rate that needs two of both.
const LIMIT: Duration = Duration::from_secs(60);

/// Queries that may find nothing on a sound platform, and why.
const MAY_BE_EMPTY: [(&str, &str); 4] = [
    ("container_fs_reads_bytes_total", "where everything is in the page cache, no device is read"),
    ("container_fs_writes_bytes_total", "a container that writes nothing to a device has no device"),
    ("fleetlog_log_lines_indexed_total", "nothing is counted before the first line"),
    ("fleetlog_run_duration_seconds", "no task was run"),
];

/// A container that serves one figure of its own, has limits, and writes something to a disk.
fn web() -> Value {
    let serve = "mkdir -p /tmp/www; echo demo_visits_total 7 >/tmp/www/figures.txt; \
                 dd if=/dev/zero of=/tmp/file bs=4096 count=16 conv=fsync 2>/dev/null; httpd -p 80 -h /tmp/www";
    json!({
        "image": IMAGE,
        "command": forever(serve),
        "limits": { "memory": "64MiB", "cpus": 0.5 },
        "metrics": { "port": 80, "path": "/figures.txt" },
    })
}

fn scrape(platform: &Platform) -> String {
    let (status, kind, body) = get(&format!("{}/metrics", platform.url()), Some(&platform.token())).unwrap();
    assert_eq!((status, kind.as_str()), (200, "text/plain; version=0.0.4; charset=utf-8"), "{body}");
    body
}

/// Waits until every container of the fleet is measured.
fn measured(platform: &Platform, shop: &Fleet<'_>, names: &[&str]) -> String {
    eventually(LIMIT, "the containers are measured", || {
        let text = scrape(platform);
        let is_there = |name: &&str| text.contains(&format!("name=\"{}\"", shop.name_of(name)));
        if names.iter().all(is_there) { Ok(text) } else { Err(text) }
    })
}

#[test]
fn metrics_scraped_by_prometheus() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/web.json", web()).write("containers/gone.json", plain()).commit("one");
    shop.push(&["create"]).ok();
    let prometheus = Prometheus::scraping(&platform);
    measured(&platform, &shop, &["web", "gone"]);

    // Prometheus' own judgement of what it reads.
    let body = platform.home().join("metrics.txt");
    std::fs::write(&body, scrape(&platform)).unwrap();
    let check = format!("'{}' check metrics <'{}'", program("promtool").display(), body.display());
    let check = run(Command::new("sh").args(["-c", &check]), LIMIT);
    assert_eq!((check.code, check.out.as_str(), check.err.as_str()), (0, "", ""), "promtool has something to say");

    found(&prometheus, "up{job=\"fleetlog\"} == 1");
    let cpu = format!("container_cpu_usage_seconds_total{{name=\"{}\",cpu=\"total\"}}", shop.name_of("web"));
    let labels = found(&prometheus, &cpu)[0]["metric"].clone();
    assert_eq!(labels["container_label_com_docker_compose_service"], "web");
    assert_eq!((&labels["owner"], &labels["fleet"]), (&json!(platform.owner()), &json!("shop")));
    assert_eq!((&labels["node"], &labels["image"]), (&json!(platform.node()), &json!(IMAGE)));
    assert_eq!(labels["id"], format!("/docker/{}", shop.container("web")["Id"].as_str().unwrap()));

    // The container's own figure, found by service discovery at its address in the fleet's network.
    let own = found(&prometheus, "demo_visits_total")[0].clone();
    assert_eq!(own["value"][1], "7");
    assert_eq!((&own["metric"]["owner"], &own["metric"]["fleet"]), (&json!(platform.owner()), &json!("shop")));
    assert_eq!((&own["metric"]["container"], &own["metric"]["job"]), (&json!("web"), &json!("fleetlog-containers")));

    // Every query of every dashboard finds something.
    let queries = dashboards::queries();
    assert!(queries.len() > 50, "only {} queries", queries.len());
    eventually(LIMIT, "every query of the dashboards finds something", || {
        let empty: Vec<String> = queries
            .iter()
            .filter(|query| !MAY_BE_EMPTY.iter().any(|(name, _)| query.written.contains(name)))
            .filter(|query| {
                prometheus.query(&query.filled).unwrap_or_else(|error| panic!("{query:?}: {error}")).is_empty()
            })
            .map(|query| format!("{} ({})", query.from, query.filled))
            .collect();
        if empty.is_empty() { Ok(()) } else { Err(format!("{empty:#?}\nPrometheus' log:\n{}", prometheus.log())) }
    });
    for (name, why) in MAY_BE_EMPTY {
        assert!(queries.iter().any(|it| it.written.contains(name)), "nobody asks for `{name}` ({why})");
    }
    for query in &queries {
        prometheus.query(&query.filled).unwrap();
    }

    // A container's series vanish with it, and no others do.
    let gone = shop.name_of("gone");
    found(&prometheus, &format!("container_last_seen{{name=\"{gone}\"}}"));
    shop.remove("containers/gone.json").commit("two");
    shop.push(&[]).ok();
    let text = scrape(&platform);
    assert!(!text.contains(&gone), "the push has ended, and the container is still there:\n{text}");
    assert!(text.contains(&shop.name_of("web")), "{text}");
    eventually(LIMIT, "Prometheus sees it go", || {
        let left = prometheus.query(&format!("{{name=\"{gone}\"}}"))?;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

/// Waits until a query finds something.
#[track_caller]
fn found(prometheus: &Prometheus, query: &str) -> Vec<Value> {
    eventually(LIMIT, query, || match prometheus.query(query) {
        Ok(series) if !series.is_empty() => Ok(series),
        other => Err(format!("{other:?}; Prometheus' log:\n{}", prometheus.log())),
    })
}

#[test]
fn metrics_take_a_token_and_tell_what_is_wrong() {
    let platform = Platform::start();
    for path in ["/metrics", "/v1/sd/prometheus"] {
        assert_eq!(platform.get_with(path, &[]).0, 401, "{path}");
        let (status, problem) = platform.get(&format!("{path}?job=x"));
        assert_eq!((status, &problem["parameter"]), (400, &json!("job")), "{path}");
    }
    for path in ["/metrics/x", "/metrics/", "/v1/sd", "/v1/sd/consul"] {
        let (status, problem) = platform.get(path);
        assert_eq!(status, 404, "{path}");
        assert!(problem["detail"].as_str().unwrap().contains("/openapi.json"), "{path}: {problem:#}");
    }
    // Before anything runs: no targets, and figures all the same.
    assert_eq!(platform.get("/v1/sd/prometheus"), (200, json!([])));
    assert!(scrape(&platform).contains("fleetlog_build_info{version="));
}
