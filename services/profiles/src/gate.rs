//! The door alone: for a process in which somebody has to show a token, and the profiles run elsewhere.
//!
//! Reads `sys.>` of `EVENTS`, from its first event at each start. Writes nothing, answers nothing, keeps nothing.

use streams::{Bus, Filter, View};
use tokio_util::sync::CancellationToken;

use crate::admit::Doorkeeper;
use crate::error::Error;
use crate::keys::Keys;
use crate::known::Known;

/// The fold that a door of this process asks: started, then run until it is told to stop.
pub struct Gate {
    bus: Bus,
    view: View<Known>,
    doorkeeper: Doorkeeper,
    head: u64,
    shutdown: CancellationToken,
}

/// Looks at the gate while it runs.
#[derive(Clone)]
pub struct GateReadiness {
    view: View<Known>,
    head: u64,
}

impl Gate {
    /// Lets nobody in until it runs and has read what the log held at this moment.
    pub async fn start(keys: Keys, bus: Bus, shutdown: CancellationToken) -> Result<Self, Error> {
        let head = bus.system_head().await.map_err(Error::Head)?;
        let view = View::new(Known::default());
        let doorkeeper = Doorkeeper::new(view.clone(), keys, None, head);
        Ok(Self { bus, view, doorkeeper, head, shutdown })
    }

    /// Who tells every door of this process who may come in.
    pub fn doorkeeper(&self) -> Doorkeeper {
        self.doorkeeper.clone()
    }

    /// Tells whether it is ready, also while [`run`](Self::run) has the gate.
    pub fn readiness(&self) -> GateReadiness {
        GateReadiness { view: self.view.clone(), head: self.head }
    }

    /// Folds the log until it is told to stop. An event that cannot be read stops the fold: nobody is let in any more,
    /// and readiness is red.
    pub async fn run(self) {
        let Self { bus, view, doorkeeper, head: _, shutdown } = self;
        let fold = async {
            if let Err(error) = view.run_on(bus, Filter::System, shutdown.clone()).await {
                tracing::error!(error = &error as &dyn std::error::Error, "the door stopped reading the log");
                shutdown.cancelled().await;
            }
        };
        tokio::join!(fold, doorkeeper.watch(&shutdown));
    }
}

impl GateReadiness {
    /// `None`: ready. Else why not, for people.
    pub fn ready(&self) -> Option<String> {
        if let Some(why) = self.view.stopped() {
            return Some(format!("stopped: {why}"));
        }
        let position = self.view.position();
        (position < self.head).then(|| format!("reading the log: at position {position} of {}", self.head))
    }
}
