//! Behaviours of the figures.

use std::time::{Duration, Instant};

use engine::HealthStatus;
use schemas::spec::Spec;

use crate::lab::{LIMIT, Lab};

pub async fn a_running_container_shows_what_it_uses(lab: &Lab) {
    let mut spec = lab.spec();
    spec.limits.memory = Some(schemas::units::Size(64 << 20));
    spec.limits.cpus = Some(0.5);
    let name = lab.start("busy", &spec).await;
    let ended = lab.create("idle", &lab.spec()).await;

    let running = lab.engine.running(&lab.scope()).await.unwrap();
    assert_eq!(running.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), [name.as_str()]);
    let seen = &running[0];
    assert_eq!((&seen.labels, &seen.image, seen.health), (&lab.labels(), &spec.image, None));
    let inspected = lab.engine.inspect(&name).await.unwrap().unwrap();
    assert_eq!((&seen.id, &seen.addresses), (&inspected.id, &inspected.addresses));
    assert!(!seen.addresses.is_empty());

    let run = lab.engine.run_of(&seen.id).await.unwrap().unwrap();
    assert_eq!((run.started_ns, run.restarts), (inspected.started_ns, 0));
    assert_eq!(run.limits.memory_bytes, Some(64 << 20));
    assert_eq!((run.limits.cpu_period_us, run.limits.cpu_quota_us), (Some(100_000), Some(50_000)));

    let first = lab.engine.stats(&seen.id).await.unwrap().unwrap();
    assert!(first.memory.usage > 0 && first.memory.working_set <= first.memory.usage, "{first:?}");
    assert!(first.cpu.total_ns > 0 && first.threads > Some(0), "{first:?}");
    assert!(first.networks.contains_key("eth0"), "{first:?}");
    let deadline = Instant::now() + LIMIT;
    loop {
        let next = lab.engine.stats(&seen.id).await.unwrap().unwrap();
        if next.cpu.total_ns > first.cpu.total_ns {
            break;
        }
        assert!(Instant::now() < deadline, "{next:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    lab.engine.stop(&name, None, Duration::ZERO).await.unwrap();
    for gone in [name.as_str(), &ended, &lab.name("nothing")] {
        assert_eq!(lab.engine.run_of(gone).await.unwrap(), None, "{gone}");
        assert_eq!(lab.engine.stats(gone).await.unwrap(), None, "{gone}");
    }
    assert_eq!(lab.engine.running(&lab.scope()).await.unwrap(), []);
}

pub async fn a_list_of_what_runs_shows_its_health(lab: &Lab) {
    let spec = Spec { health: Some(lab.check()), ..lab.spec() };
    let name = lab.start("checked", &spec).await;
    if let crate::lab::Kind::Simulated(simulated) = &lab.kind {
        simulated.set_health(&name, HealthStatus::Unhealthy).unwrap();
    }
    let deadline = Instant::now() + LIMIT;
    loop {
        let running = lab.engine.running(&lab.scope()).await.unwrap();
        match running[0].health {
            Some(HealthStatus::Unhealthy) => break,
            other => assert!(other.is_some() && Instant::now() < deadline, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
