//! `primary`: what a package is, what it needs and offers, and where it is.

use std::io::BufRead;

use super::super::source::Source;
use super::super::{BadMetadata, bad};
use crate::package::{Dependency, File, FileKind, Package};

/// The next package; `files` says whether the files that are listed here are wanted.
pub(super) fn next<R: BufRead>(source: &mut Source<R>, files: bool) -> Result<Option<Package>, BadMetadata> {
    if source.record("package")? { package(source, files).map(Some) } else { Ok(None) }
}

fn package<R: BufRead>(source: &mut Source<R>, files: bool) -> Result<Package, BadMetadata> {
    let mut package = Package { epoch: "0".to_owned(), ..Package::default() };
    while source.child()? {
        match source.name() {
            "name" => package.name = source.string()?,
            "arch" => package.arch = source.string()?,
            "version" => {
                version(source, &mut package)?;
                source.skip()?;
            }
            "checksum" => {
                package.checksum_type = source.attribute("type")?.unwrap_or_default().to_ascii_lowercase();
                package.pkg_id = source.text()?.trim().to_ascii_lowercase();
            }
            "summary" => package.summary = source.string()?,
            "description" => package.description = source.string()?,
            "packager" => package.rpm_packager = source.string()?,
            "url" => package.url = source.string()?,
            "time" => {
                package.time_file = source.number("file")?;
                package.time_build = source.number("build")?;
                source.skip()?;
            }
            "size" => {
                package.size_package = source.number("package")?;
                package.size_installed = source.number("installed")?;
                package.size_archive = source.number("archive")?;
                source.skip()?;
            }
            "location" => {
                package.location_href = source.attribute("href")?.unwrap_or_default().into_owned();
                package.location_base = source.attribute("xml:base")?.unwrap_or_default().into_owned();
                source.skip()?;
            }
            "format" => format(source, &mut package, files)?,
            _ => source.skip()?,
        }
    }
    check(&mut package)?;
    Ok(package)
}

/// What `version` says, here and in the other files.
fn version<R: BufRead>(source: &Source<R>, package: &mut Package) -> Result<(), BadMetadata> {
    source.attributes(|name, value| match name {
        // Some repositories write none where it is 0.
        "epoch" if !value.is_empty() => package.epoch = value.into_owned(),
        "ver" => package.version = value.into_owned(),
        "rel" => package.release = value.into_owned(),
        _ => {}
    })
}

fn format<R: BufRead>(source: &mut Source<R>, package: &mut Package, files: bool) -> Result<(), BadMetadata> {
    while source.child()? {
        match source.name() {
            "rpm:license" => package.rpm_license = source.string()?,
            "rpm:vendor" => package.rpm_vendor = source.string()?,
            "rpm:group" => package.rpm_group = source.string()?,
            "rpm:buildhost" => package.rpm_buildhost = source.string()?,
            "rpm:sourcerpm" => package.rpm_sourcerpm = source.string()?,
            "rpm:header-range" => {
                package.rpm_header_start = source.number("start")?;
                package.rpm_header_end = source.number("end")?;
                source.skip()?;
            }
            "rpm:provides" => dependencies(source, &mut package.provides)?,
            "rpm:requires" => dependencies(source, &mut package.requires)?,
            "rpm:conflicts" => dependencies(source, &mut package.conflicts)?,
            "rpm:obsoletes" => dependencies(source, &mut package.obsoletes)?,
            "rpm:suggests" => dependencies(source, &mut package.suggests)?,
            "rpm:enhances" => dependencies(source, &mut package.enhances)?,
            "rpm:recommends" => dependencies(source, &mut package.recommends)?,
            "rpm:supplements" => dependencies(source, &mut package.supplements)?,
            "file" if files => package.files.push(file(source)?),
            _ => source.skip()?,
        }
    }
    Ok(())
}

fn dependencies<R: BufRead>(source: &mut Source<R>, into: &mut Vec<Dependency>) -> Result<(), BadMetadata> {
    while source.child()? {
        if source.name() == "rpm:entry" {
            let mut dependency = Dependency::default();
            source.attributes(|name, value| match name {
                "name" => dependency.name = value.into_owned(),
                "flags" => dependency.flags = Some(value.into_owned()),
                "epoch" => dependency.epoch = Some(value.into_owned()),
                "ver" => dependency.version = Some(value.into_owned()),
                "rel" => dependency.release = Some(value.into_owned()),
                "pre" => dependency.pre = !matches!(&*value, "0" | "FALSE" | "false" | "False"),
                _ => {}
            })?;
            into.push(dependency);
        }
        source.skip()?;
    }
    Ok(())
}

/// The file that the present element is.
pub(super) fn file<R: BufRead>(source: &mut Source<R>) -> Result<File, BadMetadata> {
    let kind = match source.attribute("type")?.as_deref() {
        Some("dir") => Some(FileKind::Folder),
        Some("ghost") => Some(FileKind::Ghost),
        _ => None,
    };
    Ok(File::new(kind, source.text()?))
}

/// A package without an identity is none; and an identity that is no checksum of its kind would be looked for in vain.
fn check(package: &mut Package) -> Result<(), BadMetadata> {
    if package.name.is_empty() {
        return Err(bad("A package has no name."));
    }
    if package.checksum_type == "sha" {
        "sha1".clone_into(&mut package.checksum_type);
    }
    let digits = match package.checksum_type.as_str() {
        "md5" => 32,
        "sha1" => 40,
        "sha224" => 56,
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Err(bad(format!("The package '{}' has no checksum of a kind that is known.", package.name))),
    };
    match package.pkg_id.len() == digits && package.pkg_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(()),
        false => Err(bad(format!("The checksum of the package '{}' is none.", package.name))),
    }
}
