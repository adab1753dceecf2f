//! Where the hooks report: takes their calls on the socket and gives each to its verb.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::hook::wire::{self, Frame, Hello};
use crate::{accept, inspect, progress};

/// What a hook shows to the pusher or answers to Git.
pub(crate) struct Pen {
    writer: OwnedWriteHalf,
    broken: bool,
}

/// Takes calls until `over`, which comes after the last push. Calls that were taken are finished.
pub(crate) async fn serve(context: &Arc<Context>, listener: UnixListener, over: &CancellationToken) {
    loop {
        // Cancel-safe: a call that was not taken stays in the listener's queue.
        let called = tokio::select! {
            called = listener.accept() => called,
            () = over.cancelled() => break,
        };
        match called {
            Ok((stream, _)) => {
                let context = Arc::clone(context);
                context.tasks.clone().spawn(async move { take(&context, stream).await });
            }
            Err(error) => tracing::warn!(%error, "cannot take a hook's call"),
        }
    }
}

async fn take(context: &Context, stream: UnixStream) {
    let (mut input, writer) = stream.into_split();
    let mut pen = Pen { writer, broken: false };
    let Some(hello) = hello(&mut input).await else {
        tracing::warn!("a hook's call makes no sense");
        return;
    };
    let push = hello.push.parse().ok().and_then(|id| context.push(id));
    let code = match (push, hello.hook.as_str()) {
        (None, _) => {
            pen.say("this push is not known here: did fleetlog start anew? Fetch to see what became of it").await;
            1
        }
        (Some(push), "pre-receive") => inspect::pre_receive(context, &push, &hello, &mut input, &mut pen).await,
        (Some(push), "proc-receive") => accept::proc_receive(context, &push, &mut input, &mut pen).await,
        (Some(push), "post-receive") => progress::post_receive(context, &push, &mut pen).await,
        (Some(_), other) => {
            pen.say(&format!("`{other}` is no hook of ours")).await;
            1
        }
    };
    pen.exit(code).await;
}

async fn hello(input: &mut OwnedReadHalf) -> Option<Hello> {
    let length = usize::try_from(input.read_u32().await.ok()?).ok()?;
    if length > wire::HELLO {
        return None;
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body).await.ok()?;
    Hello::decode(&body)
}

impl Pen {
    /// Shows lines to the pusher. Whether they arrive changes nothing: the pusher may have hung up.
    pub(crate) async fn say(&mut self, text: &str) {
        self.write(Frame::Stderr, format!("{text}\n").as_bytes()).await;
    }

    /// Answers Git.
    pub(crate) async fn answer(&mut self, bytes: &[u8]) {
        self.write(Frame::Stdout, bytes).await;
    }

    /// Whether nobody is there to read any more.
    pub(crate) const fn is_broken(&self) -> bool {
        self.broken
    }

    async fn exit(&mut self, code: u8) {
        self.write(Frame::Exit, &[code]).await;
    }

    async fn write(&mut self, frame: Frame, bytes: &[u8]) {
        for part in bytes.chunks(wire::BODY) {
            let length = u32::try_from(part.len()).unwrap_or_default();
            let mut message = wire::encode_head(frame, length).to_vec();
            message.extend_from_slice(part);
            if !self.broken && self.writer.write_all(&message).await.is_err() {
                self.broken = true;
            }
        }
    }
}
