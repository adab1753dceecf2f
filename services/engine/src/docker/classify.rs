//! Makes our errors of what the client library and Docker say. Docker tells many faults in its message only: the
//! phrases here are those of Docker 20.10 to 29.

use bollard::errors::Error;

use crate::error::EngineError;

/// The error of a call for which no answer has a meaning of its own.
pub(super) fn refused(what: &str) -> impl Fn(Error) -> EngineError {
    move |error| plain(what, error)
}

/// Like [`refused`], but an engine that says 404 means that `thing` is not there.
pub(super) fn missing(what: &str, thing: &str) -> impl Fn(Error) -> EngineError {
    move |error| match answer(&error) {
        Some((404, _)) => EngineError::NotFound { what: thing.to_owned() },
        _ => plain(what, error),
    }
}

/// Makes `None` of "not there".
pub(super) fn optional<T>(outcome: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match outcome {
        Ok(it) => Ok(Some(it)),
        Err(EngineError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How Docker says that another container has a name.
const NAME_IN_USE: &str = "is already in use by container";

/// What Docker says of a container that goes on already.
pub(super) const NOT_PAUSED: &str = "is not paused";

/// The error of making a container.
pub(super) fn create(name: &str, image: &str, error: Error) -> EngineError {
    match answer(&error) {
        Some((404, message)) if is_no_image(message) => {
            EngineError::ImageMissing { image: image.to_owned(), message: message.to_owned() }
        }
        Some((404, message)) if message.contains("network") => {
            EngineError::NotFound { what: format!("the network of container `{name}` ({message})") }
        }
        Some((409, message)) if message.contains(NAME_IN_USE) => name_taken(name, message),
        _ => plain(&format!("create container `{name}`"), error),
    }
}

/// The error of giving a container the name `name`.
pub(super) fn rename(name: &str, what: &str, thing: &str, error: Error) -> EngineError {
    match answer(&error) {
        Some((409, message)) if message.contains(NAME_IN_USE) => name_taken(name, message),
        _ => missing(what, thing)(error),
    }
}

fn name_taken(name: &str, message: &str) -> EngineError {
    let by = message.split("by container").nth(1).and_then(|rest| rest.split('"').nth(1)).unwrap_or("unknown");
    EngineError::NameTaken { name: name.to_owned(), by: by.to_owned() }
}

/// Whether it is not there, or only another variant of it.
fn is_no_image(message: &str) -> bool {
    let message = message.to_lowercase();
    ["no such image", "does not match the specified platform", "does not provide the specified platform"]
        .iter()
        .any(|phrase| message.contains(phrase))
}

/// The error of starting a container.
pub(super) fn start(container: &str, error: Error) -> EngineError {
    match answer(&error) {
        Some((_, message)) if is_port_taken(message) => EngineError::PortTaken {
            name: container.to_owned(),
            port: taken_port(message).unwrap_or_else(|| "unknown".to_owned()),
            message: message.to_owned(),
        },
        Some((404, message)) if message.contains("network") => {
            EngineError::NotFound { what: format!("the network of container `{container}` ({message})") }
        }
        Some((404, _)) => EngineError::NotFound { what: format!("container `{container}`") },
        _ => plain(&format!("start container `{container}`"), error),
    }
}

/// The error of a pull. What names a lasting cause is refused; everything else may pass.
pub(super) fn pull(image: &str, error: Error) -> EngineError {
    const LASTING: [&str; 13] = [
        "denied",
        "unauthorized",
        "authentication required",
        "manifest unknown",
        "no matching manifest",
        "not found",
        "does not exist",
        "invalid reference",
        "must be lowercase",
        "x509",
        "server gave http response to https client",
        "unsupported",
        "no space left on device",
    ];
    let (status, message) = match &error {
        Error::DockerResponseServerError { status_code, message } => (*status_code, message.clone()),
        Error::DockerStreamError { error } => (0, error.clone()),
        _ => return plain(&format!("pull image `{image}`"), error),
    };
    let said = message.to_lowercase();
    let image = image.to_owned();
    if matches!(status, 400 | 401 | 403 | 404) || LASTING.iter().any(|phrase| said.contains(phrase)) {
        EngineError::PullRefused { image, message }
    } else {
        EngineError::PullPassing { image, message }
    }
}

/// Whether the engine wants another version of its API.
pub(super) fn refused_for_its_version(error: &Error) -> bool {
    matches!(answer(error), Some((400, message)) if message.contains("client version"))
}

/// The innermost cause, which is the one that tells something.
pub(super) fn root(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// An error that has no meaning of its own in this call.
pub(super) fn plain(what: &str, error: Error) -> EngineError {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            EngineError::Refused { what: what.to_owned(), status: status_code, message }
        }
        Error::DockerStreamError { error: message } => {
            EngineError::Refused { what: what.to_owned(), status: 0, message }
        }
        Error::IOError { .. }
        | Error::HyperResponseError { .. }
        | Error::HyperLegacyError { .. }
        | Error::RequestTimeoutError
        | Error::SocketNotFoundError(_) => EngineError::Away { reason: format!("{what}: {}", root(&error)) },
        other => EngineError::Refused { what: what.to_owned(), status: 0, message: root(&other) },
    }
}

/// Status and message, where Docker answered.
pub(super) fn answer(error: &Error) -> Option<(u16, &str)> {
    match error {
        Error::DockerResponseServerError { status_code, message } => Some((*status_code, message)),
        _ => None,
    }
}

fn is_port_taken(message: &str) -> bool {
    message.contains("port is already allocated") || message.contains("address already in use")
}

/// The address and port that a message names.
fn taken_port(message: &str) -> Option<String> {
    let between = |before: &str, after: &str| Some(message.split_once(before)?.1.split_once(after)?.0.to_owned());
    between("Bind for ", " failed")
        .or_else(|| between("host port for ", ": address").map(|mapping| host_side(&mapping)))
        .or_else(|| between("failed to bind host port ", "/"))
        .or_else(|| {
            between("listen ", ": bind").map(|it| it.split_once(' ').map(|(_, port)| port.to_owned()).unwrap_or(it))
        })
}

/// `127.0.0.1:8080` of `127.0.0.1:8080:172.18.0.2:80/tcp`.
fn host_side(mapping: &str) -> String {
    let end = mapping.match_indices(':').nth(1).map_or(mapping.len(), |(at, _)| at);
    mapping[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError { status_code, message: message.to_owned() }
    }

    #[test]
    fn the_taken_port_is_found_in_the_words_of_every_docker() {
        for (message, port) in [
            (
                "driver failed programming external connectivity on endpoint a (0f): Bind for 127.0.0.1:8080 failed: port is already allocated",
                "127.0.0.1:8080",
            ),
            (
                "driver failed programming external connectivity on endpoint a (0f): Error starting userland proxy: listen tcp4 127.0.0.1:8080: bind: address already in use",
                "127.0.0.1:8080",
            ),
            (
                "failed to set up container networking: driver failed programming external connectivity on endpoint a (0f): failed to bind host port for 127.0.0.1:8080:172.18.0.2:80/tcp: address already in use",
                "127.0.0.1:8080",
            ),
            (
                "failed to set up container networking: driver failed programming external connectivity on endpoint a (0f): failed to bind host port 0.0.0.0:8080/tcp: address already in use",
                "0.0.0.0:8080",
            ),
        ] {
            match start("a", said(500, message)) {
                EngineError::PortTaken { port: seen, .. } => assert_eq!(seen, port, "{message}"),
                other => panic!("expected a taken port, got {other:?}"),
            }
        }
    }

    #[test]
    fn a_pull_is_refused_for_lasting_causes_only() {
        for (status, message, passing) in [
            (404, "pull access denied for x, repository does not exist or may require 'docker login'", false),
            (404, "manifest for x:1 not found: manifest unknown: manifest unknown", false),
            (500, "unauthorized: authentication required", false),
            (500, "Get \"https://r/v2/\": x509: certificate signed by unknown authority", false),
            (400, "invalid reference format", false),
            (500, "Get \"https://r/v2/\": dial tcp: lookup r: no such host", true),
            (500, "Get \"http://r/v2/\": dial tcp 127.0.0.1:1: connect: connection refused", true),
            (500, "received unexpected HTTP status: 503 Service Unavailable", true),
            (500, "toomanyrequests: You have reached your pull rate limit", true),
            (500, "Get \"https://r/v2/\": net/http: TLS handshake timeout", true),
        ] {
            assert_eq!(pull("x:1", said(status, message)).is_passing(), passing, "{message}");
        }
    }

    #[test]
    fn a_taken_name_says_by_whom() {
        let message = "Conflict. The container name \"/a\" is already in use by container \"0f3e\". You have to remove (or rename) that container to be able to reuse that name.";
        assert_eq!(
            create("a", "i", said(409, message)),
            EngineError::NameTaken { name: "a".to_owned(), by: "0f3e".to_owned() }
        );
    }
}
