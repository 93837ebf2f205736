//! Advisories, there and back.

use super::*;

const WHOLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<updates>
  <update from="security@example.test" status="final" type="security" version="2">
    <id>DEMO-2024:1</id>
    <title>bear &amp; &lt;honey&gt;</title>
    <issued date="2024-01-02 03:04:05"/>
    <updated date="1704164645"/>
    <rights>Copyright</rights>
    <release>Demo 1</release>
    <pushcount>3</pushcount>
    <severity>Critical</severity>
    <summary>In short</summary>
    <description>At
  length é</description>
    <solution>Update</solution>
    <reboot_suggested>True</reboot_suggested>
    <references>
      <reference href="https://example.test/1" id="CVE-2024-1" type="cve" title="a &quot;é&quot;"/>
    </references>
    <pkglist>
      <collection short="demo">
        <name>Demo</name>
        <module name="duck" stream="0" version="201809302113907" context="deadbeef" arch="x86_64"/>
        <package name="bear" version="4.1" release="1" epoch="0" arch="noarch" src="bear-4.1-1.src.rpm">
          <filename>bear-4.1-1.noarch.rpm</filename>
          <sum type="sha256">ceb0f0bb58be244393cc565e8ee5ef0ad36884d8ba8eec74542ff47d299a34c1</sum>
          <reboot_suggested>True</reboot_suggested>
          <relogin_suggested>True</relogin_suggested>
        </package>
      </collection>
      <collection/>
    </pkglist>
  </update>
  <update>
    <id>DEMO-2024:2</id>
    <references/>
    <pkglist/>
  </update>
</updates>
"#;

fn read(text: &str) -> Result<Vec<Advisory>, BadMetadata> {
    Advisories::open(text.as_bytes())?.collect()
}

#[test]
fn what_is_read_is_written_back_to_the_byte() {
    let advisories = read(WHOLE).unwrap();
    assert_eq!(write(&advisories), WHOLE);
    assert_eq!(advisories[0].title, "bear & <honey>");
    assert_eq!(advisories[0].collections[0].module.as_ref().unwrap().version, 201_809_302_113_907);
    assert_ne!(advisories[0].digest(), advisories[1].digest());
}

#[test]
fn an_advisory_has_the_shape_of_pulps_api() {
    let value = serde_json::to_value(&read(WHOLE).unwrap()[0]).unwrap();
    assert_eq!(value["type"], "security");
    assert_eq!(value["pkglist"][0]["packages"][0]["sum_type"], "sha256");
    assert_eq!(value["pkglist"][0]["module"]["name"], "duck");
    assert_eq!(value["references"][0]["id"], "CVE-2024-1");
    assert_eq!(serde_json::from_value::<Advisory>(value).unwrap().digest(), read(WHOLE).unwrap()[0].digest());
}

#[test]
fn what_is_missing_is_empty_and_what_is_unknown_is_passed_over() {
    let text = "<updates><x><y/></x><update type='bugfix'><id>A</id><future><a/></future><issued/><pkglist><x/>\
                <collection><package name='a'><sum>1</sum><y/></package></collection></pkglist></update></updates>";
    let advisory = &read(text).unwrap()[0];
    assert_eq!((advisory.issued_date.as_str(), advisory.updated_date.as_deref()), ("", None));
    assert_eq!(advisory.collections[0].packages[0].sum, "1");
    assert_eq!(advisory.collections[0].name, None);
    assert_eq!(read("<updates><update/></updates>").unwrap_err().to_string(), "An advisory has no id.");
}
