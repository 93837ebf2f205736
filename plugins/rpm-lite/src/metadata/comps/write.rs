//! Groups as libcomps writes them for Pulp: what is default is said, lists may be empty.

use std::collections::BTreeMap;
use std::fmt;

use super::super::text::{attribute_of_document, element, end, push_text};
use super::{Category, Comps, Environment, Group, GroupId, GroupPackage, PACKAGE_KINDS};

/// The file.
impl fmt::Display for Comps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <!DOCTYPE comps PUBLIC \"-//Red Hat, Inc.//DTD Comps info//EN\" \"comps.dtd\">\n<comps>\n",
        );
        for one in &self.groups {
            group(&mut text, one);
        }
        for one in &self.categories {
            category(&mut text, one);
        }
        for one in &self.environments {
            environment(&mut text, one);
        }
        if !self.langpacks.is_empty() {
            text.push_str("  <langpacks>\n");
            for (name, install) in &self.langpacks {
                text.push_str("    <match");
                attribute_of_document(&mut text, "name", name);
                attribute_of_document(&mut text, "install", install);
                text.push_str("/>\n");
            }
            text.push_str("  </langpacks>\n");
        }
        text.push_str("</comps>\n");
        f.write_str(&text)
    }
}

fn group(into: &mut String, group: &Group) {
    into.push_str("  <group>\n");
    line(into, "id", &group.id);
    translated(into, "name", &group.name, &group.name_by_lang);
    translated(into, "description", &group.description, &group.desc_by_lang);
    line(into, "default", truth(group.default));
    line(into, "uservisible", truth(group.user_visible));
    if group.biarch_only {
        line(into, "biarchonly", truth(true));
    }
    order(into, group.display_order);
    list(into, "packagelist", &group.packages, package);
    into.push_str("  </group>\n");
}

fn package(into: &mut String, package: &GroupPackage) {
    into.push_str("      <packagereq");
    // What has a kind that is not known has none in the file.
    if let Some(kind) = PACKAGE_KINDS[..4].get(usize::from(package.kind)) {
        attribute_of_document(into, "type", kind);
    }
    if let Some(requires) = package.requires.as_deref().filter(|requires| !requires.is_empty()) {
        attribute_of_document(into, "requires", requires);
    }
    if package.basearchonly == Some(true) {
        attribute_of_document(into, "basearchonly", truth(true));
    }
    into.push('>');
    push_text(into, &package.name);
    end(into, "packagereq");
}

fn category(into: &mut String, category: &Category) {
    into.push_str("  <category>\n");
    line(into, "id", &category.id);
    translated(into, "name", &category.name, &category.name_by_lang);
    translated(into, "description", &category.description, &category.desc_by_lang);
    order(into, category.display_order);
    list(into, "grouplist", &category.group_ids, group_id);
    into.push_str("  </category>\n");
}

fn environment(into: &mut String, environment: &Environment) {
    into.push_str("  <environment>\n");
    line(into, "id", &environment.id);
    translated(into, "name", &environment.name, &environment.name_by_lang);
    translated(into, "description", &environment.description, &environment.desc_by_lang);
    order(into, environment.display_order);
    list(into, "grouplist", &environment.group_ids, group_id);
    list(into, "optionlist", &environment.option_ids, group_id);
    into.push_str("  </environment>\n");
}

fn group_id(into: &mut String, id: &GroupId) {
    into.push_str("      <groupid");
    if id.default {
        attribute_of_document(into, "default", truth(true));
    }
    into.push('>');
    push_text(into, &id.name);
    end(into, "groupid");
}

fn truth(truth: bool) -> &'static str {
    if truth { "true" } else { "false" }
}

fn line(into: &mut String, name: &str, text: &str) {
    element(into, "    ", name, text);
}

fn translated(into: &mut String, name: &str, plain: &str, by_language: &BTreeMap<String, String>) {
    if !plain.is_empty() {
        line(into, name, plain);
    }
    for (language, text) in by_language {
        into.push_str("    <");
        into.push_str(name);
        attribute_of_document(into, "xml:lang", language);
        into.push('>');
        push_text(into, text);
        end(into, name);
    }
}

fn order(into: &mut String, order: Option<i64>) {
    if let Some(order) = order {
        line(into, "display_order", &order.to_string());
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
