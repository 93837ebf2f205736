//! Manifests of every kind, good and bad.

use serde_json::{Value, json};

use super::*;

const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn descriptor(media_type: &str, last: char) -> Value {
    let digest = format!("{}{last}", &DIGEST[..DIGEST.len() - 1]);
    json!({ "mediaType": media_type, "size": 10, "digest": digest })
}

fn image(config: &str, layers: &[&str]) -> Value {
    let layers: Vec<Value> = layers.iter().zip("0123456789".chars()).map(|(of, last)| descriptor(of, last)).collect();
    json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": descriptor(config, 'f'), "layers": layers,
    })
}

fn parse(manifest: &Value, content_type: Option<&str>) -> Result<Manifest, String> {
    Manifest::parse(manifest.to_string().as_bytes(), content_type).map_err(|bad| bad.to_string())
}

#[test]
fn an_image_refers_to_its_configuration_and_to_the_layers_that_are_not_elsewhere() {
    let layers = [
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/x-anything",
    ];
    let manifest = parse(&image(media_type::IMAGE_CONFIGS[0], &layers), None).unwrap();
    let ends: String = manifest.blobs().map(|digest| digest.chars().last().unwrap()).collect();
    assert_eq!((ends.as_str(), manifest.compressed_size(), manifest.children().count()), ("f03", 40, 0));
    assert_eq!(manifest.artifact_type.as_deref(), Some(media_type::IMAGE_CONFIGS[0]));
}

#[test]
fn an_index_refers_to_its_manifests_and_has_no_type_but_its_own() {
    let children = [descriptor(media_type::OCI_MANIFEST, '1'), descriptor(media_type::OCI_INDEX, '2')];
    let mut index = json!({ "schemaVersion": 2, "manifests": children });
    let manifest = parse(&index, None).unwrap();
    assert_eq!((manifest.kind, manifest.children().count(), &manifest.artifact_type), (Kind::Index, 2, &None));
    assert_eq!(parse(&index, Some(media_type::DOCKER_LIST)).unwrap().media_type, media_type::DOCKER_LIST);
    index["artifactType"] = json!("application/x-thing");
    assert_eq!(parse(&index, None).unwrap().artifact_type.as_deref(), Some("application/x-thing"));
}

#[test]
fn the_media_type_is_what_the_manifest_says_and_must_not_be_sent_as_another() {
    let oci = image(media_type::IMAGE_CONFIGS[0], &[]);
    for given in [None, Some(""), Some("application/json"), Some("Application/VND.OCI.image.manifest.v1+json; a=b")] {
        assert_eq!(parse(&oci, given).unwrap().media_type, media_type::OCI_MANIFEST, "{given:?}");
    }
    let said = parse(&oci, Some(media_type::DOCKER_MANIFEST)).unwrap_err();
    assert!(said.contains(media_type::OCI_MANIFEST) && said.contains(media_type::DOCKER_MANIFEST), "{said}");
}

#[test]
fn what_is_unknown_and_well_formed_is_kept() {
    let strange = json!({ "mediaType": "application/vnd.example.thing", "layers": "many" });
    let manifest = parse(&strange, None).unwrap();
    assert_eq!((manifest.kind, manifest.blobs().count()), (Kind::Opaque, 0));
    let artifact = json!({
        "mediaType": media_type::OCI_ARTIFACT, "artifactType": "application/x-a", "subject": descriptor("a/b", '1'),
        "blobs": [descriptor("a/b", '2')], "annotations": { "a": "b" },
    });
    let manifest = parse(&artifact, None).unwrap();
    assert_eq!((manifest.blobs().count(), manifest.nature(None)), (1, "artifact"));
    assert!(manifest.subject.is_some() && manifest.annotations["a"] == "b");
}

#[test]
fn what_is_no_manifest_is_named() {
    let deep = format!("{{\"mediaType\":\"a/b\",\"x\":{}{}}}", "[".repeat(200), "]".repeat(200));
    for bytes in ["", "[]", "null", "\"a\"", "{", "{\"a\":1", "{\"mediaType\":\"a/b\",\"mediaType\":\"a/b\"}", &deep] {
        let said = Manifest::parse(bytes.as_bytes(), None).unwrap_err().to_string();
        assert!(said.starts_with("The manifest cannot be read: "), "{said}");
    }
    let mut no_config = image("a/b", &[]);
    no_config.as_object_mut().unwrap().remove("config");
    assert!(parse(&no_config, None).unwrap_err().contains("missing field `config`"));
    let mut bad_digest = image("a/b", &["a/b"]);
    bad_digest["layers"][0]["digest"] = json!("sha256:12");
    assert!(parse(&bad_digest, None).is_err());
    let mut negative = image("a/b", &["a/b"]);
    negative["layers"][0]["size"] = json!(-1);
    assert!(parse(&negative, None).is_err());
    let mut third = image("a/b", &[]);
    third["schemaVersion"] = json!(3);
    assert!(parse(&third, None).unwrap_err().contains("not 3"));
    let mut nul = image("a/b", &[]);
    nul["annotations"] = json!({ "a": "\0" });
    assert!(parse(&nul, None).unwrap_err().contains("U+0000"));
    let spaced = json!({ "mediaType": "a /b" });
    assert!(parse(&spaced, None).unwrap_err().starts_with("A media type"));
}

#[test]
fn schema_1_is_refused_by_name() {
    let first = json!({ "schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": [] });
    for given in [None, Some(media_type::SCHEMA_1[1]), Some(media_type::OCI_MANIFEST)] {
        assert!(parse(&first, given).unwrap_err().contains("schema 1"), "{given:?}");
    }
}

#[test]
fn what_refers_to_too_much_or_is_too_large_is_refused() {
    let layers = vec![descriptor("a/b", '1'); MOST_REFERENCES + 1];
    let mut many = image("a/b", &[]);
    many["layers"] = json!(layers);
    assert!(parse(&many, None).unwrap_err().contains("at most"));
    let large = json!({ "mediaType": "a/b", "x": "x".repeat(LARGEST) });
    assert!(parse(&large, None).unwrap_err().contains("4194304 bytes"));
}

#[test]
fn the_nature_of_a_manifest_is_told_by_its_parts() {
    let config = |label: &str, value: &str| ImageConfig {
        labels: [(label.to_owned(), value.to_owned())].into(),
        ..ImageConfig::default()
    };
    let [oci, docker] = media_type::IMAGE_CONFIGS;
    for (config_type, layer, config, nature) in [
        (oci, "application/vnd.oci.image.layer.v1.tar", None, "image"),
        (docker, "application/vnd.docker.image.rootfs.diff.tar.gzip", None, "image"),
        (oci, "a/b", Some(config("containers.bootc", "1")), "bootable"),
        (oci, "a/b", Some(config("org.flatpak.ref", "app/x")), "flatpak"),
        (media_type::HELM_CONFIG, "a/b", None, "helm"),
        (oci, media_type::COSIGN_SIGNATURE, None, "cosign_signature"),
        (oci, media_type::COSIGN_ATTESTATION, None, "cosign_attestation"),
        (media_type::EMPTY, "application/vnd.dev.sigstore.bundle.v0.3+json", None, "cosign_attestation_bundle"),
        (oci, "application/vnd.cyclonedx+json", None, "cosign_sbom"),
        (media_type::EMPTY, "a/b", None, "artifact"),
        ("application/vnd.wasm.config.v0+json", "application/wasm", None, "unknown"),
    ] {
        let manifest = parse(&image(config_type, &[layer]), None).unwrap();
        assert_eq!(manifest.nature(config.as_ref()), nature, "{config_type} {layer}");
    }
}
