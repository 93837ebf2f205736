//! Uploads in parts, in a folder and in an object store.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::*;

/// Sends a part whose digest is promised.
pub(super) async fn send(
    storage: &Storage,
    upload: Uuid,
    offset: u64,
    replaces: bool,
    body: &[u8],
) -> Result<Part, ReceiveError> {
    let expected = whole(body);
    let stream = stream::iter(body.chunks(100_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect::<Vec<_>>());
    storage.receive_part(upload, offset, replaces, stream, &expected).await
}

fn whole(body: &[u8]) -> Expected {
    let mut hasher = Hasher::new(&[Algorithm::Sha256]);
    hasher.update(body);
    Expected { size: Some(body.len() as u64), digests: hasher.finish().1, max_size: None }
}

#[tokio::test]
async fn parts_in_any_order_become_an_artifact() {
    for fixture in Fixture::each().await {
        let (storage, upload) = (&fixture.storage, Uuid::now_v7());
        let body = bodies()[2].clone();
        let (head, tail) = body.split_at(7_000_001);
        let mut parts = vec![send(storage, upload, head.len() as u64, false, tail).await.unwrap()];
        let early = storage.assemble(upload, &parts, &whole(&body)).await.unwrap_err();
        assert!(matches!(early, ReceiveError::Failed(Error::Invalid(_))));
        parts.push(send(storage, upload, 0, false, head).await.unwrap());

        let wrong = Expected { size: Some(body.len() as u64), ..whole(b"other") };
        let error = storage.assemble(upload, &parts, &wrong).await.unwrap_err();
        assert_eq!(error.to_string(), "The sha256 checksum did not match.");

        let kept = storage.assemble(upload, &parts, &whole(&body)).await.unwrap();
        assert!(kept.digests.get(Algorithm::Sha512).is_some());
        assert!(fixture.read(&kept.path).await == body);
        storage.discard_upload(upload).await.unwrap();
        assert!(storage.uploads().await.unwrap().is_empty());
        assert!(fixture.read(&kept.path).await == body, "the artifact outlives its upload");
        assert_eq!(fixture.spooled(), 0);
    }
}

#[tokio::test]
async fn a_commit_that_was_cut_off_can_be_repeated() {
    for fixture in Fixture::each().await {
        let (storage, upload) = (&fixture.storage, Uuid::now_v7());
        let parts = [send(storage, upload, 0, false, b"hello world").await.unwrap()];
        let first = storage.assemble(upload, &parts, &whole(b"hello world")).await.unwrap();
        let second = storage.assemble(upload, &parts, &whole(b"hello world")).await.unwrap();
        assert_eq!(first, second);
    }
}

#[tokio::test]
async fn a_bad_replacement_changes_nothing_and_a_good_one_counts() {
    for fixture in Fixture::each().await {
        let (storage, upload) = (&fixture.storage, Uuid::now_v7());
        let first = send(storage, upload, 0, false, b"hello").await.unwrap();
        let bad = Expected { size: Some(5), ..whole(b"other") };
        let stream = stream::iter([Ok(Bytes::from_static(b"HELLO"))]);
        storage.receive_part(upload, 0, true, stream, &bad).await.unwrap_err();
        storage.assemble(upload, std::slice::from_ref(&first), &whole(b"HELLO")).await.unwrap_err();
        let second = send(storage, upload, 0, true, b"HELLO").await.unwrap();
        storage.assemble(upload, &[second], &whole(b"HELLO")).await.unwrap();
    }
}

#[tokio::test]
async fn a_late_part_cannot_reach_the_artifact() {
    let fixture = Fixture::folder(true).await;
    let (storage, upload) = (&fixture.storage, Uuid::now_v7());
    let parts = [send(storage, upload, 0, false, b"hello").await.unwrap()];
    let (sender, receiver) = futures::channel::mpsc::unbounded();
    let expected = Expected::default();
    let late = storage.receive_part(upload, 0, false, receiver, &expected);
    // The part has its file open before the commit, and its bytes come during and after it.
    sender.unbounded_send(Ok(Bytes::from(vec![1; 3 * 1024 * 1024]))).unwrap();
    let promised = whole(b"hello");
    let committed = async {
        let kept = storage.assemble(upload, &parts, &promised).await;
        let _ = sender.unbounded_send(Ok(Bytes::from(vec![1; 3 * 1024 * 1024])));
        drop(sender);
        kept
    };
    let (late, kept) = futures::join!(late, committed);
    match kept {
        Ok(kept) => assert!(late.is_err() && fixture.read(&kept.path).await == b"hello"),
        Err(error) => assert_eq!(error.to_string(), "The size did not match actual size of file."),
    }
}

#[tokio::test]
async fn a_part_is_refused_while_the_upload_is_committed() {
    let fixture = Fixture::folder(true).await;
    let (storage, upload) = (&fixture.storage, Uuid::now_v7());
    send(storage, upload, 0, false, b"hello").await.unwrap();
    let committing = fs::File::open(&fixture.media()[0]).unwrap();
    committing.lock().unwrap();
    let refused = send(storage, upload, 0, false, b"other").await.unwrap_err();
    assert!(matches!(refused, ReceiveError::Failed(Error::Conflict(_))), "{refused}");
    drop(committing);
    send(storage, upload, 0, false, b"other").await.unwrap();
}

#[tokio::test]
async fn parts_in_order_are_not_read_again_unless_somebody_else_wrote() {
    let fixture = Fixture::folder(true).await;
    let another = Storage::open(Fixture::config(&fixture.folder, true)).await.unwrap();
    let body = bodies()[2].clone();
    let (head, tail) = body.split_at(7_000_001);
    for sender in [&fixture.storage, &another] {
        let (storage, upload) = (&fixture.storage, Uuid::now_v7());
        let parts = [
            send(storage, upload, 0, false, head).await.unwrap(),
            send(sender, upload, head.len() as u64, false, tail).await.unwrap(),
        ];
        // What nobody does: the only way to see whether it is read.
        let file = fixture.folder.path().join("media").join(&parts[0].path);
        let file = fs::OpenOptions::new().write(true).open(file).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"!", 0).unwrap();
        let kept = storage.assemble(upload, &parts, &whole(&body)).await;
        match std::ptr::eq(sender, storage) {
            true => assert_eq!(kept.unwrap().digests, digests_of(&body)),
            false => assert_eq!(kept.unwrap_err().to_string(), "The sha256 checksum did not match."),
        }
        storage.discard_upload(upload).await.unwrap();
        storage.delete(&[Storage::artifact_path(whole(&body).digests.sha256())]).await.unwrap();
        assert!(storage.uploads().await.unwrap().is_empty() && fixture.media().is_empty());
    }
}

#[tokio::test]
async fn what_is_promised_late_is_verified_late() {
    for fixture in Fixture::each().await {
        let (storage, upload) = (&fixture.storage, Uuid::now_v7());
        let parts = [
            send(storage, upload, 0, false, b"hello ").await.unwrap(),
            send(storage, upload, 6, false, b"world").await.unwrap(),
        ];
        storage.verify_part(&parts[1], &whole(b"world")).await.unwrap();
        let error = storage.verify_part(&parts[1], &whole(b"hello")).await.unwrap_err();
        assert_eq!(error.to_string(), "The sha256 checksum did not match.");
    }
}

/// However parts come (in order, again, broken, twice at once, to this process or to another), the artifact is what its
/// digests say.
#[tokio::test]
async fn digests_are_those_of_the_bytes_however_they_came() {
    let fixture = Fixture::folder(false).await;
    let another = Storage::open(Fixture::config(&fixture.folder, false)).await.unwrap();
    for seed in 0..60 {
        let mut random = SmallRng::seed_from_u64(seed);
        let upload = Uuid::now_v7();
        // Now and then nothing disturbs.
        let trouble = if seed % 4 == 0 { 0.0 } else { 0.15 };
        let mut parts: Vec<Part> = Vec::new();
        let mut at = 0;
        while at < 20 {
            let place = if random.random_bool(trouble) { random.random_range(0..=at) } else { at };
            let body = vec![random.random::<u8>(); 30_000];
            let offset = place * body.len() as u64;
            let storage = if random.random_bool(trouble) { &another } else { &fixture.storage };
            let replaces = place < at;
            if random.random_bool(trouble) {
                let cut = stream::iter([Ok(Bytes::from(vec![0; 20_000])), Err(Error::internal("it broke off"))]);
                storage.receive_part(upload, offset, replaces, cut, &Expected::default()).await.unwrap_err();
            }
            if random.random_bool(trouble) {
                let twice = send(storage, upload, offset, replaces, &body);
                twice.await.unwrap();
            }
            let part = send(storage, upload, offset, replaces, &body).await.unwrap();
            if !replaces {
                parts.push(part);
                at += 1;
            }
        }
        let file = fs::read(fixture.folder.path().join("media").join(&parts[0].path)).unwrap();
        let kept = fixture.storage.assemble(upload, &parts, &whole(&file)).await.unwrap();
        assert!(fixture.read(&kept.path).await == file, "{seed}");
        assert_eq!(kept.digests, digests_of(&file), "{seed}");
        fixture.storage.discard_upload(upload).await.unwrap();
    }
    assert!(fixture.storage.uploads().await.unwrap().is_empty());
}

/// The digests that the fixture's storages compute.
fn digests_of(body: &[u8]) -> Digests {
    let mut hasher = Hasher::new(&[Algorithm::Sha256, Algorithm::Sha512]);
    hasher.update(body);
    hasher.finish().1
}
