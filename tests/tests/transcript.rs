//! The README's transcript is what a user sees: made by pushing the demo fleet, with what differs from run to run made
//! equal. `UPDATE_EXPECT=1` writes it anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

#[path = "transcript/normal.rs"]
mod normal;

use std::{env, fs};

use normal::Normal;
use tests::{Fleet, Platform, free_port, root};

const BEGIN: &str = "<!-- transcript -->";
const END: &str = "<!-- /transcript -->";

#[test]
fn the_readme_shows_what_happens() {
    let (platform, port) = (Platform::start(), free_port());
    let made = transcript(&platform, port);
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).expect("README.md is there");
    let (before, rest) = readme.split_once(BEGIN).expect("README.md has a place for the transcript");
    let (shown, after) = rest.split_once(END).expect("the transcript's place has an end");
    let wanted = format!("\n\n```console\n{made}```\n\n");
    if shown != wanted {
        if env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
        } else {
            assert_eq!(shown, wanted, "README.md is out of date: run this test with UPDATE_EXPECT=1");
        }
    }
}

fn transcript(platform: &Platform, port: u16) -> String {
    let shop = platform.fleet("shop");
    let mut normal = Normal::default();
    normal.say(platform.url().trim_start_matches("http://"), "127.0.0.1:7070");
    normal.say(platform.owner(), "acme");
    normal.say(platform.node(), "local");
    normal.say(&port.to_string(), "8080");
    let mut text = String::new();
    let mut push = |fleet: &Fleet<'_>, options: &[&str], command: &str| {
        text.push_str(&normal.command(command, &fleet.push(options).text));
    };

    shop.demo(port).commit("a small shop");
    push(&shop, &["create"], "git push -o create origin main");

    let api = fs::read_to_string(shop.path().join("containers/api.json")).unwrap();
    shop.write_text("containers/api.json", &api.replace("\"needs\": [\"db\"]", "\"need\": [\"db\"]"));
    shop.write_text("variables/app.json", "{\n  \"region\": \"eu-1\",\n}\n").commit("two typing errors");
    push(&shop, &[], "git push origin main");

    shop.git(&["reset", "--quiet", "--hard", "HEAD~1"]).ok();
    let app = fs::read_to_string(shop.path().join("variables/app.json")).unwrap();
    shop.write_text("variables/app.json", &app.replace("eu-1", "eu-2")).commit("move");
    push(&shop, &["plan"], "git push -o plan origin main");
    text.trim_end().to_owned() + "\n"
}
