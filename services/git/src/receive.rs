//! Takes a push from its client: waits for a turn, measures the pack on its way into `git receive-pack`, and passes on
//! what that says. What is refused here Git has never seen whole, so nothing has changed.
//!
//! A push does not end with its client: its child runs to its end, so that what was begun is finished.

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use schemas::access::Who;
use streams::with_causes;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::body::{Intake, IntakeError};
use crate::context::{Context, InUse};
use crate::exchange::{self, PIECES, Service};
use crate::gauge::{Gauge, Unfit};
use crate::hook;
use crate::launch::FRUGAL;
use crate::layout::{SOCKET_FROM_REPOSITORY, make_bare};
use crate::opening::Opening;
use crate::push::Push;
use crate::refuse::{Refused, recall};
use crate::verdict::{self, Packets};
use crate::{key, refs};

/// Bytes measured at a time: zlib blows them up at most a thousandfold.
const PIECE: usize = 16 << 10;

/// A push that waits for its turn is told so after this, then every so often.
const TELL: Duration = Duration::from_millis(500);
const TELL_AGAIN: Duration = Duration::from_secs(5);

/// How long a client is listened to that sends more than anybody wants, so that it reads the answer first.
const REST: Duration = Duration::from_secs(10);

/// Why a push ends here.
struct Verdict {
    /// What `git push` shows behind each ref.
    reason: String,
    refused: Refused,
}

/// How the way of a request into Git ended.
enum Fed {
    /// Git has all that it wanted.
    All,
    /// The client has hung up, or may not go on.
    Gone,
    /// We do not take it.
    Not(Verdict),
}

/// One push, from its opening on.
struct Receive {
    context: Arc<Context>,
    push: Arc<Push>,
    opening: Opening,
    answer: mpsc::Sender<io::Result<Bytes>>,
}

/// Takes a push: the answer's body.
pub(crate) fn push(
    context: &Arc<Context>,
    repository: InUse,
    (who, over): (Who, CancellationToken),
    opening: Opening,
    intake: Intake,
) -> Body {
    let (answer, pieces) = mpsc::channel(PIECES);
    let push = Arc::new(Push::new(streams::clock::new_id(), repository, who, over));
    context.begin(Arc::clone(&push));
    let receive = Receive { context: Arc::clone(context), push, opening, answer };
    context.tasks.spawn(receive.run(intake));
    // What became of a push is told to its end, to whomever.
    exchange::streamed(pieces, CancellationToken::new())
}

impl Receive {
    async fn run(mut self, mut intake: Intake) {
        let verdict = match self.turn().await {
            Ok(turn) => {
                let verdict = self.receive(&mut intake).await;
                drop(turn);
                verdict
            }
            Err(verdict) => verdict,
        };
        if let Some(verdict) = verdict {
            self.tell(verdict).await;
        }
        self.context.end(self.push.id);
        let (over, shutdown) = (self.push.over.clone(), self.context.shutdown.clone());
        // The answer ends here, and so does the use of the repository.
        drop(self);
        if over.is_cancelled() {
            return;
        }
        // A client that is still sending might not see an answer on a connection that is closed under its hands.
        let rest = async { while let Ok(Some(_)) = intake.next().await {} };
        tokio::select! {
            // Nothing is lost with it: bytes that nobody wants.
            _ = tokio::time::timeout(REST, rest) => {}
            () = shutdown.cancelled() => {}
        }
    }

    /// Waits for a turn, and says so. No verdict: nobody is left to hear it.
    async fn turn(&mut self) -> Result<OwnedSemaphorePermit, Option<Verdict>> {
        let limits = &self.context.config.limits;
        let begun = Instant::now();
        let turn = Arc::clone(&self.context.pushing).acquire_owned();
        tokio::pin!(turn);
        let mut tell_at = begun + TELL;
        loop {
            tokio::select! {
                turn = &mut turn => return turn.map_err(|_| Some(stopping())),
                () = self.context.shutdown.cancelled() => return Err(Some(stopping())),
                () = self.answer.closed() => return Err(None),
                () = self.push.over.cancelled() => {
                    return Err(Some(Verdict { reason: "not any more".to_owned(), refused: Refused::right_ended() }));
                }
                () = tokio::time::sleep_until(tell_at.min(begun + limits.turn)) => {}
            }
            let waited = begun.elapsed();
            if waited >= limits.turn {
                let (most, seconds) = (limits.pushes, limits.turn.as_secs_f32());
                let message = format!(
                    "too many pushes at once: {most} are under way, which is what `{}` allows, and none of them ended \
                     within {seconds} s (`{}`)\nnothing changed, try again",
                    key::PUSHES,
                    key::TURN
                );
                let reason = "too many pushes at once, try again".to_owned();
                return Err(Some(Verdict { reason, refused: Refused::untold(message) }));
            }
            tell_at = Instant::now() + TELL_AGAIN;
            let so_far = match waited.as_secs() {
                0 => String::new(),
                seconds => format!(", for {seconds} s now"),
            };
            let (most, key) = (limits.pushes, key::PUSHES);
            let line = format!("waiting for a turn{so_far}: {most} pushes are under way, no more at once (`{key}`)");
            self.say(&line).await;
        }
    }

    /// Lets Git receive it. Answers why not, where it is us who stop it.
    async fn receive(&mut self, intake: &mut Intake) -> Option<Verdict> {
        if let Some(excess) = &self.opening.excess {
            let (code, reason) = excess.in_short();
            return Some(Verdict {
                reason: reason.to_owned(),
                refused: Refused::not_allowed(code, excess.to_string()),
            });
        }
        if let Some(name) = self.opening.twice() {
            let name = refs::shown(&String::from_utf8_lossy(name));
            let message = format!("{name} is named twice in this push: expected each ref once");
            return Some(Verdict {
                reason: "named twice".to_owned(),
                refused: Refused::not_allowed("ref-name", message),
            });
        }
        if let Err(refused) = refs::few(self.opening.names.len(), self.context.config.limits.refs) {
            return Some(Verdict { reason: "too many refs".to_owned(), refused });
        }
        let child = match self.start().await {
            Ok(child) => child,
            Err(error) => {
                tracing::error!(fleet = %self.push.repository.fleet, error, "Git cannot be run");
                let refused = Refused::untold(format!("{error}\nnothing changed, try again"));
                return Some(Verdict { reason: "nothing changed, try again".to_owned(), refused });
            }
        };
        let mut packets = Packets::default();
        let fed = self.exchange(child, intake, &mut packets).await;
        match fed {
            Fed::Not(verdict) => return Some(verdict),
            Fed::All if self.push.is_unseen() => self.explain(Refused::by_git()).await,
            Fed::All | Fed::Gone => {}
        }
        self.send(packets.end().to_vec()).await;
        None
    }

    async fn start(&self) -> Result<Child, String> {
        let path = &self.push.repository.path;
        // For readers a fleet is there once the log knows it, not once its folder is.
        make_bare(path).map_err(|error| with_causes(&error))?;
        let arguments = FRUGAL.into_iter().chain([Service::ReceivePack.command(), "--stateless-rpc", "."]);
        let mut command = self.context.launcher.git(path, arguments);
        let limits = &self.context.config.limits;
        // The last line of defence: no single thing in the child's memory is larger than two objects that it has to
        // hold, and its lists of objects.
        let most = 2 * limits.held_bytes + 256 * u64::from(limits.pack_objects);
        command.stdin(Stdio::piped()).env("GIT_ALLOC_LIMIT", most.to_string());
        command.env(hook::SOCKET, SOCKET_FROM_REPOSITORY).env(hook::PUSH, self.push.id.to_string());
        self.context.launcher.spawn(command).await.map_err(|error| format!("Git cannot be started: {error}"))
    }

    /// Runs the child to its end.
    async fn exchange(&mut self, mut child: Child, intake: &mut Intake, packets: &mut Packets) -> Fed {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else { return Fed::Gone };
        let limits = &self.context.config.limits;
        let muted = CancellationToken::new();
        let (commands, begun) = (std::mem::take(&mut self.opening.bytes), self.opening.pack);
        let push = &self.push;
        let input = async {
            let fed = tokio::select! {
                // Dropped, it closes the child's input: a child that has everything does not mind, any other one gives up.
                fed = feed(intake, &commands, begun, Gauge::new(limits), stdin) => fed,
                () = push.over.cancelled() => Fed::Gone,
            };
            if matches!(fed, Fed::Not(_)) {
                muted.cancel();
            }
            fed
        };
        let shape = |bytes: &[u8]| packets.pass(bytes, muted.is_cancelled());
        let output = exchange::pass_on(stdout, limits.slow, &self.answer, &push.left, shape);
        let (fed, passed, complaints) = tokio::join!(input, output, exchange::listen(stderr));
        exchange::end(Service::ReceivePack, child, passed, &complaints).await;
        fed
    }

    /// Says our verdict, in words and in Git's own way.
    async fn tell(&mut self, Verdict { reason, refused }: Verdict) {
        self.explain(refused).await;
        self.send(verdict::report(&self.opening, &reason)).await;
    }

    /// Says why the push is refused, and remembers it.
    async fn explain(&self, refused: Refused) {
        self.say(&refused.message).await;
        if let Some(words) = recall(&self.context, &self.push, &self.opening, refused).await {
            self.say(&words).await;
        }
    }

    async fn say(&self, text: &str) {
        self.send(verdict::said(&self.opening, text)).await;
    }

    /// To the client, if it is still there.
    async fn send(&self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            let sent = self.answer.send(Ok(bytes.into()));
            let _ = tokio::time::timeout(self.context.config.limits.slow, sent).await;
        }
    }
}

/// Writes a request into the child, as far as it may go there.
async fn feed(intake: &mut Intake, opening: &[u8], begun: usize, mut gauge: Gauge, mut child: ChildStdin) -> Fed {
    let (commands, begun) = opening.split_at(begun);
    if child.write_all(commands).await.is_err() {
        return Fed::All;
    }
    let mut piece = Bytes::copy_from_slice(begun);
    loop {
        for part in piece.chunks(PIECE) {
            let used = match gauge.take(part) {
                Ok(used) => used,
                Err(unfit) => return Fed::Not(unfit.into()),
            };
            // A child that has read enough closes its end.
            if child.write_all(&part[..used]).await.is_err() {
                return Fed::All;
            }
        }
        if gauge.is_over() {
            return Fed::All;
        }
        piece = match intake.next().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return gauge.end().map_or_else(|unfit| Fed::Not(unfit.into()), |()| Fed::All),
            Err(IntakeError::Broken(error)) => {
                tracing::info!(error = with_causes(&error), "a pusher has hung up");
                return Fed::Gone;
            }
            Err(error) => return Fed::Not(error.into()),
        };
    }
}

impl From<Unfit> for Verdict {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Over(over) => over.into(),
            Unfit::Damaged { .. } => {
                let refused = Refused::not_allowed("unpack", with_causes(&unfit));
                Self { reason: "the pack is damaged".to_owned(), refused }
            }
        }
    }
}

impl From<crate::limit::Over> for Verdict {
    fn from(over: crate::limit::Over) -> Self {
        Self { reason: format!("over `{}`", over.key), refused: Refused::over(&over) }
    }
}

impl From<IntakeError> for Verdict {
    fn from(error: IntakeError) -> Self {
        let (code, reason) = match error {
            IntakeError::Slow(_) => ("slow", "too slow"),
            IntakeError::Broken(_) | IntakeError::Packing(_) => ("unpack", "the request is damaged"),
        };
        Self { reason: reason.to_owned(), refused: Refused::not_allowed(code, with_causes(&error)) }
    }
}

fn stopping() -> Verdict {
    let reason = "fleetlog is stopping, try again".to_owned();
    Verdict { reason, refused: Refused::untold("fleetlog is stopping: nothing changed, try again") }
}
