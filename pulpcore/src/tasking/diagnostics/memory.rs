//! The memory of this process while a task runs, as a text that gnuplot can draw.

use std::fmt::Write;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

/// Between two samples.
const PAUSE: Duration = Duration::from_millis(500);
/// Of a task that takes longer, the samples become rarer: at most so many are kept.
const MOST: usize = 20_000;
const HEAD: &str = "# Seconds since the task began\tResident memory of the process (MB)\n";

/// Runs `run` to its end and samples meanwhile; no text if this system does not tell.
///
/// The whole process is measured: what other tasks and requests need at the same time is in it.
pub(super) async fn sampled<T>(run: impl Future<Output = T>) -> (T, Option<String>) {
    let begin = Instant::now();
    let (mut samples, mut every) = (Vec::new(), 1_u32);
    let mut take = |samples: &mut Vec<(Duration, u64)>| {
        samples.extend(resident().map(|bytes| (begin.elapsed(), bytes)));
        if samples.len() >= MOST {
            let mut nth = 0_usize;
            samples.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
            every = every.saturating_mul(2);
        }
        every
    };
    let mut run = pin!(run);
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut tick, mut every) = (0_u32, 1);
    let ended = loop {
        tokio::select! {
            ended = &mut run => break ended,
            _ = ticks.tick() => {
                if tick.is_multiple_of(every) {
                    every = take(&mut samples);
                }
                tick = tick.wrapping_add(1);
            }
        }
    };
    take(&mut samples);
    let text = (!samples.is_empty()).then(|| text(&samples));
    (ended, text)
}

fn text(samples: &[(Duration, u64)]) -> String {
    let mut text = HEAD.to_owned();
    for (at, bytes) in samples {
        // A `String` takes everything.
        let _ = writeln!(text, "{:.2}\t{}", at.as_secs_f64(), bytes / 1_000_000);
    }
    text
}

/// Bytes of this process that are in memory, where the system tells.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A task that ends at this time of a clock that nobody waits for.
    async fn task(ends: Duration) -> u8 {
        let mut ticks = interval(ends);
        ticks.tick().await;
        ticks.tick().await;
        7
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_sampled_until_the_end() {
        let (ended, text) = sampled(task(Duration::from_millis(1200))).await;
        assert_eq!(ended, 7);
        if let Some(text) = text {
            let times: Vec<&str> = text.lines().skip(1).map(|line| line.split_once('\t').unwrap().0).collect();
            assert_eq!(times, ["0.00", "0.50", "1.00", "1.20"]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_task_has_rarer_samples_and_not_more_of_them() {
        let (_, text) = sampled(task(PAUSE * 25_000)).await;
        if let Some(text) = text {
            assert!(text.lines().count() < MOST, "{}", text.lines().count());
            assert!(text.lines().last().unwrap().starts_with("12500.00\t"), "{:?}", text.lines().last());
        }
    }
}
