//! Wake-ups: who waits for work or for news sleeps until there is some.
//!
//! Within the process a wake-up is a counter that is watched, so none is missed. Between processes PostgreSQL carries it,
//! after the commit and never in it (a `NOTIFY` in a transaction makes all commits of a database wait for each other). One
//! that is lost, with a connection or a process, costs time only: everybody also looks now and then.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// The wake-ups of a process. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Wakes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Which messages are its own.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "nobody else is there"))]
    process: Uuid,
    ready: watch::Sender<u64>,
    news: watch::Sender<u64>,
    /// What other processes are to hear, if there may be others.
    outbox: Option<Mutex<Outbox>>,
    post: Notify,
}

/// What others have not been told yet.
#[derive(Debug, Default)]
struct Outbox {
    ready: bool,
    news: bool,
    canceled: Vec<Uuid>,
}

impl Wakes {
    /// `shared`: whether there may be other processes.
    pub(super) fn new(shared: bool) -> Self {
        Self(Arc::new(Inner {
            process: Uuid::now_v7(),
            ready: watch::Sender::new(0),
            news: watch::Sender::new(0),
            outbox: shared.then(Mutex::default),
            post: Notify::new(),
        }))
    }

    /// There is a task to take.
    pub(super) fn ready(&self) {
        bump(&self.0.ready);
        self.tell(|outbox| outbox.ready = true);
    }

    /// Something happened to a task.
    pub(super) fn news(&self) {
        bump(&self.0.news);
        self.tell(|outbox| outbox.news = true);
    }

    /// A task that runs somewhere else was told to stop.
    pub(super) fn canceled(&self, id: Uuid) {
        self.tell(|outbox| outbox.canceled.push(id));
    }

    /// Tasks to take, from now on: the value differs after each.
    pub(super) fn watch_ready(&self) -> watch::Receiver<u64> {
        self.0.ready.subscribe()
    }

    /// What happens to tasks, from now on: the value differs after each.
    pub(super) fn watch_news(&self) -> watch::Receiver<u64> {
        self.0.news.subscribe()
    }

    fn tell(&self, change: impl FnOnce(&mut Outbox)) {
        if let Some(outbox) = &self.0.outbox {
            change(&mut outbox.lock().unwrap_or_else(PoisonError::into_inner));
            self.0.post.notify_one();
        }
    }

    #[cfg(feature = "postgres")]
    fn take(&self) -> Outbox {
        let outbox = self.0.outbox.as_ref();
        outbox
            .map(|outbox| std::mem::take(&mut *outbox.lock().unwrap_or_else(PoisonError::into_inner)))
            .unwrap_or_default()
    }
}

fn bump(counter: &watch::Sender<u64>) {
    counter.send_modify(|n| *n = n.wrapping_add(1));
}

#[cfg(feature = "postgres")]
pub(crate) use self::postgres::{carry, post};

#[cfg(feature = "postgres")]
mod postgres {
    use std::time::Duration;

    use sea_orm::sqlx::Error;
    use sea_orm::sqlx::postgres::PgListener;
    use serde_json::Value;
    use uuid::Uuid;

    use super::{Outbox, bump};
    use crate::db::{Db, exec};
    use crate::error::Result;
    use crate::tasking::Queue;

    const CHANNEL: &str = "pulp_tasks";
    // Followed by the process that says it.
    const READY: &str = "ready ";
    const NEWS: &str = "news ";
    // Followed by the task.
    const CANCEL: &str = "cancel ";
    /// Between two messages of one process: what comes closer together is told together.
    const PAUSE: Duration = Duration::from_millis(5);
    /// Before a connection that was lost is tried again.
    const AGAIN: Duration = Duration::from_secs(1);

    /// Carries wake-ups between this process and the others, for ever.
    pub(crate) async fn carry(queue: Queue) {
        tokio::join!(tell(&queue), listen(&queue));
    }

    /// Tells others now what they have not been told yet.
    pub(crate) async fn post(queue: &Queue) -> Result<()> {
        let Outbox { ready, news, canceled } = queue.wakes.take();
        let mut messages: Vec<Value> = canceled.into_iter().map(|id| format!("{CANCEL}{id}").into()).collect();
        let process = queue.wakes.0.process;
        let kinds = [(ready, READY), (news, NEWS)].into_iter().filter(|(is_said, _)| *is_said);
        messages.extend(kinds.map(|(_, kind)| format!("{kind}{process}").into()));
        let sql = "SELECT pg_notify($1, value) FROM jsonb_array_elements_text($2)";
        exec(queue.db.read(), sql, vec![CHANNEL.into(), Value::Array(messages).into()]).await?;
        Ok(())
    }

    async fn tell(queue: &Queue) {
        loop {
            queue.wakes.0.post.notified().await;
            if let Err(error) = post(queue).await {
                tracing::debug!(error = error.log(), "Other processes were not woken.");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn listen(queue: &Queue) {
        loop {
            let lost = hear(&queue.db, queue).await;
            queue.pulse.hears(false);
            if let Err(error) = lost {
                tracing::debug!(%error, "The connection that hears of wake-ups is lost.");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Ends with the connection.
    async fn hear(db: &Db, queue: &Queue) -> std::result::Result<(), Error> {
        // A connection of its own: it would block one of the pool's for ever.
        let apart = db.apart();
        let mut listener = PgListener::connect_with(apart.read().get_postgres_connection_pool()).await?;
        listener.listen(CHANNEL).await?;
        queue.pulse.hears(true);
        let inner = &queue.wakes.0;
        // Whatever was said before is not heard.
        bump(&inner.ready);
        bump(&inner.news);
        while let Some(message) = listener.try_recv().await? {
            let Some(at) = message.payload().find(' ') else { continue };
            let (kind, id) = message.payload().split_at(at + 1);
            let Ok(id) = Uuid::parse_str(id) else { continue };
            match kind {
                // It was told at once.
                READY | NEWS if id == inner.process => {}
                READY => bump(&inner.ready),
                NEWS => bump(&inner.news),
                CANCEL => drop(queue.interrupt(id)),
                _ => {}
            }
        }
        Ok(())
    }
}
