//! Groups as libcomps writes them, there and back.

use serde_json::json;

use super::*;

/// As libcomps 0.1.19 writes it with Pulp's options.
const WHOLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps>
  <group>
    <id>core</id>
    <name>Core &amp; &lt;x&gt;</name>
    <name xml:lang="cs">Jádro</name>
    <name xml:lang="de">K</name>
    <description>d</description>
    <description xml:lang="cs">Jádro</description>
    <description xml:lang="de">K</description>
    <default>true</default>
    <uservisible>true</uservisible>
    <display_order>5</display_order>
    <packagelist>
      <packagereq type="default">bash</packagereq>
      <packagereq type="optional" requires="bash" basearchonly="true">opt</packagereq>
      <packagereq type="conditional">opt2</packagereq>
      <packagereq type="mandatory">opt3</packagereq>
    </packagelist>
  </group>
  <group>
    <id>empty</id>
    <name>E</name>
    <default>false</default>
    <uservisible>true</uservisible>
    <packagelist/>
  </group>
  <category>
    <id>cat</id>
    <name>Cat</name>
    <name xml:lang="cs">Jádro</name>
    <name xml:lang="de">K</name>
    <description>cd</description>
    <display_order>3</display_order>
    <grouplist>
      <groupid default="true">core</groupid>
      <groupid>empty</groupid>
    </grouplist>
  </category>
  <environment>
    <id>env</id>
    <name>Env</name>
    <description>ed</description>
    <display_order>1</display_order>
    <grouplist>
      <groupid>core</groupid>
    </grouplist>
    <optionlist>
      <groupid default="true">empty</groupid>
    </optionlist>
  </environment>
  <langpacks>
    <match name="a" install="a-%s"/>
    <match name="autocorr" install="autocorr-%s"/>
  </langpacks>
</comps>
"#;

#[test]
fn what_is_read_is_written_back_to_the_byte() {
    let comps = Comps::read(WHOLE.as_bytes()).unwrap();
    assert_eq!(comps.to_string(), WHOLE);
    assert!(!comps.is_empty());
    assert_ne!(digest(&comps.groups[0]), digest(&comps.groups[1]));
}

#[test]
fn a_group_has_the_shape_of_pulps_api() {
    let comps = Comps::read(WHOLE.as_bytes()).unwrap();
    let value = serde_json::to_value(&comps.groups[0]).unwrap();
    assert_eq!(
        value["packages"],
        json!([
            {"name": "bash", "type": 0, "basearchonly": null, "requires": null},
            {"name": "opt", "type": 1, "basearchonly": true, "requires": "bash"},
            {"name": "opt2", "type": 2, "basearchonly": null, "requires": null},
            {"name": "opt3", "type": 3, "basearchonly": null, "requires": null},
        ])
    );
    assert_eq!(value["name_by_lang"]["cs"], "Jádro");
    let value = serde_json::to_value(&comps.environments[0]).unwrap();
    assert_eq!(value["option_ids"], json!([{"name": "empty", "default": true}]));
}

#[test]
fn what_is_not_said_is_what_libcomps_takes_it_for() {
    let text = "<comps><blacklist/><group><id>a</id><packagelist><packagereq>d</packagereq><packagereq>d</packagereq>\
                <packagereq type='weird' requires='x'>e</packagereq></packagelist></group>\
                <group><id>b</id><uservisible>FALSE</uservisible><display_order>x</display_order></group></comps>";
    let comps = Comps::read(text.as_bytes()).unwrap();
    let [group, other] = &comps.groups[..] else { panic!("two groups") };
    assert_eq!(group.packages.iter().map(|package| package.kind).collect::<Vec<_>>(), [3, 4]);
    assert_eq!((group.default, group.user_visible, group.display_order), (false, true, None));
    assert_eq!((other.user_visible, other.display_order), (false, Some(0)));
    let refused = Comps::read("<comps><category/></comps>".as_bytes()).unwrap_err();
    assert_eq!(refused.to_string(), "A comps category has no id.");
}
