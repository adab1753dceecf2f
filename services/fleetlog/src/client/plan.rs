//! `fleetlog plan [COMMIT|DIR]`: what a push would change. The platform works it out; a folder's files go there.

use std::collections::BTreeMap;
use std::path::Path;

use schemas::check::{EntryKind, Fault, Takes, report};
use schemas::descriptors::Blob;
use schemas::names::Oid;
use serde_json::{Map, Value, json};

use super::check::{Found, Read, descriptors, taken, warn};
use super::failure::Failure;
use super::remote::Remote;
use super::{here, out};
use crate::cli::PlanOptions;

/// Prints the plan. Exit status 1 where a push would be refused.
pub fn run(options: &PlanOptions) -> Result<(), Failure> {
    let fleet = here::fleet(options.fleet.fleet.as_ref())?;
    let remote = Remote::find()?;
    let body = body(&options.target)?;
    let (status, reply) = remote.send_any("POST", &format!("/v1/fleets/{fleet}/plan"), Some(&body))?;
    let answer: Value = reply.read()?;
    let all = |key: &str| serde_json::from_value::<Vec<Fault>>(answer[key].clone()).unwrap_or_default();
    let refused = all("refused");
    match status {
        200 if options.fleet.json => out::json(&answer).and(said(&refused)),
        200 => {
            warn(&all("warnings"));
            out::line(answer["text"].as_str().unwrap_or_default())?;
            if !refused.is_empty() {
                out::line(&format!("{}\na push of it to the deploy branch would be refused", report(&refused)))?;
            }
            said(&refused)
        }
        422 if options.fleet.json => {
            out::json(&json!({ "faults": answer["faults"], "warnings": answer["warnings"] })).and(Err(Failure::Said))
        }
        422 => {
            warn(&all("warnings"));
            out::line(&report(&all("faults"))).and(Err(Failure::Said))
        }
        _ => {
            let detail = answer["detail"].as_str().map_or_else(|| format!("status {status}"), str::to_owned);
            Err(Failure::Failed(format!("cannot plan: {detail}")))
        }
    }
}

/// What a plan that was told ends with.
fn said(refused: &[Fault]) -> Result<(), Failure> {
    if refused.is_empty() { Ok(()) } else { Err(Failure::Said) }
}

/// A folder's descriptors, or a commit.
fn body(target: &str) -> Result<Value, Failure> {
    let folder = Path::new(target);
    if !folder.is_dir() {
        // What Git does not know here may be known there.
        let commit = here::commit(target).unwrap_or_else(|| target.to_owned());
        return Ok(json!({ "commit": commit }));
    }
    let found = descriptors(folder)?;
    let takes = Takes::of(found.iter().map(Found::shown));
    let mut files = found.into_iter().map(text).collect::<Result<Map<_, _>, _>>()?;
    let mut contents = BTreeMap::new();
    for found in taken(folder, &takes)?.into_iter().filter(|it| takes.wants(&it.path)) {
        contents.insert(found.path.clone(), content(&found)?);
        if takes.renders(&found.path) {
            files.extend([text(found)?]);
        }
    }
    Ok(json!({ "files": files, "contents": contents }))
}

/// A file that a container takes in, without what it says.
fn content(found: &Found) -> Result<Blob, Failure> {
    let Read::Bytes(bytes) = &found.content else {
        return Err(Failure::Failed(format!("`{}` cannot be taken in: `fleetlog check` says more", found.path)));
    };
    let (blob, size, executable) = (Oid::of_blob(bytes), bytes.len() as u64, found.kind == EntryKind::Executable);
    Ok(Blob { blob, size, executable, references: Vec::new() })
}

/// A file as the body carries it: only what a push could bring as a descriptor.
fn text(found: Found) -> Result<(String, Value), Failure> {
    let Found { path, kind, content } = found;
    let refused = |what: &str| Failure::Failed(format!("`{path}` {what}: `fleetlog check` says more"));
    if !matches!(kind, EntryKind::File | EntryKind::Executable) {
        return Err(refused("is no file"));
    }
    match content {
        Read::TooLarge(_) | Read::Unread => Err(refused("is larger than a descriptor may be")),
        Read::Bytes(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok((path, text.into())),
            Err(_) => Err(refused("is no UTF-8 text")),
        },
    }
}
