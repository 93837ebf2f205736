//! The promises of validation, on real derives.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{BodySchema, Encoding, Mode};
use crate::error::{Error, Result};

#[derive(Debug, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Policy {
    Immediate,
    OnDemand,
}

#[derive(Debug, PartialEq, Deserialize, ToSchema)]
struct Inner {
    #[schema(minimum = 1)]
    n: i64,
    note: Option<String>,
}

/// A reference to another object, which checks itself while it is read.
#[derive(Debug, PartialEq, ToSchema)]
#[schema(value_type = String, format = "uri")]
struct Href(String);

impl<'de> Deserialize<'de> for Href {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.starts_with('/') {
            true => Ok(Self(text)),
            false => Err(serde::de::Error::custom("Invalid hyperlink - No URL match.")),
        }
    }
}

#[derive(Debug, PartialEq, Deserialize, ToSchema)]
struct Common {
    #[schema(min_length = 1, max_length = 8)]
    name: String,
    #[serde(default)]
    pulp_labels: HashMap<String, Option<String>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = file::Body)]
#[expect(dead_code, reason = "only some fields are looked at after parsing")]
struct Body {
    #[serde(flatten)]
    common: Common,
    #[schema(min_length = 1)]
    description: Option<String>,
    #[serde(default)]
    tls_validation: bool,
    maybe: Option<bool>,
    #[schema(minimum = 1, maximum = 10)]
    download_concurrency: Option<i64>,
    #[schema(minimum = 0.0)]
    total_timeout: Option<f64>,
    policy: Option<Policy>,
    #[serde(default)]
    headers: Vec<HashMap<String, String>>,
    #[schema(min_items = 1)]
    tags: Option<Vec<String>>,
    inner: Option<Inner>,
    inners: Option<Vec<Inner>>,
    #[schema(pattern = "^[a-z]+$")]
    word: Option<String>,
    id: Option<uuid::Uuid>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    when: Option<time::OffsetDateTime>,
    day: Option<time::Date>,
    #[schema(read_only)]
    pulp_href: Option<String>,
    #[schema(extensions(("x-no-trim" = json!(true))))]
    cert: Option<String>,
    anything: Option<Value>,
    blank: Option<String>,
    #[serde(default)]
    plain: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only whether it parses is looked at")]
enum Either {
    Text(String),
    Whole(i64),
    Struct(Inner),
}

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "only whether it parses is looked at")]
struct Strict {
    repository: Href,
    either: Option<Either>,
    units: Option<Vec<Href>>,
    inner: Option<Inner>,
    #[schema(value_type = Option<String>, format = Binary)]
    file: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "only whether it parses is looked at")]
struct Upload {
    #[schema(value_type = String, format = Binary)]
    file: String,
    size: u32,
}

fn map(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("{value} is no object") };
    map
}

fn faults(result: Result<Map<String, Value>>) -> Value {
    match result.expect_err("a fault") {
        Error::Invalid(invalid) => json!(invalid.fields()),
        other => panic!("{other}"),
    }
}

fn check<T: ToSchema>(body: Value, mode: Mode, encoding: Encoding) -> Result<Map<String, Value>> {
    BodySchema::of::<T>().check(map(body), mode, encoding)
}

/// The message on one field of a [`Body`] that is otherwise right.
fn fault(field: &str, value: Value) -> String {
    let mut body = map(json!({"name": "a"}));
    body.insert(field.into(), value);
    let faults = faults(BodySchema::cached::<Body>().check(body, Mode::Create, Encoding::Json));
    assert_eq!(faults.as_object().unwrap().len(), 1, "{faults}");
    faults[field][0].as_str().unwrap_or_else(|| panic!("{field} in {faults}")).to_owned()
}

/// What one field of a [`Body`] becomes.
fn fine(field: &str, value: Value) -> Value {
    let body = map(json!({field: value}));
    BodySchema::cached::<Body>().check(body, Mode::Patch, Encoding::Json).unwrap()[field].clone()
}

#[test]
fn every_fault_is_collected() {
    let body = json!({
        "url": "x", "policy": "later", "download_concurrency": 0, "tls_validation": "maybe", "pulp_labels": {"a": [1]},
    });
    assert_eq!(
        faults(check::<Body>(body, Mode::Create, Encoding::Json)),
        json!({
            "name": ["This field is required."],
            "url": ["Unexpected field"],
            "policy": ["\"later\" is not a valid choice."],
            "download_concurrency": ["Ensure this value is greater than or equal to 1."],
            "tls_validation": ["Must be a valid boolean."],
            "pulp_labels": ["a: Not a valid string."],
        })
    );
}

#[test]
fn required_fields_may_be_absent_only_from_a_patch() {
    for mode in [Mode::Create, Mode::Replace] {
        let faults = faults(check::<Body>(json!({}), mode, Encoding::Json));
        assert_eq!(faults, json!({"name": ["This field is required."]}));
    }
    assert!(check::<Body>(json!({}), Mode::Patch, Encoding::Json).unwrap().is_empty());
}

#[test]
fn values_are_coerced_as_django_does() {
    for yes in [json!(true), json!("yes"), json!("T"), json!("on"), json!(1), json!("1"), json!(1.0)] {
        assert_eq!(fine("tls_validation", yes), json!(true));
    }
    assert_eq!(fine("tls_validation", json!("off")), json!(false));
    assert_eq!(fine("maybe", json!("null")), Value::Null);
    for five in [json!(5), json!("5"), json!(" 5 "), json!(5.0), json!("5.00"), json!("5.")] {
        assert_eq!(fine("download_concurrency", five), json!(5));
    }
    assert_eq!(fine("total_timeout", json!("1.5")), json!(1.5));
    assert_eq!(fine("total_timeout", json!(3)), json!(3));
    assert_eq!(fine("name", json!(5)), json!("5"));
    assert_eq!(fine("name", json!("  a b ")), json!("a b"));
    assert_eq!(fine("cert", json!("  a\n")), json!("  a\n"));
    assert_eq!(fine("blank", json!("  ")), json!(""));
    assert_eq!(fine("when", json!("2024-01-02 03:04")), json!("2024-01-02T03:04:00Z"));
    let id = "01a1f7e1-0191-7377-9e28-b3e2ac5fdf56";
    assert_eq!(fine("id", json!(id.replace('-', ""))), json!(id));
    assert_eq!(fine("description", Value::Null), Value::Null);
    assert_eq!(fine("policy", Value::Null), Value::Null);
    assert_eq!(fine("anything", json!({"a": [null, 1]})), json!({"a": [null, 1]}));
    assert_eq!(fine("pulp_labels", json!({"a": null, "b": " x "})), json!({"a": null, "b": "x"}));
}

#[test]
fn each_rule_has_its_words() {
    for (field, value, message) in [
        ("name", json!(null), "This field may not be null."),
        ("name", json!(""), "This field may not be blank."),
        ("name", json!(" \n"), "This field may not be blank."),
        ("description", json!(""), "This field may not be blank."),
        ("name", json!(true), "Not a valid string."),
        ("name", json!(["a"]), "Not a valid string."),
        ("name", json!("a\u{0}b"), "Null characters are not allowed."),
        ("anything", json!(["a\u{0}b"]), "Null characters are not allowed."),
        ("name", json!("ééééééééé"), "Ensure this field has no more than 8 characters."),
        ("tls_validation", json!(2), "Must be a valid boolean."),
        ("tls_validation", json!(null), "This field may not be null."),
        ("download_concurrency", json!("x"), "A valid integer is required."),
        ("download_concurrency", json!(true), "A valid integer is required."),
        ("download_concurrency", json!(1.5), "A valid integer is required."),
        ("download_concurrency", json!(""), "A valid integer is required."),
        ("download_concurrency", json!(11), "Ensure this value is less than or equal to 10."),
        ("download_concurrency", json!(1e30), "Ensure this value is less than or equal to 10."),
        ("download_concurrency", json!("9".repeat(2000)), "String value too large."),
        ("total_timeout", json!("nan"), "A valid number is required."),
        ("total_timeout", json!([]), "A valid number is required."),
        ("total_timeout", json!(-1), "Ensure this value is greater than or equal to 0.0."),
        ("policy", json!("Immediate"), "\"Immediate\" is not a valid choice."),
        ("policy", json!(5), "\"5\" is not a valid choice."),
        ("headers", json!("a"), "Expected a list of items but got type \"str\"."),
        ("headers", json!(null), "This field may not be null."),
        ("headers", json!({}), "Expected a list of items but got type \"dict\"."),
        ("headers", json!([1]), "Expected a dictionary of items but got type \"int\"."),
        ("headers", json!([null]), "This field may not be null."),
        ("tags", json!([]), "This list may not be empty."),
        ("tags", json!([{}]), "Not a valid string."),
        ("pulp_labels", json!(1.5), "Expected a dictionary of items but got type \"float\"."),
        ("pulp_labels", json!(true), "Expected a dictionary of items but got type \"bool\"."),
        ("inner", json!([]), "Invalid data. Expected a dictionary, but got list."),
        ("inner", json!({}), "n: This field is required."),
        ("inner", json!({"n": 0}), "n: Ensure this value is greater than or equal to 1."),
        ("inner", json!({"n": 1, "m": 1}), "m: Unexpected field"),
        ("inners", json!([{"n": 1}, {"n": "x"}]), "n: A valid integer is required."),
        ("word", json!("A1"), "This value does not match the required pattern."),
        ("id", json!("x"), "Must be a valid UUID."),
        (
            "when",
            json!("tomorrow"),
            "Datetime has wrong format. Use one of these formats instead: \
             YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].",
        ),
        ("day", json!("2024-13-01"), "Date has wrong format. Use one of these formats instead: YYYY-MM-DD."),
    ] {
        assert_eq!(fault(field, value.clone()), message, "{field}: {value}");
    }
}

#[test]
fn read_only_fields_are_ignored() {
    let checked = check::<Body>(json!({"name": "a", "pulp_href": "/x/"}), Mode::Create, Encoding::Json).unwrap();
    assert_eq!(Value::Object(checked), json!({"name": "a"}));
}

#[test]
fn a_form_speaks_in_strings() {
    let checked = check::<Body>(
        json!({
            "name": "5", "description": "", "tls_validation": "1", "download_concurrency": "3", "maybe": "",
            "pulp_labels": "{\"a\": null}", "headers": "[{\"h\": \"v\"}]", "tags": ["a", "b"],
            "inner": "{\"n\": 2}", "anything": "{\"x\": 1}", "word": ["old", "new"], "plain": "",
        }),
        Mode::Create,
        Encoding::Form,
    )
    .unwrap();
    assert_eq!(
        Value::Object(checked.clone()),
        json!({
            "name": "5", "description": null, "tls_validation": true, "download_concurrency": 3, "maybe": null,
            "pulp_labels": {"a": null}, "headers": [{"h": "v"}], "tags": ["a", "b"],
            "inner": {"n": 2}, "anything": {"x": 1}, "word": "new", "plain": "",
        })
    );
    let body: Body = BodySchema::parse(checked).unwrap();
    assert_eq!((body.common.name.as_str(), body.download_concurrency), ("5", Some(3)));

    let faults = faults(check::<Body>(
        json!({"name": "", "pulp_labels": "{", "tls_validation": "", "inner": "[]"}),
        Mode::Create,
        Encoding::Form,
    ));
    assert_eq!(
        faults,
        json!({
            "name": ["This field may not be blank."],
            "pulp_labels": ["Expected a dictionary of items but got type \"str\"."],
            "inner": ["Invalid data. Expected a dictionary, but got str."],
        })
    );
    let one = check::<Body>(json!({"tags": "one"}), Mode::Patch, Encoding::Form).unwrap();
    assert_eq!(one["tags"], json!(["one"]));
}

#[test]
fn files_travel_in_forms_only() {
    let sent = check::<Upload>(json!({"file": "part 1", "size": "4"}), Mode::Create, Encoding::Form).unwrap();
    assert_eq!(Value::Object(sent), json!({"file": "part 1", "size": 4}));
    assert_eq!(
        faults(check::<Upload>(json!({"size": -1}), Mode::Create, Encoding::Form)),
        json!({
            "file": ["No file was submitted."],
            "size": ["Ensure this value is greater than or equal to 0."],
        })
    );
    assert_eq!(
        faults(check::<Upload>(json!({"file": "x", "size": 1}), Mode::Create, Encoding::Json)),
        json!({"file": ["The submitted data was not a file. Check the encoding type on the form."]})
    );
}

#[test]
fn alternatives_keep_the_type_that_was_given() {
    for given in [json!("5"), json!(5), json!({"n": 5})] {
        let body = json!({"repository": "/a/", "either": given});
        assert_eq!(check::<Strict>(body, Mode::Create, Encoding::Json).unwrap()["either"], given);
    }
    let body = json!({"repository": "/a/", "either": {"n": 0}});
    assert_eq!(
        faults(check::<Strict>(body, Mode::Create, Encoding::Json)),
        json!({"either": ["n: Ensure this value is greater than or equal to 1."]})
    );
}

#[test]
fn what_a_type_refuses_lands_on_its_field() {
    let parse = |body| BodySchema::parse::<Strict>(map(body)).unwrap_err().to_string();
    assert_eq!(parse(json!({"repository": "x"})), "repository: Invalid hyperlink - No URL match.");
    assert_eq!(parse(json!({"repository": "/", "units": ["/", "x"]})), "units: Invalid hyperlink - No URL match.");
    assert_eq!(parse(json!({})), "repository: This field is required.");
    assert_eq!(parse(json!({"repository": "/", "inner": {}})), "inner: n: This field is required.");
    assert!(BodySchema::parse::<Strict>(map(json!({"repository": "/a/"}))).is_ok());
}

#[test]
fn a_merged_schema_checks_both_parts() {
    let parts = [crate::api::schema::object::<Common>().unwrap(), crate::api::schema::object::<Strict>().unwrap()];
    let merged = crate::api::schema::merge("file.Merged", &parts).unwrap();
    let schema = BodySchema::new(&merged, &crate::api::schema::collect::<Strict>()).unwrap();
    assert_eq!(
        faults(schema.check(map(json!({"inner": {}})), Mode::Create, Encoding::Json)),
        json!({
            "name": ["This field is required."],
            "repository": ["This field is required."],
            "inner": ["n: This field is required."],
        })
    );
}

#[test]
fn a_schema_may_hold_itself() {
    let node = json!({
        "type": "object", "required": ["n"],
        "properties": {"n": {"type": "integer"}, "next": {"$ref": "#/components/schemas/Node"}},
    });
    let schema = BodySchema::new(&node, &[("Node".to_owned(), node.clone())]).unwrap();
    let body = map(json!({"n": 1, "next": {"n": 2, "next": {"n": "x"}}}));
    assert_eq!(
        faults(schema.check(body, Mode::Create, Encoding::Json)),
        json!({"next": ["next: n: A valid integer is required."]})
    );
}

#[test]
fn a_bad_pattern_is_found_when_the_schema_is_built() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}});
    assert!(matches!(BodySchema::new(&schema, &[]), Err(Error::Config(_))));
    assert!(matches!(BodySchema::new(&json!({"type": "string"}), &[]), Err(Error::Config(_))));
}
