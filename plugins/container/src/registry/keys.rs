//! The keys that sign tokens: made when the first token is asked for, kept in the database, the private half encrypted.

use std::sync::LazyLock;
use std::time::Duration;

use moka::sync::Cache;
use pulpcore::app::App;
use pulpcore::db::now;
use pulpcore::error::{Error, Result};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, QueryOrder};
use uuid::Uuid;

use super::token::{self, Claims, NewKey};
use crate::models::{token_key, token_secret};

/// Public halves, by the key's id. Ids are never used again, so that what is known stays true; what is not known is asked
/// for again, because it may just have been made.
static KNOWN: LazyLock<Cache<Uuid, Vec<u8>>> =
    LazyLock::new(|| Cache::builder().max_capacity(1000).time_to_live(Duration::from_secs(3600)).build());

/// Signs a token.
///
/// # Errors
/// If the database fails, or the encryption key in use is not that with which the private half was encrypted.
pub(super) async fn sign(app: &App, claims: &Claims) -> Result<String> {
    let (id, private) = match latest(app).await? {
        Some(key) => key,
        None => make(app).await?,
    };
    claims.sign(&id.to_string(), &private)
}

/// What a token says, if it is good.
///
/// # Errors
/// If the database fails.
pub(super) async fn verify(app: &App, token: &str) -> Result<Option<Claims>> {
    let Some(id) = token::key_id(token).and_then(|id| Uuid::parse_str(&id).ok()) else { return Ok(None) };
    let public = match KNOWN.get(&id) {
        Some(public) => public,
        None => {
            let Some(row) = token_key::Entity::find_by_id(id).one(app.db.read()).await? else { return Ok(None) };
            let public = hex::decode(row.public_key).map_err(Error::internal)?;
            KNOWN.insert(id, public.clone());
            public
        }
    };
    Ok(Claims::verify(token, &public))
}

async fn latest(app: &App) -> Result<Option<(Uuid, Vec<u8>)>> {
    // Of two that were made at the same moment, both are good.
    let newest = token_secret::Entity::find().order_by_desc(token_secret::Column::TokenKeyId);
    let Some(row) = newest.one(app.db.read()).await? else { return Ok(None) };
    let private = hex::decode(app.secrets.decrypt(&row.private_key)?).map_err(Error::internal)?;
    Ok(Some((row.token_key_id, private)))
}

async fn make(app: &App) -> Result<(Uuid, Vec<u8>)> {
    let NewKey { private, public } = NewKey::make()?;
    let id = Uuid::now_v7();
    let tx = app.db.write().await?;
    let row =
        token_key::ActiveModel { pulp_id: Set(id), pulp_created: Set(now()), public_key: Set(hex::encode(public)) };
    row.insert(&*tx).await?;
    let private_key = Set(app.secrets.encrypt(&hex::encode(&private)));
    token_secret::ActiveModel { token_key_id: Set(id), private_key }.insert(&*tx).await?;
    tx.commit().await?;
    tracing::info!(key = %id, "A key to sign the registry's tokens was made.");
    Ok((id, private))
}
