//! Lines of the log, from the moment when a task writes them to the transaction that makes rows of them.
//!
//! They belong to the process, as its log does, and wait by task; only tasks that run here have a place ([`open`] to
//! [`close`]). Memory and table are bounded: a line that does not fit is counted, and the count is told in its place.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Event, LOG};
use crate::db::now;

/// Lines of one task that wait at a time.
const WAITING: usize = 1000;

/// Lines of one task in all.
const IN_ALL: usize = 10_000;

/// A line as it was written.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) at: OffsetDateTime,
    pub(super) level: &'static str,
    pub(super) target: String,
    pub(super) message: String,
    pub(super) fields: Map<String, Value>,
}

impl Line {
    pub(super) fn event(self, task: Uuid) -> Event {
        let Self { at, level, target, message, fields } = self;
        let body = json!({ "level": level, "target": target, "message": message, "fields": fields });
        Event { at: Some(at), ..Event::new(task, LOG, body) }
    }

    /// A line of ours about those that are not there.
    fn about(message: String) -> Self {
        Self { at: now(), level: "WARN", target: module_path!().to_owned(), message, fields: Map::new() }
    }
}

/// The lines of one task that runs here.
#[derive(Debug)]
struct Waiting {
    /// Whom to tell that there are some.
    news: Arc<Notify>,
    lines: Vec<Line>,
    in_all: usize,
    left_out: usize,
    /// The task is about to end: who ends it takes the rest along.
    sealed: bool,
}

static OPEN: Mutex<BTreeMap<Uuid, Waiting>> = Mutex::new(BTreeMap::new());

/// How many tasks have a place: as long as none has, a line costs no more than this look.
static TASKS: AtomicUsize = AtomicUsize::new(0);

/// A task begins to run here. `news` hears of its lines.
pub(in crate::tasking) fn open(task: Uuid, news: Arc<Notify>) {
    let waiting = Waiting { news, lines: Vec::new(), in_all: 0, left_out: 0, sealed: false };
    let mut open = lock();
    open.insert(task, waiting);
    TASKS.store(open.len(), Ordering::Relaxed);
}

/// A task runs here no more; what it still says is not kept.
pub(in crate::tasking) fn close(task: Uuid) {
    let mut open = lock();
    open.remove(&task);
    TASKS.store(open.len(), Ordering::Relaxed);
}

/// Whether any task has a place.
pub(super) fn any() -> bool {
    TASKS.load(Ordering::Relaxed) > 0
}

/// A task says something.
pub(super) fn push(task: Uuid, line: Line) {
    if let Some(waiting) = lock().get_mut(&task) {
        waiting.push(line);
    }
}

/// Those of the tasks that have said something since the last time.
pub(super) fn talking(tasks: &[Uuid]) -> Vec<Uuid> {
    let open = lock();
    let talks = |task: &&Uuid| open.get(*task).is_some_and(|waiting| !waiting.sealed && !waiting.lines.is_empty());
    tasks.iter().filter(talks).copied().collect()
}

/// Takes what tasks have said, unless they are about to end.
pub(super) fn take(tasks: &[Uuid]) -> Vec<(Uuid, Line)> {
    let mut open = lock();
    let mut taken = Vec::new();
    for task in tasks {
        if let Some(waiting) = open.get_mut(task).filter(|waiting| !waiting.sealed) {
            taken.extend(waiting.take().into_iter().map(|line| (*task, line)));
        }
    }
    taken
}

/// What was taken could not be written: it waits again, before what came later.
pub(super) fn put_back(taken: Vec<(Uuid, Line)>) {
    let mut again = BTreeMap::<Uuid, Vec<Line>>::new();
    for (task, line) in taken {
        again.entry(task).or_default().push(line);
    }
    let mut open = lock();
    for (task, mut lines) in again {
        if let Some(waiting) = open.get_mut(&task) {
            lines.append(&mut waiting.lines);
            waiting.lines = lines;
        }
    }
}

/// What a task has said since the last time, for the transaction that ends it: nobody else takes it from now on. It stays
/// until the task is closed, because the transaction may fail and be tried again.
pub(in crate::tasking) fn seal(task: Uuid) -> Vec<Event> {
    let mut open = lock();
    let Some(waiting) = open.get_mut(&task) else { return Vec::new() };
    waiting.sealed = true;
    waiting.lines = waiting.take();
    waiting.lines.iter().cloned().map(|line| line.event(task)).collect()
}

impl Waiting {
    fn push(&mut self, line: Line) {
        if self.in_all >= IN_ALL {
            return;
        }
        if self.lines.len() >= WAITING {
            self.left_out += 1;
            return;
        }
        self.in_all += 1;
        self.lines.push(line);
        if self.in_all == IN_ALL {
            self.lines.push(Line::about(format!("The rest is left out: of one task {IN_ALL} lines are kept.")));
        }
        if self.lines.len() == 1 {
            self.news.notify_one();
        }
    }

    fn take(&mut self) -> Vec<Line> {
        let mut lines = std::mem::take(&mut self.lines);
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            lines.push(Line::about(format!("{left_out} lines are left out here: too many came at once.")));
        }
        lines
    }
}

fn lock() -> MutexGuard<'static, BTreeMap<Uuid, Waiting>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Uuid {
        let task = Uuid::now_v7();
        open(task, Arc::default());
        task
    }

    fn say(task: Uuid, times: usize) {
        for _ in 0..times {
            push(task, Line::about("Hello.".to_owned()));
        }
    }

    fn last(taken: &[(Uuid, Line)]) -> &str {
        taken.last().map(|(_, line)| line.message.as_str()).unwrap_or_default()
    }

    #[test]
    fn what_comes_too_fast_is_counted_and_the_count_is_told() {
        let task = task();
        say(task, WAITING + 5);
        let events = take(&[task]);
        assert_eq!(events.len(), WAITING + 1);
        assert_eq!(last(&events), "5 lines are left out here: too many came at once.");
        say(task, 1);
        assert_eq!(last(&take(&[task])), "Hello.");
        close(task);
    }

    #[test]
    fn a_task_that_never_stops_talking_is_cut_off_with_a_line_that_says_so() {
        let task = task();
        let mut kept = 0;
        for _ in 0..IN_ALL / WAITING {
            say(task, WAITING);
            let events = take(&[task]);
            kept += events.len();
            if kept > IN_ALL {
                assert!(last(&events).starts_with("The rest is left out"));
            }
        }
        say(task, 1);
        assert_eq!((kept, take(&[task]).len()), (IN_ALL + 1, 0));
        close(task);
    }

    #[test]
    fn what_could_not_be_written_comes_again_before_what_came_later() {
        let task = task();
        push(task, Line::about("First.".to_owned()));
        let taken = take(&[task]);
        say(task, 1);
        put_back(taken);
        let messages: Vec<_> = take(&[task]).into_iter().map(|(_, line)| line.message).collect();
        assert_eq!(messages, ["First.", "Hello."]);
        close(task);
    }

    #[test]
    fn what_is_sealed_goes_with_the_end_and_can_be_asked_for_again() {
        let task = task();
        say(task, 2);
        assert_eq!(talking(&[task]), [task]);
        assert_eq!(seal(task).len(), 2);
        assert!(talking(&[task]).is_empty() && take(&[task]).is_empty());
        assert_eq!(seal(task).len(), 2, "the first transaction failed");
        close(task);
        assert!(seal(task).is_empty());
    }

    #[test]
    fn a_task_that_does_not_run_here_has_no_place() {
        let task = Uuid::now_v7();
        say(task, 1);
        assert!(take(&[task]).is_empty());
    }
}
