//! What every engine tells of what containers write.

use engine::{Output, Record, Records};
use tokio::time::timeout;

use crate::lab::{Kind, LIMIT, Lab};

async fn all(mut records: Records) -> Vec<Record> {
    let mut found = Vec::new();
    while let Some(record) = timeout(LIMIT, records.next()).await.expect("the records end").unwrap() {
        found.push(record);
    }
    found
}

fn texts(records: &[Record], output: Output) -> Vec<String> {
    let of_it = records.iter().filter(|it| it.output == output);
    of_it.map(|it| String::from_utf8(it.bytes.clone()).unwrap()).collect()
}

pub async fn records_come_as_they_are_written_and_again_from_any_time(lab: &Lab) {
    let script = "seq 1 3; echo oops >&2; busybox head -c 20000 /dev/zero | busybox tr '\\0' x; echo; \
                  while ! [ -s /exit ]; do sleep 0.05; done; echo last";
    let name = lab.start("job", &lab.spec_of(script)).await;
    if let Kind::Simulated(simulated) = &lab.kind {
        for text in ["1", "2", "3"] {
            simulated.write_record(&name, Output::Stdout, text, true).unwrap();
        }
        simulated.write_record(&name, Output::Stderr, "oops", true).unwrap();
        simulated.write_record(&name, Output::Stdout, &"x".repeat(16_384), false).unwrap();
        simulated.write_record(&name, Output::Stdout, &"x".repeat(3_616), true).unwrap();
    }
    let mut follow = lab.engine.records(&name, 0, true).await.unwrap();
    let mut first = Vec::new();
    for _ in 0..6 {
        first.push(timeout(LIMIT, follow.next()).await.expect("six records come").unwrap().expect("it runs"));
    }
    let out: Vec<_> = first.iter().filter(|it| it.output == Output::Stdout).collect();
    assert_eq!(texts(&first, Output::Stderr), ["oops"]);
    assert_eq!(texts(&first, Output::Stdout)[..3], ["1", "2", "3"]);
    assert_eq!(
        out.iter().map(|it| (it.bytes.len(), it.ends_line)).collect::<Vec<_>>()[3..],
        [(16_384, false), (3_616, true)]
    );
    assert!(first.iter().all(|it| it.at_ns > 1_600_000_000_000_000_000), "{first:?}");
    assert!(out.is_sorted_by_key(|it| it.at_ns), "{:?}", out.iter().map(|it| it.at_ns).collect::<Vec<_>>());

    // Without `follow` it ends although the container runs.
    let again = all(lab.engine.records(&name, 0, false).await.unwrap()).await;
    let sorted = |records: &[Record]| {
        let mut records = records.to_vec();
        records.sort_by_key(|it| (it.output, it.at_ns));
        records
    };
    assert_eq!(sorted(&again), sorted(&first));

    lab.exit(&name, 0).await;
    if let Kind::Simulated(simulated) = &lab.kind {
        simulated.write_record(&name, Output::Stdout, "last", true).unwrap();
    } else {
        assert_eq!(texts(&all(follow).await, Output::Stdout), ["last"], "and then it ends");
    }
    lab.until_ended(&name).await;
    let since = again.last().unwrap().at_ns;
    let rest = all(lab.engine.records(&name, since, true).await.unwrap()).await;
    assert!(texts(&rest, Output::Stdout).contains(&"last".to_owned()), "{rest:?}");

    assert_eq!(lab.engine.last_record(&name).await.unwrap().as_ref(), rest.last());

    lab.engine.remove(&name).await.unwrap();
    let last = lab.engine.last_record(&name).await;
    assert!(matches!(last, Err(engine::EngineError::NotFound { .. })), "{last:?}");
    let gone = match lab.engine.records(&name, 0, true).await {
        Ok(mut records) => records.next().await,
        Err(error) => Err(error),
    };
    assert!(matches!(gone, Err(engine::EngineError::NotFound { .. })), "{gone:?}");
}
