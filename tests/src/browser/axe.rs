//! axe-core, the accessibility checker, run inside the page.

use std::fmt;

use anyhow::{Result, bail};
use serde::Deserialize;
use serde_json::json;

use super::Browser;

/// Vendored with its licence beside it; its version is in its first line.
const AXE: &str = include_str!("../../vendor/axe.min.js");

/// A rule that a page breaks, and where.
#[derive(Debug, Clone, Deserialize)]
pub struct Violation {
    pub rule: String,
    pub help: String,
    /// The element's markup and what is wrong with it, one entry per element.
    pub places: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.help)?;
        self.places.iter().try_for_each(|place| write!(f, "\n      {place}"))
    }
}

impl Browser {
    /// Every rule of axe that the page breaks.
    pub async fn axe(&self) -> Result<Vec<Violation>> {
        if !self.evaluate::<bool>("return typeof axe !== 'undefined'").await? {
            self.evaluate::<()>(AXE).await?;
        }
        let answer = self
            .client()
            .execute_async(
                "const done = arguments[0];
                 axe.run(document, { resultTypes: ['violations'] }).then(
                     (result) => done({ violations: result.violations.map((violation) => ({
                         rule: violation.id,
                         help: violation.help,
                         places: violation.nodes.map((node) => node.html.slice(0, 300) + ' | ' + node.failureSummary),
                     })) }),
                     (error) => done({ error: String(error) }),
                 );",
                Vec::new(),
            )
            .await?;
        if answer["error"] != json!(null) {
            bail!("axe failed: {}", answer["error"]);
        }
        Ok(serde_json::from_value(answer["violations"].clone())?)
    }
}
