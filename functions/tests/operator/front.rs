//! A server that stands before a stack and passes on what it gets: a proxy, or a service whose clock shows
//! another time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Keeps requests of one kind back, from one of them on, until it is opened.
#[derive(Default)]
pub struct Gate {
    kind: &'static str,
    from: usize,
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    /// Lets pass `free` requests whose target is `kind`, such as `AmazonSQS.SendMessageBatch`.
    pub fn after(free: usize, kind: &'static str) -> Arc<Self> {
        Arc::new(Self {
            kind,
            from: free,
            ..Self::default()
        })
    }

    fn pass(&self, headers: &[String]) {
        if self.kind.is_empty() || !headers.iter().any(|header| header.ends_with(self.kind)) {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        while state.0 > self.from && !state.1 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether a request is kept back.
    pub fn holds(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 > self.from && !state.1
    }

    /// How many requests of that kind have come.
    pub fn came(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Lets all pass.
    pub fn open(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_all();
    }
}

/// What a request gets in place of the service's own answer.
pub struct Answer {
    /// The end of its target, such as `.GetRecords`.
    pub kind: &'static str,
    /// What the request's body holds; anything if it is empty.
    pub about: &'static str,
    pub status: u16,
    pub body: String,
}

impl Answer {
    /// A refusal with the code by which the SDK tells errors apart.
    pub fn refusal(kind: &'static str, code: &str) -> Self {
        Self {
            kind,
            about: "",
            status: 400,
            body: format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"made up"}}"#),
        }
    }
}

/// Passes on requests until the test ends.
pub struct Front {
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<Vec<Answer>>>,
}

impl Front {
    /// Before the stack at `upstream`, whose answers get the date `date` if there is one.
    pub fn before(upstream: &str, date: Option<&'static str>) -> Self {
        Self::gated(upstream, date, Arc::default())
    }

    /// The same with a gate.
    pub fn gated(upstream: &str, date: Option<&'static str>, gate: Arc<Gate>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let answers: Arc<Mutex<Vec<Answer>>> = Arc::default();
        let given = answers.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (upstream, seen, gate) = (upstream.clone(), seen.clone(), gate.clone());
                let given = given.clone();
                std::thread::spawn(move || {
                    // A client that goes away in the middle of a request has what it wanted.
                    drop(pass_on(client, &upstream, date, &seen, &gate, &given));
                });
            }
        });
        Self {
            url: format!("http://{address}"),
            requests,
            answers,
        }
    }

    /// Gives these answers in place of the service's, each to the next request of its kind.
    pub fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        let mut given = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        given.extend(answers);
    }

    /// How many of those answers nobody has got yet.
    pub fn left(&self) -> usize {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The first lines of the requests that came, such as `POST / HTTP/1.1`.
    pub fn requests(&self) -> Vec<String> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn pass_on(
    client: TcpStream,
    upstream: &str,
    date: Option<&str>,
    seen: &Mutex<Vec<String>>,
    gate: &Gate,
    answers: &Mutex<Vec<Answer>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (first, headers) = head(&mut reader)?;
    seen.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(first.clone());
    let mut client = client;
    let Some(method) = first.split(' ').next().filter(|method| *method != "CONNECT") else {
        // Tunnels are only counted: there is no service behind them.
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    };
    let length = headers.iter().find_map(|header| {
        let (name, value) = header.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok()).flatten()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    gate.pass(&headers);
    if let Some(Answer { status, body, .. }) = next_answer(answers, &headers, &String::from_utf8_lossy(&body))
    {
        let length = body.len();
        return write!(
            client,
            "HTTP/1.1 {status} Made Up\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {length}\r\n\r\n{body}"
        );
    }

    let mut service = TcpStream::connect(upstream)?;
    write!(service, "{method} / HTTP/1.1\r\nConnection: close\r\n")?;
    for header in &headers {
        write!(service, "{header}\r\n")?;
    }
    service.write_all(b"\r\n")?;
    service.write_all(&body)?;

    let mut answer = BufReader::new(service);
    let (status, mut headers) = head(&mut answer)?;
    if let Some(date) = date {
        headers.retain(|header| !header.to_ascii_lowercase().starts_with("date:"));
        headers.push(format!("Date: {date}"));
    }
    write!(client, "{status}\r\n")?;
    for header in &headers {
        write!(client, "{header}\r\n")?;
    }
    client.write_all(b"\r\n")?;
    std::io::copy(&mut answer, &mut client)?;
    Ok(())
}

/// The answer that such a request gets in place of the service's; none if it gets that.
fn next_answer(answers: &Mutex<Vec<Answer>>, headers: &[String], body: &str) -> Option<Answer> {
    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
    let is_for = |answer: &Answer| {
        body.contains(answer.about) && headers.iter().any(|header| header.ends_with(answer.kind))
    };
    let place = answers.iter().position(is_for)?;
    Some(answers.remove(place))
}

/// The first line and the headers.
fn head(reader: &mut impl BufRead) -> std::io::Result<(String, Vec<String>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim_end().is_empty() {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let rest = lines.split_off(lines.len().min(1));
    Ok((lines.pop().unwrap_or_default(), rest))
}
