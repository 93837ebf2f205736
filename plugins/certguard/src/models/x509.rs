//! X.509 guards.

use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::content_guard;
use pulpcore::plugin::{ContentGuard, Detail, GuardRequest};
use sea_orm::entity::prelude::*;

use crate::authority::Authorities;
use crate::serializers::X509CertGuardBody;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "certguard_x509certguard")]
pub struct Model {
    /// The guard's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub contentguard_ptr_id: Uuid,
    /// Whom it trusts, in PEM.
    pub ca_certificate: String,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = content_guard::Entity;
    const TYPE: &'static str = "certguard.x509";
    const MODEL: &'static str = "X509CertGuard";
    const ENDPOINT: &'static str = "x509";
    type Body = X509CertGuardBody;

    fn read(row: &Model) -> X509CertGuardBody {
        X509CertGuardBody { ca_certificate: row.ca_certificate.clone() }
    }

    fn write(row: &mut Model, body: X509CertGuardBody) {
        row.ca_certificate = body.ca_certificate;
    }

    fn check(body: &X509CertGuardBody) -> Result<()> {
        match Authorities::of_pem(&body.ca_certificate) {
            Ok(_) => Ok(()),
            Err(problem) => Err(Error::invalid("ca_certificate", problem)),
        }
    }
}

impl ContentGuard for Entity {
    type Compiled = Authorities;

    async fn compile(_app: &App, row: &Model) -> Result<Authorities> {
        Authorities::of_pem(&row.ca_certificate).map_err(Error::internal)
    }

    async fn permit(_app: &App, authorities: &Authorities, request: &GuardRequest<'_>) -> Result<()> {
        match request.client_certificate() {
            Some(shown) if authorities.vouch_for(shown.chain()) => Ok(()),
            _ => Err(Error::PermissionDenied),
        }
    }
}
