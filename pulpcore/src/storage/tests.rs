//! The promises of the storage as a whole, on a folder and on an object store.

use std::fs;

use futures::stream;
use object_store::memory::InMemory;

use super::*;

#[cfg(feature = "testkit-s3")]
#[expect(clippy::disallowed_methods, reason = "a test is bounded by its runner")]
mod objects;
mod uploads;

struct Fixture {
    storage: Storage,
    folder: tempfile::TempDir,
    #[cfg(feature = "testkit-s3")]
    s3: Option<crate::testkit::S3Server>,
}

impl Fixture {
    fn config(folder: &tempfile::TempDir, durable: bool) -> StorageConfig {
        StorageConfig {
            root: folder.path().join("media"),
            spool: folder.path().join("spool"),
            durable,
            algorithms: vec![Algorithm::Sha512],
        }
    }

    async fn folder(durable: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(Self::config(&folder, durable)).await.unwrap();
        Self::of(storage, folder)
    }

    fn of(storage: Storage, folder: tempfile::TempDir) -> Self {
        Self {
            storage,
            folder,
            #[cfg(feature = "testkit-s3")]
            s3: None,
        }
    }

    async fn store() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Self::config(&folder, true);
        Self::of(Storage::open_store(Arc::new(InMemory::new()), config).await.unwrap(), folder)
    }

    async fn each() -> Vec<Self> {
        vec![
            Self::folder(true).await,
            Self::folder(false).await,
            Self::store().await,
            #[cfg(feature = "testkit-s3")]
            Self::s3(|_| {}).await,
        ]
    }

    async fn receive(&self, body: &[u8]) -> Received {
        let stream = stream::iter([Ok(Bytes::copy_from_slice(body))]);
        self.storage.receive(stream, &Expected::default()).await.unwrap()
    }

    async fn read(&self, path: &str) -> Vec<u8> {
        self.storage.read(path, None).await.unwrap().bytes().await.unwrap().to_vec()
    }

    /// The files in the media folder, by path.
    fn media(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.folder.path().join("media")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }

    fn spooled(&self) -> usize {
        self.storage.0.spool.files().len()
    }
}

/// A small, a spooled and a multipart body.
fn bodies() -> [Vec<u8>; 3] {
    [b"small".to_vec(), vec![7; 3 * IN_MEMORY], (0..20_000_000_u32).map(|nth| (nth % 251) as u8).collect()]
}

#[tokio::test]
async fn what_is_kept_is_found_under_its_digest() {
    for fixture in Fixture::each().await {
        let mut batch = Vec::new();
        for body in bodies() {
            batch.push(fixture.receive(&body).await);
        }
        let kept = fixture.storage.keep(batch).await.unwrap();
        for (kept, body) in kept.iter().zip(bodies()) {
            assert_eq!(kept.path, Storage::artifact_path(kept.digests.sha256()));
            assert_eq!(kept.size, body.len() as u64);
            assert!(kept.digests.get(Algorithm::Sha512).is_some());
            assert!(fixture.read(&kept.path).await == body);
            assert_eq!(fixture.storage.size(&kept.path).await.unwrap(), Some(kept.size));
        }
        assert_eq!(kept[0].path, "artifact/81/db8ebbbbc69c6c6ad4a6aa92b76e0c08af547da236b9e2c9dbe1d8285a8130");
        assert_eq!(fixture.spooled(), 0);
    }
}

#[tokio::test]
async fn keeping_twice_is_a_success_and_changes_nothing() {
    for fixture in Fixture::each().await {
        for body in bodies() {
            let first = fixture.storage.keep_one(fixture.receive(&body).await).await.unwrap();
            let before =
                fixture.storage.local_path(&first.path).map(|path| fs::metadata(path).unwrap().modified().unwrap());
            let again = vec![fixture.receive(&body).await, fixture.receive(&body).await];
            for second in fixture.storage.keep(again).await.unwrap() {
                assert_eq!(second, first);
            }
            let after =
                fixture.storage.local_path(&first.path).map(|path| fs::metadata(path).unwrap().modified().unwrap());
            assert_eq!(before, after);
            assert!(fixture.read(&first.path).await == body);
        }
        assert_eq!(fixture.spooled(), 0);
    }
}

#[tokio::test]
async fn the_ruin_of_a_crash_is_replaced() {
    let fixture = Fixture::folder(true).await;
    for body in bodies() {
        let kept = fixture.storage.keep_one(fixture.receive(&body).await).await.unwrap();
        // What a power cut makes of bytes that were on their way to the disk: none of them, or zeros.
        for ruin in [Vec::new(), vec![0; body.len()]] {
            fs::write(fixture.storage.local_path(&kept.path).unwrap(), ruin).unwrap();
            fixture.storage.keep_one(fixture.receive(&body).await).await.unwrap();
            assert!(fixture.read(&kept.path).await == body);
        }
    }
}

#[tokio::test]
async fn what_is_not_kept_leaves_nothing() {
    let fixture = Fixture::folder(true).await;
    for body in bodies() {
        drop(fixture.receive(&body).await);
        let wrong = Expected { size: Some(1), ..Expected::default() };
        let stream = stream::iter([Ok(Bytes::from(body))]);
        fixture.storage.receive(stream, &wrong).await.unwrap_err();
    }
    assert_eq!(fixture.spooled(), 0);
    assert_eq!(fixture.media(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn ranges_are_cut_off_at_the_end() {
    for fixture in Fixture::each().await {
        let kept = fixture.storage.keep_one(fixture.receive(b"0123456789").await).await.unwrap();
        let cases: [(Range<u64>, Range<u64>, &[u8]); 6] = [
            (0..10, 0..10, b"0123456789"),
            (3..5, 3..5, b"34"),
            (8..99, 8..10, b"89"),
            (4..4, 4..4, b""),
            (10..11, 10..10, b""),
            (50..60, 10..10, b""),
        ];
        for (asked, got, bytes) in cases {
            let reading = fixture.storage.read(&kept.path, Some(asked)).await.unwrap();
            assert_eq!((reading.size, reading.range.clone()), (10, got));
            assert_eq!(reading.bytes().await.unwrap(), bytes);
        }
    }
}

#[tokio::test]
async fn deleting_what_is_missing_is_a_success() {
    for fixture in Fixture::each().await {
        let kept = fixture.storage.keep_one(fixture.receive(b"gone soon").await).await.unwrap();
        let paths = [kept.path.clone(), Storage::artifact_path(&"0".repeat(64))];
        for _ in 0..2 {
            fixture.storage.delete(&paths).await.unwrap();
            assert!(!fixture.storage.exists(&kept.path).await.unwrap());
            assert!(matches!(fixture.storage.read(&kept.path, None).await, Err(Error::NotFound(_))));
            let range = fixture.storage.read(&kept.path, Some(0..1)).await;
            assert!(matches!(range, Err(Error::NotFound(_))));
        }
    }
}

#[tokio::test]
async fn no_path_leads_out() {
    for fixture in [Fixture::folder(true).await, Fixture::store().await] {
        let secret = fixture.folder.path().join("secret");
        fs::write(&secret, "secret").unwrap();
        let absolute = secret.to_str().unwrap().to_owned();
        let paths = [
            "../secret",
            "artifact/../../secret",
            "%2e%2e/secret",
            "./x",
            "",
            "/",
            "artifact",
            "a\0b",
            &"a".repeat(300),
            &absolute,
        ];
        for path in paths {
            assert!(matches!(fixture.storage.read(path, None).await, Err(Error::NotFound(_))), "{path}");
            assert_eq!(fixture.storage.size(path).await.unwrap(), None, "{path}");
        }
        // A folder is not deleted either; that is refused by the system, or succeeds as missing.
        let outside: Vec<_> = ["../secret", "%2e%2e/secret", &absolute].map(str::to_owned).to_vec();
        fixture.storage.delete(&outside).await.unwrap();
        assert!(secret.exists());
    }
}

#[tokio::test]
async fn digests_that_are_none_name_nothing() {
    let fixture = Fixture::folder(false).await;
    for bad in ["", "a", "é", "ab", "../../../secret"] {
        assert!(!fixture.storage.exists(&Storage::artifact_path(bad)).await.unwrap(), "{bad}");
    }
}

#[tokio::test]
async fn concurrent_batches_are_all_kept() {
    let fixture = Fixture::folder(true).await;
    keeps_concurrent_batches(&fixture).await;
    assert_eq!(fixture.media().len(), 4 * 20);
    keeps_concurrent_batches(&Fixture::store().await).await;
}

async fn keeps_concurrent_batches(fixture: &Fixture) {
    let batches = (0..8_u8).map(|batch| async move {
        let mut received = Vec::new();
        for nth in 0..20_u8 {
            received.push(fixture.receive(&[batch / 2, nth]).await);
        }
        fixture.storage.keep(received).await
    });
    for outcome in futures::future::join_all(batches).await {
        assert_eq!(outcome.unwrap().len(), 20);
    }
    assert_eq!(fixture.spooled(), 0);
}

#[tokio::test]
async fn usage_adds_up() {
    let usage = Fixture::folder(false).await.storage.usage().unwrap().unwrap();
    assert!(usage.total > 0 && usage.used + usage.free <= usage.total);
    assert_eq!(Fixture::store().await.storage.usage().unwrap(), None);
}

#[tokio::test]
async fn a_spool_that_cannot_be_used_is_the_operators_fault() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("spool"), "a file").unwrap();
    let storage = Storage::open(Fixture::config(&folder, false)).await.unwrap();
    assert!(matches!(storage.open_spool().await, Err(Error::Config(_))));
}

#[tokio::test]
async fn files_are_listed_by_when_they_were_touched_and_by_how_their_digests_begin() {
    for fixture in Fixture::each().await {
        let kept = fixture.storage.keep_one(fixture.receive(b"hello").await).await.unwrap();
        let first = u8::from_str_radix(&kept.digests.sha256()[..2], 16).unwrap();
        let (past, future) = (time::Duration::hours(-1), time::Duration::hours(1));
        for (first, since, listed) in [(first, past, false), (first, future, true), (first ^ 1, future, false)] {
            let found = fixture.storage.untouched(first, OffsetDateTime::now_utc() + since).await.unwrap();
            assert_eq!(found, if listed { vec![kept.path.clone()] } else { Vec::new() });
        }
    }
}

#[test]
fn only_what_the_storage_names_counts_as_an_artifacts_file() {
    let digest = "f".repeat(62);
    assert!([digest.as_str(), ".01a1f8ac-f58c-7180-9fe9-a0e8116786ad"].into_iter().all(is_artifact_name));
    assert!(!["", "x", "lost+found", ".nfs0001", &digest[1..], &"z".repeat(62)].into_iter().any(is_artifact_name));
}

#[tokio::test]
async fn what_is_being_kept_again_is_not_removed_and_what_is_unused_is() {
    for fixture in Fixture::each().await {
        removes_what_is_unused(&fixture).await;
    }
}

async fn removes_what_is_unused(fixture: &Fixture) {
    let storage = &fixture.storage;
    let path = storage.keep_one(fixture.receive(b"again").await).await.unwrap().path;
    let nobody = |_| async { Ok(HashSet::new()) };
    let again = storage.keep_one(fixture.receive(b"again").await).await.unwrap();
    assert_eq!(storage.remove_unused(vec![path.clone()], nobody).await.unwrap(), 0);
    drop(again);
    let somebody = |paths: Vec<String>| async { Ok(paths.into_iter().collect()) };
    assert_eq!(storage.remove_unused(vec![path.clone()], somebody).await.unwrap(), 0);
    assert_eq!(storage.remove_unused(vec![path.clone()], nobody).await.unwrap(), 1);
    assert!(!storage.exists(&path).await.unwrap());
}
