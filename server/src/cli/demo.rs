//! `headroom demo`.

use super::serve::{Serve, Stop};
use super::{Place, plain};
use crate::demo::{World, send};
use anyhow::Result;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Instant;

/// Serve a made-up world.
#[derive(Debug, Args)]
pub(super) struct Demo {
    #[command(flatten)]
    serve: Serve,
    /// The world's seed; the same seed makes the same world
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Days of history to make on the first start, 2 to 400
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(2..=400))]
    days: i64,
    /// Do not send live samples
    #[arg(long)]
    quiet: bool,
}

impl Demo {
    pub(super) async fn run(self, place: &Place) -> Result<()> {
        let started = Instant::now();
        let listener = self.serve.listener().await?;
        let open = place.open().await?;
        let world = self.install(&open.app).await?;
        let mut stop = Stop::listen()?;
        let server = self.serve.start(&open, listener)?;
        let address = server.address;
        let sender = (!self.quiet).then(|| tokio::spawn(send(world, address)));
        if let Ok(page) = reqwest::get(format!("http://{address}/overview")).await
            && page.status().is_success()
        {
            println!("first page after {:.1} s; open http://{address}/overview", started.elapsed().as_secs_f64());
        }
        stop.asked().await;
        if let Some(sender) = sender {
            sender.abort();
        }
        server.stop().await;
        open.postgres.stop().await;
        Ok(())
    }

    async fn install(&self, app: &crate::app::App) -> Result<World> {
        let bar = ProgressBar::new(0).with_message("making history");
        let style = ProgressStyle::with_template("{msg} [{bar:40}] {percent} %, {eta} left")?.progress_chars("=> ");
        bar.set_style(style);
        let progress = |done: u64, total: u64| {
            bar.set_length(total);
            bar.set_position(done);
        };
        let world = app.install_demo(self.seed, self.days, &progress).await.map_err(plain)?;
        bar.finish_and_clear();
        Ok(world)
    }
}
