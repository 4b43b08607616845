//! An alert as Markdown, to begin a postmortem with: what is known is filled in, what only people know is asked for.

use super::answer::attachment;
use super::figure::local;
use axum::response::Response;
use headroom_domain::format;
use headroom_frontend::model::{AlertModel, ShellModel};
use std::fmt::Write;

/// The file that is downloaded.
pub(super) fn postmortem(shell: &ShellModel, model: &AlertModel) -> Response {
    attachment("text/markdown; charset=utf-8", &format!("headroom_A-{}.md", model.row.id), text(shell, model))
}

fn text(shell: &ShellModel, model: &AlertModel) -> String {
    let row = &model.row;
    let mut out = format!("# A-{}: {}\n\n", row.id, escaped(&row.sentence));
    let mut put = |line: &str| {
        out.push_str(line);
        out.push('\n');
    };
    let at = |ms| local(shell, ms);
    put(&escaped(&model.scope));
    put("");
    put(&format!("- Rule: {}", escaped(&row.title)));
    put(&format!("- Fired: {}", at(row.fired_ms)));
    match (&row.owner, row.acked_ms) {
        (Some(owner), Some(acked)) => {
            let after = format::duration((acked - row.fired_ms).max(0));
            put(&format!("- Acknowledged: {}, after {after}, by {}", at(acked), escaped(owner)));
        }
        _ => put("- Acknowledged: not, or given back"),
    }
    match row.resolved_ms {
        Some(over) => put(&format!("- Over: {}, after {}", at(over), format::duration((over - row.fired_ms).max(0)))),
        None => put("- Over: not yet"),
    }
    for (name, value) in &model.facts {
        put(&format!("- {}: {}", escaped(name), escaped(value)));
    }
    put("\n## What happened, in two sentences\n\n_To be written._\n\n## Who noticed what\n\n_To be written._\n");
    put("## Why it fired\n");
    put(&escaped(&model.why));
    if let Some(budget) = &model.budget {
        put(&format!("\n{}", escaped(budget)));
    }
    if !model.tiers.is_empty() {
        put("");
    }
    for tier in &model.tiers {
        put(&format!(
            "- {} ({}): {}; {}",
            escaped(&tier.name),
            tier.lane,
            escaped(&tier.burns),
            escaped(&tier.counted)
        ));
    }
    put("\n## Timeline\n");
    for event in model.timeline.iter().rev() {
        let who = event.who.as_ref().map(|who| format!(" by {}", escaped(who))).unwrap_or_default();
        let note = if event.note.is_empty() { String::new() } else { format!(": \"{}\"", escaped(&event.note)) };
        put(&format!("- {} {}{who}{note}", at(event.at_ms), escaped(&event.what)));
    }
    put("\n## Who was told\n");
    if model.deliveries.is_empty() {
        put("Nobody.");
    }
    for told in model.deliveries.iter().rev() {
        let (receiver, message, state) = (escaped(&told.receiver), escaped(&told.message), escaped(&told.state));
        put(&format!("- {} {receiver}: {message}, {state}", at(told.at_ms)));
    }
    if !model.episodes.is_empty() {
        put("\n## It happened before\n");
        for (link, how) in &model.episodes {
            put(&format!("- {}: {}", escaped(&link.label), escaped(how)));
        }
    }
    put(
        "\n## What went well, what did not\n\n_To be written._\n\n## What we change\n\n| What | Who | Until |\n| --- | --- | --- |\n| | | |",
    );
    let _ = writeln!(out, "\nTimes are those of {}.", shell.zone.name());
    out
}

/// Text of people, on one line, that Markdown shows as it is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_stays_text() {
        assert_eq!(escaped("a\n# b <script> [x](y) 50 %"), "a \\# b \\<script\\> \\[x\\](y) 50 %");
    }
}
