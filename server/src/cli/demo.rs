//! `headroom demo`.

use super::serve::{Serve, Stop};
use super::{Place, plain};
use crate::demo::{ACCOUNTS, World, populate, send};
use crate::outward::Outward;
use anyhow::Result;
use clap::Args;
use headroom_slots::CancellationToken;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Arc;
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
    /// Do not send live samples, and claim no slots
    #[arg(long)]
    quiet: bool,
}

impl Demo {
    pub(super) async fn run(self, place: &Place) -> Result<()> {
        let started = Instant::now();
        let listener = self.serve.listener(false).await?;
        let open = place.open().await?;
        let world = self.install(&open.app).await?;
        let mut stop = Stop::listen()?;
        let server = self.serve.start(&open, listener, None, Outward::default())?;
        let address = server.address;
        let token = open.app.demo_token().await.map_err(plain)?;
        if let Ok(page) = first_page(address).await
            && page.status().is_success()
        {
            println!("first page after {:.1} s; open http://{address}/overview", started.elapsed().as_secs_f64());
            println!("the page shows an account for each role to sign in with");
        }
        let world = Arc::new(world);
        let at_work = CancellationToken::new();
        let traffic = if self.quiet {
            None
        } else {
            open.app.track_demo().await.map_err(plain)?;
            let clients = tokio::spawn(populate(Arc::clone(&world), address, token.clone(), at_work.clone()));
            Some((tokio::spawn(send(world, address, token)), clients))
        };
        stop.asked().await;
        if let Some((sender, clients)) = traffic {
            sender.abort();
            // They give back what they hold while there is somebody to give it to.
            at_work.cancel();
            let _ = clients.await;
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

/// The first page as a browser gets it that signs in as the demo's viewer.
async fn first_page(address: std::net::SocketAddr) -> Result<reqwest::Response> {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    // The list of sessions names it.
    let client = client.user_agent("headroom demo, at its start").build()?;
    let login = format!("http://{address}/login");
    let page = client.get(&login).send().await?;
    let cookie = |answer: &reqwest::Response| -> String {
        let cookies = answer.headers().get_all(reqwest::header::SET_COOKIE).iter();
        let pairs = cookies.filter_map(|value| value.to_str().ok()?.split(';').next().map(str::to_owned));
        pairs.collect::<Vec<_>>().join("; ")
    };
    let form = cookie(&page);
    let csrf = form.split("hr_form=").nth(1).and_then(|rest| rest.split(';').next()).unwrap_or_default().to_owned();
    let viewer = &ACCOUNTS[0];
    let fields = [("email", viewer.email), ("password", viewer.password), ("csrf", &csrf)];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let signed_in = client
        .post(&login)
        .header(reqwest::header::COOKIE, &form)
        .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await?;
    let session = cookie(&signed_in);
    let overview = format!("http://{address}/overview");
    Ok(client.get(overview).header(reqwest::header::COOKIE, session).send().await?)
}
