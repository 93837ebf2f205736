//! Detached signatures, for stories: messages of OpenPGP that say who made them and when, and are not signed.

/// Keys by their ids; nobody has them.
pub(crate) const KEY: &str = "CC835D544B254E49";
pub(crate) const OTHER_KEY: &str = "FE4287390991FF72";

/// A signature of a manifest, as `gpg --sign --compress-algo none` packs it (RFC 9580).
pub(crate) fn signature(manifest: &str, key: &str) -> Vec<u8> {
    let document = format!(
        r#"{{"critical":{{"type":"atomic container signature","image":{{"docker-manifest-digest":"{manifest}"}},"identity":{{"docker-reference":"host/team/app"}}}},"optional":{{"creator":"hand"}}}}"#
    );
    let literal = packet(11, &[b"b\0\0\0\0\0", document.as_bytes()].concat());
    let created = [&[5, 2][..], &1_700_000_000_u32.to_be_bytes()].concat();
    let issuer = [vec![9, 16], hex::decode(key).expect("a key's id is hexadecimal")].concat();
    let parts = [created, issuer].concat();
    let size = u16::try_from(parts.len()).expect("they are short").to_be_bytes();
    let signature = packet(2, &[&[4, 0, 1, 10][..], &size, &parts, &[0, 0, 0xAB, 0xCD]].concat());
    [literal, signature].concat()
}

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len()).expect("it is short").to_be_bytes();
    [&[0xC0 | kind, 255][..], &size, body].concat()
}
