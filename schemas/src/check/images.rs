//! Images of containers and tasks: names that Docker would refuse, and names that do not say which image it is.

use super::fault::{Fault, quote};
use super::tree::{Source, Tree};
use crate::descriptors::{AutoUpdate, Kind, Path};
use crate::image::{self, Pinned};
use crate::json::Node;
use crate::spec::resolve;

/// The image of a container or a task: where it stands and what it says.
fn image_of<'a>(source: &Source, root: &'a Node) -> Option<(&'a Node, &'a str)> {
    let node = root.get("image").filter(|_| matches!(source.at, Path::Named(Kind::Container | Kind::Task, _)))?;
    Some((node, node.text()?))
}

/// A name that is written out and that Docker would refuse.
pub(super) fn fault(source: &Source, root: &Node, faults: &mut Vec<Fault>) {
    let Some((node, text)) = image_of(source, root) else { return };
    // What is empty, or has blanks in it, has been told in other words.
    let told = text.is_empty() || text.contains("{{") || text.chars().any(|c| c.is_whitespace() || c.is_control());
    if !told && !image::is_name(text) {
        faults.push(refused(source, node, text));
    }
}

/// When a tag is looked at: a duration that no registry minds, or a cron expression.
pub(super) fn policy(source: &Source, root: &Node, faults: &mut Vec<Fault>) {
    let Some(node) = root.get("image_policy").and_then(|policy| policy.get("auto")) else { return };
    let Some(text) = node.text().filter(|text| !text.is_empty()) else { return };
    if let Err(error) = (AutoUpdate { auto: text.to_owned() }).checked() {
        let place = source.place(node.spot);
        faults.push(Fault::new(place, "bad-image-policy", format!("`auto`: {error}"), error.expected));
    }
}

/// The same for names with references where the tree is `sound`, else nobody knows what they lead to; and what is no
/// fault for certain.
pub(super) fn judge(tree: &Tree, sound: bool, faults: &mut Vec<Fault>, warnings: &mut Vec<Fault>) {
    for source in &tree.sources {
        let Some((node, text)) = source.root.as_ref().and_then(|root| image_of(source, root)) else { continue };
        let refers = text.contains("{{");
        if refers && !sound {
            continue;
        }
        let Ok(image) = resolve(text, &tree.desired) else { continue };
        if !image::is_name(&image) {
            // What is written out has been told.
            faults.extend(refers.then(|| refused(source, node, &image)));
            continue;
        }
        let what = match image::pinned(&image) {
            Pinned::Digest | Pinned::Tag => continue,
            Pinned::Latest => "says `latest`: which image that is changes with every push to its registry",
            Pinned::No => "has neither tag nor digest, and so means `latest`",
        };
        let name = image.strip_suffix(":latest").unwrap_or(&image);
        let fault = Fault::new(
            source.place(node.spot),
            "unpinned-image",
            format!("image {} {what}", quote(&image)),
            "an image with a tag of a version, or with a digest",
        );
        warnings.push(fault.hint(format!("such as \"{name}:1.2\" or \"{name}@sha256:…\"")));
    }
}

fn refused(source: &Source, node: &Node, image: &str) -> Fault {
    let expected = "a name with a tag or digest, such as `demo/tool:1`";
    let fault = Fault::new(source.place(node.spot), "bad-image", format!("{} is no image", quote(image)), expected);
    let bare = image.split_once("://").map(|it| it.1).filter(|it| image::is_name(it));
    let name = image.split(['@', ':']).next().unwrap_or_default();
    let lower = image.replacen(name, &name.to_lowercase(), 1);
    let lower =
        (lower != image && image::is_name(&lower)).then(|| format!("image names are lower-case: write \"{lower}\""));
    fault.hint(bare.map(|it| format!("write \"{it}\"")).or(lower))
}
