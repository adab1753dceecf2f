//! Questions between services: one asks, whichever process answers them first does, within a deadline.

use std::marker::PhantomData;
use std::time::Duration;

use async_nats::client::Request;
use async_nats::{HeaderMap, Message, RequestErrorKind, Subject, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use schemas::names::NodeName;
use schemas::query::{
    CreateProfile, CreateToken, Done, EraseProfile, MembersAnswer, MembersRequest, ProfileMade, ProfilesAnswer,
    ProfilesRequest, RevokeToken, SetMember, TokenMade, TokensAnswer, TokensRequest,
};
use schemas::query::{
    Fault, FaultCode, FleetAnswer, FleetRequest, FleetsAnswer, FleetsRequest, HistoryAnswer, HistoryRequest,
    NodesAnswer, NodesRequest, PastAnswer, PastRequest, ReplayAnswer, ReplayRequest, ScrapeAnswer, ScrapeRequest,
    TargetsAnswer, TargetsRequest, VariablesAnswer, VariablesRequest,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::bus::Bus;
use crate::catalog::NODE;
use crate::connection;
use crate::error::{AskError, ReadError, SendError};
use crate::wire::{self, Unwritable};

/// Set where the answer is a fault.
const FAULT: &str = "fleetlog-fault";
/// All processes that answer the same questions share them.
const GROUP: &str = "answer";

/// A question, and where it is asked.
pub trait Question: Serialize + DeserializeOwned {
    /// What comes back.
    type Answer: Serialize + DeserializeOwned;
    /// Its subject, which has to be in the catalog; `<node>` in it stands for the node that is asked.
    const SUBJECT: &'static str;
}

impl Question for FleetRequest {
    type Answer = FleetAnswer;
    const SUBJECT: &'static str = "req.registry.fleet";
}

impl Question for FleetsRequest {
    type Answer = FleetsAnswer;
    const SUBJECT: &'static str = "req.registry.fleets";
}

impl Question for schemas::query::NeighboursRequest {
    type Answer = schemas::query::NeighboursAnswer;
    const SUBJECT: &'static str = "req.registry.neighbours";
}

impl Question for PastRequest {
    type Answer = PastAnswer;
    const SUBJECT: &'static str = "req.registry.past";
}

impl Question for VariablesRequest {
    type Answer = VariablesAnswer;
    const SUBJECT: &'static str = "req.registry.variables";
}

impl Question for HistoryRequest {
    type Answer = HistoryAnswer;
    const SUBJECT: &'static str = "req.registry.history";
}

impl Question for ReplayRequest {
    type Answer = ReplayAnswer;
    const SUBJECT: &'static str = "req.registry.replay";
}

impl Question for schemas::query::PlanRequest {
    type Answer = schemas::query::PlanAnswer;
    const SUBJECT: &'static str = "req.git.plan";
}

impl Question for schemas::query::FilesRequest {
    type Answer = schemas::query::FilesAnswer;
    const SUBJECT: &'static str = "req.git.files";
}

impl Question for schemas::query::PullsRequest {
    type Answer = schemas::query::PullsAnswer;
    const SUBJECT: &'static str = "req.git.pulls";
}

impl Question for schemas::query::PullRequest {
    type Answer = schemas::query::PullAnswer;
    const SUBJECT: &'static str = "req.git.pull";
}

impl Question for schemas::query::ForkRequest {
    type Answer = schemas::query::ForkAnswer;
    const SUBJECT: &'static str = "req.git.fork";
}

impl Question for schemas::query::RollbackRequest {
    type Answer = schemas::query::RollbackAnswer;
    const SUBJECT: &'static str = "req.git.rollback";
}

impl Question for ScrapeRequest {
    type Answer = ScrapeAnswer;
    const SUBJECT: &'static str = "req.monitor.scrape";
}

impl Question for TargetsRequest {
    type Answer = TargetsAnswer;
    const SUBJECT: &'static str = "req.monitor.targets";
}

impl Question for schemas::query::LogsReplayRequest {
    type Answer = schemas::query::ReplayAnswer;
    const SUBJECT: &'static str = "req.logger.replay";
}

impl Question for schemas::query::LogsRequest {
    type Answer = schemas::query::LogsAnswer;
    const SUBJECT: &'static str = "req.logger.search";
}

impl Question for NodesRequest {
    type Answer = NodesAnswer;
    const SUBJECT: &'static str = "req.shazam.nodes";
}

impl Question for schemas::query::RetryRollout {
    type Answer = schemas::query::RetryAnswer;
    const SUBJECT: &'static str = "req.shazam.retry";
}

impl Question for ProfilesRequest {
    type Answer = ProfilesAnswer;
    const SUBJECT: &'static str = "req.profiles.list";
}

impl Question for CreateProfile {
    type Answer = ProfileMade;
    const SUBJECT: &'static str = "req.profiles.create";
}

impl Question for schemas::query::SetMail {
    type Answer = ProfileMade;
    const SUBJECT: &'static str = "req.profiles.mail";
}

impl Question for EraseProfile {
    type Answer = Done;
    const SUBJECT: &'static str = "req.profiles.erase";
}

impl Question for TokensRequest {
    type Answer = TokensAnswer;
    const SUBJECT: &'static str = "req.profiles.tokens";
}

impl Question for CreateToken {
    type Answer = TokenMade;
    const SUBJECT: &'static str = "req.profiles.token";
}

impl Question for RevokeToken {
    type Answer = Done;
    const SUBJECT: &'static str = "req.profiles.revoke";
}

impl Question for MembersRequest {
    type Answer = MembersAnswer;
    const SUBJECT: &'static str = "req.profiles.members";
}

impl Question for schemas::query::PolicyRequest {
    type Answer = schemas::query::PolicyAnswer;
    const SUBJECT: &'static str = "req.profiles.policy";
}

impl Question for schemas::query::SetPolicy {
    type Answer = Done;
    const SUBJECT: &'static str = "req.profiles.set_policy";
}

impl Question for SetMember {
    type Answer = Done;
    const SUBJECT: &'static str = "req.profiles.member";
}

impl Bus {
    /// Asks, and waits for the answer.
    pub async fn ask<Q: Question>(&self, question: &Q, deadline: Duration) -> Result<Q::Answer, AskError> {
        self.ask_at(Subject::from_static(Q::SUBJECT), question, deadline).await
    }

    /// Asks what only one node can answer: its name stands in the subject.
    pub(crate) async fn ask_node<Q: Question>(
        &self,
        node: &NodeName,
        question: &Q,
        deadline: Duration,
    ) -> Result<Q::Answer, AskError> {
        self.ask_at(of_node::<Q>(node), question, deadline).await
    }

    async fn ask_at<Q: Question>(
        &self,
        place: Subject,
        question: &Q,
        deadline: Duration,
    ) -> Result<Q::Answer, AskError> {
        let subject = Q::SUBJECT;
        let mut headers = HeaderMap::new();
        let body = wire::encode(question, &mut headers).map_err(|error| match error {
            Unwritable::TooLarge { bytes, limit } => AskError::TooLarge { subject, bytes, limit },
            Unwritable::Json(source) => AskError::Client { subject, source: source.into() },
        })?;
        let bytes = body.len() + wire::header_bytes(&headers);
        if bytes > self.max_payload() {
            return Err(AskError::TooLarge { subject, bytes, limit: self.max_payload() });
        }
        let headers = (!headers.is_empty()).then_some(headers);
        let answer = self.request(subject, place, headers, body.into(), deadline).await?;
        let headers = answer.headers.as_ref();
        let unreadable = |source| AskError::Unreadable { subject, source };
        if headers.is_some_and(|it| it.get(FAULT).is_some()) {
            return Err(AskError::Fault(wire::decode(headers, &answer.payload).map_err(unreadable)?));
        }
        wire::decode(headers, &answer.payload).map_err(unreadable)
    }

    /// Sends a question and waits for the answer; once more where the connection is lost meanwhile, because then no
    /// answer would come.
    async fn request(
        &self,
        subject: &'static str,
        place: Subject,
        headers: Option<HeaderMap>,
        body: Bytes,
        within: Duration,
    ) -> Result<Message, AskError> {
        let deadline = Instant::now() + within;
        let mut link = self.link().clone();
        while connection::up_before(&link, deadline).await {
            link.mark_unchanged();
            let left = deadline.saturating_duration_since(Instant::now());
            let mut request = Request::new().payload(body.clone()).timeout(Some(left));
            if let Some(headers) = &headers {
                request = request.headers(headers.clone());
            }
            let answer = tokio::select! {
                answer = self.client().send_request(place.clone(), request) => answer,
                () = connection::changed(&mut link) => continue,
            };
            return answer.map_err(|error| match error.kind() {
                RequestErrorKind::TimedOut => AskError::Timeout { subject, within },
                RequestErrorKind::NoResponders => AskError::NobodyThere { subject },
                _ => AskError::Client { subject, source: error.into() },
            });
        }
        Err(AskError::Timeout { subject, within })
    }

    /// Answers questions of one kind from now on.
    pub async fn answer<Q: Question>(&self) -> Result<Questions<Q>, ReadError> {
        self.answer_at(Subject::from_static(Q::SUBJECT)).await
    }

    /// The same, of what is asked of one node.
    pub(crate) async fn answer_node<Q: Question>(&self, node: &NodeName) -> Result<Questions<Q>, ReadError> {
        self.answer_at(of_node::<Q>(node)).await
    }

    async fn answer_at<Q: Question>(&self, place: Subject) -> Result<Questions<Q>, ReadError> {
        let api = |source: crate::error::Cause| ReadError::Api { what: place.to_string(), source };
        let subscriber = self.client().queue_subscribe(place.clone(), GROUP.to_owned()).await;
        let subscriber = subscriber.map_err(|it| api(it.into()))?;
        // Back only once the server knows of it: what is asked from here on is heard.
        self.round_trip().await.map_err(api)?;
        Ok(Questions { bus: self.clone(), place, subscriber, question: PhantomData })
    }
}

/// A question's subject at one node.
fn of_node<Q: Question>(node: &NodeName) -> Subject {
    Q::SUBJECT.replace(NODE, node.as_str()).into()
}

/// Questions as they come.
pub struct Questions<Q> {
    bus: Bus,
    place: Subject,
    subscriber: Subscriber,
    question: PhantomData<fn() -> Q>,
}

impl<Q: Question> Questions<Q> {
    /// The next question; `None`: the connection was closed for good. One that cannot be read gets its fault from here.
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<Asked<Q>> {
        loop {
            let message = self.subscriber.next().await?;
            if message.subject != self.place {
                // What a push consumer delivers says where it was stored: whoever reads a stream can send it anywhere.
                tracing::error!(subject = %message.subject, place = %self.place, "no question, but a stored message");
                continue;
            }
            let Some(reply) = message.reply else {
                tracing::error!(subject = %message.subject, "a question without a place for its answer");
                continue;
            };
            match wire::decode(message.headers.as_ref(), &message.payload) {
                Ok(question) => return Some(Asked { question, place: Place { reply, bus: self.bus.clone() } }),
                Err(error) => {
                    tracing::error!(subject = %message.subject, %error, "a question cannot be read");
                    let fault =
                        Fault { code: FaultCode::BadRequest, message: format!("cannot read the question: {error}") };
                    if let Err(error) = send(&self.bus, reply, Err::<(), _>(fault)).await {
                        tracing::warn!(%error, "a question was not answered");
                    }
                }
            }
        }
    }
}

/// A question that waits for its answer. Dropped without one, the other side waits until its deadline.
pub struct Asked<Q: Question> {
    /// What was asked.
    pub question: Q,
    pub(crate) place: Place,
}

/// Where an answer goes.
pub(crate) struct Place {
    reply: Subject,
    bus: Bus,
}

impl Place {
    pub(crate) async fn reply<A: Serialize>(self, answer: Result<A, Fault>) -> Result<(), SendError> {
        send(&self.bus, self.reply, answer).await
    }
}

impl<Q: Question> Asked<Q> {
    /// Answers. What is too large to be sent is answered by a fault that says so.
    pub async fn reply(self, answer: Result<Q::Answer, Fault>) -> Result<(), SendError> {
        self.place.reply(answer).await
    }
}

async fn send<A: Serialize>(bus: &Bus, reply: Subject, answer: Result<A, Fault>) -> Result<(), SendError> {
    let mut headers = HeaderMap::new();
    let encoded = match &answer {
        Ok(answer) => wire::encode(answer, &mut headers),
        Err(fault) => fault_body(fault, &mut headers),
    };
    let limit = bus.max_payload();
    let too_large = |bytes: usize| {
        let message = format!("the answer has {bytes} bytes, at most {limit} fit: ask for less");
        Fault { code: FaultCode::BadRequest, message }
    };
    let subject = || reply.to_string();
    let body = match encoded {
        Ok(body) if body.len() + wire::header_bytes(&headers) <= limit => Ok(body),
        Ok(body) => {
            headers = HeaderMap::new();
            fault_body(&too_large(body.len()), &mut headers)
        }
        Err(Unwritable::TooLarge { bytes, .. }) => fault_body(&too_large(bytes), &mut headers),
        Err(error) => Err(error),
    };
    let body = body.map_err(|error| match error {
        Unwritable::Json(source) => SendError::Encode { subject: subject(), source },
        Unwritable::TooLarge { bytes, limit } => SendError::TooLarge { subject: subject(), bytes, limit },
    })?;
    let sent = bus.client().publish_with_headers(reply.clone(), headers, body.into()).await;
    sent.map_err(|error| {
        tracing::debug!(%error, "an answer was not sent");
        SendError::Unavailable { subject: subject() }
    })
}

fn fault_body(fault: &Fault, headers: &mut HeaderMap) -> Result<Vec<u8>, Unwritable> {
    headers.insert(FAULT, "1");
    wire::encode(fault, headers)
}
