//! Which volumes a push may destroy: ephemeral ones whose descriptors it removes, and that it names. Every layer asks here.

use crate::descriptors::{Changes, Desired, Kind, Path, VolumeClass};
use crate::fleet::Fleet;
use crate::names::Name;

/// Of the volumes that a push names those that it may destroy; `before` is what was desired until then.
pub(crate) fn allowed<'a>(
    before: &'a Desired,
    changes: &'a Changes,
    named: &'a [Name],
) -> impl Iterator<Item = Name> + 'a {
    let removed = |name: &Name| {
        let path = Path::Named(Kind::Volume, name.clone());
        changes.removed.contains(&path) && !changes.set.0.contains_key(&path)
    };
    let is_ephemeral = |name: &Name| before.volumes.get(name).is_some_and(|it| it.class == VolumeClass::Ephemeral);
    named.iter().filter(move |name| is_ephemeral(name) && removed(name)).cloned()
}

/// Why a push may not destroy what it names; none: it may. One message for each name that is wrong.
pub fn refused(before: &Desired, desired: &Desired, named: &[Name]) -> Vec<String> {
    let why = |name: &Name| match before.volumes.get(name).map(|it| it.class) {
        _ if desired.volumes.contains_key(name) => {
            Some(format!("volume `{name}` stays in the tree: only what a push removes can be destroyed by it"))
        }
        None => Some(format!(
            "this push removes no volume `{name}`: only the data of a volume whose descriptor it removes can be destroyed"
        )),
        Some(class @ (VolumeClass::Persistent | VolumeClass::Shared)) => {
            let class = if class == VolumeClass::Shared { "shared" } else { "persistent" };
            Some(format!(
                "volume `{name}` is {class}: no push destroys its data, only `fleetlog volume rm`, which is not built yet"
            ))
        }
        Some(VolumeClass::Ephemeral) => None,
    };
    named.iter().filter_map(why).collect()
}

/// Whether a volume of the fleet is to be destroyed: a push allowed it, and nobody wants it again.
pub fn is_doomed(fleet: &Fleet, desired: &Desired, volume: &Name) -> bool {
    fleet.doomed.contains(volume) && !desired.volumes.contains_key(volume)
}
