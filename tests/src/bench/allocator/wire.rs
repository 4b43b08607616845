//! A client of HTTP/1.1 that does nothing but send and receive, on one connection that is kept: the same for all that are
//! measured through HTTP, and cheap enough that the processor is theirs.

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    host: String,
    /// What belongs into every request's head.
    headers: String,
    received: Vec<u8>,
    /// A body that came in parts.
    body: Vec<u8>,
}

impl Wire {
    /// Connects to `host:port`. `headers` are whole lines.
    pub(super) async fn connect(host: &str, headers: &str) -> Result<Self> {
        let stream = TcpStream::connect(host).await.with_context(|| format!("cannot connect to {host}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host: host.to_owned(),
            headers: headers.to_owned(),
            received: Vec::with_capacity(4096),
            body: Vec::new(),
        })
    }

    /// Sends JSON by POST and returns the answer's status and body.
    pub(super) async fn post(&mut self, path: &str, body: &str) -> Result<(u16, &[u8])> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\n{}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.host,
            self.headers,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.received.clear();
        let head = loop {
            if let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let (status, length) = read_head(&self.received[..head])?;
        if let Some(length) = length {
            while self.received.len() < head + length {
                self.more().await?;
            }
            return Ok((status, &self.received[head..head + length]));
        }
        self.body.clear();
        let mut place = head;
        loop {
            let line = loop {
                match self.received[place..].windows(2).position(|two| two == b"\r\n") {
                    Some(end) => break place + end,
                    None => self.more().await?,
                }
            };
            let length = std::str::from_utf8(&self.received[place..line]).ok();
            let length = length.and_then(|length| usize::from_str_radix(length.trim(), 16).ok());
            let length = length.context("a part of a body without length")?;
            let (begin, end) = (line + 2, line + 2 + length);
            while self.received.len() < end + 2 {
                self.more().await?;
            }
            if length == 0 {
                return Ok((status, &self.body));
            }
            self.body.extend_from_slice(&self.received[begin..end]);
            place = end + 2;
        }
    }

    /// The same where any other status than success is an error.
    pub(super) async fn done(&mut self, path: &str, body: &str) -> Result<&[u8]> {
        let (status, answer) = self.post(path, body).await?;
        ensure!((200..300).contains(&status), "{path} says {status}: {}", String::from_utf8_lossy(answer));
        Ok(answer)
    }

    async fn more(&mut self) -> Result<()> {
        let count = self.stream.read_buf(&mut self.received).await?;
        ensure!(count > 0, "{} closed the connection", self.host);
        Ok(())
    }
}

/// Status and length of the body; no length if it comes in parts, each with its own.
fn read_head(head: &[u8]) -> Result<(u16, Option<usize>)> {
    let text = std::str::from_utf8(head).context("a head that is no text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("a head without status: {text}"))?;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            return Ok((status, Some(value.trim().parse().context("a length that is no number")?)));
        }
        if name.eq_ignore_ascii_case("transfer-encoding") && value.trim().eq_ignore_ascii_case("chunked") {
            return Ok((status, None));
        }
    }
    bail!("a head without length: {text}")
}

/// The text behind `"name":"` in JSON of which the form is known.
pub(super) fn text_of<'a>(json: &'a [u8], name: &str) -> Option<&'a str> {
    let json = std::str::from_utf8(json).ok()?;
    let (_, rest) = json.split_once(&format!("\"{name}\":\""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bodies_are_read_whole_and_in_parts() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = listener.local_addr().expect("it has an address").to_string();
        let server = async {
            let (mut stream, _) = listener.accept().await.expect("somebody comes");
            let mut asked = [0; 1024];
            for part in [
                "content-length: 3\r\n\r\nabc",
                "Transfer-Encoding: chunked\r\n\r\n2\r\nde\r\nA\r\n0123456789\r\n0\r\n\r\n",
            ] {
                let _ = stream.read(&mut asked).await.expect("it asks");
                for piece in format!("HTTP/1.1 200 OK\r\n{part}").as_bytes().chunks(7) {
                    stream.write_all(piece).await.expect("it listens");
                    tokio::task::yield_now().await;
                }
            }
        };
        let client = async {
            let mut wire = Wire::connect(&host, "").await.expect("it is there");
            assert_eq!(wire.done("/", "{}").await.expect("an answer"), b"abc");
            assert_eq!(wire.done("/", "{}").await.expect("an answer"), b"de0123456789");
        };
        tokio::join!(server, client);
    }

    #[test]
    fn heads_are_read() {
        let head = b"HTTP/1.1 201 Created\r\nServer: x\r\nContent-Length: 42\r\n\r\n";
        assert_eq!(read_head(head).expect("it is a head"), (201, Some(42)));
        let parts = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(read_head(parts).expect("it is a head"), (200, None));
        assert!(read_head(b"HTTP/1.1 204 No Content\r\n\r\n").is_err());
        assert_eq!(text_of(br#"{"claim":"0189","state":"granted"}"#, "state"), Some("granted"));
        assert_eq!(text_of(b"{}", "state"), None);
    }
}
