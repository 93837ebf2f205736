//! Distributions that fall into a claim: no request makes one, but a changed setting or a new plugin can.

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::Claims;
use crate::app::App;
use crate::error::Result;
use crate::models::distribution;

/// How many are named.
const NAMED: usize = 10;

/// Warns of distributions that cannot be reached because somebody else answers at their URLs.
pub(crate) async fn warn(app: &App) {
    match find(app).await {
        Ok(strays) => {
            for (name, claim) in &strays {
                tracing::warn!(distribution = name, claim, "The distribution is not served: its URL is claimed.");
            }
            if strays.len() == NAMED {
                tracing::warn!("There may be more distributions whose URLs are claimed.");
            }
        }
        Err(error) => tracing::warn!(error = error.log(), "Distributions could not be held against the URL claims."),
    }
}

/// Their names, each with the claim: the first few.
pub(super) async fn find(app: &App) -> Result<Vec<(String, String)>> {
    let Some(condition) = overlapping(&app.claims) else { return Ok(Vec::new()) };
    let rows: Vec<(String, String)> = distribution::Entity::find()
        .select_only()
        .column(distribution::Column::Name)
        .column(distribution::Column::BasePath)
        .filter(distribution::Column::PulpDomainId.eq(app.domain))
        .filter(condition)
        .order_by_asc(distribution::Column::BasePath)
        .limit(NAMED as u64)
        .into_tuple()
        .all(app.db.read())
        .await?;
    // The database finds too many rather than too few: `_` stands for any character to it.
    let held = |(name, path): (String, String)| Some((name, app.claims.against(&path)?.to_string()));
    Ok(rows.into_iter().filter_map(held).collect())
}

/// None if no claim lies within the content prefix, which is the rule.
fn overlapping(claims: &Claims) -> Option<Condition> {
    let mut any = Condition::any();
    for segments in claims.within_content() {
        let around = (1..=segments.len()).map(|count| segments[..count].join("/"));
        any = any
            .add(distribution::Column::BasePath.is_in(around))
            .add(distribution::Column::BasePath.starts_with(format!("{}/", segments.join("/"))));
    }
    (!any.is_empty()).then_some(any)
}
