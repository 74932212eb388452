//! Where the stack is, and as whom it is operated: as the SDK's standard chain has it. Variables of the environment
//! come first; what they don't say, the profile does (`AWS_PROFILE`), which may sign on, assume roles or run a
//! program, or the machine (a web identity, a container, an instance).

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_adapters::{Environment, EnvironmentError, Proxies, http_client_through, process_variable};
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileSet};
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_runtime::env_config::EnvConfigValue;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::region::Region;
use terminal::note;
use tokio::sync::Mutex;

use crate::failure::{Failure, in_full};

const PROFILE: &str = "AWS_PROFILE";
const ENDPOINT: &str = "AWS_ENDPOINT_URL";
const KEYS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
const TOKEN: &str = "AWS_SESSION_TOKEN";

/// The services whose endpoints a variable or a profile may name, by their ids.
const SERVICES: [(&str, &str); 10] = [
    ("AWS_ENDPOINT_URL_DYNAMODB", "DynamoDB"),
    ("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", "DynamoDB Streams"),
    ("AWS_ENDPOINT_URL_SQS", "SQS"),
    ("AWS_ENDPOINT_URL_SCHEDULER", "Scheduler"),
    ("AWS_ENDPOINT_URL_EVENTBRIDGE", "EventBridge"),
    ("AWS_ENDPOINT_URL_CLOUDFORMATION", "CloudFormation"),
    ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "CloudWatch Logs"),
    ("AWS_ENDPOINT_URL_IAM", "IAM"),
    ("AWS_ENDPOINT_URL_LAMBDA", "Lambda"),
    ("AWS_ENDPOINT_URL_SERVICE_QUOTAS", "Service Quotas"),
];

/// Credentials that last for less than that are asked for anew.
const RENEWED_BEFORE: Duration = Duration::from_mins(5);

/// An instance's metadata are next door or nowhere: who has no credentials at all should not wait to hear so.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// A place that was found.
pub(crate) struct Place {
    pub(crate) environment: Environment,
    chosen: Chosen,
}

impl Place {
    /// The endpoint of a service that somebody named, in its own variable, the one for all, or the profile; none for
    /// AWS's own.
    pub(crate) fn endpoint(&self, variable: &str) -> Option<String> {
        let own = self.chosen.variable(variable);
        own.or_else(|| self.chosen.variable(ENDPOINT))
    }
}

/// Finds out where the stack is and has credentials given, so that what is wrong with them is told before anything
/// is asked.
pub(crate) async fn find(proxies: &Proxies) -> Result<Place, Failure> {
    let set = |name: &str| process_variable(name).is_some_and(|value| !value.is_empty());
    let chosen = Chosen::read().await;
    if KEYS.into_iter().any(set) {
        // Whoever gives keys needs no profile, and one that can't be read is only told of.
        let chosen = chosen.unwrap_or_else(|unread| {
            note!("warning: {unread}");
            Chosen::none()
        });
        let environment = Environment::read(|name| chosen.variable(name))?;
        return Ok(Place { environment, chosen });
    }
    let chosen = chosen?;
    chosen.check_named()?;
    // Region and endpoints, before anybody is asked for credentials.
    let mut environment = Environment::read(|name| match name {
        _ if KEYS.contains(&name) => Some("checked-below".to_owned()),
        TOKEN => None,
        _ => chosen.variable(name),
    })?;
    let provider = Kept::new(chosen.chain(&environment, proxies));
    let credentials = provider.provide_credentials().await;
    let credentials = credentials.map_err(|error| chosen.without_credentials(&error))?;
    // They end in headers as those of the environment do.
    Environment::read(|name| match name {
        "AWS_ACCESS_KEY_ID" => Some(credentials.access_key_id().to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some(credentials.secret_access_key().to_owned()),
        TOKEN => credentials.session_token().map(str::to_owned),
        _ => chosen.variable(name),
    })
    .map_err(
        |EnvironmentError {
             name,
             problem,
             expected,
         }| {
            Failure::Failed(format!(
                "{} gives credentials that no request can carry: what would be {name} {problem}; {expected}",
                chosen.source()
            ))
        },
    )?;
    environment.credentials = SharedCredentialsProvider::new(provider);
    Ok(Place { environment, chosen })
}

/// The profile that counts.
struct Chosen {
    profiles: ProfileSet,
    name: String,
    /// Whether somebody named it.
    named: bool,
}

impl Chosen {
    /// The profile that `AWS_PROFILE` names, or the default one; of that there need not be any.
    async fn read() -> Result<Self, Failure> {
        let named = process_variable(PROFILE).filter(|name| !name.is_empty());
        let name = named.clone().unwrap_or_else(|| "default".to_owned());
        let files = EnvConfigFiles::default();
        let selected = Some(name.clone().into());
        let profiles = aws_config::profile::load(&Fs::real(), &Env::real(), &files, selected).await;
        let profiles = profiles.map_err(|error| {
            Failure::Usage(format!(
                "the profiles in {} can't be read: {}",
                files_read(),
                in_full(&error)
            ))
        })?;
        Ok(Self {
            profiles,
            name,
            named: named.is_some(),
        })
    }

    /// No profile at all.
    fn none() -> Self {
        Self {
            profiles: ProfileSet::default(),
            name: "default".to_owned(),
            named: false,
        }
    }

    /// Refuses a profile that somebody named and that is not there.
    fn check_named(&self) -> Result<(), Failure> {
        if !self.named || self.profiles.get_profile(&self.name).is_some() {
            return Ok(());
        }
        let mut known: Vec<_> = self.profiles.profiles().collect();
        known.sort_unstable();
        let known = if known.is_empty() {
            "there is none there".to_owned()
        } else {
            format!("there are {}", known.join(", "))
        };
        Err(Failure::Usage(format!(
            "{PROFILE} names profile {}, which is not in {}; {known}",
            self.name,
            files_read()
        )))
    }

    /// What a variable is, or what the profile says in its place. Variables that say the same for several services
    /// come before the profile, too.
    fn variable(&self, name: &str) -> Option<String> {
        let own = process_variable(name).filter(|value| !value.is_empty());
        own.or_else(|| match name {
            // The last that a region is looked for in.
            "AWS_DEFAULT_REGION" => self.profiles.get("region").map(str::to_owned),
            _ if process_variable(ENDPOINT).is_some_and(|url| !url.is_empty()) => None,
            _ => {
                let (_, service) = SERVICES.into_iter().find(|(variable, _)| *variable == name)?;
                self.endpoint(service)
            }
        })
    }

    /// The endpoint of a service that the profile names, in its `services` section or for all.
    fn endpoint(&self, service: &str) -> Option<String> {
        let yes = |value: &str| value.eq_ignore_ascii_case("true");
        let ignored = process_variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
            .is_some_and(|value| yes(&value))
            || self
                .profiles
                .get("ignore_configured_endpoint_urls")
                .is_some_and(yes);
        if ignored {
            return None;
        }
        let key = EnvConfigValue::new().profile("endpoint_url").service_id(service);
        let variables = Env::real();
        let (url, _) = key.load(&variables, Some(&self.profiles))?;
        Some(url.into_owned())
    }

    /// Who is asked for credentials, one after the other.
    fn chain(&self, environment: &Environment, proxies: &Proxies) -> CredentialsProviderChain {
        let config =
            ProviderConfig::without_region().with_region(Some(Region::new(environment.region.clone())));
        let through = config.clone().with_http_client(http_client_through(proxies));
        // What the machine gives is asked for on the machine.
        let direct = config.with_http_client(http_client_through(&Proxies::default()));
        let metadata = imds::Client::builder()
            .configure(&direct)
            .max_attempts(1)
            .connect_timeout(METADATA_TIMEOUT)
            .read_timeout(METADATA_TIMEOUT)
            .build();
        let instance = || {
            ImdsCredentialsProvider::builder()
                .configure(&direct)
                .imds_client(metadata.clone())
                .build()
        };
        let container = || EcsCredentialsProvider::builder().configure(&direct).build();
        let profile = ProfileFileCredentialsProvider::builder()
            .configure(&through)
            .profile_name(&self.name)
            .with_custom_provider("Ec2InstanceMetadata", instance())
            .with_custom_provider("EcsContainer", container());
        let web_identity = WebIdentityTokenCredentialsProvider::builder().configure(&through);
        let chain = CredentialsProviderChain::first_try("profile", profile.build())
            .or_else("web identity", web_identity.build())
            .or_else("container", container());
        // An emulator is no place that an instance's role is for.
        if environment.sqs_endpoint.is_some() {
            chain
        } else {
            chain.or_else("instance", instance())
        }
    }

    fn source(&self) -> String {
        if self.named || self.profiles.get_profile(&self.name).is_some() {
            format!("profile {}", self.name)
        } else {
            "the environment".to_owned()
        }
    }

    /// Why there are no credentials, and what to do.
    fn without_credentials(&self, error: &CredentialsError) -> Failure {
        if let Some(profile) = self.signs_on() {
            return Failure::Failed(format!(
                "profile {profile} signs on, and its sign-on gives no credentials: {}. Sign in, and try again:\n  \
                 aws sso login --profile {profile}",
                in_full(error)
            ));
        }
        if matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
            return if self.named {
                Failure::Usage(format!(
                    "profile {} says of no credentials how to get them; it needs keys, sso_session, role_arn with \
                     source_profile, or credential_process ({})",
                    self.name,
                    files_read()
                ))
            } else {
                Failure::NoCredentials
            };
        }
        Failure::Failed(format!(
            "{source} gives no credentials: {}. What the AWS CLI can do and this program can't (a code of a second \
             factor, `aws login`) it does with\n  eval \"$(aws configure export-credentials --profile {profile} \
             --format env)\"",
            in_full(error),
            source = self.source(),
            profile = self.name
        ))
    }

    /// The profile whose single sign-on the credentials come from, if they do: this one, or one whose role it
    /// takes on.
    fn signs_on(&self) -> Option<&str> {
        let mut name = self.name.as_str();
        // Profiles may name each other in a circle.
        for _ in 0..10 {
            let profile = self.profiles.get_profile(name)?;
            if profile
                .get("sso_session")
                .or(profile.get("sso_start_url"))
                .is_some()
            {
                return Some(profile.name());
            }
            name = profile.get("source_profile")?;
        }
        None
    }
}

/// The files that profiles are in.
fn files_read() -> String {
    let file = |variable, usual: &str| process_variable(variable).unwrap_or_else(|| usual.to_owned());
    format!(
        "{} and {}",
        file("AWS_CONFIG_FILE", "~/.aws/config"),
        file("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
    )
}

/// Credentials that are kept for all clients until they end: each client of the SDK keeps its own, and a person who
/// gives a finger or a code for them is asked once.
struct Kept<P> {
    provider: P,
    last: Mutex<Option<Credentials>>,
}

impl<P: ProvideCredentials> Kept<P> {
    fn new(provider: P) -> Self {
        Self {
            provider,
            last: Mutex::default(),
        }
    }

    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let mut last = self.last.lock().await;
        let lasts = |kept: &&Credentials| {
            let until = kept.expiry();
            until.is_none_or(|until| until > SystemTime::now() + RENEWED_BEFORE)
        };
        if let Some(kept) = last.as_ref().filter(lasts) {
            return Ok(kept.clone());
        }
        let fresh = self.provider.provide_credentials().await?;
        *last = Some(fresh.clone());
        Ok(fresh)
    }
}

impl<P: ProvideCredentials> ProvideCredentials for Kept<P> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

impl<P: fmt::Debug> fmt::Debug for Kept<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}
