//! Before the first deployment: what an account's limits and what is already there would do to a stack, and what to do
//! about it. Nothing is changed.
//!
//! It goes through the stack's deployment in mind: would `CloudFormation` take it, would a name be in its way, and could
//! its functions run. What can't be asked, for want of a permission or of the service, is told as not checked.

use std::collections::BTreeSet;
use std::io::{self, Write};

use aws_adapters::{Connection, DEADLINES, Names, Proxies, dead_letter_queue, reason};
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_scheduler::operation::get_schedule_group::GetScheduleGroupError;
use bundle::{Bundle, Trigger};
use serde::Serialize;
use serde_json::{Value, json};
use template::{RESOURCE_LIMIT, STACK_NAME_LIMIT, resource_count, role_count};
use terminal::note;

use crate::failure::Failure;
use crate::output::{Format, Report, count};
use crate::place::{self, Place};
use crate::service::{
    CLOUDFORMATION, IAM, LAMBDA, LOGS, Question, SERVICE_QUOTAS, Services, Unanswered, between,
};

/// How many executions at once an established account has, which is what to ask for.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const USUAL_CONCURRENCY: u64 = 1000;

/// Service Quotas' code of Lambda's concurrent executions.
const CONCURRENCY_QUOTA: &str = "L-B99A9384";

/// Into how many partitions a new table on demand is divided, each of which is a shard of its stream.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html>
const SHARDS_OF_A_NEW_TABLE: u64 = 4;

/// How far below a limit it is worth a word, in percent of it.
const NEARLY: usize = 90;

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Warn,
    Fail,
    NotChecked,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
            Self::NotChecked => "-",
        }
    }
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do, if there is something.
    to_do: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Ok,
            found: found.into(),
            to_do: None,
        }
    }

    fn with(
        verdict: Verdict,
        check: &'static str,
        found: impl Into<String>,
        to_do: impl Into<String>,
    ) -> Self {
        Self {
            verdict,
            to_do: Some(to_do.into()),
            ..Self::ok(check, found)
        }
    }

    fn not_checked(check: &'static str, why: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::NotChecked,
            ..Self::ok(check, format!("not checked: {}", why.into()))
        }
    }
}

#[derive(Debug, Serialize)]
struct Checked {
    stack: String,
    region: String,
    checks: Vec<Check>,
}

impl Report for Checked {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        for Check {
            name,
            verdict,
            found,
            to_do,
        } in &self.checks
        {
            let to_do = to_do
                .as_ref()
                .map_or_else(String::new, |to_do| format!("; {to_do}"));
            writeln!(out, "{:<4}  {name}: {found}{to_do}", verdict.word())?;
        }
        Ok(())
    }
}

/// What `CloudFormation` knows of the stack.
enum Deployed {
    No,
    Yes,
    Unknown,
}

/// Makes all checks and prints them. It fails if a deployment would.
pub(crate) async fn check(bundle: &Bundle, format: Format, stack: &str) -> Result<(), Failure> {
    let proxies = Proxies::from_process()?;
    let place = place::find(&proxies).await?;
    let services = Services::of(&place, &proxies).await?;
    let connection = Connection::open_through(&place.environment, &proxies);
    let names = Names::of(stack);
    let (deployed, of_stack) = stack_itself(&services, stack).await;
    let mut checks = vec![name(stack), resources(bundle), of_stack];
    checks.push(tables(&connection, &names, &deployed).await);
    checks.push(queues(&connection, &names, bundle, &deployed).await);
    checks.push(function(&services, &names, bundle, &deployed).await);
    checks.push(log_groups(&services, &names, bundle, &deployed).await);
    checks.extend(schedule_group(&connection, &names, bundle, &deployed).await);
    checks.push(concurrency(&services, &place, bundle).await);
    checks.push(roles(&services, bundle, &deployed).await);
    checks.extend(schedules(&services, bundle).await);
    let of_verdict = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let (fails, open, all) = (
        of_verdict(Verdict::Fail),
        of_verdict(Verdict::NotChecked),
        checks.len(),
    );
    format.print(&Checked {
        stack: stack.to_owned(),
        region: place.environment.region.clone(),
        checks,
    })?;
    if open > 0 {
        note!("{open} of {all} checks could not be made: what they are about is not known");
    }
    if fails > 0 {
        let checks = count(fails, "check", "checks");
        return Err(Failure::Failed(format!(
            "{checks} failed: a deployment would fail, too"
        )));
    }
    Ok(())
}

fn name(stack: &str) -> Check {
    let length = stack.len();
    let found = format!("{stack} has {length} of at most {STACK_NAME_LIMIT} characters");
    if length <= STACK_NAME_LIMIT {
        Check::ok("name", found)
    } else {
        let to_do = "take a shorter one: names of functions begin with it";
        Check::with(Verdict::Fail, "name", found, to_do)
    }
}

fn resources(bundle: &Bundle) -> Check {
    let resources = resource_count(bundle);
    let found = format!("the template makes {resources} of at most {RESOURCE_LIMIT} resources");
    let verdict = match resources {
        _ if resources > RESOURCE_LIMIT => Verdict::Fail,
        _ if resources * 100 > RESOURCE_LIMIT * NEARLY => Verdict::Warn,
        _ => return Check::ok("resources", found),
    };
    let to_do =
        "divide the business into two bundles, each with a stack of its own: this limit can't be raised";
    Check::with(verdict, "resources", found, to_do)
}

async fn stack_itself(services: &Services<'_>, stack: &str) -> (Deployed, Check) {
    let question = format!("Action=DescribeStacks&Version=2010-05-15&StackName={stack}");
    match services.ask(CLOUDFORMATION, Question::Query(question)).await {
        Ok(answer) => match between(&answer, "<StackStatus>", "</StackStatus>") {
            Some(status) => (Deployed::Yes, of_status(stack, status)),
            None => (
                Deployed::Unknown,
                Check::not_checked("stack", "CloudFormation's answer tells no status"),
            ),
        },
        Err(Unanswered::Refused { message, .. }) if message.contains("does not exist") => (
            Deployed::No,
            Check::ok("stack", format!("there is none called {stack} yet")),
        ),
        Err(why) => (Deployed::Unknown, Check::not_checked("stack", why.to_string())),
    }
}

/// What can be done with a stack in this state.
///
/// Source: <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html>
fn of_status(stack: &str, status: &str) -> Check {
    let found = format!("{stack} is {status}");
    let delete = format!("aws cloudformation delete-stack --stack-name {stack}");
    match status {
        "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "DELETE_FAILED" => Check::with(
            Verdict::Fail,
            "stack",
            found,
            format!("it can't be updated; delete it and deploy again: {delete}"),
        ),
        "UPDATE_ROLLBACK_FAILED" => Check::with(
            Verdict::Fail,
            "stack",
            found,
            format!(
                "mend what its events name, then aws cloudformation continue-update-rollback --stack-name {stack}"
            ),
        ),
        "REVIEW_IN_PROGRESS" => Check::with(
            Verdict::Warn,
            "stack",
            found,
            format!("a first change set was made and not carried out; if `sam deploy` refuses it: {delete}"),
        ),
        _ if status.ends_with("_IN_PROGRESS") => Check::with(
            Verdict::Fail,
            "stack",
            found,
            "somebody is deploying it; wait until that is done",
        ),
        _ => Check::ok("stack", format!("{found}; `sam deploy` updates it")),
    }
}

/// What a name means that is in use already.
fn in_use(
    check: &'static str,
    found: &BTreeSet<String>,
    what: &str,
    deployed: &Deployed,
    to_do: &str,
) -> Check {
    let mut names: Vec<_> = found.iter().take(3).map(String::as_str).collect();
    if found.len() > names.len() {
        names.push("…");
    }
    let there = format!(
        "{} in use: {}",
        count(found.len(), what, &format!("{what}s")),
        names.join(", ")
    );
    match deployed {
        _ if found.is_empty() => Check::ok(check, format!("no {what} of its names is there")),
        Deployed::Yes => Check::ok(check, format!("{there}; the stack's own")),
        Deployed::No => Check::with(
            Verdict::Fail,
            check,
            format!("{there}, without their stack"),
            to_do,
        ),
        Deployed::Unknown => Check::with(
            Verdict::Warn,
            check,
            there,
            format!("if they are not the stack's own: {to_do}"),
        ),
    }
}

async fn tables(connection: &Connection, names: &Names, deployed: &Deployed) -> Check {
    let mut found = BTreeSet::new();
    for table in [names.events_table(), names.outbox_table()] {
        let described = connection
            .dynamodb
            .describe_table()
            .table_name(&table)
            .send()
            .await;
        match described {
            Ok(_) => {
                found.insert(table);
            }
            Err(error) => {
                let missing = error.as_service_error();
                if !missing.is_some_and(DescribeTableError::is_resource_not_found_exception) {
                    return Check::not_checked("tables", reason(&error));
                }
            }
        }
    }
    let to_do = "a deleted stack left them, with their events: take another --stack, have CloudFormation import them \
                 into a new stack of this name, or part with them (infra/template/README.md, Delete)";
    in_use("tables", &found, "table", deployed, to_do)
}

async fn queues(connection: &Connection, names: &Names, bundle: &Bundle, deployed: &Deployed) -> Check {
    let queues = bundle.registry.queues();
    let deadlines = (!bundle.registry.deadlines().is_empty()).then(|| dead_letter_queue(DEADLINES));
    let own = queues
        .iter()
        .flat_map(|queue| [(*queue).to_owned(), dead_letter_queue(queue)])
        .chain(deadlines);
    let own: BTreeSet<_> = own.map(|queue| names.of_function(&queue)).collect();
    let listing = connection.sqs.list_queues().queue_name_prefix(names.prefix());
    let listed = listing.max_results(1000).send().await;
    let listed = match listed {
        Ok(listed) => listed.queue_urls.unwrap_or_default(),
        Err(error) => return Check::not_checked("queues", reason(&error)),
    };
    let found = listed.iter().filter_map(|url| url.rsplit('/').next());
    let found = found.map(str::to_owned).filter(|name| own.contains(name));
    let to_do = "a name is free a minute after its queue was deleted; who made them otherwise, deletes them";
    in_use("queues", &found.collect(), "queue", deployed, to_do)
}

async fn function(services: &Services<'_>, names: &Names, bundle: &Bundle, deployed: &Deployed) -> Check {
    let Some(entrance) = bundle.entrance() else {
        return Check::not_checked("functions", "the bundle has no command from outside");
    };
    let function = names.of_function(entrance);
    let path = format!("/2015-03-31/functions/{function}/configuration");
    let found = match services.ask(LAMBDA, Question::Get(path)).await {
        Ok(_) => BTreeSet::from([function]),
        Err(Unanswered::Refused { code, message })
            if code.contains("ResourceNotFound") || message.starts_with("Function not found") =>
        {
            BTreeSet::new()
        }
        Err(why) => return Check::not_checked("functions", why.to_string()),
    };
    let to_do = "another stack has functions of these names: take another --stack";
    in_use("functions", &found, "function", deployed, to_do)
}

async fn log_groups(services: &Services<'_>, names: &Names, bundle: &Bundle, deployed: &Deployed) -> Check {
    let prefix = "/aws/lambda/";
    let own = bundle.registry.functions.iter();
    let own: BTreeSet<_> = own
        .map(|function| format!("{prefix}{}", names.of_function(&function.name)))
        .collect();
    let question = json!({ "logGroupNamePrefix": format!("{prefix}{}", names.prefix()), "limit": 50 });
    let question = Question::Json("Logs_20140328.DescribeLogGroups", question);
    let answer = match services.ask(LOGS, question).await {
        Ok(answer) => answer,
        Err(why) => return Check::not_checked("log groups", why.to_string()),
    };
    let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
    let Some(groups) = answer["logGroups"].as_array() else {
        return Check::not_checked("log groups", "the answer lists none");
    };
    let found = groups.iter().filter_map(|group| group["logGroupName"].as_str());
    let found = found.map(str::to_owned).filter(|name| own.contains(name));
    let to_do = "a function that ended after its stack was deleted made them anew: delete them, with aws logs \
                 delete-log-group --log-group-name NAME";
    in_use("log groups", &found.collect(), "log group", deployed, to_do)
}

async fn schedule_group(
    connection: &Connection,
    names: &Names,
    bundle: &Bundle,
    deployed: &Deployed,
) -> Option<Check> {
    if bundle.registry.deadlines().is_empty() {
        return None;
    }
    let group = names.of_function(DEADLINES);
    let asked = connection
        .scheduler()
        .get_schedule_group()
        .name(&group)
        .send()
        .await;
    let found = match asked {
        Ok(_) => BTreeSet::from([group]),
        Err(error) => {
            let missing = error.as_service_error();
            if !missing.is_some_and(GetScheduleGroupError::is_resource_not_found_exception) {
                return Some(Check::not_checked("schedule group", reason(&error)));
            }
            BTreeSet::new()
        }
    };
    let to_do =
        "a group is deleted with its schedules, which takes minutes; who made it otherwise, deletes it";
    Some(in_use("schedule group", &found, "group", deployed, to_do))
}

async fn concurrency(services: &Services<'_>, place: &Place, bundle: &Bundle) -> Check {
    let path = "/2016-08-19/account-settings/".to_owned();
    let answer = match services.ask(LAMBDA, Question::Get(path)).await {
        Ok(answer) => serde_json::from_str::<Value>(&answer).unwrap_or_default(),
        Err(why) => return Check::not_checked("concurrency", why.to_string()),
    };
    let limit = &answer["AccountLimit"];
    let (Some(total), Some(free)) = (
        limit["ConcurrentExecutions"].as_u64(),
        limit["UnreservedConcurrentExecutions"].as_u64(),
    ) else {
        return Check::not_checked("concurrency", "Lambda's answer tells no limit");
    };
    let functions = &bundle.registry.functions;
    let deployed = functions
        .iter()
        .filter(|function| !matches!(function.trigger, Trigger::Outbound(_)));
    let others = deployed
        .clone()
        .filter(|f| f.trigger != Trigger::EventStream)
        .count() as u64;
    let lanes = deployed.filter(|f| f.trigger == Trigger::EventStream);
    let lanes: u64 = lanes
        .map(|relay| u64::from(relay.batching.per_shard) * SHARDS_OF_A_NEW_TABLE)
        .sum();
    let region = &place.environment.region;
    let ask = format!(
        "ask for {USUAL_CONCURRENCY}: aws service-quotas request-service-quota-increase --service-code lambda \
         --quota-code {CONCURRENCY_QUOTA} --desired-value {USUAL_CONCURRENCY}, or \
         https://{region}.console.aws.amazon.com/servicequotas/home/services/lambda/quotas/{CONCURRENCY_QUOTA}"
    );
    let found = format!(
        "{free} executions at once, of {total} in the account; the relay takes up to {lanes} of them, and one for each \
         of the {others} other functions comes to {}; the stack reserves none",
        lanes + others
    );
    if free == 0 {
        let to_do = format!("no function would run; free what other functions reserve, or {ask}");
        Check::with(Verdict::Fail, "concurrency", found, to_do)
    } else if free < lanes + others {
        let to_do = format!(
            "it works, and slowly under load: what is throttled comes again, messages after their visibility timeout, \
             events after seconds, so that deadlines come late and alarms of ages ring. Until there are more, deploy \
             with MaximumConcurrency=2, so that no queue takes them all; and {ask}"
        );
        Check::with(Verdict::Warn, "concurrency", found, to_do)
    } else {
        Check::ok("concurrency", found)
    }
}

async fn roles(services: &Services<'_>, bundle: &Bundle, deployed: &Deployed) -> Check {
    let question = Question::Query("Action=GetAccountSummary&Version=2010-05-08".to_owned());
    let answer = match services.ask(IAM, question).await {
        Ok(answer) => answer,
        Err(why) => return Check::not_checked("roles", why.to_string()),
    };
    let number = |key: &str| {
        let entry = between(&answer, &format!("<key>{key}</key>"), "</entry>")?;
        between(entry, "<value>", "</value>")?
            .trim()
            .parse::<usize>()
            .ok()
    };
    let (Some(there), Some(limit)) = (number("Roles"), number("RolesQuota")) else {
        return Check::not_checked("roles", "IAM's answer tells no quota");
    };
    let own = role_count(bundle);
    let found = format!("{there} of at most {limit} in the account; a new stack makes {own}");
    if matches!(deployed, Deployed::No) && there + own > limit {
        let to_do = "delete some that nobody uses, or ask for more: https://console.aws.amazon.com/servicequotas/home/\
                     services/iam/quotas";
        Check::with(Verdict::Fail, "roles", found, to_do)
    } else {
        Check::ok("roles", found)
    }
}

/// How many schedules there may be, and how many are created a second, if anybody sets deadlines. They differ by region;
/// how many a business needs, its own load says.
async fn schedules(services: &Services<'_>, bundle: &Bundle) -> Option<Check> {
    if bundle.registry.deadlines().is_empty() {
        return None;
    }
    let question = json!({ "ServiceCode": "scheduler", "MaxResults": 100 });
    let question = Question::Json("ServiceQuotasV20190624.ListServiceQuotas", question);
    let answer = match services.ask(SERVICE_QUOTAS, question).await {
        Ok(answer) => serde_json::from_str::<Value>(&answer).unwrap_or_default(),
        Err(why) => return Some(Check::not_checked("schedules", why.to_string())),
    };
    let quotas = answer["Quotas"].as_array();
    let of_schedules = quotas.into_iter().flatten().filter_map(|quota| {
        let name = quota["QuotaName"].as_str()?;
        let small = name.to_lowercase();
        let meant = !small.contains("group")
            && (small.contains("number of schedules") || small.contains("createschedule"));
        meant.then(|| format!("{name} {}", quota["Value"]))
    });
    let of_schedules: Vec<_> = of_schedules.collect();
    Some(if of_schedules.is_empty() {
        Check::not_checked(
            "schedules",
            "Service Quotas names none; see https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html",
        )
    } else {
        let quotas = of_schedules.join(", ");
        Check::ok(
            "schedules",
            format!("{quotas}; a deadline that is due in more than 15 minutes is one until then"),
        )
    })
}
