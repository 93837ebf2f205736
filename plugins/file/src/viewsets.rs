//! Which URLs there are: one registration a noun, beside its actions of its own.

use pulpcore::plugin::{Endpoint, Noun, Ref, register};

use crate::models::{FileContent, FileDistribution, FilePublication, FileRemote, FileRepository};
use crate::serializers::FileRepositorySyncUrl;
use crate::tasks::Synchronize;

register!(Noun::content::<FileContent>());
register!(Noun::remote::<FileRemote>());
register!(Noun::repository::<FileRepository>().actions(|| vec![sync()]));
register!(Noun::publication::<FilePublication>());
register!(Noun::distribution::<FileDistribution>());

/// `POST repositories/file/file/{pulp_id}/sync/`.
fn sync() -> Endpoint {
    Endpoint::action::<FileRepository, FileRepositorySyncUrl, _, _>(
        "sync",
        "Sync from a remote",
        |cx, id, body| async move {
            let FileRepositorySyncUrl { remote, mirror, optimize } = body;
            cx.dispatch(Synchronize { repository: Ref::new(id), remote, mirror, optimize }).await
        },
    )
}
