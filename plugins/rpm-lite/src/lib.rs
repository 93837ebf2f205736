//! Repositories of RPM packages, as `dnf` and `zypper` read them.
//!
//! | to learn | read |
//! | --- | --- |

use pulpcore::plugin::{Plugin, register};

register!(Plugin {
    label: "rpm",
    package: "pulp-rpm",
    module: "pulp_rpm.app",
    version: "3.39.4",
    summary: "RPM packages, advisories, modules and groups, for dnf.",
    migrations: migrations::all,
});

mod migrations;
