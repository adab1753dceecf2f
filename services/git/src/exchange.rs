//! One exchange with a client: `git upload-pack` or `git receive-pack` with both bodies streamed through.
//!
//! A fetch ends with its client. A push does not: its child runs to its end, so that what was begun is finished.

use std::io;
use std::process::Stdio;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures_util::stream;
use schemas::access::Who;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use crate::body::{Encoding, Head, feed};
use streams::with_causes;

use crate::context::{Context, InUse};
use crate::error::GitError;
use crate::hook;
use crate::launch::complaint;
use crate::layout::{SOCKET_FROM_REPOSITORY, make_bare};
use crate::push::{NOT_ANY_MORE, Push};
use crate::refuse::turned_down;

/// Bytes read from a child at a time.
const PIECE: usize = 32 << 10;

/// Pieces on their way to the client, in pieces.
const PIECES: usize = 4;

/// Bytes of a child's complaints that are kept.
const COMPLAINT: usize = 4 << 10;

/// Bytes of a push's commands that are kept: more than any push that is allowed has.
const COMMANDS: usize = 1 << 20;

/// One client's turn.
pub(crate) type Turn = OwnedSemaphorePermit;

/// Which half of Git's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    UploadPack,
    ReceivePack,
}

impl Service {
    /// Git's command, without `git`.
    pub(crate) const fn command(self) -> &'static str {
        match self {
            Self::UploadPack => "upload-pack",
            Self::ReceivePack => "receive-pack",
        }
    }
}

/// Serves a fetch: the answer's body, which breaks off as soon as what let its reader in does not hold any more.
pub(crate) async fn fetch(
    context: &Arc<Context>,
    repository: InUse,
    turn: Turn,
    (over, protocol): (CancellationToken, Option<String>),
    body: Body,
    packing: Encoding,
) -> Result<Body, GitError> {
    let service = Service::UploadPack;
    let mut command = context.launcher.git(&repository.path, [service.command(), "--stateless-rpc", "."]);
    command.stdin(Stdio::piped());
    if let Some(protocol) = protocol {
        command.env("GIT_PROTOCOL", protocol);
    }
    let child = context.launcher.spawn(command).await.map_err(|source| fault(service, source))?;
    let (answer, pieces) = mpsc::channel(PIECES);
    let (left, idle) = (CancellationToken::new(), context.config.limits.idle);
    let (shutdown, ended) = (context.shutdown.clone(), over.clone());
    context.tasks.spawn(async move {
        let _held = (repository, turn);
        tokio::select! {
            // Each end drops the child, and with it the process: a fetch changes nothing.
            _ = run(service, child, body, packing, idle, &answer, (&left, &ended), Head::default()) => {}
            () = left.cancelled() => {}
            () = ended.cancelled() => {}
            () = shutdown.cancelled() => {}
        }
    });
    Ok(streamed(pieces, over))
}

/// Takes a push: the answer's body.
pub(crate) async fn push(
    context: &Arc<Context>,
    repository: InUse,
    turn: Turn,
    (who, over): (Who, CancellationToken),
    body: Body,
    packing: Encoding,
) -> Result<Body, GitError> {
    let service = Service::ReceivePack;
    // For readers a fleet is there once the log knows it, not once its folder is.
    make_bare(&repository.path).map_err(|error| fault(service, io::Error::other(with_causes(&error))))?;
    let id = streams::clock::new_id();
    let mut command = context.launcher.git(&repository.path, [service.command(), "--stateless-rpc", "."]);
    command.stdin(Stdio::piped()).env(hook::SOCKET, SOCKET_FROM_REPOSITORY).env(hook::PUSH, id.to_string());
    let child = context.launcher.spawn(command).await.map_err(|source| fault(service, source))?;
    let (answer, pieces) = mpsc::channel(PIECES);
    let push = Arc::new(Push::new(id, repository, who, over));
    context.begin(Arc::clone(&push));
    let (context, idle) = (Arc::clone(context), context.config.limits.idle);
    context.tasks.clone().spawn(async move {
        let head = Head { limit: COMMANDS, ..Head::default() };
        let fed = run(service, child, body, packing, idle, &answer, (&push.left, &push.over), head).await;
        if let Some(head) = fed {
            turned_down(&context, &push, &head).await;
        }
        context.end(push.id);
        drop(turn);
    });
    // What became of a push is told to its end, to whomever.
    Ok(streamed(pieces, CancellationToken::new()))
}

/// Runs a child to its end. Cancels `left` as soon as the client has hung up, and reads on; takes nothing more from it
/// once it is `over`. Answers the head of the request, unless that ended before it had sent everything that the child
/// wanted.
#[allow(clippy::too_many_arguments)] // One exchange: all of it is used in one place.
async fn run(
    service: Service,
    mut child: Child,
    body: Body,
    packing: Encoding,
    idle: std::time::Duration,
    answer: &mpsc::Sender<io::Result<Bytes>>,
    (left, over): (&CancellationToken, &CancellationToken),
    mut head: Head,
) -> Option<Head> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else { return None };
    let input = async {
        let fed = tokio::select! {
            // Dropped, it closes the child's input: a child that has everything does not mind, any other one gives up.
            fed = feed(body, packing, idle, stdin, &mut head) => fed,
            () = over.cancelled() => return false,
        };
        // A child that has read enough closes its end; a client that hangs up is its own business.
        fed.is_ok() || fed.is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    let output = pass_on(stdout, idle, answer, left);
    let (complete, passed, complaints) = tokio::join!(input, output, listen(stderr));
    let ended = child.wait().await;
    match (passed, ended) {
        (Ok(()), Ok(status)) if status.success() => {}
        (passed, ended) => {
            let status = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            let error = passed.err().map(|error| error.to_string());
            let said = complaint(&complaints);
            tracing::info!(service = service.command(), status, error, said, "Git did not end well");
        }
    }
    complete.then_some(head)
}

/// Passes on what a child writes, until it has written everything. What nobody wants any more is read and dropped.
async fn pass_on(
    mut stdout: impl AsyncRead + Unpin,
    idle: std::time::Duration,
    answer: &mpsc::Sender<io::Result<Bytes>>,
    left: &CancellationToken,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        let read = tokio::select! {
            // Cancel-safe: a read that is dropped has taken nothing.
            read = stdout.read(&mut buffer) => read?,
            () = answer.closed(), if !left.is_cancelled() => {
                left.cancel();
                continue;
            }
        };
        if read == 0 {
            return Ok(());
        }
        if left.is_cancelled() {
            continue;
        }
        // A client that takes nothing for so long is as good as gone.
        let sent = tokio::time::timeout(idle, answer.send(Ok(Bytes::copy_from_slice(&buffer[..read])))).await;
        if !matches!(sent, Ok(Ok(()))) {
            left.cancel();
        }
    }
}

async fn listen(mut stderr: impl AsyncRead + Unpin) -> Vec<u8> {
    let (mut kept, mut buffer) = (Vec::new(), vec![0; 1 << 10]);
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        let room = COMPLAINT.saturating_sub(kept.len()).min(read);
        kept.extend_from_slice(&buffer[..room]);
    }
    kept
}

/// The pieces as a body. Once it is `over` nothing more goes out, also not what waits already; the error breaks the
/// connection, so that nobody takes what came for the whole.
fn streamed(pieces: mpsc::Receiver<io::Result<Bytes>>, over: CancellationToken) -> Body {
    Body::from_stream(stream::unfold((pieces, over), |(mut pieces, over)| async {
        let piece = tokio::select! {
            biased;
            () = over.cancelled() => Err(io::Error::new(io::ErrorKind::PermissionDenied, NOT_ANY_MORE)),
            // Cancel-safe: a piece that was not received stays in the channel.
            piece = pieces.recv() => piece?,
        };
        Some((piece, (pieces, over)))
    }))
}

fn fault(service: Service, source: io::Error) -> GitError {
    GitError::Io { command: service.command(), source }
}
