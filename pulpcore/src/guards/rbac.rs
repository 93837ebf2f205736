//! The RBAC guard: users who log in and may download.
//!
//! Who may is core's one question of permission ([`auth::may_download`]). As in Pulp, whoever creates a guard may, and
//! administrators may; others are given the role `core.rbaccontentguard_downloader` on the guard. It is the only role
//! that there is so far.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use axum::response::Response;
use moka::sync::Cache;
use sea_orm::ActiveValue::Set;
use sea_orm::QueryOrder;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::api::cx::{Cx, json as answer};
use crate::api::endpoint::{Described, Endpoint, operation_id};
use crate::api::family::find;
use crate::api::reader::Reader;
use crate::api::schema::markers::NonBlank;
use crate::api::shape;
use crate::api::validate::{BodySchema, Mode};
use crate::app::App;
use crate::auth::{self, Refused, downloader};
use crate::db::{Change, WriteTx, one_of};
use crate::error::{Error, Invalid, Result};
use crate::models::{content_guard, user};
use crate::plugin::{Beside, ContentGuard, Detail, Family, GuardRequest, Noun, register};
use crate::refs::{USER_MODEL, prn};
use crate::registry;

/// The role that lets a user past a guard.
const DOWNLOADER: &str = "core.rbaccontentguard_downloader";
/// What it permits.
const DOWNLOAD: &str = "core.download_rbaccontentguard";

/// How many users a request may name.
const MOST_USERS: usize = 1000;

/// How long an answer about a user is taken to hold: what another process changes is effective after this time.
const FRESH: Duration = Duration::from_secs(1);

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "core_rbaccontentguard")]
pub(crate) struct Model {
    /// The guard's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) contentguard_ptr_id: Uuid,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// An RBAC guard.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = RBACContentGuard)]
pub(crate) struct Body {
    #[serde(default, skip_serializing_if = "shape::unseen", deserialize_with = "shape::unread")]
    #[schema(read_only, required = false)]
    users: Vec<GroupUser>,
    #[serde(default, skip_serializing_if = "shape::unseen", deserialize_with = "shape::unread")]
    #[schema(read_only, required = false)]
    groups: Vec<Group>,
}

/// A user who may download.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = GroupUserResponse)]
pub(crate) struct GroupUser {
    /// Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.
    #[schema(max_length = 150)]
    username: String,
    #[schema(read_only, required = false, format = "uri")]
    pulp_href: String,
    /// The Pulp Resource Name (PRN).
    #[schema(read_only, required = false)]
    prn: String,
}

/// A group that may download. There are none so far.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = GroupResponse)]
pub(crate) struct Group {
    /// Name.
    #[schema(max_length = 150)]
    name: String,
    #[schema(read_only, required = false, format = "uri")]
    pulp_href: String,
    /// The Pulp Resource Name (PRN).
    #[schema(read_only, required = false)]
    prn: String,
    #[schema(read_only, required = false)]
    id: i64,
}

impl Detail for Entity {
    type Master = content_guard::Entity;
    const TYPE: &'static str = "core.rbac";
    const MODEL: &'static str = "RBACContentGuard";
    const ENDPOINT: &'static str = "rbac";
    type Body = Body;

    fn read(_row: &Model) -> Body {
        Body::default()
    }

    fn write(_row: &mut Model, _body: Body) {}
}

/// A guard and what was answered about its users a moment ago.
pub(crate) struct Answers {
    guard: Uuid,
    /// By user, and whether they are an administrator.
    answers: Cache<(i64, bool), bool>,
}

impl ContentGuard for Entity {
    type Compiled = Answers;

    async fn compile(_app: &App, row: &Model) -> Result<Answers> {
        let answers = Cache::builder().max_capacity(10_000).time_to_live(FRESH).build();
        Ok(Answers { guard: row.contentguard_ptr_id, answers })
    }

    async fn permit(app: &App, Answers { guard, answers }: &Answers, request: &GuardRequest<'_>) -> Result<()> {
        let user = match app.credentials.user(&app.db, request.headers()).await {
            Ok(user) => user,
            Err(Refused::Header(_)) => return Err(Error::Unauthenticated),
            Err(Refused::Error(error)) => return Err(error),
        };
        let may = match answers.get(&(user.id, user.is_superuser)) {
            Some(known) => known,
            None => {
                let may = auth::may_download(&app.db, &user, *guard).await?;
                answers.insert((user.id, user.is_superuser), may);
                may
            }
        };
        if may { Ok(()) } else { Err(Error::PermissionDenied) }
    }
}

register!(
    Noun::content_guard::<Entity>()
        .with_beside(Beside {
            read: |reader, ids| Box::pin(read(reader, ids)),
            check: |_, _, _| Box::pin(async { Ok(()) }),
            write: |tx, id, _, creator| Box::pin(write(tx, id, creator)),
        })
        .actions(|| vec![list_roles(), my_permissions(), change_role("add_role"), change_role("remove_role")])
);

async fn read(reader: &Reader, ids: &[Uuid]) -> Result<Vec<String>> {
    let mut users = HashMap::<Uuid, Vec<GroupUser>>::new();
    for (guard, id, username) in downloaders(&reader.app, ids).await? {
        let pulp_href = format!("{}users/{id}/", reader.root);
        let user = GroupUser { username, pulp_href, prn: prn(USER_MODEL, id) };
        users.entry(guard).or_default().push(user);
    }
    let body = |id| json!({ "users": users.get(id).map_or(&[][..], Vec::as_slice), "groups": [] }).to_string();
    Ok(ids.iter().map(body).collect())
}

/// Who has the role on these guards: guard, user and name, by name.
async fn downloaders(app: &App, guards: &[Uuid]) -> Result<Vec<(Uuid, i64, String)>> {
    use sea_orm::{JoinType, QuerySelect};
    let joined =
        downloader::Entity::belongs_to(user::Entity).from(downloader::Column::UserId).to(user::Column::Id).into();
    let rows = downloader::Entity::find()
        .select_only()
        .column(downloader::Column::RbaccontentguardId)
        .column(user::Column::Id)
        .column(user::Column::Username)
        .join(JoinType::InnerJoin, joined)
        .filter(one_of(app.db.read(), downloader::Column::RbaccontentguardId, guards.iter().copied()))
        .order_by_asc(user::Column::Username)
        .into_tuple()
        .all(app.db.read())
        .await?;
    Ok(rows)
}

async fn write(tx: &WriteTx, id: Uuid, creator: Option<i64>) -> Result<()> {
    let Some(creator) = creator else { return Ok(()) };
    let row = downloader::ActiveModel { rbaccontentguard_id: Set(id), user_id: Set(creator) };
    downloader::Entity::insert(row).exec_without_returning(&**tx).await?;
    Ok(())
}

/// Who gets or loses a role.
#[derive(Debug, Deserialize, ToSchema)]
struct NestedRole {
    #[serde(default)]
    #[schema(default = json!([]), value_type = Vec<NonBlank>)]
    users: Vec<String>,
    #[serde(default)]
    #[schema(default = json!([]), value_type = Vec<NonBlank>)]
    groups: Vec<String>,
    #[schema(min_length = 1)]
    role: String,
}

/// Who has a role.
#[derive(Debug, Serialize, ToSchema)]
struct NestedRoleResponse {
    #[schema(required = false, default = json!([]))]
    users: Vec<String>,
    #[schema(required = false, default = json!([]))]
    groups: Vec<String>,
    role: String,
}

/// The roles on an object.
#[derive(Debug, Serialize, ToSchema)]
struct ObjectRolesResponse {
    roles: Vec<NestedRoleResponse>,
}

/// What the user who asks may do with an object.
#[derive(Debug, Serialize, ToSchema)]
struct MyPermissionsResponse {
    permissions: Vec<String>,
}

fn noun() -> &'static Noun {
    registry::get().noun(Family::ContentGuard, Entity::TYPE).expect("core registers it in this file")
}

fn action(method: Method, name: &'static str) -> (Method, String, String) {
    (method, format!("{}{{pulp_id}}/{name}/", noun().path()), operation_id(noun(), name))
}

/// `GET …/list_roles/`.
fn list_roles() -> Endpoint {
    let (method, path, id) = action(Method::GET, "list_roles");
    Endpoint::new(method, path, id, |cx| async move {
        let guard = find::<content_guard::Entity>(&cx, noun(), cx.id()?).await?.pulp_id;
        let users: Vec<String> = downloaders(&cx.app, &[guard]).await?.into_iter().map(|(.., name)| name).collect();
        let role = NestedRoleResponse { users, groups: Vec::new(), role: DOWNLOADER.to_owned() };
        let roles = Some(role).filter(|role| !role.users.is_empty()).into_iter().collect();
        shown(&cx, &ObjectRolesResponse { roles })
    })
    .on(noun())
    .about("List roles")
    .selectable()
    .answers(200, Described::of::<ObjectRolesResponse>())
}

/// `GET …/my_permissions/`.
fn my_permissions() -> Endpoint {
    let (method, path, id) = action(Method::GET, "my_permissions");
    Endpoint::new(method, path, id, |cx| async move {
        let guard = find::<content_guard::Entity>(&cx, noun(), cx.id()?).await?.pulp_id;
        let may = match &cx.user {
            Some(user) => auth::may_download(&cx.app.db, user, guard).await?,
            None => false,
        };
        let permissions = may.then(|| DOWNLOAD.to_owned()).into_iter().collect();
        shown(&cx, &MyPermissionsResponse { permissions })
    })
    .on(noun())
    .about("List user permissions")
    .selectable()
    .answers(200, Described::of::<MyPermissionsResponse>())
}

fn shown(cx: &Cx, body: &impl Serialize) -> Result<Response> {
    Ok(cx.object(StatusCode::OK, shape::object(body)?))
}

/// `POST …/add_role/` and `POST …/remove_role/`.
fn change_role(name: &'static str) -> Endpoint {
    let schema = Arc::new(BodySchema::of::<NestedRole>());
    let (method, path, id) = action(Method::POST, name);
    Endpoint::new(method, path, id, move |mut cx| {
        let schema = Arc::clone(&schema);
        async move {
            let guard = find::<content_guard::Entity>(&cx, noun(), cx.id()?).await?.pulp_id;
            let body: NestedRole = BodySchema::parse(cx.body(&schema, Mode::Create).await?)?;
            let users = check(&cx.app, &body).await?;
            let tx = cx.app.db.write().await?;
            let changed = match name {
                "add_role" => add(&tx, guard, &users).await,
                _ => remove(&tx, guard, &users).await,
            };
            changed?;
            tx.changes(Change::Guard(guard));
            tx.commit().await?;
            let NestedRole { users, groups, role } = body;
            Ok(answer(StatusCode::CREATED, &NestedRoleResponse { users, groups, role }))
        }
    })
    .on(noun())
    .about(if name == "add_role" { "Add a role" } else { "Remove a role" })
    .takes(Described::of::<NestedRole>())
    .answers(201, Described::of::<NestedRoleResponse>())
}

/// The users that a body names, by name; refuses what is not there.
async fn check(app: &App, body: &NestedRole) -> Result<BTreeMap<String, i64>> {
    let mut invalid = Invalid::default();
    let missing = |name: &str, value: &str| format!("Object with {name}={value} does not exist.");
    if body.role != DOWNLOADER {
        invalid.add("role", missing("name", &body.role));
    }
    if let Some(group) = body.groups.first() {
        invalid.add("groups", missing("name", group));
    }
    if body.users.len() > MOST_USERS {
        invalid.add("users", format!("Ensure this field has no more than {MOST_USERS} elements."));
        return Err(Error::Invalid(invalid));
    }
    let found = user::Entity::find().filter(user::Column::Username.is_in(&body.users)).all(app.db.read()).await?;
    let found: BTreeMap<String, i64> = found.into_iter().map(|user| (user.username, user.id)).collect();
    if let Some(unknown) = body.users.iter().find(|name| !found.contains_key(*name)) {
        invalid.add("users", missing("username", unknown));
    }
    invalid.check()?;
    Ok(found)
}

async fn add(tx: &WriteTx, guard: Uuid, users: &BTreeMap<String, i64>) -> Result<()> {
    if let Some(user) = first(tx, guard, users, true).await? {
        return Err(Error::invalid_together(format!("The role is already assigned to user '{user}'.")));
    }
    let row = |id: &i64| downloader::ActiveModel { rbaccontentguard_id: Set(guard), user_id: Set(*id) };
    if !users.is_empty() {
        downloader::Entity::insert_many(users.values().map(row)).exec_without_returning(&**tx).await?;
    }
    Ok(())
}

async fn remove(tx: &WriteTx, guard: Uuid, users: &BTreeMap<String, i64>) -> Result<()> {
    if let Some(user) = first(tx, guard, users, false).await? {
        return Err(Error::invalid_together(format!("The role is not assigned to user '{user}'.")));
    }
    downloader::Entity::delete_many()
        .filter(downloader::Column::RbaccontentguardId.eq(guard))
        .filter(downloader::Column::UserId.is_in(users.values().copied()))
        .exec(&**tx)
        .await?;
    Ok(())
}

/// The first of these users who has the role, or has it not.
async fn first<'a>(
    tx: &WriteTx,
    guard: Uuid,
    users: &'a BTreeMap<String, i64>,
    has: bool,
) -> Result<Option<&'a String>> {
    let those = downloader::Entity::find()
        .filter(downloader::Column::RbaccontentguardId.eq(guard))
        .filter(downloader::Column::UserId.is_in(users.values().copied()))
        .all(&**tx)
        .await?;
    Ok(users.iter().find(|(_, id)| those.iter().any(|row| row.user_id == **id) == has).map(|(name, _)| name))
}
