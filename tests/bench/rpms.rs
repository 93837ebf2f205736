//! A repository of made-up packages: its metadata, and files that have the sizes and times that the metadata speaks of.
//!
//! What a package holds is about what Fedora's have on average. The files are empty on the disk (sparse): `createrepo_c
//! --update` looks at their sizes and times only, and a sync `on_demand` does not look at all.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use bytes::Bytes;
use pulp_rpm_lite::compression::Compression;
use pulp_rpm_lite::metadata::repomd::Repomd;
use pulp_rpm_lite::metadata::repository::{ChecksumKind, Options, PackagesWriter};
use pulp_rpm_lite::package::{Changelog, Dependency, File as Held, FileKind, Package};
use pulpcore::testkit::FixtureServer;
use tokio::process::Command;

/// So that packages stand in more than one folder.
const NAMES: [&str; 8] = ["bear", "cat", "duck", "emu", "fox", "gnu", "hare", "ibis"];

/// When the first of them was built, in seconds since 1970.
const BUILT: u64 = 1_700_000_000;

/// Offers the metadata of so many packages in `<folder>/repodata`, in place of what was offered there.
pub(crate) fn offer(fixture: &FixtureServer, folder: &str, count: u64) -> Result<()> {
    for (path, bytes) in metadata(count)? {
        fixture.put(&format!("{folder}/{path}"), bytes);
    }
    Ok(())
}

/// Writes the same repository to the disk, with its packages.
pub(crate) fn write(folder: &Path, count: u64) -> Result<()> {
    std::fs::create_dir_all(folder.join("repodata"))?;
    for name in NAMES {
        std::fs::create_dir_all(folder.join("Packages").join(&name[..1]))?;
    }
    for n in 0..count {
        add(folder, n)?;
    }
    for (path, bytes) in metadata(count)? {
        std::fs::write(folder.join(path), bytes)?;
    }
    Ok(())
}

/// Writes one package's file.
fn add(folder: &Path, n: u64) -> Result<()> {
    let package = package(n);
    let file = File::create(folder.join(&package.location_href))?;
    file.set_len(package.size_package.unsigned_abs())?;
    Ok(file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(package.time_file.unsigned_abs()))?)
}

/// Makes the metadata on the disk anew of what is known; nothing of a package may have to be read.
pub(crate) async fn update(folder: &Path) -> Result<Duration> {
    let read = folder.join("read.txt");
    let mut command = Command::new("createrepo_c");
    command.args(["--quiet", "--update", "--no-database", "--read-pkgs-list"]).arg(&read).arg(folder);
    let start = std::time::Instant::now();
    let status = command.kill_on_drop(true).status().await?;
    let took = start.elapsed();
    ensure!(status.success(), "createrepo_c ended with {status}");
    let read = std::fs::read_to_string(read)?;
    ensure!(read.trim().is_empty(), "createrepo_c looked into packages, such as {:?}", read.lines().next());
    Ok(took)
}

/// The files of metadata, by their paths.
fn metadata(count: u64) -> Result<Vec<(String, Bytes)>> {
    let options =
        Options { checksum: ChecksumKind::Sha256, compression: Compression::Gzip, timestamp: BUILT.cast_signed() };
    let mut writer = PackagesWriter::new([Vec::new(), Vec::new(), Vec::new()], count, options)?;
    for n in 0..count {
        writer.add(&package(n))?;
    }
    let mut repomd = Repomd { revision: Some(count.to_string()), ..Repomd::default() };
    let mut files = Vec::new();
    for (record, bytes) in writer.finish()? {
        files.push((record.location_href.clone(), bytes.into()));
        repomd.records.push(record);
    }
    files.push(("repodata/repomd.xml".to_owned(), repomd.to_string().into()));
    Ok(files)
}

/// The package with this number.
fn package(n: u64) -> Package {
    let name = format!("{}-{n}", NAMES[n as usize % NAMES.len()]);
    let (version, release) = (format!("{}.{}", n % 10, n % 7), format!("{}.fc99", n % 4 + 1));
    let file = format!("{name}-{version}-{release}.noarch.rpm");
    let dependency = |name: String, flags: Option<&str>| Dependency {
        name,
        flags: flags.map(str::to_owned),
        epoch: flags.map(|_| "0".to_owned()),
        version: flags.map(|_| version.clone()),
        release: flags.map(|_| release.clone()),
        pre: false,
    };
    let built = (BUILT + n).cast_signed();
    Package {
        epoch: "0".to_owned(),
        arch: "noarch".to_owned(),
        pkg_id: format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).repeat(4),
        checksum_type: "sha256".to_owned(),
        summary: format!("The {name}, for all who want one"),
        description: format!("{name} is one of many.\n").repeat(8),
        url: format!("https://animals.example.test/{name}"),
        changelogs: (0..8)
            .map(|entry| Changelog {
                author: format!("A Keeper <keeper@example.test> - {version}-{entry}"),
                time: built - 86_400 * (8 - entry),
                text: format!("- Feed the {name} again\n- Clean its cage, number {entry} of {n}"),
            })
            .collect(),
        files: (0..30)
            .map(|file| match file % 10 {
                0 => Held::new(Some(FileKind::Folder), &format!("/usr/share/{name}/part{file}")),
                1 => Held::new(None, &format!("/usr/bin/{name}-{file}")),
                _ => Held::new(None, &format!("/usr/share/{name}/part{}/file{file}.txt", file / 10 * 10)),
            })
            .collect(),
        requires: (1..9).map(|other| dependency(format!("{}-lib{}", NAMES[other % 8], n % 997), None)).collect(),
        provides: vec![
            dependency(name.clone(), Some("EQ")),
            dependency(format!("{name}(x86-64)"), Some("EQ")),
            dependency(format!("lib{name}.so.1()(64bit)"), None),
        ],
        location_href: format!("Packages/{}/{file}", &name[..1]),
        rpm_buildhost: format!("builder-{}.example.test", n % 50),
        rpm_group: "Unspecified".to_owned(),
        rpm_license: "MIT".to_owned(),
        rpm_sourcerpm: format!("{name}-{version}-{release}.src.rpm"),
        rpm_vendor: "The Zoo".to_owned(),
        rpm_header_start: 4504,
        rpm_header_end: 20_000,
        size_archive: 40_000,
        size_installed: 39_000,
        size_package: (20_000 + n % 5000).cast_signed(),
        time_build: built,
        time_file: built + 60,
        name,
        version,
        release,
        ..Package::default()
    }
}
