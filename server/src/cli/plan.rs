//! `headroom plan`: a pool's reservations as a file under version control.

use super::{Place, plain, with_database};
use crate::app::plan::drafts::Edit;
use crate::app::plan::effect::Basis;
use crate::app::plan::files::Declaration;
use crate::app::plan::publish::Choices;
use crate::app::{App, AppError};
use crate::planfile::declared::{self, Declared};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use headroom_domain::plan::change::{Change, Verb, differing};
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit code of `diff --exit-code` if something differs.
const DIFFERS: u8 = 1;

/// Keep a pool's reservations in a file: review it, compare it, apply it.
#[derive(Debug, Subcommand)]
pub(super) enum Plan {
    /// Write a pool's reservations as a file
    Export {
        /// Slug of the pool
        pool: String,
    },
    /// Show what a file would change of what is published
    Diff {
        /// The file (TOML)
        file: PathBuf,
        /// Exit with 1 if something differs
        #[arg(long)]
        exit_code: bool,
    },
    /// Publish what a file says: all of it or nothing
    Apply(Apply),
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    /// The file (TOML)
    file: PathBuf,
    /// Why, for everybody who looks at the plan later
    #[arg(long)]
    reason: String,
    /// Publish although there are warnings
    #[arg(long)]
    accept_warnings: bool,
}

impl Plan {
    pub(super) async fn run(self, place: &Place) -> Result<ExitCode> {
        with_database(place, async |app| match self {
            Self::Export { pool } => {
                let declared = app.declared(&pool).await.map_err(plain)?;
                print!("{}", declared::write(&declared).map_err(anyhow::Error::msg)?);
                Ok(ExitCode::SUCCESS)
            }
            Self::Diff { file, exit_code } => {
                let found = app.declare(&read(&file)?).await.map_err(plain)?;
                show(&found);
                let differs = exit_code && !found.changes.is_empty();
                Ok(if differs { ExitCode::from(DIFFERS) } else { ExitCode::SUCCESS })
            }
            Self::Apply(apply) => apply.run(app).await,
        })
        .await
    }
}

impl Apply {
    async fn run(self, app: &App) -> Result<ExitCode> {
        let found = app.declare(&read(&self.file)?).await.map_err(plain)?;
        show(&found);
        if found.changes.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        let slug = found.pool.fields.slug.as_str();
        let name = format!("File {}", self.file.display());
        let draft = app.create_draft(slug, &name.chars().take(120).collect::<String>()).await.map_err(plain)?;
        let published = self.publish(app, draft.id, found).await;
        if published.is_err() {
            // Whoever mends the file comes again with a new draft.
            let _ = app.discard_draft(draft.id).await;
        }
        published.map(|()| ExitCode::SUCCESS)
    }

    async fn publish(&self, app: &App, draft: uuid::Uuid, found: Declaration) -> Result<()> {
        let slug = found.pool.fields.slug;
        let edits: Vec<Edit> = found.changes.into_iter().map(|(id, change)| (id, change.after)).collect();
        app.edit_draft_at_once(draft, None, edits, "").await.map_err(plain)?;
        let choices = Choices::new();
        let preview = app.preview(draft, &choices, 0, Basis::default()).await.map_err(plain)?;
        for conflict in &preview.conflicts {
            let word = if conflict.kind.is_warning() { "warning" } else { "conflict" };
            println!("{word}: {}", conflict.says);
        }
        let published = app.publish(draft, &preview.token, &self.reason, &choices, self.accept_warnings).await;
        let published = published.map_err(|error| match error {
            AppError::Planned(conflicts) if conflicts.iter().all(|conflict| conflict.kind.is_warning()) => {
                anyhow::anyhow!("nothing was published; --accept-warnings publishes all the same")
            }
            AppError::Planned(_) => anyhow::anyhow!("nothing was published"),
            other => plain(other),
        })?;
        println!("published as version {} of the plan of {}", published.version, slug);
        Ok(())
    }
}

fn read(file: &PathBuf) -> Result<Declared> {
    let size = std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len();
    if size > declared::MOST_BYTES as u64 {
        bail!("{} has {size} bytes, expected at most 20 MB", file.display());
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    declared::read(&text).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
}

fn show(found: &Declaration) {
    if found.changes.is_empty() {
        println!("the plan of {} is as the file says", found.pool.fields.slug);
    }
    for (_, change) in &found.changes {
        println!("{}", line(change));
        if let (Some(before), Some(after)) = (&change.before, &change.after) {
            for field in differing(before, after) {
                let text = |text: String| if text.is_empty() { "nothing".to_owned() } else { text };
                println!("    {}: {} -> {}", field.as_str(), text(field.text(before)), text(field.text(after)));
            }
        }
    }
}

fn line(change: &Change) -> String {
    let sign = match change.verb() {
        Verb::Create => '+',
        Verb::Cancel => '-',
        Verb::Edit | Verb::Nothing => '~',
    };
    let terms = change.after.as_ref().or(change.before.as_ref());
    let what = terms.map(|terms| format!("{} slots for {} from {}", terms.slots, terms.tenant, terms.start));
    format!("{sign} {}: {}", change.name(), what.unwrap_or_default())
}
