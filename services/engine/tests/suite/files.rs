//! Files that are put into containers, and signals to their processes.

use engine::{Content, EngineError, NewFile, State};
use schemas::descriptors::Mount;
use schemas::spec::Spec;

use crate::lab::Lab;

fn file(path: &str, text: &str) -> NewFile {
    let (path, bytes) = (path.to_owned(), text.as_bytes().to_vec());
    NewFile { path, bytes, executable: false, owner: (0, 0), changed: 1_700_000_000 }
}

pub async fn files_are_put_in_place_before_the_start_and_while_it_runs(lab: &Lab) {
    let volume = lab.name("data");
    lab.engine.ensure_volume(&volume, &lab.labels()).await.unwrap();
    let spec = Spec { volumes: [("/var/data".to_owned(), Mount::volume(volume))].into(), ..lab.spec() };
    let name = lab.create("api", &spec).await;
    let files = [file("etc/app/sub/a.conf", "one"), file("b.conf", "two")];
    lab.engine.put_files(&name, "/", &files).await.unwrap();
    lab.engine.put_files(&name, "/var/data", &[file("rows/seed", "kept")]).await.unwrap();
    let has = async |path: &str| lab.engine.get_file(&name, path, 0).await.unwrap().is_some();
    assert!(has("/var/data/rows/seed").await && has("/b.conf").await);
    assert!(!has("/var/data/rows/other").await && !has("/nowhere/b.conf").await);

    lab.engine.start(&name).await.unwrap();
    lab.until_listening(&name, 1).await;
    assert_eq!(lab.read_file(&name, "/etc/app/sub/a.conf").await.as_deref(), Some("one"));
    assert_eq!(lab.read_file(&name, "/var/data/rows/seed").await.as_deref(), Some("kept"));
    lab.engine.put_files(&name, "/", &[file("etc/app/sub/a.conf", "another")]).await.unwrap();
    assert_eq!(lab.read_file(&name, "/etc/app/sub/a.conf").await.as_deref(), Some("another"));
    assert_eq!(lab.read_file(&name, "/b.conf").await.as_deref(), Some("two"));
    let known = lab.engine.get_file(&name, "/b.conf", 10).await.unwrap();
    assert_eq!(known, Some(Content::Bytes(b"two".to_vec())));

    // With its container goes what is not in a volume.
    assert!(lab.engine.remove(&name).await.unwrap());
    let again = lab.create("api", &spec).await;
    assert_eq!(lab.engine.get_file(&again, "/b.conf", 0).await.unwrap(), None);
    assert!(lab.engine.get_file(&again, "/var/data/rows/seed", 0).await.unwrap().is_some());
    let nobody = lab.engine.put_files(&lab.name("nobody"), "/", &files).await.unwrap_err();
    assert!(matches!(nobody, EngineError::NotFound { .. }), "{nobody:?}");
}

pub async fn a_signal_reaches_the_process(lab: &Lab) {
    let name = lab.create("api", &lab.spec()).await;
    assert!(!lab.engine.signal(&name, "INT").await.unwrap(), "it does not run");
    lab.engine.start(&name).await.unwrap();
    lab.until_listening(&name, 1).await;
    assert!(lab.engine.signal(&name, "INT").await.unwrap());
    let ended = lab.until_ended(&name).await;
    assert_eq!((ended.state, ended.exit_code), (State::Exited, Some(3)));
    assert!(!lab.engine.signal(&name, "SIGINT").await.unwrap());
    let nobody = lab.engine.signal(&lab.name("nobody"), "HUP").await.unwrap_err();
    assert!(matches!(nobody, EngineError::NotFound { .. }), "{nobody:?}");
}
