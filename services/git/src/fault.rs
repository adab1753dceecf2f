//! The points inside a push, or a repack, at which a test kills the platform: one wherever a kill means something else than before.

use crate::context::Context;

/// A point inside a push, in the order in which a push comes by; then those of a repack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultPoint {
    /// The pack is stored; its objects are in quarantine, and no ref is locked.
    AfterStore,
    /// The objects have left quarantine; no ref is locked.
    AfterQuarantine,
    /// The refs are locked; nothing has been appended.
    AfterPack,
    /// `git.pushed` is appended; the refs have not moved.
    AfterAppend,
    /// The refs have moved; the store does not know yet that the pack is the log's.
    AfterCommit,
    /// The store knows the pack; `HEAD` may point elsewhere.
    AfterMarker,
    /// The disk shows what the log says; the pusher has not been told.
    AfterHead,
    /// A pack that was made of others is stored; nothing has been appended.
    AfterRepack,
    /// `git.repacked` is appended; the new pack lies beside the repository.
    AfterRepacked,
}

impl FaultPoint {
    /// Those of a push.
    pub const ALL: [Self; 7] = [
        Self::AfterStore,
        Self::AfterQuarantine,
        Self::AfterPack,
        Self::AfterAppend,
        Self::AfterCommit,
        Self::AfterMarker,
        Self::AfterHead,
    ];
    /// Those of a repack.
    pub const OF_REPACK: [Self; 2] = [Self::AfterRepack, Self::AfterRepacked];

    /// The word in flags and in the log line `fault point … reached`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AfterStore => "after-store",
            Self::AfterQuarantine => "after-quarantine",
            Self::AfterPack => "after-pack",
            Self::AfterAppend => "after-append",
            Self::AfterCommit => "after-commit",
            Self::AfterMarker => "after-marker",
            Self::AfterHead => "after-head",
            Self::AfterRepack => "after-repack",
            Self::AfterRepacked => "after-repacked",
        }
    }
}

impl std::str::FromStr for FaultPoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = || Self::ALL.into_iter().chain(Self::OF_REPACK);
        let expected = || all().map(|it| format!("`{}`", it.as_str())).collect::<Vec<_>>().join(", ");
        let found = all().find(|point| point.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is not a fault point: expected one of {}", expected()))
    }
}

/// Where a test wants to kill the platform: waits here for ever.
pub(crate) async fn pause(context: &Context, point: FaultPoint) {
    if context.config.pause_at == Some(point) {
        tracing::warn!("fault point {} reached", point.as_str());
        std::future::pending::<()>().await;
    }
}
