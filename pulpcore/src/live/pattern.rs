//! The paths of live APIs: patterns in which a base path, which has slashes, may stand anywhere.
//!
//! `axum`'s routes take what has slashes at the end only; a registry's `/v2/<name>/blobs/<digest>` has it in the middle.

use percent_encoding::percent_decode_str;

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// Before the part that takes several segments, or all.
    head: Vec<Part>,
    /// The part that takes several, and what follows it.
    tail: Option<(&'static str, Vec<Part>)>,
    folder: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(&'static str),
    One(&'static str),
}

/// A path as patterns read it.
#[derive(Debug)]
pub(super) struct Path {
    segments: Vec<String>,
    folder: bool,
}

/// What a path has where the pattern has names.
pub(super) type Params = Vec<(&'static str, String)>;

impl Path {
    /// Reads the path of a URL. `None` if it is one that no pattern fits: with empty segments, `.` or `..`, also as
    /// percent-encoded parts of one, with NUL, or with what is no UTF-8.
    pub(super) fn parse(raw: &str) -> Option<Self> {
        let inside = raw.strip_prefix('/')?;
        let (inside, folder) = match inside.strip_suffix('/') {
            Some(inside) => (inside, true),
            None => (inside, false),
        };
        let segments = inside.split('/').map(segment).collect::<Option<_>>()?;
        Some(Self { segments, folder })
    }
}

fn segment(raw: &str) -> Option<String> {
    let text = percent_decode_str(raw).decode_utf8().ok()?;
    let plain = !text.contains('\0') && text.split('/').all(|part| !matches!(part, "" | "." | ".."));
    plain.then(|| text.into_owned())
}

impl Pattern {
    /// Reads a pattern; says what is wrong with it.
    pub(super) fn parse(text: &'static str) -> Result<Self, &'static str> {
        let inside = text.strip_prefix('/').ok_or("must begin with a slash")?;
        let (inside, folder) = match inside.strip_suffix('/') {
            Some(inside) => (inside, true),
            None => (inside, false),
        };
        let (mut head, mut tail, mut names) = (Vec::new(), None, Vec::new());
        for part in inside.split('/') {
            let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            let many = name.and_then(|name| name.strip_prefix('*'));
            if let Some(name) = many.or(name) {
                let sound = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                if !sound || names.contains(&name) {
                    return Err("must name each part once, in letters, digits and _");
                }
                names.push(name);
            }
            let part = match (many, name) {
                (Some(_), _) if tail.is_some() => return Err("may hold one part of several segments"),
                (Some(many), _) => {
                    tail = Some((many, Vec::new()));
                    continue;
                }
                (None, Some(name)) => Part::One(name),
                (None, None) if matches!(part, "" | "." | "..") || part.contains(['{', '}', '%', '?', '#', ' ']) => {
                    return Err("must hold plain segments");
                }
                (None, None) => Part::Literal(part),
            };
            match &mut tail {
                Some((_, tail)) => tail.push(part),
                None => head.push(part),
            }
        }
        Ok(Self { head, tail, folder })
    }

    /// What the path has where the pattern has names, if it fits.
    pub(super) fn fit(&self, path: &Path) -> Option<Params> {
        let segments = path.segments.as_slice();
        let fewest = self.head.len() + self.tail.as_ref().map_or(0, |(_, tail)| tail.len() + 1);
        let enough = if self.tail.is_some() { segments.len() >= fewest } else { segments.len() == fewest };
        if self.folder != path.folder || !enough {
            return None;
        }
        let (head, rest) = segments.split_at(self.head.len());
        let mut params = Params::new();
        take(&self.head, head, &mut params)?;
        if let Some((name, tail)) = &self.tail {
            let (many, rest) = rest.split_at(rest.len() - tail.len());
            params.push((*name, many.join("/")));
            take(tail, rest, &mut params)?;
        }
        Some(params)
    }

    /// The greater, the more a fitting pattern is meant.
    pub(super) fn rank(&self) -> (usize, bool) {
        let literals = self.parts().filter(|part| matches!(part, Part::Literal(_))).count();
        (literals, self.tail.is_none())
    }

    /// Without the names: two patterns of one shape fit the same paths.
    pub(super) fn shape(&self) -> String {
        let write = |part: &Part| match part {
            Part::Literal(text) => format!("/{text}"),
            Part::One(_) => "/{}".to_owned(),
        };
        let mut shape: String = self.head.iter().map(write).collect();
        if let Some((_, tail)) = &self.tail {
            shape.push_str("/{*}");
            shape.extend(tail.iter().map(write));
        }
        if self.folder {
            shape.push('/');
        }
        shape
    }

    /// The path that all that fits begins with.
    pub(super) fn fixed(&self) -> String {
        let literals = self.head.iter().map_while(|part| match part {
            Part::Literal(text) => Some(format!("/{text}")),
            Part::One(_) => None,
        });
        literals.collect()
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.head.iter().chain(self.tail.iter().flat_map(|(_, tail)| tail))
    }
}

fn take(parts: &[Part], segments: &[String], params: &mut Params) -> Option<()> {
    for (part, segment) in parts.iter().zip(segments) {
        match part {
            Part::Literal(text) => (text == segment).then_some(())?,
            Part::One(name) => params.push((*name, segment.clone())),
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(pattern: &'static str, path: &str) -> Option<String> {
        let params = Pattern::parse(pattern).unwrap().fit(&Path::parse(path)?)?;
        Some(params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_name_takes_a_segment_and_a_starred_one_takes_several_wherever_it_stands() {
        for (pattern, path, expected) in [
            ("/v2/", "/v2/", Some("")),
            ("/v2/", "/v2", None),
            ("/v2/{*name}/blobs/{digest}", "/v2/a/blobs/sha256:0", Some("name=a digest=sha256:0")),
            ("/v2/{*name}/blobs/{digest}", "/v2/a/b/c/blobs/x", Some("name=a/b/c digest=x")),
            ("/v2/{*name}/blobs/{digest}", "/v2/blobs/x", None),
            ("/v2/{*name}/blobs/{digest}", "/v2/a/blobs/x/", None),
            ("/v2/{*name}/blobs/{digest}", "/v2/blobs/blobs/blobs", Some("name=blobs digest=blobs")),
            ("/v2/{*name}/blobs/uploads/", "/v2/a/blobs/uploads/", Some("name=a")),
            ("/{a}/x/{*b}", "/1/x/2/3", Some("a=1 b=2/3")),
        ] {
            assert_eq!(fit(pattern, path).as_deref(), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn segments_are_decoded_once() {
        assert_eq!(fit("/v2/{name}", "/%76%32/a%20b").as_deref(), Some("name=a b"));
        assert_eq!(fit("/v2/{name}", "/v2/%2541").as_deref(), Some("name=%41"));
        assert_eq!(fit("/v2/{*name}", "/v2/a%2Fb/c").as_deref(), Some("name=a/b/c"));
    }

    #[test]
    fn a_path_that_could_mean_another_fits_nothing() {
        for path in
            ["/v2//a", "/v2/./a", "/v2/../a", "/v2/%2e%2E/a", "/v2/a%2F..%2Fb", "/v2/%2Fa", "/v2/a%00", "/v2/%ff"]
        {
            assert_eq!(fit("/v2/{*name}", path), None, "{path}");
        }
        assert!(Path::parse("*").is_none());
    }

    #[test]
    fn the_more_a_pattern_says_the_more_it_is_meant() {
        let rank = |text| Pattern::parse(text).unwrap().rank();
        assert!(rank("/v2/{*name}/tags/list") > rank("/v2/{*name}/blobs/{digest}"));
        assert!(rank("/v2/{a}") > rank("/v2/{*a}"));
    }

    #[test]
    fn a_pattern_that_is_none_is_named() {
        for (text, said) in [
            ("v2/", "must begin with a slash"),
            ("/v2/{*a}/{*b}", "may hold one part of several segments"),
            ("/v2/{a}/{a}", "must name each part once, in letters, digits and _"),
            ("/v2/{}", "must name each part once, in letters, digits and _"),
            ("/v2//a", "must hold plain segments"),
            ("/v2/a{b}", "must hold plain segments"),
        ] {
            assert_eq!(Pattern::parse(text), Err(said), "{text}");
        }
    }
}
