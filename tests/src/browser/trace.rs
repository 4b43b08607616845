//! A trace of what a browser does, over its own protocol: the driver passes no events on.

use anyhow::{Context, Result, bail};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A trace that is being recorded.
#[derive(Debug)]
pub struct Trace(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Trace {
    /// Begins to record categories of the browser at an address such as `127.0.0.1:34567`.
    pub(super) async fn start(address: &str, categories: &[&str]) -> Result<Self> {
        let version: Value = reqwest::get(format!("http://{address}/json/version")).await?.json().await?;
        let socket = version["webSocketDebuggerUrl"].as_str().context("the browser names no socket")?;
        let (socket, _) = connect_async(socket).await.context("the browser's socket does not open")?;
        let mut trace = Self(socket);
        let wanted = json!({ "transferMode": "ReportEvents", "traceConfig": { "includedCategories": categories } });
        trace.send(1, "Tracing.start", &wanted).await?;
        while trace.next().await?["id"] != 1 {}
        Ok(trace)
    }

    /// Ends it. Returns its events.
    pub async fn end(mut self) -> Result<Vec<Value>> {
        self.send(2, "Tracing.end", &json!({})).await?;
        let mut events = Vec::new();
        loop {
            let mut message = self.next().await?;
            match message["method"].as_str() {
                Some("Tracing.dataCollected") => {
                    if let Value::Array(more) = message["params"]["value"].take() {
                        events.extend(more);
                    }
                }
                Some("Tracing.tracingComplete") => return Ok(events),
                _ => {}
            }
        }
    }

    async fn send(&mut self, id: u32, method: &str, params: &Value) -> Result<()> {
        let text = json!({ "id": id, "method": method, "params": params }).to_string();
        Ok(self.0.send(Message::Text(text.into())).await?)
    }

    async fn next(&mut self) -> Result<Value> {
        loop {
            match self.0.next().await.context("the browser closed its socket")?? {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Close(_) => bail!("the browser closed its socket"),
                _ => {}
            }
        }
    }
}
