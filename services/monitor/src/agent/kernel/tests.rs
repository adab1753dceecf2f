//! Against files as real kernels show them.

use std::fs;
use std::path::Path;

use schemas::sample::{Disk, Machine};
use tempfile::TempDir;

use super::{Kernel, Unread};

const ID: &str = "a07f9867b55e3e007a42e1cf2fac6c2a13008f2ef77c7e79f55dca5fcd63b914";
const NET: &str = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     900       9    0    0    0     0          0         0      900       9    0    0    0     0       0          0
  eth0:     200       2    1    3    0     0          0         0       70       1    4    5    0     0       0          0
";

fn write(root: &Path, path: &str, text: &str) {
    let file = root.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

fn version_1() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let at = root.path();
    write(
        at,
        "proc/self/mountinfo",
        "30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n\
         31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
         33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
         34 30 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
         35 30 0:31 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
         36 30 0:32 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n",
    );
    let groups = format!(
        "9:name=systemd:/docker/{ID}\n5:blkio:/docker/{ID}\n4:memory:/docker/{ID}\n3:pids:/docker/{ID}\n\
         1:cpu,cpuacct:/docker/{ID}\n0::/docker/{ID}\n"
    );
    write(at, "proc/77/cgroup", &groups);
    write(at, "proc/77/net/dev", NET);
    let group = |controller: &str, file: &str| format!("sys/fs/cgroup/{controller}/docker/{ID}/{file}");
    write(at, &group("cpu,cpuacct", "cpuacct.usage"), "32535577\n");
    write(at, &group("cpu,cpuacct", "cpuacct.usage_user"), "20000000\n");
    write(at, &group("cpu,cpuacct", "cpuacct.usage_sys"), "12535577\n");
    write(at, &group("cpu,cpuacct", "cpu.stat"), "nr_periods 30\nnr_throttled 7\nthrottled_time 5000000\n");
    write(at, &group("memory", "memory.usage_in_bytes"), "1835008\n");
    write(at, &group("memory", "memory.max_usage_in_bytes"), "4075520\n");
    write(at, &group("memory", "memory.failcnt"), "3\n");
    write(at, &group("memory", "memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
    write(
        at,
        &group("memory", "memory.stat"),
        "cache 1\nrss 1\ntotal_cache 1101824\ntotal_rss 118784\ntotal_swap 4096\ntotal_mapped_file 970752\ntotal_inactive_file 1044480\n",
    );
    write(at, &group("memory", "cgroup.procs"), "77\n78\n");
    write(at, &group("pids", "pids.current"), "5\n");
    write(
        at,
        &group("blkio", "blkio.throttle.io_service_bytes_recursive"),
        "254:0 Read 8192\n254:0 Write 4096\n254:0 Total 12288\nTotal 12288\n",
    );
    write(at, &group("blkio", "blkio.throttle.io_serviced_recursive"), "254:0 Read 2\n254:0 Write 1\nTotal 3\n");
    fs::create_dir_all(at.join("sys/dev/block")).unwrap();
    std::os::unix::fs::symlink("../../devices/virtual/block/vda", at.join("sys/dev/block/254:0")).unwrap();
    root
}

#[test]
fn version_1_is_read() {
    let root = version_1();
    let used = Kernel::look(root.path()).used(ID, 77).unwrap();
    assert_eq!((used.cpu.total_ns, used.cpu.user_ns, used.cpu.system_ns), (32_535_577, 20_000_000, 12_535_577));
    assert_eq!((used.cpu.periods, used.cpu.throttled_periods, used.cpu.throttled_ns), (30, 7, 5_000_000));
    let memory = used.memory;
    assert_eq!((memory.usage, memory.working_set), (1_835_008, 1_835_008 - 1_044_480));
    assert_eq!((memory.rss, memory.cache, memory.swap, memory.mapped), (118_784, 1_101_824, 4_096, 970_752));
    assert_eq!((memory.peak, memory.failures, memory.kills), (Some(4_075_520), Some(3), Some(2)));
    assert_eq!((used.processes, used.threads), (Some(2), Some(5)));
    let disk = Disk { read_bytes: 8_192, written_bytes: 4_096, reads: 2, writes: 1 };
    assert_eq!(used.disks, [("/dev/vda".to_owned(), disk)].into());
    assert_eq!(used.networks.keys().collect::<Vec<_>>(), ["eth0"]);
    let (received, sent) = (used.networks["eth0"].received, used.networks["eth0"].sent);
    assert_eq!((received.bytes, received.packets, received.errors, received.dropped), (200, 2, 1, 3));
    assert_eq!((sent.bytes, sent.packets, sent.errors, sent.dropped), (70, 1, 4, 5));
}

#[test]
fn version_2_is_read_whatever_the_driver_calls_the_group() {
    for path in [format!("/docker/{ID}"), format!("/system.slice/docker-{ID}.scope")] {
        let root = tempfile::tempdir().unwrap();
        let at = root.path();
        write(
            at,
            "proc/self/mountinfo",
            "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
        );
        write(at, "proc/77/cgroup", &format!("0::{path}\n"));
        write(at, "proc/77/net/dev", NET);
        let file = |name: &str| format!("sys/fs/cgroup{path}/{name}");
        write(
            at,
            &file("cpu.stat"),
            "usage_usec 3000\nuser_usec 2000\nsystem_usec 1000\nnr_periods 4\nnr_throttled 1\nthrottled_usec 50\n",
        );
        write(at, &file("memory.current"), "1000\n");
        write(at, &file("memory.stat"), "anon 300\nfile 600\nfile_mapped 50\ninactive_file 400\n");
        write(at, &file("memory.events"), "low 0\nhigh 0\nmax 6\noom 1\noom_kill 1\n");
        write(at, &file("memory.swap.current"), "0\n");
        write(at, &file("io.stat"), "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:16\n");
        write(at, &file("pids.current"), "3\n");
        write(at, &file("cgroup.procs"), "77\n");
        let used = Kernel::look(at).used(ID, 77).unwrap();
        assert_eq!((used.cpu.total_ns, used.cpu.user_ns, used.cpu.throttled_ns), (3_000_000, 2_000_000, 50_000));
        assert_eq!((used.memory.working_set, used.memory.rss, used.memory.cache), (600, 300, 600));
        assert_eq!((used.memory.failures, used.memory.kills, used.memory.peak), (Some(6), Some(1), None));
        let disk = Disk { read_bytes: 10, written_bytes: 20, reads: 1, writes: 2 };
        assert_eq!(used.disks, [("8:0".to_owned(), disk)].into());
    }
}

#[test]
fn a_process_of_somebody_else_is_not_measured() {
    let root = version_1();
    let kernel = Kernel::look(root.path());
    let other = ID.replace('a', "b");
    assert_eq!(kernel.used(&other, 77), Err(Unread::NotIts));
    assert_eq!(kernel.used(ID, 78), Err(Unread::NotIts));
    fs::remove_file(root.path().join(format!("sys/fs/cgroup/memory/docker/{ID}/memory.usage_in_bytes"))).unwrap();
    assert_eq!(kernel.used(ID, 77), Err(Unread::Unreadable));
}

#[test]
fn the_machine_is_told() {
    let root = version_1();
    assert_eq!(Kernel::look(root.path()).machine(), None);
    write(root.path(), "proc/cpuinfo", "processor\t: 0\nmodel name\t: x\n\nprocessor\t: 1\n");
    write(root.path(), "proc/meminfo", "MemTotal:        8000000 kB\nMemFree: 1 kB\n");
    let machine = Machine { cores: 2, memory_bytes: 8_000_000 * 1_024 };
    assert_eq!(Kernel::look(root.path()).machine(), Some(machine));
}
