//! placeholder
use super::Place;
use anyhow::Result;
use clap::Subcommand;
/// Bring history in.
#[derive(Debug, Subcommand)]
pub(super) enum Import { /// x
 X }
impl Import { pub(super) async fn run(self, _: &Place) -> Result<()> { Ok(()) } }
