//! The service: reads the log, sees to what every start has to, then answers until it is told to stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use schemas::query::{
    CreateProfile, CreateToken, EraseProfile, MembersRequest, PolicyRequest, ProfilesRequest, RevokeToken, SetMail,
    SetMember, SetPolicy, TokensRequest,
};
use streams::{Bus, Filter, Question, Questions, View, guarded, with_causes};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::admit::Doorkeeper;
use crate::answer;
use crate::begin::begin;
use crate::desk::Desk;
use crate::error::Error;
use crate::keys::Keys;
use crate::known::Known;
use crate::used::Used;

/// How often what is kept beside the log is written, and what is to be erased looked after.
const KEEP: Duration = Duration::from_secs(60);

/// What it needs to know.
#[derive(Debug)]
pub struct Config {
    /// `DIR/profiles`
    pub folder: PathBuf,
    /// Its keys.
    pub keys: Keys,
    /// What `DIR/admin.token` holds.
    pub admin_token: String,
}

/// The profiles: started, then run until they are told to stop.
pub struct Service {
    desk: Arc<Desk>,
    doorkeeper: Doorkeeper,
    head: u64,
    admin_token: String,
    begun: Arc<AtomicBool>,
    questions: All,
    shutdown: CancellationToken,
}

struct All {
    profiles: Questions<ProfilesRequest>,
    create: Questions<CreateProfile>,
    mail: Questions<SetMail>,
    erase: Questions<EraseProfile>,
    tokens: Questions<TokensRequest>,
    token: Questions<CreateToken>,
    revoke: Questions<RevokeToken>,
    members: Questions<MembersRequest>,
    member: Questions<SetMember>,
    policy: Questions<PolicyRequest>,
    set_policy: Questions<SetPolicy>,
}

/// Looks at the profiles while they run.
#[derive(Clone)]
pub struct Readiness {
    view: View<Known>,
    head: u64,
    begun: Arc<AtomicBool>,
}

impl Service {
    /// Can be asked from now on, and answers once it runs.
    pub async fn start(config: Config, bus: Bus, shutdown: CancellationToken) -> Result<Self, Error> {
        let Config { folder, keys, admin_token } = config;
        let used = Arc::new(Used::open(&folder)?);
        let questions = All {
            profiles: questions(&bus).await?,
            create: questions(&bus).await?,
            mail: questions(&bus).await?,
            erase: questions(&bus).await?,
            tokens: questions(&bus).await?,
            token: questions(&bus).await?,
            revoke: questions(&bus).await?,
            members: questions(&bus).await?,
            member: questions(&bus).await?,
            policy: questions(&bus).await?,
            set_policy: questions(&bus).await?,
        };
        let head = bus.system_head().await.map_err(Error::Head)?;
        let view = View::new(Known::default());
        let doorkeeper = Doorkeeper::new(view.clone(), keys.clone(), Some(Arc::clone(&used)), head);
        let desk = Arc::new(Desk::new(bus, view, keys, used));
        Ok(Self { desk, doorkeeper, head, admin_token, begun: Arc::default(), questions, shutdown })
    }

    /// Tells whether it is ready, also while [`run`](Self::run) has the service.
    pub fn readiness(&self) -> Readiness {
        Readiness { view: self.desk.view.clone(), head: self.head, begun: Arc::clone(&self.begun) }
    }

    /// Who tells every door of this process who may come in.
    pub fn doorkeeper(&self) -> Doorkeeper {
        self.doorkeeper.clone()
    }

    /// Folds the log and answers questions, until it is told to stop or one of them fails.
    ///
    /// An event that cannot be read stops the fold but not the answers: they say so, nobody is let in, and readiness is
    /// red.
    pub async fn run(self) -> Result<(), Error> {
        let Self { desk, doorkeeper, head, admin_token, begun, questions, shutdown } = self;
        // One of the loops failing ends the others: none of them is of use alone.
        let all = shutdown.child_token();
        let fold = guarded(&all, fold(&desk, &all));
        let work = guarded(&all, async {
            let mut positions = desk.view.positions();
            tokio::select! {
                // Only looks: dropping it loses nothing. The sender cannot be gone, we hold it.
                _ = positions.wait_for(|at| *at >= head) => {}
                () = all.cancelled() => return Ok(()),
            }
            begin(&desk, &admin_token).await?;
            begun.store(true, Ordering::Release);
            serve(&desk, questions, &all).await
        });
        let watch = async {
            doorkeeper.watch(&all).await;
            Ok(())
        };
        tokio::try_join!(fold, work, watch).map(drop)
    }
}

impl Readiness {
    /// `None`: ready. Else why not, for people.
    pub fn ready(&self) -> Option<String> {
        if let Some(why) = self.view.stopped() {
            return Some(format!("stopped: {why}"));
        }
        let position = self.view.position();
        if position < self.head {
            return Some(format!("reading the log: at position {position} of {}", self.head));
        }
        (!self.begun.load(Ordering::Acquire)).then(|| "seeing to the profile `admin`".to_owned())
    }
}

async fn serve(desk: &Arc<Desk>, questions: All, all: &CancellationToken) -> Result<(), Error> {
    let All { profiles, create, mail, erase, tokens, token, revoke, members, member, policy, set_policy } = questions;
    let at = || Arc::clone(desk);
    let ended = tokio::try_join!(
        guarded(all, answer::all(profiles, at(), all)),
        guarded(all, answer::all(create, at(), all)),
        guarded(all, answer::all(mail, at(), all)),
        guarded(all, answer::all(erase, at(), all)),
        guarded(all, answer::all(tokens, at(), all)),
        guarded(all, answer::all(token, at(), all)),
        guarded(all, answer::all(revoke, at(), all)),
        guarded(all, answer::all(members, at(), all)),
        guarded(all, answer::all(member, at(), all)),
        guarded(all, answer::all(policy, at(), all)),
        guarded(all, answer::all(set_policy, at(), all)),
        guarded(all, keep(desk, all)),
    );
    ended.map(drop)
}

async fn questions<Q: Question>(bus: &Bus) -> Result<Questions<Q>, Error> {
    bus.answer().await.map_err(|source| Error::Answer { subject: Q::SUBJECT, source })
}

/// Folds the log into the view. Where it stops on an event, it says so once and waits for the end: readiness shows it.
async fn fold(desk: &Desk, all: &CancellationToken) -> Result<(), Error> {
    let Err(error) = desk.view.run_on(desk.bus.clone(), Filter::System, all.clone()).await else { return Ok(()) };
    tracing::error!(error = &error as &dyn std::error::Error, "the profiles stopped reading the log");
    all.cancelled().await;
    Ok(())
}

/// Writes when tokens were last used, and erases what could not be erased at once; once more at the end.
async fn keep(desk: &Desk, all: &CancellationToken) -> Result<(), Error> {
    let mut ticks = interval(KEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        let over = tokio::select! {
            // Cancel-safe: a tick that was not taken comes again.
            _ = ticks.tick() => false,
            () = all.cancelled() => true,
        };
        let alive = |token| desk.view.read(|known, _| known.token(token).is_some_and(|it| it.revoked.is_none()));
        if let Err(error) = desk.used.write(alive) {
            tracing::warn!(%error, "when tokens were last used was not written; tried again later");
        }
        if over {
            return Ok(());
        }
        if desk.take_litter()
            && let Err(error) = desk.sweep().await
        {
            tracing::warn!(error = with_causes(&error), "what is to be erased is not yet; tried again later");
            desk.note_litter();
        }
    }
}
