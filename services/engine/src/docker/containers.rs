//! The life of a container: list, inspect, create, start, stop, remove, and its last words.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, KillContainerOptions, ListContainersOptions, LogsOptions,
    RemoveContainerOptions, RenameContainerOptions, StartContainerOptions, StopContainerOptions, WaitContainerOptions,
};
use futures_util::{StreamExt, TryStreamExt};
use schemas::descriptors::Mount;
use schemas::spec::Spec;

use super::connection::CALL;
use super::{Docker, classify, create, inspect};
use crate::error::EngineError;
use crate::seen::{Container, Labels, Listed, NetworkAttachment, Scope, State};

/// How many bytes of a container's last words are kept: they go into a message for a person.
const LAST_WORDS: usize = 64 * 1024;

/// How long a wait for a container's end goes on before it looks whether it has missed it, in milliseconds.
const LOOK_UP: Duration = Duration::from_millis(250);

/// The first version of the API that mounts a folder of a volume.
const MOUNT_TAKES_A_SUBPATH: (usize, usize) = (1, 45);

/// The first version of the API whose stop takes a signal.
const STOP_TAKES_A_SIGNAL: (usize, usize) = (1, 42);

impl Docker {
    /// See [`crate::Engine::ping`].
    pub async fn ping(&self) -> Result<(), EngineError> {
        let call = move |client: bollard::Docker| async move { client.ping().await.map(|_| ()) };
        self.connection.call("ping", CALL, call, classify::refused("ping")).await
    }

    /// See [`crate::Engine::list`].
    pub async fn list(&self, scope: &Scope) -> Result<Vec<Listed>, EngineError> {
        let options = &ListContainersOptions { all: true, filters: Some(label_filter(scope)), ..Default::default() };
        let call = move |client: bollard::Docker| async move { client.list_containers(Some(options.clone())).await };
        let found = self.connection.call("list containers", CALL, call, classify::refused("list containers")).await?;
        let mut listed: Vec<Listed> = found.into_iter().map(listed).collect();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// See [`crate::Engine::inspect`].
    pub async fn inspect(&self, container: &str) -> Result<Option<Container>, EngineError> {
        let what = format!("inspect container `{container}`");
        let call = move |client: bollard::Docker| async move {
            client.inspect_container(container, None::<InspectContainerOptions>).await
        };
        let found = self.connection.call(&what, CALL, call, classify::missing(&what, container)).await;
        classify::optional(found)?.map(inspect::container).transpose()
    }

    /// See [`crate::Engine::create`].
    pub async fn create(
        &self,
        name: &str,
        spec: &Spec,
        labels: &Labels,
        network: &NetworkAttachment,
    ) -> Result<String, EngineError> {
        let what = format!("create container `{name}`");
        self.knows(spec, &what).await?;
        let platform = spec.runtime.platform.clone().unwrap_or_default();
        let options = &CreateContainerOptions { name: Some(name.to_owned()), platform };
        let body = &create::body(spec, labels, network);
        let call = move |client: bollard::Docker| async move {
            client.create_container(Some(options.clone()), body.clone()).await
        };
        let made = self.connection.call(&what, CALL, call, |error| classify::create(name, &spec.image, error)).await?;
        for warning in made.warnings {
            tracing::warn!(container = name, warning, "Docker made the container with a warning");
        }
        Ok(made.id)
    }

    /// An older Docker leaves out what it does not know, and would mount the whole volume instead of a folder of it.
    async fn knows(&self, spec: &Spec, what: &str) -> Result<(), EngineError> {
        let part = |mount: &Mount<String>| matches!(mount, Mount::Volume { subpath: Some(_), .. });
        if !spec.volumes.values().any(part) {
            return Ok(());
        }
        let version = self.connection.client().await?.client_version();
        if (version.major_version, version.minor_version) >= MOUNT_TAKES_A_SUBPATH {
            return Ok(());
        }
        let (major, minor) = MOUNT_TAKES_A_SUBPATH;
        let message = format!("`subpath` of a volume needs Docker 26 or newer (API {major}.{minor})");
        Err(EngineError::Refused { what: what.to_owned(), status: 0, message })
    }

    /// See [`crate::Engine::update`].
    pub async fn update(&self, container: &str, spec: &Spec) -> Result<(), EngineError> {
        let (what, thing) = (format!("update container `{container}`"), format!("container `{container}`"));
        let body = &create::update(&spec.live(), &spec.limits);
        let call = move |client: bollard::Docker| async move { client.update_container(container, body.clone()).await };
        self.connection.call(&what, CALL, call, classify::missing(&what, &thing)).await
    }

    /// See [`crate::Engine::rename`].
    pub async fn rename(&self, container: &str, name: &str) -> Result<(), EngineError> {
        let (what, thing) = (format!("rename container `{container}`"), format!("container `{container}`"));
        let options = &RenameContainerOptions { name: name.to_owned() };
        let call =
            move |client: bollard::Docker| async move { client.rename_container(container, options.clone()).await };
        self.connection.call(&what, CALL, call, |error| classify::rename(name, &what, &thing, error)).await
    }

    /// See [`crate::Engine::changes`].
    pub async fn changes(&self, container: &str) -> Result<Vec<String>, EngineError> {
        let (what, thing) = (format!("compare container `{container}`"), format!("container `{container}`"));
        let call = move |client: bollard::Docker| async move { client.container_changes(container).await };
        let changes = self.connection.call(&what, CALL, call, classify::missing(&what, &thing)).await?;
        Ok(changes.unwrap_or_default().into_iter().map(|it| it.path).collect())
    }

    /// See [`crate::Engine::unpause`].
    pub async fn unpause(&self, container: &str) -> Result<(), EngineError> {
        let (what, thing) = (format!("unpause container `{container}`"), format!("container `{container}`"));
        let call = move |client: bollard::Docker| async move { client.unpause_container(container).await };
        match self.connection.call(&what, CALL, call, classify::missing(&what, &thing)).await {
            Err(EngineError::Refused { message, .. }) if message.contains(classify::NOT_PAUSED) => Ok(()),
            end => end,
        }
    }

    /// See [`crate::Engine::start`].
    pub async fn start(&self, container: &str) -> Result<(), EngineError> {
        let what = format!("start container `{container}`");
        let call = move |client: bollard::Docker| async move {
            client.start_container(container, None::<StartContainerOptions>).await
        };
        self.connection.call(&what, CALL, call, |error| classify::start(container, error)).await
    }

    /// See [`crate::Engine::stop`].
    pub async fn stop(&self, container: &str, signal: Option<&str>, grace: Duration) -> Result<(), EngineError> {
        let version = self.connection.client().await?.client_version();
        let takes_a_signal = (version.major_version, version.minor_version) >= STOP_TAKES_A_SIGNAL;
        if let Some(signal) = signal
            && !takes_a_signal
        {
            return self.stop_by_kill(container, signal, grace).await;
        }
        self.plain_stop(container, signal, grace).await
    }

    async fn plain_stop(&self, container: &str, signal: Option<&str>, grace: Duration) -> Result<(), EngineError> {
        let (what, thing) = (format!("stop container `{container}`"), format!("container `{container}`"));
        let options = &StopContainerOptions { signal: signal.map(str::to_owned), t: Some(whole_seconds(grace)) };
        let call =
            move |client: bollard::Docker| async move { client.stop_container(container, Some(options.clone())).await };
        self.connection.call(&what, grace + CALL, call, classify::missing(&what, &thing)).await
    }

    /// An engine whose stop takes no signal: send it ourselves, wait, and then stop whatever is left. The stop also
    /// tells the engine that it was meant, or its restart policy would bring the container back.
    async fn stop_by_kill(&self, container: &str, signal: &str, grace: Duration) -> Result<(), EngineError> {
        let (what, thing) = (format!("send {signal} to container `{container}`"), format!("container `{container}`"));
        let started_ns = match self.inspect(container).await? {
            None => return Err(EngineError::NotFound { what: thing }),
            Some(seen) if bare(&seen.shown.stop.signal) == bare(signal) => {
                return self.plain_stop(container, None, grace).await;
            }
            Some(seen) if seen.state != State::Running => {
                return self.plain_stop(container, None, Duration::ZERO).await;
            }
            Some(seen) => seen.started_ns,
        };
        let options = &KillContainerOptions { signal: signal.to_owned() };
        let call =
            move |client: bollard::Docker| async move { client.kill_container(container, Some(options.clone())).await };
        self.connection.call(&what, CALL, call, classify::missing(&what, &thing)).await?;
        self.until_run_ends(container, started_ns, grace).await?;
        self.plain_stop(container, None, Duration::ZERO).await
    }

    /// Waits until the run that was started at `started_ns` has ended, or until `within` is over. A restart policy may
    /// bring the container back before the wait begins: so the wait looks up now and then.
    async fn until_run_ends(
        &self,
        container: &str,
        started_ns: Option<i64>,
        within: Duration,
    ) -> Result<(), EngineError> {
        let begun = Instant::now();
        while begun.elapsed() < within {
            match self.wait(container, "not-running", LOOK_UP.min(within)).await {
                Ok(()) => break,
                Err(EngineError::Slow { .. }) => {}
                Err(error) => return Err(error),
            }
            if self.inspect(container).await?.is_none_or(|seen| seen.started_ns != started_ns) {
                break;
            }
        }
        Ok(())
    }

    /// See [`crate::Engine::remove`].
    pub async fn remove(&self, container: &str) -> Result<bool, EngineError> {
        self.remove_with(container, RemoveContainerOptions { force: true, v: false, link: false }).await
    }

    pub(super) async fn remove_with(
        &self,
        container: &str,
        options: RemoveContainerOptions,
    ) -> Result<bool, EngineError> {
        let options = &options;
        let (what, thing) = (format!("remove container `{container}`"), format!("container `{container}`"));
        let call = move |client: bollard::Docker| async move {
            client.remove_container(container, Some(options.clone())).await
        };
        let removed = self.connection.call(&what, CALL, call, classify::missing(&what, &thing)).await;
        match classify::optional(removed) {
            Ok(found) => Ok(found.is_some()),
            // Somebody else is removing it: it is gone when they are done.
            Err(EngineError::Refused { status: 409, message, .. }) if message.contains("already in progress") => {
                self.wait(container, "removed", CALL).await.map(|()| true)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until a container is in `condition`; one that is gone is.
    pub(super) async fn wait(&self, container: &str, condition: &str, within: Duration) -> Result<(), EngineError> {
        let what = format!("wait until container `{container}` is {condition}");
        let options = &WaitContainerOptions { condition: condition.to_owned() };
        let call = move |client: bollard::Docker| async move {
            match client.wait_container(container, Some(options.clone())).next().await {
                // An exit code other than 0 comes as an error; the container ended all the same.
                None | Some(Ok(_) | Err(bollard::errors::Error::DockerContainerWaitError { .. })) => Ok(()),
                Some(Err(error)) => Err(error),
            }
        };
        let waited = self.connection.call(&what, within, call, classify::missing(&what, container)).await;
        classify::optional(waited).map(|_| ())
    }

    /// See [`crate::Engine::logs`].
    pub async fn logs(&self, container: &str, tail: usize) -> Result<Vec<String>, EngineError> {
        let (what, thing) = (format!("read logs of container `{container}`"), format!("container `{container}`"));
        let options = &LogsOptions { stdout: true, stderr: true, tail: tail.to_string(), ..Default::default() };
        let call = move |client: bollard::Docker| async move {
            let mut text = Vec::new();
            let mut chunks = client.logs(container, Some(options.clone()));
            while let Some(chunk) = chunks.try_next().await? {
                text.extend_from_slice(&chunk.into_bytes());
                let surplus = text.len().saturating_sub(LAST_WORDS);
                text.drain(..surplus);
            }
            Ok(text)
        };
        let text = self.connection.call(&what, CALL, call, classify::missing(&what, &thing)).await?;
        Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
    }
}

/// Docker's filter for everything that carries these labels.
pub(super) fn label_filter(scope: &Scope) -> HashMap<String, Vec<String>> {
    let labels = scope.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
    HashMap::from([("label".to_owned(), labels)])
}

fn listed(summary: ContainerSummary) -> Listed {
    // A container that others are linked to has more names, each with a slash inside.
    let names = summary.names.unwrap_or_default();
    let name = names.iter().map(|name| name.trim_start_matches('/')).find(|name| !name.contains('/'));
    Listed {
        id: summary.id.unwrap_or_default(),
        name: name.unwrap_or_default().to_owned(),
        labels: summary.labels.unwrap_or_default().into_iter().collect(),
        state: match summary.state {
            Some(ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::STOPPING) => State::Running,
            Some(ContainerSummaryStateEnum::PAUSED) => State::Paused,
            Some(ContainerSummaryStateEnum::RESTARTING) => State::Restarting,
            Some(ContainerSummaryStateEnum::REMOVING) => State::Removing,
            Some(ContainerSummaryStateEnum::EXITED) => State::Exited,
            Some(ContainerSummaryStateEnum::DEAD) => State::Dead,
            Some(ContainerSummaryStateEnum::CREATED | ContainerSummaryStateEnum::EMPTY) | None => State::Created,
        },
    }
}

/// Docker counts a grace in whole seconds: rounded up, so that nobody gets less than was asked for.
pub(super) fn whole_seconds(grace: Duration) -> i32 {
    i32::try_from(grace.as_millis().div_ceil(1_000)).unwrap_or(i32::MAX)
}

/// A signal's name without its prefix.
fn bare(signal: &str) -> &str {
    signal.strip_prefix("SIG").unwrap_or(signal)
}
