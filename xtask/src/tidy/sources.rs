//! Rules for what stands in the files.

use super::{File, Finding, Rule, Tree, numbered};

pub(super) const RULES: &[Rule] = &[
    length,
    module_docs,
    no_stubs,
    no_prints,
    no_sleeping_tests,
    no_allow,
    core_names_no_plugin,
    plugins_keep_to_themselves,
    no_trailing_blanks,
    no_machine_paths,
];

/// The longest file of code; beyond it, one file holds more than one idea.
const MOST_LINES: usize = 600;

fn length(tree: &Tree) -> Vec<Finding> {
    let long = |file: &&File| !file.is_under("tests") && file.text.lines().count() > MOST_LINES;
    let say = |file: &File| {
        let lines = file.text.lines().count();
        file.at(0, format!("has {lines} lines; more than {MOST_LINES} are more than one idea: split it"))
    };
    tree.rust().filter(long).map(say).collect()
}

fn module_docs(tree: &Tree) -> Vec<Finding> {
    let silent = |file: &&File| !file.text.starts_with("//!");
    let say = |file: &File| file.at(1, "begins without `//!`: say what the file is and why it is there");
    tree.rust().filter(silent).map(say).collect()
}

fn no_stubs(tree: &Tree) -> Vec<Finding> {
    let words = ["todo!", "unimplemented!", "dbg!"];
    in_code(
        tree.rust(),
        |code| words.into_iter().find(|word| holds(code, word)),
        |word| format!("holds `{word}`: what is merged works"),
    )
}

fn no_prints(tree: &Tree) -> Vec<Finding> {
    let speaks_to_a_person = |file: &&File| file.path.starts_with("xtask/") || in_room(file, "cli");
    let words = ["println!", "print!"];
    in_code(
        tree.rust().filter(|file| !speaks_to_a_person(file)),
        |code| words.into_iter().find(|word| holds(code, word)),
        |word| format!("holds `{word}`: a server speaks through `tracing`; only the command line prints"),
    )
}

fn no_sleeping_tests(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let all = file.is_under("tests") || in_room(file, "testkit") || file.path.ends_with("/tests.rs");
        let mut testing = all;
        let mut marked = false;
        for (line, code) in numbered(&file.code) {
            // Tests are the last thing in a file; a module that lies in a file of its own does not end this one.
            testing |= marked && code.contains("mod ") && code.ends_with('{');
            marked = code.trim() == "#[cfg(test)]";
            if testing && ["sleep", "sleep_until"].into_iter().any(|word| holds(code, word)) {
                let what = "sleeps: wait for the event (a channel, a Notify, a poll with a deadline); a sleep is too \
                            short on a busy machine and too long on every other";
                findings.push(file.at(line, what));
            }
        }
    }
    findings
}

fn no_allow(tree: &Tree) -> Vec<Finding> {
    in_code(
        tree.rust(),
        |code| {
            let outright = code.contains("#[allow(") || code.contains("#![allow(");
            (outright || code.contains("cfg_attr(") && holds(code, "allow")).then_some(())
        },
        |()| {
            "allows a lint: `#[expect(…, reason = \"…\")]` says why, and goes when it is not needed any more".to_owned()
        },
    )
}

/// Text constants may name a plugin: that is how Pulp's wire names its tasks.
fn core_names_no_plugin(tree: &Tree) -> Vec<Finding> {
    let crates: Vec<String> = tree.plugins().map(crate_name).collect();
    in_code(
        tree.rust().filter(|file| file.path.starts_with("pulpcore/") || file.path.starts_with("migrations/")),
        |code| crates.iter().find(|name| holds(code, name)),
        |name| format!("names the plugin `{name}`: core knows plugins through the registry only"),
    )
}

fn plugins_keep_to_themselves(tree: &Tree) -> Vec<Finding> {
    let plugins: Vec<&str> = tree.plugins().collect();
    let hidden = hidden_rooms(tree);
    let mut findings = Vec::new();
    for own in &plugins {
        let others: Vec<String> =
            plugins.iter().filter(|plugin| *plugin != own).map(|plugin| crate_name(plugin)).collect();
        let folder = format!("plugins/{own}/");
        let files = || tree.rust().filter(|file| file.path.starts_with(&folder));
        findings.extend(in_code(
            files(),
            |code| others.iter().find(|name| holds(code, name)),
            |name| format!("names the plugin `{name}`: a plugin sees pulpcore, never another plugin"),
        ));
        findings.extend(in_code(
            files(),
            |code| hidden.iter().find(|room| holds(code, &format!("pulpcore::{room}"))),
            |room| format!("uses `pulpcore::{room}`, which is hidden: plugins see what core documents"),
        ));
    }
    findings
}

/// The modules that core makes public for the assembly alone, and hides from its documentation.
fn hidden_rooms(tree: &Tree) -> Vec<String> {
    let Some(lib) = tree.get("pulpcore/src/lib.rs") else { return Vec::new() };
    let lines: Vec<&str> = lib.code.lines().map(str::trim).collect();
    let hidden = lines.windows(2).filter(|pair| pair[0] == "#[doc(hidden)]");
    hidden.filter_map(|pair| Some(pair[1].strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned())).collect()
}

fn no_trailing_blanks(tree: &Tree) -> Vec<Finding> {
    let files = tree.files.iter().filter(|file| ["rs", "md", "toml"].into_iter().any(|kind| file.is(kind)));
    let say = |file: &File, line| file.at(line, "ends in blanks: they show up in every later diff");
    let blank = |line: &str| line.ends_with([' ', '\t']);
    files
        .flat_map(|file| numbered(&file.text).filter(|(_, line)| blank(line)).map(|(line, _)| say(file, line)))
        .collect()
}

fn no_machine_paths(tree: &Tree) -> Vec<Finding> {
    let say = |file: &File, line, folder| file.at(line, format!("names `/{folder}`: a path of one machine"));
    let files = tree.files.iter().filter(|file| file.path != "Cargo.lock");
    files
        .flat_map(|file| {
            numbered(&file.text).filter_map(move |(line, text)| Some(say(file, line, machine_folder(text)?)))
        })
        .collect()
}

/// The folder of a developer's or a build machine that a path in this line begins with.
fn machine_folder(line: &str) -> Option<&'static str> {
    let part_of_a_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let inside_a_path = |c: char| part_of_a_name(c) || matches!(c, '.' | '/' | '}' | ')' | '*' | '~');
    ["work", "root", "home"].into_iter().find(|folder| {
        line.match_indices(&format!("/{folder}")).any(|(at, found)| {
            let before = line[..at].chars().next_back();
            let after = line[at + found.len()..].chars().next();
            !before.is_some_and(inside_a_path) && !after.is_some_and(part_of_a_name)
        })
    })
}

/// One finding for each line of code in which `look` finds something.
fn in_code<'a, T>(
    files: impl Iterator<Item = &'a File>,
    look: impl Fn(&str) -> Option<T>,
    say: impl Fn(T) -> String,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        findings.extend(numbered(&file.code).filter_map(|(line, code)| Some(file.at(line, say(look(code)?)))));
    }
    findings
}

/// Whether the code holds this word, and not as a part of a longer one.
fn holds(code: &str, word: &str) -> bool {
    let part_of_a_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(part_of_a_word) && !after.is_some_and(part_of_a_word)
    })
}

/// Whether the file is a module of this name or lies in one.
fn in_room(file: &File, room: &str) -> bool {
    file.is_under(room) || file.path.ends_with(&format!("/{room}.rs"))
}

/// `rpm-lite` is the crate `pulp_rpm_lite`.
fn crate_name(plugin: &str) -> String {
    format!("pulp_{}", plugin.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::places;
    use super::*;

    #[test]
    fn long_code_is_found_and_long_tests_are_not() {
        let (fits, long) = ("\n".repeat(MOST_LINES), "\n".repeat(MOST_LINES + 1));
        let files = [("a.rs", fits.as_str()), ("b.rs", long.as_str()), ("x/tests/c.rs", long.as_str())];
        assert_eq!(places(length, &files), ["b.rs:0"]);
    }

    #[test]
    fn every_file_says_what_it_is() {
        assert_eq!(places(module_docs, &[("a.rs", "//! A.\n"), ("b.rs", "use x;\n"), ("c.md", "")]), ["b.rs:1"]);
    }

    #[test]
    fn stubs_are_found_in_code_only() {
        let files = [("a.rs", "// todo!()\nlet a = \"todo!()\";\ntodo!()\n"), ("b.rs", "x(dbg!(1));\nnot_a_todo!()\n")];
        assert_eq!(places(no_stubs, &files), ["a.rs:3", "b.rs:1"]);
    }

    #[test]
    fn only_the_command_line_prints() {
        let says = "println!()";
        let files = [
            ("pulpcore/src/db.rs", says),
            ("pulpcore/src/cli/mod.rs", says),
            ("pulpcore/src/cli.rs", says),
            ("xtask/src/main.rs", says),
            ("pulpcore/src/b.rs", "eprintln!()"),
        ];
        assert_eq!(places(no_prints, &files), ["pulpcore/src/db.rs:1"]);
    }

    #[test]
    fn tests_do_not_sleep() {
        let files = [
            ("a.rs", "use tokio::time::sleep;\n#[cfg(test)]\nmod tests {\n    tokio::time::sleep(x).await;\n"),
            ("apart.rs", "#[cfg(test)]\nmod tests;\nfn wait() { sleep(x) }\n"),
            ("tests/b.rs", "use std::thread::{self, sleep};\nlet asleep = 1;"),
            ("pulpcore/src/testkit/c.rs", "thread::sleep(x);\n"),
        ];
        assert_eq!(places(no_sleeping_tests, &files), ["a.rs:4", "tests/b.rs:1", "pulpcore/src/testkit/c.rs:1"]);
    }

    #[test]
    fn lints_are_expected_not_allowed() {
        let text = "#[allow(dead_code)]\n#[expect(dead_code, reason = \"r\")]\n#[cfg_attr(x, allow(y))]\nallow(x)\n";
        assert_eq!(places(no_allow, &[("a.rs", text)]), ["a.rs:1", "a.rs:3"]);
    }

    #[test]
    fn core_may_say_a_plugins_wire_name_but_not_use_its_crate() {
        let text = "let task = \"pulp_rpm_lite.app.tasks\";\nuse pulp_rpm_lite::Rpm;\nuse pulp_rpm_lite_other::X;\n";
        let files = [("plugins/rpm-lite/Cargo.toml", ""), ("pulpcore/src/a.rs", text), ("tests/a.rs", text)];
        assert_eq!(places(core_names_no_plugin, &files), ["pulpcore/src/a.rs:2"]);
    }

    #[test]
    fn plugins_see_neither_each_other_nor_what_core_hides() {
        let files = [
            ("pulpcore/src/lib.rs", "pub mod plugin;\n#[doc(hidden)]\npub mod engine;\n"),
            ("plugins/file/Cargo.toml", ""),
            ("plugins/rpm/Cargo.toml", ""),
            ("plugins/file/src/lib.rs", "use pulpcore::plugin::Content;\nuse pulp_rpm::Rpm;\nuse pulp_file::File;\n"),
            ("plugins/rpm/src/lib.rs", "use pulpcore::engine::Engine;\n"),
        ];
        assert_eq!(
            places(plugins_keep_to_themselves, &files),
            ["plugins/file/src/lib.rs:2", "plugins/rpm/src/lib.rs:1"]
        );
    }

    #[test]
    fn blanks_at_the_end_of_a_line_are_found() {
        let files = [("a.md", "one\ntwo \n"), ("b.toml", "a = 1\t\n"), ("c.txt", "x \n")];
        assert_eq!(places(no_trailing_blanks, &files), ["a.md:2", "b.toml:1"]);
    }

    #[test]
    fn paths_of_a_machine_are_found_and_urls_are_not() {
        let machine = ["work", "root", "home"].map(|folder| format!("see /{folder}/x"));
        for line in &machine {
            assert!(machine_folder(line).is_some(), "{line}");
        }
        assert_eq!(machine_folder(&format!("\"/{}\"", "root")), Some("root"));
        for line in ["/pulp/api/v3/workers/", "network/work/", "/works", "a/home/b", "{base}/root/", "/homes"] {
            assert_eq!(machine_folder(line), None, "{line}");
        }
    }
}
