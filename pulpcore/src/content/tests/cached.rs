//! What is served without asking, what a change makes of it, and what is left when the database is away.

use axum::http::StatusCode;
use sea_orm::EntityTrait;
use uuid::Uuid;

use super::world::{Answer, World};
use crate::api::families::writable;
use crate::db::Change;
use crate::models::{distribution, publication, repository};

const A: &str = "/pulp/content/d/a.txt";

/// `a.txt` and `sub/b.bin` distributed at `d`, and `a.txt` of another repository at `e`.
struct Story {
    world: World,
    repository: Uuid,
    d: Uuid,
}

async fn story(world: World) -> Story {
    let mut made = Vec::new();
    for base_path in ["d", "e"] {
        let text = world.artifact(base_path.as_bytes()).await;
        let other = world.artifact(&[7; 3200]).await;
        let units = [world.unit("a.txt", Some(text)).await, world.unit("sub/b.bin", Some(other)).await];
        let repository = world.repository().await;
        world.version(repository, 1, &units.map(|unit| unit.content)).await;
        let id = world.distribute(base_path, |row| row.repository_id = Some(repository)).await;
        made.push((repository, id));
    }
    let (repository, d) = made[0];
    Story { world, repository, d }
}

fn cache(answer: &Answer) -> Option<&str> {
    answer.header("x-pulp-cache")
}

on_both!(what_was_served_is_served_again_without_the_database, |world| {
    let Story { world, .. } = story(world).await;
    let first = world.get(A).await;
    assert_eq!((first.status, cache(&first)), (StatusCode::OK, Some("MISS")));
    world.warm(A).await;
    if world.app.db.is_sqlite() {
        // There it is as good as ever; nobody is asked.
        world.app.db.clone().close().await.unwrap();
    } else {
        world.lose_the_database().await;
    }
    let again = world.get(A).await;
    assert_eq!((again.status, cache(&again), &again.body[..]), (StatusCode::OK, Some("HIT"), &b"d"[..]));
    for name in ["etag", "last-modified", "content-type", "content-length", "accept-ranges", "x-pulp-artifact-size"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    let part = world.ask("GET", A, &[("range", "bytes=0-0")]).await;
    assert_eq!((part.status, &part.body[..], cache(&part)), (StatusCode::PARTIAL_CONTENT, &b"d"[..], Some("HIT")));
    let known = world.ask("GET", A, &[("if-none-match", first.header("etag").unwrap())]).await;
    assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(world.ask("HEAD", A, &[]).await.header("content-length"), Some("1"));
    // What was never asked for cannot be known.
    for unknown in ["/pulp/content/d/sub/b.bin", "/pulp/content/x/a", "/pulp/content/d/"] {
        let answer = world.get(unknown).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{unknown}");
        assert!(answer.text().starts_with("503: Service Unavailable"), "{}", answer.text());
    }
});

on_both!(a_new_file_of_a_known_distribution_is_one_question, |world| {
    let Story { world, .. } = story(world).await;
    world.warm(A).await;
    // Whoever asked for the distribution again would fail.
    world.execute("ALTER TABLE core_distribution RENAME TO elsewhere", Vec::new(), None).await;
    let other = world.get("/pulp/content/d/sub/b.bin").await;
    assert_eq!((other.status, cache(&other), other.body.len()), (StatusCode::OK, Some("MISS"), 3200));
    assert_eq!(world.get("/pulp/content/x/a").await.status, StatusCode::INTERNAL_SERVER_ERROR);
});

on_both!(a_change_is_seen_here_at_once_and_everywhere_soon, |world| {
    let Story { world, repository, d } = story(world).await;
    let other = world.another().await;
    let is = |wanted: &'static [u8]| move |answer: &Answer| answer.body == wanted;
    let warm = async || {
        for world in [&world, &other] {
            world.warm(A).await;
            world.warm("/pulp/content/e/a.txt").await;
        }
    };
    // What nothing happened to is still remembered.
    let seen = async |here: Answer, wanted: &'static [u8]| {
        assert_eq!(here.body, wanted, "read your writes");
        other.until(A, is(wanted)).await;
        for world in [&world, &other] {
            assert_eq!(cache(&world.get("/pulp/content/e/a.txt").await), Some("HIT"));
        }
    };

    warm().await;
    let old = world.unit("a.txt", Some(world.artifact(b"published").await)).await;
    let new = world.unit("a.txt", Some(world.artifact(b"new").await)).await;
    let removal = "UPDATE core_repositorycontent SET version_removed = 2 WHERE repository_id = $1";
    world.execute(removal, vec![repository.into()], None).await;
    let version = world.version(repository, 2, &[new.content]).await;
    seen(world.get(A).await, b"new").await;

    warm().await;
    let made = world.publication(version, false, &[("a.txt", old.file)], &[]).await;
    seen(world.get(A).await, b"published").await;

    warm().await;
    let tx = world.app.db.write().await.unwrap();
    writable::say::<publication::Entity>(&tx, made);
    publication::Entity::delete_many().exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    seen(world.get(A).await, b"new").await;

    warm().await;
    let moved = "UPDATE core_distribution SET base_path = 'moved' WHERE pulp_id = $1";
    world.execute(moved, vec![d.into()], Some(Change::Distribution(d))).await;
    seen(world.get(A).await, b"404: Not Found").await;
    let back = "UPDATE core_distribution SET base_path = 'd' WHERE pulp_id = $1";
    world.execute(back, vec![d.into()], Some(Change::Distribution(d))).await;
    seen(world.get(A).await, b"new").await;

    warm().await;
    writable::delete::<repository::Entity>(&world.app, repository).await.unwrap();
    let nowhere = "404: Distribution is not pointing to a publication, repository, repository version, or remote.";
    seen(world.get(A).await, nowhere.as_bytes()).await;
    world.get("/pulp/content/d/").await;
    writable::delete::<distribution::Entity>(&world.app, d).await.unwrap();
    seen(world.get(A).await, b"404: Not Found").await;
});

on_both!(a_change_that_nobody_explained_is_seen_all_the_same, |world| {
    let Story { world, d, .. } = story(world).await;
    let other = world.another().await;
    for world in [&world, &other] {
        world.warm(A).await;
    }
    let guarded = "UPDATE core_distribution SET content_guard_id = $1 WHERE pulp_id = $2";
    world.execute(guarded, vec![world.guard("sesame").await.into(), d.into()], None).await;
    assert_eq!(world.get(A).await.status, StatusCode::FORBIDDEN);
    other.until(A, |answer| answer.status == StatusCode::FORBIDDEN).await;
});

on_both!(what_is_stale_may_do_while_the_database_is_away_for_as_long_as_the_settings_say, |world| {
    let Story { mut world, .. } = story(world).await;
    world.set(|settings| settings.content_cache_ttl = 0).await;
    let first = world.get(A).await;
    assert_eq!((first.status, cache(&first)), (StatusCode::OK, None), "nothing is remembered as fresh");
    world.lose_the_database().await;
    for _ in 0..2 {
        assert_eq!(world.get(A).await.body, b"d");
    }
});

on_both!(nothing_stale_is_served_where_the_settings_say_so, |world| {
    let Story { mut world, .. } = story(world).await;
    world.set(|settings| (settings.content_cache_ttl, settings.content_stale_ttl) = (0, 0)).await;
    assert_eq!(world.get(A).await.body, b"d");
    world.lose_the_database().await;
    assert_eq!(world.get(A).await.status, StatusCode::SERVICE_UNAVAILABLE);
});

on_both!(a_question_that_fails_is_not_answered_from_memory, |world| {
    let Story { mut world, .. } = story(world).await;
    world.set(|settings| settings.content_cache_ttl = 0).await;
    assert_eq!(world.get(A).await.body, b"d");
    world.execute("ALTER TABLE core_distribution RENAME TO elsewhere", Vec::new(), None).await;
    assert_eq!(world.get(A).await.status, StatusCode::INTERNAL_SERVER_ERROR);
});

on_both!(a_guard_is_asked_however_well_the_file_is_remembered, |world| {
    let Story { world, d, .. } = story(world).await;
    let guarded = "UPDATE core_distribution SET content_guard_id = $1 WHERE pulp_id = $2";
    let guard = vec![world.guard("sesame").await.into(), d.into()];
    world.execute(guarded, guard, Some(Change::Distribution(d))).await;
    let open = async || world.ask("GET", A, &[("x-word", "c2VzYW1l")]).await;
    while cache(&open().await) != Some("HIT") {}
    assert_eq!(world.get(A).await.status, StatusCode::FORBIDDEN);
    // It was asked before, so it is known while the database is away.
    world.lose_the_database().await;
    assert_eq!((world.get(A).await.status, open().await.body), (StatusCode::FORBIDDEN, b"d".to_vec()));
});

#[tokio::test]
async fn a_file_that_the_storage_lost_is_looked_up_again() {
    let Story { mut world, .. } = story(World::new().await).await;
    world.set(|settings| settings.content_memory_mb = 0).await;
    world.warm(A).await;
    let file = world.app.storage.local_path(&stored_path(b"d")).unwrap();
    std::fs::rename(&file, file.with_extension("aside")).unwrap();
    assert_eq!(world.get(A).await.status, StatusCode::NOT_FOUND);
    std::fs::rename(file.with_extension("aside"), &file).unwrap();
    assert_eq!(world.get(A).await.body, b"d");
}

#[tokio::test]
async fn what_is_small_is_served_from_memory() {
    let Story { world, .. } = story(World::new().await).await;
    world.warm(A).await;
    std::fs::remove_file(world.app.storage.local_path(&stored_path(b"d")).unwrap()).unwrap();
    assert_eq!(world.get(A).await.body, b"d");
}

fn stored_path(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    crate::storage::Storage::artifact_path(&hex::encode(digest))
}
