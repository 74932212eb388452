//! Profiles, single sign-on and roles: an operator's way to a stack, as the SDK's standard chain has it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::program::{Ran, run};
use testkit::stub::{Answer, Asked, Stub};

use crate::{Library, program};

const NOTHING_THERE: i32 = 3;

/// Somebody's home, with profiles.
struct Home(TempDir);

impl Home {
    fn with(config: &str, credentials: &str) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        fs::write(home.path().join("config"), config).expect("it is written");
        fs::write(home.path().join("credentials"), credentials).expect("it is written");
        Self(home)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// What `aws sso login` keeps of the session called `shop`.
    fn signed_in_until(self, expires_at: &str) -> Self {
        // The SHA-1 of the session's name.
        let file = ".aws/sso/cache/5042d146667518a1a5017644946b8650aafca44c.json";
        let file = self.path().join(file);
        fs::create_dir_all(file.parent().expect("a folder")).expect("it is made");
        let token = json!({
            "startUrl": "https://shop.awsapps.com/start",
            "region": "eu-west-1",
            "accessToken": "a-token",
            "expiresAt": expires_at,
        });
        fs::write(file, token.to_string()).expect("it is written");
        self
    }

    fn lists(&self, variables: &[(&str, &str)]) -> Ran {
        let mut program = program(&["dlq", "list"]);
        program
            .env("HOME", self.path())
            .env("AWS_CONFIG_FILE", self.path().join("config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", self.path().join("credentials"))
            .envs(variables.iter().copied());
        run(program)
    }
}

fn json_answer(status: u16, body: &Value) -> Answer {
    (status, "application/json", body.to_string())
}

/// SQS of a place in which there is no stack.
fn no_queue(_: &Asked) -> Answer {
    json_answer(
        400,
        &json!({ "__type": "com.amazonaws.sqs#AWS.SimpleQueueService.NonExistentQueue", "message": "none" }),
    )
}

/// A place without a stack in which roles can be taken on, and single sign-on is.
fn place(asked: &Asked) -> Answer {
    if asked.body.contains("Action=AssumeRole") {
        let role = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
                    <Credentials><AccessKeyId>of-the-role</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
                    <SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
                    </AssumeRoleResult></AssumeRoleResponse>";
        (200, "text/xml", role.to_owned())
    } else if asked.path.starts_with("/federation/credentials") {
        let credentials = json!({
            "accessKeyId": "of-the-sign-on",
            "secretAccessKey": "secret",
            "sessionToken": "token",
            "expiration": 4_070_908_800_000_u64,
        });
        json_answer(200, &json!({ "roleCredentials": credentials }))
    } else {
        no_queue(asked)
    }
}

/// Who asked the queues, and for which region.
fn last_signed(stub: &Stub) -> (String, String) {
    let asked = stub.asked();
    let to_queues = asked
        .iter()
        .rfind(|asked| asked.headers.contains_key("x-amz-target"));
    let asked = to_queues.unwrap_or_else(|| panic!("no queue was asked for: {asked:?}"));
    (asked.signed_by().to_owned(), asked.region().to_owned())
}

const KEYS: &str = "[shop]\naws_access_key_id = of-the-profile\naws_secret_access_key = secret\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_is_operated_as_the_profile_says_without_any_other_variable() {
    let library = Library::start(false).await;
    let config = format!(
        "[profile shop]\nregion = us-east-1\nendpoint_url = {}\n",
        library.url
    );
    let listed = Home::with(&config, KEYS).lists(&[("AWS_PROFILE", "shop")]);
    assert!(listed.status.success(), "{listed:?}");
}

#[test]
fn the_default_profile_counts_if_none_is_named() {
    let stub = Stub::start(no_queue);
    let keys = KEYS.replace("[shop]", "[default]");
    let home = Home::with("[default]\nregion = eu-central-1\n", &keys);
    let listed = home.lists(&[("AWS_ENDPOINT_URL", &stub.url)]);
    assert_eq!(listed.status.code(), Some(NOTHING_THERE), "{listed:?}");
    let found = last_signed(&stub);
    assert_eq!(found, ("of-the-profile".to_owned(), "eu-central-1".to_owned()));
}

#[test]
fn an_endpoint_may_be_named_for_one_service_and_all_of_a_profiles_be_ignored() {
    let stub = Stub::start(no_queue);
    let config = format!(
        "[profile shop]\nregion = eu-central-1\nendpoint_url = http://127.0.0.1:1\nservices = here\n\
         [services here]\nsqs =\n  endpoint_url = {}\n",
        stub.url
    );
    let home = Home::with(&config, KEYS);
    let listed = home.lists(&[("AWS_PROFILE", "shop")]);
    assert_eq!(listed.status.code(), Some(NOTHING_THERE), "{listed:?}");
    // No AWS is asked: the variable says where, and comes first.
    let listed = home.lists(&[
        ("AWS_PROFILE", "shop"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
    ]);
    assert_eq!(listed.status.code(), Some(1), "{listed:?}");
    assert_eq!(stub.asked().len(), 1);
}

#[test]
fn variables_come_before_the_profile() {
    let stub = Stub::start(no_queue);
    let home = Home::with(
        "[profile shop]\nregion = eu-central-1\nendpoint_url = http://127.0.0.1:1\n",
        KEYS,
    );
    let keys = [
        ("AWS_PROFILE", "shop"),
        ("AWS_ENDPOINT_URL", &stub.url),
        ("AWS_ACCESS_KEY_ID", "of-the-environment"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let listed = home.lists(&keys);
    assert_eq!(listed.status.code(), Some(NOTHING_THERE), "{listed:?}");
    assert_eq!(
        last_signed(&stub),
        ("of-the-environment".to_owned(), "eu-central-1".to_owned())
    );
    for region in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        home.lists(&[&keys[..], &[(region, "us-west-2")]].concat());
        assert_eq!(last_signed(&stub).1, "us-west-2", "{region}");
    }
}

#[test]
fn keys_in_variables_need_no_profile_and_one_that_can_not_be_read_is_told_of() {
    let stub = Stub::start(no_queue);
    let variables = [
        ("AWS_ENDPOINT_URL", stub.url.as_str()),
        ("AWS_REGION", "us-west-2"),
        ("AWS_ACCESS_KEY_ID", "of-the-environment"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let home = Home::with("[profile shop\n", "");
    let listed = home.lists(&variables);
    assert_eq!(listed.status.code(), Some(NOTHING_THERE), "{listed:?}");
    assert!(listed.err.contains("warning: the profiles in"), "{listed:?}");
    let refused = home.lists(&variables[..2]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(refused.err.contains("can't be read"), "{refused:?}");
}

#[test]
fn a_role_is_taken_on_by_way_of_another_profile() {
    let stub = Stub::start(place);
    let config = "[profile operator]\nrole_arn = arn:aws:iam::123456789012:role/shop-operator\n\
                  source_profile = shop\nregion = eu-central-1\n";
    let listed =
        Home::with(config, KEYS).lists(&[("AWS_PROFILE", "operator"), ("AWS_ENDPOINT_URL", &stub.url)]);
    assert_eq!(listed.status.code(), Some(NOTHING_THERE), "{listed:?}");
    assert_eq!(last_signed(&stub).0, "of-the-role");
    let asked = stub.asked();
    let roles = asked.iter().filter(|asked| asked.body.contains("AssumeRole"));
    let roles: Vec<_> = roles.collect();
    assert_eq!(roles.len(), 1, "all clients share what was given once");
    assert_eq!(roles[0].signed_by(), "of-the-profile");
}

#[test]
fn a_program_may_give_the_credentials() {
    let stub = Stub::start(no_queue);
    let home = Home::with("", "");
    let given = json!({ "Version": 1, "AccessKeyId": "of-a-program", "SecretAccessKey": "secret" });
    let file = home.path().join("given.json");
    fs::write(&file, given.to_string()).expect("it is written");
    let config = format!(
        "[profile shop]\nregion = eu-central-1\ncredential_process = cat {}\n",
        file.display()
    );
    fs::write(home.path().join("config"), config).expect("it is written");
    let listed = home.lists(&[("AWS_PROFILE", "shop"), ("AWS_ENDPOINT_URL", &stub.url)]);
    assert_eq!(listed.status.code(), Some(NOTHING_THERE), "{listed:?}");
    assert_eq!(last_signed(&stub).0, "of-a-program");
}

const SIGN_ON: &str = "[profile shop]\nsso_session = shop\nsso_account_id = 123456789012\n\
                       sso_role_name = Operator\nregion = eu-central-1\n\
                       [sso-session shop]\nsso_region = eu-west-1\n\
                       sso_start_url = https://shop.awsapps.com/start\n\
                       [profile operator]\nrole_arn = arn:aws:iam::123456789012:role/shop-operator\n\
                       source_profile = shop\nregion = eu-central-1\n";

#[test]
fn who_signed_in_operates_without_keys() {
    let stub = Stub::start(place);
    let home = Home::with(SIGN_ON, "").signed_in_until("2099-01-01T00:00:00Z");
    for (profile, signed_by) in [("shop", "of-the-sign-on"), ("operator", "of-the-role")] {
        let listed = home.lists(&[("AWS_PROFILE", profile), ("AWS_ENDPOINT_URL", &stub.url)]);
        assert_eq!(listed.status.code(), Some(NOTHING_THERE), "{listed:?}");
        assert_eq!(last_signed(&stub).0, signed_by);
    }
}

#[test]
fn who_never_signed_in_or_long_ago_is_told_how_to() {
    let stub = Stub::start(place);
    for profile in ["shop", "operator"] {
        let homes = [
            Home::with(SIGN_ON, ""),
            Home::with(SIGN_ON, "").signed_in_until("2020-01-01T00:00:00Z"),
        ];
        for home in homes {
            let refused = home.lists(&[("AWS_PROFILE", profile), ("AWS_ENDPOINT_URL", &stub.url)]);
            assert_eq!(refused.status.code(), Some(1), "{refused:?}");
            let how = "aws sso login --profile shop";
            assert!(refused.err.contains(how), "{refused:?}");
            assert!(!refused.err.contains("a-token"), "{refused:?}");
        }
    }
    assert_eq!(stub.asked().len(), 0);
}

#[test]
fn a_profile_that_is_not_there_is_told_with_those_that_are() {
    let home = Home::with("[profile shop]\n[profile desk]\n", "");
    let refused = home.lists(&[("AWS_PROFILE", "shpo"), ("AWS_REGION", "eu-central-1")]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let told = "AWS_PROFILE names profile shpo, which is not in ";
    assert!(refused.err.contains(told), "{refused:?}");
    assert!(refused.err.contains("there are desk, shop"), "{refused:?}");
    assert!(
        refused
            .err
            .contains(&home.path().join("config").display().to_string()),
        "{refused:?}"
    );
}

#[test]
fn a_profile_without_a_word_of_credentials_is_told_what_it_needs() {
    let stub = Stub::start(no_queue);
    let home = Home::with("[profile shop]\nregion = eu-central-1\n", "");
    let refused = home.lists(&[("AWS_PROFILE", "shop"), ("AWS_ENDPOINT_URL", &stub.url)]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(
        refused.err.contains("profile shop says of no credentials"),
        "{refused:?}"
    );
    assert!(refused.err.contains("sso_session"), "{refused:?}");
}

#[test]
fn keys_of_a_profile_that_no_request_can_carry_are_refused_and_not_shown() {
    let stub = Stub::start(no_queue);
    let keys = KEYS.replace("secret\n", "hünter2\n");
    let home = Home::with("[profile shop]\nregion = eu-central-1\n", &keys);
    let refused = home.lists(&[("AWS_PROFILE", "shop"), ("AWS_ENDPOINT_URL", &stub.url)]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(
        refused.err.contains("profile shop gives credentials"),
        "{refused:?}"
    );
    assert!(refused.err.contains("AWS_SECRET_ACCESS_KEY"), "{refused:?}");
    assert!(!refused.err.contains("nter2"), "{refused:?}");
}

#[test]
fn without_any_credentials_it_says_so_at_once_and_asks_no_instance_about_an_emulator() {
    let metadata = Stub::start(|_| (404, "text/plain", String::new()));
    let stub = Stub::start(no_queue);
    let home = Home::with("", "");
    let asks = [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url.as_str()),
        ("AWS_REGION", "eu-central-1"),
    ];
    let began = Instant::now();
    let refused = home.lists(&[&asks[..], &[("AWS_ENDPOINT_URL", &stub.url)]].concat());
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    for told in [
        "AWS_ACCESS_KEY_ID is not set",
        "aws sso login --profile NAME",
        "export AWS_ENDPOINT_URL=",
    ] {
        assert!(refused.err.contains(told), "{refused:?}");
    }
    assert_eq!((metadata.asked().len(), stub.asked().len()), (0, 0));

    // On AWS it may run on an instance that has a role. This machine is none.
    let nowhere = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
    let refused = home.lists(&[nowhere, asks[1]]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(refused.err.contains("there are no credentials"), "{refused:?}");
    home.lists(&asks);
    assert!(!metadata.asked().is_empty());
    assert!(began.elapsed() < Duration::from_mins(1), "it does not hang");
}

#[test]
fn credentials_that_have_ended_are_told_from_a_stack_that_does_not_run() {
    let stub = Stub::start(|_| {
        json_answer(
            403,
            &json!({ "__type": "com.amazon.coral.service#ExpiredTokenException", "message": "expired" }),
        )
    });
    let home = Home::with("[profile shop]\nregion = eu-central-1\n", KEYS);
    let refused = home.lists(&[("AWS_PROFILE", "shop"), ("AWS_ENDPOINT_URL", &stub.url)]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.err.contains("the credentials have ended"), "{refused:?}");
}
