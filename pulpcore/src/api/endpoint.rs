//! One operation of the API: where it is, how it is described, what it does.
//!
//! Router and OpenAPI document are made from the same list of these ([`super::catalog`]), so neither can lack what the
//! other has. An operation is a plain `async fn(Cx) -> Result<Response>`: authentication, errors and the correlation id
//! are handled around it, once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::http::Method;
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::cx::Cx;
use super::filters::{Filters, Kind};
use super::schema::collect;
use super::validate::{BodySchema, Mode};
use crate::artifacts;
use crate::error::{Error, Result};
use crate::models::artifact;
use crate::plugin::{Detail, Master, Noun};

pub(crate) type Handler = Arc<dyn Fn(Cx) -> Pin<Box<dyn Future<Output = Result<Response>> + Send>> + Send + Sync>;

/// One operation.
///
/// ```
/// use pulpcore::models::repository;
/// use pulpcore::plugin::{Detail, Endpoint, Locks, NoFields, Noun, Repository, Task, TaskCx, register};
/// # mod shelf {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, Default, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "doc_shelf")]
/// #     pub struct Model { #[sea_orm(primary_key, auto_increment = false)] pub pulp_id: Uuid }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # impl Detail for shelf::Entity {
/// #     type Master = repository::Entity;
/// #     type Body = NoFields;
/// #     const TYPE: &'static str = "doc.shelf";
/// #     const MODEL: &'static str = "Shelf";
/// #     const ENDPOINT: &'static str = "shelf";
/// #     fn read(_: &shelf::Model) -> NoFields { NoFields {} }
/// #     fn write(_: &mut shelf::Model, _: NoFields) {}
/// # }
/// # impl Repository for shelf::Entity {
/// #     const CONTENT: &'static [&'static str] = &[];
/// # }
/// # #[derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
/// # #[schema(as = doc::Dusting)]
/// # struct Dusting { shelf: String }
/// # impl Task for Dusting {
/// #     const TYPE: &'static str = "doc/dustings";
/// #     const NAME: &'static str = "pulp_doc.app.tasks.dust";
/// #     async fn run(self, _: TaskCx) -> pulpcore::error::Result<()> { Ok(()) }
/// # }
/// // POST repositories/doc/shelf/<id>/dust/ queues a task.
/// fn actions() -> Vec<Endpoint> {
///     vec![Endpoint::action::<shelf::Entity, NoFields, _, _>("dust", "Dust a shelf", |cx, id, _body| async move {
///         cx.dispatch(Dusting { shelf: id.to_string() }).await
///     })]
/// }
///
/// register!(Noun::repository::<shelf::Entity>().actions(actions));
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) method: Method,
    /// Below the API root: `repositories/file/file/{pulp_id}/sync/`.
    pub(crate) path: String,
    pub(crate) object: Option<Object>,
    pub(crate) id: String,
    pub(crate) tag: String,
    pub(crate) summary: String,
    pub(crate) parameters: Vec<Parameter>,
    /// Headers that a request must have.
    pub(crate) headers: Vec<Parameter>,
    pub(crate) body: Option<Described>,
    pub(crate) content_types: &'static [&'static str],
    pub(crate) responses: Vec<(u16, Option<Described>)>,
    pub(crate) public: bool,
    /// Whether it also answers with a stream: as server-sent events, or over a WebSocket.
    pub(crate) streams: bool,
    pub(crate) handler: Handler,
}

/// The thing that a path leads to: in the OpenAPI document its part of the path is one href parameter.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// The part of [`Endpoint::path`] that names it.
    pub(crate) prefix: String,
    /// The parameter's name, such as `file_file_repository_href`.
    pub(crate) href: String,
}

/// A query parameter.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// A body, by the name of its schema, with every schema that it needs.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) name: String,
    /// Until the catalog has them.
    pub(crate) schemas: Vec<(String, Value)>,
}

impl Described {
    /// The schema of a type, under the type's own name.
    pub(crate) fn of<T: ToSchema>() -> Self {
        Self { name: T::name().replace("::", "."), schemas: collect::<T>() }
    }

    /// A schema under a given name, with those that it needs.
    pub(crate) fn named(name: impl Into<String>, schema: Value, mut needs: Vec<(String, Value)>) -> Self {
        let name = name.into();
        needs.push((name.clone(), schema));
        Self { name, schemas: needs }
    }
}

/// What most bodies may be sent as.
const ANY: &[&str] = &["application/json", "application/x-www-form-urlencoded", "multipart/form-data"];
/// What bodies with files may be sent as.
pub(crate) const FORMS: &[&str] = &["multipart/form-data", "application/x-www-form-urlencoded"];

impl Endpoint {
    /// An operation on a collection or on its own.
    pub(crate) fn new<F, Fut>(method: Method, path: impl Into<String>, id: impl Into<String>, handler: F) -> Self
    where
        F: Fn(Cx) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        Self {
            method,
            path: path.into(),
            object: None,
            id: id.into(),
            tag: String::new(),
            summary: String::new(),
            parameters: Vec::new(),
            headers: Vec::new(),
            body: None,
            content_types: ANY,
            responses: Vec::new(),
            public: false,
            streams: false,
            handler: Arc::new(move |cx| Box::pin(handler(cx))),
        }
    }

    /// A `POST` on one thing of a noun, at `<noun>/{pulp_id}/<name>/`: it reads a body, queues a task and answers 202.
    ///
    /// `run` gets the request, the thing's key and the body, and usually ends in [`Cx::dispatch`].
    pub fn action<D, B, F, Fut>(name: &'static str, summary: &str, run: F) -> Self
    where
        D: Detail,
        B: DeserializeOwned + ToSchema + Send + 'static,
        F: Fn(Cx, Uuid, B) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        let noun = crate::registry::get().noun(D::Master::FAMILY, D::TYPE).expect("an action's noun is registered");
        let schema = Arc::new(BodySchema::of::<B>());
        Self::new(
            Method::POST,
            format!("{}{{pulp_id}}/{name}/", noun.path()),
            operation_id(noun, name),
            move |mut cx| {
                let (run, schema) = (run.clone(), Arc::clone(&schema));
                async move {
                    let id = cx.id()?;
                    super::family::must_exist(&cx, noun, id).await?;
                    let body = cx.body(&schema, Mode::Create).await?;
                    run(cx, id, BodySchema::parse(body)?).await
                }
            },
        )
        .on(noun)
        .about(summary)
        .takes(Described::of::<B>())
        .answers(202, Described::of::<super::bodies::AsyncOperationResponse>())
    }

    /// A `POST` at a path of the plugin's own, which begins with its label: it reads a body and answers 202 with a task, or
    /// with what [`Endpoint::of_group`] says.
    pub fn post<B, F, Fut>(path: &'static str, id: &'static str, summary: &str, run: F) -> Self
    where
        B: DeserializeOwned + ToSchema + Send + 'static,
        F: Fn(Cx, B) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        let schema = Arc::new(BodySchema::of::<B>());
        Self::new(Method::POST, path, id, move |mut cx| {
            let (run, schema) = (run.clone(), Arc::clone(&schema));
            async move {
                let body = cx.body(&schema, Mode::Create).await?;
                run(cx, BodySchema::parse(body)?).await
            }
        })
        .tagged(path_tag(path))
        .about(summary)
        .takes(Described::of::<B>())
        .answers(202, Described::of::<super::bodies::AsyncOperationResponse>())
    }

    /// The same of a form with a file in the field `file`, which the body declares as text of the format `binary`. The file is
    /// an artifact by then, and an orphan unless something refers to it.
    pub fn post_file<B, F, Fut>(path: &'static str, id: &'static str, summary: &str, run: F) -> Self
    where
        B: DeserializeOwned + ToSchema + Send + 'static,
        F: Fn(Cx, B, artifact::Model) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        let schema = Arc::new(BodySchema::of::<B>());
        Self::new(Method::POST, path, id, move |mut cx| {
            let (run, schema) = (run.clone(), Arc::clone(&schema));
            async move {
                let mut input = cx.input().await?;
                // The schema sees that there is a file, and not what is in it.
                input.fields.remove("file");
                if input.file.is_some() {
                    input.fields.insert("file".to_owned(), Value::from("(the file)"));
                }
                let body = schema.check(input.fields, Mode::Create, input.encoding)?;
                let file = input.file.ok_or_else(|| Error::invalid("file", "No file was submitted."))?;
                let (file, _) = artifacts::save(&cx.app, file).await?;
                run(cx, BodySchema::parse(body)?, file).await
            }
        })
        .tagged(path_tag(path))
        .about(summary)
        .takes_form(Described::of::<B>())
        .answers(202, Described::of::<super::bodies::AsyncOperationResponse>())
    }

    /// It answers with a group of tasks: see [`Cx::dispatch_group`].
    #[must_use]
    pub fn of_group(mut self) -> Self {
        self.responses.clear();
        self.answers(202, Described::of::<super::bodies::TaskGroupOperationResponse>())
    }

    /// Says what it does, in a few words.
    #[must_use]
    pub fn about(mut self, summary: impl Into<String>) -> Self {
        self.summary = summary.into();
        self
    }

    /// It is documented as one that reads no body: for actions whose body has no fields.
    #[must_use]
    pub fn without_body(mut self) -> Self {
        self.body = None;
        self
    }

    /// Groups it in the document.
    #[must_use]
    pub(crate) fn tagged(mut self, tag: impl Into<String>) -> Self {
        self.tag = tag.into();
        self
    }

    /// Its path begins with one thing of a noun.
    #[must_use]
    pub(crate) fn on(self, noun: &Noun) -> Self {
        self.of_object(format!("{}{{pulp_id}}/", noun.path()), href_name(noun)).tagged(tag(noun))
    }

    #[must_use]
    pub(crate) fn of_object(mut self, prefix: impl Into<String>, href: impl Into<String>) -> Self {
        self.object = Some(Object { prefix: prefix.into(), href: href.into() });
        self
    }

    /// It reads this body.
    #[must_use]
    pub(crate) fn takes(mut self, body: Described) -> Self {
        self.body = Some(body);
        self
    }

    /// It reads bodies with files, so no JSON.
    #[must_use]
    pub(crate) fn takes_form(mut self, body: Described) -> Self {
        self.content_types = FORMS;
        self.takes(body)
    }

    #[must_use]
    pub(crate) fn answers(mut self, status: u16, body: Described) -> Self {
        self.responses.push((status, Some(body)));
        self
    }

    #[must_use]
    pub(crate) fn answers_nothing(mut self, status: u16) -> Self {
        self.responses.push((status, None));
        self
    }

    /// It needs no credentials.
    #[must_use]
    pub(crate) fn public(mut self) -> Self {
        self.public = true;
        self
    }

    /// It also answers with a stream, to clients that ask for one.
    #[must_use]
    pub(crate) fn streams(mut self) -> Self {
        self.streams = true;
        self
    }

    /// It takes a query parameter.
    #[must_use]
    pub(crate) fn parameter(mut self, name: &str, kind: Kind) -> Self {
        self.parameters.push(Parameter { name: name.to_owned(), kind });
        self
    }

    /// It takes `fields` and `exclude_fields`.
    #[must_use]
    pub(crate) fn selectable(mut self) -> Self {
        for name in ["fields", "exclude_fields"] {
            self.parameters.push(Parameter { name: name.to_owned(), kind: Kind::List(Box::new(Kind::Text)) });
        }
        self
    }

    /// It is a list with these filters, pages, orderings and `q`.
    #[must_use]
    pub(crate) fn listed(mut self, filters: &Filters) -> Self {
        let mut add = |name: &str, kind| self.parameters.push(Parameter { name: name.to_owned(), kind });
        for filter in filters.filters() {
            add(&filter.name, filter.kind.clone());
        }
        add("limit", Kind::Integer);
        add("offset", Kind::Integer);
        add("q", Kind::Text);
        let mut orderings: Vec<String> = Vec::new();
        for (name, _) in filters.orderings() {
            orderings.extend([format!("-{name}"), name.clone()]);
        }
        orderings.sort();
        add("ordering", Kind::List(Box::new(Kind::Choice(orderings))));
        let mut listed = self.selectable();
        listed.parameters.sort_by(|a, b| a.name.cmp(&b.name));
        listed
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.method, self.path, self.id)
    }
}

/// `repositories_file_file_sync`.
pub(crate) fn operation_id(noun: &Noun, action: &str) -> String {
    format!("{}_{action}", noun.path().trim_end_matches('/').replace(['/', '-'], "_"))
}

/// `file_file_repository_href`: the label (but not core's), then the model with each capital on its own.
pub(crate) fn href_name(noun: &Noun) -> String {
    match noun.label() {
        "core" => format!("{}_href", split_capitals(noun.model)),
        label => format!("{label}_{}_href", split_capitals(noun.model)),
    }
}

/// `Repositories: File`.
pub(crate) fn tag(noun: &Noun) -> String {
    let capital = |text: &str| {
        let mut chars = text.chars();
        chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
    };
    format!("{}: {}", capital(noun.family.collection()), capital(noun.endpoint))
}

/// `Rpm: Copy`, of `rpm/copy/`.
fn path_tag(path: &str) -> String {
    let capital = |text: &str| {
        let mut chars = text.chars();
        chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
    };
    path.trim_end_matches('/').split('/').map(capital).collect::<Vec<String>>().join(": ")
}

/// `OpenPGPKey` becomes `open_p_g_p_key`, as client generators for the original expect.
pub(crate) fn split_capitals(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 8);
    for (nth, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && nth > 0 {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_stand_alone() {
        assert_eq!(split_capitals("FileRepository"), "file_repository");
        assert_eq!(split_capitals("RBACContentGuard"), "r_b_a_c_content_guard");
    }
}
