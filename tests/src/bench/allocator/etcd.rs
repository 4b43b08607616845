//! The peer etcd: Debian's, with its usual settings, so that every write is on the disk before it is answered.
//!
//! A slot is a key. It is claimed by a transaction that puts the key under a lease if it was not there, and released by one
//! that deletes it if it holds the client's name. All clients share one lease: one each would cost two writes more.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use h2::client::SendRequest;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::fleet::{Keys, held_keys};
use super::wire::{Wire, text_of};
use super::{drive, free_port};
use crate::bench::session::{self, Owned};

/// Longer than any measurement.
const LEASE_SECONDS: u64 = 86_400;
/// What one transaction may do at most, by etcd's usual settings.
const TRANSACTION: usize = 128;
/// Clients that share a connection of gRPC, as etcd's own clients would.
const CLIENTS_A_CONNECTION: usize = 32;
const START_LIMIT: Duration = Duration::from_secs(30);
const TXN: &str = "/v3/kv/txn";

/// One that runs until the value is dropped.
#[derive(Debug)]
pub(super) struct Etcd {
    address: String,
    /// What it says of itself.
    pub(super) version: String,
    lease: u64,
    _process: Owned,
    _folder: TempDir,
}

impl Etcd {
    /// Starts it on an empty folder, with the slots that are held all the time.
    pub(super) async fn start() -> Result<Self> {
        let output = Command::new("etcd").arg("--version").output().context("cannot run etcd")?;
        let version = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned();
        let folder = tempfile::Builder::new().prefix("headroom-etcd-").tempdir()?;
        let (address, peer) = (format!("127.0.0.1:{}", free_port()?), format!("127.0.0.1:{}", free_port()?));
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(folder.path().join("data"));
        for (option, address) in [
            ("--listen-client-urls", &address),
            ("--advertise-client-urls", &address),
            ("--listen-peer-urls", &peer),
            ("--initial-advertise-peer-urls", &peer),
        ] {
            command.arg(option).arg(format!("http://{address}"));
        }
        command.args(["--initial-cluster", &format!("default=http://{peer}"), "--log-level", "error"]);
        let process = session::own(&command).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = Owned(process.context("cannot start etcd")?);
        let started = Instant::now();
        let (mut wire, lease) = loop {
            match grant(&address).await {
                Ok(granted) => break granted,
                Err(error) if started.elapsed() > START_LIMIT => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        let etcd = Self { address, version, lease, _process: process, _folder: folder };
        let keys: Vec<String> = held_keys().collect();
        for some in keys.chunks(TRANSACTION) {
            let puts: Vec<String> = some.iter().map(|key| etcd.put_json(key, "held")).collect();
            wire.done(TXN, &format!(r#"{{"success":[{}]}}"#, puts.join(","))).await?;
        }
        Ok(etcd)
    }

    fn put_json(&self, key: &str, value: &str) -> String {
        let (key, value) = (base64(key.as_bytes()), base64(value.as_bytes()));
        format!(r#"{{"request_put":{{"key":"{key}","value":"{value}","lease":"{}"}}}}"#, self.lease)
    }

    /// Clients of its HTTP gateway, each with a connection.
    pub(super) async fn http_clients(&self, count: usize) -> Result<Vec<HttpClient>> {
        let mut clients = Vec::with_capacity(count);
        for number in 0..count {
            let wire = Wire::connect(&self.address, "").await?;
            clients.push(HttpClient { wire, lease: self.lease, keys: Keys::new(number, count), key: String::new() });
        }
        Ok(clients)
    }

    /// Clients of its gRPC, some to a connection.
    pub(super) async fn grpc_clients(&self, count: usize) -> Result<Vec<GrpcClient>> {
        let mut clients = Vec::with_capacity(count);
        let mut sender: Option<SendRequest<Bytes>> = None;
        for number in 0..count {
            let shared = sender.as_ref().filter(|_| number % CLIENTS_A_CONNECTION != 0).cloned();
            let own = match shared {
                Some(shared) => shared,
                None => self.connect().await?,
            };
            sender = Some(own.clone());
            let uri = format!("http://{}/etcdserverpb.KV/Txn", self.address).parse()?;
            let keys = Keys::new(number, count);
            clients.push(GrpcClient { sender: own, uri, lease: self.lease, keys, key: String::new() });
        }
        Ok(clients)
    }

    async fn connect(&self) -> Result<SendRequest<Bytes>> {
        let stream = TcpStream::connect(&self.address).await.context("cannot connect to etcd")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = h2::client::handshake(stream).await?;
        // It ends with its last client.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}

async fn grant(address: &str) -> Result<(Wire, u64)> {
    let mut wire = Wire::connect(address, "").await?;
    let answer = wire.done("/v3/lease/grant", &format!(r#"{{"TTL":"{LEASE_SECONDS}"}}"#)).await?;
    let lease = text_of(answer, "ID").and_then(|id| id.parse().ok()).context("a lease has a number")?;
    Ok((wire, lease))
}

/// Base64 as JSON has it for bytes.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// One client of the gateway.
#[derive(Debug)]
pub(super) struct HttpClient {
    wire: Wire,
    lease: u64,
    keys: Keys,
    key: String,
}

impl HttpClient {
    async fn transact(&mut self, body: &str) -> Result<()> {
        let answer = self.wire.done(TXN, body).await?;
        let succeeded = answer.windows(16).any(|part| part == br#""succeeded":true"#);
        ensure!(succeeded, "a transaction was answered {}", String::from_utf8_lossy(answer));
        Ok(())
    }
}

impl drive::Client for HttpClient {
    async fn claim(&mut self) -> Result<()> {
        self.key = base64(self.keys.next().as_bytes());
        let (key, value, lease) = (&self.key, base64(self.keys.holder.as_bytes()), self.lease);
        let body = format!(
            r#"{{"compare":[{{"key":"{key}","target":"CREATE","create_revision":"0"}}],"success":[{{"request_put":{{"key":"{key}","value":"{value}","lease":"{lease}"}}}}]}}"#
        );
        self.transact(&body).await
    }

    async fn release(&mut self) -> Result<()> {
        let (key, value) = (&self.key, base64(self.keys.holder.as_bytes()));
        let mut body = format!(r#"{{"compare":[{{"key":"{key}","target":"VALUE","value":"{value}"}}],"success":["#);
        write!(body, r#"{{"request_delete_range":{{"key":"{key}"}}}}]}}"#)?;
        self.transact(&body).await
    }
}

/// One client of gRPC. Its messages are few and small, so they are written by hand.
#[derive(Debug)]
pub(super) struct GrpcClient {
    sender: SendRequest<Bytes>,
    uri: http::Uri,
    lease: u64,
    keys: Keys,
    key: String,
}

/// Appends a number: seven bits a byte, the lowest first.
fn varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// Appends a field that is a number.
fn number(into: &mut Vec<u8>, field: u64, value: u64) {
    varint(into, field << 3);
    varint(into, value);
}

/// Appends a field of bytes.
fn field(into: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(into, field << 3 | 2);
    varint(into, bytes.len() as u64);
    into.extend_from_slice(bytes);
}

/// `etcdserverpb.TxnRequest`, with what goes before a message.
fn transaction(compare: &[u8], request: &[u8]) -> Bytes {
    let mut message = Vec::with_capacity(128);
    field(&mut message, 1, compare);
    field(&mut message, 2, request);
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(&message);
    framed.into()
}

/// Whether `etcdserverpb.TxnResponse` says that its condition was true: its second field. The first is a message to be left
/// out.
fn succeeded(framed: &[u8]) -> bool {
    let Some(message) = framed.get(5..) else { return false };
    match message {
        [0x0a, length, rest @ ..] => rest.get(usize::from(*length)..).is_some_and(|rest| rest.starts_with(&[0x10, 1])),
        _ => false,
    }
}

impl GrpcClient {
    async fn transact(&mut self, message: Bytes) -> Result<()> {
        let request = http::Request::post(self.uri.clone())
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())?;
        let mut sender = self.sender.clone().ready().await?;
        let (answer, mut stream) = sender.send_request(request, false)?;
        stream.send_data(message, true)?;
        let mut body = answer.await?.into_body();
        let mut received = Vec::with_capacity(64);
        while let Some(part) = body.data().await {
            let part = part?;
            body.flow_control().release_capacity(part.len())?;
            received.extend_from_slice(&part);
        }
        ensure!(succeeded(&received), "a transaction was answered {received:?}, {:?}", body.trailers().await?);
        Ok(())
    }
}

impl drive::Client for GrpcClient {
    async fn claim(&mut self) -> Result<()> {
        self.key = self.keys.next();
        let (mut compare, mut put, mut request) = (Vec::new(), Vec::new(), Vec::new());
        // Its revision of creation (1) is none.
        number(&mut compare, 2, 1);
        field(&mut compare, 3, self.key.as_bytes());
        number(&mut compare, 5, 0);
        field(&mut put, 1, self.key.as_bytes());
        field(&mut put, 2, self.keys.holder.as_bytes());
        number(&mut put, 3, self.lease);
        field(&mut request, 2, &put);
        self.transact(transaction(&compare, &request)).await
    }

    async fn release(&mut self) -> Result<()> {
        let (mut compare, mut delete, mut request) = (Vec::new(), Vec::new(), Vec::new());
        // Its value (3) is the holder.
        number(&mut compare, 2, 3);
        field(&mut compare, 3, self.key.as_bytes());
        field(&mut compare, 7, self.keys.holder.as_bytes());
        field(&mut delete, 1, self.key.as_bytes());
        field(&mut request, 3, &delete);
        self.transact(transaction(&compare, &request)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_json_has_them() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn messages_are_written_and_read() {
        let mut bytes = Vec::new();
        number(&mut bytes, 3, 300);
        field(&mut bytes, 1, b"ab");
        assert_eq!(bytes, [0x18, 0xac, 0x02, 0x0a, 2, b'a', b'b']);
        assert_eq!(&transaction(b"c", b"r")[..], [0, 0, 0, 0, 6, 0x0a, 1, b'c', 0x12, 1, b'r']);
        assert!(succeeded(&[0, 0, 0, 0, 6, 0x0a, 2, 8, 1, 0x10, 1]));
        assert!(!succeeded(&[0, 0, 0, 0, 4, 0x0a, 2, 8, 1]) && !succeeded(&[]));
    }
}
