//! Single sign-on: OpenID Connect, authorization code with PKCE, state and nonce.
//!
//! What the provider says of itself is remembered for an hour, and asked again when it signs with a key that is not known:
//! providers change their keys when they like.

use headroom_domain::access::Role;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreIdTokenClaims, CoreProviderMetadata, CoreTokenResponse,
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken, DiscoveryError,
    IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    SignatureVerificationError, TokenResponse,
};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use url::Url;

/// What a provider says of itself is believed this long.
const REMEMBERED: Duration = Duration::from_hours(1);
/// It is asked again for its keys at most this often, so that forged tokens cause no flood.
const ASKED_AGAIN: Duration = Duration::from_mins(1);
/// A provider answers within this, or is away.
const PATIENCE: Duration = Duration::from_secs(6);
/// A provider that was away is not asked again for this long: those who wait for it would wait one after the other.
const LEFT_ALONE: Duration = Duration::from_secs(5);
/// Where the provider sends people back to.
pub const RETURN_PATH: &str = "/login/sso/return";

/// What the server was told about its provider.
#[derive(Debug, Clone)]
pub struct SsoSettings {
    /// The provider, an https address.
    pub issuer: Url,
    /// What the server is called there.
    pub client_id: String,
    /// How it proves itself there; `None` for a public client.
    pub client_secret: Option<ClientSecret>,
    /// What the button calls the provider.
    pub name: String,
    /// Its addresses are believed although it does not say that it has checked them.
    pub trust_email: bool,
    /// The role of an account that is made at the first sign-in; `None` makes none.
    pub role: Option<Role>,
    /// The server's own address as browsers see it.
    pub public_url: Url,
}

/// Why a sign-in at the provider came to nothing. The texts are for the log: they may repeat what others sent.
#[derive(Debug, thiserror::Error)]
pub enum SsoError {
    /// The provider does not answer, or not as a provider does.
    #[error("the provider does not answer: {0}")]
    Away(String),
    /// What it answered is not to be believed.
    #[error("the provider's answer was refused: {0}")]
    Refused(String),
}

/// A sign-in that was begun: where the browser goes, and what has to come back.
#[derive(Debug)]
pub struct Begun {
    /// The provider's page.
    pub url: Url,
    /// Comes back beside the code.
    pub state: String,
    /// Comes back inside the token.
    pub nonce: String,
    /// Proves that the code is redeemed by who asked for it.
    pub verifier: String,
}

/// Whom the provider signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider.
    pub issuer: String,
    /// Who it is there, for ever.
    pub subject: String,
    /// E-mail address, if the provider has checked that it is theirs.
    pub email: Option<String>,
    /// Name.
    pub name: Option<String>,
}

/// A provider of single sign-on.
pub struct Sso {
    settings: SsoSettings,
    http: openidconnect::reqwest::Client,
    known: Mutex<Known>,
}

/// What is known of the provider.
#[derive(Default)]
struct Known {
    /// What it says of itself, and since when.
    metadata: Option<(Instant, CoreProviderMetadata)>,
    /// When it was away last.
    away: Option<Instant>,
}

impl std::fmt::Debug for Sso {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sso").field("issuer", &self.settings.issuer.as_str()).finish_non_exhaustive()
    }
}

fn away(error: impl std::fmt::Display) -> SsoError {
    SsoError::Away(error.to_string())
}

fn refused(error: impl std::fmt::Display) -> SsoError {
    SsoError::Refused(error.to_string())
}

/// An error with everything that led to it: the outermost text alone says "request failed".
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

impl Sso {
    /// A provider; it is not asked for anything yet.
    ///
    /// # Errors
    /// A sentence, if it cannot be reached in a way that nobody can listen to.
    pub fn new(settings: SsoSettings) -> Result<Self, String> {
        let is_here = matches!(settings.issuer.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if settings.issuer.scheme() != "https" && !(is_here && settings.issuer.scheme() == "http") {
            return Err(format!("the issuer {} is no https address", settings.issuer));
        }
        // A provider that redirects the server could send it anywhere.
        let http = openidconnect::reqwest::Client::builder()
            .redirect(openidconnect::reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { settings, http, known: Mutex::default() })
    }

    /// The role of an account that is made at the first sign-in.
    pub fn role(&self) -> Option<Role> {
        self.settings.role
    }

    /// What the button calls the provider.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What the provider says of itself; what is older than `age` is asked again.
    async fn metadata(&self, age: Duration) -> Result<CoreProviderMetadata, SsoError> {
        let mut known = self.known.lock().await;
        if let Some((at, metadata)) = known.metadata.as_ref()
            && at.elapsed() < age
        {
            return Ok(metadata.clone());
        }
        if known.away.is_some_and(|at| at.elapsed() < LEFT_ALONE) {
            return Err(away("it was away a moment ago"));
        }
        // The address is compared letter by letter with what the provider says; most say it without a slash at the end.
        let issuer = self.settings.issuer.as_str().trim_end_matches('/').to_owned();
        let with_slash = format!("{issuer}/");
        let ask = async |issuer: String| {
            let issuer = IssuerUrl::new(issuer).map_err(away)?;
            let found = CoreProviderMetadata::discover_async(issuer, &self.http).await;
            found.map_err(|error| match error {
                DiscoveryError::Validation(said) => SsoError::Refused(said),
                other => away(whole(&other)),
            })
        };
        let asked = match ask(issuer).await {
            Err(SsoError::Refused(_)) => ask(with_slash).await.map_err(|error| away(whole(&error))),
            other => other,
        };
        match asked {
            Ok(metadata) => {
                *known = Known { metadata: Some((Instant::now(), metadata.clone())), away: None };
                Ok(metadata)
            }
            Err(error) => {
                known.away = Some(Instant::now());
                Err(error)
            }
        }
    }

    fn redirect(&self) -> Result<RedirectUrl, SsoError> {
        let url = self.settings.public_url.join(RETURN_PATH).map_err(away)?;
        Ok(RedirectUrl::from_url(url))
    }

    /// Begins a sign-in.
    ///
    /// # Errors
    /// [`SsoError::Away`].
    pub async fn begin(&self) -> Result<Begun, SsoError> {
        let metadata = self.metadata(REMEMBERED).await?;
        let id = ClientId::new(self.settings.client_id.clone());
        let client = CoreClient::from_provider_metadata(metadata, id, self.settings.client_secret.clone())
            .set_redirect_uri(self.redirect()?);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .add_scope(Scope::new("email".into()))
            .add_scope(Scope::new("profile".into()))
            .set_pkce_challenge(challenge)
            .url();
        let (state, nonce) = (state.secret().clone(), nonce.secret().clone());
        Ok(Begun { url, state, nonce, verifier: verifier.secret().clone() })
    }

    /// Redeems the code that came back, and checks what the provider signed.
    ///
    /// # Errors
    /// [`SsoError`].
    pub async fn finish(&self, code: &str, nonce: &str, verifier: &str) -> Result<Identity, SsoError> {
        let metadata = self.metadata(REMEMBERED).await?;
        let id = ClientId::new(self.settings.client_id.clone());
        let client = CoreClient::from_provider_metadata(metadata.clone(), id, self.settings.client_secret.clone())
            .set_redirect_uri(self.redirect()?);
        let answer = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(away)?
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()))
            .request_async(&self.http)
            .await
            .map_err(|error| match error {
                openidconnect::RequestTokenError::ServerResponse(said) => refused(said),
                other => away(whole(&other)),
            })?;
        let nonce = Nonce::new(nonce.to_owned());
        match self.check(metadata, &answer, &nonce) {
            Err(CheckError::UnknownKey) => {
                let newer = self.metadata(ASKED_AGAIN).await?;
                self.check(newer, &answer, &nonce).map_err(refused)
            }
            other => other.map_err(refused),
        }
    }

    /// Who a token is about, if the provider signed it for this server and this sign-in.
    fn check(
        &self,
        metadata: CoreProviderMetadata,
        answer: &CoreTokenResponse,
        nonce: &Nonce,
    ) -> Result<Identity, CheckError> {
        let wrong = |error: &dyn std::error::Error| CheckError::Wrong(whole(error));
        let id = ClientId::new(self.settings.client_id.clone());
        let client = CoreClient::from_provider_metadata(metadata, id, self.settings.client_secret.clone());
        let token = answer.id_token().ok_or_else(|| CheckError::Wrong("it has no identity token".into()))?;
        let verifier = client.id_token_verifier();
        let claims: &CoreIdTokenClaims = token.claims(&verifier, nonce).map_err(|error| match error {
            ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
                CheckError::UnknownKey
            }
            other => wrong(&other),
        })?;
        if let Some(expected) = claims.access_token_hash() {
            let algorithm = token.signing_alg().map_err(|error| wrong(&error))?;
            let key = token.signing_key(&verifier).map_err(|error| wrong(&error))?;
            let found = AccessTokenHash::from_token(answer.access_token(), algorithm, key).map_err(|e| wrong(&e))?;
            if found != *expected {
                return Err(CheckError::Wrong("its access token belongs to another answer".into()));
            }
        }
        let is_theirs = self.settings.trust_email || claims.email_verified() == Some(true);
        let name =
            claims.name().and_then(|names| names.get(None).or_else(|| names.iter().next().map(|(_, name)| name)));
        Ok(Identity {
            issuer: claims.issuer().to_string(),
            subject: claims.subject().to_string(),
            email: claims.email().filter(|_| is_theirs).map(|email| email.to_string()),
            name: name.map(|name| name.to_string()),
        })
    }
}

/// Why a token says nothing.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    /// It is signed with a key that the provider did not name when it was asked last.
    #[error("it is signed with a key that the provider does not name")]
    UnknownKey,
    /// Anything else.
    #[error("{0}")]
    Wrong(String),
}
