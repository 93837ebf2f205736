//! The guard as its users meet it: every story on a server of its own, on each database.

mod shelf;
mod x509;

// Named, so that the plugin is linked.
use pulp_certguard as _;
