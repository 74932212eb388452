//! The saga on Restate: the server and the service on its SDK. A cart starts a workflow, or is sent to its object, and the
//! server's own record of states tells what became of it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::{PATIENCE, Programs, Running, Side, spawn};
use peer_burst::http::Failure;

const JSON: (&str, &str) = ("content-type", "application/json");
const AS_JSON: (&str, &str) = ("accept", "application/json");

pub async fn start(running: &mut Running, programs: &Programs, folder: &Path) -> Result<(), Failure> {
    let [node, ingress, admin] = [free_port()?, free_port()?, free_port()?];
    let mut server = Command::new(&programs.restate_server);
    server
        .arg("--no-logo")
        .arg("--base-dir")
        .arg(folder)
        // Where it listens, and what it says. All else is as it comes, the syncing of its logs above all.
        .env("RESTATE_LISTEN_MODE", "tcp")
        .env("RESTATE_BIND_IP", "127.0.0.1")
        .env("RESTATE_BIND_PORT", node.to_string())
        .env("RESTATE_INGRESS__BIND_PORT", ingress.to_string())
        .env("RESTATE_ADMIN__BIND_PORT", admin.to_string())
        .env("RESTATE_LOG_FILTER", "warn")
        .env("RESTATE_DISABLE_TELEMETRY", "true")
        .stdout(Stdio::null());
    running
        .processes
        .push(("restate-server", spawn("restate-server", &mut server)?));
    running.url = format!("http://127.0.0.1:{ingress}");
    running.questions = format!("http://127.0.0.1:{admin}");

    let mut orders = Command::new(&programs.restate_orders);
    orders.arg(&running.url);
    let service = running.spawn_until_ready("restate-orders", &mut orders).await?;
    registered(running, &service).await?;
    ready(running).await
}

/// Makes the service known to the server as soon as that takes it.
async fn registered(running: &Running, service: &str) -> Result<(), Failure> {
    let url = format!("{}/deployments", running.questions);
    let began = Instant::now();
    while let Err(error) = running.http.post(&url, &[JSON], &json!({ "uri": service })).await {
        if began.elapsed() > PATIENCE {
            return Err(format!("the service could not be registered: {error}").into());
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Waits until all partitions have their leader, so that the start is not measured.
async fn ready(running: &Running) -> Result<(), Failure> {
    let began = Instant::now();
    while let Err(error) = completed(running, "nobody").await {
        if began.elapsed() > PATIENCE {
            return Err(format!("the server is not ready: {error}").into());
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

pub async fn send(running: &Running, cart: &Value) -> Result<(), Failure> {
    let id = cart["cart_id"].as_str().unwrap_or_default();
    let url = match running.side {
        Side::Objects => format!("{}/CartStream/{id}/finalize/send", running.url),
        _ => format!("{}/Order/{id}/run/send", running.url),
    };
    running.http.post(&url, &[JSON], cart).await?;
    Ok(())
}

pub async fn completed(running: &Running, client: &str) -> Result<usize, Failure> {
    let url = format!("{}/query", running.questions);
    let orders = match running.side {
        Side::Objects => "OrderStream",
        _ => "Order",
    };
    // The workflow of an order that was cancelled ends well, too: what counts is the phase in its state.
    let question = format!(
        "SELECT count(*) AS completed FROM state WHERE service_name = '{orders}' AND key = 'phase' \
         AND value_utf8 = '\"completed\"' AND service_key LIKE '{client}-%'"
    );
    let answer = running
        .http
        .post(&url, &[JSON, AS_JSON], &json!({ "query": question }))
        .await?;
    let answer: Value = serde_json::from_slice(&answer)?;
    let completed = answer["rows"][0]["completed"].as_u64();
    Ok(usize::try_from(completed.ok_or("no count came back")?)?)
}

/// A port that nobody listens on.
fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
