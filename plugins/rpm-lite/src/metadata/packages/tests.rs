//! The three files of packages, beside createrepo_c's.

use super::write;
use super::*;
use crate::package::{Dependency, FileKind};

/// Records as createrepo_c 0.17.3 writes them, but for the checksum.
const PRIMARY: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">
<package type="rpm">
  <name>demo</name>
  <arch>noarch</arch>
  <version epoch="2" ver="1.0" rel="1"/>
  <checksum type="sha1" pkgid="YES">da39a3ee5e6b4b0d3255bfef95601890afd80709</checksum>
  <summary>A &lt;demo&gt; &amp; "package"</summary>
  <description>First line é &lt;b&gt;
  second line</description>
  <packager>Zdeněk &lt;z@example.test&gt;</packager>
  <url>https://example.test/?a=1&amp;b=2</url>
  <time file="1795705491" build="1795705490"/>
  <size package="7758" installed="14" archive="788"/>
  <location href="demo-1.0-1.noarch.rpm"/>
  <format>
    <rpm:license>MIT</rpm:license>
    <rpm:vendor>Demo "Inc" &amp; Co</rpm:vendor>
    <rpm:group>Unspecified</rpm:group>
    <rpm:buildhost>vm</rpm:buildhost>
    <rpm:sourcerpm></rpm:sourcerpm>
    <rpm:header-range start="4504" end="7577"/>
    <rpm:provides>
      <rpm:entry name="demo" flags="EQ" epoch="2" ver="1.0" rel="1"/>
      <rpm:entry name="other"/>
    </rpm:provides>
    <rpm:requires>
      <rpm:entry name="/bin/sh" pre="1"/>
      <rpm:entry name="foo" flags="GE" epoch="1" ver="2.0" rel="3"/>
    </rpm:requires>
    <rpm:supplements>
      <rpm:entry name="sup"/>
    </rpm:supplements>
    <file type="dir">/etc/demo</file>
    <file type="ghost">/etc/demo/ghosted</file>
    <file>/usr/bin/demo</file>
  </format>
</package>
</metadata>"#;

const FILELISTS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="1">
<package pkgid="da39a3ee5e6b4b0d3255bfef95601890afd80709" name="demo" arch="noarch">
  <version epoch="2" ver="1.0" rel="1"/>
  <file type="dir">/etc/demo</file>
  <file type="ghost">/etc/demo/ghosted</file>
  <file>/usr/bin/demo</file>
  <file>/usr/share/demo/a b&amp;c"é</file>
</package>
</filelists>"#;

const OTHER: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<otherdata xmlns="http://linux.duke.edu/metadata/other" packages="1">
<package pkgid="da39a3ee5e6b4b0d3255bfef95601890afd80709" name="demo" arch="noarch">
  <version epoch="2" ver="1.0" rel="1"/>
  <changelog author="A &lt;a@example.test&gt; - 0.9-1" date="1704110401">- first</changelog>
  <changelog author="Zden&#x11B;k &quot;X&quot;" date="1704196800">- change &amp; &lt;b&gt; "quoted"
- second</changelog>
</package>
</otherdata>"#;

fn read(primary: &str, filelists: &str, other: &str) -> Result<Vec<Package>, BadMetadata> {
    Packages::open(primary.as_bytes(), Some(filelists.as_bytes()), Some(other.as_bytes()))?.collect()
}

#[test]
fn what_createrepo_writes_is_read_and_written_back_to_the_byte() {
    let packages = read(PRIMARY, FILELISTS, OTHER).unwrap();
    let [package] = &packages[..] else { panic!("one package") };
    assert_eq!(package.files.len(), 4);
    assert_eq!(package.files[1], File::new(Some(FileKind::Ghost), "/etc/demo/ghosted"));
    assert_eq!(package.changelogs[1].author, "Zdeněk \"X\"");
    assert_eq!(package.requires[0], Dependency { name: "/bin/sh".into(), pre: true, ..Dependency::default() });

    let mut text = write::primary_begin(1);
    write::primary(&mut text, package);
    assert_eq!(text + write::PRIMARY_END, PRIMARY);
    let mut text = write::filelists_begin(1);
    write::filelists(&mut text, package);
    assert_eq!(text + write::FILELISTS_END, FILELISTS);
    let mut text = write::other_begin(1);
    write::other(&mut text, package);
    assert_eq!(text + write::OTHER_END, OTHER);
}

#[test]
fn without_filelists_there_are_the_files_of_primary() {
    let packages = Packages::open(PRIMARY.as_bytes(), None::<&[u8]>, None::<&[u8]>).unwrap();
    assert_eq!(packages.announced(), Some(1));
    let packages: Vec<Package> = packages.map(Result::unwrap).collect();
    assert_eq!(packages[0].files.len(), 3);
    assert!(packages[0].changelogs.is_empty());
}

/// A minimal record of `primary`, of a package whose identity is this digit, 32 times.
fn primary(digit: char) -> String {
    let id = digit.to_string().repeat(32);
    format!("<package><name>{digit}</name><checksum type='md5' pkgid='YES'>{id}</checksum></package>")
}

/// A minimal record of the others.
fn part(digit: char, inner: &str) -> String {
    format!("<package pkgid='{}'>{inner}</package>", digit.to_string().repeat(32))
}

#[test]
fn files_in_another_order_come_together() {
    let order = |digits: &str, record: &dyn Fn(char) -> String| digits.chars().map(record).collect::<String>();
    let primary = format!("<metadata>{}</metadata>", order("12345", &primary));
    let filelists = order("53124", &|digit| part(digit, &format!("<file>/{digit}</file>")));
    let other = order("54321", &|digit| part(digit, &format!("<changelog author='{digit}' date='1'/>")));
    let filelists = format!("<filelists>{filelists}</filelists>");
    for package in read(&primary, &filelists, &format!("<otherdata>{other}</otherdata>")).unwrap() {
        assert_eq!(package.files[0].name, package.name);
        assert_eq!(package.changelogs[0].author, package.name);
    }
}

#[test]
fn a_package_that_is_listed_twice_is_twice_there() {
    let primary = format!("<metadata>{}{}</metadata>", primary('1'), primary('1'));
    let filelists = format!("<filelists>{}{}</filelists>", part('1', "<file>/a</file>"), part('1', "<file>/b</file>"));
    let packages = Packages::open(primary.as_bytes(), Some(filelists.as_bytes()), None::<&[u8]>).unwrap();
    assert_eq!(packages.map(|package| package.unwrap().files.len()).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn what_does_not_belong_together_is_refused_with_the_reason() {
    let refused = |primary: &str, filelists: &str| read(primary, filelists, "<otherdata/>").unwrap_err().to_string();
    let one = format!("<metadata>{}</metadata>", primary('1'));
    assert_eq!(refused(&one, "<filelists/>"), "filelists: The package '1' of 'primary' is not in 'filelists'.");
    let filelists = format!("<filelists>{}</filelists>", part('1', ""));
    assert_eq!(refused(&one, &filelists), "other: The package '1' of 'primary' is not in 'other'.");
    assert!(refused("<metadata><package/></metadata>", "<filelists/>").contains("no name"));
    let unknown = "<metadata><package><name>a</name><checksum type='crc'>1</checksum></package></metadata>";
    assert!(refused(unknown, "<filelists/>").contains("no checksum of a kind that is known"));
    let none = "<metadata><package><name>a</name><checksum type='md5'>../../etc</checksum></package></metadata>";
    assert!(refused(none, "<filelists/>").contains("The checksum of the package 'a' is none"));
    let control = "<metadata><package><name>a&#1;</name></package></metadata>";
    assert!(refused(control, "<filelists/>").contains("that XML does not know"));
    let mut packages = Packages::open(control.as_bytes(), None::<&[u8]>, None::<&[u8]>).unwrap();
    assert!(packages.next().unwrap().is_err() && packages.next().is_none(), "it ends after an error");
}

#[test]
fn odd_values_are_what_createrepo_takes_them_for() {
    let text = format!(
        "<metadata packages='many'><package type='rpm'><name>a</name><version ver='1'/><checksum type='SHA'>{}</checksum>\
         <time build='x'/><size/><format><rpm:requires><rpm:entry name='b' pre='0'/><odd/></rpm:requires><odd/></format>\
         </package></metadata>",
        "A".repeat(40)
    );
    let mut packages = Packages::open(text.as_bytes(), None::<&[u8]>, None::<&[u8]>).unwrap();
    assert_eq!(packages.announced(), None);
    let package = packages.next().unwrap().unwrap();
    assert_eq!((package.epoch.as_str(), package.version.as_str(), package.release.as_str()), ("0", "1", ""));
    assert_eq!((package.checksum_type.as_str(), package.pkg_id), ("sha1", "a".repeat(40)));
    assert_eq!(package.requires, [Dependency { name: "b".into(), ..Dependency::default() }]);
    assert_eq!(package.time_build, 0);
}
