//! Users: who may log in. Administrators alone may change them.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use axum::response::Response;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::list_of;
use crate::api::bodies::Timestamp;
use crate::api::cx::{Cx, no_content};
use crate::api::endpoint::{Described, Endpoint};
use crate::api::filters::{Filters, IntoCondition, Kind, col};
use crate::api::query::values;
use crate::api::reader::Reader;
use crate::api::schema;
use crate::api::shape;
use crate::api::validate::{BodySchema, Mode};
use crate::auth::hash_password;
use crate::db::now;
use crate::error::{Error, Result};
use crate::models::user;
use crate::refs::{Target, USER_MODEL, prn};

const ONE: &str = "users/{id}/";
const HREF: &str = "auth_user_href";
const TAG: &str = "Users";

/// A password that nothing fits: it is no PHC string.
const NO_PASSWORD: &str = "!";

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserResponse)]
struct Body {
    #[schema(read_only, required = false, format = "uri")]
    pulp_href: String,
    /// The Pulp Resource Name (PRN).
    #[schema(read_only, required = false)]
    prn: String,
    #[schema(read_only, required = false)]
    id: i64,
    /// Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.
    #[schema(max_length = 150)]
    username: String,
    /// First name
    #[schema(required = false, max_length = 150)]
    first_name: String,
    /// Last name
    #[schema(required = false, max_length = 150)]
    last_name: String,
    /// Email address
    #[schema(required = false, format = "email")]
    email: String,
    /// Designates whether the user can log into this admin site.
    #[schema(required = false, default = false)]
    is_staff: bool,
    /// Designates whether this user should be treated as active.
    #[schema(required = false, default = true)]
    is_active: bool,
    /// Date joined
    #[schema(read_only, required = false)]
    date_joined: Timestamp,
    #[schema(read_only, required = false)]
    groups: Vec<Group>,
    /// List of hidden (write only) fields
    #[schema(read_only, required = false, inline)]
    hidden_fields: Vec<Hidden>,
}

/// A group that a user belongs to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserGroupResponse)]
struct Group {
    #[schema(read_only, required = false, format = "uri")]
    pulp_href: String,
    /// The Pulp Resource Name (PRN).
    #[schema(read_only, required = false)]
    prn: String,
    /// Name.
    #[schema(max_length = 150)]
    name: String,
}

/// A field that is never shown.
#[derive(Debug, Serialize, ToSchema)]
struct Hidden {
    name: &'static str,
    is_set: bool,
}

/// What a client writes of a user.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = User)]
struct Write {
    /// Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.
    #[schema(required = true, nullable = false, min_length = 1, max_length = 150)]
    username: Option<String>,
    /// Users password. Set to `null` to disable password authentication.
    #[schema(write_only, required = false, min_length = 1, max_length = 4096)]
    password: Option<String>,
    /// First name
    #[schema(nullable = false, max_length = 150)]
    first_name: Option<String>,
    /// Last name
    #[schema(nullable = false, max_length = 150)]
    last_name: Option<String>,
    /// Email address
    #[schema(nullable = false, format = "email")]
    email: Option<String>,
    /// Designates whether the user can log into this admin site.
    #[schema(nullable = false, default = false)]
    is_staff: Option<bool>,
    /// Designates whether this user should be treated as active.
    #[schema(nullable = false, default = true)]
    is_active: Option<bool>,
}

/// The operations on users.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let schema = BodySchema::cached::<Write>();
    let one = |endpoint: Endpoint| endpoint.of_object(ONE, HREF).tagged(TAG);
    let response = Described::of::<Body>;
    let change = |method, id: &str, mode| {
        let schema = Arc::clone(&schema);
        Endpoint::new(method, ONE, id, move |mut cx| {
            let schema = Arc::clone(&schema);
            async move { update(&mut cx, &schema, mode).await }
        })
    };
    let created = Arc::clone(&schema);
    vec![
        list_of::<user::Entity>("users/", "users_list", filters(), |cx, row| read(&cx.reader(), row))
            .tagged(TAG)
            .about("List users")
            .answers(200, shape::paginated(response())),
        Endpoint::new(Method::POST, "users/", "users_create", move |mut cx| {
            let schema = Arc::clone(&created);
            async move { create(&mut cx, &schema).await }
        })
        .tagged(TAG)
        .about("Create an user")
        .takes(Described::of::<Write>())
        .answers(201, response()),
        one(Endpoint::new(Method::GET, ONE, "users_read", |cx| async move {
            let row = find(&cx).await?;
            let object = read(&cx.reader(), &row)?;
            Ok(cx.object(StatusCode::OK, object))
        }))
        .about("Inspect an user")
        .selectable()
        .answers(200, response()),
        one(change(Method::PUT, "users_update", Mode::Replace))
            .about("Update an user")
            .takes(Described::of::<Write>())
            .answers(200, response()),
        one(change(Method::PATCH, "users_partial_update", Mode::Patch))
            .about("Update an user")
            .takes(patched())
            .answers(200, response()),
        one(Endpoint::new(Method::DELETE, ONE, "users_delete", |cx| async move { delete(&cx).await }))
            .about("Delete an user")
            .answers_nothing(204),
    ]
}

fn patched() -> Described {
    let body = Described::of::<Write>();
    let own = body.schemas.iter().find(|(name, _)| *name == body.name).map(|(_, schema)| schema::patched(schema));
    Described::named("PatchedUser", own.unwrap_or_default(), Vec::new())
}

fn filters() -> Filters {
    use user::Column as C;
    let few = &["", "iexact", "in", "contains", "icontains"];
    Filters::new()
        .lookups(C::Username, few)
        .lookups(C::FirstName, few)
        .lookups(C::LastName, few)
        .lookups(C::Email, few)
        .boolean(C::IsActive)
        .boolean(C::IsStaff)
        .add("pulp_href__in", Kind::List(Box::new(Kind::Text)), |text, _| named("pulp_href__in", "URI", text))
        .add("prn__in", Kind::List(Box::new(Kind::Text)), |text, _| named("prn__in", "PRN", text))
        // The keys of users are numbers: no UUID is one of them.
        .add("pulp_id__in", Kind::List(Box::new(Kind::Uuid)), |text, _| {
            values::list("pulp_id__in", text, values::uuid)?;
            Ok(col(C::Id).is_in(Vec::<i64>::new()).into_condition())
        })
        .ordered(&[
            C::Id,
            C::Username,
            C::FirstName,
            C::LastName,
            C::Email,
            C::IsActive,
            C::IsStaff,
            C::IsSuperuser,
            C::DateJoined,
            C::LastLogin,
        ])
        .ordered_as("pk", C::Id)
}

/// The users that a list of hrefs or PRNs names.
fn named(filter: &str, kind: &str, text: &str) -> Result<Condition> {
    let ids = values::list(filter, text, |name, text| match Target::parse(text) {
        Some(Target::User(id)) => Ok(id),
        _ => Err(Error::invalid(name, format!("{kind} not valid: {text}"))),
    })?;
    Ok(col(user::Column::Id).is_in(ids).into_condition())
}

fn read(reader: &Reader, row: &user::Model) -> Result<Map<String, Value>> {
    shape::object(&Body {
        pulp_href: format!("{}users/{}/", reader.root, row.id),
        prn: prn(USER_MODEL, row.id),
        id: row.id,
        username: row.username.clone(),
        first_name: row.first_name.clone(),
        last_name: row.last_name.clone(),
        email: row.email.clone(),
        is_staff: row.is_staff,
        is_active: row.is_active,
        date_joined: Timestamp(row.date_joined),
        groups: Vec::new(),
        hidden_fields: vec![Hidden { name: "password", is_set: row.password != NO_PASSWORD }],
    })
}

async fn find(cx: &Cx) -> Result<user::Model> {
    let id = cx.param("id").and_then(|id| id.parse().ok()).ok_or_else(|| Error::NotFound("Not found.".to_owned()))?;
    let row = user::Entity::find_by_id::<i64>(id).one(cx.app.db.read()).await?;
    row.ok_or_else(|| crate::api::not_found("User"))
}

/// Whoever may change users may become any of them.
fn administrators_only(cx: &Cx) -> Result<()> {
    match cx.user.as_ref().is_some_and(|user| user.is_superuser) {
        true => Ok(()),
        false => Err(Error::PermissionDenied),
    }
}

async fn create(cx: &mut Cx, schema: &BodySchema) -> Result<Response> {
    administrators_only(cx)?;
    let write: Write = BodySchema::parse(cx.body(schema, Mode::Create).await?)?;
    let username = write.username.ok_or_else(|| Error::invalid("username", "This field is required."))?;
    let password = match &write.password {
        Some(password) => hash_password(password).await?,
        None => NO_PASSWORD.to_owned(),
    };
    check_username(cx, &username, None).await?;
    let row = user::ActiveModel {
        username: Set(username.clone()),
        password: Set(password),
        first_name: Set(write.first_name.unwrap_or_default()),
        last_name: Set(write.last_name.unwrap_or_default()),
        email: Set(write.email.unwrap_or_default()),
        is_staff: Set(write.is_staff.unwrap_or(false)),
        is_active: Set(write.is_active.unwrap_or(true)),
        is_superuser: Set(false),
        date_joined: Set(now()),
        last_login: Set(None),
        ..Default::default()
    };
    let tx = cx.app.db.write().await?;
    let row = row.insert(&*tx).await.map_err(unique)?;
    tx.commit().await?;
    let object = read(&cx.reader(), &row)?;
    Ok(cx.created(object))
}

async fn update(cx: &mut Cx, schema: &BodySchema, mode: Mode) -> Result<Response> {
    administrators_only(cx)?;
    let row = find(cx).await?;
    let given = cx.body(schema, mode).await?;
    let names_password = given.contains_key("password");
    let write: Write = BodySchema::parse(given)?;
    if let Some(username) = &write.username {
        check_username(cx, username, Some(row.id)).await?;
    }
    let password = match &write.password {
        Some(password) => Some(hash_password(password).await?),
        None => names_password.then(|| NO_PASSWORD.to_owned()),
    };
    let mut changed = row.clone().into_active_model();
    let mut any = false;
    macro_rules! set {
        ($($field:ident = $value:expr),*) => {
            $(if let Some(value) = $value {
                changed.$field = Set(value);
                any = true;
            })*
        };
    }
    set!(
        username = write.username,
        password = password,
        first_name = write.first_name,
        last_name = write.last_name,
        email = write.email,
        is_staff = write.is_staff,
        is_active = write.is_active
    );
    let row = if any {
        let tx = cx.app.db.write().await?;
        let row = changed.update(&*tx).await.map_err(unique)?;
        tx.commit().await?;
        cx.app.credentials.forget();
        row
    } else {
        row
    };
    let object = read(&cx.reader(), &row)?;
    Ok(cx.object(StatusCode::OK, object))
}

async fn delete(cx: &Cx) -> Result<Response> {
    administrators_only(cx)?;
    let row = find(cx).await?;
    if cx.user.as_ref().is_some_and(|user| user.id == row.id) {
        return Err(Error::Conflict("Users cannot delete themselves.".to_owned()));
    }
    let tx = cx.app.db.write().await?;
    user::Entity::delete_by_id(row.id).exec(&*tx).await?;
    tx.commit().await?;
    cx.app.credentials.forget();
    Ok(no_content())
}

async fn check_username(cx: &Cx, username: &str, own: Option<i64>) -> Result<()> {
    let same = user::Entity::find().filter(user::Column::Username.eq(username));
    let same = same.filter(user::Column::Id.ne(own.unwrap_or_default()));
    match same.count(cx.app.db.read()).await? {
        0 => Ok(()),
        _ => Err(taken()),
    }
}

fn taken() -> Error {
    Error::invalid("username", "This field must be unique.")
}

/// Two requests at once can both find a name free; the database lets one of them in.
fn unique(error: sea_orm::DbErr) -> Error {
    match error.sql_err() {
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => taken(),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_user_is_checked_like_any_other_body() {
        let schema = BodySchema::cached::<Write>();
        let check = |body: Value, mode| {
            let Value::Object(body) = body else { unreachable!() };
            schema.check(body, mode, crate::api::validate::Encoding::Json).map_err(|error| error.to_string())
        };
        check(json!({"username": "ann", "password": null}), Mode::Create).unwrap();
        check(json!({"is_staff": true}), Mode::Patch).unwrap();
        assert_eq!(check(json!({}), Mode::Create).unwrap_err(), "username: This field is required.");
        assert!(check(json!({"username": null}), Mode::Patch).unwrap_err().contains("may not be null"));
        assert!(
            check(json!({"username": "a", "is_superuser": true}), Mode::Create).unwrap_err().contains("Unexpected")
        );
    }
}
