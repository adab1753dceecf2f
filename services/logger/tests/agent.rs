//! The collector over a real log, with the simulated engine: what it stores, and where it goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use engine::{Engine, Labels, NetworkAttachment, Output, Simulated};
use logger::{Agent, AgentConfig, AgentError};
use schemas::descriptors::Restart;
use schemas::logs::{Found, unpack};
use schemas::spec::Spec;
use support::Log;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

struct Host {
    log: Log,
    docker: Simulated,
    installation: Uuid,
    agents: JoinSet<Result<(), AgentError>>,
    stop: CancellationToken,
}

impl Host {
    async fn start() -> Self {
        let docker = Simulated::new();
        docker.add_image("i", false);
        let (log, installation) = (Log::start().await, streams::clock::new_id());
        let mut host = Self { log, docker, installation, agents: JoinSet::new(), stop: CancellationToken::new() };
        host.agent().await;
        host
    }

    /// Starts an agent; of several, one goes on.
    async fn agent(&mut self) {
        let engine = Engine::from(self.docker.clone());
        let config = AgentConfig { node: support::node(), installation: self.installation, engine };
        let agent = Agent::start(config, self.log.bus.clone(), self.stop.clone()).await.unwrap();
        self.agents.spawn(agent.with_quiet(std::time::Duration::from_millis(300)).run());
    }

    /// Ends all agents.
    async fn no_agent(&mut self) {
        self.stop.cancel();
        while let Some(end) = self.agents.join_next().await {
            end.unwrap().unwrap();
        }
        self.stop = CancellationToken::new();
    }

    async fn container(&self, name: &str) {
        let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let labels = Labels::from([
            label("fleetlog.installation", &self.installation.to_string()),
            label("fleetlog.fleet", "acme/shop"),
            label("fleetlog.name", name),
        ]);
        let spec = Spec { image: "i".to_owned(), restart: Restart::No, ..Spec::default() };
        let engine = Engine::from(self.docker.clone());
        engine.ensure_network("n", &labels).await.unwrap();
        let attachment = NetworkAttachment { network: "n".to_owned(), alias: name.to_owned() };
        engine.create(name, &spec, &labels, &attachment).await.unwrap();
        engine.start(name).await.unwrap();
    }

    fn says(&self, name: &str, text: &str) {
        self.docker.write_record(name, Output::Stdout, text, true).unwrap();
    }

    /// Everything that was stored.
    async fn stored(&self) -> Vec<Found> {
        let last = self.log.bus.lines_kept().await.unwrap().last;
        let mut lines = self.log.bus.lines(0);
        let (mut found, mut at) = (Vec::new(), 0);
        while at < last {
            let (position, node, batch) = support::in_time("a batch comes", lines.next()).await.unwrap();
            found.extend(unpack(position, &node, batch));
            at = position;
        }
        found
    }

    /// Waits until exactly these lines are stored, in order.
    async fn stores(&self, name: &str, expected: &[&str]) {
        support::eventually("the lines are stored", async || {
            let stored = self.stored().await;
            let texts: Vec<_> =
                stored.iter().filter(|it| it.origin.container == name).map(|it| it.text.as_str()).collect();
            if texts == expected { Ok(()) } else { Err(format!("{texts:?}")) }
        })
        .await;
    }

    async fn end(mut self) {
        self.no_agent().await;
        self.log.stop().await;
    }
}

#[tokio::test]
async fn an_agent_goes_on_where_the_one_before_stopped() {
    let mut host = Host::start().await;
    host.container("api").await;
    host.says("api", "one");
    host.stores("api", &["one"]).await;
    host.no_agent().await;
    host.says("api", "two");
    host.agent().await;
    host.stores("api", &["one", "two"]).await;
    // Half a line waits for its end, also across agents.
    host.docker.write_record("api", Output::Stdout, "three and ", false).unwrap();
    host.docker.write_record("api", Output::Stderr, "meanwhile", true).unwrap();
    host.stores("api", &["one", "two", "meanwhile"]).await;
    host.no_agent().await;
    host.agent().await;
    host.docker.write_record("api", Output::Stdout, "a half", true).unwrap();
    host.stores("api", &["one", "two", "meanwhile", "three and a half"]).await;
    host.end().await;
}

#[tokio::test]
async fn two_agents_of_one_node_double_nothing() {
    let mut host = Host::start().await;
    host.container("api").await;
    host.agent().await;
    let mut expected = Vec::new();
    for number in 0..200 {
        expected.push(format!("line {number}"));
        host.says("api", &expected[number]);
        if number % 20 == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        }
    }
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    host.stores("api", &expected).await;
    host.end().await;
}

#[tokio::test]
async fn an_engine_that_was_away_is_read_on() {
    let host = Host::start().await;
    host.container("api").await;
    host.says("api", "before");
    host.stores("api", &["before"]).await;
    host.docker.set_away(true);
    host.says("api", "while away");
    host.docker.set_away(false);
    host.says("api", "after");
    host.stores("api", &["before", "while away", "after"]).await;
    host.end().await;
}

#[tokio::test]
async fn what_went_while_nobody_read_is_told_once() {
    let mut host = Host::start().await;
    for name in ["read", "unread"] {
        host.container(name).await;
        host.says(name, "hello");
    }
    host.docker.exit("read", 0).unwrap();
    host.stores("read", &["hello"]).await;
    host.stores("unread", &["hello"]).await;
    support::eventually("the end of one is stored", async || {
        let (_, batch) = host.log.bus.last_lines(&support::node()).await.unwrap().unwrap();
        let drained = batch.parts.iter().any(|it| it.origin.container == "read" && it.cursor.drained);
        if drained { Ok(()) } else { Err(format!("{batch:?}")) }
    })
    .await;
    host.no_agent().await;
    for name in ["read", "unread"] {
        Engine::from(host.docker.clone()).remove(name).await.unwrap();
    }
    host.agent().await;
    let gap = support::eventually("the gap is stored", async || {
        let gaps: Vec<_> = host.stored().await.into_iter().filter(|it| it.stream.as_str() == "gap").collect();
        gaps.first().cloned().ok_or_else(|| "none".to_owned())
    })
    .await;
    assert_eq!(gap.origin.container, "unread", "of the other everything was read");
    host.no_agent().await;
    host.agent().await;
    host.container("next").await;
    host.says("next", "hello");
    host.stores("next", &["hello"]).await;
    let gaps = host.stored().await.iter().filter(|it| it.stream.as_str() == "gap").count();
    assert_eq!(gaps, 1, "it is told once");
    host.end().await;
}

/// Whether the platform may remove a container now, for all that it wrote.
async fn drained(host: &Host, name: &str) -> bool {
    let id = Engine::from(host.docker.clone()).inspect(name).await.unwrap().unwrap().id;
    host.log.bus.lines_drained(&support::node(), &id).await.unwrap()
}

#[tokio::test]
async fn who_removes_a_container_waits_for_its_last_lines() {
    let mut host = Host::start().await;
    for round in 0..20 {
        let name = format!("api-{round}");
        host.container(&name).await;
        let expected: Vec<String> = (0..50).map(|number| format!("line {number}")).collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        for text in &expected {
            host.says(&name, text);
        }
        if round % 4 == 0 {
            // Docker follows no more, and does not say so.
            host.docker.deafen(&name).unwrap();
            host.says(&name, "unheard");
        }
        host.docker.exit(&name, 0).unwrap();
        assert!(drained(&host, &name).await);
        Engine::from(host.docker.clone()).remove(&name).await.unwrap();
        // Stored before the answer: whoever kills the agent now takes nothing with it.
        let stored = host.stored().await;
        let texts: Vec<&str> =
            stored.iter().filter(|it| it.origin.container == name).map(|it| it.text.as_str()).collect();
        let expected = if round % 4 == 0 { [&expected[..], &["unheard"]].concat() } else { expected };
        assert_eq!(texts, expected, "round {round}");
    }
    // One that was read to its end before is answered again and again, also after another start.
    host.container("twice").await;
    for text in ["one", "two"] {
        Engine::from(host.docker.clone()).start("twice").await.unwrap();
        host.says("twice", text);
        host.docker.exit("twice", 0).unwrap();
        assert!(drained(&host, "twice").await && drained(&host, "twice").await);
    }
    host.stores("twice", &["one", "two"]).await;
    // What is not there is no hindrance; without an agent nobody is.
    assert!(host.log.bus.lines_drained(&support::node(), "0123456789abcdef0123456789abcdef").await.unwrap());
    host.no_agent().await;
    assert!(!drained(&host, "twice").await);
    host.agent().await;
    assert!(drained(&host, "twice").await);
    let gaps = host.stored().await.into_iter().filter(|it| it.stream.as_str() == "gap").count();
    assert_eq!(gaps, 0);
    host.end().await;
}

#[tokio::test]
async fn who_removes_a_container_is_answered_by_one_of_two_agents() {
    let mut host = Host::start().await;
    host.agent().await;
    for round in 0..10 {
        let name = format!("api-{round}");
        host.container(&name).await;
        host.says(&name, "last words");
        host.docker.exit(&name, 0).unwrap();
        assert!(drained(&host, &name).await);
        Engine::from(host.docker.clone()).remove(&name).await.unwrap();
        host.stores(&name, &["last words"]).await;
    }
    host.end().await;
}

#[tokio::test]
async fn a_container_that_runs_on_is_not_said_to_be_read() {
    let host = Host::start().await;
    host.container("api").await;
    host.says("api", "one");
    let id = Engine::from(host.docker.clone()).inspect("api").await.unwrap().unwrap().id;
    let error = host.log.bus.lines_drained(&support::node(), &id).await.unwrap_err();
    assert!(matches!(error, streams::LinesError::Unread { .. }), "{error:?}");
    host.says("api", "two");
    host.stores("api", &["one", "two"]).await;
    host.end().await;
}

#[tokio::test]
async fn a_reading_that_docker_lets_go_silent_is_taken_up_again() {
    let host = Host::start().await;
    host.container("api").await;
    let mut expected = Vec::new();
    for round in 0..5 {
        expected.push(format!("heard {round}"));
        host.says("api", &expected[expected.len() - 1]);
        let seen: Vec<&str> = expected.iter().map(String::as_str).collect();
        host.stores("api", &seen).await;
        host.docker.deafen("api").unwrap();
        expected.push(format!("unheard {round}"));
        host.says("api", &expected[expected.len() - 1]);
        let seen: Vec<&str> = expected.iter().map(String::as_str).collect();
        host.stores("api", &seen).await;
    }
    host.end().await;
}
