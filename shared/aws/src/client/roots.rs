//! Whom a function trusts to be AWS: the roots that its connections' certificates have to lead to.
//!
//! Amazon recommends its five roots for stores of one's own. They are in the executable, because reading the system's
//! certificates, of which there can be hundreds, takes longer than everything else at a function's start. They are
//! for AWS's own endpoints only: an emulator, another partition or a network that intercepts TLS has certificates of
//! its own, and the system knows them.
//!
//! Source: <https://www.amazontrust.com/repository/>, <https://aws.amazon.com/blogs/security/how-to-prepare-for-aws-move-to-its-own-certificate-authority/>

use aws_smithy_http_client::tls::TrustStore;

use crate::client::environment::Environment;

/// One of Amazon's roots.
#[derive(Clone, Copy, Debug)]
struct Root {
    certificate: &'static str,
    /// SHA-256 of the certificate, as Amazon publishes it.
    #[cfg(test)]
    fingerprint: &'static str,
    /// The year in which it ends.
    #[cfg(test)]
    ends: u16,
}

macro_rules! root {
    ($file:literal, $fingerprint:literal, $ends:literal) => {
        Root {
            certificate: include_str!(concat!("../../roots/", $file, ".pem")),
            #[cfg(test)]
            fingerprint: $fingerprint,
            #[cfg(test)]
            ends: $ends,
        }
    };
}

/// Amazon Root CA 1 to 4, and Starfield Services Root Certificate Authority - G2.
const AMAZON: [Root; 5] = [
    root!(
        "amazon-root-ca-1",
        "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
        2038
    ),
    root!(
        "amazon-root-ca-2",
        "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
        2040
    ),
    root!(
        "amazon-root-ca-3",
        "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
        2040
    ),
    root!(
        "amazon-root-ca-4",
        "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
        2040
    ),
    root!(
        "starfield-services-root-ca-g2",
        "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
        2037
    ),
];

/// Whose certificates are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Nobody's: no endpoint speaks TLS.
    None,
    /// Amazon's five.
    Amazons,
    /// The system's, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    Systems,
}

impl Roots {
    /// Those that a function needs in this environment.
    pub(crate) fn of(environment: &Environment) -> Self {
        let endpoints = environment.endpoints();
        let chosen = || endpoints.iter().copied().flatten();
        if chosen().any(|endpoint| !endpoint.starts_with("http://")) {
            return Self::Systems;
        }
        if chosen().count() == endpoints.len() {
            return Self::None;
        }
        if environment.own_certificates || !is_of_main_partition(&environment.region) {
            return Self::Systems;
        }
        Self::Amazons
    }

    /// The certificates.
    pub(crate) fn store(self) -> TrustStore {
        match self {
            Self::None => TrustStore::empty(),
            Self::Amazons => AMAZON.iter().fold(TrustStore::empty(), |store, root| {
                store.with_pem_certificate(root.certificate)
            }),
            Self::Systems => TrustStore::empty().with_native_roots(true),
        }
    }
}

/// Whether a region belongs to the partition `aws`. Those of the others have prefixes of their own.
///
/// Source: <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>
fn is_of_main_partition(region: &str) -> bool {
    let others = ["cn-", "us-gov-", "us-iso", "eu-iso", "eusc-"];
    !others.iter().any(|prefix| region.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use aws_smithy_http_client::tls::TlsContext;
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD as BASE64;
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let given = |name: &str| {
            let given = variables.iter().find(|(variable, _)| *variable == name);
            let always = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
            let value = given.map(|(_, value)| *value);
            value.or_else(|| always.contains(&name).then_some("eu-central-1"))
        };
        Environment::read(|name| given(name).map(str::to_owned)).expect("an environment")
    }

    #[test]
    fn awss_own_endpoints_are_trusted_by_amazons_roots_and_all_others_by_the_systems() {
        let roots = |variables: &[(&str, &str)]| Roots::of(&environment(variables));
        assert_eq!(roots(&[]), Roots::Amazons);
        assert_eq!(roots(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")]), Roots::None);
        assert_eq!(
            roots(&[("AWS_ENDPOINT_URL", "https://aws.example")]),
            Roots::Systems
        );
        assert_eq!(
            roots(&[("AWS_ENDPOINT_URL_SQS", "https://vpce.example")]),
            Roots::Systems
        );
        assert_eq!(
            roots(&[("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1")]),
            Roots::Amazons
        );
        for region in ["cn-north-1", "us-gov-west-1", "eusc-de-east-1"] {
            assert_eq!(roots(&[("AWS_REGION", region)]), Roots::Systems, "{region}");
        }
        assert_eq!(roots(&[("SSL_CERT_FILE", "/etc/own.pem")]), Roots::Systems);
        assert_eq!(roots(&[("SSL_CERT_DIR", "/etc/own")]), Roots::Systems);
    }

    #[test]
    fn the_roots_are_those_that_amazon_publishes() {
        for root in AMAZON {
            let lines = root.certificate.lines().filter(|line| !line.starts_with("-----"));
            let der = BASE64.decode(lines.collect::<String>()).expect("it is Base64");
            let digest = Sha256::digest(der);
            let digest: Vec<_> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digest.concat(), root.fingerprint);
        }
    }

    /// A certificate that can't be parsed would be told by the first connection.
    #[test]
    fn the_roots_make_a_context() {
        let context = TlsContext::builder().with_trust_store(Roots::Amazons.store());
        assert!(context.build().is_ok());
    }

    /// Lambda keeps an executable for as long as nobody deploys another: a year is the time to renew it in.
    #[test]
    fn no_root_ends_within_a_year() {
        let year = Duration::from_secs(31_556_952);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("it is after 1970");
        for root in AMAZON {
            let end = year * u32::from(root.ends - 1970);
            assert!(
                now + year < end,
                "a root in shared/aws/roots ends in {}: take the new ones from \
                 https://www.amazontrust.com/repository/",
                root.ends
            );
        }
    }
}
