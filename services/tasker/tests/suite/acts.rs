//! What steps do, and the hand that does it in the simulated engine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::{Action, Kind, Scope, Simulated};
use schemas::spec::OUTPUT_FOLDER;
use serde_json::{Value, json};

/// What the process of a step does in the simulated engine, one act after the other.
#[derive(Debug, Clone)]
pub enum Act {
    /// It writes a line.
    Says(&'static str),
    /// It writes this to `$FLEETLOG_OUTPUT`.
    Puts(String),
    /// From now on it ends with this code on TERM, or ignores it.
    OnTerm(Option<i64>),
    /// Time passes.
    Rests(Duration),
    /// It is killed for want of memory.
    Bursts,
    /// It ends.
    Exits(i64),
}

/// Shell script → what it does.
#[derive(Debug, Clone, Default)]
pub struct Scripts(Arc<Mutex<BTreeMap<String, Vec<Act>>>>);

impl Scripts {
    /// A step: `shell` where Docker runs it, `acts` where nobody does.
    pub fn step(&self, shell: &str, acts: &[Act]) -> Value {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(shell.to_owned(), acts.to_vec());
        json!({ "run": ["sh", "-c", shell] })
    }

    fn of(&self, shell: &str) -> Vec<Act> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(shell).unwrap_or_else(|| panic!("nobody said what {shell:?} does")).clone()
    }
}

/// Plays the acts of every step that starts.
pub async fn play(engine: Simulated, scripts: Scripts) {
    let mut wakes = engine.events(&Scope::default()).await.unwrap();
    let mut playing = tokio::task::JoinSet::new();
    loop {
        let wake = wakes.next().await.unwrap();
        if (wake.kind, wake.action) != (Kind::Container, Action::Start) {
            continue;
        }
        let Some(seen) = engine.inspect(&wake.name).await.unwrap() else { continue };
        let shell = seen.shown.command.unwrap().pop().unwrap();
        playing.spawn(act(engine.clone(), wake.name, scripts.of(&shell)));
    }
}

async fn act(engine: Simulated, container: String, acts: Vec<Act>) {
    for act in acts {
        // Somebody may have stopped it, and removed it: then nothing is left to do.
        let done = match act {
            Act::Says(line) => engine.write_line(&container, line),
            Act::Puts(text) => engine.write_file(&container, &format!("{OUTPUT_FOLDER}/output"), &text),
            Act::OnTerm(code) => engine.on_signal(&container, "TERM", code),
            Act::Rests(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Act::Bursts => engine.run_out_of_memory(&container),
            Act::Exits(code) => engine.exit(&container, code),
        };
        if done.is_err() {
            return;
        }
    }
}
