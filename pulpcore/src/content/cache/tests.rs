//! What is remembered, for how long, and what a change leaves of it.

use super::*;

fn cache(change: impl FnOnce(&mut Settings)) -> Cache {
    let mut settings = Settings::default();
    change(&mut settings);
    let cache = Cache::new(&settings);
    cache.hears(true);
    cache
}

/// A distribution at a base path that serves a publication of a repository, all with keys of their own.
fn source(base_path: &str) -> Source {
    Source {
        distribution_id: Uuid::now_v7(),
        pulp_type: "test.test".to_owned(),
        base_path: base_path.to_owned(),
        content_guard_id: None,
        checkpoint: false,
        points_nowhere: false,
        publication_id: Some(Uuid::now_v7()),
        pass_through: Some(false),
        repository_id: Some(Uuid::now_v7()),
        number: Some(1),
        remote_id: None,
        is_version_less: false,
        bound_to: None,
    }
}

fn keep(cache: &Cache, source: Source) -> Arc<Kept<Source>> {
    cache.keep_source(cache.begin(), source)
}

fn age(cache: &Cache, path: &str) -> Option<Age> {
    cache.source(path).map(|(_, age)| age)
}

#[test]
fn a_path_leads_to_the_distribution_above_it() {
    let cache = cache(|_| ());
    keep(&cache, source("a/b"));
    for below in ["a/b", "a/b/", "a/b/c", "a/b//c/d"] {
        assert_eq!(age(&cache, below), Some(Age::Fresh), "{below}");
    }
    for beside in ["", "a", "a/", "a/bc", "a/bc/d", "b"] {
        assert_eq!(age(&cache, beside), None, "{beside}");
    }
}

#[test]
fn a_change_takes_away_what_it_touches_and_nothing_else() {
    let cache = cache(|_| ());
    let bound = Source { repository_id: None, bound_to: Some(Uuid::now_v7()), ..source("b") };
    let guarded = Source { content_guard_id: Some(Uuid::now_v7()), ..source("g") };
    for (change, gone) in [
        (Change::Distribution(keep(&cache, source("d")).found.distribution_id), "d"),
        (Change::Repository(keep(&cache, source("r")).found.repository_id.unwrap()), "r"),
        (Change::Repository(keep(&cache, bound).found.bound_to.unwrap()), "b"),
        (Change::Publication(keep(&cache, source("p")).found.publication_id.unwrap()), "p"),
        (Change::Guard(keep(&cache, guarded).found.content_guard_id.unwrap()), "g"),
    ] {
        keep(&cache, source("other"));
        assert_eq!(age(&cache, gone), Some(Age::Fresh), "{gone}");
        cache.changed(&[change]);
        assert_eq!((age(&cache, gone), age(&cache, "other")), (None, Some(Age::Fresh)), "{gone}");
    }
    cache.changed(&[Change::Artifacts]);
    assert_eq!(age(&cache, "other"), Some(Age::Fresh));
    cache.changed(&[Change::Everything]);
    assert_eq!(age(&cache, "other"), None);
}

#[test]
fn an_answer_from_before_a_change_does_not_come_after_it() {
    let cache = cache(|_| ());
    let begun = cache.begin();
    cache.changed(&[Change::Distribution(Uuid::now_v7())]);
    cache.keep_source(begun, source("d"));
    assert_eq!(age(&cache, "d"), None, "a change was heard in between");
    let begun = cache.begin();
    cache.hears(true);
    cache.keep_source(begun, source("d"));
    assert_eq!(age(&cache, "d"), None, "changes were not heard when it began");
    keep(&cache, source("d"));
    assert_eq!(age(&cache, "d"), Some(Age::Fresh));
}

#[test]
fn what_may_have_changed_unheard_is_stale_until_it_is_asked_for_again() {
    let cache = cache(|_| ());
    keep(&cache, source("before"));
    cache.hears(false);
    keep(&cache, source("meanwhile"));
    assert_eq!((age(&cache, "before"), age(&cache, "meanwhile")), (Some(Age::Stale), Some(Age::Stale)));
    cache.hears(true);
    assert_eq!(age(&cache, "before"), Some(Age::Stale));
    keep(&cache, source("before"));
    assert_eq!(age(&cache, "before"), Some(Age::Fresh));
}

#[test]
fn what_is_stale_ends_when_the_settings_say() {
    let second = Duration::from_secs(1);
    let terms = Terms { fresh: second * 600, stale: second * 3600 };
    let begun = Begun { epoch: 0, at: Instant::now() };
    let kept = Kept { found: (), begun, unheard: OnceLock::new(), made: OnceLock::new() };
    let after = |seconds: u32| kept.age(begun.at + second * seconds, terms);
    assert_eq!((after(0), after(599)), (Some(Age::Fresh), Some(Age::Fresh)));
    assert_eq!((after(600), after(4199), after(4200)), (Some(Age::Stale), Some(Age::Stale), None));
    // The later it is, the less the time to live matters: it counts from when changes were no longer heard.
    kept.unheard.set(begun.at + second * 100).unwrap();
    let after = |seconds: u32| kept.age(begun.at + second * seconds, terms);
    assert_eq!(
        (after(99), after(100), after(3699), after(3700)),
        (Some(Age::Fresh), Some(Age::Stale), Some(Age::Stale), None)
    );
    // Never, and nothing at all.
    assert_eq!(kept.age(begun.at + second * 100, Terms { stale: Duration::ZERO, ..terms }), None);
    assert_eq!(kept.age(begun.at, Terms { fresh: Duration::ZERO, stale: Duration::ZERO }), None);
}

#[test]
fn files_are_remembered_by_what_they_were_found_in_until_artifacts_go() {
    let cache = cache(|_| ());
    let (publication, version) = (Snapshot::Publication(Uuid::now_v7()), Snapshot::Version(Uuid::now_v7(), 3));
    let stored = || File { content_artifact: None, stored: Some(crate::content::stored::Stored::sample(b"x", "a/b")) };
    cache.keep_file(cache.begin(), publication, "a/b", stored());
    cache.keep_file(cache.begin(), publication, "remote", File { content_artifact: None, stored: None });
    assert!(cache.file(publication, "a/b").is_some());
    for (snapshot, path) in [(publication, "a"), (publication, "remote"), (version, "a/b")] {
        assert!(cache.file(snapshot, path).is_none(), "{path}");
    }
    cache.changed(&[Change::Repository(Uuid::now_v7())]);
    assert!(cache.file(publication, "a/b").is_some());
    cache.changed(&[Change::Artifacts]);
    assert!(cache.file(publication, "a/b").is_none());
    cache.keep_file(cache.begin(), publication, "a/b", stored());
    cache.forget_file(publication, "a/b");
    assert!(cache.file(publication, "a/b").is_none());
}

#[test]
fn no_more_is_remembered_than_the_settings_say() {
    let cache = cache(|settings| settings.content_cache_entries = 10);
    for nth in 0..200 {
        keep(&cache, source(&format!("d{nth}")));
    }
    cache.sources.run_pending_tasks();
    assert_eq!(cache.sources.entry_count(), 10);
}
