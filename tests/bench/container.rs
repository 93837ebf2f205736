//! The registry: a manifest to many connections and a large layer to few, beside Debian's `docker-registry` with the same
//! image in the same runs.
//!
//! Neither writes a line a request. One client generates the load of both.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use super::content::QUIET;
use super::docker_registry;
use super::figure::{Figure, Table, Target, Unit};
use super::image::Image;
use super::lab::{Database, Lab, Subject};
use super::load::{self, Measured, Requests};
use super::peer::Peer;

/// Over how many connections the manifest is asked for, and the layer.
const CONNECTIONS: (u32, u32) = (32, 4);

/// How large the layer is, in bytes.
const LAYER: usize = 50 << 20;

/// For how long each is asked for.
const TIME: Duration = Duration::from_secs(3);

pub(crate) async fn measure(lab: &Lab, database: Database, runs: u32, table: &mut Table) -> Result<()> {
    let settings = lab.room().join("quiet-registry.toml");
    std::fs::write(&settings, QUIET)?;
    let image = Image::new(LAYER)?;
    let subject = lab.server(database).await?;
    image.push(subject.server.address()).await?;
    // What pushing took does not count as memory.
    let subject = subject.again(lab, &["--settings", settings.to_str().context("the room's path is text")?]).await?;
    let peer = docker_registry::start(lab.room()).await?;
    image.push(peer.address()).await?;
    let measured = in_turns(&subject, &peer, &image, database, runs, table).await;
    peer.stop().await?;
    measured?;
    subject.stop().await
}

/// Asks one and the other.
async fn in_turns(
    subject: &Subject,
    peer: &Peer,
    image: &Image,
    database: Database,
    runs: u32,
    table: &mut Table,
) -> Result<()> {
    let beside = |figure: Figure| figure.beside("docker-registry");
    let mut rate = beside(Figure::new("1 KiB manifest, 32 connections", Unit::PerSecond, Target::RatioAtLeast(1.0)));
    let mut half = beside(Figure::seconds("half of them within", Target::None));
    let mut most = beside(Figure::seconds("99 of 100 within", Target::None));
    let mut layer = beside(Figure::new("50 MiB layer, 4 connections", Unit::Throughput, Target::RatioAtLeast(1.0)));
    let mut memory = beside(Figure::new("peak memory", Unit::Bytes, Target::None));
    let (manifest_request, layer_request) = (Image::manifest_request(), image.layer_request());
    for _ in 0..runs {
        let own = ask(subject.server.address(), &manifest_request, CONNECTIONS.0).await?;
        let other = ask(peer.address(), &manifest_request, CONNECTIONS.0).await?;
        rate.add(own.rate);
        rate.peer(other.rate);
        half.took(own.percentile(50));
        half.peer(other.percentile(50).as_secs_f64());
        most.took(own.percentile(99));
        most.peer(other.percentile(99).as_secs_f64());
        layer.add(ask(subject.server.address(), &layer_request, CONNECTIONS.1).await?.throughput);
        layer.peer(ask(peer.address(), &layer_request, CONNECTIONS.1).await?.throughput);
        memory.add(subject.server.peak_memory()? as f64);
        memory.peer(peer.peak_memory()? as f64);
    }
    for figure in [rate, half, most, layer, memory] {
        table.add(database, figure)?;
    }
    Ok(())
}

/// Sends one request again and again.
async fn ask(address: &str, request: &[u8], connections: u32) -> Result<Measured> {
    let request = request.to_vec();
    let requests: Requests = Arc::new(move |_| request.clone());
    // So that no first time is measured.
    load::measured(address, connections, Duration::from_millis(300), &requests).await?;
    load::measured(address, connections, TIME, &requests).await
}
