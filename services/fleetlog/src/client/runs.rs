//! `fleetlog run` and `fleetlog runs`: executions of tasks.

use std::time::{Duration, Instant};

use schemas::names::FleetId;
use schemas::runs::{Run, RunStatus};
use serde::Deserialize;
use serde_json::Value;

use super::failure::Failure;
use super::here;
use super::out::{self, row};
use super::remote::{Patience, Remote};
use super::rollouts::took;
use crate::cli::{RunOptions, RunsOptions};

/// One request waits no longer than this for news of a run; its lines are looked for as often.
const LOOK: Duration = Duration::from_millis(500);
/// So long after its end a line of a run is found for certain.
const LAST_LINES: Duration = Duration::from_millis(2_500);

#[derive(Deserialize)]
struct Page {
    runs: Vec<Run>,
}

/// Shows the newest runs.
pub fn list(options: &RunsOptions) -> Result<(), Failure> {
    let fleet = here::fleet(options.fleet.fleet.as_ref())?;
    let mut query = vec![("limit", options.limit.to_string())];
    query.extend(options.task.as_ref().map(|task| ("task", task.to_string())));
    let reply = Remote::find()?.get(&format!("/v1/fleets/{fleet}/runs"), &query, 0)?;
    if options.fleet.json {
        return out::json(&reply.read::<Value>()?);
    }
    let page: Page = reply.read()?;
    if page.runs.is_empty() {
        return out::line(&format!("{fleet} has no run yet: `fleetlog run TASK` makes one"));
    }
    let mut table = vec![row(["QUEUED", "TASK", "STATUS", "CODE", "TOOK", "ID"])];
    for it in &page.runs {
        let took = it.duration_ms.map_or_else(|| "-".to_owned(), took);
        let code = it.exit_code.map_or_else(|| "-".to_owned(), |code| code.to_string());
        let (queued, id) = (format!("{:.0}", it.queued), it.id.to_string());
        table.push(row([&queued, it.task.as_str(), it.status.as_str(), &code, &took, &id]));
    }
    out::table("", &table)?;
    match page.runs.first().and_then(|it| it.error.as_ref()) {
        Some(error) => out::line(&format!("the newest: {error}")),
        None => Ok(()),
    }
}

/// Runs a task, or ends a run of it.
pub fn run(options: &RunOptions) -> Result<(), Failure> {
    let fleet = here::fleet(options.fleet.fleet.as_ref())?;
    let remote = Remote::find()?;
    let task = &options.task;
    if let Some(id) = &options.cancel {
        let run: Run = remote.send("DELETE", &format!("/v1/fleets/{fleet}/runs/{id}"), None)?.read()?;
        return shown(options, &run, &format!("run {id} of {task} was asked to end"));
    }
    let reply = remote.send("POST", &format!("/v1/fleets/{fleet}/tasks/{task}/runs"), None)?;
    let run: Run = reply.read()?;
    if !options.follow {
        return shown(options, &run, &format!("run {} of {task} is {}", run.id, run.status.as_str()));
    }
    out::note(&format!("run {} of {task}", run.id));
    Follow { remote, fleet, run, position: reply.position, cursor: None, shown: 0 }.until_the_end(options)
}

fn shown(options: &RunOptions, run: &Run, text: &str) -> Result<(), Failure> {
    if options.fleet.json { out::json(run) } else { out::line(text) }
}

/// A run that is followed, and how many of its lines were shown.
struct Follow {
    remote: Remote,
    fleet: FleetId,
    run: Run,
    position: u64,
    /// The page of lines that is read now, and how many of it were shown.
    cursor: Option<String>,
    shown: usize,
}

impl Follow {
    fn until_the_end(mut self, options: &RunOptions) -> Result<(), Failure> {
        let mut patience = Patience::default();
        let mut ended: Option<Instant> = None;
        loop {
            let looked = match ended {
                None => self.look(),
                Some(_) => {
                    // The run is over; only its last lines are still on their way.
                    std::thread::sleep(LOOK);
                    Ok(())
                }
            };
            match looked.and_then(|()| self.lines()) {
                Err(failure @ Failure::NotReachable(_)) => patience.bear(failure)?,
                end => {
                    end?;
                    patience.rest();
                }
            }
            match ended {
                None if self.run.status.is_over() => ended = Some(Instant::now()),
                Some(at) if at.elapsed() >= LAST_LINES => return self.end(options),
                _ => {}
            }
        }
    }

    /// Waits for news of the run.
    fn look(&mut self) -> Result<(), Failure> {
        let path = format!("/v1/fleets/{}/runs/{}", self.fleet, self.run.id);
        if let Some(reply) = self.remote.get_once_at(&path, &[], self.position + 1, LOOK)? {
            self.position = reply.position;
            self.run = reply.read()?;
        }
        Ok(())
    }

    /// Shows the lines that are new. The last page grows: it is read again until it is full.
    fn lines(&mut self) -> Result<(), Failure> {
        loop {
            let mut query = vec![
                ("query", format!("run:\"{}\"", self.run.id)),
                ("fleet", self.fleet.to_string()),
                ("order", "forward".to_owned()),
                ("limit", "1000".to_owned()),
            ];
            query.extend(self.cursor.iter().map(|it| ("cursor", it.clone())));
            let page: Value = self.remote.get("/v1/logs", &query, 0)?.read()?;
            let lines = page["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
            for line in lines.iter().skip(self.shown) {
                out::line(line["text"].as_str().unwrap_or_default())?;
            }
            self.shown = self.shown.max(lines.len());
            match page["next"].as_str() {
                Some(next) => {
                    self.cursor = Some(next.to_owned());
                    self.shown = 0;
                }
                None => return Ok(()),
            }
        }
    }

    fn end(&self, options: &RunOptions) -> Result<(), Failure> {
        let Run { id, task, status, .. } = &self.run;
        if options.fleet.json {
            out::json(&self.run)?;
        }
        let after = self.run.duration_ms.map(|ms| format!(" after {}", took(ms))).unwrap_or_default();
        if *status == RunStatus::Succeeded {
            out::note(&format!("run {id} of {task} succeeded{after}"));
            return Ok(());
        }
        let why = self.run.error.as_deref().unwrap_or("it does not say why");
        Err(Failure::Failed(format!("run {id} of {task} {}{after}: {why}", status.as_str())))
    }
}
