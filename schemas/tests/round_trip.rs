//! A fleet that is written down as files checks clean and comes back; a fleet that was damaged is judged without a panic.

#![allow(clippy::unwrap_used, reason = "strategies and their likes are part of the tests")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use schemas::check::{Content, EntryKind, TreeFile, check};
use schemas::descriptors::{
    AutoUpdate, Blob, Capabilities, Condition, Container, Desired, FileMode, FileSource, FleetFile, Guards, Health,
    Healthcheck, ImagePolicy, Ipc, Limits, Log, Metrics, Missed, Mount, Needs, Off, OnChange, OnUnhealthy, Path, Pid,
    PolicyWord, Restart, Runtime, Schedule, Stop, Task, TaskLimits, TaskStep, Ulimit, Update, User, VariableValue,
    Variables, Volume, VolumeClass,
};
use schemas::names::{Key, Name, Oid};
use schemas::spec;
use schemas::units::{Size, Span};

const NAMES: [&str; 5] = ["a", "b-1", "c", "db", "web"];

fn name() -> impl Strategy<Value = Name> {
    prop::sample::select(NAMES.as_slice()).prop_map(|name| name.parse().unwrap())
}

/// Text of any kind, now and then with a reference that can be resolved.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[^{}\0]{0,12}",
        1 => "x\\{\\{\\{\\{ y",
        1 => "[a-z]{0,3}\\{\\{ variables\\.fixed\\.(one|two) \\}\\}",
    ]
}

fn span() -> impl Strategy<Value = Span> {
    (1..999_999_999_u64).prop_map(Span)
}

fn argv() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(text(), 1..4)
}

fn env() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[A-Z_][A-Z0-9_.]{0,8}", text(), 0..4)
}

fn healthcheck() -> impl Strategy<Value = Healthcheck> {
    prop_oneof![Just(Healthcheck::Off(Off::None)), health().prop_map(Healthcheck::On)]
}

fn health() -> impl Strategy<Value = Health> {
    let probe = prop_oneof![
        argv().prop_map(|command| (Some(command), None, None)),
        (1..=u16::MAX).prop_map(|port| (None, Some("/up".to_owned()), Some(port))),
    ];
    (probe, span(), span(), span(), 1..=100_u32).prop_map(
        |((command, http, port), interval, timeout, within, retries)| Health {
            start_period: command.as_ref().map(|_| within),
            on_unhealthy: if retries % 2 == 0 { OnUnhealthy::Restart } else { OnUnhealthy::Report },
            command,
            http,
            port,
            interval,
            timeout,
            within,
            retries,
        },
    )
}

fn limits() -> impl Strategy<Value = Limits> {
    let memory = prop::option::of((6_u64 << 20..1_u64 << 39).prop_map(Size));
    let cpus = prop::option::of((1..=102_400_u32).prop_map(|hundredths| f64::from(hundredths) / 100.0));
    let rest = (prop::option::of(1..9_u32), prop::option::of(10..=1_000_u16), any::<bool>());
    (memory, cpus, rest).prop_map(|(memory, cpus, (pids, io_weight, swap))| Limits {
        memory,
        cpus,
        swap: memory.filter(|_| swap),
        pids,
        io_weight,
    })
}

fn restart() -> impl Strategy<Value = Restart> {
    prop::sample::select([Restart::No, Restart::OnFailure, Restart::UnlessStopped, Restart::Always].as_slice())
}

fn image_policy() -> impl Strategy<Value = ImagePolicy> {
    prop_oneof![
        Just(ImagePolicy::Word(PolicyWord::Pinned)),
        Just(ImagePolicy::Word(PolicyWord::Notify)),
        prop::sample::select(["1m", "6h", "0 4 * * *"].as_slice())
            .prop_map(|auto| ImagePolicy::Auto(AutoUpdate { auto: auto.to_owned() })),
    ]
}

fn container() -> impl Strategy<Value = Container> {
    let stop = ("(SIG)?(TERM|USR1|RTMIN\\+3)", span()).prop_map(|(signal, grace)| Stop { signal, grace });
    let metrics = prop::option::of((1..=u16::MAX, "/[a-z]{0,5}").prop_map(|(port, path)| Metrics { port, path }));
    let what = ("[a-z]{1,5}(:[0-9])?", prop::option::of(argv()), env(), prop::option::of(healthcheck()));
    (what, restart(), stop, limits(), metrics, (any::<bool>(), runtime(), image_policy())).prop_map(
        |((image, command, env, health), restart, stop, limits, metrics, (privileged, runtime, image_policy))| {
            let (ports, volumes, needs, network) = (Vec::new(), BTreeMap::new(), Needs::default(), None);
            Container {
                image,
                image_policy,
                command,
                env,
                ports,
                volumes,
                files: BTreeMap::new(),
                network,
                needs,
                restart,
                stop,
                update: if privileged { Update::StartFirst } else { Update::Recreate },
                drain: privileged.then_some(Span(1_000)),
                health,
                limits,
                metrics,
                privileged,
                runtime,
            }
        },
    )
}

fn runtime() -> impl Strategy<Value = Runtime> {
    let lists = (prop::option::of(argv()), prop::collection::vec(text(), 0..2));
    let maps = (env(), prop::collection::btree_map("[a-z]{1,6}", (-1..9_i64, -1..9_i64), 0..3));
    (lists, maps, any::<[bool; 6]>(), prop::option::of(1..1_u64 << 39)).prop_map(
        |((entrypoint, list), (map, ulimits), is, size)| Runtime {
            entrypoint,
            working_dir: is[0].then(|| "/srv".to_owned()),
            user: is[1].then(|| "1000:1000".to_owned()),
            group_add: list.clone(),
            hostname: is[2].then(|| "web".to_owned()),
            labels: map.clone(),
            extra_hosts: BTreeMap::from([("up".to_owned(), "host-gateway".to_owned())]),
            dns: vec!["192.0.2.53".to_owned()],
            dns_search: list.clone(),
            devices: vec!["/dev/null:/dev/nil:r".to_owned()],
            shm_size: size.map(Size),
            ulimits: ulimits.into_iter().map(|(name, (soft, hard))| (name, Ulimit { soft, hard })).collect(),
            sysctls: map.clone(),
            capabilities: Capabilities { add: vec!["NET_ADMIN".to_owned()], drop: vec!["ALL".to_owned()] },
            security_opt: list,
            read_only: is[3],
            init: is[4],
            pid: is[5].then_some(Pid::Host),
            ipc: is[0].then_some(Ipc::Shareable),
            platform: is[1].then(|| "linux/arm64".to_owned()),
            tty: is[2],
            log: size.map(|size| Log {
                max_size: Some(Size(size)),
                max_files: Some(2),
                options: map,
                ..Log::default()
            }),
        },
    )
}

fn task() -> impl Strategy<Value = Task> {
    let steps = prop::collection::vec(
        (argv(), prop::option::of(span())).prop_map(|(run, within)| TaskStep { run, within }),
        1..3,
    );
    let crons = prop::sample::select(vec!["* * * * *", "*/5 3 * jan mon-fri", "0 0 29 2 *"]);
    let zones = prop::sample::select(vec!["UTC", "Europe/Berlin"]);
    let schedule = prop::option::of((crons, zones, any::<bool>()).prop_map(|(cron, zone, once)| Schedule {
        cron: cron.to_owned(),
        timezone: zone.to_owned(),
        missed: if once { Missed::Once } else { Missed::Skip },
    }));
    let limits = (6_u64 << 20..999_999_999_u64, 1..64_u32, 1..1_000_u32).prop_map(|(memory, cpus, pids)| TaskLimits {
        memory: Size(memory),
        cpus: f64::from(cpus) / 4.0,
        pids,
    });
    let loose = (any::<bool>(), any::<bool>(), "[0-9]{1,5}", limits);
    ("[a-z]{1,5}", env(), steps, span(), schedule, loose).prop_map(
        |(image, env, steps, within, schedule, (network, writable, user, limits))| Task {
            image,
            env,
            steps,
            within,
            schedule,
            stop: Stop::default(),
            network,
            user: User(user),
            volumes: BTreeMap::new(),
            tmpfs: BTreeMap::from([("/run".to_owned(), Size(1 << 20))]),
            writable,
            limits,
        },
    )
}

fn variables() -> impl Strategy<Value = Variables> {
    let value = prop_oneof![
        text().prop_map(VariableValue::Text),
        any::<i64>().prop_map(|number| VariableValue::Number(number.into())),
        any::<bool>().prop_map(VariableValue::Bool),
    ];
    prop::collection::btree_map("[a-z][a-z0-9_]{0,9}".prop_map(|key| key.parse::<Key>().unwrap()), value, 0..4)
        .prop_map(Variables)
}

fn desired() -> impl Strategy<Value = Desired> {
    let class = prop::sample::select([VolumeClass::Persistent, VolumeClass::Ephemeral, VolumeClass::Shared].as_slice());
    let volume = class.prop_map(|class| Volume { class });
    let window = r#"{ "windows": [{ "days": ["sat"], "to": "12:00" }, {}] }"#;
    let guards = [r"{}", r#"{ "privileged": "forbid", "max_removals": 0 }"#, window];
    let guards = prop::sample::select(guards.map(|it| serde_json::from_str::<Guards>(it).unwrap()).to_vec());
    let fleet = (prop::option::of(text()), "[a-z]{1,8}(/[a-z]{1,3})?", guards)
        .prop_map(|(description, deploy, guards)| FleetFile { description, deploy, guards, ..FleetFile::default() });
    (
        fleet,
        prop::collection::btree_map(name(), container(), 0..5),
        prop::collection::btree_map(name(), volume, 0..3),
        prop::collection::btree_map(name(), task(), 0..3),
        prop::collection::btree_map(name(), variables(), 0..3),
    )
        .prop_map(|(fleet, containers, volumes, tasks, variables)| {
            let nodes = std::collections::BTreeMap::new();
            let mut desired =
                Desired { fleet, nodes, containers, volumes, tasks, variables, contents: BTreeMap::new() };
            let fixed = [("one", VariableValue::Number(1.into())), ("two", VariableValue::Text("2".to_owned()))];
            let fixed = fixed.into_iter().map(|(key, value)| (key.parse().unwrap(), value)).collect();
            desired.variables.insert("fixed".parse().unwrap(), Variables(fixed));
            connect(&mut desired);
            desired
        })
}

/// A volume, as a whole and in part, and what is none.
fn mounts(volume: Option<&Name>, size: usize) -> BTreeMap<String, Mount> {
    let (size, read_only) = (size as u64, size.is_multiple_of(2));
    let mut mounts = BTreeMap::from([
        ("/host".to_owned(), Mount::Host { host: "/srv".to_owned(), read_only, shared: !read_only }),
        ("/tmp".to_owned(), Mount::Tmpfs { tmpfs: Size(size) }),
    ]);
    mounts.extend(volume.map(|it| ("/data".to_owned(), Mount::volume(it.clone()))));
    mounts.extend(volume.map(|it| {
        let part = Mount::Volume { volume: it.clone(), subpath: Some("in".to_owned()), read_only };
        ("/part".to_owned(), part)
    }));
    mounts
}

/// What has to fit together: each container needs and refers to those before it, and has a port and a volume.
fn connect(desired: &mut Desired) {
    let volume = desired.volumes.keys().next().cloned();
    let mut before: Vec<Name> = Vec::new();
    let first = desired.containers.iter().filter(|(_, it)| it.update == Update::Recreate);
    let published: BTreeSet<Name> = first.map(|(name, _)| name.clone()).collect();
    for (name, container) in &mut desired.containers {
        let port = 8000 + before.len();
        if container.update == Update::StartFirst {
            // Nothing that only one of two can have.
            before.push(name.clone());
            continue;
        }
        container.ports = vec![format!("127.0.0.1:{port}:80"), format!("{port}:{{{{ variables.fixed.two }}}}/udp")];
        container.volumes = mounts(volume.as_ref(), before.len());
        if !container.runtime.read_only {
            container.files.insert("/etc/app".to_owned(), source(before.len()));
        }
        if let Some(last) = before.last().filter(|it| published.contains(*it)) {
            container.needs.0.insert(last.clone(), Condition::Started.into());
            container.env.insert(
                "PEER".to_owned(),
                format!("{{{{ containers.{last}.host }}}}:{{{{containers.{last}.ports.80}}}}"),
            );
        }
        before.push(name.clone());
    }
    let sources = || desired.containers.values().flat_map(|it| it.files.values());
    if sources().next().is_some() {
        let mut conf = conf();
        if !sources().any(|it| it.render) {
            conf.references.clear();
        }
        desired.contents.insert(CONF.0.to_owned(), conf);
    }
}

/// A file that every container takes in, and what it says.
const CONF: (&str, &str) = ("files/app/app.conf", "n = {{ variables.fixed.two }}\n");

fn conf() -> Blob {
    let (blob, size) = (Oid::of_blob(CONF.1.as_bytes()), CONF.1.len() as u64);
    Blob { blob, size, executable: false, references: vec!["variables.fixed.two".to_owned()] }
}

/// Each in another way.
fn source(number: usize) -> FileSource {
    let on_change = [OnChange::Signal, OnChange::Restart, OnChange::None][number % 3];
    FileSource {
        from: "files/app".to_owned(),
        mode: if number == 1 { FileMode::Seed } else { FileMode::Enforce },
        render: number == 0,
        on_change,
        signal: (on_change == OnChange::Signal).then(|| "USR1".to_owned()),
        owner: (number == 2).then(|| User("1000:1000".to_owned())),
    }
}

fn written(desired: &Desired) -> Vec<(String, String)> {
    let files = desired.files().0.into_iter().filter(|(path, _)| !matches!(path, Path::Blob(_)));
    let written = files.map(|(path, file)| (path.to_string(), serde_json::to_string_pretty(&file).unwrap()));
    written.chain(desired.contents.keys().map(|path| (path.clone(), CONF.1.to_owned()))).collect()
}

fn tree_files<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<TreeFile<'a>> {
    files.map(|(path, bytes)| TreeFile { path, kind: EntryKind::File, content: Content::Bytes(bytes) }).collect()
}

proptest! {
    #[test]
    fn what_is_written_comes_back(desired in desired()) {
        let files = written(&desired);
        let checked = check(tree_files(files.iter().map(|(path, text)| (path.as_str(), text.as_bytes()))));
        let checked = checked.map_err(|it| TestCaseError::fail(schemas::check::report(&it.faults)))?;
        prop_assert_eq!(&checked.desired, &desired);
        let fleet = "acme/shop".parse().unwrap();
        for name in desired.containers.keys() {
            prop_assert!(spec::render(&fleet, name, &checked.desired).is_ok());
        }
    }

    #[test]
    fn damage_is_told_at_a_place_and_what_passes_can_be_rendered(
        desired in desired(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), damage()), 1..4),
    ) {
        let mut files: Vec<(String, Vec<u8>)> = written(&desired).into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
        for (file, place, (length, insert)) in damage {
            let (_, bytes) = file.get(&files).clone();
            let from = place.index(bytes.len() + 1);
            let to = (from + length).min(bytes.len());
            let index = file.index(files.len());
            files[index].1.splice(from..to, insert.into_bytes());
        }
        match check(tree_files(files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())))) {
            Err(faults) => {
                prop_assert!(!faults.faults.is_empty());
                for fault in &faults.faults {
                    for place in fault.also.iter().cloned().chain([fault.place()]) {
                        let (_, bytes) = files.iter().find(|(path, _)| *path == place.path).expect("a file of the tree");
                        let lines = bytes.split(|byte| *byte == b'\n').count();
                        prop_assert!((1..=lines).contains(&(place.line as usize)) && place.column > 0, "{fault}");
                    }
                }
            }
            Ok(checked) => {
                let fleet = "acme/shop".parse().unwrap();
                for name in checked.desired.containers.keys() {
                    prop_assert!(spec::render(&fleet, name, &checked.desired).is_ok());
                }
            }
        }
    }
}

/// How many bytes go, and what comes instead.
fn damage() -> impl Strategy<Value = (usize, String)> {
    let words = "[\\]\\[{}\",:]|\\{\\{ (variables\\.fixed\\.(one|three)|containers\\.(a|db|web)\\.(host|ports\\.80)) \\}\\}|[a-z0-9/]{1,3}|";
    (0..6_usize, words)
}
