//! Keys of a service that have no counterpart, and what to do instead.

use super::super::yaml::Entry;
use super::Carrier;

/// Keys that only say how Docker Compose itself behaves.
const OF_COMPOSE: [&str; 3] = ["pull_policy", "develop", "annotations"];

impl Carrier<'_, '_> {
    pub(super) fn not_carried(&mut self, entry: &Entry) {
        let key = entry.key.as_str();
        let text = match key {
            key if OF_COMPOSE.contains(&key) => "not carried",
            "stdin_open" => "not carried: nothing is typed into a container that runs",
            "volumes_from" => "not carried: name the same volumes in both containers",
            "external_links" => "not carried: a fleet's network is its own, reach others by a published port",
            "domainname" => "not carried: write the whole name into `hostname`",
            "mac_address" => "not carried: Docker chooses it",
            "env_file" | "label_file" => "not carried: write its lines into the descriptor",
            "mem_reservation" | "mem_swappiness" | "cpu_shares" | "cpuset" | "cpu_count" | "cpu_percent"
            | "cpu_rt_period" | "cpu_rt_runtime" | "oom_kill_disable" | "oom_score_adj" | "storage_opt" => {
                "not carried: `limits` has memory, swap, cpus, pids and io_weight"
            }
            "gpus" | "device_cgroup_rules" => "not carried: `devices` gives a container devices of the node",
            "userns_mode" | "uts" | "cgroup" | "cgroup_parent" | "runtime" | "isolation" | "credential_spec"
            | "dns_opt" | "use_api_socket" => "not carried: Docker's default holds",
            "post_start" | "pre_stop" => "not carried: nothing is run beside a container's start and end",
            "provider" | "models" => "not carried: only containers are run",
            _ => {
                self.left(&entry.place, key, "unknown key: not carried");
                return;
            }
        };
        self.left(&entry.place, key, text);
    }
}
