//! What becomes of a container once its tag leads to another image than when it was resolved.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cron::{Cron, CronError, FORM};
use crate::units::Span;

/// A registry is asked no more often than this.
const SHORTEST: Span = Span::seconds(60);

/// What becomes of a container once its tag leads to another image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ImagePolicy {
    /// In a word: `"pinned"` (nothing, until somebody asks for it), `"notify"` (it is told).
    Word(PolicyWord),
    /// It is made anew from the other image.
    Auto(AutoUpdate),
}

/// The policies that need no schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PolicyWord {
    /// It keeps the image that its tag was first resolved to.
    Pinned,
    /// The same; that the tag leads to another one is told.
    Notify,
}

/// It takes what its tag leads to by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AutoUpdate {
    /// When that is looked at: so often (`"6h"`), or at the times of a cron expression, in UTC (`"0 4 * * *"`).
    #[schemars(length(min = 1))]
    pub auto: String,
}

impl Default for ImagePolicy {
    fn default() -> Self {
        Self::Word(PolicyWord::Pinned)
    }
}

/// When something is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pace {
    /// So often.
    Every(Span),
    /// At these times, in UTC.
    At(Cron),
}

impl AutoUpdate {
    /// When its tag is looked at.
    pub fn pace(&self) -> Result<Pace, CronError> {
        if self.auto.contains(char::is_whitespace) {
            return self.auto.parse().map(Pace::At);
        }
        let error = |seen: String| CronError { seen, expected: format!("a duration such as \"6h\", or {FORM}") };
        match self.auto.parse::<Span>() {
            Ok(span) => Ok(Pace::Every(span)),
            Err(_) => Err(error(format!("`{}` is neither a duration nor a cron expression", self.auto))),
        }
    }

    /// The same, of what a push brings: a registry is not asked all the time.
    pub fn checked(&self) -> Result<Pace, CronError> {
        match self.pace()? {
            Pace::Every(span) if span < SHORTEST => Err(CronError {
                seen: format!("`{}` is too often", self.auto),
                expected: format!("a duration of at least {SHORTEST}, or {FORM}"),
            }),
            pace => Ok(pace),
        }
    }
}
