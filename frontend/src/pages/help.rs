//! Help: what each number means, and how data gets in.

use leptos::prelude::*;

use crate::components::definition::{DEFINITIONS, Definition};
use crate::components::shell::{Frame, document};
use crate::model::{HelpModel, ShellModel};

/// `/help`
pub fn help(shell: &ShellModel, model: &HelpModel) -> AnyView {
    let frame = Frame { sub: Some(format!("Headroom {}", model.version).into_any()), ..Frame::plain("Help") };
    let contents = DEFINITIONS
        .iter()
        .map(|definition| view! { <li><a href=format!("#{}", definition.id)>{definition.name}</a></li> })
        .collect_view();
    let definitions = DEFINITIONS.iter().map(definition_card).collect_view();
    let content = view! {
        <nav class="hr-card" aria-labelledby="contents-title">
            <div class="hr-card__head"><h2 id="contents-title">"On this page"</h2></div>
            <ul class="hr-menu hr-menu--two">
                {contents}
                <li><a href="#import">"Importing history"</a></li>
                <li><a href="#ingest">"Sending live samples"</a></li>
                <li><a href="#export">"Getting numbers out"</a></li>
                <li><a href="/help/shortcuts">"Keyboard shortcuts"</a></li>
            </ul>
        </nav>
        {definitions}
        {data_in(model, shell.now_ms)}
    };
    document(shell, frame, content.into_any())
}

fn definition_card(definition: &Definition) -> AnyView {
    let fact = |label: &'static str, text: &'static str| {
        (!text.is_empty()).then(|| view! { <div><dt>{label}</dt><dd>{text}</dd></div> })
    };
    let heading = format!("{}-title", definition.id);
    view! {
        <section class="hr-card" id=definition.id aria-labelledby=heading.clone()>
            <div class="hr-card__head"><h2 id=heading.clone()>{definition.name}</h2></div>
            <dl class="hr-facts">
                {fact("Formula", definition.formula)}
                {fact("Unit", definition.unit)}
                {fact("Window", definition.window)}
                {fact("Target", definition.target)}
                {fact("Watch out", definition.caveat)}
            </dl>
        </section>
    }
    .into_any()
}

const IMPORTS: &str = "\
headroom import swf LOG.swf            # job logs in the Standard Workload Format
headroom import occupancy FILE.csv     # one row per pool, tenant and time
headroom import intervals FILE.ndjson  # one row per held slot: from, to, slots
headroom import changes FILE.csv       # capacity changes, deploys, swaps

  --dry-run    check every line, write nothing
  --end now    shift the log so that it ends now";

const USAGE: &str = "\
headroom usage --by tenant --from 2026-11-01T00:00:00Z --to 2026-11-08T00:00:00Z --format csv
headroom usage --pool ingress-eu --by day --format json";

fn data_in(model: &HelpModel, now_ms: i64) -> AnyView {
    let ingest = format!(
        "curl -X POST '{}/api/v1/ingest/occupancy?source=edge-1&seq=1' \\\n  -H 'authorization: Bearer TOKEN' \\\n  -H 'content-type: application/x-ndjson' \\\n  \
--data-binary @- <<'END'\n\
{{\"pool\":\"ingress-eu\",\"tenant\":\"acme-search\",\"ts\":\"{}\",\"occupied\":1820,\"reserved\":1400}}\n\
END",
        model.base_url.trim_end_matches('/'),
        headroom_domain::range::rfc3339(now_ms.div_euclid(10_000) * 10_000)
    );
    view! {
        <section class="hr-card hr-prose" id="import" aria-labelledby="import-title">
            <h2 id="import-title">"Importing history"</h2>
            <p>"Imports show their progress, may be repeated (the same line counts once) and continue where they stopped. A wrong line is reported with its number, column, what was found and what was expected; the other lines are imported."</p>
            <pre tabindex="0"><code>{IMPORTS}</code></pre>
        </section>
        <section class="hr-card hr-prose" id="ingest" aria-labelledby="ingest-title">
            <h2 id="ingest-title">"Sending live samples"</h2>
            <p>"JSON or newline-delimited JSON, gzip if you like. A batch carries its source and sequence number, so sending it again changes nothing. The answer has a verdict per row. The token is one with the scope Ingest; administrators make it under Admin, or with headroom token create."</p>
            <pre tabindex="0"><code>{ingest}</code></pre>
            <p>"The full description of the API is at "<a href="/api/v1/openapi.json">"/api/v1/openapi.json"</a>"."</p>
        </section>
        <section class="hr-card hr-prose" id="export" aria-labelledby="export-title">
            <h2 id="export-title">"Getting numbers out"</h2>
            <p>"Every table and chart has a CSV link with exactly the rows it shows. Exact sums come from the command line, with or without a running server:"</p>
            <pre tabindex="0"><code>{USAGE}</code></pre>
        </section>
    }
    .into_any()
}
