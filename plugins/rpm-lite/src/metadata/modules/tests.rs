//! Modules, defaults and obsoletes, there and back.

use super::*;

const FILE: &str = "---
document: modulemd
version: 2
data:
  name: duck
  stream: 1.10
  version: 20180730233102
  context: deadbeef
  arch: noarch
  summary: A duck
  description: >-
    A module
    --- for a duck.
  license:
    module:
    - MIT
  dependencies:
  - buildrequires:
      platform: [f28]
    requires:
      platform: []
      lake: [1.10, 2]
  profiles:
    default:
      rpms:
      - duck
    empty: {}
  artifacts:
    rpms:
    - duck-0:0.6-1.noarch
...
---
document: modulemd-defaults
version: 1
data:
  module: duck
  stream: 0
  profiles:
    0: [default]
    1.10: []
...
--- # the third
document: modulemd-obsoletes
version: 1
data:
  modified: 2020-05-01T00:00Z
  module: duck
  stream: 1.10
  eol_date: 2021-04-01T00:00Z
  message: eol
  reset: true
  obsoleted_by:
    module: goose
    stream: 2.0
---
document: modulemd-translations
version: 1
data: {}
";

fn all(text: &str) -> Result<Vec<Document>, BadMetadata> {
    documents(text).collect()
}

#[test]
fn each_document_is_read_and_keeps_its_text() {
    let documents = all(FILE).unwrap();
    let [Document::Modulemd(module), Document::Defaults(defaults), Document::Obsolete(obsolete)] = &documents[..]
    else {
        panic!("{documents:?}");
    };
    assert_eq!(
        (module.name.as_str(), module.stream.as_str(), module.version.as_str()),
        ("duck", "1.10", "20180730233102")
    );
    assert_eq!(module.artifacts, ["duck-0:0.6-1.noarch"]);
    assert_eq!(module.profiles.keys().collect::<Vec<_>>(), ["default"]);
    assert_eq!(module.description, "A module --- for a duck.");
    assert!(
        module.snippet.starts_with("---\ndocument: modulemd\n") && module.snippet.ends_with("duck-0:0.6-1.noarch\n...")
    );
    assert_eq!(all(&module.snippet).unwrap(), documents[..1]);

    assert_eq!((defaults.module.as_str(), defaults.stream.as_str()), ("duck", "0"));
    assert_eq!(defaults.profiles["0"], ["default"]);
    assert!(defaults.profiles.contains_key("1.10"));

    assert_eq!(obsolete.modified, "2020-05-01T00:00Z");
    assert_eq!(obsolete.override_previous, Some(true));
    assert_eq!(obsolete.obsoleted_by_module_stream.as_deref(), Some("2.0"));
    assert_eq!(digest(&obsolete.snippet).len(), 64);
}

#[test]
fn streams_stay_as_they_are_written() {
    let Document::Modulemd(module) = &all(FILE).unwrap()[0] else { panic!("a module") };
    let requires = module.dependencies[0].requires.as_ref().unwrap();
    assert_eq!(requires["lake"], ["1.10", "2"]);
    assert_eq!(requires["platform"], Vec::<String>::new());
    let value = serde_json::to_value(&module.dependencies).unwrap();
    assert_eq!(value[0]["buildrequires"]["platform"][0], "f28");
}

#[test]
fn a_document_of_the_first_version_is_read() {
    let text = "document: modulemd\nversion: 1\ndata:\n  name: a\n  stream: f28\n  version: 1\n  context: c\n  arch: x86_64\n  \
                dependencies:\n    requires:\n      platform: f28\n";
    let Document::Modulemd(module) = &all(text).unwrap()[0] else { panic!("a module") };
    assert_eq!(module.dependencies[0].requires.as_ref().unwrap()["platform"], ["f28"]);
    assert_eq!(module.description, "");
}

#[test]
fn what_is_no_document_is_refused_with_the_reason() {
    let refused = |text: &str| all(text).unwrap_err().to_string();
    assert_eq!(refused("---\ndocument: modulemd\ndata: {stream: 1}\n"), "Mandatory field name is missing in modulemd.");
    assert!(refused("---\na: b\n").contains("of which kind"));
    assert!(refused("---\n[\n").contains("cannot be read"));
    assert_eq!(all("").unwrap(), []);
    assert_eq!(all("---\n...\n---\n\n...\n").unwrap(), []);
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut text = "---\ndocument: modulemd\ndata:\n  a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let inner = format!("*a{},", level - 1).repeat(9);
        text.push_str(&format!("  a{level}: &a{level} [{inner}]\n"));
    }
    text.push_str("  name: *a11\n");
    assert!(all(&text).is_err());
}
