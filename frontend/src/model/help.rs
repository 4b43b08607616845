//! Help: definitions of the numbers, how data gets in.

/// Everything on `/help` that is not the same everywhere.
#[derive(Debug, Clone)]
pub struct HelpModel {
    /// Address of this server as the reader sees it, for the examples: `http://127.0.0.1:8080`.
    pub base_url: String,
    /// Version of the running server.
    pub version: String,
}
