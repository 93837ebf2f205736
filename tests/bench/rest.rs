//! Requests a second, and uploads, beside a bare server and bare writes.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use aws_lc_rs::digest::{Context as Hash, SHA256};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use pulpcore::testkit::FixtureServer;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::json;

use super::figure::{Figure, Table, Target, Unit};
use super::lab::{Database, Lab};
use super::load::{self, Requests};
use super::support::Server;
use super::support::api::{Api, text};

/// How many clients ask at a time.
const CLIENTS: u32 = 16;

/// How long each measurement of a rate takes.
const WINDOW: Duration = Duration::from_secs(2);

/// The large upload: its size, and the size of its parts.
const UPLOAD: (usize, usize) = (500 << 20, 10 << 20);

pub(crate) async fn measure(lab: &Lab, database: Database, runs: u32, table: &mut Table) -> Result<()> {
    let subject = lab.server(database).await?;
    let (api, address) = (subject.server.api()?, subject.server.address().to_owned());
    let remote = super::sync::files().await;
    let repository = api.repository("small", &remote.url("small/PULP_MANIFEST"), "on_demand").await?;
    api.done(&format!("{repository}sync/"), &json!({})).await?;

    let page = "/pulp/api/v3/content/file/files/?limit=100";
    for (name, path, least) in [
        ("GET one repository, 16 clients", repository.as_str(), 3000.0),
        ("GET a page of 100 units, 16 clients", page, 400.0),
    ] {
        let mut figure = Figure::new(name, Unit::PerSecond, Target::AtLeast(least)).beside("bare server, same bytes");
        let bare = FixtureServer::start().await;
        bare.put("bare", api.get(path).await?.to_string());
        for _ in 0..runs {
            figure.add(load::rate(&address, CLIENTS, WINDOW, &get(path)).await?);
            figure.peer(load::rate(&bare.address().to_string(), CLIENTS, WINDOW, &get("/bare")).await?);
        }
        table.add(database, figure)?;
    }

    let mut alone =
        Figure::new("upload 1 KiB artifacts, 1 client", Unit::PerSecond, Target::None).beside("bare writes");
    let mut many = Figure::new("upload 1 KiB artifacts, 16 clients", Unit::PerSecond, Target::AtLeast(1000.0))
        .beside("bare writes");
    for run in 0..runs {
        for (figure, clients) in [(&mut many, CLIENTS), (&mut alone, 1)] {
            figure.add(load::rate(&address, clients, WINDOW, &upload(run, clients)).await?);
            figure.peer(bare_writes(lab.room(), clients).await?);
        }
    }
    table.add(database, many)?;
    table.add(database, alone)?;

    let target = Target::AtLeast(300.0 * 1024.0 * 1024.0);
    let mut figure = Figure::new("upload of 500 MiB in chunks", Unit::Throughput, target).beside("bare hash and write");
    for run in 0..runs {
        let (part, sha256) = large(run);
        figure.add(UPLOAD.0 as f64 / chunked(&api, &part, &sha256).await?.as_secs_f64());
        let room = lab.room().to_owned();
        let took = tokio::task::spawn_blocking(move || bare_upload(&room, &part)).await??;
        figure.peer(UPLOAD.0 as f64 / took.as_secs_f64());
    }
    table.add(database, figure)?;
    subject.stop().await
}

/// What every request of the administrator begins with.
fn head(method: &str, path: &str) -> String {
    let (user, password) = Server::ADMIN;
    let credentials = BASE64_STANDARD.encode(format!("{user}:{password}"));
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {credentials}\r\n")
}

fn get(path: &str) -> Requests {
    let request = (head("GET", path) + "\r\n").into_bytes();
    Arc::new(move |_| request.clone())
}

/// Uploads of a file of 1 KiB each, all different.
fn upload(run: u32, clients: u32) -> Requests {
    let head = head("POST", "/pulp/api/v3/artifacts/");
    Arc::new(move |n| {
        let file = format!("{:<1024}", format!("{run} {clients} {n}"));
        let body = format!(
            "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n{file}\r\n--x--\r\n"
        );
        let length = body.len();
        format!("{head}Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {length}\r\n\r\n{body}")
            .into_bytes()
    })
}

/// How many files of 1 KiB so many threads can write a second, each forced to the disk.
async fn bare_writes(room: &Path, threads: u32) -> Result<f64> {
    let folder = tempfile::tempdir_in(room)?;
    let start = Instant::now();
    let writers = (0..threads).map(|thread| {
        let folder = folder.path().to_owned();
        tokio::task::spawn_blocking(move || {
            let mut written = 0_u32;
            while start.elapsed() < WINDOW {
                let mut file = File::create(folder.join(format!("{thread}-{written}")))?;
                file.write_all(&[b'x'; 1024])?;
                file.sync_data()?;
                written += 1;
            }
            std::io::Result::Ok(written)
        })
    });
    let mut written = 0;
    for writer in writers.collect::<Vec<_>>() {
        written += writer.await??;
    }
    Ok(f64::from(written) / start.elapsed().as_secs_f64())
}

/// One part of the large upload and the digest of the whole, which repeats it.
fn large(run: u32) -> (Bytes, String) {
    let (size, part_size) = UPLOAD;
    let mut part = BytesMut::with_capacity(part_size);
    let mut block = Hash::new(&SHA256);
    block.update(&run.to_le_bytes());
    while part.len() < part_size {
        block.update(b"more");
        part.extend_from_slice(block.clone().finish().as_ref());
    }
    part.truncate(part_size);
    let mut whole = Hash::new(&SHA256);
    (0..size / part_size).for_each(|_| whole.update(&part));
    (part.freeze(), hex::encode(whole.finish()))
}

/// From the first request to the finished artifact.
async fn chunked(api: &Api, part: &Bytes, sha256: &str) -> Result<Duration> {
    let (size, part_size) = UPLOAD;
    let start = Instant::now();
    let upload = api.post("uploads/", &json!({ "size": size })).await?;
    let upload = text(&upload, "pulp_href")?;
    for first in (0..size).step_by(part_size) {
        let form = Form::new().part("file", Part::stream(part.clone()).file_name("part"));
        let range = format!("bytes {first}-{}/{size}", first + part_size - 1);
        api.form(Method::PUT, upload, form, &[("Content-Range", &range)]).await?;
    }
    api.done(&format!("{upload}commit/"), &json!({ "sha256": sha256 })).await?;
    Ok(start.elapsed())
}

/// What the same bytes cost without a server: hashed and written once, and forced to the disk.
fn bare_upload(room: &Path, part: &[u8]) -> Result<Duration> {
    let folder = tempfile::tempdir_in(room)?;
    let start = Instant::now();
    let mut file = File::create(folder.path().join("whole"))?;
    let mut hash = Hash::new(&SHA256);
    for _ in 0..UPLOAD.0 / UPLOAD.1 {
        hash.update(part);
        file.write_all(part)?;
    }
    file.sync_data()?;
    std::hint::black_box(hash.finish());
    Ok(start.elapsed())
}
