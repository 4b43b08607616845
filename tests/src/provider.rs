//! A small OpenID Connect provider: it keeps to the protocol, and lies in one way at a time when told to.
#![expect(clippy::disallowed_types, reason = "its errors are another protocol's, not problems of our API")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta};
use headroom_server::clock;
use openidconnect::core::{
    CoreEdDsaPrivateSigningKey, CoreIdToken, CoreIdTokenClaims, CoreJsonWebKeySet, CoreJwsSigningAlgorithm,
};
use openidconnect::{
    AccessToken, Audience, EmptyAdditionalClaims, EndUserEmail, EndUserName, IssuerUrl, JsonWebKeyId, LocalizedClaim,
    Nonce, PkceCodeChallenge, PkceCodeVerifier, PrivateSigningKey, StandardClaims, SubjectIdentifier,
};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What the server is called at the provider.
pub const CLIENT_ID: &str = "headroom-test";
/// How it proves itself.
pub const CLIENT_SECRET: &str = "a secret of the test's provider";

/// Who signs in.
#[derive(Debug, Clone)]
pub struct Person {
    /// Who it is for ever.
    pub subject: String,
    /// E-mail address.
    pub email: String,
    /// Whether the provider says that it has checked the address.
    pub verified: Option<bool>,
    /// Name.
    pub name: String,
}

/// One thing that is wrong with what the provider says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// The token is signed with a key that the provider does not name.
    OtherKey,
    /// It is meant for another server.
    OtherAudience,
    /// It is said to be of another provider.
    OtherIssuer,
    /// It belongs to another sign-in.
    OtherNonce,
    /// It is over.
    Over,
    /// It is not signed.
    Unsigned,
    /// There is none.
    NoToken,
    /// The provider breaks down.
    Broken,
}

struct Asked {
    redirect: String,
    nonce: String,
    challenge: String,
}

struct Inside {
    issuer: String,
    key: CoreEdDsaPrivateSigningKey,
    person: Person,
    lie: Option<Lie>,
    codes: HashMap<String, Asked>,
    count: u32,
}

/// A running provider.
#[derive(Debug)]
pub struct Provider {
    issuer: String,
    inside: Shared,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Inside>>);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    fn with<T>(&self, work: impl FnOnce(&mut Inside) -> T) -> T {
        work(&mut self.0.lock().expect("no test panics while it holds this"))
    }
}

fn new_key(number: u32) -> Result<CoreEdDsaPrivateSigningKey> {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    let id = Some(JsonWebKeyId::new(format!("key-{number}")));
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pair.serialize_pem(), id).map_err(anyhow::Error::msg)
}

impl Provider {
    /// Starts a provider that signs this person in.
    pub async fn start(person: Person) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let issuer = format!("http://{}", listener.local_addr()?);
        let inside =
            Inside { issuer: issuer.clone(), key: new_key(1)?, person, lie: None, codes: HashMap::new(), count: 1 };
        let inside = Shared(Arc::new(Mutex::new(inside)));
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(inside.clone());
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { issuer, inside, task })
    }

    /// Its address.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Signs somebody else in from now on.
    pub fn sign_in(&self, person: Person) {
        self.inside.with(|inside| inside.person = person);
    }

    /// Lies from now on, or no more.
    pub fn lie(&self, lie: Option<Lie>) {
        self.inside.with(|inside| inside.lie = lie);
    }

    /// Signs with another key from now on, and names it.
    pub fn change_key(&self) -> Result<()> {
        self.inside.with(|inside| {
            inside.count += 1;
            inside.key = new_key(inside.count)?;
            Ok(())
        })
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn discovery(State(inside): State<Shared>) -> Response {
    inside.with(|inside| {
        if inside.lie == Some(Lie::Broken) {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        let issuer = &inside.issuer;
        Json(json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
        }))
        .into_response()
    })
}

async fn keys(State(inside): State<Shared>) -> Json<CoreJsonWebKeySet> {
    inside.with(|inside| Json(CoreJsonWebKeySet::new(vec![inside.key.as_verification_key()])))
}

#[derive(Deserialize)]
struct AuthorizeQuery {
    response_type: String,
    client_id: String,
    redirect_uri: String,
    scope: String,
    state: String,
    nonce: String,
    code_challenge: String,
    code_challenge_method: String,
}

async fn authorize(State(inside): State<Shared>, Query(query): Query<AuthorizeQuery>) -> Response {
    let is_right = query.response_type == "code"
        && query.client_id == CLIENT_ID
        && query.code_challenge_method == "S256"
        && query.scope.split(' ').any(|scope| scope == "openid");
    if !is_right {
        return (StatusCode::BAD_REQUEST, "this is no request for a code").into_response();
    }
    let code = inside.with(|inside| {
        inside.count += 1;
        let code = format!("code-{}", inside.count);
        let asked = Asked { redirect: query.redirect_uri.clone(), nonce: query.nonce, challenge: query.code_challenge };
        inside.codes.insert(code.clone(), asked);
        code
    });
    Redirect::to(&format!("{}?code={code}&state={}", query.redirect_uri, query.state)).into_response()
}

#[derive(Deserialize)]
struct TokenForm {
    grant_type: String,
    code: String,
    redirect_uri: String,
    code_verifier: String,
}

fn is_client(headers: &HeaderMap) -> bool {
    use openidconnect::http::header::AUTHORIZATION;
    let sent = headers.get(AUTHORIZATION.as_str()).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(CLIENT_ID), encode(CLIENT_SECRET));
    sent == format!("Basic {}", base64(pair.as_bytes()))
}

/// RFC 4648, for one header.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let chunk = |chunk: &[u8]| {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        let letter = |at: usize| char::from(LETTERS[(word >> (18 - 6 * at)) as usize & 63]);
        (0..4).map(|at| if at <= chunk.len() { letter(at) } else { '=' }).collect::<String>()
    };
    bytes.chunks(3).map(chunk).collect()
}

async fn token(State(inside): State<Shared>, headers: HeaderMap, Form(form): Form<TokenForm>) -> Response {
    let refused = || (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))).into_response();
    if !is_client(&headers) {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" }))).into_response();
    }
    // A code is redeemed once.
    let Some(asked) = inside.with(|inside| inside.codes.remove(&form.code)) else { return refused() };
    let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(form.code_verifier));
    let is_right = form.grant_type == "authorization_code"
        && form.redirect_uri == asked.redirect
        && challenge.as_str() == asked.challenge;
    if !is_right {
        return refused();
    }
    match inside.with(|inside| signed(inside, &asked)) {
        Ok(answer) => ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
    }
}

fn signed(inside: &Inside, asked: &Asked) -> Result<serde_json::Value> {
    let Person { subject, email, verified, name } = inside.person.clone();
    let is = |lie: Lie| inside.lie == Some(lie);
    let mut names = LocalizedClaim::new();
    names.insert(None, EndUserName::new(name));
    let standard = StandardClaims::new(SubjectIdentifier::new(subject))
        .set_email(Some(EndUserEmail::new(email)))
        .set_email_verified(verified)
        .set_name(Some(names));
    let issuer = if is(Lie::OtherIssuer) { "https://elsewhere.example" } else { &inside.issuer };
    let audience = if is(Lie::OtherAudience) { "another server" } else { CLIENT_ID };
    let nonce = if is(Lie::OtherNonce) { "another sign-in" } else { &asked.nonce };
    let now = DateTime::from_timestamp_millis(clock::now_ms()).context("a time")?;
    let end = if is(Lie::Over) { now - TimeDelta::minutes(10) } else { now + TimeDelta::minutes(5) };
    let claims = CoreIdTokenClaims::new(
        IssuerUrl::new(issuer.to_owned())?,
        vec![Audience::new(audience.to_owned())],
        end,
        now - TimeDelta::minutes(20),
        standard,
        EmptyAdditionalClaims {},
    )
    .set_nonce(Some(Nonce::new(nonce.to_owned())));
    let stranger = new_key(1)?;
    let key = if is(Lie::OtherKey) { &stranger } else { &inside.key };
    let access = AccessToken::new("access".to_owned());
    let token = CoreIdToken::new(claims, key, CoreJwsSigningAlgorithm::EdDsa, Some(&access), None)?.to_string();
    let mut answer = json!({ "access_token": access.secret(), "token_type": "Bearer", "expires_in": 300 });
    if is(Lie::Unsigned) {
        let claims = token.split('.').nth(1).context("a token has three parts")?;
        // {"alg":"none"}
        answer["id_token"] = json!(format!("eyJhbGciOiJub25lIn0.{claims}."));
    } else if !is(Lie::NoToken) {
        answer["id_token"] = json!(token);
    }
    Ok(answer)
}
