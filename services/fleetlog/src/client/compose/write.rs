//! Writes a fleet's files: all of them, or none.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::client::failure::Failure;

/// What lies in the root of a fleet.
const OF_A_FLEET: [&str; 4] = [".git", "fleet.json", "containers", "volumes"];

/// Writes the files into a folder that is new, empty, or a fleet without any of them.
pub fn write(out: &Path, files: &BTreeMap<String, String>) -> Result<(), Failure> {
    let there = match fs::read_dir(out) {
        Ok(entries) => entries.count() > 0,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(Failure::Usage(format!("cannot read `{}`: {error}", out.display()))),
    };
    if there && !OF_A_FLEET.iter().any(|it| out.join(it).exists()) {
        let text = format!("`{}` is not empty, and no fleet: name another folder with --out", out.display());
        return Err(Failure::Usage(text));
    }
    let taken: Vec<_> = files.keys().filter(|it| out.join(it).symlink_metadata().is_ok()).cloned().collect();
    if !taken.is_empty() {
        let text = format!("`{}` has {} already: name another folder with --out", out.display(), taken.join(", "));
        return Err(Failure::Usage(text));
    }
    let mut made = Vec::new();
    all(out, files, &mut made).map_err(|error| {
        // The newest first: a folder is empty again once what is in it is gone.
        for path in made.iter().rev() {
            let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
        Failure::Failed(format!("cannot write into `{}`: {error}; nothing was written", out.display()))
    })
}

/// Writes each file beside its place first, and moves them there once every one is on the disk.
fn all(out: &Path, files: &BTreeMap<String, String>, made: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut written = Vec::new();
    for (path, text) in files {
        let path = out.join(path);
        folders(path.parent().unwrap_or(out), made)?;
        let mut beside = path.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        made.push(beside.clone());
        fs::write(&beside, text)?;
        written.push((beside, path));
    }
    for (beside, path) in written {
        fs::rename(beside, &path)?;
        made.push(path);
    }
    Ok(())
}

fn folders(folder: &Path, made: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    folders(folder.parent().unwrap_or(Path::new("")), made)?;
    fs::create_dir(folder)?;
    made.push(folder.to_owned());
    Ok(())
}
