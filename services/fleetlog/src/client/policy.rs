//! `fleetlog policy show|set OWNER`: what no push to a deploy branch of an owner's fleets may bring.

use std::io::{self, Read as _};
use std::path::Path;

use schemas::check::{MAX_BYTES, policy, report};
use schemas::descriptors::Guards;
use schemas::names::Owner;
use serde_json::{Value, json};

use super::failure::Failure;
use super::out;
use super::remote::Remote;
use crate::cli::PolicyCommand;

/// `fleetlog policy …`
pub fn run(command: &PolicyCommand) -> Result<(), Failure> {
    match command {
        PolicyCommand::Show { owner, output } => {
            let guards: Value = Remote::find()?.get(&place(owner), &[], 0)?.read()?;
            if output.json {
                return out::json(&guards);
            }
            match guards.as_object().filter(|it| !it.is_empty()) {
                None => out::line(&format!("`{owner}` guards nothing: every push may bring what it likes")),
                Some(_) => out::line(&format!("{guards:#}")),
            }
        }
        PolicyCommand::Set { owner, file } => {
            let guards = read(file.as_deref())?;
            Remote::find()?.send("PUT", &place(owner), Some(&json!(guards)))?;
            let what = if guards.is_none() { "guards nothing any more" } else { "has another policy" };
            out::line(&format!("`{owner}` {what}; pushes that begin after this are held to it"))
        }
    }
}

fn place(owner: &Owner) -> String {
    format!("/v1/owners/{owner}/policy")
}

/// The policy of a file, or of standard input, with its faults in the words of a check.
fn read(file: Option<&Path>) -> Result<Guards, Failure> {
    let name = file.map_or_else(|| "policy".to_owned(), |it| it.display().to_string());
    let mut bytes = Vec::new();
    let read = match file {
        Some(file) => std::fs::File::open(file).and_then(|it| it.take(MAX_BYTES + 1).read_to_end(&mut bytes)),
        None => io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes),
    };
    read.map_err(|error| Failure::Usage(format!("cannot read `{name}`: {error}")))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Failure::Failed(format!("`{name}` is larger than a policy may be: at most {MAX_BYTES} bytes")));
    }
    match policy(&name, &bytes) {
        Ok(guards) => Ok(guards),
        Err(faults) => out::line(&report(&faults)).and(Err(Failure::Said)),
    }
}
