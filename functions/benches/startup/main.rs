//! How long a function takes from its start to its first poll for work, as a ratio to the least that a
//! Lambda function in Rust can be.
//!
//! Both are processes of their own, started in turn against an imitation of Lambda's runtime API on
//! loopback, so that the ratio holds on a busy machine too. Aim: at most 2.
//!
//! The endpoints of `DynamoDB` and SQS, to which the function opens connections ahead of time, are there
//! as well, without TLS. With TLS they hang up: what that adds is the reading of root certificates, and no handshake.
//! Of these there are Amazon's five, given as a file, which is what a function reads for AWS's own endpoints, or
//! all of the system's. AWS's own endpoints are those of a region that there isn't: what that adds is the resolver's
//! search for two names that are not found.

#![allow(clippy::print_stdout)] // Figures for whoever runs it with --nocapture.

mod runtime_api;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use runtime_api::RuntimeApi;

/// Starts of each that count, and before them those that fill the page cache.
const STARTS: usize = 100;
const WARM_UP: usize = 10;

fn main() {
    // `cargo test --all-targets` runs benchmarks too, without this.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let hello_world = built(&["--example", "hello-world"], "examples/hello-world");
    let function = built(&["--bin", "bootstrap"], "bootstrap");
    let api = RuntimeApi::start();
    let here = |scheme: &str| format!("{scheme}://{}", api.address());
    let amazons = amazons_roots();
    let starts = [
        ("hello world", &hello_world, here("http"), None),
        ("finalize-cart", &function, here("http"), None),
        (
            "finalize-cart, HTTPS, Amazon's roots",
            &function,
            here("https"),
            Some(&amazons),
        ),
        ("finalize-cart, AWS's endpoints", &function, String::new(), None),
        (
            "finalize-cart, HTTPS, the system's roots",
            &function,
            here("https"),
            None,
        ),
    ];
    let mut times = [(); 5].map(|()| Vec::with_capacity(STARTS));
    for round in 0..WARM_UP + STARTS {
        for (times, (_, program, endpoint, roots)) in times.iter_mut().zip(&starts) {
            let time = first_poll(program, endpoint, *roots, &api);
            if round >= WARM_UP {
                times.push(time);
            }
        }
    }
    println!("start to first poll for work, of {STARTS} starts each (aim: a ratio of 2.00 at most)");
    let mut least = None;
    for ((name, ..), mut times) in starts.into_iter().zip(times) {
        times.sort_unstable();
        let place = |percent: usize| times[(times.len() - 1) * percent / 100];
        let median = place(50);
        let ratio = median.as_secs_f64() / least.get_or_insert(median).as_secs_f64();
        println!(
            "  {name:<40} median {median:>8.2?}   p90 {:>8.2?}   ratio {ratio:.2}",
            place(90)
        );
    }
}

/// Starts the program as `finalize-cart` of a stack and waits for its first poll.
fn first_poll(program: &Path, endpoint: &str, roots: Option<&PathBuf>, api: &RuntimeApi) -> Duration {
    let address = api.address().to_string();
    // Of AWS's own endpoints the queues' URLs name the host.
    let queues = if endpoint.is_empty() {
        "https://sqs.xx-none-1.amazonaws.com"
    } else {
        endpoint
    };
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs([
            ("AWS_LAMBDA_FUNCTION_NAME", "shop-finalize-cart"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_RUNTIME_API", &address),
            ("AWS_REGION", "xx-none-1"),
            ("AWS_ACCESS_KEY_ID", "none"),
            ("AWS_SECRET_ACCESS_KEY", "none"),
            ("AWS_ENDPOINT_URL", endpoint),
            ("_HANDLER", "finalize-cart"),
            ("STACK_NAME", "shop"),
            ("QUEUE_URL_PREFIX", &format!("{queues}/000000000000/shop-")),
        ])
        .envs(roots.map(|roots| ("SSL_CERT_FILE", roots)))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    api.time_to_first_poll(&mut command)
}

/// Amazon's five roots in one file.
fn amazons_roots() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/aws/roots");
    let roots = std::fs::read_dir(folder).expect("the roots are there: the function has them in it");
    let files = roots.map(|file| file.expect("a folder that can be read").path());
    let certificates = files.map(|file| std::fs::read_to_string(file).expect("a root can be read"));
    let together = Path::new(env!("CARGO_TARGET_TMPDIR")).join("amazons-roots.pem");
    std::fs::write(&together, certificates.collect::<String>()).expect("the target folder can be written");
    together
}

/// Builds a program as the functions are deployed, by itself and in the release profile, so that what is
/// measured is never that of yesterday.
fn built(which: &[&str], place: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--package", "functions"])
        .args(which)
        .status();
    assert!(
        built.expect("cargo is there: it started this").success(),
        "{place} can't be built"
    );
    // Cargo puts it beside the folder `deps`, which this benchmark is in.
    let this = std::env::current_exe().expect("a process knows its executable");
    let folder = this.parent().and_then(Path::parent);
    folder
        .expect("cargo puts benchmarks into a folder `deps`")
        .join(place)
}
