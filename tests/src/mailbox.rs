//! An SMTP server that keeps what it is given.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A letter as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Whom it is for.
    pub to: String,
    /// Headers and text.
    pub text: String,
}

/// A running SMTP server.
#[derive(Debug)]
pub struct Mailbox {
    port: u16,
    letters: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

impl Mailbox {
    /// Starts a server on a free port. It refuses letters to addresses that begin with `refused`.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let letters = Arc::new(Mutex::new(Vec::new()));
        let kept = letters.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, kept.clone()));
            }
        });
        Ok(Self { port, letters, task })
    }

    /// Its address for `--smtp-url`.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// What came so far.
    pub fn letters(&self) -> Vec<Received> {
        self.letters.lock().map(|letters| letters.clone()).unwrap_or_default()
    }

    /// The letter of this number, counted from 0, when it has come.
    pub async fn letter(&self, number: usize) -> Result<Received> {
        for _ in 0..500 {
            if let Some(found) = self.letters().get(number) {
                return Ok(found.clone());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("no letter {number} came within 10 s")
    }
}

impl Received {
    /// The one-time code in it.
    pub fn code(&self) -> Result<String> {
        let is_code = |line: &&str| line.len() == 14 && line.matches('-').count() == 2;
        let found = self.text.lines().map(str::trim).find(is_code);
        Ok(found.with_context(|| format!("no code in {}", self.text))?.to_owned())
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, by RFC 5321 as far as a client needs it.
async fn converse(stream: TcpStream, letters: Arc<Mutex<Vec<Received>>>) -> Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 test\r\n").await?;
    let (mut to, mut line) = (String::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let word = line.split([' ', '\r', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let answer: &[u8] = match word.as_str() {
            "EHLO" | "HELO" => b"250-test\r\n250 8BITMIME\r\n",
            "RCPT" => {
                to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                if to.starts_with("refused") { b"550 nobody of that name\r\n" } else { b"250 fine\r\n" }
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let mut text = String::new();
                loop {
                    line.clear();
                    if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
                        break;
                    }
                    text.push_str(&line);
                }
                if let Ok(mut letters) = letters.lock() {
                    letters.push(Received { to: to.clone(), text });
                }
                b"250 taken\r\n"
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => b"250 fine\r\n",
        };
        stream.write_all(answer).await?;
    }
}
