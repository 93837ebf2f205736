//! Damage of every kind, at random but the same in every run: nothing of it may break a reader.

use super::comps::Comps;
use super::modules::documents;
use super::packages::{Packages, write};
use super::repomd::Repomd;
use super::updateinfo::Advisories;
use crate::noise::{Noise, rounds};
use crate::package::{Changelog, Dependency, File, FileKind, Package};

/// What means something in XML.
const PIECES: [&str; 14] =
    ["<", ">", "/>", "</", "&", "&amp;", "&#0;", "&#xD800;", "&x;", "<![CDATA[", "]]>", "<!--", "\"", "\u{feff}"];

fn package() -> Package {
    Package {
        name: "bear".into(),
        pkg_id: "0".repeat(32),
        checksum_type: "md5".into(),
        files: vec![File::new(None, "/usr/bin/a"), File::new(Some(FileKind::Ghost), "/b")],
        changelogs: vec![Changelog { author: "é".into(), time: 1, text: "- x".into() }],
        requires: vec![Dependency { name: "a".into(), flags: Some("EQ".into()), pre: true, ..Dependency::default() }],
        ..Package::default()
    }
}

#[test]
fn no_damage_breaks_the_reader_of_packages() {
    let package = package();
    let mut files = [write::primary_begin(1), write::filelists_begin(1), write::other_begin(1)];
    write::primary(&mut files[0], &package);
    write::filelists(&mut files[1], &package);
    write::other(&mut files[2], &package);
    let [primary, filelists, other] = [
        files[0].clone() + write::PRIMARY_END,
        files[1].clone() + write::FILELISTS_END,
        files[2].clone() + write::OTHER_END,
    ];
    let mut noise = Noise::new(42);
    let mut whole = 0;
    for round in rounds(6_000) {
        let mut files = [primary.as_bytes().to_vec(), filelists.as_bytes().to_vec(), other.as_bytes().to_vec()];
        files[round % 3] = noise.damage([&primary, &filelists, &other][round % 3].as_bytes(), &PIECES);
        let Ok(packages) = Packages::open(&files[0][..], Some(&files[1][..]), Some(&files[2][..])) else { continue };
        for read in packages.take(1000).flatten() {
            whole += 1;
            // What was read can be written, and what was written read.
            let mut text = write::primary_begin(1);
            write::primary(&mut text, &read);
            text.push_str(write::PRIMARY_END);
            let mut again = Packages::open(text.as_bytes(), None::<&[u8]>, None::<&[u8]>).unwrap();
            let again = again.next().unwrap().unwrap();
            assert_eq!((again.name, again.summary, again.pkg_id), (read.name, read.summary, read.pkg_id));
        }
    }
    assert!(whole > 300, "only {whole} were readable");
}

#[test]
fn no_damage_breaks_the_other_readers() {
    let repomd = "<repomd><revision>1</revision><tags><distro cpeid='a'>b</distro></tags><data type='primary'>\
                  <checksum type='sha256'>aa</checksum><location href='x'/><size>1</size></data></repomd>";
    let updates = "<updates><update type='security'><id>A</id><issued date='1'/><references><reference href='x' id='y'/>\
                   </references><pkglist><collection short='c'><name>n</name><module name='m' version='1'/><package \
                   name='p'><filename>f</filename><sum type='md5'>1</sum></package></collection></pkglist></update></updates>";
    let comps = "<comps><group><id>a</id><name xml:lang='de'>b</name><packagelist><packagereq type='default'>c</packagereq>\
                 </packagelist></group><environment><id>e</id><optionlist><groupid>a</groupid></optionlist></environment>\
                 <langpacks><match name='a' install='b-%s'/></langpacks></comps>";
    let modules = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: a\n  stream: 1.10\n  version: 1\n  context: c\n  \
                   arch: x\n  dependencies:\n  - requires: {a: [b]}\n  profiles: {d: {rpms: [e]}}\n...\n";
    let mut noise = Noise::new(4711);
    let mut damage = |text: &str| noise.damage(text.as_bytes(), &PIECES);
    for _ in rounds(3_000) {
        if let Ok(read) = Repomd::read(&damage(repomd)[..]) {
            assert_eq!(Repomd::read(read.to_string().as_bytes()), Ok(read));
        }
        if let Ok(read) = Comps::read(&damage(comps)[..]) {
            assert!(Comps::read(read.to_string().as_bytes()).is_ok());
        }
        if let Ok(advisories) = Advisories::open(&damage(updates)[..]) {
            for read in advisories.take(1000).flatten() {
                let text = super::updateinfo::write([&read]);
                assert!(Advisories::open(text.as_bytes()).unwrap().all(|again| again.is_ok()), "{text}");
            }
        }
        if let Ok(text) = String::from_utf8(damage(modules)) {
            documents(&text).for_each(drop);
        }
    }
}
