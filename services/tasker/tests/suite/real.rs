//! What only a real Docker shows.

use serde_json::json;

use crate::behaviours::failed;
use crate::lab::{IMAGE, Lab, run};

/// What this process has ever held in memory, in bytes.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|it| it.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

/// Both halves are in this process, and so is what they remember of what a step printed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_output_takes_no_memory_and_is_in_no_event() {
    run(Lab::docker().await, async |lab: &mut Lab| {
        // The end of it is read: a step that fails may have been told why.
        let lines = format!("yes {} | head -c 24000000", "drowned".repeat(20));
        let one_line = "head -c 12000000 /dev/zero | tr '\\0' drowned; echo drowned";
        let flood = json!({ "image": IMAGE, "steps": [lab.step(&format!("{lines}; {one_line}; exit 9"), &[])] });
        lab.push(json!({ "flood": flood })).await;
        let before = most_memory();
        let run = lab.ran("flood").await;
        let after = most_memory();
        failed(&run, "step 1 ended with code 9");
        assert!(after - before < 12 << 20, "{} MiB more for 36 MB of output", (after - before) >> 20);
        let told = format!("{:?}", lab.events().split_off(1));
        assert!(!told.contains("drowned"), "{told}");
    })
    .await;
}
