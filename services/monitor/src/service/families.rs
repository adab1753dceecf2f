//! Every family of a container's series: cAdvisor's names and units, so that its dashboards work, and two of our own.

use schemas::fleet::HealthState;
use schemas::query::{self, Series};
use schemas::sample::{Network, Traffic};

use super::nodes::Held;
use super::text::{Kind, label};

/// A container and its health.
pub type Shown<'a> = (&'a Held, Option<HealthState>);
/// Takes the labels of a series of its own, and the value.
type Put<'a> = dyn FnMut(&[(&str, &str)], f64) + 'a;

/// A family of series.
struct Family {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    series: fn(&Shown<'_>, &mut Put<'_>),
}

const fn counter(name: &'static str, help: &'static str, series: fn(&Shown<'_>, &mut Put<'_>)) -> Family {
    Family { name, kind: Kind::Counter, help, series }
}

const fn gauge(name: &'static str, help: &'static str, series: fn(&Shown<'_>, &mut Put<'_>)) -> Family {
    Family { name, kind: Kind::Gauge, help, series }
}

/// Nanoseconds as seconds.
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// One series without labels of its own, where there is a value.
fn one(put: &mut Put<'_>, value: Option<u64>) {
    if let Some(value) = value {
        put(&[], value as f64);
    }
}

/// Only where a quota is set does anybody count periods.
fn limited(it: &Shown<'_>, put: &mut Put<'_>, value: f64) {
    if it.0.sample.limits.cpu_quota_us.is_some() {
        put(&[], value);
    }
}

fn by_interface(it: &Shown<'_>, put: &mut Put<'_>, value: fn(&Network) -> u64) {
    for (name, network) in &it.0.sample.used.networks {
        put(&[("interface", name)], value(network) as f64);
    }
}

fn received(it: &Shown<'_>, put: &mut Put<'_>, value: fn(&Traffic) -> u64) {
    for (name, network) in &it.0.sample.used.networks {
        put(&[("interface", name)], value(&network.received) as f64);
    }
}

const FAMILIES: &[Family] = &[
    counter("container_cpu_usage_seconds_total", "Processor time.", |it, put| {
        put(&[("cpu", "total")], seconds(it.0.sample.used.cpu.total_ns));
    }),
    counter("container_cpu_user_seconds_total", "Processor time in the programs themselves.", |it, put| {
        put(&[], seconds(it.0.sample.used.cpu.user_ns));
    }),
    counter("container_cpu_system_seconds_total", "Processor time in the kernel.", |it, put| {
        put(&[], seconds(it.0.sample.used.cpu.system_ns));
    }),
    counter("container_cpu_cfs_periods_total", "Periods in which the quota was looked at.", |it, put| {
        limited(it, put, it.0.sample.used.cpu.periods as f64);
    }),
    counter("container_cpu_cfs_throttled_periods_total", "Periods in which the quota was used up.", |it, put| {
        limited(it, put, it.0.sample.used.cpu.throttled_periods as f64);
    }),
    counter("container_cpu_cfs_throttled_seconds_total", "Time spent waiting for want of quota.", |it, put| {
        limited(it, put, seconds(it.0.sample.used.cpu.throttled_ns));
    }),
    gauge("container_memory_usage_bytes", "Memory, the page cache included.", |it, put| {
        one(put, Some(it.0.sample.used.memory.usage));
    }),
    gauge(
        "container_memory_working_set_bytes",
        "Memory without the page cache that can be dropped first.",
        |it, put| {
            one(put, Some(it.0.sample.used.memory.working_set));
        },
    ),
    gauge("container_memory_rss", "Anonymous memory, in bytes.", |it, put| one(put, Some(it.0.sample.used.memory.rss))),
    gauge("container_memory_cache", "Page cache, in bytes.", |it, put| one(put, Some(it.0.sample.used.memory.cache))),
    gauge("container_memory_swap", "Swapped out, in bytes.", |it, put| one(put, Some(it.0.sample.used.memory.swap))),
    gauge("container_memory_mapped_file", "Files mapped into memory, in bytes.", |it, put| {
        one(put, Some(it.0.sample.used.memory.mapped));
    }),
    gauge("container_memory_max_usage_bytes", "The highest usage of memory so far.", |it, put| {
        one(put, it.0.sample.used.memory.peak);
    }),
    Family {
        name: "container_memory_failcnt",
        kind: Kind::Untyped,
        help: "How often the limit of memory was hit: a counter, under the name that it has.",
        series: |it, put| one(put, it.0.sample.used.memory.failures),
    },
    counter("container_oom_events_total", "Processes killed for want of memory.", |it, put| {
        one(put, it.0.sample.used.memory.kills);
    }),
    counter("container_network_receive_bytes_total", "Bytes that came in.", |it, put| received(it, put, |it| it.bytes)),
    counter("container_network_receive_packets_total", "Packets that came in.", |it, put| {
        received(it, put, |it| it.packets);
    }),
    counter("container_network_receive_errors_total", "Errors on the way in.", |it, put| {
        received(it, put, |it| it.errors);
    }),
    counter("container_network_receive_packets_dropped_total", "Packets dropped on the way in.", |it, put| {
        received(it, put, |it| it.dropped);
    }),
    counter("container_network_transmit_bytes_total", "Bytes that went out.", |it, put| {
        by_interface(it, put, |it| it.sent.bytes);
    }),
    counter("container_network_transmit_packets_total", "Packets that went out.", |it, put| {
        by_interface(it, put, |it| it.sent.packets);
    }),
    counter("container_network_transmit_errors_total", "Errors on the way out.", |it, put| {
        by_interface(it, put, |it| it.sent.errors);
    }),
    counter("container_network_transmit_packets_dropped_total", "Packets dropped on the way out.", |it, put| {
        by_interface(it, put, |it| it.sent.dropped);
    }),
    counter("container_fs_reads_bytes_total", "Bytes read from a device.", |it, put| {
        it.0.sample.used.disks.iter().for_each(|(name, it)| put(&[("device", name)], it.read_bytes as f64));
    }),
    counter("container_fs_writes_bytes_total", "Bytes written to a device.", |it, put| {
        it.0.sample.used.disks.iter().for_each(|(name, it)| put(&[("device", name)], it.written_bytes as f64));
    }),
    counter("container_fs_reads_total", "Reads of a device.", |it, put| {
        it.0.sample.used.disks.iter().for_each(|(name, it)| put(&[("device", name)], it.reads as f64));
    }),
    counter("container_fs_writes_total", "Writes to a device.", |it, put| {
        it.0.sample.used.disks.iter().for_each(|(name, it)| put(&[("device", name)], it.writes as f64));
    }),
    gauge("container_processes", "Processes.", |it, put| one(put, it.0.sample.used.processes)),
    gauge("container_threads", "Threads.", |it, put| one(put, it.0.sample.used.threads)),
    gauge("container_last_seen", "When it was last measured, in seconds since 1970.", |it, put| {
        put(&[], it.0.seen_s);
    }),
    gauge("container_start_time_seconds", "When it was last started, since 1970.", |it, put| {
        if let Some(ns) = it.0.sample.started_ns {
            put(&[], ns as f64 / 1e9);
        }
    }),
    gauge("container_health_state", "1 healthy, 0 without a check, -1 starting or unhealthy.", |(_, health), put| {
        put(
            &[],
            match health {
                Some(HealthState::Healthy) => 1.0,
                None => 0.0,
                Some(HealthState::Starting | HealthState::Unhealthy) => -1.0,
            },
        );
    }),
    gauge("container_spec_memory_limit_bytes", "Memory that it may use; 0: as much as there is.", |it, put| {
        one(put, Some(it.0.sample.limits.memory_bytes.unwrap_or(0)));
    }),
    gauge("container_spec_cpu_period", "Period in which processor time is shared out, in microseconds.", |it, put| {
        one(put, it.0.sample.limits.cpu_period_us);
    }),
    gauge("container_spec_cpu_quota", "Processor time in each period, in microseconds.", |it, put| {
        one(put, it.0.sample.limits.cpu_quota_us);
    }),
    gauge("container_spec_cpu_shares", "Weight where processors are short.", |it, put| {
        one(put, it.0.sample.limits.cpu_shares);
    }),
    counter("fleetlog_container_restarts_total", "How often Docker started it again by itself.", |it, put| {
        one(put, Some(it.0.sample.restarts));
    }),
];

/// The labels of these containers, and their families; one without series is left out.
pub fn of(containers: &[Shown<'_>]) -> (Vec<String>, Vec<query::Family>) {
    let labels = containers.iter().map(|(it, _)| it.labels.clone()).collect();
    let families = FAMILIES.iter().map(|family| {
        let mut series = Vec::with_capacity(containers.len());
        for (index, it) in (0..).zip(containers) {
            (family.series)(it, &mut |more, value| {
                let mut labels = String::new();
                more.iter().for_each(|(key, value)| label(&mut labels, key, value));
                series.push(Series(index, labels, value.to_string()));
            });
        }
        let (name, kind, help) = (family.name.to_owned(), family.kind.as_str().to_owned(), family.help.to_owned());
        query::Family { name, kind, help, series }
    });
    (labels, families.filter(|it| !it.series.is_empty()).collect())
}
