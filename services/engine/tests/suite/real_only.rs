//! What only a real engine has: versions of its API.

use engine::{Docker, Scope};
use schemas::descriptors::Mount;
use schemas::spec::Spec;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::lab::{Lab, run};
use crate::proxy::Proxy;
use crate::real::Real;

#[tokio::test]
async fn every_call_names_the_version_that_both_sides_know() {
    let real = Real::ready().await;
    let proxy = Proxy::before(&real.docker).await;
    let docker = Docker::connect(Some(&proxy.url()));
    docker.list(&Scope::default()).await.unwrap();
    docker.volumes(&Scope::default()).await.unwrap();
    let asked = proxy.asked();
    let [first, rest @ ..] = asked.as_slice() else { panic!("nothing was asked") };
    assert_eq!(first, "GET /version HTTP/1.1", "the first question is the engine's own version");
    assert_eq!(rest.len(), 2, "one question a call: {rest:?}");
    for line in rest {
        assert!(line.starts_with("GET /v1."), "no version in {line:?}");
    }
}

/// The engine was replaced by one that no longer knows our version, and nobody noticed that it was away.
#[tokio::test]
async fn a_call_that_is_refused_for_its_version_is_made_again_with_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let too_old = r#"{"message":"client version 1.41 is too old. Minimum supported API version is 1.44"}"#;
    let exchanges = [
        ("GET /version ", "200 OK", r#"{"ApiVersion":"1.41"}"#),
        ("GET /v1.41/_ping ", "200 OK", "OK"),
        ("GET /v1.41/_ping ", "400 Bad Request", too_old),
        ("GET /version ", "200 OK", r#"{"ApiVersion":"1.45"}"#),
        ("GET /v1.45/_ping ", "200 OK", "OK"),
    ];
    let engine = async {
        for (asked, status, body) in exchanges {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4_096];
            let length = client.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..length]);
            assert!(head.starts_with(asked), "expected {asked:?}, got {head:?}");
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            client.write_all(answer.as_bytes()).await.unwrap();
        }
    };
    let docker = Docker::connect(Some(&format!("unix://{}", socket.display())));
    let caller = async {
        docker.ping().await.unwrap();
        docker.ping().await.unwrap();
    };
    tokio::join!(engine, caller);
}

/// Processes do not see each other's turns, and an engine of version 20.10 makes two networks of one name.
#[tokio::test]
async fn processes_that_make_one_network_settle_on_one() {
    run(Lab::docker().await, async |lab| {
        let name = lab.name("net");
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (docker, name, labels) = (Docker::connect(None), name.clone(), lab.labels());
            calls.spawn(async move { docker.ensure_network(&name, &labels).await.unwrap() });
        }
        let answers = calls.join_all().await;
        assert!(answers.iter().all(|it| it.labels == lab.labels()), "{answers:?}");
        lab.engine.ensure_network(&name, &lab.labels()).await.unwrap();
        assert_eq!(lab.engine.networks(&lab.scope()).await.unwrap(), [name]);
    })
    .await;
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_away_and_no_error_to_connect_to() {
    for url in ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1"] {
        let error = Docker::connect(Some(url)).ping().await.unwrap_err();
        assert!(error.is_away(), "{error:?}");
        assert!(error.to_string().contains(url), "{error}");
    }
}

/// Owners, modes, links and times are what databases refuse to start without.
#[tokio::test]
async fn a_copy_of_a_volume_has_its_owners_modes_links_and_times() {
    run(Lab::docker().await, async |lab| {
        let (from, to) = (lab.name("data"), lab.name("copy"));
        let mounted = |volume: &String| Spec {
            volumes: [("/data".to_owned(), Mount::volume(volume.clone()))].into(),
            ..lab.spec()
        };
        for volume in [&from, &to] {
            lab.engine.ensure_volume(volume, &lab.labels()).await.unwrap();
        }
        let first = lab.start("db", &mounted(&from)).await;
        let real = Real::ready().await;
        let script = "cd /data && mkdir -p deep/er && echo secret > deep/er/key && chmod 600 deep/er/key && ln -s deep/er/key link && \
                      ln deep/er/key hard && chown -R 1000:1001 deep && touch -d '2020-02-02 02:02:02' deep/er/key && chmod 711 . && chown 70:71 .";
        real.shell(&first, script).await;
        lab.engine.copy_volume(&from, &to, &lab.labels(), std::time::Duration::from_secs(60)).await.unwrap();
        let second = lab.start("other", &mounted(&to)).await;
        let look = ["sh", "-c", "cd /data && stat -c '%n %u:%g %a %Y %h' . deep deep/er deep/er/key hard && readlink link"];
        let (before, after) = (real.output(&first, &look).await, real.output(&second, &look).await);
        assert!(before.as_deref().is_some_and(|it| it.contains("deep/er/key 1000:1001 600 ")), "{before:?}");
        let without_time_of_folders = |text: Option<String>| {
            let text = text.unwrap_or_default();
            let line = |line: &str| {
                let folder = !line.contains("key") && !line.starts_with("hard");
                let words: Vec<&str> = line.split_whitespace().collect();
                if folder && words.len() == 5 { [words[0], words[1], words[2]].join(" ") } else { line.to_owned() }
            };
            text.lines().map(line).collect::<Vec<_>>()
        };
        assert_eq!(without_time_of_folders(after), without_time_of_folders(before));
    })
    .await;
}
