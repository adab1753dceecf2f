//! The files of a container as its agent gets them: what lies where, and what stands for each reference. What they say
//! the agent asks for by Git's ids.
//!
//! None of it is in the digest of the container's label: files are put in place without another container, and a label
//! stays what it is. What was put in place is observed instead, path by path.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::digest::{DigestKey, written};
use super::render::{RenderFault, escape, resolve};
use crate::descriptors::{Container, Desired, FileMode, FileSource, MAX_FILE, OnChange, User};
use crate::names::Oid;
use crate::template::{self, Part};

/// What is to be put at one path of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placing {
    /// Keyed digest of all of it (`f1:…`); none: only what is not there yet is written, and later changes are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Whose the files are; root's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<User>,
    /// What its process gets once they are others; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Each file by its path in the container.
    pub files: BTreeMap<String, Piece>,
}

/// A file that is to be put into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Git's id of its content.
    pub blob: Oid,
    /// How many bytes that has.
    pub size: u64,
    /// Whether it can be executed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
    /// Whether references in it are looked up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rendered: bool,
    /// Reference → what stands for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}

/// What was put at one path of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Its digest then; none: only what was not there was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The files' paths in the container.
    pub files: BTreeSet<String>,
}

impl Placing {
    /// What is observed once it is in place.
    pub fn placed(&self) -> Placed {
        Placed { digest: self.digest.clone(), files: self.files.keys().cloned().collect() }
    }

    /// Whether it is in place as far as that was observed.
    pub fn is_as(&self, placed: Option<&Placed>) -> bool {
        placed.is_some_and(|it| match &self.digest {
            Some(_) => self.digest == it.digest,
            None => self.files.keys().all(|path| it.files.contains(path)),
        })
    }
}

/// The files that lie in a container because they were put there to stay as they are in the fleet's tree, and that do not
/// belong there any more.
pub fn left_behind<'p>(
    wanted: &BTreeMap<String, Placing>,
    placed: &'p BTreeMap<String, Placed>,
) -> impl Iterator<Item = &'p String> {
    let is_wanted = |path: &&String| wanted.values().any(|it| it.files.contains_key(*path));
    let enforced = placed.values().filter(|it| it.digest.is_some());
    enforced.flat_map(|it| &it.files).filter(move |path| !is_wanted(path))
}

/// What is to be put into a container: path → what; empty: nothing.
pub fn placings(
    container: &Container,
    desired: &Desired,
    key: &DigestKey,
) -> Result<BTreeMap<String, Placing>, RenderFault> {
    container.files.iter().map(|(path, source)| Ok((path.clone(), placing(path, source, desired, key)?))).collect()
}

fn placing(path: &str, source: &FileSource, desired: &Desired, key: &DigestKey) -> Result<Placing, RenderFault> {
    let mut files = BTreeMap::new();
    for (rest, file) in taken(source, desired) {
        let mut values = BTreeMap::new();
        for reference in file.references.iter().filter(|_| source.render) {
            let value = resolve(&format!("{{{{ {reference} }}}}"), desired).map_err(|it| RenderFault {
                pointer: format!("/files/{}", escape(path)),
                code: it.code,
                message: it.message,
                expected: it.expected,
                hint: it.hint,
            })?;
            values.insert(reference.clone(), value);
        }
        let (blob, size, executable) = (file.blob.clone(), file.size, file.executable);
        files.insert(format!("{path}{rest}"), Piece { blob, size, executable, rendered: source.render, values });
    }
    if files.is_empty() {
        return Err(RenderFault {
            pointer: format!("/files/{}", escape(path)),
            code: "no-such-file",
            message: format!("nothing is known of `{}`", source.from),
            expected: "a file or a folder of the fleet's tree".to_owned(),
            hint: None,
        });
    }
    let owner = source.owner.clone();
    let digest = (source.mode == FileMode::Enforce).then(|| written("f1:", key, &(&owner, &files)));
    let signal = (source.on_change == OnChange::Signal).then(|| source.signal().to_owned());
    Ok(Placing { digest, owner, signal, files })
}

/// The files that a source takes in: what is left of each path, and the file.
pub(crate) fn taken<'a>(
    source: &'a FileSource,
    desired: &'a Desired,
) -> impl Iterator<Item = (&'a str, &'a crate::descriptors::Blob)> {
    let near = desired.contents.range(source.from.clone()..).take_while(|(path, _)| path.starts_with(&source.from));
    near.filter_map(|(path, file)| Some((source.holds(path)?, file)))
}

/// The references of all files of a container in which they are looked up, each as it stands in a text.
pub(crate) fn references(container: &Container, desired: &Desired) -> BTreeSet<String> {
    let rendered = container.files.values().filter(|it| it.render);
    let files = rendered.flat_map(|source| taken(source, desired));
    files.flat_map(|(_, file)| &file.references).map(|it| format!("{{{{ {it} }}}}")).collect()
}

/// Why a file cannot be made of what Git has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// It holds something else than a text.
    #[error("it is no UTF-8 text")]
    NoText,
    /// Something stands in it that nobody said a value for.
    #[error("nothing stands for `{{{{ {0} }}}}`")]
    Unknown(String),
    /// It holds something that is no reference.
    #[error("{0}")]
    BadReference(String),
    /// It grows too large.
    #[error("it has more than {MAX_FILE} bytes once its references are resolved")]
    TooLarge,
}

impl Piece {
    /// The file as it is put in place, of what Git has.
    pub fn fill(&self, content: Vec<u8>) -> Result<Vec<u8>, FillError> {
        if !self.rendered {
            return Ok(content);
        }
        let text = String::from_utf8(content).map_err(|_| FillError::NoText)?;
        let mut filled = String::with_capacity(text.len());
        for part in template::parse(&text).map_err(|error| FillError::BadReference(error.message))? {
            match part {
                Part::Text(text) => filled.push_str(&text),
                Part::Ref(reference) => {
                    let name = reference.to_string();
                    let value = self.values.get(&name).ok_or(FillError::Unknown(name))?;
                    filled.push_str(value);
                }
            }
            if filled.len() as u64 > MAX_FILE {
                return Err(FillError::TooLarge);
            }
        }
        Ok(filled.into_bytes())
    }
}
