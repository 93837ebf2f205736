//! Claims: who answers in which part of the URL space, to be looked at. The build and the settings make them.

use axum::http::Method;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::cx::Cx;
use crate::api::endpoint::{Described, Endpoint};
use crate::api::filters::Kind;
use crate::api::list::Paged;
use crate::api::shape;
use crate::claims::{Claim, Space};
use crate::error::{Error, Result};

const OWNER: &str = "owner";
const OWNERS: &str = "owner__in";
const PATH: &str = "path";
const COVERS: &str = "path__covers";
const STATE: &str = "state";
/// What every list takes beside its filters, and this one as well.
const OTHERS: [&str; 5] = ["limit", "offset", "fields", "exclude_fields", "format"];

/// A part of the URL space that somebody has for himself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ClaimResponse)]
struct Body {
    /// Where it begins; everything below belongs to it.
    path: String,
    /// Whose it is: `core`, or a plugin's label.
    owner: String,
    /// What answers there.
    name: String,
    /// Why it is claimed.
    reason: String,
    /// `on`, `off` by a setting, or `missing` from this build.
    state: String,
    /// The roles that answer.
    roles: Vec<String>,
}

/// The operations on claims.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let list = Endpoint::new(Method::GET, "claims/", "claims_list", |cx| async move {
        let claims = wanted(&cx)?;
        let paged = Paged::of(&cx, claims);
        let objects = paged.rows.iter().map(|claim| shape::object(&read(claim))).collect::<Result<_>>()?;
        Ok(paged.respond(&cx, objects))
    })
    .tagged("Claims")
    .about("List claims")
    .selectable()
    .answers(200, shape::paginated(Described::of::<Body>()));
    let list = [OWNER, PATH, COVERS, STATE].into_iter().fold(list, |list, name| list.parameter(name, Kind::Text));
    let list = list.parameter(OWNERS, Kind::List(Box::new(Kind::Text)));
    let mut list = list.parameter("limit", Kind::Integer).parameter("offset", Kind::Integer);
    list.parameters.sort_by(|a, b| a.name.cmp(&b.name));
    vec![list]
}

/// The claims that the query asks for, by path.
fn wanted(cx: &Cx) -> Result<Vec<&Claim>> {
    let mut claims: Vec<&Claim> = cx.app.claims.all().iter().collect();
    claims.sort_by(|a, b| a.path.cmp(&b.path));
    for (name, _) in cx.query.pairs() {
        // The last of a name counts, and an empty one is no filter.
        let text = cx.query.get(name).unwrap_or_default();
        if text.is_empty() || OTHERS.contains(&name.as_str()) {
            continue;
        }
        match name.as_str() {
            OWNER => claims.retain(|claim| claim.holder.owner() == text),
            OWNERS => claims.retain(|claim| text.split(',').any(|owner| owner.trim() == claim.holder.owner())),
            PATH => claims.retain(|claim| claim.path == text),
            COVERS => {
                let asked = Space::of(text);
                claims.retain(|claim| Space::of(&claim.path).holds(&asked));
            }
            STATE => claims.retain(|claim| claim.holder.state() == text),
            unknown => return Err(Error::UnknownFilter(unknown.to_owned())),
        }
    }
    Ok(claims)
}

fn read(claim: &Claim) -> Body {
    Body {
        path: claim.path.clone(),
        owner: claim.holder.owner().to_owned(),
        name: claim.holder.name().to_owned(),
        reason: claim.holder.reason(),
        state: claim.holder.state().to_owned(),
        roles: claim.holder.roles().iter().map(ToString::to_string).collect(),
    }
}
