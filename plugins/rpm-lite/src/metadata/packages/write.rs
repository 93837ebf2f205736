//! A package's records, as createrepo_c writes them: the order of the elements, the indent, what is left out.

use super::super::text::{attribute, element, end, number, push_text};
use crate::package::{Dependency, File, Package};

/// What `primary` begins with.
pub fn primary_begin(count: u64) -> String {
    let namespaces = "xmlns=\"http://linux.duke.edu/metadata/common\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\"";
    format!("{DECLARATION}<metadata {namespaces} packages=\"{count}\">\n")
}

/// What `filelists` begins with.
pub fn filelists_begin(count: u64) -> String {
    format!("{DECLARATION}<filelists xmlns=\"http://linux.duke.edu/metadata/filelists\" packages=\"{count}\">\n")
}

/// What `other` begins with.
pub fn other_begin(count: u64) -> String {
    format!("{DECLARATION}<otherdata xmlns=\"http://linux.duke.edu/metadata/other\" packages=\"{count}\">\n")
}

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// What `primary` ends with.
pub const PRIMARY_END: &str = "</metadata>";
/// What `filelists` ends with.
pub const FILELISTS_END: &str = "</filelists>";
/// What `other` ends with.
pub const OTHER_END: &str = "</otherdata>";

/// Appends the record of `primary`.
pub fn primary(into: &mut String, package: &Package) {
    into.push_str("<package type=\"rpm\">\n");
    element(into, "  ", "name", &package.name);
    element(into, "  ", "arch", &package.arch);
    version(into, package);
    into.push_str("  <checksum");
    attribute(into, "type", &package.checksum_type);
    into.push_str(" pkgid=\"YES\">");
    push_text(into, &package.pkg_id);
    end(into, "checksum");
    element(into, "  ", "summary", &package.summary);
    element(into, "  ", "description", &package.description);
    element(into, "  ", "packager", &package.rpm_packager);
    element(into, "  ", "url", &package.url);
    into.push_str("  <time");
    number(into, "file", package.time_file);
    number(into, "build", package.time_build);
    into.push_str("/>\n  <size");
    number(into, "package", package.size_package);
    number(into, "installed", package.size_installed);
    number(into, "archive", package.size_archive);
    into.push_str("/>\n  <location");
    if !package.location_base.is_empty() {
        attribute(into, "xml:base", &package.location_base);
    }
    attribute(into, "href", &package.location_href);
    into.push_str("/>\n  <format>\n");
    element(into, "    ", "rpm:license", &package.rpm_license);
    element(into, "    ", "rpm:vendor", &package.rpm_vendor);
    element(into, "    ", "rpm:group", &package.rpm_group);
    element(into, "    ", "rpm:buildhost", &package.rpm_buildhost);
    element(into, "    ", "rpm:sourcerpm", &package.rpm_sourcerpm);
    into.push_str("    <rpm:header-range");
    number(into, "start", package.rpm_header_start);
    number(into, "end", package.rpm_header_end);
    into.push_str("/>\n");
    for (name, list) in [
        ("rpm:provides", &package.provides),
        ("rpm:requires", &package.requires),
        ("rpm:conflicts", &package.conflicts),
        ("rpm:obsoletes", &package.obsoletes),
        ("rpm:suggests", &package.suggests),
        ("rpm:enhances", &package.enhances),
        ("rpm:recommends", &package.recommends),
        ("rpm:supplements", &package.supplements),
    ] {
        dependencies(into, name, list);
    }
    for one in package.files.iter().filter(|one| one.is_primary()) {
        file(into, "    ", one);
    }
    into.push_str("  </format>\n</package>\n");
}

/// Appends the record of `filelists`.
pub fn filelists(into: &mut String, package: &Package) {
    begin(into, package);
    for one in &package.files {
        file(into, "  ", one);
    }
    end(into, "package");
}

/// Appends the record of `other`.
pub fn other(into: &mut String, package: &Package) {
    begin(into, package);
    for entry in &package.changelogs {
        into.push_str("  <changelog");
        attribute(into, "author", &entry.author);
        number(into, "date", entry.time);
        into.push('>');
        push_text(into, &entry.text);
        end(into, "changelog");
    }
    end(into, "package");
}

fn begin(into: &mut String, package: &Package) {
    into.push_str("<package");
    attribute(into, "pkgid", &package.pkg_id);
    attribute(into, "name", &package.name);
    attribute(into, "arch", &package.arch);
    into.push_str(">\n");
    version(into, package);
}

fn version(into: &mut String, package: &Package) {
    into.push_str("  <version");
    attribute(into, "epoch", &package.epoch);
    attribute(into, "ver", &package.version);
    attribute(into, "rel", &package.release);
    into.push_str("/>\n");
}

fn dependencies(into: &mut String, name: &str, list: &[Dependency]) {
    if list.is_empty() {
        return;
    }
    into.push_str("    <");
    into.push_str(name);
    let mut named = list.iter().filter(|dependency| !dependency.name.is_empty()).peekable();
    if named.peek().is_none() {
        return into.push_str("/>\n");
    }
    into.push_str(">\n");
    for dependency in named {
        into.push_str("      <rpm:entry");
        attribute(into, "name", &dependency.name);
        // Without a comparison a version means nothing.
        if let Some(flags) = said(&dependency.flags) {
            attribute(into, "flags", flags);
            for (key, value) in
                [("epoch", &dependency.epoch), ("ver", &dependency.version), ("rel", &dependency.release)]
            {
                if let Some(value) = said(value) {
                    attribute(into, key, value);
                }
            }
        }
        if dependency.pre && name == "rpm:requires" {
            into.push_str(" pre=\"1\"");
        }
        into.push_str("/>\n");
    }
    into.push_str("    ");
    end(into, name);
}

fn said(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|value| !value.is_empty())
}

fn file(into: &mut String, indent: &str, file: &File) {
    into.push_str(indent);
    into.push_str("<file");
    if let Some(kind) = file.kind.map(crate::package::FileKind::name).filter(|kind| !kind.is_empty()) {
        attribute(into, "type", kind);
    }
    into.push('>');
    push_text(into, &file.folder);
    push_text(into, &file.name);
    end(into, "file");
}
