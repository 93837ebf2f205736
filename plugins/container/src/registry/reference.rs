//! Names of repositories and references to manifests: distribution specification 1.1, "Pulling manifests".

use std::fmt;
use std::str::FromStr;

use super::digest::Digest;

/// The longest name, in characters. The specification asks for no bound; with a host before it, clients stop at 255.
const LONGEST_NAME: usize = 255;

/// Whether this may be a repository's name:
/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`.
///
/// ```
/// use pulp_container::registry::reference::is_name;
///
/// assert!(is_name("library/hello-world"));
/// assert!(!is_name("Library/hello") && !is_name("a//b") && !is_name("a/-b"));
/// ```
pub fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME && name.split('/').all(is_component)
}

fn is_component(component: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let ends_well = component.starts_with(alphanumeric) && component.ends_with(alphanumeric);
    let mut separators = component.split(alphanumeric).filter(|separator| !separator.is_empty());
    let sound = |separator: &str| matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-');
    ends_well && separators.all(sound)
}

/// Whether this may be a tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let rest = |byte: u8| word(byte) || matches!(byte, b'.' | b'-');
    tag.len() <= 128 && tag.bytes().next().is_some_and(word) && tag.bytes().all(rest)
}

/// What stands for a manifest in a URL.
///
/// ```
/// use pulp_container::registry::reference::Reference;
///
/// assert!(matches!("v1.0".parse(), Ok(Reference::Tag(_))));
/// assert!("sha256:abc".parse::<Reference>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A name that can be moved to another manifest.
    Tag(String),
    /// The manifest's own digest.
    Digest(Digest),
}

/// A text that is neither a tag nor a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("A reference is a digest, or a tag: at most 128 letters, digits and '_', '.' and '-' after the first of them.")]
pub struct BadReference;

impl FromStr for Reference {
    type Err = BadReference;

    fn from_str(text: &str) -> Result<Self, BadReference> {
        if is_tag(text) {
            return Ok(Self::Tag(text.to_owned()));
        }
        text.parse().map(Self::Digest).map_err(|_| BadReference)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_components_of_lower_case_letters_and_digits_with_separators_between() {
        for name in ["a", "0", "a/b/c", "a.b", "a_b", "a__b", "a-b", "a---b", "a0.1_2-3/x", &"a".repeat(255)] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "a b",
            "a..b",
            "a___b",
            "a.-b",
            "-a",
            "a-",
            "a/_b",
            "ä",
            "a:b",
            "a\n",
            &"a".repeat(256),
        ] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_tag_begins_with_a_letter_a_digit_or_an_underscore() {
        for tag in ["latest", "_", "1", "v1.0-rc_2", "A", &"a".repeat(128)] {
            assert_eq!(tag.parse(), Ok(Reference::Tag(tag.to_owned())));
        }
        for tag in ["", ".a", "-a", "a b", "a:b", "a/b", "ä", "a\0", &"a".repeat(129)] {
            assert_eq!(tag.parse::<Reference>(), Err(BadReference), "{tag:?}");
        }
    }

    #[test]
    fn a_digest_is_told_from_a_tag_by_its_colon() {
        let digest = Digest::of(pulpcore::storage::Algorithm::Sha512, b"abc");
        assert_eq!(digest.to_string().parse(), Ok(Reference::Digest(digest)));
    }
}
