//! Events: CloudEvents 1.0 in NATS binary mode. The place of a fleet's events is in the subject, everything else about an
//! event in its headers, what happened in the body.

use async_nats::HeaderMap;
use schemas::event::{Data, Draft, Event, Scope};
use schemas::names::FleetId;
use uuid::Uuid;

use super::text::{escape, unescape};
use super::{Unreadable, Unwritable, encode, plain};
use crate::catalog::{event_subject, is_place};

const SPEC_VERSION: &str = "ce-specversion";
const ID: &str = "ce-id";
const TYPE: &str = "ce-type";
const SOURCE: &str = "ce-source";
const SUBJECT: &str = "ce-subject";
const TIME: &str = "ce-time";
const CONTENT_TYPE: &str = "content-type";
const ACTOR: &str = "fleetlog-actor";
const CAUSE: &str = "fleetlog-cause";
const MESSAGE_ID: &str = "Nats-Msg-Id";

const PLACE: &str =
    "`evt.<owner>.<fleet>.<topic>`, `sys.<owner>.<topic>` or `sys._platform.<topic>` with its type's topic";

/// The headers and the body of `draft`.
pub(crate) fn encode_event(draft: &Draft) -> Result<(HeaderMap, Vec<u8>), Unwritable> {
    let mut headers = HeaderMap::new();
    let id = draft.id.to_string();
    headers.insert(MESSAGE_ID, id.as_str());
    headers.insert(SPEC_VERSION, "1.0");
    headers.insert(ID, id.as_str());
    headers.insert(TYPE, draft.data.kind());
    headers.insert(SOURCE, escape(&draft.scope.source()).as_ref());
    headers.insert(SUBJECT, escape(&draft.subject).as_ref());
    headers.insert(TIME, draft.time.to_string());
    headers.insert(CONTENT_TYPE, "application/json");
    headers.insert(ACTOR, escape(&draft.actor).as_ref());
    if let Some(cause) = draft.cause {
        headers.insert(CAUSE, cause.to_string());
    }
    let body = encode(&draft.data.to_value(), &mut headers)?;
    Ok((headers, body))
}

/// Reads what [`encode_event`] wrote, found at `position` on `subject`.
pub(crate) fn decode_event(
    position: u64,
    subject: &str,
    headers: Option<&HeaderMap>,
    body: &[u8],
) -> Result<Event, Unreadable> {
    let none = HeaderMap::new();
    let headers = headers.unwrap_or(&none);
    if header(headers, SPEC_VERSION, "`1.0`")? != "1.0" {
        return Err(wrong(headers, SPEC_VERSION, "`1.0`"));
    }
    let id = event_id(headers)?;
    let data = Data::decode(header(headers, TYPE, "an event type")?, &plain(Some(headers), body)?)?;
    let scope = scope(subject).filter(|it| is_place(it, data.topic()) && event_subject(it, data.topic()) == subject);
    let scope = scope.ok_or_else(|| Unreadable::Subject { seen: subject.to_owned(), expected: PLACE })?;
    let time = "a time as of RFC 3339";
    let cause = match headers.get(CAUSE) {
        Some(cause) => Some(cause.as_str().parse().map_err(|_| wrong(headers, CAUSE, "a UUID"))?),
        None => None,
    };
    let draft = Draft {
        id,
        scope,
        subject: text(headers, SUBJECT)?,
        time: header(headers, TIME, time)?.parse().map_err(|_| wrong(headers, TIME, time))?,
        actor: text(headers, ACTOR)?,
        cause,
        data,
    };
    Ok(Event { position, draft })
}

/// The event's id, without reading the rest of it.
pub(crate) fn event_id(headers: &HeaderMap) -> Result<Uuid, Unreadable> {
    header(headers, ID, "a UUID")?.parse().map_err(|_| wrong(headers, ID, "a UUID"))
}

fn scope(subject: &str) -> Option<Scope> {
    let tokens: Vec<&str> = subject.split('.').collect();
    match tokens[..] {
        ["evt", owner, name, _] => Some(Scope::Fleet(FleetId { owner: owner.parse().ok()?, name: name.parse().ok()? })),
        ["sys", "_platform", _] => Some(Scope::Platform),
        ["sys", owner, _] => Some(Scope::Owner(owner.parse().ok()?)),
        _ => None,
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &'static str, expected: &'static str) -> Result<&'a str, Unreadable> {
    headers.get(name).map(|it| it.as_str()).ok_or(Unreadable::Header { name, seen: None, expected })
}

fn text(headers: &HeaderMap, name: &'static str) -> Result<String, Unreadable> {
    let expected = "a percent-encoded text";
    unescape(header(headers, name, expected)?).ok_or_else(|| wrong(headers, name, expected))
}

fn wrong(headers: &HeaderMap, name: &'static str, expected: &'static str) -> Unreadable {
    Unreadable::Header { name, seen: headers.get(name).map(|it| it.as_str().to_owned()), expected }
}

#[cfg(test)]
mod tests {
    use schemas::event::{CoordinatorTook, LogOpened};

    use super::*;

    fn draft(data: Data) -> Draft {
        Draft {
            id: Uuid::from_u128(1),
            scope: Scope::Platform,
            subject: "log\r\nNats-Expected-Stream: x".to_owned(),
            time: "2026-11-22T10:00:00.5Z".parse().unwrap(),
            actor: "fleetlog \"ä\"".to_owned(),
            cause: Some(Uuid::from_u128(2)),
            data,
        }
    }

    #[test]
    fn an_event_comes_back_as_it_went() {
        let opened = LogOpened {
            incarnation: Uuid::from_u128(3),
            installation: Uuid::from_u128(4),
            version: "0.1.0".to_owned(),
            key_mark: None,
        };
        let long = LogOpened { version: "x".repeat(200_000), ..opened.clone() };
        for data in [Data::LogOpened(opened), Data::LogOpened(long)] {
            let draft = draft(data);
            let (headers, body) = encode_event(&draft).unwrap();
            assert!(body.len() < PLAIN, "{} bytes", body.len());
            let event = decode_event(7, "sys._platform.log", Some(&headers), &body).unwrap();
            assert_eq!(event, Event { position: 7, draft });
        }
        const PLAIN: usize = 64 << 10;
    }

    #[test]
    fn a_type_on_another_types_subject_is_refused() {
        let draft = draft(Data::CoordinatorTook(CoordinatorTook { instance: Uuid::from_u128(5) }));
        let (headers, body) = encode_event(&draft).unwrap();
        for subject in
            ["sys._platform.log", "evt.acme.shop.git", "sys.acme.coordinator", "evt.Acme.shop.coordinator", "x"]
        {
            let error = decode_event(7, subject, Some(&headers), &body).unwrap_err();
            assert!(matches!(error, Unreadable::Subject { .. }), "{subject}: {error}");
        }
        decode_event(7, "sys._platform.coordinator", Some(&headers), &body).unwrap();
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = decode_event(7, "sys._platform.log", None, b"{}").unwrap_err();
        assert_eq!(error.to_string(), "header `ce-specversion` is None, expected `1.0`");
    }

    #[test]
    fn a_body_that_explodes_is_refused() {
        let bomb = zstd::bulk::compress(&vec![b' '; super::super::BODY_BYTES + 1], 3).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("content-encoding", "zstd");
        let error = super::super::decode::<String>(Some(&headers), &bomb).unwrap_err();
        assert!(matches!(error, Unreadable::Compressed { .. }), "{error}");
    }
}
