//! A stack of compose files becomes a fleet that runs.

use tests::descriptors::IMAGE;
use tests::{Platform, free_port};

#[test]
fn a_stack_is_imported_pushed_and_healthy() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let stack = platform.home().join("stack");
    std::fs::create_dir_all(&stack).unwrap();
    std::fs::write(stack.join(".env"), format!("IMAGE={IMAGE}\nPORT={}\n", free_port())).unwrap();
    let text = r#"
services:
  data_store:
    image: ${IMAGE}
    command: sh -c "trap 'exit 0' TERM; echo stored > /data/it; touch /data/up; while :; do sleep 1 & wait $$!; done"
    volumes: ["data:/data"]
    healthcheck: {test: "test -f /data/up", interval: 1s, timeout: 2s}
  web:
    image: ${IMAGE}
    command: [httpd, -f, -p, "80"]
    environment: {STORE_HOST: data_store}
    ports: ["127.0.0.1:${PORT:?which}:80"]
    restart: unless-stopped
    depends_on: {data_store: {condition: service_healthy}}
    mem_limit: 64m
volumes: {data: {}}
"#;
    std::fs::write(stack.join("compose.yaml"), text).unwrap();
    let (from, to) = (stack.to_str().unwrap(), shop.path().to_str().unwrap());
    let imported = platform.cli(&["import", "compose", from, "--out", to]);
    assert_eq!(imported.code, 0, "{}", imported.err);
    let commit = shop.commit("import from compose");
    shop.push(&["create"]).ok().says(&["+ create     data-store", "+ create     web", "success"]);
    shop.succeeds(&commit);

    let shown = |name: &str, pointer: &str| shop.container(name).pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(shown("data-store", "/State/Health/Status"), "healthy");
    assert_eq!(shown("web", "/State/Status"), "running");
    assert_eq!(shown("web", "/HostConfig/Memory"), 64 << 20);
    // Under its new name it is reached, and that name is what the other one was told.
    let env = shown("web", "/Config/Env");
    assert!(env.as_array().unwrap().iter().any(|it| it == "STORE_HOST=data-store"), "{env}");
    shop.write_text("notes.txt", "nothing that runs\n").commit("notes");
    shop.push(&[]).ok().says(&["nothing to do"]);
}
