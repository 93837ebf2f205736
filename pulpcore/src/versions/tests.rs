//! The rules of repository versions, as a user would state them.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, FromQueryResult, QueryFilter};
use uuid::Uuid;

use super::{NewVersion, delete};
use crate::error::{Error, Result};
use crate::models::{repository, repository_version, repository_version_count as counts};
use crate::sample::{Sample, on_both};

/// Makes a version out of what is added and removed, in one transaction.
async fn change(sample: &Sample, repository: Uuid, add: &[Uuid], remove: &[Uuid]) -> Result<Option<i64>> {
    let tx = sample.app.db.write().await?;
    let mut version = NewVersion::open(&tx, repository).await?;
    version.remove(remove).await?;
    version.add(add).await?;
    let made = version.complete().await?;
    tx.commit().await?;
    Ok(made.map(|version| version.number))
}

async fn version(sample: &Sample, repository: Uuid, number: i64) -> repository_version::Model {
    repository_version::Entity::find()
        .filter(repository_version::Column::RepositoryId.eq(repository))
        .filter(repository_version::Column::Number.eq(number))
        .one(sample.app.db.read())
        .await
        .unwrap()
        .expect("the version exists")
}

/// The units of a version, sorted.
async fn units(sample: &Sample, repository: Uuid, number: i64) -> Vec<Uuid> {
    #[derive(FromQueryResult)]
    struct Unit {
        content_id: Uuid,
    }
    let select = version(sample, repository, number).await.content_ids();
    let found =
        Unit::find_by_statement(sample.app.db.backend().build(&select)).all(sample.app.db.read()).await.unwrap();
    let mut units: Vec<Uuid> = found.into_iter().map(|unit| unit.content_id).collect();
    units.sort();
    units
}

/// Present, added and removed, as `content_summary` will say.
async fn summary(sample: &Sample, repository: Uuid, number: i64) -> [i64; 3] {
    let id = version(sample, repository, number).await.pulp_id;
    let mut summary = [0; 3];
    for (nth, kind) in ["P", "A", "R"].into_iter().enumerate() {
        let row = counts::Entity::find_by_id((id, "sample.note".to_owned(), kind.to_owned()));
        summary[nth] = row.one(sample.app.db.read()).await.unwrap().map_or(0, |row| row.count);
    }
    summary
}

async fn drop_version(sample: &Sample, repository: Uuid, number: i64) -> Result<()> {
    let row = version(sample, repository, number).await;
    let tx = sample.app.db.write().await?;
    delete(&tx, &row).await?;
    tx.commit().await
}

on_both!(a_repository_begins_with_an_empty_version_0, |sample| {
    let book = sample.notebook("book").await;
    assert!(units(&sample, book, 0).await.is_empty());
    assert_eq!(summary(&sample, book, 0).await, [0, 0, 0]);
});

on_both!(a_version_holds_what_was_added_and_older_ones_stay_as_they_were, |sample| {
    let book = sample.notebook("book").await;
    let (a, b) = (sample.note("a", "1").await, sample.note("b", "1").await);
    assert_eq!(change(&sample, book, &[a], &[]).await.unwrap(), Some(1));
    assert_eq!(change(&sample, book, &[b], &[a]).await.unwrap(), Some(2));
    assert_eq!(units(&sample, book, 1).await, [a]);
    assert_eq!(units(&sample, book, 2).await, [b]);
    assert_eq!(summary(&sample, book, 2).await, [1, 1, 1]);
});

on_both!(a_change_that_changes_nothing_makes_no_version, |sample| {
    let book = sample.notebook("book").await;
    let (a, b) = (sample.note("a", "1").await, sample.note("b", "1").await);
    change(&sample, book, &[a], &[]).await.unwrap();
    assert_eq!(change(&sample, book, &[a], &[]).await.unwrap(), None);
    assert_eq!(change(&sample, book, &[], &[b]).await.unwrap(), None);
    assert_eq!(change(&sample, book, &[a], &[a]).await.unwrap(), None, "removed and added again");
    assert_eq!(change(&sample, book, &[b], &[]).await.unwrap(), Some(2), "no number is used up");
});

on_both!(a_newcomer_replaces_the_unit_with_its_repository_key, |sample| {
    let book = sample.notebook("book").await;
    let (old, new) = (sample.note("title", "old").await, sample.note("title", "new").await);
    change(&sample, book, &[old], &[]).await.unwrap();
    change(&sample, book, &[new], &[]).await.unwrap();
    assert_eq!(units(&sample, book, 2).await, [new]);
    assert_eq!(summary(&sample, book, 2).await, [1, 1, 1]);
});

on_both!(a_newcomer_is_refused_where_overwriting_is_forbidden, |sample| {
    let book = sample.notebook("book").await;
    let (old, new) = (sample.note("title", "old").await, sample.note("title", "new").await);
    change(&sample, book, &[old], &[]).await.unwrap();
    let tx = sample.app.db.write().await.unwrap();
    let mut version = NewVersion::open(&tx, book).await.unwrap();
    version.set_overwrite(false);
    version.add(&[new]).await.unwrap();
    assert!(matches!(version.complete().await, Err(Error::Conflict(_))));
    tx.rollback().await.unwrap();
    assert_eq!(units(&sample, book, 1).await, [old]);
});

on_both!(two_newcomers_with_one_repository_key_are_refused, |sample| {
    let book = sample.notebook("book").await;
    let (one, two) = (sample.note("title", "1").await, sample.note("title", "2").await);
    let error = change(&sample, book, &[one, two], &[]).await.unwrap_err();
    assert!(error.to_string().contains("duplicate values for title"), "{error}");
});

on_both!(a_version_can_start_from_any_other, |sample| {
    let book = sample.notebook("book").await;
    let (a, b, c) = (sample.note("a", "1").await, sample.note("b", "1").await, sample.note("c", "1").await);
    change(&sample, book, &[a], &[]).await.unwrap();
    change(&sample, book, &[b], &[a]).await.unwrap();
    let base = version(&sample, book, 1).await;
    let tx = sample.app.db.write().await.unwrap();
    let mut next = NewVersion::open(&tx, book).await.unwrap();
    next.start_from(&base).await.unwrap();
    next.add(&[c]).await.unwrap();
    let made = next.complete().await.unwrap().expect("it differs");
    tx.commit().await.unwrap();
    assert_eq!(units(&sample, book, 3).await, [a, c]);
    assert_eq!(made.base_version_id, Some(base.pulp_id));
});

on_both!(deleting_a_version_moves_what_it_changed_into_the_next, |sample| {
    let book = sample.notebook("book").await;
    let (a, b, c) = (sample.note("a", "1").await, sample.note("b", "1").await, sample.note("c", "1").await);
    change(&sample, book, &[a, b], &[]).await.unwrap(); // 1: a b
    change(&sample, book, &[c], &[a]).await.unwrap(); // 2: b c
    change(&sample, book, &[a], &[c]).await.unwrap(); // 3: a b
    drop_version(&sample, book, 2).await.unwrap();
    assert_eq!(units(&sample, book, 1).await, [a, b]);
    assert_eq!(units(&sample, book, 3).await, [a, b]);
    assert_eq!(summary(&sample, book, 3).await, [2, 0, 0], "c came and went, a went and came back");
    drop_version(&sample, book, 1).await.unwrap();
    assert_eq!(units(&sample, book, 3).await, [a, b]);
    assert_eq!(summary(&sample, book, 3).await, [2, 2, 0]);
});

on_both!(deleting_the_newest_version_uncovers_the_one_before, |sample| {
    let book = sample.notebook("book").await;
    let (a, b) = (sample.note("a", "1").await, sample.note("b", "1").await);
    change(&sample, book, &[a], &[]).await.unwrap();
    change(&sample, book, &[b], &[a]).await.unwrap();
    drop_version(&sample, book, 2).await.unwrap();
    assert_eq!(units(&sample, book, 1).await, [a]);
    assert_eq!(change(&sample, book, &[b], &[]).await.unwrap(), Some(3), "numbers are not given twice");
    assert_eq!(units(&sample, book, 3).await, [a, b]);
});

on_both!(the_only_version_stays, |sample| {
    let book = sample.notebook("book").await;
    let error = drop_version(&sample, book, 0).await.unwrap_err();
    assert!(error.to_string().contains("at least one repository version"), "{error}");
});

on_both!(old_versions_go_when_the_repository_retains_few, |sample| {
    let book = sample.notebook("book").await;
    let tx = sample.app.db.write().await.unwrap();
    let retain =
        repository::ActiveModel { pulp_id: Set(book), retain_repo_versions: Set(Some(2)), ..Default::default() };
    retain.update(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    let mut all = Vec::new();
    for title in ["a", "b", "c"] {
        all.push(sample.note(title, "1").await);
        change(&sample, book, &all[all.len() - 1..], &[]).await.unwrap();
    }
    let left = repository_version::Entity::find().all(sample.app.db.read()).await.unwrap();
    let mut numbers: Vec<i64> = left.iter().map(|version| version.number).collect();
    numbers.sort();
    assert_eq!(numbers, [2, 3]);
    assert_eq!(units(&sample, book, 3).await, all);
    assert_eq!(units(&sample, book, 2).await, all[..2]);
});

on_both!(a_refused_version_leaves_nothing, |sample| {
    let book = sample.notebook("book").await;
    let (one, two) = (sample.note("title", "1").await, sample.note("title", "2").await);
    change(&sample, book, &[one, two], &[]).await.unwrap_err();
    let third = sample.note("other", "1").await;
    assert_eq!(change(&sample, book, &[third], &[]).await.unwrap(), Some(1));
    assert_eq!(units(&sample, book, 1).await, [third]);
});
