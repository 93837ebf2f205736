//! Advisories as createrepo_c writes them. What is empty is left out, which readers take for the same.

use super::super::text::{attribute_of_document, element, end, push_text};
use super::{Advisory, Collection, CollectionPackage, Module, Reference};

/// What the file begins with.
pub const BEGIN: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<updates>\n";
/// What the file ends with.
pub const END: &str = "</updates>\n";

/// A whole file.
pub fn write<'a>(advisories: impl IntoIterator<Item = &'a Advisory>) -> String {
    let mut text = BEGIN.to_owned();
    for advisory in advisories {
        push(&mut text, advisory);
    }
    text.push_str(END);
    text
}

/// Appends an advisory.
pub fn push(into: &mut String, advisory: &Advisory) {
    into.push_str("  <update");
    said(into, "from", &advisory.fromstr);
    said(into, "status", &advisory.status);
    said(into, "type", &advisory.kind);
    said(into, "version", &advisory.version);
    into.push_str(">\n");
    line(into, "id", &advisory.id);
    line(into, "title", &advisory.title);
    date(into, "issued", &advisory.issued_date);
    date(into, "updated", advisory.updated_date.as_deref().unwrap_or_default());
    line(into, "rights", &advisory.rights);
    line(into, "release", &advisory.release);
    line(into, "pushcount", &advisory.pushcount);
    line(into, "severity", &advisory.severity);
    line(into, "summary", &advisory.summary);
    line(into, "description", &advisory.description);
    line(into, "solution", &advisory.solution);
    if advisory.reboot_suggested {
        into.push_str("    <reboot_suggested>True</reboot_suggested>\n");
    }
    list(into, "references", &advisory.references, reference);
    list(into, "pkglist", &advisory.collections, collection);
    into.push_str("  </update>\n");
}

/// Appends an attribute that is not empty.
fn said(into: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        attribute_of_document(into, name, value);
    }
}

/// Appends an attribute that is there, be it empty.
fn given(into: &mut String, name: &str, value: &Option<String>) {
    if let Some(value) = value {
        attribute_of_document(into, name, value);
    }
}

fn line(into: &mut String, name: &str, text: &str) {
    if !text.is_empty() {
        element(into, "    ", name, text);
    }
}

fn date(into: &mut String, name: &str, date: &str) {
    if !date.is_empty() {
        into.push_str("    <");
        into.push_str(name);
        attribute_of_document(into, "date", date);
        into.push_str("/>\n");
    }
}

fn list<T>(into: &mut String, name: &str, items: &[T], push: impl Fn(&mut String, &T)) {
    into.push_str("    <");
    into.push_str(name);
    if items.is_empty() {
        return into.push_str("/>\n");
    }
    into.push_str(">\n");
    for item in items {
        push(into, item);
    }
    into.push_str("    ");
    end(into, name);
}

fn reference(into: &mut String, reference: &Reference) {
    into.push_str("      <reference");
    attribute_of_document(into, "href", &reference.href);
    given(into, "id", &reference.id);
    given(into, "type", &reference.kind);
    given(into, "title", &reference.title);
    into.push_str("/>\n");
}

fn collection(into: &mut String, collection: &Collection) {
    into.push_str("      <collection");
    given(into, "short", &collection.shortname);
    if collection.name.is_none() && collection.module.is_none() && collection.packages.is_empty() {
        return into.push_str("/>\n");
    }
    into.push_str(">\n");
    if let Some(name) = &collection.name {
        element(into, "        ", "name", name);
    }
    if let Some(module) = &collection.module {
        push_module(into, module);
    }
    for one in &collection.packages {
        package(into, one);
    }
    into.push_str("      </collection>\n");
}

fn push_module(into: &mut String, module: &Module) {
    into.push_str("        <module");
    attribute_of_document(into, "name", &module.name);
    attribute_of_document(into, "stream", &module.stream);
    attribute_of_document(into, "version", &module.version.to_string());
    attribute_of_document(into, "context", &module.context);
    attribute_of_document(into, "arch", &module.arch);
    into.push_str("/>\n");
}

fn package(into: &mut String, package: &CollectionPackage) {
    into.push_str("        <package");
    for (name, value) in [
        ("name", &package.name),
        ("version", &package.version),
        ("release", &package.release),
        ("epoch", &package.epoch),
        ("arch", &package.arch),
        ("src", &package.src),
    ] {
        said(into, name, value);
    }
    let suggestions = [
        ("reboot_suggested", package.reboot_suggested),
        ("restart_suggested", package.restart_suggested),
        ("relogin_suggested", package.relogin_suggested),
    ];
    if package.filename.is_empty() && package.sum.is_empty() && suggestions.iter().all(|(_, suggested)| !suggested) {
        return into.push_str("/>\n");
    }
    into.push_str(">\n");
    if !package.filename.is_empty() {
        element(into, "          ", "filename", &package.filename);
    }
    if !package.sum.is_empty() {
        into.push_str("          <sum");
        said(into, "type", &package.sum_type);
        into.push('>');
        push_text(into, &package.sum);
        end(into, "sum");
    }
    for (name, suggested) in suggestions {
        if suggested {
            element(into, "          ", name, "True");
        }
    }
    into.push_str("        </package>\n");
}
