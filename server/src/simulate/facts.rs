//! The pools and tenants that a simulation uses.

use headroom_slots::{Client, Error, Method};
use serde_json::{Value, json};

/// What a plan must know of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolFacts {
    /// Its slug.
    pub slug: String,
    /// Its slots.
    pub capacity: u32,
    /// Slugs of the tenants that claim in it.
    pub tenants: Vec<String>,
    /// The longest time to live that a claim may ask for.
    pub longest_ttl_ms: u64,
}

/// The pool that is made for simulations.
pub const MADE_POOL: &str = "game-day";
const MADE_SLOTS: u32 = 60;
const MADE_TENANTS: [&str; 4] = ["game-day-red", "game-day-green", "game-day-blue", "game-day-grey"];

/// Why there is nothing to simulate with.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The server said so.
    #[error("{0}; the token needs the scopes allocate and read")]
    Api(#[from] Error),
    /// There is no such pool, or none at all.
    #[error("{0}")]
    Nothing(String),
}

/// The tenants that are made for simulations.
pub fn made_tenants() -> Vec<String> {
    MADE_TENANTS.map(str::to_owned).to_vec()
}

fn is_taken(error: &Error) -> bool {
    matches!(error, Error::Invalid(problem) if problem.status == 409)
}

/// Makes a pool and tenants for simulations, those that are missing.
///
/// # Errors
/// What the API refuses.
pub async fn make(client: &Client) -> Result<(), FactsError> {
    let post = async |path: &str, body: Value| match client.call(Method::POST, path, Some(&body)).await {
        Err(error) if !is_taken(&error) => Err(error),
        _ => Ok(()),
    };
    let pool = json!({
        "name": "Game day", "slug": MADE_POOL, "capacity": MADE_SLOTS, "owner": "on-call",
        "description": "Made for simulations; nothing real uses it.",
    });
    post("/api/v1/pools", pool).await?;
    for tenant in MADE_TENANTS {
        post("/api/v1/tenants", json!({ "name": tenant, "slug": tenant })).await?;
    }
    let path = format!("/api/v1/pools/{MADE_POOL}/policy");
    let present = client.call(Method::GET, &path, None).await?;
    if present["tracked"] != true {
        // Short times, so that a game day is over soon.
        let policy = json!({
            "ttl_ms": 5_000, "longest_ttl_ms": 600_000, "longest_wait_ms": 30_000, "wait_goal_ms": 1_000, "grace_ms": 3_000,
            "heartbeats": { "interval_ms": 2_000, "intervals": 3, "margin_ms": 1_000 }, "work_goal_ms": 20_000,
        });
        client.call(Method::PUT, &path, Some(&json!({ "policy": policy }))).await?;
    }
    Ok(())
}

/// The tracked pools: those that are named, or all. The tenants: those that are named, or all.
///
/// # Errors
/// What the API refuses; or there is nothing to simulate with.
pub async fn find(client: &Client, pools: &[String], tenants: &[String]) -> Result<Vec<PoolFacts>, FactsError> {
    let mut tenants = tenants.to_vec();
    if tenants.is_empty() {
        let all = client.call(Method::GET, "/api/v1/tenants", None).await?;
        tenants = slugs(&all);
    }
    if tenants.is_empty() {
        return Err(FactsError::Nothing("there is no tenant; make one, or use --make".to_owned()));
    }
    let names =
        if pools.is_empty() { slugs(&client.call(Method::GET, "/api/v1/pools", None).await?) } else { pools.to_vec() };
    let mut found = Vec::new();
    for slug in names {
        let policy = client.call(Method::GET, &format!("/api/v1/pools/{slug}/policy"), None).await?;
        if policy["tracked"] != true {
            if pools.is_empty() {
                continue;
            }
            let text = format!("{slug} is metered: it gives out no slots. Give it a policy, or use --make");
            return Err(FactsError::Nothing(text));
        }
        let pool = client.call(Method::GET, &format!("/api/v1/pools/{slug}"), None).await?;
        let capacity = pool["configured"].as_u64().and_then(|slots| u32::try_from(slots).ok()).unwrap_or_default();
        let longest_ttl_ms = policy["policy"]["longest_ttl_ms"].as_u64().unwrap_or(60_000);
        found.push(PoolFacts { slug, capacity, tenants: tenants.clone(), longest_ttl_ms });
    }
    if found.is_empty() {
        let text = "no pool gives out slots here; name one with --pool, or use --make to have one made";
        return Err(FactsError::Nothing(text.to_owned()));
    }
    Ok(found)
}

fn slugs(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|one| one["slug"].as_str().map(str::to_owned)).collect()
}
