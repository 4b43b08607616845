//! The API under thousands of strange requests: made from its description, and mutilated byte by byte.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use headroom_frontend::routes::Policy;
use headroom_server::clock::seeded;
use headroom_server::http::routes;
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::schemathesis::{self, Case, Run};
use headroom_tests::service::Service;
use headroom_tests::soak;
use http::Method;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn world() -> Result<(Database, Service)> {
    let database = Database::create().await?;
    let service = Service::start(&["serve", "--database-url", database.url()])?;
    let admin = Client::new(service.url())?;
    // The names of the examples in the description.
    let pool = json!({ "slug": "ingress-eu", "capacity": 10 });
    admin.json(Method::POST, "/api/v1/pools", &pool).await?.expect(201)?;
    admin.json(Method::POST, "/api/v1/tenants", &json!({ "slug": "acme" })).await?.expect(201)?;
    Ok((database, service))
}

/// Nothing in the log of a service that nobody should have caused.
fn ensure_calm(service: &Service) -> Result<()> {
    let log = service.log();
    let bad = log.lines().find(|line| line.contains("panicked") || line.contains("request failed"));
    ensure!(bad.is_none(), "{}", bad.unwrap_or_default());
    Ok(())
}

fn broken(cases: &[Case]) -> Vec<&Case> {
    cases.iter().filter(|case| case.status == 0 || case.status >= 500).collect()
}

/// An operation of the API's description.
#[derive(Debug)]
struct Operation {
    method: String,
    /// Path with names of parameters in braces.
    path: String,
}

impl Operation {
    fn is_served(&self, cases: &[Case]) -> bool {
        cases.iter().any(|case| case.status < 300 && case.method == self.method && self.is_at(&case.path))
    }

    fn is_at(&self, path: &str) -> bool {
        let is_any = |part: &str| part.starts_with('{');
        let (ours, theirs): (Vec<&str>, Vec<&str>) = (self.path.split('/').collect(), path.split('/').collect());
        ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(own, other)| is_any(own) || *own == other)
    }
}

/// All operations of a description.
fn operations(description: &Value) -> Result<Vec<Operation>> {
    let paths = description["paths"].as_object().context("a description has paths")?;
    let mut operations = Vec::new();
    for (path, methods) in paths {
        for method in methods.as_object().into_iter().flat_map(|methods| methods.keys()) {
            if ["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                operations.push(Operation { method: method.to_uppercase(), path: path.clone() });
            }
        }
    }
    Ok(operations)
}

/// A token that made itself end would leave the rest of a run to nobody.
const KEEPS_ITS_TOKEN: &[&str] = &[
    "--exclude-path",
    "/api/v1/tokens/{token}",
    "--exclude-path",
    "/api/v1/ingest/occupancy",
    "--exclude-path",
    "/api/v1/pools/{pool}/claims/batch",
];
const ENDS_TOKENS: &[&str] = &["--include-path", "/api/v1/tokens/{token}"];
/// Wrong rows and operations of a batch get a verdict each, and the batch is taken.
const SENDS: &[&str] =
    &["--include-path", "/api/v1/ingest/occupancy", "--include-path", "/api/v1/pools/{pool}/claims/batch"];

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_as_its_description_says() -> Result<()> {
    let (_database, service) = world().await?;
    let folder = tempfile::tempdir()?;
    let description = service.at("/api/v1/openapi.json");
    let send = |token: Option<&'static str>, examples: u32, more: &'static [&'static str]| {
        let unchecked = (more == SENDS).then_some("negative_data_rejection");
        let run = Run { description: description.clone(), token, examples, seed: 1, more, unchecked };
        schemathesis::send(&run, folder.path())
    };
    let (examples, least) = soak::count((4, 1_000), (150, 10_000));
    let mut known = send(Some(people::TOKEN), examples, KEEPS_ITS_TOKEN)?;
    known.extend(send(Some(people::TOKEN), examples, SENDS)?);
    known.extend(send(Some(people::TOKEN), examples, ENDS_TOKENS)?);
    ensure!(broken(&known).is_empty(), "{:?}", broken(&known));
    let served = known.iter().filter(|case| case.status < 300).count();
    // Most requests are wrong on purpose, and what names something that is not there is refused; were whole parts of the API never
    // served, this would have tried little.
    let operations = operations(&Client::new(service.url())?.get("/api/v1/openapi.json").await?.expect(200)?.json()?)?;
    let never: Vec<&Operation> = operations.iter().filter(|operation| !operation.is_served(&known)).collect();
    ensure!(
        never.len() * 2 < operations.len(),
        "of {} operations these were never served: {never:?}",
        operations.len()
    );

    let unknown = send(None, examples, &[])?;
    ensure!(broken(&unknown).is_empty(), "{:?}", broken(&unknown));
    let open: Vec<&str> =
        routes().iter().filter(|route| route.policy == Policy::Open).map(|route| route.path).collect();
    let slipped: Vec<&Case> =
        unknown.iter().filter(|case| case.status < 400 && !open.contains(&case.path.as_str())).collect();
    ensure!(slipped.is_empty(), "served without a token: {slipped:?}");
    let sent = known.len() + unknown.len();
    ensure!(sent >= least, "{sent} requests were made, expected {least} at least");
    println!(
        "{sent} requests by description: {} with a token, {served} of them and {} of {} operations served; {} without",
        known.len(),
        operations.len() - never.len(),
        operations.len(),
        unknown.len()
    );
    ensure_calm(&service)
}

/// Requests as they should be: what is mutilated below.
fn proper() -> Vec<Vec<u8>> {
    let (name, value) = people::cookie();
    let cookie = format!("Cookie: {name}={value}\r\n");
    let bearer = format!("Authorization: Bearer {}\r\n", people::TOKEN);
    let get = |path: &str, more: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n").into_bytes()
    };
    let post = |method: &str, path: &str, more: &str, body: &str| {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}Content-Length: {}\r\n\r\n",
            body.len()
        );
        (head + body).into_bytes()
    };
    let json = format!("{bearer}Content-Type: application/json\r\n");
    let form = format!("{cookie}Content-Type: application/x-www-form-urlencoded\r\nOrigin: http://localhost\r\n");
    let sample = r#"{"pool":"ingress-eu","ts":"2026-11-21T08:00:00Z","capacity":10,"occupied":3}"#;
    vec![
        get("/overview?from=now-1d&tz=Europe/Berlin", &format!("{cookie}Accept: text/html\r\n")),
        get("/pools/ingress-eu?tab=history&pool=ingress-eu", &format!("{cookie}Accept: text/csv\r\n")),
        get("/search?q=one", &cookie),
        get("/login?next=%2Fpools", "Accept: text/html\r\nAccept-Encoding: br, gzip\r\n"),
        get("/assets/nothing.css", "If-None-Match: \"x\"\r\nRange: bytes=0-1\r\n"),
        get("/api/v1/pools/ingress-eu/trend?from=now-1d&step=5m", &bearer),
        get("/api/v1/usage?by=pool&format=csv", &bearer),
        get("/api/v1/audit?limit=2", &format!("{bearer}Accept: application/x-ndjson\r\n")),
        post("POST", "/api/v1/tenants", &json, r#"{"slug":"acme","name":"One"}"#),
        post("PATCH", "/api/v1/pools/ingress-eu", &json, r#"{"version":1,"name":"One","labels":{"a":"b"}}"#),
        post("POST", "/api/v1/ingest/occupancy", &json, &format!(r#"{{"source":"soak","seq":0,"rows":[{sample}]}}"#)),
        post(
            "POST",
            "/api/v1/ingest/occupancy?source=soak&seq=1",
            &format!("{bearer}Content-Type: application/x-ndjson\r\n"),
            sample,
        ),
        post("POST", "/tenants/new", &form, &format!("csrf={}&name=A&slug=acme", people::CSRF)),
        post("POST", "/login", &form, "email=a%40b.example&password=x&csrf=y"),
    ]
}

const LINES: &[&[u8]] = &[
    b"Host: elsewhere\r\n",
    b"Host:\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Content-Encoding: br\r\n",
    b"Authorization: Bearer\r\n",
    b"Authorization: Basic YTpi\r\n",
    b"Authorization: Bearer hr_\xff\xfe\r\n",
    b"Cookie: headroom=AAAAAAAAAAAAAAAAAAAAAA; headroom=\xff; hr_form=\x01\r\n",
    b"Cookie: hr_tz=%00; hr_theme=%ff; hr_flash=%3Cscript%3E\r\n",
    b"Accept: text/csv;q=nan, \xff\r\n",
    b"Accept-Encoding: gzip;q=2, br;q=-1, *\r\n",
    b"Origin: null\r\n",
    b"X-Forwarded-For: 1.2.3.4, nonsense\r\n",
    b"X-Forwarded-Proto: https\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: websocket\r\nConnection: upgrade\r\n",
    b"Connection: close, keep-alive\r\n",
    b"Content-Type: multipart/form-data; boundary=\"\r\n",
    b" folded: line\r\n",
    b"No-Colon\r\n",
    b"Nul: a\0b\r\n",
    b"X-Request-Id: \xc3\x28\r\n",
    b"Range: bytes=5-1\r\n",
    b"If-Match: \"\r\n",
    b"X-Csrf-Token: \xf0\x9f\x92\xa9\r\n",
];

const PATHS: &[&[u8]] = &[
    b"/%00",
    b"/pools/%00",
    b"/pools/%ff%fe",
    b"/pools/..%2f..%2fetc%2fpasswd",
    b"/assets/../../etc/passwd",
    b"*",
    b"http://elsewhere/pools",
    b"//elsewhere",
    b"/pools/ingress-eu?from=%00",
    b"/overview?pool=%ff&pool[]=1&from=9e999",
    b"/overview?from=now-999999999999999999999d&to=-1",
    b"/api/v1/trend?step=0&from=now%2B1d",
    b"/\xff\xfe",
    b"",
    b"/api/v1/pools/\xe2\x82",
    b"/pools?cur=-9223372036854775808&sort=%27%3B--",
    b"/audit?cur=99999999999999999999",
    b"/api/v1/audit?after=9223372036854775807&before=-1&limit=1000",
    b"/help?a=%",
    b"/search?q=%F0%9F%92%A9%00%E2%80%AE",
];

const METHODS: &[&[u8]] =
    &[b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"PUT", b"DELETE", b"get", b"G\0T", b"", b"PROPFIND"];

/// A request with something wrong in it.
fn mutilate(rng: &mut StdRng, requests: &[Vec<u8>]) -> Vec<u8> {
    let mut request = requests.choose(rng).cloned().unwrap_or_default();
    for _ in 0..rng.random_range(1..=3) {
        let head = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(request.len());
        let line = request.windows(2).position(|two| two == b"\r\n").map_or(request.len(), |at| at + 2);
        let space = |nth: usize| request.iter().enumerate().filter(|(_, b)| **b == b' ').nth(nth).map(|(at, _)| at);
        match rng.random_range(0..14) {
            // Cut off.
            0 => request.truncate(rng.random_range(0..=request.len())),
            // A strange line of the head; twice the same.
            1 | 2 => {
                let strange = LINES.choose(rng).copied().unwrap_or_default();
                let again = strange.repeat(rng.random_range(1..=3));
                request.splice(line..line, again);
            }
            // A line of the head doubled.
            3 => {
                let doubled = request[line.min(head)..head].to_vec();
                request.splice(line..line, doubled.into_iter().chain(*b"\r\n"));
            }
            // Another path.
            4 | 5 => {
                if let (Some(from), Some(to)) = (space(0), space(1)) {
                    let path = PATHS.choose(rng).copied().unwrap_or_default();
                    request.splice(from + 1..to.max(from + 1), path.iter().copied());
                }
            }
            // A path of a megabyte; of a few kilobytes.
            6 => {
                if let Some(from) = space(0) {
                    let long = if rng.random_bool(0.05) { 1 << 20 } else { rng.random_range(1_000..20_000) };
                    let after = from + 1;
                    request.splice(after..after, b"/a%20".iter().copied().cycle().take(long));
                }
            }
            // Another method.
            7 => {
                if let Some(end) = space(0) {
                    request.splice(0..end, METHODS.choose(rng).copied().unwrap_or_default().iter().copied());
                }
            }
            // Bytes that are something else.
            8 | 9 => {
                for _ in 0..rng.random_range(1..8) {
                    if !request.is_empty() {
                        let at = rng.random_range(0..request.len());
                        request[at] =
                            *[0, 0xff, b'\r', b'\n', b'%', b'"', b'{', rng.random()].choose(rng).unwrap_or(&0);
                    }
                }
            }
            // A body that was not announced, or is nested too deeply.
            10 => request.extend(b"[{\"a\":".iter().copied().cycle().take(rng.random_range(10..60_000))),
            // Chunks that are none.
            11 => {
                request.splice(line..line, *b"Transfer-Encoding: chunked\r\n");
                request.extend(*b"\r\nffffffffffffffff\r\nx\r\n0\r\n\r\n");
            }
            // Many lines; a long one.
            12 => {
                let mut lines = String::new();
                for number in 0..rng.random_range(1..300) {
                    let _ = write!(lines, "X-{number}: {}\r\n", "y".repeat(rng.random_range(0..300)));
                }
                request.splice(line..line, lines.into_bytes());
            }
            // A piece moved elsewhere.
            _ => {
                let (a, b) = (rng.random_range(0..=request.len()), rng.random_range(0..=request.len()));
                let piece = request[a.min(b)..a.max(b)].to_vec();
                let at = rng.random_range(0..=request.len());
                request.splice(at..at, piece.into_iter().take(2_000));
            }
        }
    }
    request
}

/// Who hears nothing for this long goes away: most of what is cut off waits for its rest.
const QUIET: Duration = Duration::from_millis(700);
/// A whole request is answered, however busy the machine is: after it the server closes by itself.
const PATIENT: Duration = Duration::from_mins(1);

/// Sends bytes and returns the statuses that come back until nothing is heard for a time; none if the other end just
/// closes.
async fn exchange(address: &str, bytes: &[u8], quiet: Duration) -> Result<Vec<u16>> {
    let mut stream = TcpStream::connect(address).await.context("the server takes connections")?;
    let (mut reader, mut writer) = stream.split();
    // It may have had enough before all is sent.
    let (answer, _) = tokio::join!(
        async {
            let (mut answer, mut part) = (Vec::new(), [0_u8; 8192]);
            while let Ok(Ok(count @ 1..)) = tokio::time::timeout(quiet, reader.read(&mut part)).await {
                if answer.len() < 1 << 20 {
                    answer.extend_from_slice(&part[..count]);
                }
            }
            answer
        },
        writer.write_all(bytes)
    );
    let text = String::from_utf8_lossy(&answer);
    Ok(text.split("HTTP/1.1 ").skip(1).filter_map(|part| part.get(..3)?.parse().ok()).collect())
}

/// Connections at once.
const AT_ONCE: u64 = 40;

/// Memory of a process that is in use, kB.
fn resident(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("its memory is told")?;
    Ok(line.split_whitespace().nth(1).context("a number")?.parse()?)
}

fn median(sizes: &mut [u64]) -> u64 {
    sizes.sort_unstable();
    sizes.get(sizes.len() / 2).copied().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn mutilated_requests_are_refused_and_leave_nothing_behind() -> Result<()> {
    let (_database, service) = world().await?;
    let address = service.url().trim_start_matches("http://").to_owned();
    let requests = proper();
    for request in &requests {
        let statuses = exchange(&address, request, PATIENT).await?;
        ensure!(matches!(statuses.as_slice(), [200..=499]), "{}: {statuses:?}", String::from_utf8_lossy(request));
    }
    let (warm, count) = soak::count((480, 480), (4_000, 10_000));
    let mut answered = 0_usize;
    let mut sizes = Vec::new();
    for round in 0..(warm + count) / AT_ONCE {
        if round >= warm / AT_ONCE {
            sizes.push(resident(service.pid())?);
        }
        let one = |number: u64| {
            let (address, requests) = (&address, &requests);
            async move {
                let bytes = mutilate(&mut seeded(round * AT_ONCE + number), requests);
                let statuses = exchange(address, &bytes, QUIET).await?;
                let start = String::from_utf8_lossy(&bytes[..bytes.len().min(600)]).into_owned();
                ensure!(
                    statuses.iter().all(|status| *status < 500),
                    "{}: {statuses:?}: {start}",
                    round * AT_ONCE + number
                );
                Ok::<_, anyhow::Error>(!statuses.is_empty())
            }
        };
        let all = futures::future::try_join_all((0..AT_ONCE).map(one)).await?;
        answered += all.into_iter().filter(|answered| *answered).count();
    }
    // What is in use at one instant goes up and down by a tenth: the usual of the first half is compared with that of the second.
    let half = sizes.len() / 2;
    let (before, after) = (median(&mut sizes[..half]), median(&mut sizes[half..]));
    println!("{} mutilated requests, {answered} answered; memory {before} kB, then {after} kB", warm + count);
    ensure!(after < before + before / 10, "memory grew from {before} kB to {after} kB");
    Client::new(service.url())?.page("/overview").await?.expect(200)?;
    ensure_calm(&service)
}
