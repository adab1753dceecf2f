//! Settings from surroundings of the tests' own.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::*;

#[derive(Default)]
struct Around {
    variables: BTreeMap<&'static str, &'static str>,
    files: BTreeMap<&'static str, &'static str>,
}

impl Source for Around {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|it| (*it).to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        let text = self.files.get(path.to_str().unwrap());
        text.map(|it| (*it).to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// As shown, but for the width of the columns.
fn lines(flags: &UpFlags, around: &Around) -> String {
    let lines = Config::read(flags, around).unwrap().0.lines();
    let narrow =
        |line: &String| line.split("  ").map(str::trim).filter(|it| !it.is_empty()).collect::<Vec<_>>().join("  ");
    lines.iter().map(narrow).collect::<Vec<_>>().join("\n")
}

fn faults(flags: &UpFlags, around: &Around) -> Vec<String> {
    Config::read(flags, around).map(|(config, _)| config.lines()).unwrap_err().0
}

#[test]
fn without_anything_said_the_defaults_count() {
    let shown = lines(&UpFlags::default(), &Around::default());
    assert!(shown.lines().all(|line| line.ends_with("  default")), "{shown}");
    assert!(shown.contains("data  ./.fleetlog") && !shown.contains("fault_point"), "{shown}");
    let (_, options) = Config::read(&UpFlags::default(), &Around::default()).unwrap();
    assert_eq!((options.node.as_str(), options.insecure, options.docker), ("local", false, None));
    assert_eq!(options.git, ::git::Limits::default());
}

#[test]
fn a_flag_goes_before_a_variable_before_the_file_before_the_default() {
    let file =
        "# ours\nnode = \"of-file\"\nlisten = \"127.0.0.1:1\"\ndata = \"/of/file\"\ndocker = \"unix:///of/file\"\n";
    let around = Around {
        variables: [
            ("FLEETLOG_NODE", "of-variable"),
            ("FLEETLOG_LISTEN", "127.0.0.1:2"),
            ("DOCKER_HOST", "unix:///x"),
            ("RUST_LOG", "warn"),
            ("FLEETLOG_NATS", ""),
        ]
        .into(),
        files: [(FILE, file)].into(),
    };
    let flags = UpFlags { node: Some("of-flag".to_owned()), ..UpFlags::default() };
    let shown = lines(&flags, &around);
    for expected in [
        "node  of-flag  flag --node",
        "listen  127.0.0.1:2  variable FLEETLOG_LISTEN",
        "data  /of/file  /etc/fleetlog/fleetlog.toml:4",
        "docker  unix:///of/file  /etc/fleetlog/fleetlog.toml:5",
        "log  warn  variable RUST_LOG",
        "nats  -  default",
        "insecure  false  default",
    ] {
        assert!(shown.contains(expected), "{expected}\n{shown}");
    }
}

#[test]
fn a_file_that_was_named_has_to_be_there() {
    let named = UpFlags { config: Some("/my.toml".into()), ..UpFlags::default() };
    assert!(faults(&named, &Around::default())[0].contains("`/my.toml`"));
    let variables: BTreeMap<_, _> = [("FLEETLOG_CONFIG", "/other.toml")].into();
    let around = Around { variables, files: [("/other.toml", "node = \"n2\"")].into() };
    assert!(lines(&UpFlags::default(), &around).contains("n2"));
    // The flag goes before the variable here as well.
    assert!(faults(&named, &around)[0].contains("`/my.toml`"));
}

#[test]
fn all_faults_are_told_at_once_with_their_places() {
    let file = "lisen = \"x\"\nnode = 7\ninsecure = \"yes\"\n[tls]\ncert = \"x\"\n";
    let around = Around { files: [(FILE, file)].into(), ..Around::default() };
    let told = faults(&UpFlags::default(), &around);
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(told.iter().any(|it| it.contains(".toml:1:1: unknown key `lisen`: did you mean `listen`?")), "{told:#?}");
    assert!(told.iter().any(|it| it.contains(".toml:2:1: `node` has to be a string")), "{told:#?}");
    assert!(told.iter().any(|it| it.contains(".toml:3:1: `insecure` has to be `true` or `false`")), "{told:#?}");
    assert!(told.iter().any(|it| it.contains("unknown key `tls`")), "{told:#?}");

    let torn =
        Around { files: [(FILE, "node = \nlisten = \"127.0.0.1:1\"\ndata = oops\n")].into(), ..Around::default() };
    let told = faults(&UpFlags::default(), &torn);
    assert!(
        told.iter().any(|it| it.contains(".toml:1:")) && told.iter().any(|it| it.contains(".toml:3:")),
        "{told:#?}"
    );

    let variables: BTreeMap<_, _> =
        [("FLEETLOG_NODE", "N 1"), ("FLEETLOG_LISTEN", "nonsense"), ("FLEETLOG_INSECURE", "maybe")].into();
    let told = faults(&UpFlags::default(), &Around { variables, ..Around::default() });
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told.iter().all(|it| it.starts_with("variable FLEETLOG_")), "{told:#?}");
}

#[test]
fn secrets_are_hidden() {
    let variables: BTreeMap<_, _> = [("FLEETLOG_NATS", "nats://ada:hunter2@host:4222")].into();
    let shown = lines(&UpFlags::default(), &Around { variables, ..Around::default() });
    assert!(shown.contains("nats://…@host:4222") && !shown.contains("hunter2") && !shown.contains("ada"), "{shown}");
}

#[test]
fn every_setting_has_its_flag() {
    use clap::CommandFactory as _;
    let mut command = crate::cli::Cli::command();
    let up = command.find_subcommand_mut("up").unwrap();
    let flags: Vec<String> = up.get_arguments().filter_map(|it| it.get_long()).map(|it| format!("--{it}")).collect();
    for setting in &SETTINGS {
        assert!(flags.contains(&setting.flag()), "{}", setting.key);
    }
    // `--config` says where the others are.
    assert_eq!(
        flags.iter().filter(|it| !["--config", "--help"].contains(&it.as_str())).count(),
        SETTINGS.len(),
        "{flags:?}"
    );
}

#[test]
fn the_limits_of_git_are_settings_like_the_others() {
    let around = Around {
        variables: [("FLEETLOG_GIT_SLOW", "2s")].into(),
        files: [(FILE, "git_pack_bytes = \"64MiB\"\ngit_refs = 5\n")].into(),
    };
    let git = crate::cli::GitFlags { git_pushes: Some("3".to_owned()), ..Default::default() };
    let flags = UpFlags { git, ..UpFlags::default() };
    let (config, options) = Config::read(&flags, &around).unwrap();
    let git = options.git;
    assert_eq!((git.pack_bytes, git.refs, git.pushes, git.slow.as_secs()), (64 << 20, 5, 3, 2));
    assert!(config.lines().iter().any(|line| line.starts_with("git_refs") && line.ends_with("fleetlog.toml:2")));

    let file = "git_pack_bytes = \"much\"\ngit_refs = -1\ngit_repack = 1\ngit_pushes = 0\ngit_turn = \"5\"\n";
    let told = faults(&UpFlags::default(), &Around { files: [(FILE, file)].into(), ..Around::default() });
    assert_eq!(told.len(), 5, "{told:#?}");
    assert!(told.iter().any(|it| it.contains(".toml:1: `git_pack_bytes`: `much` is not a size with its unit")));
    assert!(told.iter().any(|it| it.contains(".toml:3: `git_repack`: expected 2 or more")), "{told:#?}");
}
