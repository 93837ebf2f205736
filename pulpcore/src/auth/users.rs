//! The users' table: the first administrator, and new passwords.

use rand::seq::IndexedRandom;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, TryInsertResult};

use super::password::hash_password;
use crate::db::{Db, now};
use crate::error::{Error, Result};
use crate::models::user;

/// The name of the first administrator.
pub const ADMIN: &str = "admin";

/// Makes the first administrator if there is none, with the given password or a random one.
///
/// Gives the random password, to be told once: nothing else knows it. Of several processes that start together one
/// makes the user, and only that one gets a password to tell.
///
/// # Errors
/// Only if the database fails.
pub async fn ensure_admin(db: &Db, password: Option<&str>) -> Result<Option<String>> {
    if user::Entity::find().filter(user::Column::IsSuperuser.eq(true)).count(db.read()).await? > 0 {
        return Ok(None);
    }
    let random = if password.is_some() { None } else { Some(random_password()) };
    let stored = hash_password(password.or(random.as_deref()).unwrap_or_default()).await?;
    let created = insert_admin(db, stored).await?;
    Ok(random.filter(|_| created))
}

/// Adds the administrator with a stored password, unless the name is taken.
pub(crate) async fn insert_admin(db: &Db, stored: String) -> Result<bool> {
    let row = user::ActiveModel {
        username: Set(ADMIN.to_owned()),
        password: Set(stored),
        first_name: Set(String::new()),
        last_name: Set(String::new()),
        email: Set(String::new()),
        is_staff: Set(true),
        is_active: Set(true),
        is_superuser: Set(true),
        date_joined: Set(now()),
        last_login: Set(None),
        ..Default::default()
    };
    let tx = db.write().await?;
    let inserted = user::Entity::insert(row).on_conflict_do_nothing_on([user::Column::Username]).exec(&*tx).await?;
    tx.commit().await?;
    Ok(matches!(inserted, TryInsertResult::Inserted(_)))
}

/// Gives a user a new password.
///
/// # Errors
/// [`Error::NotFound`] if there is no such user.
pub async fn set_password(db: &Db, username: &str, password: &str) -> Result<()> {
    let stored = hash_password(password).await?;
    let tx = db.write().await?;
    let changed = user::Entity::update_many()
        .col_expr(user::Column::Password, Expr::value(stored))
        .filter(user::Column::Username.eq(username))
        .exec(&*tx)
        .await?;
    tx.commit().await?;
    match changed.rows_affected {
        0 => Err(Error::NotFound(format!("there is no user '{username}'"))),
        _ => Ok(()),
    }
}

/// 20 letters and digits that are not mistaken for one another: some 115 bits.
pub fn random_password() -> String {
    const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut rng = rand::rng();
    (0..20).filter_map(|_| LETTERS.choose(&mut rng)).map(|letter| char::from(*letter)).collect()
}
