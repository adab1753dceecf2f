//! Answers the questions of the other services, each at the position that it asks for or later.

use std::sync::Arc;

use schemas::names::FleetId;
use schemas::neighbours::node_of;
use schemas::query::{
    At, Fault, FaultCode, FleetAnswer, FleetRequest, FleetsAnswer, FleetsRequest, HistoryAnswer, HistoryRequest,
    NeighboursAnswer, NeighboursRequest, PastAnswer, PastRequest, VariablesAnswer, VariablesRequest,
};
use streams::{AtEnd, Bus, Question, Questions, with_causes};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::line::line;
use crate::live::{From, Live};
use crate::store::{Snapshot, Store, StoreError, beyond, not_found, state};

/// Questions of one kind that are answered at the same time; the next waits until one of them is.
/// Each may hold a connection to the database, and that takes files.
const AT_ONCE: usize = 64;
/// Fleets, or ranges of one value, in one answer.
const MAX_PAGE: u32 = 1_000;

/// A question about fleets.
pub(crate) trait AboutFleets: Question<Answer: Send> + Send + Sync + 'static {
    /// Where the answer comes from.
    const FROM: From;
    /// The position that it wants.
    fn min_position(&self) -> u64;
    /// The moment that it is about; none: now.
    fn at(&self) -> Option<&At> {
        None
    }
    /// The answer. Blocks where it comes from the database.
    fn look_up(&self, live: &Live) -> Result<Self::Answer, Fault>;
}

impl AboutFleets for FleetRequest {
    const FROM: From = From::Memory;

    fn min_position(&self) -> u64 {
        self.min_position
    }

    fn look_up(&self, live: &Live) -> Result<FleetAnswer, Fault> {
        let (fleet, position) = live.look(|fold| (fold.get(&self.fleet), fold.position()));
        Ok(FleetAnswer { position, fleet: fleet.map(|it| (*it).clone()) })
    }
}

impl AboutFleets for FleetsRequest {
    const FROM: From = From::Memory;

    fn min_position(&self) -> u64 {
        self.min_position
    }

    fn look_up(&self, live: &Live) -> Result<FleetsAnswer, Fault> {
        let limit = self.limit.clamp(1, MAX_PAGE) as usize;
        let ((fleets, more), position) =
            live.look(|fold| (fold.page(self.after.as_ref(), limit, self.owners.as_deref()), fold.position()));
        Ok(FleetsAnswer { position, fleets: fleets.iter().map(|it| line(it)).collect(), more })
    }
}

impl AboutFleets for NeighboursRequest {
    const FROM: From = From::Memory;

    fn min_position(&self) -> u64 {
        self.min_position
    }

    fn look_up(&self, live: &Live) -> Result<NeighboursAnswer, Fault> {
        Ok(live.look(|fold| NeighboursAnswer {
            position: fold.position(),
            node: fold.get(&self.fleet).and_then(|it| node_of(&it)),
            held: fold.in_the_way(&self.fleet, &self.parts, NeighboursAnswer::MOST),
        }))
    }
}

impl AboutFleets for PastRequest {
    const FROM: From = From::Disk;

    fn min_position(&self) -> u64 {
        self.min_position
    }

    fn at(&self) -> Option<&At> {
        Some(&self.at)
    }

    fn look_up(&self, live: &Live) -> Result<PastAnswer, Fault> {
        read(live, |store, snapshot| {
            let Some(fleet) = snapshot.find(&self.fleet)? else { return Ok(Err(no_fleet(&self.fleet))) };
            Ok(match snapshot.moment(&fleet, &self.at)? {
                Ok(position) => Ok(PastAnswer { position, state: state(store, snapshot, &fleet, position)? }),
                Err(fault) => Err(fault),
            })
        })
    }
}

impl AboutFleets for VariablesRequest {
    const FROM: From = From::Disk;

    fn min_position(&self) -> u64 {
        self.min_position
    }

    fn at(&self) -> Option<&At> {
        self.at.as_ref()
    }

    fn look_up(&self, live: &Live) -> Result<VariablesAnswer, Fault> {
        read(live, |_, snapshot| {
            let Some(fleet) = snapshot.find(&self.fleet)? else { return Ok(Err(no_fleet(&self.fleet))) };
            let moment = match &self.at {
                Some(at) => snapshot.moment(&fleet, at)?,
                None => Ok(snapshot.position()?),
            };
            Ok(match moment {
                Ok(position) => Ok(VariablesAnswer { position, variables: snapshot.variables(&fleet, position)? }),
                Err(fault) => Err(fault),
            })
        })
    }
}

impl AboutFleets for HistoryRequest {
    const FROM: From = From::Disk;

    fn min_position(&self) -> u64 {
        self.min_position
    }

    fn at(&self) -> Option<&At> {
        self.at.as_ref()
    }

    fn look_up(&self, live: &Live) -> Result<HistoryAnswer, Fault> {
        let limit = self.limit.clamp(1, MAX_PAGE) as usize;
        read(live, |_, snapshot| {
            let Some(fleet) = snapshot.find(&self.fleet)? else { return Ok(Err(no_fleet(&self.fleet))) };
            let moment = match &self.at {
                Some(at) => snapshot.moment(&fleet, at)?,
                None => Ok(snapshot.position()?),
            };
            let position = match moment {
                Ok(position) => position,
                Err(fault) => return Ok(Err(fault)),
            };
            let history = snapshot.history(&fleet, &self.path, position, self.before, limit)?;
            Ok(match history {
                Some((ranges, more)) => Ok(HistoryAnswer { position, ranges, more }),
                None => Err(self.no_path(snapshot.variables(&fleet, position)?.into_keys())),
            })
        })
    }
}

/// What asks for a path that is none.
trait NoPath {
    fn no_path(&self, known: impl Iterator<Item = String>) -> Fault;
}

impl NoPath for HistoryRequest {
    fn no_path(&self, known: impl Iterator<Item = String>) -> Fault {
        let (fleet, path) = (&self.fleet, &self.path);
        let below: Vec<_> = known.filter(|it| it.starts_with(&format!("{path}."))).take(5).collect();
        let hint = if below.is_empty() {
            format!("GET /v1/fleets/{fleet}/variables, or `fleetlog vars`, lists all paths")
        } else {
            format!("below it are `{}`", below.join("`, `"))
        };
        not_found(format!("`{path}` never had a value in `{fleet}`: {hint}"))
    }
}

fn no_fleet(fleet: &FleetId) -> Fault {
    not_found(format!("there is no fleet `{fleet}`: `git push … -o create` makes one; GET /v1/fleets lists them"))
}

/// Looks into the database. One that is lost is given up, and made anew.
fn read<R>(
    live: &Live,
    look: impl Fn(&Store, &Snapshot<'_>) -> Result<Result<R, Fault>, StoreError>,
) -> Result<R, Fault> {
    let behind = |message: String| Fault { code: FaultCode::Behind, message };
    loop {
        let Some(store) = live.store() else {
            let message = "the registry's database is being made anew from the log: ask again in a while".to_owned();
            return Err(behind(message));
        };
        let error = match store.read(|snapshot| look(&store, snapshot)) {
            Ok(answer) => return answer,
            Err(error) => error,
        };
        let said = with_causes(&error);
        if !error.is_loss() {
            tracing::error!(error = &error as &dyn std::error::Error, "the registry's database cannot be read now");
            let message = format!("the registry's database cannot be read now: {said}; ask again in a while");
            return Err(Fault { code: FaultCode::Unavailable, message });
        }
        // Another took its place meanwhile, and its file went.
        if live.store().is_some_and(|now| now.path() != store.path()) {
            continue;
        }
        live.give_up(&store, &error);
        return Err(behind(format!("the registry's database is made anew, because it cannot be used: {said}")));
    }
}

/// Answers every question of one kind until it is told to stop.
pub(crate) async fn all<Q>(
    questions: Questions<Q>,
    live: &Arc<Live>,
    bus: &Bus,
    shutdown: &CancellationToken,
) -> Result<(), Error>
where
    Q: AboutFleets,
{
    let served =
        questions.serve(AT_ONCE, AtEnd::Drop, shutdown, |question| answer(question, live.clone(), bus.clone()));
    Ok(served.await?)
}

async fn answer<Q: AboutFleets>(question: Q, live: Arc<Live>, bus: Bus) -> Result<Q::Answer, Fault> {
    ready_for(&question, &live, &bus).await?;
    if Q::FROM == From::Memory {
        return question.look_up(&live);
    }
    spawn_blocking(move || question.look_up(&live)).await.unwrap_or_else(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "an answer broke off");
        Err(Fault { code: FaultCode::Stopped, message: format!("the look into the past broke off: {error}") })
    })
}

/// Waits for the wanted position, and for the moment that the question is about where the log has it already.
async fn ready_for<Q: AboutFleets>(question: &Q, live: &Live, bus: &Bus) -> Result<(), Fault> {
    let mut wanted = question.min_position();
    let here = live.position(Q::FROM);
    let beyond_here = match question.at() {
        Some(At::Position(position)) if *position > here => Some(*position),
        // Until its end is here, the log may hold an event before that time that is not.
        Some(At::Time(_)) => Some(0),
        _ => None,
    };
    if let Some(position) = beyond_here {
        let unknown =
            |error| Fault { code: FaultCode::Behind, message: format!("where the log ends is not known: {error}") };
        let head = bus.head().await.map_err(unknown)?;
        wanted = wanted.max(head);
        // A commit of at least seven digits may look like a position.
        if position > head && position < 1_000_000 {
            return Err(beyond(position, head));
        }
    }
    live.reach(Q::FROM, wanted).await
}
