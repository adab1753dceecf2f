//! The files of a tree that containers take in: which they are, whether they may lie where they are wanted, and what is in
//! those that are looked into.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::{Fault, Place, quote};
use super::nearest::{MAX_HINTED, did_you_mean};
use super::references::{Known, Text};
use super::secrets;
use super::takes::{is_true, lies_in, reason};
use super::tree::{Source, Tree};
use super::{Content, EntryKind, TreeFile};
use crate::descriptors::{Blob, FileSource, Kind, MAX_FILE, MAX_FILES, MAX_FILES_BYTES, may_be_taken};
use crate::json::{Node, Spot};
use crate::names::Oid;
use crate::spec::{self, Piece};
use crate::template;

/// What a path under `from` has to be.
const FROM: &str = "a file or a folder of this fleet's tree under `files/` or `scripts/`, such as `files/app`";

/// Where nothing can be put: Docker mounts something of its own there.
const NOT_OURS: [&str; 6] = ["/dev", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/proc", "/sys"];

/// The files of a tree that may be taken in, by their paths.
pub(super) type Contents<'a> = BTreeMap<&'a str, TreeFile<'a>>;

/// Parts the files that may be taken in from the descriptors.
pub(super) fn apart<'a>(files: impl IntoIterator<Item = TreeFile<'a>>) -> (Vec<TreeFile<'a>>, Contents<'a>) {
    let (taken, rest): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| may_be_taken(file.path));
    (rest, taken.into_iter().map(|file| (file.path, file)).collect())
}

/// What was found of the files that containers take in.
#[derive(Default)]
pub(super) struct Found {
    pub(super) contents: BTreeMap<String, Blob>,
    pub(super) secrets: Vec<Fault>,
}

/// Tells all faults of `files`, and answers what they lead to. References in files join the other `texts`.
pub(super) fn read<'a>(
    known: Known<'a, '_>,
    contents: &Contents<'a>,
    texts: &mut Vec<Text<'a>>,
    faults: &mut Vec<Fault>,
) -> Found {
    let mut reader = Reader { known, contents, texts, faults, found: Found::default(), scanned: BTreeSet::new() };
    for source in &known.tree.sources {
        if let Some((_, root)) = source.of(Kind::Container)
            && let Some(files) = root.get("files")
        {
            reader.container(source, root, files);
        }
    }
    reader.found
}

struct Reader<'a, 'r> {
    known: Known<'a, 'r>,
    contents: &'r Contents<'a>,
    texts: &'r mut Vec<Text<'a>>,
    faults: &'r mut Vec<Fault>,
    found: Found,
    /// Files in which secrets were looked for already.
    scanned: BTreeSet<&'a str>,
}

impl<'a> Reader<'a, '_> {
    fn fault(&mut self, place: Place, code: &'static str, seen: String, expected: impl Into<String>) {
        self.faults.push(Fault::new(place, code, seen, expected));
    }

    fn container(&mut self, source: &'a Source, root: &'a Node, files: &'a Node) {
        let (mut bytes, mut count) = (0_u64, 0);
        // Path in the container → where that is said.
        let mut placed: BTreeMap<String, Place> = BTreeMap::new();
        for member in files.members() {
            let place = source.place(member.spot);
            if !self.is_sound_path(&member.key, &place) {
                continue;
            }
            signal(source, &member.node, self.faults);
            let Some((from, node)) = member.node.get("from").and_then(|node| Some((node.text()?, node))) else {
                continue;
            };
            let from_place = source.place(node.spot);
            let Some(taken) = self.taken(from, &from_place) else { continue };
            let seeds = member.node.get("mode").and_then(Node::text) == Some("seed");
            for file in taken {
                let Some(size) = self.take(source, &file, &from_place, is_true(&member.node, "render")) else {
                    continue;
                };
                (bytes, count) = (bytes.saturating_add(size), count + 1);
                let path = format!("{}{}", member.key, file.path.get(from.len()..).unwrap_or_default());
                if !reason(&member.node) {
                    self.scan(&file);
                }
                lies_well(&path, seeds, root, &place, self.faults);
                if let Some(other) = placed.get(&path) {
                    let seen = format!("{} is put in place twice", quote(&path));
                    let fault = Fault::new(place.clone(), "duplicate-file", seen, "each path once");
                    self.faults.push(fault.also(vec![other.clone()]));
                }
                placed.insert(path, place.clone());
            }
        }
        inside_each_other(&placed, self.faults);
        if bytes > MAX_FILES_BYTES {
            let seen = format!("files of {bytes} bytes in one container");
            self.fault(
                source.place(files.spot),
                "too-large",
                seen,
                format!("at most {MAX_FILES_BYTES} bytes (8 MiB) together"),
            );
        }
        if count > MAX_FILES {
            let seen = format!("{count} files in one container");
            self.fault(source.place(files.spot), "too-many-files", seen, format!("at most {MAX_FILES} files"));
        }
    }

    fn is_sound_path(&mut self, path: &str, place: &Place) -> bool {
        if !path.starts_with('/') || path.split('/').skip(1).any(is_odd) || path.contains("{{") {
            let expected = "an absolute path below `/`, written out, without `.`, `..` and a `/` at its end";
            self.fault(place.clone(), "bad-path", format!("bad path {} of a file", quote(path)), expected);
            return false;
        }
        true
    }

    /// The files that `from` names; none: there is a fault, which is told.
    fn taken(&mut self, from: &str, place: &Place) -> Option<Vec<TreeFile<'a>>> {
        if !may_be_taken(from) || from.split('/').any(is_odd) {
            self.fault(place.clone(), "bad-from", format!("{} cannot be taken in", quote(from)), FROM);
            return None;
        }
        let range = self.contents.range(from..);
        let near = range.take_while(|(path, _)| path.starts_with(from));
        let taken: Vec<TreeFile<'a>> = near.filter(|(path, _)| lies_in(path, from)).map(|(_, file)| *file).collect();
        if !taken.is_empty() {
            return Some(taken);
        }
        let folders = self.contents.keys().flat_map(|path| path.match_indices('/').map(|(at, _)| &path[..at]));
        let names: BTreeSet<&str> = self.contents.keys().copied().chain(folders).collect();
        let hint = if self.faults.len() < MAX_HINTED { did_you_mean(from, names) } else { None };
        let seen = format!("there is no {} in this fleet's tree", quote(from));
        let hint = hint.unwrap_or_else(|| "`git add` it; a folder is there once a file is in it".to_owned());
        self.faults.push(Fault::new(place.clone(), "no-such-file", seen, FROM).hint(hint));
        None
    }

    /// Takes note of one file; how many bytes it has. None: there is a fault, which is told.
    fn take(&mut self, source: &'a Source, file: &TreeFile<'a>, place: &Place, render: bool) -> Option<u64> {
        let mut fault = |code, seen: String, expected: &str, hint: Option<String>| {
            self.faults.push(Fault::new(place.clone(), code, seen, expected).hint(hint));
            None
        };
        let path = quote(file.path);
        match file.kind {
            EntryKind::Symlink => {
                let hint = "put the content itself there".to_owned();
                return fault(
                    "symlink",
                    format!("{path} is a symbolic link"),
                    "files, and folders of files",
                    Some(hint),
                );
            }
            EntryKind::Submodule => {
                return fault("submodule", format!("{path} is a Git submodule"), "files, and folders of files", None);
            }
            EntryKind::File | EntryKind::Executable => {}
        }
        if file.path.contains('\u{fffd}') || file.path.chars().any(char::is_control) {
            return fault("file-name", format!("{path} has no name in plain UTF-8"), "a name without such signs", None);
        }
        let (blob, size) = match file.content {
            Content::Bytes(bytes) if bytes.len() as u64 <= MAX_FILE => (Oid::of_blob(bytes), bytes.len() as u64),
            Content::Known { blob, size } if size <= MAX_FILE => (blob.clone(), size),
            Content::Unread => return fault("unread", format!("{path} was not read"), "a file that was read", None),
            Content::Bytes(_) | Content::TooLarge(_) | Content::Known { .. } => {
                let size = match file.content {
                    Content::Bytes(bytes) => bytes.len() as u64,
                    Content::TooLarge(size) | Content::Known { size, .. } => size,
                    Content::Unread => 0,
                };
                let expected = format!("files of at most {MAX_FILE} bytes (1 MiB) each");
                return fault("too-large", format!("{path} has {size} bytes"), &expected, None);
            }
        };
        let executable = file.kind == EntryKind::Executable;
        let known = self.found.contents.get(file.path).map(|it| it.references.clone());
        let references = if render { self.references(source, file) } else { known.unwrap_or_default() };
        self.found.contents.insert(file.path.to_owned(), Blob { blob, size, executable, references });
        Some(size)
    }

    /// The references of a file, each once; those that name nothing are told where they stand.
    fn references(&mut self, source: &'a Source, file: &TreeFile<'a>) -> Vec<String> {
        let place = |line, column| Place { path: file.path.to_owned(), line, column };
        let text = match file.content {
            Content::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        };
        let Some(text) = text else {
            let seen = "references are to be looked up in it, and it is no UTF-8 text".to_owned();
            self.fault(place(1, 1), "no-text", seen, "a UTF-8 text, or no `render`");
            return Vec::new();
        };
        let mut references = BTreeSet::new();
        let told = self.faults.len();
        for (number, line) in (1..).zip(text.lines()) {
            for (at, reference) in template::located(line) {
                let column = u32::try_from(line[..at].chars().count() + 1).unwrap_or(u32::MAX);
                match reference {
                    Ok(reference) => {
                        let told = self.faults.len();
                        self.faults.extend(self.known.missing(place(number, column), &reference, told));
                        references.insert(reference);
                    }
                    Err(error) => {
                        let expected = "a reference such as `{{ variables.app.region }}`, in one line";
                        let fault = Fault::new(place(number, column), "bad-reference", error.message, expected);
                        self.faults.push(fault.hint(error.hint));
                    }
                }
            }
        }
        let names = references.iter().map(ToString::to_string).collect();
        self.texts.push(Text {
            source,
            spot: Spot::START,
            elsewhere: Some(place(1, 1)),
            top: "files",
            length: 0,
            references: references.into_iter().collect(),
            broken: self.faults.len() > told,
        });
        names
    }

    fn scan(&mut self, file: &TreeFile<'a>) {
        if let Content::Bytes(bytes) = file.content
            && self.scanned.insert(file.path)
        {
            scan(file.path, bytes, &mut self.found.secrets);
        }
    }
}

/// Whether a part of a path names nothing of its own.
fn is_odd(part: &str) -> bool {
    matches!(part, "" | "." | "..")
}

/// Looks for secrets in a text; what is none is not looked into.
pub(super) fn scan(path: &str, bytes: &[u8], faults: &mut Vec<Fault>) {
    if std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0) {
        secrets::refuse_taken(path, bytes, faults);
    }
}

/// A signal that is never sent, and an owner that no system has.
fn signal(source: &Source, entry: &Node, faults: &mut Vec<Fault>) {
    if let Some(node) = entry.get("signal").filter(|_| entry.get("on_change").and_then(Node::text) != Some("signal")) {
        let seen = "`signal` without `\"on_change\": \"signal\"`";
        let fault =
            Fault::new(source.place(node.spot), "bad-file", seen, "`signal` beside `\"on_change\": \"signal\"` only");
        faults.push(fault.hint("add it, or take `signal` out".to_owned()));
    }
    if let Some((node, text)) = entry.get("owner").and_then(|node| Some((node, node.text()?)))
        && text.split(':').any(|it| it.bytes().all(|b| b.is_ascii_digit()) && it.parse::<u32>().is_err())
    {
        let seen = format!("no system has the user or group {}", quote(text));
        faults.push(Fault::new(source.place(node.spot), "bad-file", seen, "numbers of at most 4294967295"));
    }
}

/// Whether a file may lie at a path of the container: below no mount that hides it, or from which it could not be taken
/// out again.
fn lies_well(path: &str, seeds: bool, root: &Node, place: &Place, faults: &mut Vec<Fault>) {
    let mut fault = |code, seen: String, expected: &str| faults.push(Fault::new(place.clone(), code, seen, expected));
    if let Some(of_docker) = NOT_OURS.iter().find(|it| lies_in(path, it)) {
        return fault("bad-path", format!("{} is Docker's own", quote(of_docker)), "another path");
    }
    let mounts = root.get("volumes").map(Node::members).unwrap_or_default();
    let over = mounts.iter().filter(|it| lies_in(path, it.key.trim_end_matches('/')));
    let Some(mount) = over.max_by_key(|it| it.key.trim_end_matches('/').len()) else {
        if is_true(root, "read_only") {
            let seen = format!("{} in a container that is `read_only`", quote(path));
            fault("bad-path", seen, "a path in a volume of the fleet, where `\"mode\": \"seed\"` writes");
        }
        return;
    };
    let at = quote(&mount.key);
    let is_volume = mount.node.text().is_some() || mount.node.get("volume").is_some();
    if !is_volume || path == mount.key.trim_end_matches('/') {
        return fault("bad-path", format!("{} lies under the mount {at}", quote(path)), "a path outside of it");
    }
    if is_true(&mount.node, "read_only") {
        return fault(
            "bad-path",
            format!("{} lies in the volume at {at}, which is `read_only`", quote(path)),
            "a path outside of it",
        );
    }
    if !seeds {
        let seen = format!("{} lies in the volume at {at}", quote(path));
        fault("bad-path", seen, "`\"mode\": \"seed\"` there: what is in a volume cannot be taken out again");
    }
}

/// A file cannot be a folder as well.
fn inside_each_other(placed: &BTreeMap<String, Place>, faults: &mut Vec<Fault>) {
    for (path, place) in placed {
        let inside = placed.range(format!("{path}/")..).next().filter(|(it, _)| lies_in(it, path));
        if let Some((inner, other)) = inside {
            let seen = format!("{} is a file, and {} lies in it", quote(path), quote(inner));
            let fault = Fault::new(place.clone(), "duplicate-file", seen, "a file or a folder");
            faults.push(fault.also(vec![other.clone()]));
        }
    }
}

/// Tells files that grow too large once their references are resolved. Everything else about the tree is fine.
pub(super) fn filled(tree: &Tree, contents: &Contents<'_>, found: &BTreeMap<String, Blob>, faults: &mut Vec<Fault>) {
    let desired = &tree.desired;
    let rendered = desired.containers.values().flat_map(|it| it.files.values()).filter(|it| it.render);
    let sources: BTreeSet<&str> = rendered.map(|it: &FileSource| it.from.as_str()).collect();
    let is_rendered = |path: &str| {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        folders.chain([path]).any(|it| sources.contains(it))
    };
    for (path, file) in found.iter().filter(|(path, _)| is_rendered(path)) {
        let Some(Content::Bytes(bytes)) = contents.get(path.as_str()).map(|it| it.content) else { continue };
        let value = |name: &String| Some((name.clone(), spec::resolve(&format!("{{{{ {name} }}}}"), desired).ok()?));
        let (blob, size) = (file.blob.clone(), file.size);
        let values = file.references.iter().filter_map(value).collect();
        let piece = Piece { blob, size, executable: false, rendered: true, values };
        if let Err(error) = piece.fill(bytes.to_vec()) {
            let place = Place { path: path.clone(), line: 1, column: 1 };
            faults.push(Fault::new(place, "bad-file", error.to_string(), "a text that can be rendered"));
        }
    }
}
