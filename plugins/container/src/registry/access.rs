//! Who asks, and whether they may.
//!
//! A client shows a token that it got at `/token/`, or its name and password, or nothing. Whoever may not do what they
//! ask is told where to ask for a token, and for which (RFC 6750 and Docker's token specification).

use axum::http::{HeaderValue, header};
use pulpcore::error::Error;
use pulpcore::models::user;
use pulpcore::plugin::LiveCx;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::errors::{Answer, Code, Failure};
use super::permission::{Who, may};
use super::scope::{Action, Scope};
use super::settings::RegistrySettings;
use super::token::{self, Claims};
use super::{keys, origin};

/// Who asks.
#[derive(Debug)]
pub(super) enum Caller {
    /// Somebody who says nothing.
    Anonymous,
    /// A user, by name and password.
    User(Box<user::Model>),
    /// Whoever a token says, with what it grants.
    Token(Claims),
}

impl Caller {
    /// Whoever sends a request.
    ///
    /// # Errors
    /// A 401 for wrong passwords, and for tokens that are not good, or not any more.
    pub(super) async fn of(cx: &LiveCx) -> Answer<Self> {
        let Some((scheme, token)) = credentials(cx) else { return Ok(Self::Anonymous) };
        if scheme.eq_ignore_ascii_case("basic") {
            return match cx.user().await {
                Ok(user) => Ok(Self::User(Box::new(user))),
                Err(error @ (Error::BadCredentials | Error::Unauthenticated)) => {
                    Err(unauthorized(cx, None, None, &error.to_string())?)
                }
                Err(error) => Err(error.into()),
            };
        }
        if !scheme.eq_ignore_ascii_case("bearer") || RegistrySettings::of(&cx.app)?.token_auth_disabled {
            return Ok(Self::Anonymous);
        }
        match keys::verify(&cx.app, token).await? {
            Some(claims) => Ok(Self::Token(claims)),
            None => Err(unauthorized(cx, None, Some("invalid_token"), "The token is not good, or not any more.")?),
        }
    }

    /// For whom they count.
    pub(super) fn who(&self) -> Who {
        match self {
            Self::User(_) => Who::User,
            Self::Token(claims) if !claims.sub.is_empty() => Who::User,
            Self::Token(_) | Self::Anonymous => Who::Anonymous,
        }
    }

    /// Whether they may do this with a repository, and have asked for it.
    pub(super) fn may(&self, name: &str, action: Action, private: bool) -> bool {
        let anybody = may(Who::Anonymous, action, private);
        match self {
            // What everybody may needs no token.
            Self::Token(claims) => anybody || may(self.who(), action, private) && claims.grants(name, action),
            _ => may(self.who(), action, private),
        }
    }

    /// Whether they see all repositories.
    pub(super) fn sees_all(&self) -> bool {
        match self {
            Self::Token(claims) => self.who() == Who::User && claims.grants_catalog(),
            _ => self.who() == Who::User,
        }
    }

    /// Refuses whoever may not do this with a repository: a 401 that says which token would do.
    pub(super) fn require(&self, cx: &LiveCx, name: &str, action: Action, private: bool) -> Answer<()> {
        if self.may(name, action, private) {
            return Ok(());
        }
        let actions: &[Action] = if action == Action::Pull { &[Action::Pull] } else { &[Action::Pull, action] };
        let scope = Scope::repository(name, actions);
        let error = matches!(self, Self::Token(_)).then_some("insufficient_scope");
        Err(unauthorized(cx, Some(&scope), error, "Authentication is required for this.")?)
    }

    /// The user in whose name something is done.
    ///
    /// # Errors
    /// A 401 for a user who may not log in any more.
    pub(super) async fn user(self, cx: &LiveCx) -> Answer<user::Model> {
        let name = match self {
            Self::User(user) => return Ok(*user),
            Self::Token(claims) => claims.sub,
            Self::Anonymous => String::new(),
        };
        let named = user::Entity::find().filter(user::Column::Username.eq(name));
        match named.filter(user::Column::IsActive.eq(true)).one(cx.app.db.read()).await.map_err(Error::from)? {
            Some(user) => Ok(user),
            None => Err(unauthorized(cx, None, Some("invalid_token"), "Authentication is required for this.")?),
        }
    }
}

/// The scheme of the header `Authorization`, and what follows it.
fn credentials(cx: &LiveCx) -> Option<(&str, &str)> {
    let value = cx.parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.trim().split_once(' ')?;
    Some((scheme, rest.trim()))
}

/// A 401 that says how to do better.
pub(super) fn unauthorized(cx: &LiveCx, scope: Option<&Scope>, error: Option<&str>, message: &str) -> Answer<Failure> {
    let settings = RegistrySettings::of(&cx.app)?;
    let challenge = match settings.token_auth_disabled {
        true => format!("Basic realm=\"{}\"", origin::of(cx)),
        false => {
            let server = Some(settings.token_server).filter(|server| !server.is_empty());
            let realm = server.unwrap_or_else(|| format!("{}/token/", origin::of(cx)));
            token::challenge(&realm, scope, error)
        }
    };
    let challenge = HeaderValue::try_from(challenge).map_err(Error::internal)?;
    Ok(Failure::new(Code::Unauthorized, message).with_header(header::WWW_AUTHENTICATE, challenge))
}
