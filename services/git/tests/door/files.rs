//! What the files say that containers take in: told to who asks for what the accepted state names, and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemas::names::Oid;
use schemas::query::{FaultCode, FilesAnswer, FilesRequest};
use streams::AskError;

use crate::platform::{PATIENCE, Platform};
use crate::workdir::Workdir;

const API: &str = r#"{ "image": "demo/tool:1", "files": { "/etc/app": { "from": "files/app" } } }"#;

async fn ask(platform: &Platform, blobs: &[Oid]) -> Result<FilesAnswer, FaultCode> {
    let question = FilesRequest { fleet: "acme/shop".parse().unwrap(), blobs: blobs.to_vec(), min_position: 0 };
    // Again while nobody is there yet, as an agent does.
    let asked = async {
        loop {
            match platform.bus.ask(&question, PATIENCE).await {
                Ok(answer) => return Ok(answer),
                Err(AskError::Fault(fault)) => return Err(fault.code),
                Err(AskError::NobodyThere { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_accepted_state_names_is_told_and_nothing_else() {
    let mut platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    let large = "0123456789abcdef".repeat(60_000);
    let files = [("a", &large), ("b", &format!("{large}b")), ("c", &format!("{large}c"))];
    let paths = files.map(|(name, text)| (format!("files/app/{name}"), text.as_str()));
    let mut tree: Vec<(&str, &str)> = paths.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    tree.extend([("containers/api.json", API), ("files/other", "nobody takes it")]);
    ann.commit(&tree).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    let pushed = &platform.pushed("acme/shop").await[0];
    let told = serde_json::to_value(&pushed.descriptors).unwrap().to_string();
    assert!(told.contains("files/app/a") && !told.contains("0123456789") && !told.contains("files/other"), "{told}");

    // What does not fit into one answer is asked for again; also after a restart, from the log alone.
    let blobs: Vec<Oid> = files.iter().map(|(_, text)| Oid::of_blob(text.as_bytes())).collect();
    for again in [false, true] {
        if again {
            platform.stop().await;
            std::fs::remove_dir_all(platform.folder()).unwrap();
            platform.start().await;
        }
        let first = ask(&platform, &blobs).await.unwrap();
        assert_eq!(first.contents.len(), 2);
        let last = ask(&platform, &blobs[2..]).await.unwrap();
        let content = STANDARD.decode(&last.contents[&blobs[2]]).unwrap();
        assert_eq!(content, files[2].1.as_bytes());
    }
    for other in ["nobody takes it", API, "never pushed"] {
        let other = Oid::of_blob(other.as_bytes());
        assert_eq!(ask(&platform, &[blobs[0].clone(), other]).await.unwrap_err(), FaultCode::NotFound);
    }
    // What is not accepted any more is not told.
    ann.run(&["remote", "set-url", "origin", &platform.url("acme/shop")]).await.good();
    ann.commit(&[("files/app/a", "small")]).await;
    ann.push(&["no-wait"], &["main"]).await.good();
    assert_eq!(ask(&platform, &blobs[..1]).await.unwrap_err(), FaultCode::NotFound);
    assert_eq!(ask(&platform, &[Oid::of_blob(b"small")]).await.unwrap().contents.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_was_in_a_taken_file_is_found_by_whatever_way_it_comes() {
    const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq2\n-----END RSA PRIVATE KEY-----\n";
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    let fleet = r#"{ "defaults": { "files": { "/etc/app": { "from": "files/app" } } } }"#;
    ann.commit(&[
        ("containers/api.json", r#"{ "image": "demo/tool:1" }"#),
        ("fleet.json", fleet),
        ("files/app/a", "a"),
    ])
    .await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    ann.commit(&[("files/app/key.pem", KEY)]).await;
    ann.run(&["rm", "--quiet", "files/app/key.pem"]).await.good();
    ann.commit(&[]).await;
    // As all containers take it in, and by a tag.
    ann.push(&["no-wait"], &["main"]).await.bad().tells("files/app/key.pem").hides("MIIEpAIBAAKCAQEA7bq2");
    ann.run(&["tag", "--annotate", "--message", "one", "v1"]).await.good();
    ann.push(&["no-wait"], &["v1"]).await.bad().tells("files/app/key.pem").hides("MIIEpAIBAAKCAQEA7bq2");
}
