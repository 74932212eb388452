//! The dashboard: a row for each context, in the order in which things go through them, then what all depend on.

use bundle::{Bundle, Function, Registry, ViewTableForm};
use serde_json::{Value, json};

use crate::alarms::NAMESPACE;
use crate::intrinsics::stack_name;
use crate::parameters::WITH_DASHBOARD;
use crate::yaml::{Map, Yaml};

/// The width of a dashboard, in its own units.
const WIDTH: u32 = 24;
/// The height of a graph.
const HEIGHT: u32 = 6;
/// The height of a line of text.
const LINE: u32 = 2;

/// The dashboard; `alarms` are the ARNs of all alarms.
pub(crate) fn dashboard(bundle: &Bundle, alarms: &[String]) -> Map {
    let registry = &bundle.registry;
    let mut board = Board::default();
    board.text(&format!(
        "{} Left: what was done. Middle: what was refused for good, or has to come again. Right: how long messages wait.",
        bundle.ways
    ));
    for view in registry.views() {
        board.business(&view);
    }
    board.alarms(alarms);
    for context in &bundle.contexts {
        let functions: Vec<_> = registry
            .functions
            .iter()
            .filter(|f| f.context == *context)
            .collect();
        board.stage(context.title, &functions);
    }
    board.delivery(registry);
    let properties = Map::new().with("DashboardName", stack_name("saga")).with(
        "DashboardBody",
        Yaml::Tagged("!Sub", Box::new(Yaml::Lines(board.body()))),
    );
    Map::new()
        .with("Type", "AWS::CloudWatch::Dashboard")
        .with("Condition", WITH_DASHBOARD)
        .with("Properties", properties)
}

#[derive(Default)]
struct Board {
    widgets: Vec<Value>,
    y: u32,
}

impl Board {
    fn text(&mut self, markdown: &str) {
        self.put(0, WIDTH, LINE, "text", &json!({ "markdown": markdown }));
        self.y += LINE;
    }

    fn alarms(&mut self, arns: &[String]) {
        self.put(
            0,
            WIDTH,
            HEIGHT,
            "alarm",
            &json!({ "title": "Alarms", "alarms": arns }),
        );
        self.y += HEIGHT;
    }

    /// What becomes of the things that a view shows.
    fn business(&mut self, view: &ViewTableForm) {
        let many = view.listing.many;
        let mut things = String::from(many);
        if let Some(first) = things.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let phases = |open: bool| {
            let phases = view.listing.phases.iter();
            phases.filter(move |phase| phase.is_open == open)
        };
        let of_phase = |metric, phase: &str, more| figure(metric, view.name, Some(("phase", phase)), more);
        let opened = figure("Opened", view.name, None, json!({ "label": "opened" }));
        let ended = phases(false).map(|phase| of_phase("Ended", phase.name, json!({ "label": phase.name })));
        let cause = view.figures.cause.into_iter();
        let by_cause = cause.flat_map(|(name, words)| {
            let of = move |word: &&'static str| {
                figure("Ended", view.name, Some((name, *word)), json!({ "label": word }))
            };
            words.iter().map(of)
        });
        let open = phases(true).map(|phase| {
            of_phase(
                "Open",
                phase.name,
                json!({ "label": phase.name, "stat": "Maximum" }),
            )
        });
        let oldest = phases(true).map(|phase| {
            let label = format!("oldest {}, s", phase.name);
            let shown = json!({ "label": label, "stat": "Maximum", "yAxis": "right" });
            of_phase("Oldest", phase.name, shown)
        });
        let overdue = json!({ "label": "overdue", "stat": "Maximum" });
        let overdue = figure("Overdue", view.name, None, overdue);
        let took = ["p50", "p95", "p99"];
        let took = took.map(|stat| figure("Took", view.name, None, json!({ "label": stat, "stat": stat })));
        let behind = json!({ "label": "row behind, p99", "stat": "p99", "yAxis": "right" });
        self.row([
            Graph {
                title: format!("{things}: opened, and ended"),
                stat: "Sum",
                metrics: [opened].into_iter().chain(ended).chain(by_cause).collect(),
            },
            Graph {
                title: format!("{things}: open, and overdue"),
                stat: "Maximum",
                metrics: open.chain([overdue]).chain(oldest).collect(),
            },
            Graph {
                title: format!("{things}: from beginning to end, in milliseconds"),
                stat: "p50",
                metrics: took
                    .into_iter()
                    .chain([figure("Behind", view.name, None, behind)])
                    .collect(),
            },
        ]);
    }

    fn stage(&mut self, title: &str, functions: &[&Function]) {
        let counts = |metric: &str| functions.iter().map(|f| own(metric, &f.name)).collect::<Vec<_>>();
        let queues = functions.iter().filter_map(|f| f.queue());
        self.row([
            Graph {
                title: format!("{title}: handled"),
                stat: "Sum",
                metrics: counts("Handled"),
            },
            Graph {
                title: format!("{title}: refused, retried"),
                stat: "Sum",
                metrics: [counts("Refused"), counts("Retried")].concat(),
            },
            Graph {
                title: format!("{title}: oldest message, in seconds"),
                stat: "Maximum",
                metrics: queues.map(age).collect(),
            },
        ]);
    }

    fn delivery(&mut self, registry: &Registry) {
        let relay = stack_named(bundle::RELAY);
        self.row([
            Graph {
                title: "Relay: delivered, and saved in the outbox".into(),
                stat: "Sum",
                metrics: vec![own("Handled", bundle::RELAY), own("Undelivered", bundle::RELAY)],
            },
            Graph {
                title: "Relay: behind, in milliseconds".into(),
                stat: "Maximum",
                metrics: vec![json!(["AWS/Lambda", "IteratorAge", "FunctionName", relay])],
            },
            Graph {
                title: "Outbound queues: oldest message, in seconds".into(),
                stat: "Maximum",
                metrics: registry
                    .outbound
                    .iter()
                    .map(|outbound| age(outbound.queue))
                    .collect(),
            },
        ]);
    }

    /// Three graphs beside each other.
    fn row(&mut self, graphs: [Graph; 3]) {
        let width = WIDTH / 3;
        for (column, graph) in (0..).zip(graphs) {
            let Graph { title, stat, metrics } = graph;
            let properties = json!({
                "title": title, "region": "${AWS::Region}", "stat": stat, "period": 60, "metrics": metrics,
            });
            self.put(column * width, width, HEIGHT, "metric", &properties);
        }
        self.y += HEIGHT;
    }

    fn put(&mut self, x: u32, width: u32, height: u32, kind: &str, properties: &Value) {
        self.widgets.push(json!({
            "type": kind, "x": x, "y": self.y, "width": width, "height": height, "properties": properties,
        }));
    }

    fn body(self) -> String {
        written(&json!({ "widgets": self.widgets }), 0)
    }
}

struct Graph {
    title: String,
    stat: &'static str,
    metrics: Vec<Value>,
}

/// What a function counts itself.
fn own(metric: &str, function: &str) -> Value {
    json!([
        NAMESPACE,
        metric,
        "stack",
        "${AWS::StackName}",
        "function",
        function
    ])
}

/// What is counted of the things that a view shows.
fn figure(metric: &str, view: &str, of: Option<(&str, &str)>, shown: Value) -> Value {
    let mut named = vec![json!(NAMESPACE), json!(metric)];
    named.extend(["stack", "${AWS::StackName}", "view", view].map(Value::from));
    named.extend(
        of.into_iter()
            .flat_map(|(name, value)| [json!(name), json!(value)]),
    );
    named.push(shown);
    Value::Array(named)
}

fn age(queue: &str) -> Value {
    json!([
        "AWS/SQS",
        "ApproximateAgeOfOldestMessage",
        "QueueName",
        stack_named(queue)
    ])
}

fn stack_named(name: &str) -> String {
    format!("${{AWS::StackName}}-{name}")
}

/// JSON with names in order, in which what fits on a line is on one.
fn written(value: &Value, indent: usize) -> String {
    let compact = one_line(value);
    if indent + compact.len() <= 120 {
        return compact;
    }
    let inner = indent + 2;
    let (open, items, close) = match value {
        Value::Object(map) => {
            let entry = |(name, value)| format!("{}: {}", json!(name), written(value, inner));
            ('{', sorted(map).map(entry).collect::<Vec<_>>(), '}')
        }
        Value::Array(items) => ('[', items.iter().map(|item| written(item, inner)).collect(), ']'),
        _ => return compact,
    };
    let separator = format!(",\n{:inner$}", "");
    format!(
        "{open}\n{:inner$}{}\n{:indent$}{close}",
        "",
        items.join(&separator),
        ""
    )
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let entries: Vec<_> = sorted(map)
                .map(|(name, value)| format!("{}: {}", json!(name), one_line(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(one_line).collect();
            format!("[{}]", items.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// In the order of the names, however the map keeps them: that depends on features that any crate of a
/// build may switch on.
fn sorted(map: &serde_json::Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    entries.into_iter()
}
