//! A hook as a program of its own: what `fleetlog` does when Git calls it by a hook's name. Only for this crate's tests.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let called = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&called).file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    git::hook::main(&name)
}
