//! What may stand beside what, and who is named if it may not.

use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::*;
use crate::models::distribution;
use crate::sample::on_both;
use crate::settings::Switch;

static ROOM: LiveApi = live("room", &["/read/", "/desk/v2/"]);
static LIBRARY: LiveApi = live("library", &["/read/"]);
static GHOST: WellKnown = WellKnown { label: "ghost", name: "a registry of ghosts", claims: &["/v2/", "/token/"] };

const fn live(label: &'static str, claims: &'static [&'static str]) -> LiveApi {
    let refuse = |_: &crate::plugin::Refusal| StatusCode::IM_A_TEAPOT.into_response();
    LiveApi { label, name: "reading room", claims, routes: Vec::new, refuse }
}

fn settings(content: &str, api_root: &str) -> Settings {
    Settings { content_path_prefix: content.to_owned(), api_root: api_root.to_owned(), ..Settings::default() }
}

fn claims(content: &str, api_root: &str) -> Result<Claims> {
    Claims::among(&settings(content, api_root), &[&ROOM], &[&GHOST])
}

fn refused(content: &str, api_root: &str) -> String {
    claims(content, api_root).unwrap_err().to_string()
}

#[test]
fn everything_that_is_mounted_is_listed_with_its_owner() {
    let claims = claims("/pulp/content/", "/pulp/").unwrap();
    let mut listed: Vec<_> =
        claims.all().iter().map(|claim| (claim.path.as_str(), claim.holder.owner(), claim.holder.state())).collect();
    listed.sort_unstable();
    assert_eq!(
        listed,
        [
            ("/api/v3/", "core", "on"),
            ("/api/v3/docs/", "core", "on"),
            ("/desk/v2/", "room", "on"),
            ("/health/", "core", "on"),
            ("/metrics", "core", "on"),
            ("/pulp/api/v3/", "core", "on"),
            ("/pulp/api/v3/docs/", "core", "on"),
            ("/pulp/content/", "core", "on"),
            ("/read/", "room", "on"),
            ("/token/", "ghost", "missing"),
            ("/v2/", "ghost", "missing"),
        ]
    );
}

#[test]
fn two_live_apis_with_one_claim_are_both_named() {
    let said = Claims::among(&Settings::default(), &[&ROOM, &LIBRARY], &[]).unwrap_err().to_string();
    assert!(said.contains("/read/ of 'reading room' of 'room' and /read/ of 'reading room' of 'library'"), "{said}");
}

#[test]
fn a_live_api_never_shares_with_the_rest_api_health_or_the_whole_of_the_content() {
    assert!(refused("/pulp/content/", "/read/").contains("/read/api/v3/ of the REST API and /read/ of 'reading room'"));
    for content in ["/read/", "/read/files/", "/desk/v2/x/"] {
        assert!(refused(content, "/pulp/").contains(&format!("{content} of the content service and ")), "{content}");
    }
    for (api, owner) in [
        (&live("x", &["/health/"]), "the health checks"),
        (&live("x", &["/metrics/"]), "the metrics"),
        (&live("x", &["/api/"]), "the REST API"),
        (&live("x", &["/api/v3/docs/live/"]), "the documents of the REST API"),
    ] {
        let api: &'static LiveApi = Box::leak(Box::new(live(api.label, api.claims)));
        let said = Claims::among(&Settings::default(), &[api], &[]).unwrap_err().to_string();
        assert!(said.contains(owner) && said.contains("of 'x'"), "{said}");
    }
}

#[test]
fn the_content_prefix_may_hold_claims_and_lies_in_none() {
    assert!(claims("/", "/pulp/").is_ok());
    assert!(claims("/pulp/", "/pulp/").is_ok());
    assert!(claims("/desk/", "/").is_ok());
    assert!(refused("/pulp/api/v3/", "/pulp/").contains("the content service"));
    assert!(refused("/pulp/api/v3/files/", "/pulp/").contains("the content service"));
    assert!(refused("/health/", "/pulp/").contains("the health checks"));
}

#[test]
fn what_is_kept_for_a_plugin_that_is_missing_yields_to_whoever_claims_it() {
    static OTHER: LiveApi = live("other", &["/v2/"]);
    let claims = Claims::among(&Settings::default(), &[&OTHER], &[&GHOST]).unwrap();
    let at = |path| claims.at(path).map(|nth| claims.all()[nth].to_string());
    assert_eq!(at("/v2/x").as_deref(), Some("/v2/ of 'reading room' of 'other'"));
    assert_eq!(at("/token/").as_deref(), Some("/token/ of 'a registry of ghosts' of 'ghost'"));
    let claims = self::claims("/v2/", "/pulp/").unwrap();
    assert!(claims.all().iter().all(|claim| claim.path != "/v2/" || claim.holder.owner() == "core"));
}

#[test]
fn a_path_belongs_to_the_deepest_claim_around_it() {
    let claims = claims("/", "/pulp/").unwrap();
    let at = |path| claims.at(path).map(|nth| claims.all()[nth].path.as_str());
    for (path, claim) in [
        ("/read/a/b", "/read/"),
        ("/read", "/read/"),
        ("/%72ead/a", "/read/"),
        ("//read//a", "/read/"),
        ("/reading/a", "/"),
        ("/desk/", "/"),
        ("/desk/v2", "/desk/v2/"),
        ("/pulp/api/v3/docs/api.json", "/pulp/api/v3/docs/"),
        ("/pulp/api/v3/tasks/", "/pulp/api/v3/"),
        ("/pulp/", "/"),
        ("/", "/"),
        ("*", "/"),
    ] {
        assert_eq!(at(path), Some(claim), "{path}");
    }
    assert_eq!(self::claims("/pulp/content/", "/pulp/").unwrap().at("/nowhere/"), None);
}

#[test]
fn a_distribution_within_or_around_a_claim_is_found() {
    let claims = claims("/", "/pulp/").unwrap();
    for (base_path, claim) in [
        ("read", "/read/"),
        ("read/a/b", "/read/"),
        ("r%65ad/a", "/read/"),
        ("desk", "/desk/v2/"),
        ("pulp", "/pulp/api/v3/docs/"),
        ("health/x", "/health/"),
        ("metrics", "/metrics"),
        ("v2", "/v2/"),
    ] {
        assert_eq!(claims.against(base_path).map(|claim| claim.path.as_str()), Some(claim), "{base_path}");
    }
    for base_path in ["reading", "Read", "desk/v1", "pulp/content", "a/read", "v22"] {
        assert!(claims.against(base_path).is_none(), "{base_path}");
    }
    assert!(self::claims("/pulp/content/", "/pulp/").unwrap().against("read").is_none());
}

#[test]
fn a_live_api_that_is_switched_off_keeps_its_space() {
    let live = [("room".to_owned(), Switch::Off)].into();
    let claims = Claims::among(&Settings { live, ..settings("/", "/pulp/") }, &[&ROOM], &[]).unwrap();
    let claim = &claims.all()[claims.at("/read/x").unwrap()];
    assert_eq!((claim.holder.state(), claim.holder.roles()), ("off", Vec::new()));
    assert!(claims.against("read/x").is_some());
}

#[test]
fn a_claim_is_a_path_of_plain_segments() {
    for bad in ["/", "//", "read/", "/read", "/re ad/", "/%72ead/", "/../", "/a//b/"] {
        let api: &'static LiveApi = Box::leak(Box::new(live("x", Box::leak(Box::new([bad])))));
        let mut problems = Vec::new();
        check_all(&[api], &mut problems);
        assert_eq!(problems.len(), 1, "{bad}: {problems:?}");
        assert!(problems[0].starts_with(&format!("the URL claim '{bad}' of 'x' must begin")), "{problems:?}");
    }
    let mut problems = Vec::new();
    check_all(&[&ROOM, &LIBRARY], &mut problems);
    let said = "the URL claims overlap: /read/ of 'reading room' of 'room' and /read/ of 'reading room' of 'library'";
    assert_eq!(problems, [said]);
}

async fn distribute(app: &crate::app::App, name: &str, base_path: &str) {
    use sea_orm::{ActiveModelTrait, IntoActiveModel};
    let bare = distribution::Model::bare(app.domain, "test.test", base_path);
    let row = distribution::Model { name: name.to_owned(), ..bare };
    let tx = app.db.write().await.unwrap();
    row.into_active_model().insert(&*tx).await.unwrap();
    tx.commit().await.unwrap();
}

on_both!(
    /// As after a change of the content prefix.
    distributions_that_fall_into_a_claim_are_named_and_not_too_many,
    |sample| {
        for (name, base_path) in [("within", "health/x"), ("around", "api"), ("beside", "healthy"), ("odd", "apix/v3")] {
            distribute(&sample.app, name, base_path).await;
        }
        assert_eq!(strays::find(&sample.app).await.unwrap(), []);

        let moved = sample.with(|settings| settings.content_path_prefix = "/".to_owned()).await;
        let named = [("around", "/api/v3/docs/ of the documents of the REST API"), ("within", "/health/ of the health checks")];
        let named = named.map(|(name, claim)| (name.to_owned(), claim.to_owned()));
        assert_eq!(strays::find(&moved.app).await.unwrap(), named);
        for number in 0..20 {
            distribute(&moved.app, &format!("n{number}"), &format!("health/{number}")).await;
        }
        assert_eq!(strays::find(&moved.app).await.unwrap().len(), 10);
    }
);
