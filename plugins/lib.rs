//! The assembly: core, and the plugins that Cargo's features choose.
//!
//! A crate that nobody names is not linked and its registrations vanish; naming it here links it. A plugin from outside
//! this repository is one more line of the same kind.

pub use pulpcore;

#[cfg(feature = "certguard")]
pub use pulp_certguard as certguard;
#[cfg(feature = "container")]
pub use pulp_container as container;
#[cfg(feature = "file")]
pub use pulp_file as file;
#[cfg(feature = "rpm-lite")]
pub use pulp_rpm_lite as rpm_lite;

/// The labels of the plugins in this build. The server refuses to start if one of them did not register.
pub const PLUGINS: &[&str] = &[
    #[cfg(feature = "certguard")]
    "certguard",
    #[cfg(feature = "container")]
    "container",
    #[cfg(feature = "file")]
    "file",
    #[cfg(feature = "rpm-lite")]
    "rpm",
];

// Where clients look for plugins: a build without one says there what it lacks. With the plugin, its line says nothing.
pulpcore::plugin::register!(pulpcore::plugin::WellKnown {
    label: "container",
    name: "a container registry",
    claims: &["/v2/", "/token/", "/extensions/v2/"],
});
