//! Damage at random, for the tests of what reads strangers' bytes: the same in every run, so that what is found is found again.
//!
//! `PULP_FUZZ_SECONDS` makes each of these tests run for so long with numbers of its own, which `PULP_FUZZ_SEED` repeats, and
//! watches the process's memory. (`cargo nextest` ends a test after a while; run the test's binary:
//! `PULP_FUZZ_SECONDS=600 cargo test -p pulp-rpm-lite --lib no_damage_breaks_the_reader_of_packages`.)

use std::time::{Duration, Instant};

use pulpcore::testkit::peak_memory;

/// By how much the process may grow over a test, in bytes: what is damaged has some kilobytes.
const MOST_MEMORY: u64 = 64 << 20;

/// How often the clock and the memory are looked at, in rounds.
const LOOK: usize = 256;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A generator of numbers (xorshift).
pub(crate) struct Noise(u64);

impl Noise {
    /// Begins with this number in the suite.
    pub(crate) fn new(seed: u64) -> Self {
        if setting("PULP_FUZZ_SECONDS").is_none() {
            return Self(seed);
        }
        let seed = setting("PULP_FUZZ_SEED").unwrap_or_else(|| uuid::Uuid::now_v7().as_u64_pair().1);
        eprintln!("PULP_FUZZ_SEED={seed}");
        Self(seed | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `most`; 0 if that is 0.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }

    /// The bytes, damaged: some changed, parts cut out or doubled, pieces put in, the end cut off.
    pub(crate) fn damage(&mut self, whole: &[u8], pieces: &[&str]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        for _ in 0..self.below(4) + 1 {
            let at = self.below(bytes.len());
            let end = (at + self.below(20)).min(bytes.len());
            match self.below(5) {
                0 if !bytes.is_empty() => bytes[at] = self.next() as u8,
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let part = bytes[at..end].to_vec();
                    bytes.splice(at..at, part);
                }
                3 if !pieces.is_empty() => {
                    let piece = pieces[self.below(pieces.len())];
                    bytes.splice(at..at, piece.bytes());
                }
                _ => bytes.truncate(end.max(1)),
            }
        }
        bytes
    }
}

/// The rounds of a test: `few` of them in the suite.
pub(crate) fn rounds(few: usize) -> impl Iterator<Item = usize> {
    let time = setting("PULP_FUZZ_SECONDS").map(Duration::from_secs);
    let (began, before) = (Instant::now(), held());
    (0..).take_while(move |round| {
        let Some(time) = time else { return *round < few };
        if round % LOOK != 0 {
            return true;
        }
        let grown = held().saturating_sub(before);
        assert!(grown <= MOST_MEMORY, "the process has grown by {grown} bytes in {round} rounds");
        let goes_on = began.elapsed() < time;
        if !goes_on {
            eprintln!("{round} rounds, and {} KiB more than before", grown >> 10);
        }
        goes_on
    })
}

/// The most memory that this process has held at a time, in bytes; 0 where the system does not tell.
fn held() -> u64 {
    peak_memory(std::process::id()).unwrap_or(0)
}
