//! Tokens: what a client shows instead of its password, for five minutes, to whoever serves the registry.
//!
//! They are JSON web tokens as Docker's token specification has them ("Token Authentication Implementation"), signed with
//! ES256 (RFC 7518, section 3.4). Whoever checks one needs the public half of the key and nothing else.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use pulpcore::error::{Error, Result};
use serde::{Deserialize, Serialize};

use super::scope::{Action, Scope};

/// How long a token is good, in seconds: as long as Pulp's.
pub const LIFETIME: u64 = 300;

/// By how many seconds the clocks of those who make tokens and those who check them may differ.
const LEEWAY: u64 = 60;

/// What the tokens are for. Clients repeat it when they ask for one.
pub const SERVICE: &str = "pulp-container-registry";

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 32 * 1024;

/// A key that signs tokens, as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct NewKey {
    /// The private half: PKCS #8, DER.
    pub private: Vec<u8>,
    /// The public half: an uncompressed point of the curve P-256.
    pub public: Vec<u8>,
}

impl NewKey {
    /// Makes a key.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system gives no random numbers.
    pub fn make() -> Result<Self> {
        let refused = |_| Error::internal("a key to sign tokens could not be made");
        let private = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let private = private.map_err(refused)?.as_ref().to_vec();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &private);
        let pair = pair.map_err(|_| Error::internal("a key to sign tokens could not be read back"))?;
        Ok(Self { private, public: pair.public_key().as_ref().to_vec() })
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    /// The user's name; empty of who has not said one.
    pub sub: String,
    exp: u64,
    nbf: u64,
    /// When it was made, in seconds since 1970.
    pub iat: u64,
    jti: String,
    /// What it grants.
    pub access: Vec<Scope>,
}

impl Claims {
    /// What a token says that is made now.
    pub fn new(username: &str, access: Vec<Scope>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self {
            iss: SERVICE.to_owned(),
            aud: SERVICE.to_owned(),
            sub: username.to_owned(),
            exp: now + LIFETIME,
            nbf: now,
            iat: now,
            jti: uuid::Uuid::now_v7().to_string(),
            access,
        }
    }

    /// Whether it grants an action on a repository.
    pub fn grants(&self, name: &str, action: Action) -> bool {
        let mut about = self.access.iter().filter(|scope| scope.repository_name() == Some(name));
        about.any(|scope| scope.asks().contains(&action))
    }

    /// Whether it grants to list all repositories.
    pub fn grants_catalog(&self) -> bool {
        self.access.iter().any(Scope::is_catalog)
    }

    /// The token, signed with the private half of the key of this id.
    ///
    /// # Errors
    /// [`Error::Internal`] if the key is none.
    pub fn sign(&self, key_id: &str, private: &[u8]) -> Result<String> {
        let header = Header { kid: Some(key_id.to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, self, &EncodingKey::from_ec_der(private)).map_err(Error::internal)
    }

    /// The claims of a token that is good now, by the public half of its key. None if it is not.
    pub fn verify(token: &str, public: &[u8]) -> Option<Self> {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_audience(&[SERVICE]);
        validation.set_issuer(&[SERVICE]);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        jsonwebtoken::decode(token, &DecodingKey::from_ec_der(public), &validation).ok().map(|data| data.claims)
    }
}

/// The id of the key that a token says it was signed with. None if it is no token.
pub fn key_id(token: &str) -> Option<String> {
    (token.len() <= LONGEST).then(|| jsonwebtoken::decode_header(token).ok()?.kid).flatten()
}

/// The header `WWW-Authenticate` that asks for a token (RFC 6750, section 3). `realm` is the URL that gives one.
pub fn challenge(realm: &str, scope: Option<&Scope>, error: Option<&str>) -> String {
    let mut text = format!("Bearer realm=\"{realm}\",service=\"{SERVICE}\"");
    if let Some(scope) = scope {
        text.push_str(&format!(",scope=\"{scope}\""));
    }
    if let Some(error) = error {
        text.push_str(&format!(",error=\"{error}\""));
    }
    text
}

/// What is granted of what was asked for. `may` is asked of each action on a repository.
pub fn granted(asked: Vec<Scope>, known: bool, may: impl Fn(&str, Action) -> bool) -> Vec<Scope> {
    let grant = |mut scope: Scope| {
        scope.actions = match scope.repository_name() {
            Some(name) => {
                let actions = scope.asks().into_iter().filter(|action| may(name, *action));
                actions.map(|action| action.name().to_owned()).collect()
            }
            None if scope.is_catalog() && known => Scope::catalog().actions,
            None => BTreeSet::new(),
        };
        (!scope.actions.is_empty()).then_some(scope)
    };
    asked.into_iter().filter_map(grant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims::new("ada", vec![Scope::repository("a/b", &[Action::Pull, Action::Push])])
    }

    #[test]
    fn a_token_is_read_by_whoever_has_the_public_half_of_its_key() {
        let key = NewKey::make().unwrap();
        let token = claims().sign("key-1", &key.private).unwrap();
        assert_eq!(key_id(&token).as_deref(), Some("key-1"));
        let read = Claims::verify(&token, &key.public).unwrap();
        assert_eq!(read.sub, "ada");
        assert!(read.grants("a/b", Action::Push) && !read.grants("a/b", Action::Delete));
        assert!(!read.grants("a", Action::Pull) && !read.grants_catalog());
    }

    #[test]
    fn what_another_key_signed_or_somebody_changed_is_none() {
        let (key, other) = (NewKey::make().unwrap(), NewKey::make().unwrap());
        let token = claims().sign("key-1", &key.private).unwrap();
        assert_eq!(Claims::verify(&token, &other.public), None);
        let parts: Vec<&str> = token.split('.').collect();
        let changed = Claims::new("root", Vec::new()).sign("key-1", &other.private).unwrap();
        let changed = changed.split('.').nth(1).unwrap();
        assert_eq!(Claims::verify(&format!("{}.{changed}.{}", parts[0], parts[2]), &key.public), None);
        // {"alg":"none","typ":"JWT"}
        assert_eq!(Claims::verify(&format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", parts[1]), &key.public), None);
        for nonsense in ["", ".", "..", "a.b.c"] {
            assert_eq!((key_id(nonsense), Claims::verify(nonsense, &key.public)), (None, None));
        }
    }

    #[test]
    fn a_token_is_good_for_five_minutes() {
        let key = NewKey::make().unwrap();
        let mut old = claims();
        old.exp -= LIFETIME + LEEWAY + 1;
        assert_eq!(Claims::verify(&old.sign("k", &key.private).unwrap(), &key.public), None);
        let mut future = claims();
        future.nbf += LEEWAY + 10;
        assert_eq!(Claims::verify(&future.sign("k", &key.private).unwrap(), &key.public), None);
        let mut elsewhere = claims();
        elsewhere.aud = "elsewhere".to_owned();
        assert_eq!(Claims::verify(&elsewhere.sign("k", &key.private).unwrap(), &key.public), None);
    }

    #[test]
    fn only_what_may_be_done_is_granted() {
        let asked = Scope::parse_all(["repository:a:pull,push repository:b:push registry:catalog:* thing:x:y"]);
        let shown = |known| {
            let scopes = granted(asked.clone(), known, |_, action| action == Action::Pull);
            scopes.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(shown(false), ["repository:a:pull"]);
        assert_eq!(shown(true), ["repository:a:pull", "registry:catalog:*"]);
    }

    #[test]
    fn a_challenge_says_where_to_go_and_what_for() {
        let scope = Scope::repository("a", &[Action::Pull]);
        assert_eq!(
            challenge("http://h/token/", Some(&scope), Some("invalid_token")),
            "Bearer realm=\"http://h/token/\",service=\"pulp-container-registry\",scope=\"repository:a:pull\",\
             error=\"invalid_token\""
        );
    }
}
