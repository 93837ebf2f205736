//! A web server with a repository: its metadata is made of lists of packages, advisories, groups and modules.

use std::io::Write;
use std::sync::Mutex;

use bytes::Bytes;
use pulp_rpm_lite::compression::{Compression, Writer};
use pulp_rpm_lite::metadata::comps::Comps;
use pulp_rpm_lite::metadata::packages::write;
use pulp_rpm_lite::metadata::repomd::{Checksum, Record, Repomd};
use pulp_rpm_lite::metadata::updateinfo::{self, Advisory};
use pulp_rpm_lite::package::{Dependency, File, Package};
use pulpcore::storage::{Algorithm, Hasher};
use pulpcore::testkit::FixtureServer;

/// What the repository holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) packages: Vec<Package>,
    pub(crate) advisories: Vec<Advisory>,
    pub(crate) comps: Comps,
    /// Documents, one after the other.
    pub(crate) modules: String,
    /// Whether its metadata is compressed.
    pub(crate) compressed: bool,
    /// Other records: the kind, and what is in the file.
    pub(crate) others: Vec<(&'static str, &'static str)>,
}

/// A repository on a web server.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) files: FixtureServer,
    revision: Mutex<u64>,
    repomd: Mutex<String>,
}

/// The sha256 digest of some bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(&[Algorithm::Sha256]);
    hasher.update(bytes);
    hasher.finish().1.sha256().to_owned()
}

/// A package; its file is not one, but nobody looks into it.
pub(crate) fn package(name: &str, version: &str, arch: &str) -> Package {
    let body = body(name, version, arch);
    let file = format!("{name}-{version}-1.{arch}.rpm");
    let provides = Dependency {
        name: name.to_owned(),
        flags: Some("EQ".to_owned()),
        epoch: Some("0".to_owned()),
        version: Some(version.to_owned()),
        release: Some("1".to_owned()),
        pre: false,
    };
    Package {
        name: name.to_owned(),
        epoch: "0".to_owned(),
        version: version.to_owned(),
        release: "1".to_owned(),
        arch: arch.to_owned(),
        pkg_id: digest(&body),
        checksum_type: "sha256".to_owned(),
        summary: format!("A {name}"),
        description: format!("A {name} of version {version}"),
        files: vec![File::new(None, &format!("/usr/share/{name}/{version}"))],
        provides: vec![provides],
        location_href: format!("Packages/{file}"),
        rpm_license: "MIT".to_owned(),
        rpm_sourcerpm: format!("{name}-{version}-1.src.rpm"),
        size_package: body.len().try_into().expect("it is short"),
        time_build: 1_700_000_000,
        time_file: 1_700_000_001,
        ..Package::default()
    }
}

/// The same with something that it requires: `bees`, `bees >= 2`, or anything in parentheses.
pub(crate) fn requiring(mut package: Package, names: &[&str]) -> Package {
    let requirement = |text: &&str| match (text.starts_with('('), &text.split(' ').collect::<Vec<_>>()[..]) {
        (false, [name, sign @ ("=" | ">="), version]) => Dependency {
            name: (*name).to_owned(),
            flags: Some(if *sign == "=" { "EQ" } else { "GE" }.to_owned()),
            epoch: Some("0".to_owned()),
            version: Some((*version).to_owned()),
            ..Dependency::default()
        },
        _ => Dependency { name: (*text).to_owned(), ..Dependency::default() },
    };
    package.requires = names.iter().map(requirement).collect();
    package
}

fn body(name: &str, version: &str, arch: &str) -> Bytes {
    format!("the bytes of {name} {version} {arch}").into()
}

impl Upstream {
    /// With some packages: `bear-1.noarch`.
    pub(crate) async fn with(packages: &[&str]) -> Self {
        let upstream = Self::empty().await;
        upstream.offer(&Shelf { packages: packages.iter().map(|name| parse(name)).collect(), ..Shelf::default() });
        upstream
    }

    /// With nothing at all, not even metadata.
    pub(crate) async fn empty() -> Self {
        Self { files: FixtureServer::start().await, revision: Mutex::new(0), repomd: Mutex::default() }
    }

    /// The repository's URL.
    pub(crate) fn url(&self) -> String {
        self.files.url("zoo/")
    }

    /// The `repomd.xml` that is offered.
    pub(crate) fn repomd(&self) -> String {
        self.repomd.lock().expect("nobody panics with it").clone()
    }

    /// Offers what a shelf holds, instead of what was offered before. Returns the paths of its metadata.
    pub(crate) fn offer(&self, shelf: &Shelf) -> Vec<String> {
        for package in &shelf.packages {
            let path = format!("zoo/{}", package.location_href);
            self.files.put(&path, body(&package.name, &package.version, &package.arch));
        }
        let count = shelf.packages.len() as u64;
        let (mut primary, mut filelists, mut other) =
            (write::primary_begin(count), write::filelists_begin(count), write::other_begin(count));
        for package in &shelf.packages {
            write::primary(&mut primary, package);
            write::filelists(&mut filelists, package);
            write::other(&mut other, package);
        }
        primary.push_str("</metadata>\n");
        filelists.push_str("</filelists>\n");
        other.push_str("</otherdata>\n");
        let mut records = vec![
            self.record(shelf.compressed, "primary", "primary.xml", &primary),
            self.record(shelf.compressed, "filelists", "filelists.xml", &filelists),
            self.record(shelf.compressed, "other", "other.xml", &other),
        ];
        if !shelf.advisories.is_empty() {
            records.push(self.record(
                shelf.compressed,
                "updateinfo",
                "updateinfo.xml",
                &updateinfo::write(&shelf.advisories),
            ));
        }
        if !shelf.comps.is_empty() {
            records.push(self.record(shelf.compressed, "group", "comps.xml", &shelf.comps.to_string()));
        }
        if !shelf.modules.is_empty() {
            records.push(self.record(shelf.compressed, "modules", "modules.yaml", &shelf.modules));
        }
        for (kind, text) in &shelf.others {
            records.push(self.record(shelf.compressed, kind, kind, text));
        }
        let mut revision = self.revision.lock().expect("nobody panics with it");
        *revision += 1;
        let paths = records.iter().map(|record| format!("zoo/{}", record.location_href)).collect();
        let repomd = Repomd { revision: Some(revision.to_string()), records, ..Repomd::default() }.to_string();
        self.repomd.lock().expect("nobody panics with it").clone_from(&repomd);
        self.files.put("zoo/repodata/repomd.xml", repomd);
        paths
    }

    /// Puts a file of metadata, named after its digest.
    fn record(&self, compressed: bool, kind: &str, name: &str, text: &str) -> Record {
        let compression = if compressed { Compression::Gzip } else { Compression::None };
        let mut writer = Writer::new(Vec::new(), compression).expect("it can be written");
        writer.write_all(text.as_bytes()).expect("memory takes it");
        let bytes = writer.finish().expect("memory takes it");
        let (checksum, size) = (checksum(&bytes), bytes.len() as u64);
        let location_href = format!("repodata/{}-{name}{}", checksum.digest, compression.suffix());
        self.files.put(&format!("zoo/{location_href}"), bytes);
        Record {
            kind: kind.to_owned(),
            open_checksum: Some(self::checksum(text.as_bytes())),
            checksum,
            location_href,
            timestamp: 1_700_000_000,
            size: Some(size),
            open_size: Some(text.len() as u64),
            ..Record::default()
        }
    }
}

fn checksum(bytes: &[u8]) -> Checksum {
    Checksum { kind: "sha256".to_owned(), digest: digest(bytes) }
}

/// `bear-1.noarch`.
pub(crate) fn parse(name: &str) -> Package {
    let (name, arch) = name.rsplit_once('.').expect("name-version.arch");
    let (name, version) = name.rsplit_once('-').expect("name-version.arch");
    package(name, version, arch)
}
