//! Files that are put into a container, whether it runs or not.

use crate::engine::Engine;
use crate::error::EngineError;

/// A file that is put into a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Its path below the folder that is named, without a slash in front.
    pub path: String,
    /// What it says.
    pub bytes: Vec<u8>,
    /// Whether it can be executed: `0755`, else `0644`.
    pub executable: bool,
    /// The numbers of the user and the group whose it is.
    pub owner: (u32, u32),
    /// When it was changed, in seconds since 1970.
    pub changed: u64,
}

impl Engine {
    /// Puts files into a folder of a container, running or not, over those that are there; into a volume where one is
    /// mounted. Folders that are not there are made, and are root's. `folder` has to be there: `/`, or where something is
    /// mounted.
    pub async fn put_files(&self, container: &str, folder: &str, files: &[NewFile]) -> Result<(), EngineError> {
        match self {
            Self::Docker(it) => it.put_files(container, folder, files).await,
            Self::Simulated(it) => it.put_files(container, folder, files).await,
        }
    }

    /// Sends a signal to a container's first process. False: it does not run.
    pub async fn signal(&self, container: &str, signal: &str) -> Result<bool, EngineError> {
        match self {
            Self::Docker(it) => it.signal(container, signal).await,
            Self::Simulated(it) => it.signal(container, signal).await,
        }
    }
}
