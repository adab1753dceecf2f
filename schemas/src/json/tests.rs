use std::fmt::Write;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{Document, MAX_FAULTS, Spot, read};

/// Faults as `line:column code: seen | expected | hint | also`, then the tree as far as it was understood.
fn show(document: &Document) -> String {
    let mut text = String::new();
    for fault in &document.faults {
        let Spot { line, column } = fault.spot;
        write!(text, "{line}:{column} {}: {} | {}", fault.code, fault.seen, fault.expected).unwrap();
        if let Some(hint) = &fault.hint {
            write!(text, " | hint: {hint}").unwrap();
        }
        for also in &fault.also {
            write!(text, " | also {}:{}", also.line, also.column).unwrap();
        }
        text.push('\n');
    }
    let tree = document.root.as_ref().map(|root| root.to_json().to_string()).unwrap_or_default();
    write!(text, "{tree}{}", if document.torn { " (torn)" } else { "" }).unwrap();
    text
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&show(&read(text.as_bytes())));
}

#[test]
fn values_keep_their_places() {
    let text = "{\n  \"ä\": \"ö\", \"list\": [1,\r\n    { \"deep\": true }]\n}";
    let root = read(text.as_bytes()).root.unwrap();
    let list = root.get("list").unwrap();
    let spots = [root.spot, root.get("ä").unwrap().spot, root.members()[1].spot, list.spot, list.items()[1].spot];
    assert_eq!(spots.map(|it| (it.line, it.column)), [(1, 1), (2, 8), (2, 13), (2, 21), (3, 5)]);
    let deep = root.find("/list/1/deep");
    assert_eq!((deep.line, deep.column), (3, 15));
    assert_eq!(root.find("/list/1/nothing"), list.items()[1].spot);
}

#[test]
fn comments_and_schema_are_no_part_of_the_tree() {
    check(r#"{"$schema": "x", "a": {"$comment": [], "$comment": 1, "b": 2}}"#, expect![[r#"{"a":{"b":2}}"#]]);
}

#[test]
fn one_slip_is_one_fault() {
    check(
        "",
        expect![[r#"
            1:1 empty-file: empty file | a JSON object, at least `{}`
        "#]],
    );
    check(
        " \n ",
        expect![[r#"
            1:1 empty-file: empty file | a JSON object, at least `{}`
        "#]],
    );
    check(
        "{\"a\": 1\n \"b\": 2}",
        expect![[r#"
        1:8 missing-comma: no comma after this value | `,` or `}`
        {"a":1,"b":2}"#]],
    );
    check(
        "{\"a\": [1, 2,], \"b\": 3,}",
        expect![[r#"
        1:12 trailing-comma: a comma before `]` | no comma after the last entry
        1:22 trailing-comma: a comma before `}` | no comma after the last entry
        {"a":[1,2],"b":3}"#]],
    );
    check(
        "{\"a\": [1,, 2], , \"b\": , \"c\", \"d\" 4, \"e\": 5}",
        expect![[r#"
        1:10 missing-value: `,` without a value before it | a value, or no comma
        1:16 missing-value: `,` without a value before it | a value, or no comma
        1:23 missing-value: no value before `,` | a value
        1:25 missing-value: key `c` without a value | `:` and a value
        1:34 missing-colon: no `:` after the key `d` | `:` before the value
        {"a":[1,2],"b":null,"c":null,"d":4,"e":5}"#]],
    );
    check(
        "{\"a\": \"one,\n \"b\": [\"two],\n \"c\": \"three\n \"d\": 4}",
        expect![[r#"
            1:7 missing-quote: a string without its closing quote | `"` in the same line | hint: a line break inside a string is written `\n`
            2:8 missing-quote: a string without its closing quote | `"` in the same line | hint: a line break inside a string is written `\n`
            3:7 missing-quote: a string without its closing quote | `"` in the same line | hint: a line break inside a string is written `\n`
            {"a":"one","b":["two"],"c":"three","d":4}"#]],
    );
    check(
        "{\"a\": \"one,\r\n \"b\": \"two\r\n}",
        expect![[r#"
            1:7 missing-quote: a string without its closing quote | `"` in the same line | hint: a line break inside a string is written `\n`
            2:7 missing-quote: a string without its closing quote | `"` in the same line | hint: a line break inside a string is written `\n`
            {"a":"one","b":"two"}"#]],
    );
    check(
        "{\"a: 1,\n \"b\": 2}",
        expect![[r#"
            1:2 missing-quote: a string without its closing quote | `"` in the same line | hint: a line break inside a string is written `\n`
            {"b":2} (torn)"#]],
    );
    check(
        "{\"a: \"x\",\n \"b\": 2}",
        expect![[r#"
        1:7 unexpected-text: `x",` after the key `a: ` | `:` and a value | hint: a double quote may be missing in this line
        {"a: ":null,"b":2} (torn)"#]],
    );
    check(
        "{\"a\": \"x, \"b\": 2,\n\"c\": 3}",
        expect![[r#"
        1:12 unexpected-text: `b": 2,` after a value | `,` or `}` | hint: a double quote may be missing in this line
        {"a":"x, ","c":3} (torn)"#]],
    );
    check(
        "{\"a\": 1, // why\n # too\n /* and\n */ \"b\": 2}",
        expect![[r#"
        1:10 comment: a comment | JSON, which has no comments | hint: write it as the value of a `$comment` key, which every object may have
        2:2 comment: a comment | JSON, which has no comments | hint: write it as the value of a `$comment` key, which every object may have
        3:2 comment: a comment | JSON, which has no comments | hint: write it as the value of a `$comment` key, which every object may have
        {"a":1,"b":2}"#]],
    );
    check(
        "{'a': 'x', b: 1, \"c\" = 2}",
        expect![[r#"
        1:2 single-quote: `a` in single quotes | double quotes
        1:7 single-quote: `x` in single quotes | double quotes
        1:12 bad-word: the key `b` without quotes | a key in double quotes
        1:22 missing-colon: no `:` after the key `c` | `:` before the value
        {"a":"x","b":1,"c":2}"#]],
    );
    check(
        "[NaN, Infinity, -Infinity, True, None, yes, 30s, 127.0.0.1:80:80, demo/tool:1 x]",
        expect![[r#"
        1:2 bad-number: `NaN`, which JSON does not have | a JSON number, such as 80 or 0.5
        1:7 bad-number: `Infinity`, which JSON does not have | a JSON number, such as 80 or 0.5
        1:17 bad-number: `-Infinity`, which JSON does not have | a JSON number, such as 80 or 0.5
        1:28 bad-word: `True` | a JSON value | hint: write `true`
        1:34 bad-word: `None` | a JSON value | hint: leave the key out
        1:40 bad-word: `yes` without quotes | a JSON value | hint: put the text in double quotes
        1:45 bad-word: `30s` without quotes | a JSON value | hint: put the text in double quotes
        1:50 bad-word: `127.0.0.1:80:80` without quotes | a JSON value | hint: put the text in double quotes
        1:67 bad-word: `demo/tool:1 x` without quotes | a JSON value | hint: put the text in double quotes
        [null,null,null,null,null,null,null,null,null]"#]],
    );
    check(
        "[01, +1, .5, 5., 1e999, 0x10, -]",
        expect![[r#"
        1:2 bad-number: the number `01` | a JSON number, such as 80 or 0.5 | hint: leave the leading 0 out, or put it in double quotes where it is a text
        1:6 bad-number: the number `+1` | a JSON number, such as 80 or 0.5 | hint: leave the `+` out
        1:10 bad-number: the number `.5` | a JSON number, such as 80 or 0.5 | hint: write a 0 before the point
        1:14 bad-number: the number `5.` | a JSON number, such as 80 or 0.5 | hint: put it in double quotes where it is a text
        1:18 bad-number: the number `1e999` is too large | a number of at most about 1.8e308 | hint: put it in double quotes where it is a text
        1:25 bad-number: the number `0x10` | a JSON number, such as 80 or 0.5 | hint: write it as a decimal number
        1:31 bad-number: the number `-` | a JSON number, such as 80 or 0.5 | hint: put it in double quotes where it is a text
        [null,null,null,null,null,null,null]"#]],
    );
    check(
        "[18446744073709551616, -9223372036854775809, 18446744073709551615, -9223372036854775808, 1e20]",
        expect![[r#"
        1:2 bad-number: the number `18446744073709551616` is too large | a whole number of at most 64 bits | hint: put it in double quotes where it is a text
        1:24 bad-number: the number `-9223372036854775809` is too large | a whole number of at most 64 bits | hint: put it in double quotes where it is a text
        [null,null,18446744073709551615,-9223372036854775808,1e+20]"#]],
    );
    check(
        r#"["\x", "\u12", "\ud800", "\ud800A", "C:\dir", "\ud83d\ude00"]"#,
        expect![[r#"
        1:3 bad-escape: the escape `\x` | one of \" \\ \/ \b \f \n \r \t \uXXXX | hint: a backslash itself is written `\\`
        1:9 bad-escape: the escape `\u12` | `\u` and four hexadecimal digits; above U+FFFF a pair of surrogates
        1:17 bad-escape: the escape `\ud800` | `\u` and four hexadecimal digits; above U+FFFF a pair of surrogates
        1:27 bad-escape: the escape `\ud800` | `\u` and four hexadecimal digits; above U+FFFF a pair of surrogates
        1:40 bad-escape: the escape `\d` | one of \" \\ \/ \b \f \n \r \t \uXXXX | hint: a backslash itself is written `\\`
        ["x","�12","�","�A","C:dir","😀"]"#]],
    );
    check(
        "[\"a\tb\u{0}\", \"c\\\n]",
        expect![[r#"
            1:4 control-character: the control character 0x09 inside a string | `\t`
            1:6 control-character: the control character 0x00 inside a string | `\u0000`
            1:10 missing-quote: a string without its closing quote | `"` in the same line | hint: a line break inside a string is written `\n`
            1:12 bad-escape: `\` at the end of a line | one of \" \\ \/ \b \f \n \r \t \uXXXX | hint: a backslash itself is written `\\`
            ["a\tb\u0000","c"]"#]],
    );
    check(
        "\u{feff}{\"a\": 1}",
        expect![[r#"
        1:1 byte-order-mark: a byte order mark | UTF-8 without one | hint: save the file as UTF-8 without BOM
        {"a":1}"#]],
    );
    check(
        "{\"a\": 1} {\"b\": 2}",
        expect![[r#"
        1:10 text-after-end: `{"b": 2}` after the end of the JSON value | the end of the file | hint: a bracket may have been closed too early
        {"a":1} (torn)"#]],
    );
    check(
        "{\"a\": {}}, \"b\": 1}",
        expect![[r#"
        1:10 text-after-end: `, "b": 1}` after the end of the JSON value | the end of the file | hint: a bracket may have been closed too early
        {"a":{}} (torn)"#]],
    );
    check(
        "{\"a\": 1, \"b\": 2, \"a\": 3, \"a\": 4}",
        expect![[r#"
            1:18 duplicate-key: duplicate key `a` | each key once | also 1:2
            1:26 duplicate-key: duplicate key `a` | each key once | also 1:2
            {"a":4,"b":2}"#]],
    );
    check(
        "{\"a\" \"b\", \"c\":: 1}",
        expect![[r#"
        1:6 missing-colon: no `:` after the key `a` | `:` before the value
        1:15 unexpected-text: `:` | a value
        {"a":"b","c":1}"#]],
    );
    check(
        "{\"a\": “x”, \"b\": `y`}",
        expect![[r#"
        1:7 bad-word: `“x”` in other quotes | a JSON value | hint: JSON's quote is the straight `"`
        1:17 bad-word: ``y`` in other quotes | a JSON value | hint: JSON's quote is the straight `"`
        {"a":null,"b":null}"#]],
    );
    check(
        "{\"a\": 1, {\"b\": 2},\n\"c\": 3}",
        expect![[r#"
        1:10 unexpected-text: `{"b": 2},` where a key should be | a key in double quotes
        {"a":1,"c":3} (torn)"#]],
    );
}

#[test]
fn brackets_that_are_missing_or_wrong() {
    check(
        "{",
        expect![[r#"
        1:1 unclosed-bracket: `{` is not closed before the end of the file | `}`
        {} (torn)"#]],
    );
    check(
        "[1, {\"a\": ",
        expect![[r#"
        1:5 unclosed-bracket: `{` is not closed before the end of the file | `}` | also 1:1
        [1,{"a":null}] (torn)"#]],
    );
    check(
        "{\n  \"env\": {\n    \"A\": \"b\"\n  ,\n  \"ports\": []\n}\n",
        expect![[r#"
        1:1 unclosed-bracket: `{` is not closed before the end of the file | `}` | hint: by its indent, the bracket at 6:1 does not close the one at 2:10: look for a missing one before it
        {"env":{"A":"b","ports":[]}} (torn)"#]],
    );
    check(
        "{\"a\": [1, 2, \"b\": 3, \"c\": 4}",
        expect![[r#"
        1:7 unclosed-bracket: `[` is not closed before the key `b` | `]` after the last item | also 1:14
        {"a":[1,2],"b":3,"c":4}"#]],
    );
    check(
        "{\"a\": [1, 2}, \"b\": 3}",
        expect![[r#"
        1:12 wrong-bracket: `}` where `[` is open | `]` | also 1:7
        {"a":[1,2]} (torn)"#]],
    );
    check(
        "{\"a\": 1]",
        expect![[r#"
        1:8 wrong-bracket: `]` where `{` is open | `}` | also 1:1
        {"a":1} (torn)"#]],
    );
    check(
        "]",
        expect![[r#"
        1:1 missing-value: no value before `]` | a value
        null"#]],
    );
    check(
        "}{",
        expect![[r#"
        1:1 missing-value: no value before `}` | a value
        null"#]],
    );
}

#[test]
fn what_is_not_utf8_is_said_with_its_byte() {
    expect![[r#"
        1:10 not-utf8: the byte 0xfc, which is not UTF-8 | UTF-8 text | hint: save the file as UTF-8
        1:22 trailing-comma: a comma before `}` | no comma after the last entry
        {"a":"gr��e","b":1}"#]]
    .assert_eq(&show(&read(b"{\"a\": \"gr\xfc\xdfe\", \"b\": 1,}")));
    expect![[r#"
        1:1 not-utf8: UTF-16 text | UTF-8 text | hint: save the file as UTF-8 without BOM
         (torn)"#]]
    .assert_eq(&show(&read(b"\xff\xfe{\0}\0")));
}

#[test]
fn depth_is_limited_and_harmless() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(read(nested(64).as_bytes()).faults, []);
    let faults = |text: String| show(&Document { root: None, ..read(text.as_bytes()) });
    expect![[r#"
        1:70 too-deep: more than 64 brackets inside each other | at most 64
        1:200015 missing-value: no value before `}` | a value
    "#]]
    .assert_eq(&faults(format!("{{\"a\": {}, \"b\": }}", nested(100_000))));
    expect![[r#"
        1:65 too-deep: more than 64 brackets inside each other | at most 64
         (torn)"#]]
    .assert_eq(&faults("[".repeat(100_000)));
    expect![[r#"
        1:321 too-deep: more than 64 brackets inside each other | at most 64
         (torn)"#]]
    .assert_eq(&faults("{\"a\":".repeat(100_000)));
}

#[test]
fn too_many_faults_end_the_reading() {
    for text in ["[".to_owned() + &"@,".repeat(10_000), "[".to_owned() + &"\"a\" ".repeat(10_000), ":".repeat(10_000)] {
        let document = read(text.as_bytes());
        assert_eq!(document.faults.len(), MAX_FAULTS + 1);
        assert!(document.faults.iter().any(|fault| fault.code == "too-many-faults"));
    }
}

#[test]
fn time_grows_with_the_text_only() {
    // Each would take minutes if its work grew with the square; all together take about a second in a debug build.
    let n = 100_000;
    for text in [
        "[".to_owned() + &"{},".repeat(n) + "1]",
        "{".to_owned() + &(0..n).map(|i| format!("\"k{i}\":\"{{}}\",")).collect::<String>() + "\"z\":1}",
        " ".repeat(n * 5) + "[" + &"[],".repeat(n) + "1]",
        "[\"".to_owned() + &"\\u00e4ö".repeat(n) + "\"]",
        "[".to_owned() + &"\"a,]}  ,\n".repeat(n),
        "{\"a\":[".repeat(n),
    ] {
        assert!(read(text.as_bytes()).faults.len() <= MAX_FAULTS + 1);
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn valid_json_reads_as_serde_json_reads_it(value in json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let document = read(text.as_bytes());
        prop_assert_eq!(&document.faults, &[]);
        let same: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(document.root.unwrap().to_json(), same);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let document = read(&bytes);
        prop_assert_eq!(document.faults.is_empty(), serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
    }

    #[test]
    fn near_json_is_faulty_exactly_where_serde_json_refuses_it(
        text in r#"([\[\]{},:"'\\/#*\n\r\t u0-9.eE+-]|true|null|"a"|"b":|\\u00e4|\\ud83d\\ude00|ä|[\[\{]\{){0,40}"#
    ) {
        let document = read(text.as_bytes());
        let refused = serde_json::from_str::<serde_json::Value>(&text).err();
        let duplicate = |code| code == "duplicate-key";
        if document.faults.iter().all(|fault| duplicate(fault.code)) {
            prop_assert!(refused.is_none(), "{:?}: {:?}", text, refused);
        } else {
            prop_assert!(refused.is_some(), "{:?}: {:?}", text, document.faults);
        }
        let in_text = |spot: Spot| text.lines().count().max(1) + 1 >= spot.line as usize;
        prop_assert!(document.faults.iter().all(|fault| in_text(fault.spot)));
    }
}
