//! What a registry asks for when it refuses: `WWW-Authenticate: Bearer realm="…",service="…",scope="…"` (RFC 6750,
//! section 3; "Token Authentication Specification" of Docker's registry).

use pulpcore::sync::download::HeaderMap;
use url::Url;

/// Where a token is to be had, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) realm: Url,
    pub(super) service: Option<String>,
    pub(super) scope: Option<String>,
}

impl Challenge {
    /// The first one for a token among an answer's headers.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all("www-authenticate").iter();
        values.filter_map(|value| value.to_str().ok()).find_map(Self::parse)
    }

    fn parse(text: &str) -> Option<Self> {
        let scheme = text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer "))?;
        let parameters = parameters(&text[scheme.len()..]);
        let get = |name: &str| {
            parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
        };
        let realm = Url::parse(&get("realm")?).ok().filter(|realm| matches!(realm.scheme(), "http" | "https"))?;
        Some(Self { realm, service: get("service"), scope: get("scope") })
    }

    /// The URL that gives the token.
    pub(super) fn url(&self) -> Url {
        let mut url = self.realm.clone();
        let mut query = url.query_pairs_mut();
        for (name, value) in [("service", &self.service), ("scope", &self.scope)] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        drop(query);
        url
    }
}

/// `name="value", name=value`: values may be quoted, and hold commas then.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_start_matches([',', ' ']).trim().to_owned();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some((value, after)) => (value, after),
                None => break,
            },
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.push((name, value.trim().to_owned()));
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_says_where_a_token_is_to_be_had() {
        let text =
            r#"Bearer realm="https://auth.example.test/token",service="registry",scope="repository:a/b:pull,push""#;
        let challenge = Challenge::parse(text).unwrap();
        assert_eq!(challenge.service.as_deref(), Some("registry"));
        assert_eq!(challenge.scope.as_deref(), Some("repository:a/b:pull,push"));
        let url = "https://auth.example.test/token?service=registry&scope=repository%3Aa%2Fb%3Apull%2Cpush";
        assert_eq!(challenge.url().as_str(), url);
        let plain = Challenge::parse("bearer realm=http://127.0.0.1/t?a=b, service=x").unwrap();
        assert_eq!((plain.url().as_str(), plain.scope), ("http://127.0.0.1/t?a=b&service=x", None));
    }

    #[test]
    fn what_asks_for_something_else_is_none() {
        for text in [
            "",
            "Basic realm=\"x\"",
            "Bearer",
            "Bearer service=\"x\"",
            "Bearer realm=\"file:///etc\"",
            "Bearer realm=\"h",
        ] {
            assert_eq!(Challenge::parse(text), None, "{text}");
        }
    }
}
