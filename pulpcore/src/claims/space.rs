//! A piece of the URL space: a path and everything below it, compared segment by segment.
//!
//! - Whole segments count: `/v2/` holds `/v2/x` and not `/v22/x`. A slash at the end says nothing: `/v2` is in `/v2/`.
//! - Percent-encoded characters are what they stand for, whatever the case of their digits (RFC 3986, section 6.2.2.1 and
//!   6.2.2.2), a slash among them: `/%762/x` and `/v2%2Fx` are in `/v2/`. They are decoded once.
//! - Doubled slashes and `.` count as one slash, because proxies merge them: `//v2/./x` is in `/v2/`. `..` is a name like
//!   any other: whoever looks at paths before us must see them as we do.
//! - Case counts, as everywhere in paths: `/V2/` is another place.
//!
//! So the space is wide: what a client, a proxy or this server may take for a path of the space is in it. Whoever owns it
//! answers there, and may say that nothing is at such a path; nobody else does.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The segments that every path in the space begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Space(Vec<String>);

impl Space {
    /// The space of a path.
    pub(crate) fn of(path: &str) -> Self {
        Self(segments(&decoded(path)).map(str::to_owned).collect())
    }

    /// The space of a path whose percent signs are meant as such.
    fn verbatim(path: &str) -> Self {
        Self(segments(path).map(str::to_owned).collect())
    }

    /// What URLs with this folder below the space are in: of the name as it is, and as a client reads it that does not
    /// encode its percent signs.
    pub(super) fn below(&self, folder: &str) -> [Self; 2] {
        [Self::verbatim(folder), Self::of(folder)].map(|inner| Self([self.0.as_slice(), &inner.0].concat()))
    }

    /// Whether everything in `other` is in this space.
    pub(crate) fn holds(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// Whether there are paths in both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.holds(other) || other.holds(self)
    }

    /// Whether a path, [`decoded`] before, is in this space.
    pub(super) fn holds_path(&self, decoded: &str) -> bool {
        let mut given = segments(decoded);
        self.0.iter().all(|segment| given.next() == Some(segment.as_str()))
    }

    /// What follows this space in one that lies within it.
    pub(super) fn rest<'a>(&self, inner: &'a Self) -> Option<&'a [String]> {
        inner.0.strip_prefix(self.0.as_slice())
    }

    /// How many segments all its paths share: of two spaces that hold a path the deeper is meant.
    pub(super) fn depth(&self) -> usize {
        self.0.len()
    }
}

/// A path with its percent-encoded characters as what they stand for. What is no UTF-8 then equals nothing.
pub(super) fn decoded(path: &str) -> Cow<'_, str> {
    match path.contains('%') {
        true => percent_decode_str(path).decode_utf8_lossy(),
        false => Cow::Borrowed(path),
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !matches!(*segment, "" | "."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(space: &str, path: &str) -> bool {
        Space::of(space).holds_path(&decoded(path))
    }

    #[test]
    fn whole_segments_count_and_the_last_slash_does_not() {
        for inside in ["/v2", "/v2/", "/v2/x", "/v2/x/", "/v2//x"] {
            assert!(holds("/v2/", inside), "{inside}");
        }
        for outside in ["/", "", "/v22/", "/v22", "/v/2/", "/v", "/x/v2/", "/V2/"] {
            assert!(!holds("/v2/", outside), "{outside}");
        }
        assert!(holds("/extensions/v2/", "/extensions/v2/a") && !holds("/extensions/v2/", "/extensions/"));
    }

    #[test]
    fn what_others_may_take_for_the_path_is_in_the_space() {
        for inside in ["//v2/x", "/./v2/", "/%76%32/x", "/v2%2fx", "/v2%2Fx", "%2Fv2", "/v2/%zz", "/v2/%ff"] {
            assert!(holds("/v2/", inside), "{inside}");
        }
        for outside in ["/%2576%2532/", "/x/../v2/", "/%ffv2/", "/v2%00/", "/v2;x/"] {
            assert!(!holds("/v2/", outside), "{outside}");
        }
    }

    #[test]
    fn spaces_overlap_if_one_holds_the_other() {
        let overlap = |one: &str, other: &str| Space::of(one).overlaps(&Space::of(other));
        assert!(overlap("/v2/", "/v2") && overlap("/v2/", "/v2/sub/") && overlap("/", "/v2/"));
        assert!(!overlap("/v2/", "/v22/") && !overlap("/a/b/", "/a/c/"));
    }

    #[test]
    fn a_folder_is_read_as_it_is_and_as_a_browser_reads_it() {
        let [verbatim, read] = Space::of("/pulp/").below("v%32");
        assert_eq!((verbatim, read), (Space(vec!["pulp".into(), "v%32".into()]), Space::of("/pulp/v2/")));
    }
}
