//! Packages' headers, whole, old, broken, and as createrepo_c reads them.

use super::*;
use crate::noise::{Noise, rounds};
use crate::package::{Dependency, File, FileKind};

mod createrepo;
mod kit;

use kit::{Value, rpm};

fn minimal() -> Vec<(u32, Value)> {
    vec![
        (tags::NAME, Value::Text("bear")),
        (tags::VERSION, Value::Text("4.1")),
        (tags::RELEASE, Value::Text("1")),
        (tags::ARCH, Value::Text("noarch")),
        (tags::SOURCE_RPM, Value::Text("bear-4.1-1.src.rpm")),
    ]
}

fn with(more: Vec<(u32, Value)>) -> Vec<u8> {
    rpm(&[minimal(), more].concat(), b"payload")
}

fn read(mut bytes: &[u8]) -> Result<Package, BadPackage> {
    let rpm = Rpm::read(&mut bytes)?;
    rpm.verify_payload(&mut bytes)?;
    rpm.package(OfFile::default())
}

fn dependency(name: &str) -> Dependency {
    Dependency { name: name.to_owned(), ..Dependency::default() }
}

#[test]
fn what_a_package_need_not_say_is_empty() {
    let package = read(&with(vec![])).unwrap();
    assert_eq!((package.name.as_str(), package.epoch.as_str(), package.arch.as_str()), ("bear", "0", "noarch"));
    assert_eq!((package.summary.as_str(), package.time_build, package.size_archive), ("", 0, 0));
    assert_eq!(package.rpm_header_end - package.rpm_header_start, 16 * 6 + 37);
}

#[test]
fn packages_of_rpm_3_are_read() {
    let package = read(&with(vec![
        (tags::OLD_FILE_NAMES, Value::Texts(vec!["/usr/bin/bear", "/usr/lib"])),
        (tags::FILE_MODES, Value::Shorts(vec![0o100_755, 0o040_755])),
        (tags::FILE_FLAGS, Value::Words(vec![0, 0])),
        (tags::ARCHIVE_SIZE, Value::Words(vec![4711])),
    ]))
    .unwrap();
    let plain = File::new(Some(FileKind::Plain), "/usr/bin/bear");
    assert_eq!(package.files, [plain, File::new(Some(FileKind::Folder), "/usr/lib")]);
    assert_eq!(package.size_archive, 4711);
    // It did not say so itself.
    assert_eq!(package.provides[0].name, "bear");
    assert_eq!(package.provides[0].release.as_deref(), Some("1"));
}

#[test]
fn large_packages_say_their_sizes_in_64_bits() {
    let package = read(&with(vec![
        (tags::LONG_SIZE, Value::Longs(vec![5 << 32])),
        (tags::LONG_ARCHIVE_SIZE, Value::Longs(vec![6 << 32])),
        (tags::BUILD_TIME, Value::Words(vec![u32::MAX])),
    ]))
    .unwrap();
    assert_eq!((package.size_installed, package.size_archive), (5 << 32, 6 << 32));
    assert_eq!(package.time_build, i64::from(u32::MAX));
}

#[test]
fn weak_dependencies_of_old_are_sorted_by_their_strength() {
    let package = read(&with(vec![
        (tags::OLD_SUGGESTS_NAME, Value::Texts(vec!["weak", "strong"])),
        (tags::OLD_SUGGESTS_VERSION, Value::Texts(vec!["", ""])),
        (tags::OLD_SUGGESTS_FLAGS, Value::Words(vec![0, 1 << 27])),
        (tags::OLD_ENHANCES_NAME, Value::Texts(vec!["weaker", "stronger"])),
        (tags::OLD_ENHANCES_VERSION, Value::Texts(vec!["", ""])),
        (tags::OLD_ENHANCES_FLAGS, Value::Words(vec![0, 1 << 27])),
        (tags::REQUIRE_NAME, Value::Texts(vec!["needed", "missing"])),
        (tags::REQUIRE_VERSION, Value::Texts(vec!["", ""])),
        (tags::REQUIRE_FLAGS, Value::Words(vec![0, 1 << 19])),
    ]))
    .unwrap();
    assert_eq!(package.suggests, [dependency("weak")]);
    assert_eq!(package.recommends, [dependency("missing"), dependency("strong")]);
    assert_eq!(package.enhances, [dependency("weaker")]);
    assert_eq!(package.supplements, [dependency("stronger")]);
    assert_eq!(package.requires, [dependency("needed")]);
}

#[test]
fn of_libcs_symbols_the_newest_is_kept_and_of_all_else_each_once() {
    let names = [
        "libc.so.6()(64bit)",
        "libc.so.6(GLIBC_2.3.4)(64bit)",
        "libc.so.6(GLIBC_2.14)(64bit)",
        "libc.so.6(GLIBC_2.4)(64bit)",
        "rpmlib(CompressedFileNames)",
        "twice",
        "twice",
        "bad-epoch",
    ];
    let package = read(&with(vec![
        (tags::REQUIRE_NAME, Value::Texts(names.to_vec())),
        (tags::REQUIRE_VERSION, Value::Texts(vec!["", "", "", "", "3", "", "", "x:1"])),
        (tags::REQUIRE_FLAGS, Value::Words(vec![0, 0, 0, 0, 10, 0, 0, 8])),
    ]))
    .unwrap();
    assert_eq!(package.requires, [dependency("twice"), dependency("libc.so.6(GLIBC_2.14)(64bit)")]);
}

#[test]
fn texts_in_languages_are_those_in_none_and_old_texts_are_latin1() {
    let package = read(&with(vec![
        (tags::SUMMARY, Value::Translated(vec![b"A bear", b"Ein B\xc3\xa4r"])),
        (tags::DESCRIPTION, Value::Translated(vec![b"Caf\xe9"])),
    ]))
    .unwrap();
    assert_eq!((package.summary.as_str(), package.description.as_str()), ("A bear", "Café"));
}

#[test]
fn entries_of_one_time_are_a_second_apart() {
    let package = read(&with(vec![
        (tags::CHANGELOG_TIME, Value::Words(vec![200, 100, 100, 100])),
        (tags::CHANGELOG_NAME, Value::Texts(vec!["D  ", "C", "B", "A"])),
        (tags::CHANGELOG_TEXT, Value::Texts(vec!["- d", "- c", "- b", "- a"])),
    ]))
    .unwrap();
    let said: Vec<(&str, i64)> = package.changelogs.iter().map(|entry| (entry.author.as_str(), entry.time)).collect();
    assert_eq!(said, [("A", 100), ("B", 101), ("C", 102), ("D", 200)]);
}

#[test]
fn sources_are_src_whatever_they_were_built_on() {
    let mut tags = minimal();
    tags.pop();
    assert_eq!(read(&rpm(&tags, b"")).unwrap().arch, "src");
    assert_eq!(read(&with(vec![(tags::SOURCE_PACKAGE, Value::Words(vec![1]))])).unwrap().arch, "src");
}

#[test]
fn what_is_cut_short_is_refused_wherever_it_ends() {
    let whole = with(vec![(tags::SUMMARY, Value::Text("A bear"))]);
    for length in 0..whole.len() {
        let error = read(&whole[..length]).unwrap_err().to_string();
        assert!(error.starts_with("The package is cut short: it ends in the "), "{length}: {error}");
    }
    assert!(read(&whole).is_ok());
}

#[test]
fn damage_is_found_and_what_is_no_package_is_called_that() {
    let whole = with(vec![(tags::SUMMARY, Value::Text("A bear"))]);
    let refused = |at: usize| {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        read(&damaged).unwrap_err().to_string()
    };
    assert!(refused(0).contains("no RPM package"));
    assert!(refused(whole.len() - 1).contains("payload does not have the digest"));
    assert!(refused(whole.len() - 10).contains("header does not have the digest"));
    assert!(read(b"<html>").unwrap_err().to_string().contains("cut short"));
    assert!(read(&[0; 4096]).unwrap_err().to_string().contains("no RPM package"));
    let missing = rpm(&minimal()[1..], b"");
    assert_eq!(read(&missing).unwrap_err().to_string(), "The package has no name.");
}

#[test]
fn no_damage_breaks_the_reader() {
    let mut noise = Noise::new(4711);
    let whole = kit::unsigned(
        &[
            minimal(),
            vec![
                (tags::SUMMARY, Value::Translated(vec![b"a", b"b"])),
                (tags::DIR_NAMES, Value::Texts(vec!["/usr/bin/", "/etc/"])),
                (tags::BASE_NAMES, Value::Texts(vec!["a", "b", "c"])),
                (tags::DIR_INDEXES, Value::Words(vec![0, 1, 9])),
                (tags::FILE_MODES, Value::Shorts(vec![0o100_755, 0o040_755, 0])),
                (tags::FILE_FLAGS, Value::Words(vec![0, 64, 0])),
                (tags::REQUIRE_NAME, Value::Texts(vec!["a", "libc.so.6(A"])),
                (tags::REQUIRE_VERSION, Value::Texts(vec!["1:2-3", ""])),
                (tags::REQUIRE_FLAGS, Value::Words(vec![12, 0])),
                (tags::CHANGELOG_TIME, Value::Words(vec![1])),
                (tags::CHANGELOG_NAME, Value::Texts(vec!["A"])),
                (tags::CHANGELOG_TEXT, Value::Texts(vec!["x"])),
                (tags::LONG_SIZE, Value::Longs(vec![1])),
            ],
        ]
        .concat(),
        b"payload",
    );
    assert_eq!(read(&whole).unwrap().files.len(), 3);
    for _ in rounds(20_000) {
        let mut damaged = match noise.below(4) {
            0 => noise.damage(&whole, &[]),
            _ => whole.clone(),
        };
        for _ in 0..noise.below(6) + 1 {
            let at = noise.below(damaged.len());
            if let Some(byte) = damaged.get_mut(at) {
                *byte = if noise.below(3) == 0 { 0xff } else { noise.next() as u8 };
            }
        }
        // Whether it is refused is the damage's affair.
        let _ = read(&damaged).and_then(|_| Rpm::read(&mut &damaged[..])?.signing_keys());
    }
}
