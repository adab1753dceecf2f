//! One exchange with a client: `git upload-pack` with both bodies streamed through, and what `receive` needs of that.
//!
//! A fetch ends with its client.

use std::io;
use std::process::Stdio;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use crate::body::{Encoding, Intake};
use crate::context::{Context, InUse};
use crate::error::GitError;
use crate::launch::complaint;
use crate::push::NOT_ANY_MORE;

/// Bytes read from a child at a time.
const PIECE: usize = 32 << 10;

/// Pieces on their way to the client, in pieces.
pub(crate) const PIECES: usize = 4;

/// Bytes of a child's complaints that are kept.
const COMPLAINT: usize = 4 << 10;

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
    let intake = Intake::new(body, packing, context.config.limits.slow);
    let mut command = context.launcher.git(&repository.path, [service.command(), "--stateless-rpc", "."]);
    command.stdin(Stdio::piped());
    if let Some(protocol) = protocol {
        command.env("GIT_PROTOCOL", protocol);
    }
    let child = context.launcher.spawn(command).await.map_err(|source| fault(service, source))?;
    let (answer, pieces) = mpsc::channel(PIECES);
    let (left, slow) = (CancellationToken::new(), context.config.limits.slow);
    let (shutdown, ended) = (context.shutdown.clone(), over.clone());
    context.tasks.spawn(async move {
        let _held = (repository, turn);
        tokio::select! {
            // Each end drops the child, and with it the process: a fetch changes nothing.
            () = run(child, intake, slow, &answer, &left) => {}
            () = left.cancelled() => {}
            () = ended.cancelled() => {}
            () = shutdown.cancelled() => {}
        }
    });
    Ok(streamed(pieces, over))
}

/// Runs a fetch's child to its end.
async fn run(
    mut child: Child,
    mut intake: Intake,
    slow: std::time::Duration,
    answer: &mpsc::Sender<io::Result<Bytes>>,
    left: &CancellationToken,
) {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else { return };
    let input = async {
        // Ends early where the client stops sending; the child notices that by itself.
        while let Ok(Some(piece)) = intake.next().await {
            if stdin.write_all(&piece).await.is_err() {
                break;
            }
        }
        drop(stdin);
    };
    let output = pass_on(stdout, slow, answer, left, <[u8]>::to_vec);
    let ((), passed, complaints) = tokio::join!(input, output, listen(stderr));
    end(Service::UploadPack, child, passed, &complaints).await;
}

/// Waits for the end of a child that has said everything.
pub(crate) async fn end(service: Service, mut child: Child, passed: io::Result<()>, complaints: &[u8]) {
    match (passed, child.wait().await) {
        (Ok(()), Ok(status)) if status.success() => {}
        (passed, ended) => {
            let status = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            let error = passed.err().map(|error| error.to_string());
            let said = complaint(complaints);
            tracing::info!(service = service.command(), status, error, said, "Git did not end well");
        }
    }
}

/// Passes on what `shape` leaves of what a child writes, until it has written everything. Cancels `left` as soon as the
/// client has hung up, and reads on: what nobody wants any more is dropped.
pub(crate) async fn pass_on(
    mut stdout: impl AsyncRead + Unpin,
    slow: std::time::Duration,
    answer: &mpsc::Sender<io::Result<Bytes>>,
    left: &CancellationToken,
    mut shape: impl FnMut(&[u8]) -> Vec<u8>,
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
        let shaped = shape(&buffer[..read]);
        if left.is_cancelled() || shaped.is_empty() {
            continue;
        }
        // A client that takes nothing for so long is as good as gone.
        let sent = tokio::time::timeout(slow, answer.send(Ok(shaped.into()))).await;
        if !matches!(sent, Ok(Ok(()))) {
            left.cancel();
        }
    }
}

/// What a child complains about, up to a length.
pub(crate) async fn listen(mut stderr: impl AsyncRead + Unpin) -> Vec<u8> {
    let (mut kept, mut buffer) = (Vec::new(), vec![0; 1 << 10]);
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        let room = COMPLAINT.saturating_sub(kept.len()).min(read);
        kept.extend_from_slice(&buffer[..room]);
    }
    kept
}

/// The pieces as a body. Once it is `over` nothing more goes out, also not what waits already; the error breaks the
/// connection, so that nobody takes what came for the whole.
pub(crate) fn streamed(pieces: mpsc::Receiver<io::Result<Bytes>>, over: CancellationToken) -> Body {
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
