//! A service of HTTP that answers as a test says and remembers what it was asked: for those of AWS that the local
//! stack has none of.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A request, as it came.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Such as `GET`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers, by their names in small letters.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

impl Asked {
    /// The id of the access key that signed it; empty if it is not signed.
    pub fn signed_by(&self) -> &str {
        self.credential().0
    }

    /// The region that it was signed for; empty if it is not signed.
    pub fn region(&self) -> &str {
        self.credential().1
    }

    fn credential(&self) -> (&str, &str) {
        let signature = self.headers.get("authorization").map_or("", String::as_str);
        let scope = signature.split_once("Credential=").map_or("", |(_, scope)| scope);
        let mut parts = scope.split('/');
        let key = parts.next().unwrap_or_default();
        (key, parts.nth(1).unwrap_or_default())
    }
}

/// What it answers: status, type of content, body.
pub type Answer = (u16, &'static str, String);

/// A service that runs until the test's process ends.
#[derive(Debug)]
pub struct Stub {
    /// Where it listens.
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stub {
    /// Starts it on a port of its own.
    pub fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = TcpListener::bind(any).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it listens"));
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (remembered, answer) = (asked.clone(), Arc::new(answer));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (remembered, answer) = (remembered.clone(), answer.clone());
                thread::spawn(move || serve(&connection, &remembered, &*answer));
            }
        });
        Self { url, asked }
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        of(&self.asked).clone()
    }
}

fn of(asked: &Mutex<Vec<Asked>>) -> MutexGuard<'_, Vec<Asked>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers one request, and closes: a client that gives up early is no concern of the test's.
fn serve(mut connection: &TcpStream, asked: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Answer) {
    let mut reader = BufReader::new(connection);
    let Some(request) = read(&mut reader) else {
        return;
    };
    let (status, content, body) = answer(&request);
    of(asked).push(request);
    let head = format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: {content}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    drop(connection.write_all(format!("{head}{body}").as_bytes()));
}

fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut request = Asked {
        method: words.next()?,
        path: words.next()?,
        ..Asked::default()
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let (name, value) = (name.to_lowercase(), value.trim().to_owned());
        request.headers.insert(name, value);
    }
    let length = request.headers.get("content-length");
    let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Some(request)
}
