//! Files into containers, as an archive, and signals to their processes.

use bollard::query_parameters::{KillContainerOptions, UploadToContainerOptions};

use super::connection::CALL;
use super::{Docker, classify};
use crate::error::EngineError;
use crate::files::NewFile;

/// Modes of files that can be executed, and of others.
const EXECUTABLE: u32 = 0o755;
const PLAIN: u32 = 0o644;

impl Docker {
    /// See [`crate::Engine::put_files`].
    pub async fn put_files(&self, container: &str, folder: &str, files: &[NewFile]) -> Result<(), EngineError> {
        let what = format!("put files into container `{container}`");
        self.unpack(&what, container, folder, archive(files)).await
    }

    /// Has an archive unpacked in a folder of a container.
    pub(super) async fn unpack(
        &self,
        what: &str,
        container: &str,
        folder: &str,
        archive: std::io::Result<Vec<u8>>,
    ) -> Result<(), EngineError> {
        let thing = format!("container `{container}`, or `{folder}` in it");
        let archive = &archive.map_err(|error| EngineError::Refused {
            what: what.to_owned(),
            status: 0,
            message: error.to_string(),
        })?;
        let options = &UploadToContainerOptions { path: folder.to_owned(), ..Default::default() };
        let call = move |client: bollard::Docker| async move {
            let body = bollard::body_full(archive.clone().into());
            client.upload_to_container(container, Some(options.clone()), body).await
        };
        self.connection.call(what, CALL, call, classify::missing(what, &thing)).await
    }

    /// See [`crate::Engine::signal`].
    pub async fn signal(&self, container: &str, signal: &str) -> Result<bool, EngineError> {
        let (what, thing) = (format!("send a signal to container `{container}`"), format!("container `{container}`"));
        let signal = format!("SIG{}", signal.trim_start_matches("SIG"));
        let options = &KillContainerOptions { signal };
        let call =
            move |client: bollard::Docker| async move { client.kill_container(container, Some(options.clone())).await };
        match self.connection.call(&what, CALL, call, classify::missing(&what, &thing)).await {
            Ok(()) => Ok(true),
            Err(EngineError::Refused { status: 409, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn archive(files: &[NewFile]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.bytes.len() as u64);
        header.set_mode(if file.executable { EXECUTABLE } else { PLAIN });
        header.set_uid(file.owner.0.into());
        header.set_gid(file.owner.1.into());
        header.set_mtime(file.changed);
        archive.append_data(&mut header, &file.path, file.bytes.as_slice())?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn an_archive_holds_long_paths_owners_and_modes() {
        let path = format!("etc/{}/app.conf", "long".repeat(40));
        let (bytes, owner) = (b"a\0b".to_vec(), (4_000_000_000, 7));
        let file = NewFile { path: path.clone(), bytes, executable: true, owner, changed: 1_700_000_000 };
        let archive = archive(&[file]).unwrap();
        let mut archive = tar::Archive::new(archive.as_slice());
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        let header = entry.header().clone();
        assert_eq!(entry.path().unwrap().to_string_lossy(), path);
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (4_000_000_000, 7));
        assert_eq!((header.mode().unwrap(), header.mtime().unwrap()), (0o755, 1_700_000_000));
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"a\0b");
    }
}
