//! Ways in which clients speak that differ from the usual one, and words that are no options.

use crate::http::ask;
use crate::platform::Platform;
use crate::raw::{self, Raw, pack};
use crate::workdir::{DB, Workdir, fsck};

async fn shop() -> (Platform, Workdir) {
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    for text in ["one", "two", "three"] {
        ann.commit(&[("containers/db.json", DB), ("README", text)]).await;
    }
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    (platform, ann)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shallow_and_partial_clones_work_in_each_protocol() {
    let (platform, ann) = shop().await;
    let url = platform.url("acme/shop");
    for version in ["protocol.version=0", "protocol.version=1", "protocol.version=2"] {
        let shallow = Workdir::bare_home();
        shallow.run(&["-c", version, "clone", "--quiet", "--depth=1", &url, "."]).await.good();
        assert_eq!(shallow.run(&["rev-list", "--count", "HEAD"]).await.good().stdout, "1\n", "{version}");
        shallow.run(&["-c", version, "fetch", "--quiet", "--unshallow"]).await.good();
        assert_eq!(shallow.run(&["rev-list", "--count", "HEAD"]).await.good().stdout, "3\n", "{version}");
        let partial = Workdir::bare_home();
        partial
            .run(&["-c", version, "clone", "--quiet", "--no-checkout", "--filter=blob:none", &url, "."])
            .await
            .good();
        let missing = partial.run(&["rev-list", "--objects", "--missing=print", "HEAD"]).await.good().stdout;
        assert!(missing.lines().any(|line| line.starts_with('?')), "{version}: every file came\n{missing}");
        // What is missing is fetched when it is needed.
        partial.run(&["-c", version, "checkout", "--quiet", "main"]).await.good();
        assert_eq!(std::fs::read_to_string(partial.path.join("README")).unwrap(), "three");
        assert_eq!(partial.head().await, ann.head().await);
    }
}

/// A shallow clone's push names where its history ends, in front of its commands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shallow_clone_can_push() {
    let (platform, _) = shop().await;
    let shallow = Workdir::bare_home();
    shallow.run(&["clone", "--quiet", "--depth=1", &platform.url("acme/shop"), "."]).await.good();
    let commit = shallow.commit(&[("README", "from the shallows")]).await;
    shallow.push(&["no-wait"], &["main"]).await.good();
    let whole = Workdir::clone_of(&platform.url("acme/shop")).await;
    assert_eq!(whole.head().await, commit);
    assert_eq!(whole.run(&["rev-list", "--count", "HEAD"]).await.good().stdout, "4\n");
    fsck(&platform.folder().join("acme/shop.git")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_packed_push_is_unpacked_and_measured() {
    use std::io::Write as _;
    let (platform, ann) = shop().await;
    let body = Raw::to(b"refs/heads/x", &ann.head().await).pack(&pack(&[])).body();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(&body).unwrap();
    let head = "POST /git/acme/shop.git/git-receive-pack HTTP/1.1\r\ncontent-encoding: gzip\r\n\
                content-type: application/x-git-receive-pack-request";
    raw::tells(&ask(&platform, head, &packer.finish().unwrap()).await, "ok refs/heads/x");
    // What is not what it says is no push.
    let answer = ask(&platform, head, &body).await;
    raw::tells(&answer, "HTTP/1.1 400 ");
    raw::tells(&answer, "not what its content encoding says");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_word_of_a_client_becomes_an_option_or_leaves_the_folder() {
    let (platform, ann) = shop().await;
    let before = ann.remote_refs().await;
    let canary = platform.dir.path().join("canary");
    let touch = format!("--upload-pack=touch {}", canary.display());
    // Fleets: names are parsed before anything else.
    for path in
        ["acme/-shop", "-acme/shop", "acme/--upload-pack=x", "acme/shop.git.git", "acme/..%2f..", "acme/sh%00op"]
    {
        for service in ["git-upload-pack", "git-receive-pack"] {
            let head = format!("GET /git/{path}/info/refs?service={service} HTTP/1.1");
            let answer = ask(&platform, &head, b"").await;
            assert!(answer.starts_with("HTTP/1.1 404 ") || answer.starts_with("HTTP/1.1 400 "), "{path}:\n{answer}");
        }
    }
    let injected = format!("GET /git/acme/shop.git/info/refs?service={} HTTP/1.1", touch.replace(' ', "%20"));
    raw::tells(&ask(&platform, &injected, b"").await, "HTTP/1.1 403 ");
    // Refs that begin like an option.
    for name in ["refs/heads/-rf", "refs/heads/--upload-pack=x", "refs/tags/-d"] {
        let answer = Raw::to(name.as_bytes(), &ann.head().await).pack(&pack(&[])).push(&platform).await;
        raw::tells(&answer, name);
        let refs = ann.remote_refs().await;
        // It is a name like any other, or it is refused: it never is an option.
        assert!(answer.contains(&format!("ok {name}")) == refs.contains(name), "{answer}\n{refs}");
        if refs.contains(name) {
            ann.push(&[], &[&format!(":{name}")]).await.good();
        }
    }
    // Push options are data.
    for option in [touch.as_str(), "-h", "--help", "$(touch /tmp/x)", "plan\u{1}"] {
        ann.push(&[option], &["main:x"]).await.bad().tells("unknown push option");
    }
    // What a reader wants are object names.
    let want = "0098want --upload-pack=touch\n0000";
    let head =
        "POST /git/acme/shop.git/git-upload-pack HTTP/1.1\r\ncontent-type: application/x-git-upload-pack-request";
    ask(&platform, head, want.as_bytes()).await;
    assert!(!canary.exists());
    assert_eq!(ann.remote_refs().await, before);
    assert!(!platform.folder().join("acme/-shop.git").exists());
    fsck(&platform.folder().join("acme/shop.git")).await;
}
