//! The HTTP listener: bound before anything slow, answering "starting" until the platform is up.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::extract::Request;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// How long requests under way may take to end when the platform stops: as long as Git gives its pushes.
const DRAIN: Duration = Duration::from_secs(10);

/// Reads `--listen`. Only an address of this machine's own is served without TLS and without `--insecure`.
pub fn address(text: &str, insecure: bool) -> anyhow::Result<SocketAddr> {
    let expected = "expected an address and a port, such as 127.0.0.1:7070";
    let mut found = text.to_socket_addrs().with_context(|| format!("`{text}` cannot be listened on: {expected}"))?;
    let address = found.next().with_context(|| format!("`{text}` has no address: {expected}"))?;
    let own = match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
    };
    ensure!(
        own || insecure,
        "`{address}` can be reached from other machines, and TLS is not built yet: listen on a loopback address behind \
         a proxy that does TLS, or say --insecure"
    );
    Ok(address)
}

/// A bound listener and what it serves.
pub struct Face {
    listener: TcpListener,
    address: SocketAddr,
    up: Arc<OnceLock<Router>>,
}

/// Opens the face: from then on the platform's own router answers.
pub struct Opener(Arc<OnceLock<Router>>);

impl Face {
    /// Binds.
    pub async fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        let failed =
            || format!("cannot listen on `{address}`: is something else there? --listen takes another address");
        let listener = TcpListener::bind(address).await.with_context(failed)?;
        let address = listener.local_addr().with_context(failed)?;
        Ok(Self { listener, address, up: Arc::default() })
    }

    /// Where it is bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What [`serve`](Self::serve) waits for.
    pub fn opener(&self) -> Opener {
        Opener(Arc::clone(&self.up))
    }

    /// Serves until it is told to stop and the last request is answered.
    pub async fn serve(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let (starting, up) = (api::starting(), self.up);
        let face = Router::new().fallback(move |request: Request| {
            let router = up.get().unwrap_or(&starting).clone();
            router.oneshot(request)
        });
        // Progress of a push goes out line by line.
        let listener = self.listener.tap_io(|socket| {
            if let Err(error) = socket.set_nodelay(true) {
                tracing::debug!(%error, "a connection keeps its delay");
            }
        });
        let serve = axum::serve(listener, face).with_graceful_shutdown(shutdown.clone().cancelled_owned());
        let too_long = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            end = serve.into_future() => end.context("cannot serve HTTP"),
            () = too_long => {
                tracing::warn!("requests were still under way after {} s: cut off", DRAIN.as_secs());
                Ok(())
            }
        }
    }
}

impl Opener {
    /// The platform is up: `router` answers from now on.
    pub fn open(&self, router: Router) {
        // There is one opener a face, and it opens once.
        let _ = self.0.set(router);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_may_only_come_in_when_somebody_says_so() {
        for own in ["127.0.0.1:0", "[::1]:7070", "127.8.9.10:1", "[::ffff:127.0.0.1]:80"] {
            assert!(address(own, false).is_ok(), "{own}");
        }
        for open in ["0.0.0.0:7070", "[::]:7070", "10.0.0.1:7070"] {
            assert!(address(open, false).unwrap_err().to_string().contains("--insecure"), "{open}");
            assert!(address(open, true).is_ok(), "{open}");
        }
        assert!(address("nonsense", true).is_err());
    }
}
