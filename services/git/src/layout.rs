//! The folder `DIR/git`: where everything lies, and what is cleared away at a start.
//!
//! `<owner>/<fleet>.git` are the repositories. Our own files begin with a dot, which no owner's name can.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use schemas::names::FleetId;

use crate::error::FolderError;
use crate::hook;

/// The hooks' socket, relative to a repository: the same for every one of them, and short.
pub(crate) const SOCKET_FROM_REPOSITORY: &str = "../../.hook.sock";

/// Where a pack is made of others, relative to a repository.
pub(crate) const REPACK: &str = "fleetlog/repack";

const SOCKET: &str = ".hook.sock";
const HOOKS: &str = ".hooks";
const CONFIG: &str = ".gitconfig";
const EMPTY: &str = ".empty.git";

/// Where everything lies.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Prepares the folder: clears what a killed platform left there, and writes what is ours anew.
    pub(crate) fn prepare(root: &Path, program: &Path, pack_bytes: u64) -> Result<Self, FolderError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(|e| fault("create", root, e))?;
        fs::set_permissions(root, fs::Permissions::from_mode(0o700)).map_err(|e| fault("close to others", root, e))?;
        let root = root.canonicalize().map_err(|e| fault("find", root, e))?;
        let layout = Self { root };
        for repository in layout.repositories()? {
            clear(&repository)?;
        }
        let config = layout.config();
        fs::write(&config, git_config(pack_bytes)).map_err(|e| fault("write", &config, e))?;
        layout.hooks(program)?;
        make_bare(&layout.empty())?;
        let socket = layout.root.join(SOCKET);
        gone(fs::remove_file(&socket)).map_err(|e| fault("remove", &socket, e))?;
        Ok(layout)
    }

    /// A fleet's repository.
    pub(crate) fn repository(&self, fleet: &FleetId) -> PathBuf {
        self.root.join(fleet.owner.as_str()).join(format!("{}.git", fleet.name))
    }

    /// A repository without anything: what a fleet looks like before its first push.
    pub(crate) fn empty(&self) -> PathBuf {
        self.root.join(EMPTY)
    }

    /// The configuration that every child reads.
    pub(crate) fn config(&self) -> PathBuf {
        self.root.join(CONFIG)
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Opens the hooks' socket. Its address goes through an open folder, as a full path might not fit.
    pub(crate) fn listen(&self) -> io::Result<std::os::unix::net::UnixListener> {
        use std::os::fd::AsRawFd;
        let folder = fs::File::open(&self.root)?;
        let short = format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd());
        let listener = std::os::unix::net::UnixListener::bind(short)?;
        fs::set_permissions(self.root.join(SOCKET), fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Every repository on the disk, whether the log knows it or not.
    pub(crate) fn repositories(&self) -> Result<Vec<PathBuf>, FolderError> {
        let mut found = Vec::new();
        for owner in folders(&self.root)? {
            for repository in folders(&owner)? {
                if repository.extension().is_some_and(|extension| extension == "git") {
                    found.push(repository);
                }
            }
        }
        Ok(found)
    }

    fn hooks(&self, program: &Path) -> Result<(), FolderError> {
        let folder = self.root.join(HOOKS);
        gone(fs::remove_dir_all(&folder)).map_err(|e| fault("remove", &folder, e))?;
        fs::create_dir(&folder).map_err(|e| fault("create", &folder, e))?;
        for name in hook::NAMES {
            let link = folder.join(name);
            symlink(program, &link).map_err(|e| fault("link", &link, e))?;
        }
        Ok(())
    }
}

/// Makes a bare repository, or what is missing of one.
pub(crate) fn make_bare(path: &Path) -> Result<(), FolderError> {
    for folder in ["objects/info", "objects/pack", "refs/heads", "refs/tags", "fleetlog/packs"] {
        let folder = path.join(folder);
        fs::create_dir_all(&folder).map_err(|e| fault("create", &folder, e))?;
    }
    write_whole(&path.join("config"), "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n")?;
    // Last of all: without it Git sees no repository here.
    if !path.join("HEAD").exists() {
        point_head(path, "main")?;
    }
    Ok(())
}

/// Makes `HEAD` name a branch.
pub(crate) fn point_head(path: &Path, branch: &str) -> Result<(), FolderError> {
    write_whole(&path.join("HEAD"), &format!("ref: refs/heads/{branch}\n"))
}

/// Writes a file in one step, unless it says so already: whoever reads it meanwhile sees the old one or the new one.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<(), FolderError> {
    if fs::read(path).is_ok_and(|seen| seen == text.as_bytes()) {
        return Ok(());
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    fs::write(&new, text).and_then(|()| fs::rename(&new, path)).map_err(|e| fault("write", path, e))
}

/// Removes a repository and everything in it.
pub(crate) fn remove(path: &Path) -> Result<(), FolderError> {
    gone(fs::remove_dir_all(path)).map_err(|e| fault("remove", path, e))
}

/// The error with what was tried.
pub(crate) fn fault(what: &'static str, path: &Path, source: io::Error) -> FolderError {
    FolderError { what, path: path.to_owned(), source }
}

/// Removes what killed children left in a repository: locks, on which every later push would fail, and objects that
/// were on their way in. Only at a start, while nobody else works here.
fn clear(repository: &Path) -> Result<(), FolderError> {
    remove_locks(repository, false)?;
    remove_locks(&repository.join("refs"), true)?;
    remove(&repository.join(REPACK))?;
    let objects = repository.join("objects");
    remove_named(&objects, |name| name.starts_with("tmp_objdir-") || name.starts_with("incoming-"))?;
    remove_named(&objects.join("pack"), |name| name.starts_with("tmp_") || name.ends_with(".keep"))?;
    remove_locks(&objects.join("info"), false)
}

fn remove_locks(folder: &Path, deep: bool) -> Result<(), FolderError> {
    remove_named(folder, |name| name.ends_with(".lock"))?;
    if deep && folder.is_dir() {
        for folder in folders(folder)? {
            remove_locks(&folder, true)?;
        }
    }
    Ok(())
}

fn remove_named(folder: &Path, goes: impl Fn(&str) -> bool) -> Result<(), FolderError> {
    for path in entries(folder)? {
        if path.file_name().and_then(|name| name.to_str()).is_some_and(&goes) {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            gone(removed).map_err(|e| fault("remove", &path, e))?;
        }
    }
    Ok(())
}

/// The real folders in a folder that do not begin with a dot.
fn folders(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let mut found = entries(folder)?;
    found.retain(|path| {
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        !hidden && path.symlink_metadata().is_ok_and(|it| it.is_dir())
    });
    Ok(found)
}

/// What lies in a folder; nothing, where there is no folder.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let read = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(|e| fault("read", folder, e))?,
    };
    let mut found = read
        .map(|entry| entry.map(|it| it.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(|e| fault("read", folder, e))?;
    found.sort();
    Ok(found)
}

/// What is not there need not be removed.
pub(crate) fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// What every repository has in common. The user's and the machine's own configuration is never read.
fn git_config(pack_bytes: u64) -> String {
    format!(
        "# Written by fleetlog at every start.\n\
         [core]\n\thooksPath = ../../{HOOKS}\n\
         [safe]\n\tdirectory = *\n\
         [receive]\n\tprocReceiveRefs = refs/\n\tadvertisePushOptions = true\n\tfsckObjects = true\n\
         # Every push is kept as a pack, also a small one: the pack goes to the log.\n\
         \tunpackLimit = 1\n\tautogc = false\n\tmaxInputSize = {pack_bytes}\n\
         # A partial clone asks for what it left out, by its id; version 2 of the protocol lets it anyway.\n\
         [uploadpack]\n\tallowFilter = true\n\tallowAnySHA1InWant = true\n\
         [gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
    )
}
