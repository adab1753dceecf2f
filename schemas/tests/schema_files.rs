//! Holds the committed JSON Schemas to the types that they are generated from.

use std::fs;
use std::path::Path;

use schemas::descriptors::Kind;
use schemas::jsonschema;

#[test]
fn the_committed_schemas_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("json");
    for kind in Kind::ALL {
        let file = folder.join(jsonschema::file_name(kind));
        let current = jsonschema::text(kind);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&file, &current).unwrap();
        }
        let committed = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == current,
            "{} is not what the types say; renew it with `UPDATE_EXPECT=1 cargo test -p schemas --test schema_files`",
            file.display()
        );
    }
}
