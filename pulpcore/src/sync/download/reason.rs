//! What a failed transfer is called: a few plain words, of which a client can make something.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use super::body::Broken;
use super::config::Timeouts;
use crate::error::Upstream;

/// Why there is no answer.
pub(super) fn request(error: &reqwest::Error, timeouts: &Timeouts) -> Upstream {
    if error.is_timeout() {
        return timeout(error, timeouts);
    }
    if error.is_builder() {
        return Upstream::Content("not a URL that can be asked for".into());
    }
    if error.is_dns() {
        return Upstream::Connection("the host name cannot be resolved".into());
    }
    Upstream::Connection(cause(error))
}

/// Why a body stops.
pub(super) fn body(error: &reqwest::Error, timeouts: &Timeouts) -> Broken {
    if error.is_timeout() {
        return Broken::Failed(timeout(error, timeouts));
    }
    if io_error(error).is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof) {
        return Broken::Ended;
    }
    Broken::Failed(Upstream::Connection(cause(error)))
}

/// Why a local file cannot be read. Paths are not part of it.
pub(super) fn io(error: &io::Error) -> Upstream {
    Upstream::Connection(error.kind().to_string())
}

fn timeout(error: &reqwest::Error, timeouts: &Timeouts) -> Upstream {
    let seconds = |limit: Duration| limit.as_secs_f64();
    Upstream::Timeout(match *timeouts {
        Timeouts { connect: Some(limit), .. } if error.is_connect() => {
            format!("no connection within {} seconds", seconds(limit))
        }
        Timeouts { read: Some(read), total: Some(total), .. } => {
            format!("nothing came for {} seconds, or not everything within {} seconds", seconds(read), seconds(total))
        }
        Timeouts { read: Some(limit), .. } => format!("nothing came for {} seconds", seconds(limit)),
        Timeouts { total: Some(limit), .. } => format!("not everything came within {} seconds", seconds(limit)),
        _ => "the connection is dead".into(),
    })
}

/// The innermost cause. For what the operating system says, its meaning without numbers.
fn cause(error: &(dyn StdError + 'static)) -> String {
    match io_error(error) {
        Some(error) if error.raw_os_error().is_some() => error.kind().to_string(),
        // The outermost error is left out: it names the URL, which may be a signed one.
        _ => chain(error).skip(1).last().map_or_else(|| "the transfer failed".into(), ToString::to_string),
    }
}

fn io_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    chain(error).find_map(|error| error.downcast_ref())
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}
