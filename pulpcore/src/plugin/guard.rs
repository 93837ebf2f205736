//! Content guards.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::detail::Detail;
use super::noun::{BoxFuture, key};
use crate::api::reader::Reader;
use crate::app::App;
use crate::content::ClientCertificate;
use crate::db::WriteTx;
use crate::error::Result;
use crate::models::content_guard;

/// A kind of content guard: it says of each request whether it may read what a distribution serves.
///
/// Whoever may not is told so by an error: [`Error::PermissionDenied`](crate::error::Error::PermissionDenied) is a 403,
/// [`Error::Unauthenticated`](crate::error::Error::Unauthenticated) a 401 that asks for a name and a password. A guard
/// that fails in any other way keeps the content shut, with a 503.
///
/// ```
/// use pulpcore::app::App;
/// use pulpcore::error::{Error, Result};
/// use pulpcore::models::content_guard;
/// use pulpcore::plugin::{ContentGuard, Detail, GuardRequest, NoFields, Noun, register};
/// # mod curtain {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, Default, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "doc_curtain")]
/// #     pub struct Model { #[sea_orm(primary_key, auto_increment = false)] pub pulp_id: Uuid, pub word: String }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # impl Detail for curtain::Entity {
/// #     type Master = content_guard::Entity;
/// #     type Body = NoFields;
/// #     const TYPE: &'static str = "doc.curtain";
/// #     const MODEL: &'static str = "Curtain";
/// #     const ENDPOINT: &'static str = "curtain";
/// #     fn read(_: &curtain::Model) -> NoFields { NoFields {} }
/// #     fn write(_: &mut curtain::Model, _: NoFields) {}
/// # }
///
/// impl ContentGuard for curtain::Entity {
///     type Compiled = String;
///
///     async fn compile(_app: &App, row: &curtain::Model) -> Result<String> {
///         Ok(row.word.to_lowercase())
///     }
///
///     async fn permit(_app: &App, word: &String, request: &GuardRequest<'_>) -> Result<()> {
///         if request.header("x-word").is_some_and(|said| said.to_lowercase() == *word) {
///             Ok(())
///         } else {
///             Err(Error::PermissionDenied)
///         }
///     }
/// }
///
/// register!(Noun::content_guard::<curtain::Entity>()); // …/api/v3/contentguards/doc/curtain/
/// # fn main() {}
/// ```
pub trait ContentGuard: Detail<Master = content_guard::Entity> {
    /// What is made of a row once and then kept in memory, so that a request costs little: parsed certificates, a
    /// compiled filter.
    type Compiled: Send + Sync + 'static;

    /// Makes it.
    ///
    /// # Errors
    /// Then nobody is let in, until the row changes.
    fn compile(app: &App, row: &Self::Model) -> impl Future<Output = Result<Self::Compiled>> + Send;

    /// Lets a request in, or says why not. It runs on every request, before anything else is looked up.
    ///
    /// # Errors
    /// For whoever is not let in.
    fn permit(
        app: &App,
        compiled: &Self::Compiled,
        request: &GuardRequest<'_>,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// A request for content, as a guard sees it.
///
/// ```
/// use axum::http::Request;
/// use pulpcore::plugin::GuardRequest;
///
/// let request = Request::get("/pulp/content/a/b?c=d").header("x-word", "sesame").body(()).unwrap();
/// let (parts, ()) = request.into_parts();
/// let request = GuardRequest::new(&parts);
/// assert_eq!((request.uri().path(), request.uri().query()), ("/pulp/content/a/b", Some("c=d")));
/// assert_eq!(request.header("X-Word"), Some("sesame"));
/// assert!(request.client_certificate().is_none());
/// ```
pub struct GuardRequest<'a> {
    parts: &'a Parts,
    /// The guards that were asked already: those that hold others ask each of them once, however they are nested.
    asked: Mutex<BTreeSet<Uuid>>,
}

/// How many guards are asked about one request at most.
pub(crate) const MOST_ASKED: usize = 100;

impl<'a> GuardRequest<'a> {
    /// The request with this head.
    pub const fn new(parts: &'a Parts) -> Self {
        Self { parts, asked: Mutex::new(BTreeSet::new()) }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.parts.method
    }

    /// Path and query, as the client sent them.
    pub fn uri(&self) -> &Uri {
        &self.parts.uri
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// The first header of a name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// The certificate that the client showed: to this server, if its TLS connection ends here, or else to a proxy in front
    /// of it, which says so in `X-CLIENT-CERT`. A proxy must take that header from whoever sends it and put its own in its
    /// place; where TLS ends here nobody is believed.
    pub fn client_certificate(&self) -> Option<ClientCertificate> {
        match self.parts.extensions.get::<ClientCertificate>() {
            Some(shown) => Some(shown.clone()).filter(|shown| !shown.chain().is_empty()),
            None => ClientCertificate::of_header(&self.parts.headers),
        }
    }

    /// Notes that a guard is asked. Not again, and not one of too many: then it has nothing to say.
    pub(crate) fn asks(&self, guard: Uuid) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.len() < MOST_ASKED && asked.insert(guard)
    }
}

impl fmt::Debug for GuardRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.parts.method, self.parts.uri.path())
    }
}

type Object = Map<String, Value>;
type Answer<'a, T> = BoxFuture<'a, Result<T>>;
/// A compiled guard, unless its row is gone.
type Found = Option<Arc<dyn Compiled>>;

/// What only content guards have.
pub(crate) struct GuardHooks {
    /// Reads a guard's row and compiles it; `None` if it is gone.
    pub(crate) compile: for<'a> fn(&'a App, Uuid) -> Answer<'a, Found>,
    pub(crate) beside: Option<Beside>,
}

/// Fields of a guard that stand in other tables than its own. Core's guards alone have such.
#[derive(Clone, Copy)]
pub(crate) struct Beside {
    /// Those of many guards, as JSON objects in the guards' order.
    pub(crate) read: for<'a> fn(&'a Reader, &'a [Uuid]) -> Answer<'a, Vec<String>>,
    /// Refuses a body. The key is that of the guard that is being changed.
    pub(crate) check: for<'a> fn(&'a App, Option<Uuid>, &'a Object) -> Answer<'a, ()>,
    /// Writes them. The user is who creates the guard, when it is created.
    pub(crate) write: for<'a> fn(&'a WriteTx, Uuid, &'a Object, Option<i64>) -> Answer<'a, ()>,
}

/// A guard that was compiled, its type erased.
pub(crate) trait Compiled: Send + Sync {
    /// See [`ContentGuard::permit`].
    fn permit<'a>(&'a self, app: &'a App, request: &'a GuardRequest<'_>) -> BoxFuture<'a, Result<()>>;
}

struct Of<E: ContentGuard>(E::Compiled);

impl<E: ContentGuard> Compiled for Of<E> {
    fn permit<'a>(&'a self, app: &'a App, request: &'a GuardRequest<'_>) -> BoxFuture<'a, Result<()>> {
        Box::pin(E::permit(app, &self.0, request))
    }
}

impl GuardHooks {
    pub(crate) const fn of<E: ContentGuard>() -> Self {
        Self {
            compile: |app, id| {
                Box::pin(async move {
                    let row = E::find().filter(key::<E>().eq(id)).one(app.db.read()).await?;
                    let Some(row) = row else { return Ok(None) };
                    let compiled: Arc<dyn Compiled> = Arc::new(Of::<E>(E::compile(app, &row).await?));
                    Ok(Some(compiled))
                })
            },
            beside: None,
        }
    }
}
