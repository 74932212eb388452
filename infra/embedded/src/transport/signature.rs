//! A signature for requests that don't leave this process.

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::{
    AuthScheme, AuthSchemeEndpointConfig, AuthSchemeId, SharedAuthScheme, Sign,
};
use aws_smithy_runtime_api::client::identity::{Identity, SharedIdentityResolver};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::{GetIdentityResolver, RuntimeComponents};
use aws_smithy_types::config_bag::ConfigBag;

/// Stands in for AWS's Signature Version 4, by the name of which the SDK's clients choose how to sign: pass it to
/// `push_auth_scheme` of a client's configuration.
///
/// Whose key it is stands in the header as always, so a client still needs credentials. The rest is not computed:
/// nobody here checks it, and the digests would take as long as many a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct UncheckedSignature;

impl UncheckedSignature {
    /// For several clients.
    pub fn shared() -> SharedAuthScheme {
        SharedAuthScheme::new(Self)
    }
}

impl AuthScheme for UncheckedSignature {
    fn scheme_id(&self) -> AuthSchemeId {
        AuthSchemeId::from("sigv4")
    }

    fn identity_resolver(&self, resolvers: &dyn GetIdentityResolver) -> Option<SharedIdentityResolver> {
        resolvers.identity_resolver(self.scheme_id())
    }

    fn signer(&self) -> &dyn Sign {
        self
    }
}

impl Sign for UncheckedSignature {
    fn sign_http_request(
        &self,
        request: &mut HttpRequest,
        identity: &Identity,
        _endpoint: AuthSchemeEndpointConfig<'_>,
        _components: &RuntimeComponents,
        _config: &ConfigBag,
    ) -> Result<(), BoxError> {
        let credentials: &Credentials = identity
            .data()
            .ok_or("a request to AWS is signed with credentials of AWS, and these are others")?;
        let key = credentials.access_key_id();
        request.headers_mut().insert(
            "authorization",
            format!("AWS4-HMAC-SHA256 Credential={key}, SignedHeaders=host, Signature=unchecked"),
        );
        Ok(())
    }
}
