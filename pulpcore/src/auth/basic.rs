//! The `Authorization` header of the basic scheme (RFC 7617).

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::error::Error;

/// Why a request is not let in.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The header cannot be read; the sentence says why.
    Header(&'static str),
    /// As the error says.
    Error(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// A name and a password, as a client sent them.
pub(super) struct Basic {
    pub(super) username: String,
    pub(super) password: String,
}

/// Reads the header. Another scheme counts as no credentials, as in Django REST framework, whose sentences these are.
pub(super) fn read(headers: &HeaderMap) -> Result<Basic, Refused> {
    let value = headers.get(header::AUTHORIZATION).ok_or(Error::Unauthenticated)?;
    let mut words = value.as_bytes().split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    if !words.next().is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic")) {
        return Err(Error::Unauthenticated.into());
    }
    let token = words.next().ok_or(Refused::Header("Invalid basic header. No credentials provided."))?;
    if words.next().is_some() {
        return Err(Refused::Header("Invalid basic header. Credentials string should not contain spaces."));
    }
    let undecodable = Refused::Header("Invalid basic header. Credentials not correctly base64 encoded.");
    let Ok(bytes) = BASE64_STANDARD.decode(token) else { return Err(undecodable) };
    // Names and passwords that are no UTF-8 are read as Latin-1, which older clients send.
    let text =
        String::from_utf8(bytes).unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect());
    match text.split_once(':') {
        Some((username, password)) => Ok(Basic { username: username.to_owned(), password: password.to_owned() }),
        None => Err(undecodable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: &str) -> String {
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
        match read(&headers) {
            Ok(basic) => format!("{} {}", basic.username, basic.password),
            Err(Refused::Header(text)) => text.to_owned(),
            Err(Refused::Error(error)) => error.to_string(),
        }
    }

    #[test]
    fn a_name_and_a_password_are_parted_by_the_first_colon() {
        assert_eq!(said("Basic YWRtaW46cGFzcw=="), "admin pass");
        assert_eq!(said("basic YTpiOmM="), "a b:c");
        assert_eq!(said(&format!("Basic {}", BASE64_STANDARD.encode([b'a', b':', 0xe9]))), "a é");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let not_base64 = "Invalid basic header. Credentials not correctly base64 encoded.";
        for (value, text) in [
            ("Basic", "Invalid basic header. No credentials provided."),
            ("Basic a b", "Invalid basic header. Credentials string should not contain spaces."),
            ("Basic ***", not_base64),
            ("Basic YWRtaW4=", not_base64),
            ("Bearer abc", "Authentication credentials were not provided."),
            ("", "Authentication credentials were not provided."),
        ] {
            assert_eq!(said(value), text, "{value}");
        }
        assert!(matches!(read(&HeaderMap::new()), Err(Refused::Error(Error::Unauthenticated))));
    }
}
