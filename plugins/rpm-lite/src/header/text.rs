//! Texts of headers: UTF-8 where they are that, else Latin-1, as createrepo_c takes them.

/// The text, without characters that XML and databases do not keep.
pub(super) fn decoded(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains(forbidden) => text.replace(forbidden, ""),
        Ok(text) => text.to_owned(),
        // 0x80 to 0xbf are left out: whoever writes them means no Latin-1.
        Err(_) => {
            let known = |byte: &&u8| !matches!(byte, 0x80..=0xbf);
            bytes.iter().filter(known).map(|byte| char::from(*byte)).filter(|one| !forbidden(*one)).collect()
        }
    }
}

fn forbidden(character: char) -> bool {
    matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn texts_are_utf8_or_latin1_and_hold_no_control_characters() {
        assert_eq!(decoded("Zdeněk\t".as_bytes()), "Zdeněk\t");
        assert_eq!(decoded(b"caf\xe9 \x93x\x94 \x01"), "café x ");
        assert_eq!(decoded(b"a\x1bb"), "ab");
    }
}
