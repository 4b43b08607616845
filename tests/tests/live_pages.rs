//! The pages of live slots on a server that gives slots out: the board, a pool's map, one slot, acting on them, and what a
//! tenant viewer sees of all that.

use anyhow::{Context, Result, ensure};
use headroom_domain::access::Role;
use headroom_tests::client::{Answer, Client};
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::Service;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Connection;
use std::time::{Duration, Instant};
use tower_sessions::session::Id;

/// A name that would be markup if nobody escaped it.
const ODD: &str = "<b>Acme</b> & \"Co\"";

/// A server with a tracked pool of six slots and two tenants.
struct World {
    database: Database,
    service: Service,
    client: Client,
}

impl World {
    async fn create(policy: Value) -> Result<Self> {
        let database = Database::create().await?;
        let service = Service::start(&["serve", "--database-url", database.url()])?;
        let client = Client::new(service.url())?;
        let pool = json!({ "name": "Lanes <i>", "slug": "lanes", "capacity": 6 });
        client.post("/api/v1/pools", &pool).await?.expect(201)?;
        for (slug, name) in [("acme", ODD), ("beta", "Beta Works")] {
            client.post("/api/v1/tenants", &json!({ "name": name, "slug": slug })).await?.expect(201)?;
        }
        client.put("/api/v1/pools/lanes/policy", &json!({ "policy": policy })).await?.expect(200)?;
        Ok(Self { database, service, client })
    }

    async fn ask(&self, body: Value) -> Result<Answer> {
        self.client.post("/api/v1/pools/lanes/claims", &body).await
    }

    async fn claim(&self, body: Value) -> Result<Value> {
        self.ask(body).await?.expect(201)?.json()
    }

    async fn page(&self, path: &str) -> Result<String> {
        Ok(self.client.page(path).await?.expect(200)?.body)
    }

    /// The page, once it says something.
    async fn page_that_says(&self, path: &str, text: &str) -> Result<String> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let body = self.page(path).await?;
            if body.contains(text) {
                return Ok(body);
            }
            ensure!(Instant::now() < deadline, "{path} never says {text:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The states of the slots as the map's page has them.
    async fn states(&self) -> Result<String> {
        let body = self.page("/pools/lanes?tab=map").await?;
        let (_, rest) = body.split_once("data-states=\"").context("the map has states")?;
        Ok(rest.split('"').next().unwrap_or_default().to_owned())
    }

    /// Somebody who sees one tenant only.
    async fn tenant_viewer(&self, tenant: &str) -> Result<Client> {
        const SESSION: Id = Id(77);
        const CSRF: &str = "00000000000000000000000000000077";
        let mut conn = self.database.connect().await?;
        let account = people::add(&mut conn, "viewer@test.example", "Viewer", &[Role::TenantViewer], &[tenant]).await?;
        people::open_session(&mut conn, &account, SESSION, CSRF).await?;
        let (name, _) = people::cookie();
        Ok(Client::nobody(self.service.url())?.with_cookie(&format!("{name}={SESSION}"), CSRF))
    }
}

/// What a form on a page carries in a hidden field.
fn hidden(html: &str, name: &str) -> Result<String> {
    let (_, rest) =
        html.split_once(&format!("name=\"{name}\" value=\"")).with_context(|| format!("no field {name}"))?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn what_is_wrong_is_on_the_board_with_what_to_do_about_it() -> Result<()> {
    let world = World::create(json!({ "emergency": [2, 12] })).await?;
    world.page_that_says("/oncall", "1 pool watched").await?;
    world.claim(json!({ "tenant": "acme", "slots": 6, "ttl_ms": 600_000, "holder": "<script>x</script>" })).await?;
    assert_eq!(world.ask(json!({ "tenant": "beta" })).await?.status, 429);
    let board = world.page_that_says("/oncall", "saturated: 1 claim rejected in 1 min").await?;
    ensure!(board.contains("href=\"/pools/lanes/act/resize\""), "what helps is offered");
    ensure!(board.contains("F4 exhaustion"), "the failure is named");
    let runbook = "/runbooks/f4-exhaustion?pool=lanes";
    ensure!(board.contains(&format!("href=\"{runbook}\"")), "and has a runbook");
    ensure!(world.page(runbook).await?.contains("/pools/lanes"), "which knows where it is read");
    ensure!(board.contains("Beta Works"), "who is hit is named");
    ensure!(board.contains("&lt;script&gt;x"), "the holder is there, as text");
    for markup in ["<script>x", "<b>Acme", "Lanes <i>"] {
        ensure!(!board.contains(markup), "{markup} is markup");
    }

    let form = world.page("/pools/lanes/act/resize").await?;
    ensure!(!form.contains("id=\"preview\""), "nothing is previewed before it is asked");
    let preview = world.page("/pools/lanes/act/resize?to=8").await?;
    ensure!(preview.contains("Resize to 8 slots"), "the button says what it does");
    assert_eq!(world.states().await?, "oooooo", "a preview changes nothing");
    let version = hidden(&preview, "version")?;
    let fields = [("to", "8"), ("reason", "more room"), ("version", version.as_str())];
    let forged = world.client.clone().with_proof("other").form("/pools/lanes/act/resize", &fields).await?;
    assert_eq!(forged.status, 403, "a form of another page is refused");
    let wrong = world.client.form("/pools/lanes/act/resize", &[("to", "many"), ("version", version.as_str())]).await?;
    ensure!(wrong.expect(422)?.body.contains("Found \u{201c}many\u{201d}"), "the field is marked");
    let done = world.client.form("/pools/lanes/act/resize", &fields).await?.expect(303)?;
    assert_eq!(done.header("location"), "/pools/lanes?tab=map");
    ensure!(done.set_cookie("hr_flash").is_some_and(|told| told.contains("resized")), "it is told");
    let again = world.client.form("/pools/lanes/act/resize", &fields).await?;
    again.expect(409)?;
    let audit = world.client.get("/api/v1/audit?object=pool").await?.expect(200)?.body;
    ensure!(audit.contains("\"resize\"") && audit.contains("more room"), "it is in the audit trail");
    Ok(())
}

#[tokio::test]
async fn what_is_looked_for_on_other_pages_is_looked_for_on_the_board_and_in_debugging() -> Result<()> {
    let world = World::create(json!({})).await?;
    let mut conn = world.database.connect().await?;
    sqlx::query("INSERT INTO stamp (slug, name) VALUES ('eu', 'Europe')").execute(&mut conn).await?;
    conn.close().await?;
    let pool = json!({ "name": "Streams", "slug": "streams", "capacity": 2, "stamp": "eu" });
    world.client.post("/api/v1/pools", &pool).await?.expect(201)?;
    world.client.put("/api/v1/pools/streams/policy", &json!({ "policy": {} })).await?.expect(200)?;
    world.page_that_says("/oncall", "2 pools watched").await?;
    ensure!(world.page("/oncall?stamp=eu").await?.contains("1 pool watched"), "of one stamp");
    let debug = world.page("/debug?stamp=eu").await?;
    ensure!(debug.contains("Streams") && !debug.contains("Lanes &lt;i&gt;"), "of one stamp");
    ensure!(world.page("/debug").await?.contains("Lanes &lt;i&gt;"), "of all");
    // Whoever comes with a tenant looks at that tenant's events; what is typed says more.
    let who = |page: String| hidden(&page, "who");
    assert_eq!(who(world.page("/debug?tenant=beta").await?)?, "beta");
    assert_eq!(who(world.page("/debug?tenant=beta&who=acme").await?)?, "acme");
    assert_eq!(who(world.page("/debug?tenant=beta&who=").await?)?, "", "the field was emptied");
    assert_eq!(who(world.page("/debug?tenant=beta&tenant=acme").await?)?, "", "two at once cannot be typed");
    Ok(())
}

#[tokio::test]
async fn the_map_shows_each_state_and_a_slot_has_its_page() -> Result<()> {
    let world = World::create(json!({ "longest_ttl_ms": 3_600_000 })).await?;
    world.claim(json!({ "tenant": "acme", "slots": 1, "ttl_ms": 600_000, "holder": "edge-1" })).await?;
    world.claim(json!({ "tenant": "beta", "slots": 1, "ttl_ms": 600_000, "holder": "edge-2" })).await?;
    world.claim(json!({ "tenant": "beta", "slots": 1, "ttl_ms": 600_000, "holder": "edge-3" })).await?;
    let drain = |slots: &'static str| {
        let world = &world;
        async move {
            let preview = world.page(&format!("/pools/lanes/act/drain?slots={slots}")).await?;
            let version = hidden(&preview, "version")?;
            world.client.form("/pools/lanes/act/drain", &[("slots", slots), ("version", &version)]).await?.expect(303)
        }
    };
    drain("2").await?;
    drain("6").await?;
    // What the reconciler has not seen yet: a lease that is over by the database's clock.
    let mut conn = world.database.connect().await?;
    sqlx::query("UPDATE slot SET expires_at = hr_now() - interval '1 minute' WHERE holder = 'edge-3'")
        .execute(&mut conn)
        .await?;
    assert_eq!(world.states().await?, "odl..x");
    let map = world.page("/pools/lanes?tab=map&state=leaked").await?;
    ensure!(map.contains("edge-3") && !map.contains("edge-2"), "the table shows what is lit");

    let slot = world.page("/pools/lanes/slots/3").await?;
    for text in ["edge-3", "Beta Works", "past its end by", "Preview reclaim", "/debug/claims/"] {
        ensure!(slot.contains(text), "the slot's page says {text:?}");
    }
    for missing in ["/pools/lanes/slots/0", "/pools/lanes/slots/7", "/pools/lanes/slots/x", "/pools/lanes/act/explode"]
    {
        assert_eq!(world.client.page(missing).await?.status, 404, "{missing}");
    }
    let preview = world.page("/pools/lanes/act/reclaim?slots=leaked").await?;
    ensure!(preview.contains("Reclaim 1 slot") && preview.contains("Beta Works"), "{preview}");
    let version = hidden(&preview, "version")?;
    let fields = [("slots", "leaked"), ("reason", "gone"), ("version", version.as_str())];
    world.client.form("/pools/lanes/act/reclaim", &fields).await?.expect(303)?;
    assert_eq!(world.states().await?, "od...x");
    let restore = world.page("/pools/lanes/act/restore?slots=6").await?;
    let fields = [("slots", "6"), ("version", &hidden(&restore, "version")?)];
    world.client.form("/pools/lanes/act/restore", &fields).await?.expect(303)?;
    assert_eq!(world.states().await?, "od....");

    let hold = world.page("/pools/lanes/act/hold").await?;
    world.client.form("/pools/lanes/act/hold", &[("version", &hidden(&hold, "version")?)]).await?.expect(303)?;
    ensure!(world.page("/pools/lanes?tab=map").await?.contains("held"), "the mode is told");
    ensure!(world.page("/pools/lanes?tab=policy").await?.contains("Longest lease time"), "the rules are told");
    world.page_that_says("/oncall", "lets no claims in").await?;
    let preempt = world.page("/pools/lanes/act/preempt?tenant=acme&count=1").await?;
    ensure!(preempt.contains("Preempt 1 lease"), "{preempt}");
    let fields = [("tenant", "acme"), ("count", "1"), ("version", &hidden(&preempt, "version")?)];
    world.client.form("/pools/lanes/act/preempt", &fields).await?.expect(303)?;
    let cut = world.client.page("/pools/lanes/act/cut-quota?tenant=nobody&to=1&minutes=5").await?;
    ensure!(cut.expect(422)?.body.contains("a tenant that exists"), "the field is marked");
    Ok(())
}

#[tokio::test]
async fn previews_say_what_happens_in_whole_sentences() -> Result<()> {
    let world = World::create(json!({ "longest_ttl_ms": 3_600_000 })).await?;
    world.claim(json!({ "tenant": "beta", "slots": 2, "ttl_ms": 600_000, "holder": "edge-1" })).await?;
    let reclaim = world.page("/pools/lanes/act/reclaim?slots=1").await?;
    for text in ["1 more slot of the same claims goes with them.", "leases on these slots", "What cannot be undone"] {
        ensure!(reclaim.contains(text), "{text:?} is missing");
    }
    ensure!(!reclaim.contains("Nothing: it is so already"), "a lease that ends is a change");
    let hold = world.page("/pools/lanes/act/hold").await?;
    ensure!(hold.contains("Nothing: all of it can be taken back."), "nothing is lost");
    ensure!(world.page("/pools/lanes/act/resize").await?.contains("slots now."), "the present size is told");
    // What a form asks is not taken for a filter of that name.
    for path in ["resize?to=8", "cut-quota?tenant=beta&to=1&minutes=30"] {
        let page = world.page(&format!("/pools/lanes/act/{path}")).await?;
        ensure!(page.contains("id=\"preview\"") && !page.contains("Showing the range"), "{path} warns of a range");
    }
    Ok(())
}

#[tokio::test]
async fn who_was_kept_out_is_found_by_its_kind() -> Result<()> {
    let world = World::create(json!({ "longest_ttl_ms": 3_600_000 })).await?;
    let held = world.claim(json!({ "tenant": "beta", "slots": 1, "ttl_ms": 600_000, "holder": "edge-1" })).await?;
    let reclaim = json!({ "action": "reclaim", "slots": [1], "reason": "its node is gone", "preview": false });
    world.client.post("/api/v1/pools/lanes/actions", &reclaim).await?.expect(200)?;
    let id = held["claim"].as_str().context("a claim has an id")?;
    world.client.post(&format!("/api/v1/pools/lanes/claims/{id}/renew"), &json!({})).await?.problem(409)?;
    let page = world.page_that_says("/debug?pool=lanes&kind=stale", "hr-pill--warn\">stale").await?;
    ensure!(page.contains("<option value=\"stale\" selected"), "the kind can be chosen");
    ensure!(page.contains("tried to renew what it had lost"), "what it tried is told");
    ensure!(!page.contains(">renew</span>") && !page.contains(">claim</span>"), "other kinds are left out");
    Ok(())
}

#[tokio::test]
async fn claims_are_looked_at_one_by_one() -> Result<()> {
    let world = World::create(json!({ "shards": 2 })).await?;
    let held = world.claim(json!({ "tenant": "acme", "slots": 6, "holder": "edge-1", "node": "n-07" })).await?;
    assert_eq!(world.ask(json!({ "tenant": "beta" })).await?.status, 429);
    let page = world.page_that_says("/debug?pool=lanes", "edge-1").await?;
    for text in ["Debug · Lanes &lt;i&gt; · last 15", "full", "n-07", "10–30 s"] {
        ensure!(page.contains(text), "the page says {text:?}");
    }
    let filtered = world.page("/debug?pool=lanes&kind=reject").await?;
    ensure!(!filtered.contains("edge-1"), "other events are left out");
    world.page("/debug?pool=lanes&who=nobody&slot=x&q=%00&kind=nonsense").await?;
    let id = held["claim"].as_str().context("a claim has an id")?;
    let way = world.page(&format!("/debug/claims/{id}")).await?;
    ensure!(way.contains("allocator.claim") && way.contains("still held"), "the claim's way is told");
    for missing in ["nonsense", "00000000000000000000000000000000"] {
        assert_eq!(world.client.page(&format!("/debug/claims/{missing}")).await?.status, 404);
    }
    Ok(())
}

#[tokio::test]
async fn a_tenant_viewer_learns_nothing_of_others() -> Result<()> {
    let world = World::create(json!({})).await?;
    world.claim(json!({ "tenant": "acme", "slots": 5, "ttl_ms": 600_000, "holder": "secret-holder" })).await?;
    world.claim(json!({ "tenant": "beta", "slots": 1, "ttl_ms": 600_000, "holder": "own-holder" })).await?;
    assert_eq!(world.ask(json!({ "tenant": "acme", "slots": 1 })).await?.status, 429);
    let viewer = world.tenant_viewer("beta").await?;
    world.page_that_says("/oncall", "saturated").await?;
    for path in ["/oncall", "/pools/lanes?tab=map", "/pools/lanes?tab=map&state=occupied", "/pools/lanes/slots/1"] {
        let body = viewer.page(path).await?.expect(200)?.body;
        for secret in ["secret-holder", "Acme", "acme"] {
            ensure!(!body.contains(secret), "{path} tells {secret:?}");
        }
        ensure!(!body.contains("/act/"), "{path} offers what may not be done");
    }
    ensure!(viewer.page("/oncall").await?.body.contains("own-holder"), "its own holders are there");
    for path in ["/pools/lanes/act/hold", "/debug"] {
        assert_eq!(viewer.page(path).await?.status, 403, "{path}");
    }
    assert_eq!(viewer.form("/pools/lanes/act/hold", &[("version", "1.6")]).await?.status, 403);
    Ok(())
}

/// A caller's trace, which it keeps itself or not.
async fn traced(world: &World, trace: &str, sampled: bool, body: Value) -> Result<Answer> {
    let context = format!("00-{trace}-00f067aa0ba902b7-0{}", u8::from(sampled));
    let headers = [("content-type", "application/json"), ("traceparent", context.as_str())];
    world.client.send(Method::POST, "/api/v1/pools/lanes/claims", &headers, Some(body.to_string().into_bytes())).await
}

#[tokio::test]
async fn a_claims_way_shows_where_its_time_went() -> Result<()> {
    const KEPT: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const WAITED: &str = "4bf92f3577b34da6a3ce929d0e0e4737";
    const REFUSED: &str = "4bf92f3577b34da6a3ce929d0e0e4738";
    let world = World::create(json!({})).await?;
    let held = traced(&world, KEPT, true, json!({ "tenant": "acme", "slots": 6 })).await?.expect(201)?.json()?;
    let body = world.page_that_says(&format!("/debug/claims/{KEPT}"), "store.commit").await?;
    for step in ["gateway.admit", "allocator.claim", "committer.wait", "slot.hold", "still held"] {
        ensure!(body.contains(step), "{step}");
    }
    traced(&world, REFUSED, false, json!({ "tenant": "beta" })).await?.expect(429)?;
    let refused = world.page_that_says(&format!("/debug/claims/{REFUSED}"), "store.commit").await?;
    ensure!(refused.contains("rejected: full"), "a refusal is kept without being asked for");

    let (waited, ()) =
        tokio::try_join!(traced(&world, WAITED, false, json!({ "tenant": "beta", "wait_ms": 5_000 })), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let id = held["claim"].as_str().unwrap_or_default();
            let path = format!("/api/v1/pools/lanes/claims/{id}/release");
            world.client.post(&path, &json!({})).await?.expect(200)?;
            Ok(())
        })?;
    waited.expect(201)?;
    let waited = world.page_that_says(&format!("/debug/claims/{WAITED}"), "store.commit").await?;
    ensure!(waited.contains("queue.wait"), "what was waited for is named");
    let gone = world.client.page("/debug/claims/4bf92f3577b34da6a3ce929d0e0e4739").await?;
    assert_eq!(gone.status, 404);
    Ok(())
}

#[tokio::test]
async fn two_claims_of_one_slot_are_read_side_by_side() -> Result<()> {
    let world = World::create(json!({})).await?;
    let first = world.claim(json!({ "tenant": "acme", "ttl_ms": 600_000 })).await?;
    let id = first["claim"].as_str().context("a claim has an id")?.to_owned();
    let alone = world.page_that_says(&format!("/debug/claims/{id}"), "still held").await?;
    ensure!(!alone.contains("The other claim"), "a sound world has no twins");
    // What must never happen is written as it would be.
    let mut conn = world.database.connect().await?;
    let other: uuid::Uuid = sqlx::query_scalar(
        "INSERT INTO slot_event (at, pool_id, kind, slot, fence, claim, tenant_id, holder, actor)
         SELECT hr_now(), pool_id, kind, slot, fence + 1, gen_random_uuid(), tenant_id, 'intruder', actor
         FROM slot_event WHERE claim = $1::uuid RETURNING claim",
    )
    .bind(&id)
    .fetch_one(&mut conn)
    .await?;
    for claim in [id, other.to_string()] {
        let body = world.page(&format!("/debug/claims/{claim}")).await?;
        ensure!(body.contains("The other claim"), "{claim} has a twin");
    }
    Ok(())
}

#[tokio::test]
async fn slots_and_shards_have_gauges_while_they_are_few() -> Result<()> {
    let world = World::create(json!({ "shards": 2 })).await?;
    world.claim(json!({ "tenant": "acme", "shard": 1 })).await?;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let text = world.client.get("/metrics").await?.expect(200)?.body;
        let has = |wanted: &str| text.lines().any(|line| line == wanted);
        if has("slot_held{pool_id=\"lanes\",slot_id=\"2\",shard_id=\"1\"} 1")
            && has("slot_held{pool_id=\"lanes\",slot_id=\"1\",shard_id=\"0\"} 0")
            && has("slot_shard_held{pool_id=\"lanes\",shard_id=\"1\"} 1")
        {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{text}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
