//! Figures: what was measured, what was promised, and how both are shown.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::lab::Database;

/// What the numbers of a figure are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Seconds,
    PerSecond,
    /// Bytes in a second.
    Throughput,
    Bytes,
}

impl Unit {
    fn show(self, number: f64) -> String {
        const MIB: f64 = 1024.0 * 1024.0;
        match self {
            Self::Seconds if number < 1e-3 => format!("{:.0} µs", number * 1e6),
            Self::Seconds if number < 1.0 => format!("{:.1} ms", number * 1e3),
            Self::Seconds => format!("{number:.2} s"),
            Self::PerSecond => format!("{number:.0}/s"),
            Self::Throughput => format!("{:.0} MiB/s", number / MIB),
            Self::Bytes => format!("{:.0} MiB", number / MIB),
        }
    }
}

/// What was promised.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// At most so many times the peer's number.
    RatioAtMost(f64),
    /// At least so many times the peer's number.
    RatioAtLeast(f64),
    /// Nothing: the figure helps to read the others.
    None,
}

/// What runs beside the server, and its number in each run.
#[derive(Debug)]
struct Peer {
    name: &'static str,
    runs: Vec<f64>,
}

/// One thing that was measured, in several runs.
#[derive(Debug)]
pub(crate) struct Figure {
    name: &'static str,
    unit: Unit,
    runs: Vec<f64>,
    target: Target,
    peer: Option<Peer>,
}

impl Figure {
    pub(crate) fn new(name: &'static str, unit: Unit, target: Target) -> Self {
        Self { name, unit, runs: Vec::new(), target, peer: None }
    }

    pub(crate) fn seconds(name: &'static str, target: Target) -> Self {
        Self::new(name, Unit::Seconds, target)
    }

    /// Compares with something that is measured in the same runs.
    pub(crate) fn beside(mut self, peer: &'static str) -> Self {
        self.peer = Some(Peer { name: peer, runs: Vec::new() });
        self
    }

    pub(crate) fn add(&mut self, number: f64) {
        self.runs.push(number);
    }

    pub(crate) fn took(&mut self, time: Duration) {
        self.add(time.as_secs_f64());
    }

    /// The peer's number in the run whose own number was added last.
    pub(crate) fn peer(&mut self, number: f64) {
        if let Some(peer) = &mut self.peer {
            peer.runs.push(number);
        }
    }

    fn ratio(&self) -> Option<f64> {
        let peer = self.peer.as_ref()?;
        let ratios: Vec<f64> = self.runs.iter().zip(&peer.runs).map(|(own, peer)| own / peer).collect();
        median(&ratios)
    }

    /// Whether the promise holds; none when there is none, or nothing was measured.
    fn holds(&self) -> Option<bool> {
        let figure = median(&self.runs)?;
        match self.target {
            Target::AtMost(most) => Some(figure <= most),
            Target::AtLeast(least) => Some(figure >= least),
            Target::RatioAtMost(most) => Some(self.ratio()? <= most),
            Target::RatioAtLeast(least) => Some(self.ratio()? >= least),
            Target::None => None,
        }
    }

    fn json(&self, database: Database) -> Value {
        json!({
            "name": self.name,
            "database": database.to_string(),
            "unit": format!("{:?}", self.unit).to_lowercase(),
            "figure": median(&self.runs),
            "runs": self.runs,
            "target": self.promised(),
            "peer": self.peer.as_ref().map(|peer| json!({ "name": peer.name, "runs": peer.runs })),
            "ratio": self.ratio(),
            "holds": self.holds(),
        })
    }

    fn promised(&self) -> String {
        match self.target {
            Target::AtMost(most) => format!("≤ {}", self.unit.show(most)),
            Target::AtLeast(least) => format!("≥ {}", self.unit.show(least)),
            Target::RatioAtMost(most) => format!("≤ {most:.2} x peer"),
            Target::RatioAtLeast(least) => format!("≥ {least:.2} x peer"),
            Target::None => String::new(),
        }
    }
}

/// A line of the table, without the database.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = median(&self.runs).map_or("-".to_owned(), |figure| self.unit.show(figure));
        let ratio = self.ratio().zip(self.peer.as_ref());
        let ratio = ratio.map_or(String::new(), |(ratio, peer)| format!("{ratio:.2} x {}", peer.name));
        let verdict = match self.holds() {
            Some(true) => "ok",
            Some(false) => "OVER",
            None => "",
        };
        write!(f, "{shown:>12}  {:<14}  {ratio:<32}  {verdict}", self.promised())
    }
}

/// All figures so far. Each is printed as soon as it is known, because the next one may take a minute.
#[derive(Debug)]
pub(crate) struct Table {
    conditions: String,
    figures: Vec<(Database, Figure)>,
}

impl Table {
    pub(crate) fn begin(conditions: &str) -> Result<Self> {
        let table = Self { conditions: conditions.to_owned(), figures: Vec::new() };
        let heads = ["what", "database", "measured", "promised", "ratio"];
        say(&format!(
            "{conditions}\n\n{:<46}{:<10}{:>12}  {:<14}  {}",
            heads[0], heads[1], heads[2], heads[3], heads[4]
        ))?;
        Ok(table)
    }

    pub(crate) fn add(&mut self, database: Database, figure: Figure) -> Result<()> {
        say(&format!("{:<46}{:<10}{figure}", figure.name, database.to_string()))?;
        self.figures.push((database, figure));
        Ok(())
    }

    pub(crate) fn holds(&self) -> bool {
        self.figures.iter().all(|(_, figure)| figure.holds() != Some(false))
    }

    /// Writes every single measurement.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let figures: Vec<Value> = self.figures.iter().map(|(database, figure)| figure.json(*database)).collect();
        let text = serde_json::to_string_pretty(&json!({ "conditions": self.conditions, "figures": figures }))?;
        std::fs::write(file, text + "\n").with_context(|| format!("{} cannot be written", file.display()))
    }
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{}", line.trim_end())?)
}

/// The middle one, or the mean of the two in the middle.
fn median(numbers: &[f64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_the_runs_counts() {
        assert_eq!(median(&[3.0, 100.0, 1.0]), Some(3.0));
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_promise_is_kept_up_to_its_bound_and_no_further() {
        let of = |target, number| {
            let mut figure = Figure::seconds("x", target);
            figure.add(number);
            figure.holds()
        };
        assert_eq!(of(Target::AtMost(0.03), 0.03), Some(true));
        assert_eq!(of(Target::AtMost(0.03), 0.031), Some(false));
        assert_eq!(of(Target::AtLeast(400.0), 399.0), Some(false));
        assert_eq!(of(Target::None, 1.0), None);
    }

    #[test]
    fn a_ratio_compares_the_two_numbers_of_each_run() {
        let mut figure = Figure::seconds("x", Target::RatioAtMost(2.5)).beside("the peer");
        for (own, peer) in [(2.0, 1.0), (30.0, 10.0), (4.0, 2.0)] {
            figure.add(own);
            figure.peer(peer);
        }
        assert_eq!(figure.ratio(), Some(2.0));
        assert_eq!(figure.holds(), Some(true));
        assert_eq!(figure.to_string().split_whitespace().last(), Some("ok"));
    }
}
