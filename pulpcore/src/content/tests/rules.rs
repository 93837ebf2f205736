//! What is served under which rules: checkpoints, what was served until recently, and plugins that are asked first.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use sea_orm::{EntityTrait, Value};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use super::super::grace;
use super::world::World;
use crate::db::{comparable, exec, now, rows};
use crate::error::Result;
use crate::models::{distribution, publication, repository_version};
use crate::plugin::{Asked, ContentCx, Detail, Distribution, NoFields, Noun, register};

async fn change(world: &World, sql: &str, values: Vec<Value>) {
    let tx = world.app.db.write().await.unwrap();
    exec(&*tx, sql, values).await.unwrap();
    tx.commit().await.unwrap();
}

/// A checkpoint of a version, made at a time.
async fn checkpoint(world: &World, version: Uuid, at: OffsetDateTime) -> Uuid {
    let id = world.publication(version, true, &[], &[]).await;
    let sql = "UPDATE core_publication SET checkpoint = $1, pulp_created = $2 WHERE pulp_id = $3";
    change(world, sql, vec![true.into(), comparable(at).into(), id.into()]).await;
    id
}

/// Version 1 holds `one`, version 2 `d e?f/two` too; each has a checkpoint, and a publication that is none lies between.
/// They are served at `c`.
async fn two_checkpoints(world: &World) {
    let artifact = world.artifact(b"text").await;
    let [one, two] = [world.unit("one", Some(artifact)).await, world.unit("d e?f/two", Some(artifact)).await];
    let repository = world.repository().await;
    let first = world.version(repository, 1, &[one.content]).await;
    let second = world.version(repository, 2, &[two.content]).await;
    checkpoint(world, first, datetime!(2025-01-30 20:30:00.5 UTC)).await;
    world.publication(second, true, &[], &[]).await;
    checkpoint(world, second, datetime!(2025-01-30 20:50:00 UTC)).await;
    world
        .distribute("c", |row| {
            row.repository_id = Some(repository);
            row.checkpoint = true;
        })
        .await;
}

on_both!(a_checkpoint_is_served_below_the_time_at_which_it_was_made, |world| {
    two_checkpoints(&world).await;
    let list = world.get("/pulp/content/c/").await;
    assert_eq!(list.names(), ["../", "20250130T203000Z/", "20250130T205000Z/"]);
    assert!(list.text().contains("<h1>Index of /pulp/content/c/</h1>"), "{}", list.text());
    assert!(list.text().contains("30-Jan-2025 20:50"), "{}", list.text());

    assert_eq!(world.get("/pulp/content/c/20250130T203000Z/").await.names(), ["../", "one"]);
    assert_eq!(world.get("/pulp/content/c/20250130T203000Z/one").await.body, b"text");
    assert_eq!(world.get("/pulp/content/c/20250130T203000Z/d%20e%3Ff/two").await.status, StatusCode::NOT_FOUND);
    let later = world.get("/pulp/content/c/20250130T205000Z/").await;
    assert_eq!(later.names(), ["../", "d e?f/", "one"]);
    assert!(later.text().contains("<h1>Index of /pulp/content/c/20250130T205000Z/</h1>"), "{}", later.text());
    assert_eq!(world.get("/pulp/content/c/20250130T205000Z/d%20e%3Ff/two").await.body, b"text");
    assert_eq!(world.get("/pulp/content/c/20250130T205000Z//one").await.body, b"text");
});

on_both!(a_time_between_two_checkpoints_leads_to_the_earlier, |world| {
    two_checkpoints(&world).await;
    for (path, location) in [
        ("c", "c/"),
        ("c/20250130T203000Z", "c/20250130T203000Z/"),
        ("c/anything", "c/anything/"),
        ("c/20250130T203000Z/d%20e%3Ff/two", ""),
        ("c/20250130T204959Z/", "c/20250130T203000Z/"),
        ("c/20250130T204959Z/one?x=y", "c/20250130T203000Z/one"),
        ("c/20250130T204959Z/d%20e%3Ff/two", "c/20250130T203000Z/d%20e%3Ff/two"),
        ("c/20250201T000000Z/one", "c/20250130T205000Z/one"),
        ("c/20250130T205000Z/d%20e%3Ff", "c/20250130T205000Z/d%20e%3Ff/"),
        ("c/20250130T202959Z/one", ""),
        ("c/29990101T000000Z/one", ""),
        ("c/20250130T206000Z/one", ""),
        ("c/invalid_ts/one", ""),
        ("c/one/", ""),
    ] {
        let answer = world.get(&format!("/pulp/content/{path}")).await;
        if location.is_empty() {
            assert_eq!((answer.status, answer.text()), (StatusCode::NOT_FOUND, "404: Not Found"), "{path}");
        } else {
            assert_eq!(answer.status, StatusCode::MOVED_PERMANENTLY, "{path}");
            assert_eq!(answer.header("location"), Some(&*format!("/pulp/content/{location}")), "{path}");
        }
    }
});

on_both!(two_checkpoints_of_one_second_are_the_later_and_none_is_an_empty_list, |world| {
    let [old, new] = [world.artifact(b"old").await, world.artifact(b"new").await];
    let [first, second] = [world.unit("a", Some(old)).await, world.unit("a", Some(new)).await];
    let repository = world.repository().await;
    let version = world.version(repository, 1, &[first.content]).await;
    world
        .distribute("c", |row| {
            row.repository_id = Some(repository);
            row.checkpoint = true;
        })
        .await;
    assert_eq!(world.get("/pulp/content/c/").await.names(), ["../"]);
    checkpoint(&world, version, datetime!(2025-01-30 20:30:00.1 UTC)).await;
    world.remove(repository, first.content, 2).await;
    let version = world.version(repository, 3, &[second.content]).await;
    checkpoint(&world, version, datetime!(2025-01-30 20:30:00.999999 UTC)).await;
    assert_eq!(world.get("/pulp/content/c/").await.names(), ["../", "20250130T203000Z/"]);
    assert_eq!(world.get("/pulp/content/c/20250130T203000Z/a").await.body, b"new");
});

#[tokio::test]
async fn a_guard_is_asked_before_anything_is_told_of_checkpoints() {
    let world = World::new().await;
    two_checkpoints(&world).await;
    let shut = "UPDATE core_distribution SET content_guard_id = $1";
    change(&world, shut, vec![world.guard("sesame").await.into()]).await;
    for path in ["c/", "c/20250130T204959Z/one", "c/20250130T203000Z"] {
        assert_eq!(world.get(&format!("/pulp/content/{path}")).await.status, StatusCode::FORBIDDEN, "{path}");
    }
}

/// A repository with a version that holds `a`, and one that holds `b` instead; `d` serves what is published of it.
struct Changing {
    repository: Uuid,
    first: Uuid,
    second: Uuid,
    distribution: Uuid,
}

async fn changing(world: &World) -> Changing {
    let artifact = world.artifact(b"text").await;
    let [a, b] = [world.unit("a", Some(artifact)).await, world.unit("b", Some(artifact)).await];
    let (repository, distribution) = (world.repository().await, Uuid::now_v7());
    let first = world.version(repository, 1, &[a.content]).await;
    world.remove(repository, a.content, 2).await;
    let second = world.version(repository, 3, &[b.content]).await;
    world
        .distribute("d", |row| {
            row.pulp_id = distribution;
            row.repository_id = Some(repository);
        })
        .await;
    Changing { repository, first, second, distribution }
}

/// Publishes a version that passes through, as a task does.
async fn publish(world: &World, version: Uuid, made: &[(&str, Uuid)]) -> Uuid {
    let id = world.publication(version, true, &[], made).await;
    let tx = world.app.db.write().await.unwrap();
    let version = repository_version::Entity::find_by_id(version).one(&*tx).await.unwrap().unwrap();
    let row = publication::Entity::find_by_id(id).one(&*tx).await.unwrap().unwrap();
    grace::published(&tx, &world.app, &version, &row).await.unwrap();
    tx.commit().await.unwrap();
    id
}

/// Points a distribution at something else, as a task does.
async fn point(world: &World, distribution: Uuid, publication: Option<Uuid>, repository: Option<Uuid>) {
    let tx = world.app.db.write().await.unwrap();
    let before = grace::served(&tx, distribution).await.unwrap();
    let sql = "UPDATE core_distribution SET publication_id = $1, repository_id = $2 WHERE pulp_id = $3";
    exec(&*tx, sql, vec![publication.into(), repository.into(), distribution.into()]).await.unwrap();
    let row = distribution::Entity::find_by_id(distribution).one(&*tx).await.unwrap().unwrap();
    grace::changed(&tx, &world.app, &row, before).await.unwrap();
    tx.commit().await.unwrap();
}

async fn remembered(world: &World) -> usize {
    use crate::models::distributed_publication as superseded;
    superseded::Entity::find().all(world.app.db.read()).await.unwrap().len()
}

on_both!(yesterdays_metadata_leads_to_yesterdays_files, |world| {
    let it = changing(&world).await;
    let [old, new] = [world.artifact(b"old").await, world.artifact(b"new").await];
    publish(&world, it.first, &[("LIST", old), ("OLD", old)]).await;
    assert_eq!(remembered(&world).await, 0, "what is served is not remembered");
    publish(&world, it.second, &[("LIST", new)]).await;

    assert_eq!(world.get("/pulp/content/d/b").await.body, b"text");
    assert_eq!(world.get("/pulp/content/d/LIST").await.body, b"new", "what is served now comes first");
    let file = world.ask("GET", "/pulp/content/d/a", &[("range", "bytes=1-2")]).await;
    assert_eq!((file.status, &file.body[..]), (StatusCode::PARTIAL_CONTENT, &b"ex"[..]));
    assert_eq!(world.get("/pulp/content/d/OLD").await.body, b"old");
    assert_eq!(world.get("/pulp/content/d/").await.names(), ["../", "LIST", "b"], "nothing old is listed");
    assert_eq!(world.get("/pulp/content/d/none").await.status, StatusCode::NOT_FOUND);

    // An old version that is published anew supersedes nothing.
    publish(&world, it.first, &[]).await;
    assert_eq!(remembered(&world).await, 1);
});

on_both!(another_publication_leaves_the_files_of_the_one_before_for_a_while, |world| {
    let it = changing(&world).await;
    let listed = world.unit("elsewhere", Some(world.artifact(b"listed").await)).await;
    let first = world.publication(it.first, false, &[("x/listed", listed.file)], &[]).await;
    let second = publish(&world, it.second, &[]).await;
    change(&world, "DELETE FROM core_distributedpublication", vec![]).await;
    point(&world, it.distribution, Some(first), None).await;
    point(&world, it.distribution, Some(second), None).await;

    assert_eq!(world.get("/pulp/content/d/b").await.body, b"text");
    assert_eq!(world.get("/pulp/content/d/x/listed").await.body, b"listed");
    assert_eq!(world.get("/pulp/content/d/x/").await.status, StatusCode::NOT_FOUND, "no folder of it is shown");
    assert_eq!(world.get("/pulp/content/d/a").await.status, StatusCode::NOT_FOUND, "it did not pass through");

    // The other way round, and to the repository, which has the second as well.
    point(&world, it.distribution, Some(first), None).await;
    assert_eq!(world.get("/pulp/content/d/b").await.body, b"text");
    point(&world, it.distribution, None, Some(it.repository)).await;
    assert_eq!(world.get("/pulp/content/d/x/listed").await.body, b"listed");

    point(&world, it.distribution, None, None).await;
    assert_eq!(remembered(&world).await, 0, "what is to serve nothing serves nothing old");
    for path in ["b", "x/listed", ""] {
        let answer = world.get(&format!("/pulp/content/d/{path}")).await;
        let said = "404: Distribution is not pointing to a publication, repository, repository version, or remote.";
        assert_eq!((answer.status, answer.text()), (StatusCode::NOT_FOUND, said));
    }
});

on_both!(what_was_served_long_ago_is_gone, |world| {
    let it = changing(&world).await;
    publish(&world, it.first, &[]).await;
    publish(&world, it.second, &[]).await;
    assert_eq!(world.get("/pulp/content/d/a").await.status, StatusCode::OK);
    let expire = "UPDATE core_distributedpublication SET expires_at = $1";
    change(&world, expire, vec![comparable(now() - time::Duration::seconds(1)).into()]).await;
    assert_eq!(world.get("/pulp/content/d/a").await.status, StatusCode::NOT_FOUND);
    publish(&world, it.second, &[]).await;
    assert_eq!(remembered(&world).await, 1, "the next one forgets it");
});

#[tokio::test]
async fn a_period_of_zero_remembers_nothing() {
    let world = World::with(|settings| settings.distributed_publication_retention_period = 0).await;
    let it = changing(&world).await;
    publish(&world, it.first, &[]).await;
    publish(&world, it.second, &[]).await;
    point(&world, it.distribution, None, Some(it.repository)).await;
    assert_eq!(remembered(&world).await, 0);
    assert_eq!(world.get("/pulp/content/d/a").await.status, StatusCode::NOT_FOUND);
}

on_both!(no_more_than_a_bound_is_remembered, |world| {
    let it = changing(&world).await;
    let now = now();
    let tx = world.app.db.write().await.unwrap();
    for nth in 0..i64::from(grace::MOST) {
        let (id, at) = (Uuid::now_v7(), comparable(now + time::Duration::hours(nth)));
        let sql = "INSERT INTO core_publication (pulp_id, pulp_created, pulp_last_updated, pulp_domain_id, pulp_type, \
            repository_version_id, complete, pass_through, checkpoint) VALUES ($1, $2, $2, $3, 'test.test', $4, $5, $6, $6)";
        let values = [id.into(), now.into(), world.app.domain.into(), it.first.into(), true.into(), false.into()];
        exec(&*tx, sql, values.to_vec()).await.unwrap();
        let sql = "INSERT INTO core_distributedpublication VALUES ($1, $2, $3)";
        exec(&*tx, sql, vec![it.distribution.into(), id.into(), at.into()]).await.unwrap();
    }
    tx.commit().await.unwrap();
    publish(&world, it.second, &[]).await;
    let [second, third] = [publish(&world, it.second, &[]).await, publish(&world, it.second, &[]).await];
    assert_eq!(remembered(&world).await, grace::MOST as usize);
    #[derive(sea_orm::FromQueryResult)]
    struct Row {
        publication_id: Uuid,
    }
    let sql = "SELECT publication_id FROM core_distributedpublication";
    let left: Vec<Row> = rows(world.app.db.read(), sql, vec![]).await.unwrap();
    assert!(left.iter().all(|row| row.publication_id != third), "it is served");
    assert!(left.iter().any(|row| row.publication_id == second), "the longest to live are kept");
});

/// However many publications are remembered, each step is by an index, and a version is asked for the path's units alone.
#[tokio::test]
async fn looking_in_what_was_served_scans_no_table() {
    let world = World::new().await;
    #[derive(Debug, sea_orm::FromQueryResult)]
    struct Step {
        detail: String,
    }
    let (query, values) = grace::explained(&world.app, Uuid::nil(), "b/c");
    let plan: Vec<Step> = rows(world.app.db.read(), &format!("EXPLAIN QUERY PLAN {query}"), values).await.unwrap();
    let steps: Vec<_> = plan.iter().map(|step| step.detail.as_str()).collect();
    for alias in ["a", "c", "m", "p", "q", "v"] {
        assert!(!steps.iter().any(|step| step.starts_with(&format!("SCAN {alias} "))), "{steps:#?}");
        assert!(!steps.contains(&&*format!("SCAN {alias}")), "{steps:#?}");
    }
    let member = steps.iter().find(|step| step.starts_with("SEARCH m ")).unwrap();
    assert!(member.contains("content_id=?"), "{steps:#?}");
}

/// Distributions that answer themselves.
#[expect(unreachable_pub, reason = "a plugin's types are public; this one is never published")]
mod hatch {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sample_hatch")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub pulp_id: Uuid,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Detail for hatch::Entity {
    type Master = distribution::Entity;
    type Body = NoFields;
    const TYPE: &'static str = "sample.hatch";
    const MODEL: &'static str = "Hatch";
    const ENDPOINT: &'static str = "hatches";

    fn read(_: &hatch::Model) -> NoFields {
        NoFields {}
    }

    fn write(_: &mut hatch::Model, _: NoFields) {}
}

impl Distribution for hatch::Entity {
    fn asked(path: &str) -> Asked {
        match path.split('/').next() {
            Some("first") => Asked::First,
            Some("never") => Asked::Never,
            _ => Asked::Last,
        }
    }

    async fn serve(_: &ContentCx, _: &hatch::Model, path: &str) -> Result<Option<Response>> {
        Ok((!path.ends_with("nothing")).then(|| format!("asked for {path}").into_response()))
    }
}

register!(Noun::distribution::<hatch::Entity>());

on_both!(a_plugin_is_asked_first_or_last_or_never_as_it_says, |world| {
    let artifact = world.artifact(b"stored").await;
    let mut units = Vec::new();
    for path in ["first/file", "first/nothing", "last/file", "never/file"] {
        units.push(world.unit(path, Some(artifact)).await.content);
    }
    let repository = world.repository().await;
    world.version(repository, 1, &units).await;
    let id = Uuid::now_v7();
    world
        .distribute("d", |row| {
            row.pulp_id = id;
            row.pulp_type = "sample.hatch".to_owned();
            row.repository_id = Some(repository);
        })
        .await;
    let tx = world.app.db.write().await.unwrap();
    exec(&*tx, "INSERT INTO sample_hatch VALUES ($1)", vec![id.into()]).await.unwrap();
    tx.commit().await.unwrap();

    for (path, said) in [
        ("first/file", "asked for first/file"),
        ("first/nothing", "stored"),
        ("first/other", "asked for first/other"),
        ("last/file", "stored"),
        ("last/other", "asked for last/other"),
        ("last/nothing", "404: Not Found"),
        ("never/file", "stored"),
        ("never/other", "404: Not Found"),
    ] {
        assert_eq!(world.get(&format!("/pulp/content/d/{path}")).await.text(), said, "{path}");
    }
});
