//! From a push to what runs: many containers, one of many, none; and what it costs to know that there is nothing to do.
//! Writes `RESULTS-rollout.md`.

use std::fs;
use std::hint::black_box;

use anyhow::{Context, bail, ensure};
use engine::{Docker, Engine, Scope};
use jiff::Timestamp;
use schemas::descriptors::Desired;
use schemas::event::{ContainerChange, Data, Draft, Event, Scope as Whose, Sighting};
use schemas::fleet::Fleet;
use schemas::plan::plan;
use schemas::spec::{self, DigestKey};
use serde_json::json;
use tests::descriptors::{IMAGE, forever};
use uuid::Uuid;

use crate::bare::Bare;
use crate::report::Report;
use crate::rows::{self, milliseconds};
use crate::stats::median;
use crate::table::{Line, Room, Table};
use crate::unbroken;

/// Every row that can be measured alone, and the sizes that it has where nobody says another one.
const ROWS: [(&str, &[usize]); 6] = [
    ("many", &[50, 200]),
    ("one", &[50, 200]),
    ("nothing", &[50, 200]),
    ("plan", &[200]),
    ("compare", &[500]),
    ("start-first", &[200]),
];

/// How many times as many containers the longer plan has.
const TIMES: usize = 50;

/// So many comparisons share one look at the processor's time: the kernel counts hundredths of a second.
const ROUNDS: u32 = 20;

/// Ticks of the kernel's clock for processes in a second.
const TICKS: f64 = 100.0;

/// `rollout [PAIRS [ROW [SIZE]]]`: all rows are written, one alone is printed.
pub fn measure(pairs: usize, row: Option<&str>, size: Option<usize>) -> anyhow::Result<()> {
    let bare = Bare::connect()?;
    let mut table = Table::new(Room::Rollout, pairs);
    let Some(row) = row else {
        for (row, sizes) in ROWS {
            for size in sizes {
                one(&bare, row, *size, pairs, &mut table)?;
            }
        }
        return table.write();
    };
    let Some((row, usual)) = ROWS.into_iter().find(|(it, _)| *it == row) else {
        bail!("`{row}` is no row of a rollout: expected one of {}", ROWS.map(|it| it.0).join(", "));
    };
    one(&bare, row, size.unwrap_or(usual[0]), pairs, &mut table)?;
    table.show()
}

fn one(bare: &Bare, row: &str, size: usize, pairs: usize, table: &mut Table) -> anyhow::Result<()> {
    let mut report = Report::new(pairs);
    let reach: &[&str] = match row {
        "many" => {
            rows::many_containers(bare, size, pairs, &mut report)?;
            &["at most 1.05×"]
        }
        "one" => {
            rows::one_of_many(bare, size, pairs, &mut report)?;
            &["at most 1.2×"]
        }
        "nothing" => {
            rows::nothing_changed(size, pairs, &mut report)?;
            &["at most 15 ms more", "at most 30 ms more"]
        }
        "plan" => return grow(size, pairs, table),
        "start-first" => return unbroken::start_first(size, pairs, table),
        _ => return compare(bare, size, pairs, table),
    };
    let word = format!("{row} {size}");
    let lines = report.rows.into_iter().zip(reach).map(|(row, reach)| Line::of_row(row, &word, (*reach).to_owned()));
    table.lines.extend(lines);
    Ok(())
}

/// A fleet of so many containers that all need a variable, and run as they should.
fn settled(count: usize) -> anyhow::Result<(Fleet, Desired, DigestKey)> {
    let mut desired = Desired::default();
    for index in 0..count {
        let container = json!({
            "image": IMAGE,
            "command": forever(":"),
            "env": { "SELF": format!("number {index}") },
            "limits": { "memory": "64MiB", "cpus": 0.5 },
        });
        desired.containers.insert(format!("c{index:05}").parse()?, serde_json::from_value(container)?);
    }
    let key = DigestKey::derive(&[7; 32]);
    let mut fleet = Fleet::new("acme/shop".parse()?);
    fleet.desired = desired.clone();
    for (position, name) in (1..).zip(desired.containers.keys()) {
        let spec = spec::render(&fleet.id, name, &desired).map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
        let change = ContainerChange {
            container: name.clone(),
            seen: Sighting { node: "local".parse()?, at_ns: 1, obs: position },
            docker_id: format!("{position:064x}"),
            image: None,
            spec: Some(spec::digests(&key, &spec).now),
            commit: None,
            live: Some(spec.live()),
            files: None,
            checked: false,
            exit_code: None,
            out_of_memory: false,
            restarts: 0,
        };
        let draft = Draft {
            id: Uuid::nil(),
            scope: Whose::Fleet(fleet.id.clone()),
            subject: format!("containers/{name}"),
            time: Timestamp::UNIX_EPOCH,
            actor: "shazam".to_owned(),
            cause: None,
            data: Data::ContainerStarted(change),
        };
        fleet.apply(&Event { position, draft });
    }
    Ok((fleet, desired, key))
}

/// Plans where all runs as it should: nothing to do.
fn nothing_to_do(fleet: &Fleet, desired: &Desired, key: &DigestKey) -> anyhow::Result<()> {
    let plan = plan(fleet, desired, key).context("no plan")?;
    ensure!(plan.steps.is_empty(), "there is something to do: {:?}", plan.steps.first());
    black_box(plan);
    Ok(())
}

/// The plan of a fleet where all is as it should be, and of one with many more containers.
fn grow(size: usize, pairs: usize, table: &mut Table) -> anyhow::Result<()> {
    let (short, long) = (settled(size)?, settled(size * TIMES)?);
    let what = format!("plan of {} containers, nothing to do", size * TIMES);
    let mut line = Line::new(what, &format!("the same of {size}"), "ms", "plan", "at most 60×; 200 in at most 20 ms");
    for pair in 0..pairs {
        let (mut ours, mut theirs) = (0.0, 0.0);
        for turn in 0..2 {
            if (turn + pair) % 2 == 0 {
                ours = milliseconds(|| nothing_to_do(&long.0, &long.1, &long.2))?;
            } else {
                theirs = milliseconds(|| nothing_to_do(&short.0, &short.1, &short.2))?;
            }
        }
        line.add(ours, theirs);
    }
    table.lines.push(line);
    Ok(())
}

/// What a full comparison costs our processor: Docker's list, a look at each container, and the plan.
fn compare(bare: &Bare, size: usize, pairs: usize, table: &mut Table) -> anyhow::Result<()> {
    let prefix = format!("test-compare-{}", tests::unique());
    bare.create(&prefix, size, &forever(":"))?;
    let (fleet, desired, key) = settled(size)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured: anyhow::Result<Vec<f64>> = runtime.block_on(async {
        let engine = Engine::from(Docker::connect(None));
        let scope = Scope::label("fleetlog.bench", &prefix);
        let mut all = Vec::new();
        for _ in 0..pairs {
            let before = processor_ms()?;
            for _ in 0..ROUNDS {
                let listed = engine.list(&scope).await?;
                ensure!(listed.len() == size, "{} of {size} containers are listed", listed.len());
                for it in listed {
                    ensure!(engine.inspect(&it.name).await?.is_some(), "`{}` is gone", it.name);
                }
                nothing_to_do(&fleet, &desired, &key)?;
            }
            all.push((processor_ms()? - before) / f64::from(ROUNDS));
        }
        Ok(all)
    });
    bare.take_away(&prefix, size)?;
    let middle = median(&measured?);
    table.notes.push(format!(
        "A full comparison of {size} running containers with nothing to do costs {:.1} ({:.1}–{:.1}) ms of our processor \
         ({pairs} times {ROUNDS} rounds; to reach: at most 100 ms): `ops/bench/run rollout {pairs} compare`.",
        middle.middle, middle.low, middle.high
    ));
    Ok(())
}

/// The processor's time that this process has had, in milliseconds.
fn processor_ms() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may hold anything: user and system are the 12th and 13th.
    let words: Vec<&str> = text.rsplit_once(')').context("no stat")?.1.split_whitespace().collect();
    let ticks = |at: usize| words.get(at).and_then(|it| it.parse::<f64>().ok()).context("no processor time");
    Ok((ticks(11)? + ticks(12)?) * 1_000.0 / TICKS)
}
