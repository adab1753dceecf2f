//! Docker's log API as records.

use std::sync::Arc;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::{Docker, classify, inspect};
use crate::error::EngineError;
use crate::records::{Output, Record, Records};

/// The last record comes within this time.
const LAST_WITHIN: Duration = Duration::from_secs(10);

impl Docker {
    /// See [`crate::Engine::records`].
    pub async fn records(&self, container: &str, since_ns: i64, follow: bool) -> Result<Records, EngineError> {
        // The client library takes whole seconds: some records before the wanted time come too.
        let since = i32::try_from(since_ns.max(0) / 1_000_000_000).unwrap_or(i32::MAX);
        self.read(container, LogsOptions { follow, since, ..Default::default() }).await
    }

    /// See [`crate::Engine::last_record`].
    pub async fn last_record(&self, container: &str) -> Result<Option<Record>, EngineError> {
        let options = LogsOptions { tail: "1".to_owned(), ..Default::default() };
        let reading = async { self.read(container, options).await?.next().await };
        match timeout(LAST_WITHIN, reading).await {
            Ok(last) => last,
            Err(_) => {
                Err(EngineError::Slow { what: format!("read logs of container `{container}`"), within: LAST_WITHIN })
            }
        }
    }

    async fn read(&self, container: &str, options: LogsOptions) -> Result<Records, EngineError> {
        let (what, thing) = (format!("read logs of container `{container}`"), format!("container `{container}`"));
        let options = LogsOptions { stdout: true, stderr: true, timestamps: true, ..options };
        let chunks = self.connection.client().await?.logs(container, Some(options));
        let connection = Arc::clone(&self.connection);
        let records = chunks.map(move |chunk| match chunk {
            Ok(chunk) => record(chunk).ok_or_else(|| EngineError::Refused {
                what: what.clone(),
                status: 0,
                message: "a record without a time".to_owned(),
            }),
            Err(error) => {
                let error = classify::missing(&what, &thing)(error);
                if error.is_away() {
                    connection.forget();
                }
                Err(error)
            }
        });
        Ok(Records(records.boxed()))
    }
}

/// `2030-01-31T12:00:00.000000000Z text`
fn record(chunk: LogOutput) -> Option<Record> {
    let output = match chunk {
        LogOutput::StdErr { .. } => Output::Stderr,
        LogOutput::StdOut { .. } | LogOutput::StdIn { .. } | LogOutput::Console { .. } => Output::Stdout,
    };
    let whole = chunk.into_bytes();
    let space = whole.iter().position(|it| *it == b' ')?;
    let at_ns = inspect::nanoseconds(std::str::from_utf8(&whole[..space]).ok()?)?;
    let text = &whole[space + 1..];
    let (text, ends_line) = match text.strip_suffix(b"\n") {
        Some(text) => (text.strip_suffix(b"\r").unwrap_or(text), true),
        None => (text, false),
    };
    Some(Record { output, at_ns, bytes: text.to_vec(), ends_line })
}
