//! Packages that `rpmbuild` builds are read as `createrepo_c` reads them: to the byte of the metadata.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_lc_rs::digest;

use super::super::{OfFile, Rpm};
use crate::compression::{Limits, reader};
use crate::metadata::packages::{Packages, write};
use crate::metadata::repomd::Repomd;
use crate::package::Package;

const SPEC: &str = r#"
Name: demo
Epoch: 2
Version: 1.0~rc1
Release: 1
Summary: A <demo> & "package"
Summary(de): Eine Vorführung
License: MIT
URL: https://example.test/?a=1&b=2
Packager: Zdeněk <z@example.test>
Vendor: Demo "Inc" & Co
Requires: foo >= 1:2.0-3, bar < 3, baz, demo-virtual = 1.0
Requires(pre): /bin/sh
Requires(post): /sbin/ldconfig
Requires: (one or two)
Requires: /usr/bin/demo
Recommends: rec = 1.0
Suggests: sug
Supplements: (sup and more)
Enhances: enh > 2
Conflicts: con <= 5
Obsoletes: obs < 2.0
Provides: demo-virtual = 1.0, other, déjà = 1
%description
First line é <b>
  second line

%package empty
Summary: Nothing in it
BuildArch: noarch
%description empty

%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/etc/demo %{buildroot}/usr/share/demo
printf '#!/bin/sh\n' > %{buildroot}/usr/bin/demo
chmod +x %{buildroot}/usr/bin/demo
ln -s demo %{buildroot}/usr/bin/link
echo x > %{buildroot}/etc/demo/conf
echo y > '%{buildroot}/usr/share/demo/a b&c"é'
touch %{buildroot}/etc/demo/ghosted
%files
/usr/bin/*
%dir /etc/demo
%config /etc/demo/conf
%ghost /etc/demo/ghosted
/usr/share/demo
%files empty
%pre
true
%changelog
* Tue Jan 02 2024 Zdeněk "X" <z@example.test> - 2:1.0-1
- change & <b> "quoted"
- second
* Mon Jan 01 2024 A <a@example.test> - 0.9-1
- first
* Mon Jan 01 2024 A <a@example.test> - 0.8-1
- zero
"#;

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}: it must be installed"));
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Builds packages of a release, with definitions for `rpmbuild`, into the folder's repository.
fn build(folder: &Path, release: usize, definitions: &[&str]) {
    let spec = folder.join("demo.spec");
    fs::write(&spec, SPEC.replace("Release: 1", &format!("Release: {release}"))).unwrap();
    let top = folder.join("top");
    let mut rpmbuild = Command::new("rpmbuild");
    rpmbuild.arg("-ba").arg("--define").arg(format!("_topdir {}", top.display()));
    for definition in definitions {
        rpmbuild.arg("--define").arg(definition);
    }
    run(rpmbuild.arg(&spec));
    for kind in ["SRPMS", "RPMS", "RPMS/noarch", &format!("RPMS/{}", std::env::consts::ARCH)] {
        for file in fs::read_dir(top.join(kind)).into_iter().flatten().map(|file| file.unwrap().path()) {
            if file.is_dir() {
                continue;
            }
            fs::rename(&file, folder.join("repo").join(file.file_name().unwrap())).unwrap();
        }
    }
    fs::remove_dir_all(&top).unwrap();
}

fn opened(path: PathBuf) -> String {
    let mut text = String::new();
    reader(fs::File::open(path).unwrap(), Limits::default()).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// What a repository says of a file, by our own reader.
fn package(repository: &Path, known: &Package) -> Package {
    let path = repository.join(&known.location_href);
    let mut file = std::io::BufReader::new(fs::File::open(&path).unwrap());
    let rpm = Rpm::read(&mut file).unwrap();
    let size = rpm.verify_payload(&mut file).unwrap();
    assert_eq!(size, fs::metadata(&path).unwrap().len());
    let digest = digest::digest(&digest::SHA256, &fs::read(&path).unwrap());
    let of_file = OfFile {
        pkg_id: hex::encode(digest),
        checksum_type: "sha256".to_owned(),
        location_href: known.location_href.clone(),
        size,
        time: known.time_file,
    };
    rpm.package(of_file).unwrap()
}

#[test]
fn packages_of_all_payloads_and_digests_are_described_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("repo");
    fs::create_dir(&repository).unwrap();
    let kinds: [&[&str]; 5] = [
        &["_binary_payload w9.gzdio", "_source_payload w9.gzdio", "_binary_filedigest_algorithm 1"],
        &["_binary_payload w2.xzdio", "_binary_filedigest_algorithm 8"],
        &["_binary_payload w19.zstdio", "_binary_filedigest_algorithm 10"],
        &["_binary_payload w9.bzdio", "_build_name_fmt %%{NAME}-%%{RELEASE}.%%{ARCH}.rpm"],
        &["_binary_payload w.ufdio", "_enable_debug_packages 0"],
    ];
    for (number, definitions) in kinds.iter().enumerate() {
        build(folder.path(), number + 1, definitions);
    }
    run(Command::new("createrepo_c").arg("--no-database").arg("--general-compress-type=gz").arg(&repository));

    let repomd = fs::read(repository.join("repodata/repomd.xml")).unwrap();
    let repomd = Repomd::read(&repomd[..]).unwrap();
    let file = |kind: &str| opened(repository.join(&repomd.record(kind).unwrap().location_href));
    let (primary, filelists, other) = (file("primary"), file("filelists"), file("other"));
    let packages = Packages::open(primary.as_bytes(), Some(filelists.as_bytes()), Some(other.as_bytes())).unwrap();
    let packages: Vec<Package> = packages.map(Result::unwrap).collect();
    assert_eq!(packages.len(), 3 * kinds.len());

    let count = packages.len() as u64;
    let mut texts = [write::primary_begin(count), write::filelists_begin(count), write::other_begin(count)];
    for known in &packages {
        let read = package(&repository, known);
        write::primary(&mut texts[0], &read);
        write::filelists(&mut texts[1], &read);
        write::other(&mut texts[2], &read);
    }
    let [a, b, c] = texts;
    assert_eq!(a + write::PRIMARY_END, primary);
    assert_eq!(b + write::FILELISTS_END, filelists);
    assert_eq!(c + write::OTHER_END, other);
}
