//! Which files of a tree are descriptors, and what they say.

use std::collections::{BTreeMap, BTreeSet};

use super::defaults::Defaults;
use super::fault::{FLEET_FILE, Fault, Place, quote};
use super::places::Places;
use super::{Content, EntryKind, MAX_BYTES, TreeFile, images, judge, rule, secrets};
use crate::descriptors::{Desired, File, Kind, Path};
use crate::json::{self, Node, Spot};
use crate::names::Name;

/// Folders of descriptors that come later.
const LATER: [&str; 1] = ["networks"];

/// Extensions of files that were meant as descriptors.
const OTHER_FORMATS: [&str; 6] = ["JSON", "json5", "jsonc", "toml", "yaml", "yml"];

/// How the advice begins to give a file another name.
const RENAME: &str = "rename it to `";

/// A descriptor as it was read.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) at: Path,
    /// The tree; none where nobody can say what its author meant.
    pub(super) root: Option<Node>,
    /// Whether its type could be read: the tree's `desired` holds what it says.
    pub(super) sound: bool,
}

impl Source {
    pub(super) fn place(&self, spot: Spot) -> Place {
        Place::new(&self.path, spot)
    }

    /// The name, and the tree, where it is of this kind and has one.
    pub(super) fn of(&self, wanted: Kind) -> Option<(&Name, &Node)> {
        match &self.at {
            Path::Named(kind, name) if *kind == wanted => Some((name, self.root.as_ref()?)),
            _ => None,
        }
    }
}

/// The descriptors of a tree.
#[derive(Default)]
pub(super) struct Tree {
    /// Every descriptor that could be read at all.
    pub(super) sources: Vec<Source>,
    /// The names of each kind, also of descriptors with faults: whoever names them has made no mistake.
    names: BTreeMap<Kind, BTreeSet<Name>>,
    /// What the files without a fault say together.
    pub(super) desired: Desired,
    /// Where the keys stand that are judged by more than the tree.
    pub(super) places: Places,
    /// What is most likely a secret.
    pub(super) secrets: Vec<Fault>,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Fault>,
    /// What is said for all containers.
    defaults: Defaults,
}

impl Tree {
    pub(super) fn read<'a>(files: impl IntoIterator<Item = TreeFile<'a>>) -> Self {
        let mut tree = Self::default();
        let mut strange = BTreeSet::new();
        // What it says for all containers is part of each.
        let (first, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|it| it.path == FLEET_FILE);
        for file in first.into_iter().chain(others) {
            if let Some(wanted) = near_miss(file.path) {
                let folder = file.path.split('/').next().unwrap_or_default();
                if strange.insert(folder.to_owned()) {
                    tree.warnings.push(ignored(file.path, folder, &wanted));
                }
            } else if is_descriptor(file.path) {
                match tree.place(&file) {
                    Ok((at, bytes)) => tree.take(file.path, at, bytes),
                    Err(fault) => tree.faults.push(*fault),
                }
            }
        }
        tree.unhint();
        tree
    }

    /// Takes back the advice to rename a file to one that is there already.
    fn unhint(&mut self) {
        let there: BTreeSet<&str> = self.sources.iter().map(|it| it.path.as_str()).collect();
        for fault in self.faults.iter_mut().filter(|it| it.code.as_str() == "file-name") {
            let target = fault.hint.as_deref().and_then(|it| it.strip_prefix(RENAME)?.strip_suffix('`'));
            if let Some(target) = target.filter(|it| there.contains(it)) {
                fault.hint = Some(format!("`{target}` is there already: take one of both out"));
            }
        }
    }

    /// The names of a kind.
    pub(super) fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.names.get(&kind).into_iter().flatten().map(Name::as_str)
    }

    /// Whether there is a descriptor of this kind and name.
    pub(super) fn has(&self, kind: Kind, name: &str) -> bool {
        let name = name.parse::<Name>();
        name.is_ok_and(|name| self.names.get(&kind).is_some_and(|names| names.contains(&name)))
    }

    /// Where a file belongs, from its path and its kind.
    fn place<'a>(&mut self, file: &TreeFile<'a>) -> Result<(Path, &'a [u8]), Box<Fault>> {
        let place = Place::new(file.path, Spot::START);
        let fault = |code, seen: String, expected: String| Fault::new(place.clone(), code, seen, expected);
        let (folder, rest) = file.path.split_once('/').map_or((file.path, None), |(folder, rest)| (folder, Some(rest)));
        let kind = Kind::ALL.into_iter().find(|kind| kind.folder() == Some(folder));
        if let (Some(kind), Some(rest)) = (kind, rest) {
            self.remember(kind, rest);
        }
        let at = match (folder, kind, rest) {
            (_, None, _) if LATER.contains(&folder) => {
                let seen = format!("a descriptor in `{folder}/`");
                let later = fault("not-yet", seen, "no file there: such descriptors are not built yet".to_owned());
                return Err(Box::new(later));
            }
            _ if file.kind == EntryKind::Symlink => {
                let (what, expected) = match kind {
                    Some(_) if rest.is_none() => ("folder of descriptors", format!("a folder `{folder}/`")),
                    _ => ("descriptor", "a file of its own".to_owned()),
                };
                let link = fault("symlink", format!("a symbolic link where a {what} should be"), expected);
                return Err(Box::new(link.hint("put the content itself here".to_owned())));
            }
            _ if file.kind == EntryKind::Submodule => {
                let (what, expected) = match kind {
                    Some(_) if rest.is_none() => ("folder of descriptors", format!("a folder `{folder}/`")),
                    _ => ("descriptor", "a file".to_owned()),
                };
                let submodule = fault("submodule", format!("a Git submodule where a {what} should be"), expected);
                let hint = format!("`git rm --cached {}`, then add the files themselves", file.path);
                return Err(Box::new(submodule.hint(hint)));
            }
            (_, Some(_), None) => {
                let seen = format!("a file with the name `{folder}`");
                return Err(Box::new(fault("not-a-folder", seen, format!("a folder `{folder}/`"))));
            }
            (_, Some(kind), Some(rest)) => Path::Named(
                kind,
                name(rest, folder)
                    .map_err(|(code, seen, expected, hint)| Box::new(fault(code, seen, expected).hint(hint)))?,
            ),
            (_, None, _) => Path::Fleet,
        };
        let large = |bytes: u64| {
            let seen = format!("a file of {bytes} bytes");
            Box::new(fault("too-large", seen, format!("a descriptor of at most {MAX_BYTES} bytes (1 MiB)")))
        };
        match file.content {
            Content::Bytes(bytes) if bytes.len() as u64 <= MAX_BYTES => Ok((at, bytes)),
            Content::Bytes(bytes) => Err(large(bytes.len() as u64)),
            Content::TooLarge(bytes) => Err(large(bytes)),
            // Whoever reads a tree reads its descriptors.
            Content::Unread | Content::Known { .. } => {
                Err(Box::new(fault("unread", "a descriptor that was not read".to_owned(), "a text".to_owned())))
            }
        }
    }

    /// Takes note of the name that a file has, or should have.
    fn remember(&mut self, kind: Kind, rest: &str) {
        let Some((stem, extension)) = rest.rsplit_once('.') else { return };
        let meant = extension == "json" || OTHER_FORMATS.contains(&extension);
        if let (true, Some(name)) = (meant, as_name(stem)) {
            self.names.entry(kind).or_default().insert(name);
        }
    }

    /// Reads a descriptor and holds it to its schema. What can be told from it alone is told now: a second look at ten
    /// thousand of them would fetch each from memory once more.
    fn take(&mut self, path: &str, at: Path, bytes: &[u8]) {
        let kind = match at {
            Path::Named(kind, _) => kind,
            // What containers take in is no descriptor, and does not come here.
            Path::Fleet | Path::Blob(_) => Kind::Fleet,
        };
        let document = json::read(bytes);
        let before = self.faults.len();
        self.faults.extend(document.faults.into_iter().map(|fault| {
            let also = fault.also.into_iter().map(|spot| Place::new(path, spot)).collect();
            Fault::new(Place::new(path, fault.spot), fault.code, fault.seen, fault.expected).hint(fault.hint).also(also)
        }));
        let mut root = document.root.filter(|_| !document.torn);
        match (&mut root, kind) {
            (Some(root), Kind::Container) => self.defaults.give(root),
            (Some(root), Kind::Fleet) => self.defaults = Defaults::of(root),
            _ => {}
        }
        if let Some(root) = &root {
            self.faults.extend(judge::judge(rule::rule(kind), root, path));
        }
        let mut sound = false;
        if let (Some(root), true) = (&root, self.faults.len() == before) {
            match File::read(&at, root.to_json()) {
                Ok(file) => {
                    self.desired.set(&at, file);
                    sound = true;
                }
                Err(error) => self.faults.push(unreadable(path, root, &error)),
            }
        }
        let source = Source { path: path.to_owned(), at, root, sound };
        if let Some(root) = &source.root {
            self.places.add(&source, root);
            secrets::find(&source, root, &mut self.secrets);
            images::fault(&source, root, &mut self.faults);
        }
        self.sources.push(source);
    }
}

/// Whether the file or the folder at this path belongs to the descriptors, or looks as if it was meant to.
pub(super) fn wants(path: &str) -> bool {
    let strange_folder = || !path.contains('/') && near_folder(path).is_some();
    is_descriptor(path) || near_miss(path).is_some() || strange_folder()
}

/// Whether the file at this path belongs to the descriptors.
fn is_descriptor(path: &str) -> bool {
    let folder = path.split_once('/').map_or(path, |(folder, _)| folder);
    let known = Kind::ALL.into_iter().any(|kind| kind.folder() == Some(folder)) || LATER.contains(&folder);
    path == FLEET_FILE || known
}

/// What was meant by `Containers/api.json`, `container/api.json`, `container.json`, `Fleet.json` or `fleet.json/api.json`.
fn near_miss(path: &str) -> Option<String> {
    let is_fleet = |it: &str| it.eq_ignore_ascii_case("fleet.json");
    match path.split_once('/') {
        None if is_fleet(path) => (path != "fleet.json").then(|| "a file `fleet.json`".to_owned()),
        None => {
            let stem = path.strip_suffix(".json")?;
            let known = Kind::ALL.into_iter().filter_map(Kind::folder).find(|it| it.eq_ignore_ascii_case(stem));
            Some(format!("`{}/<name>.json`", known.or_else(|| near_folder(stem))?))
        }
        Some((folder, _)) if is_fleet(folder) => Some("a file `fleet.json`".to_owned()),
        Some((folder, file)) => {
            let known = near_folder(folder).filter(|_| file.ends_with(".json"))?;
            Some(format!("`{known}/`"))
        }
    }
}

/// The folder of descriptors that was meant by another case, or by the singular.
fn near_folder(folder: &str) -> Option<&'static str> {
    let singular = |known: &str| known.strip_suffix('s').is_some_and(|it| it.eq_ignore_ascii_case(folder));
    let near = |known: &&str| *known != folder && (known.eq_ignore_ascii_case(folder) || singular(known));
    Kind::ALL.into_iter().filter_map(Kind::folder).find(near)
}

fn ignored(path: &str, folder: &str, wanted: &str) -> Fault {
    let what = if path.contains('/') { "the folder " } else { "" };
    let seen = format!("{what}{} is carried and ignored", quote(folder));
    Fault::new(Place::new(path, Spot::START), "ignored", seen, wanted)
        .hint("move it if it was meant as a descriptor".to_owned())
}

/// The name of the descriptor in `<folder>/<rest>`; else code, what was seen, what was expected, hint.
fn name(rest: &str, folder: &str) -> Result<Name, (&'static str, String, String, Option<String>)> {
    let expected = format!("`{folder}/<name>.json`, the name a lower-case DNS label such as `web-1`");
    if let Some((inner, _)) = rest.split_once('/') {
        let seen = format!("a folder {} inside `{folder}/`", quote(inner));
        return Err(("nested-folder", seen, expected, Some(format!("files lie directly in `{folder}/`"))));
    }
    let Some(stem) = rest.strip_suffix(".json") else {
        let seen = format!("bad file name {}", quote(rest));
        let hint = match rest.rsplit_once('.') {
            Some((stem, extension)) if OTHER_FORMATS.contains(&extension) => {
                format!("descriptors are JSON: `{folder}/{stem}.json`")
            }
            _ => format!("what is no descriptor lies outside `{folder}/`"),
        };
        return Err(("file-name", seen, expected, Some(hint)));
    };
    stem.parse().map_err(|_| {
        let hint = as_name(stem).map(|name| format!("{RENAME}{folder}/{name}.json`"));
        ("file-name", format!("bad file name {}", quote(rest)), expected, hint)
    })
}

/// The name that a file's name is most likely meant to be.
fn as_name(stem: &str) -> Option<Name> {
    stem.to_lowercase().replace(['_', '.', ' '], "-").parse().ok()
}

/// A value that the schema lets pass and the type does not, such as a size that does not fit 64 bits.
pub(super) fn unreadable(path: &str, root: &Node, error: &serde_json::Error) -> Fault {
    let message = error.to_string();
    let quoted = |text: &str| !text.is_empty() && message.contains(&format!("`{text}`"));
    let spot = find(root, &quoted).unwrap_or(root.spot);
    Fault::new(Place::new(path, spot), "wrong-value", message, "a value that fits")
}

/// The first text that is as asked for. The tree is at most [`json::MAX_DEPTH`] deep.
fn find(node: &Node, wanted: &dyn Fn(&str) -> bool) -> Option<Spot> {
    if node.text().is_some_and(wanted) {
        return Some(node.spot);
    }
    let members = node.members().iter().map(|member| &member.node);
    node.items().iter().chain(members).find_map(|inner| find(inner, wanted))
}
