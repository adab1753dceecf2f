//! The README's copy of the catalog is the catalog. (`UPDATE_EXPECT=1` writes it there.)

use std::path::Path;

#[test]
fn the_readme_shows_the_catalog() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(&readme).unwrap_or_default();
    let expected = streams::catalog::markdown();
    let seen = text.split_once("<!-- catalog -->").and_then(|it| it.1.split_once("<!-- /catalog -->")).map(|it| it.0);
    if std::env::var_os("UPDATE_EXPECT").is_some()
        && let Some(seen) = seen
    {
        std::fs::write(&readme, text.replacen(seen, &format!("\n{expected}"), 1)).unwrap();
        return;
    }
    assert!(
        seen.is_some_and(|seen| seen.trim() == expected.trim()),
        "README.md does not show the catalog as it is; between its marks should stand:\n\n\
         <!-- catalog -->\n{expected}<!-- /catalog -->\n"
    );
}
