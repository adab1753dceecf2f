//! A real Prometheus with the configuration that we ship, on a port and in a folder of its own; gone when dropped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tests::{Platform, eventually, free_port, root, run};

/// Prometheus itself: it takes a moment to open its database on a busy machine.
const START: Duration = Duration::from_secs(30);

pub struct Prometheus {
    child: Child,
    folder: TempDir,
    url: String,
}

impl Prometheus {
    /// Scrapes this platform as `ops/prometheus/prometheus.yml` says, only more often.
    pub fn scraping(platform: &Platform) -> Self {
        let folder = tempfile::Builder::new().prefix("fleetlog-prometheus-").tempdir().unwrap();
        let shipped = fs::read_to_string(root().join("ops/prometheus/prometheus.yml")).unwrap();
        let mut config = shipped.clone();
        for (from, to) in [
            ("127.0.0.1:7070", platform.url().trim_start_matches("http://")),
            ("../../.fleetlog/admin.token", platform.data().join("admin.token").to_str().unwrap()),
            ("scrape_interval: 5s", "scrape_interval: 1s"),
            ("refresh_interval: 15s", "refresh_interval: 1s"),
        ] {
            assert!(config.contains(from), "the shipped configuration says no `{from}`:\n{shipped}");
            config = config.replace(from, to);
        }
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, config).unwrap();
        run(Command::new(program("promtool")).args(["check", "config"]).arg(&file), START).ok();

        let address = format!("127.0.0.1:{}", free_port());
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new(program("prometheus"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn")
            .env("no_proxy", "*")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let prometheus = Self { child, folder, url: format!("http://{address}") };
        eventually(START, "Prometheus is ready", || match get(&format!("{}/-/ready", prometheus.url), None) {
            Ok((200, ..)) => Ok(()),
            other => Err(format!("{other:?}; its log:\n{}", prometheus.log())),
        });
        prometheus
    }

    /// What a query answers now: the series with their values.
    pub fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let mut url = format!("{}/api/v1/query?query=", self.url);
        for byte in query.bytes() {
            url.push_str(&format!("%{byte:02X}"));
        }
        let (status, _, body) = get(&url, None)?;
        let answer: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        if status != 200 {
            return Err(format!("{query}: {}", answer["error"]));
        }
        let result = &answer["data"]["result"];
        // A scalar is a pair of time and value, everything else a list of series.
        Ok(if answer["data"]["resultType"] == "scalar" {
            vec![result.clone()]
        } else {
            result.as_array().unwrap().clone()
        })
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// `ops/setup` fetches it where it is not there.
pub fn program(name: &str) -> PathBuf {
    let ours = root().join("ops/.tools/bin").join(name);
    if ours.exists() { ours } else { Path::new(name).to_owned() }
}

/// `GET url`: status, content type, body.
pub fn get(url: &str, token: Option<&str>) -> Result<(u16, String, String), String> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .proxy(None)
        .build();
    let mut request = ureq::Agent::new_with_config(config).get(url);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut response = request.call().map_err(|error| error.to_string())?;
    let kind = response.headers().get("content-type").map_or("", |it| it.to_str().unwrap()).to_owned();
    let body = response.body_mut().with_config().limit(64 << 20).read_to_string().map_err(|error| error.to_string())?;
    Ok((response.status().as_u16(), kind, body))
}
