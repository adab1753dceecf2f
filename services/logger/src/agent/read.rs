//! Reads one container for as long as it is there: follows it while it runs, drains it when it has ended, reads on when
//! it is started again, and says so where it is gone with lines unread.

use std::sync::Arc;
use std::time::Duration;

use engine::{Engine, EngineError, State};
use schemas::logs::{Cursor, Line, Origin};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::drain::Waits;
use super::gap::lost;
use super::join::Joiner;
use super::pass::Pass;

/// Between two tries where Docker stops telling of a container that runs.
const AGAIN: Duration = Duration::from_millis(200);

/// What a reader says.
#[derive(Debug)]
pub(super) enum Said {
    /// It is there, and read up to here.
    Read { origin: Arc<Origin>, cursor: Cursor, lines: Vec<Line> },
    /// It is gone: nobody reads it any more.
    Gone { origin: Arc<Origin> },
    /// Somebody waits until everything that was said before is stored.
    Awaited(Waits),
}

/// What is known of a container from outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Raised with everything that happens to it.
    pub count: u64,
    /// Whether it was ever started, as far as we saw.
    pub ran: bool,
    /// The latest start that an event told, in Docker's time; 0: none.
    pub started_ns: i64,
    /// When the latest list was asked for that showed it running. News may come late: the reader looks for itself, too.
    pub listed: Option<Instant>,
    /// Whether it has ended since.
    pub ended: bool,
    /// Whether it is gone.
    pub gone: bool,
}

/// Reads one container.
pub(super) struct Reader {
    pub engine: Engine,
    /// Docker's whole id.
    pub id: String,
    pub origin: Arc<Origin>,
    pub joiner: Joiner,
    pub news: watch::Receiver<News>,
    /// Who waits for its end, about to remove it.
    pub asked: mpsc::Receiver<Waits>,
    /// Those of them whom the next end answers.
    pub pending: Vec<Waits>,
    /// In chunks of at most 64 KiB or one line.
    pub said: mpsc::Sender<Said>,
    /// After so long without a record it is looked whether Docker has one.
    pub quiet: Duration,
    /// Whether Docker has handed out all lines since the last start, and said that this was the end.
    pub to_its_end: bool,
    /// The end up to which everything is read.
    pub ended: Option<Ended>,
}

/// An end of a container's run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    /// What Docker says when it was, in its time.
    finished_ns: Option<i64>,
    /// What started before this, in Docker's time, is over.
    over_ns: i64,
    /// When it was seen.
    seen: Instant,
}

/// How a reading ended.
enum End {
    /// It does not run, and this was all.
    Drained,
    /// It runs, or nobody knows: read on.
    More,
    /// Docker is away: whoever watches it tells when it is back.
    Away,
    /// It is not there.
    Gone,
}

impl Reader {
    /// Reads until the container is gone. `Err`: nobody listens any more.
    pub async fn run(mut self) -> Result<(), Closed> {
        self.say(Vec::new()).await?;
        loop {
            let seen = *self.news.borrow_and_update();
            if self.is_started_again(seen) {
                (self.joiner.drained, self.to_its_end, self.ended) = (false, false, None);
            }
            match self.read(seen.started_ns).await? {
                End::Gone => break,
                End::More => {
                    self.pending.retain(|it| !it.is_over());
                    // Not too fast, where Docker says nothing but the end.
                    tokio::select! {
                        _ = self.news.changed() => {}
                        () = tokio::time::sleep(AGAIN) => {}
                    }
                    continue;
                }
                End::Drained | End::Away if seen.gone => break,
                End::Drained => self.answer().await?,
                End::Away => {}
            }
            self.wait().await?;
        }
        let mut lines = Vec::new();
        self.joiner.flush(i64::MAX, true, &mut lines);
        let ran = self.news.borrow().ran;
        if !self.joiner.drained && ran {
            lines.push(lost(&self.origin, self.joiner.cursor()));
        }
        self.joiner.drained = true;
        self.say(lines).await?;
        self.answer().await?;
        self.said.send(Said::Gone { origin: self.origin.clone() }).await.map_err(|_| Closed)
    }

    /// Whether it was started after the end up to which everything is read. Docker's events and lists may come after
    /// that end, and tell of a start before it.
    fn is_started_again(&self, news: News) -> bool {
        match self.ended {
            None => news.ran,
            Some(end) => news.started_ns > end.over_ns || news.listed.is_some_and(|it| it > end.seen),
        }
    }

    /// Waits until something happens to the container, or somebody waits for what was not read yet.
    async fn wait(&mut self) -> Result<(), Closed> {
        loop {
            // Both are cancel-safe.
            let waits = tokio::select! {
                changed = self.news.changed() => return changed.map_err(|_| Closed),
                Some(waits) = self.asked.recv() => waits,
            };
            self.pending.push(waits);
            if !self.is_read().await {
                return Ok(());
            }
            self.answer().await?;
        }
    }

    /// Whether everything is read up to an end after which the container was not started again.
    async fn is_read(&self) -> bool {
        let Some(ended_ns) = self.ended.filter(|_| self.joiner.drained).and_then(|it| it.finished_ns) else {
            return false;
        };
        let seen = self.engine.inspect(&self.id).await;
        matches!(seen, Ok(Some(seen)) if has_ended(seen.state) && seen.finished_ns == Some(ended_ns))
    }

    /// Everything is said: who waits for it is told once it is stored, too.
    async fn answer(&mut self) -> Result<(), Closed> {
        for waits in self.pending.drain(..) {
            self.said.send(Said::Awaited(waits)).await.map_err(|_| Closed)?;
        }
        Ok(())
    }

    /// Reads from where the last reading stopped to the end that there is now; `started_ns` is the latest start known.
    async fn read(&mut self, started_ns: i64) -> Result<End, Closed> {
        let before = self.joiner.cursor();
        let mut last = match self.pass(true).await? {
            Ok(pass) => {
                self.to_its_end |= pass.ended;
                pass.last
            }
            Err(error) => {
                let end = end_of(&error);
                // Removed between its end and our next look: nothing came after what was read.
                self.joiner.drained |= end.is_gone() && self.to_its_end && self.joiner.cursor() == before;
                return Ok(end);
            }
        };
        let ended = match self.engine.inspect(&self.id).await {
            // It was read to its end, and removed right after that.
            Ok(None) => {
                self.joiner.drained = true;
                return Ok(End::Gone);
            }
            Ok(Some(seen)) if matches!(seen.state, State::Created) => return Ok(End::Drained),
            Ok(Some(seen)) if has_ended(seen.state) => {
                let times = [seen.finished_ns, seen.started_ns, Some(started_ns)];
                let over_ns = times.into_iter().flatten().max().unwrap_or_default();
                Ended { finished_ns: seen.finished_ns, over_ns, seen: Instant::now() }
            }
            Ok(Some(_)) => return Ok(End::More),
            Err(error) => return Ok(end_of(&error)),
        };
        // Docker may stop following before the last lines are written: where it has more, read what there is once more.
        while !self.is_last(last).await {
            let before = self.joiner.cursor();
            match self.pass(false).await? {
                Ok(Pass { lines: 0, .. }) => break,
                // After a clock was set back the same records come once more; never again and again.
                Ok(_) if self.joiner.cursor() == before => break,
                Ok(pass) => last = pass.last,
                Err(error) if end_of(&error).is_gone() => break,
                Err(error) => return Ok(end_of(&error)),
            }
        }
        let mut lines = Vec::new();
        self.joiner.flush(i64::MAX, true, &mut lines);
        (self.joiner.drained, self.ended) = (true, Some(ended));
        self.say(lines).await?;
        Ok(End::Drained)
    }
}

/// Nobody listens any more.
#[derive(Debug)]
pub(super) struct Closed;

impl End {
    fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }
}

fn has_ended(state: State) -> bool {
    matches!(state, State::Exited | State::Dead | State::Removing)
}

fn end_of(error: &EngineError) -> End {
    match error {
        EngineError::NotFound { .. } => End::Gone,
        // Docker says so while it removes a container.
        EngineError::Refused { message, .. } if message.contains("marked for removal") => End::Gone,
        // Its log driver keeps nothing that could be read: nobody has to wait for it.
        EngineError::Refused { message, .. } if message.contains("does not support reading") => End::Drained,
        error => {
            tracing::debug!(error = error as &dyn std::error::Error, "reading a container's lines stopped");
            if error.is_away() { End::Away } else { End::More }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use engine::{NetworkAttachment, Output, Simulated};
    use schemas::logs::Stream;
    use schemas::spec::Spec;
    use tokio::task::JoinSet;

    use super::*;

    /// A container that has said one line and ended, everything of which is read.
    async fn read_to_its_end() -> (Simulated, watch::Sender<News>, mpsc::Receiver<Said>, JoinSet<Result<(), Closed>>) {
        let docker = Simulated::new();
        docker.add_image("i", false);
        let engine = Engine::from(docker.clone());
        let spec = Spec { image: "i".to_owned(), restart: schemas::descriptors::Restart::No, ..Spec::default() };
        let nowhere = NetworkAttachment { network: "n".to_owned(), alias: "api".to_owned() };
        engine.ensure_network("n", &BTreeMap::new()).await.unwrap();
        let id = engine.create("api", &spec, &BTreeMap::new(), &nowhere).await.unwrap();
        let (news, heard) = watch::channel(News { count: 1, ran: true, ..News::default() });
        engine.start("api").await.unwrap();
        docker.write_record("api", Output::Stdout, "one", true).unwrap();
        docker.exit("api", 0).unwrap();
        let (said, mut told) = mpsc::channel(64);
        let origin = Origin {
            id: "0123456789abcdef".to_owned(),
            fleet: "acme/shop".parse().unwrap(),
            container: "api".to_owned(),
            run: None,
            step: None,
        };
        let reader = Reader {
            engine,
            id,
            origin: Arc::new(origin),
            joiner: Joiner::new(Cursor::default()),
            news: heard,
            asked: mpsc::channel(1).1,
            pending: Vec::new(),
            said,
            quiet: Duration::from_secs(10),
            to_its_end: false,
            ended: None,
        };
        let mut reading = JoinSet::new();
        reading.spawn(reader.run());
        loop {
            match told.recv().await.unwrap() {
                Said::Read { cursor, .. } if cursor.drained => break,
                _ => {}
            }
        }
        (docker, news, told, reading)
    }

    async fn says_last(mut told: mpsc::Receiver<Said>, mut reading: JoinSet<Result<(), Closed>>) -> Vec<Stream> {
        let mut lines = Vec::new();
        while let Some(said) = told.recv().await {
            if let Said::Read { lines: more, .. } = said {
                lines.extend(more.into_iter().map(|it| it.stream));
            }
        }
        reading.join_next().await.unwrap().unwrap().unwrap();
        lines
    }

    #[tokio::test]
    async fn news_of_a_start_before_the_end_that_was_read_tell_of_no_gap() {
        for late in [
            News { ran: true, started_ns: 1, ..News::default() },
            News { ran: true, listed: Some(Instant::now()), ..News::default() },
        ] {
            let (docker, news, told, reading) = read_to_its_end().await;
            Engine::from(docker).remove("api").await.unwrap();
            news.send_replace(News { count: 2, gone: true, ..late });
            assert_eq!(says_last(told, reading).await, []);
        }
    }

    #[tokio::test]
    async fn what_was_started_again_and_is_gone_may_have_said_more() {
        let (docker, news, told, reading) = read_to_its_end().await;
        Engine::from(docker).remove("api").await.unwrap();
        news.send_replace(News { count: 2, ran: true, gone: true, listed: Some(Instant::now()), ..News::default() });
        assert_eq!(says_last(told, reading).await, [Stream::Gap]);
    }
}
