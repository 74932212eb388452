//! What is told of an account before the first deployment.

use serde_json::{Value, json};
use testkit::program::{Ran, run};
use testkit::stub::{Answer, Asked, Stub};

use crate::{Library, program};

/// An account as its services tell of it.
#[derive(Clone)]
struct Account {
    concurrency: Value,
    /// The state of the stack called `shop`; there is none if that is none.
    stack: Option<&'static str>,
    tables: &'static [&'static str],
    queues: &'static [&'static str],
    log_groups: &'static [&'static str],
    roles: usize,
    /// Whether nothing may be asked.
    closed: bool,
}

impl Account {
    /// In which nothing has been deployed.
    fn new() -> Self {
        Self {
            concurrency: concurrency(1000, 1000),
            stack: None,
            tables: &[],
            queues: &[],
            log_groups: &[],
            roles: 12,
            closed: false,
        }
    }

    fn start(self) -> Stub {
        Stub::start(move |asked| self.answer(asked))
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let target = asked.headers.get("x-amz-target").map_or("", String::as_str);
        let operation = target.rsplit('.').next().unwrap_or_default();
        match (operation, asked.path.as_str()) {
            _ if self.closed && asked.body.starts_with("Action=") => {
                xml_error(403, "AccessDenied", "not you")
            }
            _ if self.closed => error(400, "AccessDeniedException", "not you"),
            ("DescribeTable", _) => {
                let request: Value = serde_json::from_str(&asked.body).expect("JSON");
                let table = request["TableName"].as_str().expect("a name");
                if self.tables.contains(&table) {
                    said(&json!({ "Table": { "TableName": table, "TableStatus": "ACTIVE" } }))
                } else {
                    error(400, "ResourceNotFoundException", "none")
                }
            }
            ("ListQueues", _) => {
                let url = |name: &&str| format!("https://sqs.eu-central-1.amazonaws.com/123456789012/{name}");
                said(&json!({ "QueueUrls": self.queues.iter().map(url).collect::<Vec<_>>() }))
            }
            ("DescribeLogGroups", _) => {
                let group = |name: &&str| json!({ "logGroupName": name });
                said(&json!({ "logGroups": self.log_groups.iter().map(group).collect::<Vec<_>>() }))
            }
            ("ListServiceQuotas", _) => said(&json!({ "Quotas": [
                { "QuotaName": "Number of schedules", "QuotaCode": "L-1", "Value": 1_000_000.0 },
                { "QuotaName": "Number of schedule groups", "QuotaCode": "L-2", "Value": 500.0 },
            ]})),
            (_, "/2016-08-19/account-settings/") => said(&self.concurrency),
            (_, path) if path.starts_with("/2015-03-31/functions/") => error(
                404,
                "ResourceNotFoundException",
                "Function not found: arn:aws:lambda:…",
            ),
            (_, path) if path.starts_with("/schedule-groups/") => {
                error(404, "ResourceNotFoundException", "none")
            }
            _ if asked.body.contains("Action=DescribeStacks") => match self.stack {
                Some(status) => (
                    200,
                    "text/xml",
                    format!(
                        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>shop</StackName>\
                         <StackStatus>{status}</StackStatus></member></Stacks></DescribeStacksResult>\
                         </DescribeStacksResponse>"
                    ),
                ),
                None => xml_error(400, "ValidationError", "Stack with id shop does not exist"),
            },
            _ if asked.body.contains("Action=GetAccountSummary") => (
                200,
                "text/xml",
                format!(
                    "<GetAccountSummaryResponse><GetAccountSummaryResult><SummaryMap>\
                     <entry><key>Roles</key><value>{}</value></entry>\
                     <entry><key>RolesQuota</key><value>1000</value></entry>\
                     </SummaryMap></GetAccountSummaryResult></GetAccountSummaryResponse>",
                    self.roles
                ),
            ),
            _ => error(404, "UnknownOperationException", "no such operation"),
        }
    }
}

fn concurrency(total: u64, free: u64) -> Value {
    json!({
        "AccountLimit": {
            "CodeSizeUnzipped": 262_144_000, "CodeSizeZipped": 52_428_800, "ConcurrentExecutions": total,
            "TotalCodeSize": 80_530_636_800_u64, "UnreservedConcurrentExecutions": free,
        },
        "AccountUsage": { "FunctionCount": 0, "TotalCodeSize": 0 },
    })
}

fn said(body: &Value) -> Answer {
    (200, "application/x-amz-json-1.1", body.to_string())
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    let body = json!({ "__type": code, "message": message });
    (status, "application/x-amz-json-1.1", body.to_string())
}

fn xml_error(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         </ErrorResponse>"
    );
    (status, "text/xml", body)
}

fn preflight(stub: &Stub, more: &[&str]) -> Ran {
    preflight_of("shop", stub, more)
}

fn preflight_of(stack: &str, stub: &Stub, more: &[&str]) -> Ran {
    let mut program = program(&[&["--stack", stack, "preflight"], more].concat());
    program
        .env("AWS_ENDPOINT_URL", &stub.url)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    run(program)
}

/// The line of one check.
fn line<'r>(ran: &'r Ran, check: &str) -> &'r str {
    let of_check = |line: &&str| {
        line.get(6..)
            .is_some_and(|line| line.starts_with(&format!("{check}: ")))
    };
    ran.out
        .lines()
        .find(of_check)
        .unwrap_or_else(|| panic!("{check}: {ran:?}"))
}

#[test]
fn an_account_in_which_nothing_is_in_the_way_passes() {
    let stub = Account::new().start();
    let checked = preflight(&stub, &[]);
    assert!(checked.status.success(), "{checked:?}");
    assert!(!checked.err.contains("could not be made"), "{checked:?}");
    for check in [
        "name",
        "resources",
        "stack",
        "tables",
        "queues",
        "functions",
        "log groups",
        "schedule group",
        "concurrency",
        "roles",
        "schedules",
    ] {
        assert!(line(&checked, check).starts_with("ok "), "{checked:?}");
    }
    let asked = stub.asked();
    assert!(asked.iter().all(|asked| asked.signed_by() == "test"));
    let of_iam = asked
        .iter()
        .find(|asked| asked.body.contains("GetAccountSummary"));
    assert_eq!(
        of_iam.expect("it is asked").region(),
        "us-east-1",
        "there is one for all regions"
    );
}

#[test]
fn a_program_reads_each_check_from_one_document() {
    let stub = Account {
        concurrency: concurrency(10, 10),
        ..Account::new()
    }
    .start();
    let checked = preflight(&stub, &["--json"]);
    assert!(checked.status.success(), "{checked:?}");
    let document: Value = serde_json::from_str(&checked.out).expect("JSON");
    assert_eq!(document["stack"], "shop");
    assert_eq!(document["region"], "eu-central-1");
    let checks = document["checks"].as_array().expect("a list");
    let of = |check: &str| {
        checks
            .iter()
            .find(|found| found["name"] == check)
            .expect("it is there")
    };
    assert_eq!(of("concurrency")["verdict"], "warn");
    assert_eq!(of("stack")["verdict"], "ok");
    assert_eq!(of("stack")["to_do"], Value::Null);
}

#[test]
fn a_new_account_with_ten_executions_is_told_what_happens_and_what_to_ask_for() {
    let stub = Account {
        concurrency: concurrency(10, 10),
        ..Account::new()
    }
    .start();
    let checked = preflight(&stub, &[]);
    assert!(checked.status.success(), "it would work: {checked:?}");
    let told = line(&checked, "concurrency");
    for part in [
        "WARN",
        "10 executions at once",
        "the relay takes up to 16",
        "--quota-code L-B99A9384 --desired-value 1000",
        "https://eu-central-1.console.aws.amazon.com/servicequotas/home/services/lambda/quotas/L-B99A9384",
        "MaximumConcurrency=2",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn an_account_whose_executions_are_all_reserved_fails() {
    let stub = Account {
        concurrency: concurrency(1000, 0),
        ..Account::new()
    }
    .start();
    let checked = preflight(&stub, &[]);
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    assert!(line(&checked, "concurrency").starts_with("FAIL"), "{checked:?}");
    assert!(checked.err.contains("1 check failed"), "{checked:?}");
}

#[test]
fn what_a_deleted_stack_left_is_in_the_way_and_what_a_stack_has_is_its_own() {
    let left = Account {
        tables: &["shop-events", "shop-outbox"],
        queues: &["shop-lend-book", "shop-front-queue"],
        log_groups: &["/aws/lambda/shop-lend-book", "/aws/lambda/shop-front-lend-book"],
        ..Account::new()
    };
    let checked = preflight(&left.clone().start(), &[]);
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let tables = line(&checked, "tables");
    for part in [
        "FAIL",
        "shop-events, shop-outbox",
        "without their stack",
        "import",
    ] {
        assert!(tables.contains(part), "{tables}");
    }
    let queues = line(&checked, "queues");
    assert!(queues.contains("1 queue in use: shop-lend-book,"), "{queues}");
    let groups = line(&checked, "log groups");
    assert!(
        groups.contains("1 log group in use") && groups.contains("delete-log-group"),
        "{groups}"
    );
    assert!(checked.err.contains("3 checks failed"), "{checked:?}");

    let deployed = Account {
        stack: Some("UPDATE_COMPLETE"),
        ..left
    };
    let checked = preflight(&deployed.start(), &[]);
    assert!(checked.status.success(), "{checked:?}");
    assert!(
        line(&checked, "tables").contains("the stack's own"),
        "{checked:?}"
    );
}

#[test]
fn a_stack_that_can_not_be_deployed_to_is_told_with_how_to_go_on() {
    for (status, word, to_do) in [
        (
            "ROLLBACK_COMPLETE",
            "FAIL",
            "aws cloudformation delete-stack --stack-name shop",
        ),
        (
            "DELETE_FAILED",
            "FAIL",
            "aws cloudformation delete-stack --stack-name shop",
        ),
        (
            "UPDATE_ROLLBACK_FAILED",
            "FAIL",
            "aws cloudformation continue-update-rollback --stack-name shop",
        ),
        ("UPDATE_IN_PROGRESS", "FAIL", "wait"),
        (
            "REVIEW_IN_PROGRESS",
            "WARN",
            "aws cloudformation delete-stack --stack-name shop",
        ),
        ("UPDATE_ROLLBACK_COMPLETE", "ok", "`sam deploy` updates it"),
        ("CREATE_COMPLETE", "ok", "`sam deploy` updates it"),
    ] {
        let stub = Account {
            stack: Some(status),
            ..Account::new()
        }
        .start();
        let checked = preflight(&stub, &[]);
        assert_eq!(
            checked.status.code(),
            Some(i32::from(word == "FAIL")),
            "{checked:?}"
        );
        let told = line(&checked, "stack");
        assert!(
            told.starts_with(word) && told.contains(status) && told.contains(to_do),
            "{told}"
        );
    }
}

#[test]
fn a_new_stack_that_would_have_more_roles_than_the_account_may_fails_and_an_update_does_not() {
    let full = Account {
        roles: 999,
        ..Account::new()
    };
    let checked = preflight(&full.clone().start(), &[]);
    assert!(line(&checked, "roles").starts_with("FAIL"), "{checked:?}");
    let deployed = Account {
        stack: Some("CREATE_COMPLETE"),
        ..full
    };
    let checked = preflight(&deployed.start(), &[]);
    assert!(line(&checked, "roles").starts_with("ok"), "{checked:?}");
}

#[test]
fn what_may_not_be_asked_is_told_as_not_checked_and_is_no_failure() {
    let stub = Account {
        closed: true,
        ..Account::new()
    }
    .start();
    let checked = preflight(&stub, &[]);
    assert!(checked.status.success(), "{checked:?}");
    for check in [
        "stack",
        "tables",
        "queues",
        "functions",
        "concurrency",
        "roles",
        "schedules",
    ] {
        let told = line(&checked, check);
        assert!(told.contains("not checked: AccessDenied"), "{told}");
        assert!(told.contains("not you"), "{told}");
    }
    assert!(checked.err.contains("checks could not be made"), "{checked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_on_this_machine_is_looked_at_as_far_as_its_services_go() {
    let library = Library::start(false).await;
    let checked = library.ops(&["preflight"]);
    assert!(checked.status.success(), "{checked:?}");
    assert!(
        line(&checked, "concurrency").contains("not checked"),
        "{checked:?}"
    );
    let tables = line(&checked, "tables");
    assert!(
        tables.starts_with("WARN") && tables.contains("local-events"),
        "{tables}"
    );
}

#[test]
fn a_name_that_functions_can_not_begin_with_fails() {
    let stub = Account::new().start();
    let long = "a-name-with-more-than-thirty-letters";
    let checked = preflight_of(long, &stub, &[]);
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    assert!(line(&checked, "name").starts_with("FAIL"), "{checked:?}");
}
