//! Asks containers for an HTTP path: once, and as long as they run.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use engine::{Container, State};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use schemas::names::{FleetId, Name};
use schemas::spec::{Probe, Readiness};
use schemas::work::{Change, Command, Target};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::host::{Host, Slot};
use super::look::Why;

/// Asks once. The error says what was seen.
pub async fn get(address: IpAddr, port: u16, path: &str, timeout: Duration) -> Result<(), String> {
    match tokio::time::timeout(timeout, ask(SocketAddr::new(address, port), path)).await {
        Ok(Ok(status)) if (200..400).contains(&status) => Ok(()),
        Ok(Ok(status)) => Err(format!("status {status}")),
        Ok(Err(why)) => Err(why),
        Err(_) => Err(format!("no answer within {timeout:?}")),
    }
}

async fn ask(address: SocketAddr, path: &str) -> Result<u16, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let request = hyper::Request::get(path)
        .header("host", address.to_string())
        .header("user-agent", "fleetlog")
        .body(http_body_util::Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    // The connection only moves while it is polled; it ends with this function.
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // A server may close right behind its answer: the answer is there all the same.
        end = connection => match end {
            Ok(()) => answer.await,
            Err(error) => return Err(error.to_string()),
        },
    };
    answer.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
}

/// What a running probe looks after.
struct Watched {
    fleet: FleetId,
    container: Name,
    name: String,
    path: String,
    port: u16,
    interval: Duration,
    timeout: Duration,
    retries: u32,
}

impl Host {
    /// Tells that a container which has just become ready is healthy, where only we can know.
    pub(super) async fn tell_ready(&self, command: &Command, target: &Target, seen: &Container, slot: &Slot) {
        if matches!(target.readiness.probe, Probe::Http { .. }) && seen.state == State::Running {
            let why = Why::Step(command.cause);
            self.tell_health(slot, &command.fleet, &command.container, seen, Change::Healthy, why).await;
        }
    }

    /// Asks for a container's path from now on, instead of whatever was asked for before.
    pub(super) fn keep_probing(
        self: &Arc<Self>,
        fleet: &FleetId,
        container: &Name,
        name: &str,
        readiness: &Readiness,
        slot: &Slot,
    ) {
        let mut running = slot.probe.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = running.take() {
            old.cancel();
        }
        let Probe::Http { path, port, interval, timeout, retries } = &readiness.probe else { return };
        slot.told().probed = true;
        let watched = Watched {
            fleet: fleet.clone(),
            container: container.clone(),
            name: name.to_owned(),
            path: path.clone(),
            port: *port,
            interval: Duration::from(*interval).max(Duration::from_millis(100)),
            timeout: (*timeout).into(),
            retries: *retries,
        };
        let end = self.shutdown.child_token();
        *running = Some(end.clone());
        self.probes.spawn(look_after(self.clone(), watched, end));
    }
}

/// Until it is told to stop, or the container is gone.
async fn look_after(host: Arc<Host>, it: Watched, end: CancellationToken) {
    let slot = host.slot(&it.name);
    let mut failures = 0;
    let mut known: Option<Container> = None;
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            // Something happened to it: its address may be another one now.
            () = slot.wake.notified() => known = None,
            () = tokio::time::sleep(it.interval) => {}
        }
        // A step that is at it looks for itself.
        if slot.busy.try_lock().is_err() {
            known = None;
            continue;
        }
        let seen = match known.take() {
            Some(seen) => seen,
            None => match host.engine.inspect(&it.name).await {
                Ok(Some(seen)) if host.is_ours(&seen.labels) => seen,
                Ok(_) => return,
                // Docker is away: nothing is known, so nothing is told.
                Err(_) => continue,
            },
        };
        let Some(address) = host.address(&seen).await.filter(|_| seen.state == State::Running) else { continue };
        let answer = get(address, it.port, &it.path, it.timeout).await;
        let change = match answer {
            Ok(()) => {
                failures = 0;
                Change::Healthy
            }
            Err(_) => {
                failures += 1;
                if failures < it.retries {
                    continue;
                }
                Change::Unhealthy
            }
        };
        if end.is_cancelled() {
            return;
        }
        let seen = match change {
            Change::Healthy => seen,
            // Perhaps another hand froze or stopped it while it was asked.
            _ => match host.engine.inspect(&it.name).await {
                Ok(Some(now)) if now.state == State::Running && now.started_ns == seen.started_ns => now,
                _ => continue,
            },
        };
        host.tell_health(&slot, &it.fleet, &it.container, &seen, change, Why::Seen).await;
        if change == Change::Unhealthy
            && let Ok(_busy) = slot.busy.try_lock()
            && let Err(error) = host.mend(&slot, &it.fleet, &it.container, &seen).await
        {
            tracing::warn!(%error, container = it.name, "an unhealthy container could not be started again");
        }
        known = answer.is_ok().then_some(seen);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers every connection with `answer` and closes it at once.
    async fn ask_server(answer: &'static str, times: usize) -> Vec<Result<(), String>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            for _ in 0..times {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        };
        let client = async {
            let mut answers = Vec::new();
            for _ in 0..times {
                answers.push(get(address.ip(), address.port(), "/", Duration::from_secs(5)).await);
            }
            answers
        };
        tokio::join!(server, client).1
    }

    #[tokio::test]
    async fn a_server_that_closes_right_behind_its_answer_is_healthy_every_time() {
        let answers = ask_server("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 300).await;
        assert!(answers.iter().all(Result::is_ok), "{:?}", answers.iter().find(|it| it.is_err()));
    }

    #[tokio::test]
    async fn another_status_is_said() {
        assert_eq!(ask_server("HTTP/1.0 503 No\r\n\r\n", 1).await, [Err("status 503".to_owned())]);
        assert_eq!(ask_server("HTTP/1.0 302 Found\r\nLocation: /x\r\n\r\n", 1).await, [Ok(())]);
    }

    #[tokio::test]
    async fn nobody_there_is_said() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let why = get(address.ip(), address.port(), "/", Duration::from_secs(5)).await.unwrap_err();
        assert!(why.contains("refused"), "{why}");
    }
}
