//! Whole repositories, written and read again.

use std::io::Read;

use super::*;
use crate::compression::{Limits, reader};
use crate::metadata::packages::Packages;
use crate::package::{Changelog, File};

fn options(compression: Compression) -> Options {
    Options { checksum: ChecksumKind::Sha256, compression, timestamp: 7 }
}

fn package(number: usize) -> Package {
    Package {
        name: format!("package-{number}"),
        pkg_id: hex::encode(digest::digest(&digest::SHA256, &number.to_be_bytes())),
        checksum_type: "sha256".to_owned(),
        epoch: "0".to_owned(),
        files: (0..5).map(|file| File::new(None, &format!("/usr/share/{number}/{file}"))).collect(),
        changelogs: vec![Changelog { author: "A".into(), time: 1, text: "é".repeat(number % 100) }],
        ..Package::default()
    }
}

fn opened(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    reader(bytes, Limits::default()).unwrap().read_to_end(&mut text).unwrap();
    text
}

fn written(count: usize, options: Options) -> [(Record, Vec<u8>); 3] {
    let mut writer = PackagesWriter::new([Vec::new(), Vec::new(), Vec::new()], count as u64, options).unwrap();
    for number in 0..count {
        writer.add(&package(number)).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn packages_are_read_back_as_they_were_written() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let [(_, primary), (_, filelists), (_, other)] = written(3000, options(compression));
        let [primary, filelists, other] = [primary, filelists, other].map(|bytes| opened(&bytes));
        let packages = Packages::open(&primary[..], Some(&filelists[..]), Some(&other[..])).unwrap();
        assert_eq!(packages.announced(), Some(3000));
        for (number, read) in packages.enumerate() {
            assert_eq!(read.unwrap(), package(number));
        }
    }
}

#[test]
fn a_record_says_what_is_in_the_file() {
    for kind in ["sha1", "sha224", "sha256", "sha384", "sha512"] {
        let checksum = ChecksumKind::named(kind).unwrap();
        let options = Options { checksum, ..options(Compression::Gzip) };
        let [_, (record, bytes), _] = written(10, options);
        let real = |bytes: &[u8]| {
            let mut context = checksum.begin();
            context.update(bytes);
            checksum.end(context)
        };
        assert_eq!(record.checksum, real(&bytes));
        assert_eq!(record.open_checksum, Some(real(&opened(&bytes))));
        assert_eq!((record.size, record.open_size), (Some(bytes.len() as u64), Some(opened(&bytes).len() as u64)));
        assert_eq!(record.location_href, format!("repodata/{}-filelists.xml.gz", record.checksum.digest));
        assert_eq!((record.kind.as_str(), record.timestamp), ("filelists", 7));
    }
    assert_eq!(ChecksumKind::named("md5"), None);
}

#[test]
fn the_same_packages_make_the_same_bytes() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        assert_eq!(written(100, options(compression)), written(100, options(compression)));
    }
    let [(record, _), _, _] = written(1, options(Compression::None));
    assert_eq!((record.open_size, record.open_checksum), (None, None));
    assert!(record.location_href.ends_with("-primary.xml"));
}
