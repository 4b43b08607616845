//! Signing in by OpenID Connect, against a provider that keeps to the protocol and one that lies.

use anyhow::{Context, Result, ensure};
use headroom_domain::access::Role;
use headroom_tests::browser::Browser;
use headroom_tests::client::{Answer, Client};
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::provider::{CLIENT_ID, CLIENT_SECRET, Lie, Person, Provider};
use headroom_tests::service::{self, Service};

const PUBLIC: &str = "http://headroom.test";

struct World {
    service: Service,
    database: Database,
    provider: Provider,
}

fn somebody() -> Person {
    Person {
        subject: "mika-4711".into(),
        email: "Mika@Test.example".into(),
        verified: Some(true),
        name: "Mika Lind".into(),
    }
}

impl World {
    async fn new(more: &[&str]) -> Result<Self> {
        Self::at("127.0.0.1:0", PUBLIC, more).await
    }

    /// On an address, and known to browsers by another.
    async fn at(listen: &str, public: &str, more: &[&str]) -> Result<Self> {
        let (database, provider) = (Database::create().await?, Provider::start(somebody()).await?);
        let mut arguments = vec!["serve", "--no-jobs", "--database-url", database.url()];
        arguments.extend(["--public-url", public, "--oidc-issuer", provider.issuer(), "--oidc-client-id", CLIENT_ID]);
        arguments.extend(["--oidc-name", "Example Login"]);
        arguments.extend(more);
        let mut command = service::command(&arguments)?;
        command.env("HEADROOM_OIDC_CLIENT_SECRET", CLIENT_SECRET);
        Ok(Self { service: Service::spawn_on(command, listen)?, database, provider })
    }

    fn nobody(&self) -> Result<Client> {
        Client::nobody(self.service.url())
    }

    async fn invite_mika(&self, roles: &[Role]) -> Result<()> {
        people::add(&mut self.database.connect().await?, "mika@test.example", "Mika Lind", roles, &[]).await?;
        Ok(())
    }

    /// On to the provider, as a browser goes: the page with the button, the button, the page that leads on. Returns the
    /// browser and the provider's answer: the path with which it comes back.
    async fn go(&self, next: &str) -> Result<(Client, String)> {
        let page = self.nobody()?.page("/login").await?.expect(200)?;
        ensure!(page.body.contains("Sign in with Example Login"), "{}", page.body);
        let form = page.set_cookie("hr_form").context("the cookie of the form")?;
        let browser = self.nobody()?.with_cookie(&format!("hr_form={form}"), &form);
        let onward = browser.form("/login/sso", &[("next", next)]).await?.expect(200)?;
        let session = onward.set_cookie("headroom").context("what was begun is remembered")?;
        let to = onward.header("refresh").strip_prefix("0;url=").context("the page leads on")?;
        ensure!(to.starts_with(self.provider.issuer()), "{to}");
        ensure!(!onward.body.contains(CLIENT_SECRET), "the secret stays here");
        let back = Client::nobody(self.provider.issuer())?;
        let back = back.page(to.strip_prefix(self.provider.issuer()).unwrap_or_default()).await?.expect(303)?;
        let path = back.header("location").strip_prefix(PUBLIC).context("the provider leads back here")?.to_owned();
        Ok((self.nobody()?.with_cookie(&format!("headroom={session}"), ""), path))
    }

    async fn sign_in(&self, next: &str) -> Result<Answer> {
        let (browser, path) = self.go(next).await?;
        browser.page(&path).await
    }
}

#[tokio::test]
async fn who_was_invited_signs_in_elsewhere_and_comes_back_to_the_page_that_was_wanted() -> Result<()> {
    let world = World::new(&[]).await?;
    world.invite_mika(&[Role::Planner]).await?;
    let (browser, path) = world.go("/pools?q=x").await?;
    let back = browser.page(&path).await?.expect(303)?;
    assert_eq!(back.header("location"), "/pools?q=x");
    let session = back.set_cookie("headroom").context("a session")?;
    let mika = world.nobody()?.with_cookie(&format!("headroom={session}"), "");
    assert!(mika.page("/pools").await?.expect(200)?.body.contains("Mika Lind"));

    // An answer is good once, and in the browser that asked only.
    let again = browser.page(&path).await?.expect(401)?;
    assert!(again.body.contains("not begun in this browser") && again.set_cookie("headroom").is_none());
    let (_, path) = world.go("").await?;
    world.nobody()?.page(&path).await?.expect(401)?;
    let (browser, path) = world.go("").await?;
    let forged = path.replace("state=", "state=x");
    browser.page(&forged).await?.expect(401)?;
    browser.page(&path).await?.expect(401)?;

    // A changed address does not change who it is.
    world.provider.sign_in(Person { email: "other@test.example".into(), verified: Some(false), ..somebody() });
    world.sign_in("").await?.expect(303)?;
    let entries = sqlx::query_scalar::<_, String>(
        "select action || ' ' || object_key from audit where object = 'account' order by audit_id",
    );
    let entries = entries.fetch_all(&mut world.database.connect().await?).await?;
    let mail = "mika@test.example";
    assert_eq!(entries, [format!("link-identity {mail}"), format!("sign-in {mail}"), format!("sign-in {mail}")]);
    Ok(())
}

#[tokio::test]
async fn a_provider_that_lies_signs_nobody_in() -> Result<()> {
    let world = World::new(&[]).await?;
    world.invite_mika(&[Role::Admin]).await?;
    for lie in
        [Lie::OtherKey, Lie::OtherAudience, Lie::OtherIssuer, Lie::OtherNonce, Lie::Over, Lie::Unsigned, Lie::NoToken]
    {
        world.provider.lie(Some(lie));
        let answer = world.sign_in("").await?.expect(401).with_context(|| format!("{lie:?}"))?;
        ensure!(answer.set_cookie("headroom").is_none() && answer.body.contains("could not be trusted"), "{lie:?}");
    }
    world.provider.lie(None);
    world.sign_in("").await?.expect(303)?;
    let (browser, path) = world.go("").await?;
    let denied = format!("{}?error=access_denied&{}", path.split('?').next().unwrap_or_default(), {
        path.split('&').next_back().unwrap_or_default()
    });
    let denied = browser.page(&denied).await?.expect(401)?;
    assert!(denied.body.contains("Example Login did not sign you in."), "{}", denied.body);
    Ok(())
}

#[tokio::test]
async fn only_a_checked_address_leads_to_an_account() -> Result<()> {
    let world = World::new(&[]).await?;
    world.invite_mika(&[Role::Viewer]).await?;
    for verified in [Some(false), None] {
        world.provider.sign_in(Person { verified, ..somebody() });
        let refused = world.sign_in("").await?.expect(403)?;
        assert!(refused.body.contains("Ask an administrator"), "{}", refused.body);
    }
    world.provider.sign_in(Person { email: "stranger@test.example".into(), subject: "s".into(), ..somebody() });
    world.sign_in("").await?.expect(403)?;
    let mut conn = world.database.connect().await?;
    sqlx::query("update account set disabled_at = now() where email = 'mika@test.example'").execute(&mut conn).await?;
    world.provider.sign_in(somebody());
    world.sign_in("").await?.expect(403)?;
    Ok(())
}

#[tokio::test]
async fn a_first_sign_in_makes_an_account_where_that_is_wanted() -> Result<()> {
    let world = World::new(&["--oidc-role", "viewer", "--oidc-trust-email"]).await?;
    world.provider.sign_in(Person { verified: None, ..somebody() });
    let back = world.sign_in("").await?.expect(303)?;
    assert_eq!(back.header("location"), "/overview");
    let session = back.set_cookie("headroom").context("a session")?;
    let mika = world.nobody()?.with_cookie(&format!("headroom={session}"), "");
    let me = mika.page("/me").await?.expect(200)?.body;
    assert!(me.contains("mika@test.example") && me.contains("Viewer"), "{me}");
    mika.page("/pools/new").await?.expect(403)?;
    Ok(())
}

#[tokio::test]
async fn a_provider_may_change_its_key_and_may_be_away() -> Result<()> {
    let world = World::new(&[]).await?;
    world.invite_mika(&[Role::Viewer]).await?;
    world.sign_in("").await?.expect(303)?;
    let (browser, path) = world.go("").await?;
    world.provider.change_key()?;
    // Within a minute of the last look the new key is not asked for: forged tokens must cause no flood.
    let refused = browser.page(&path).await?.expect(401)?;
    assert!(refused.body.contains("could not be trusted"));
    let away = World::new(&[]).await?;
    away.provider.lie(Some(Lie::Broken));
    let page = away.nobody()?.page("/login").await?.expect(200)?;
    let form = page.set_cookie("hr_form").context("the cookie of the form")?;
    let browser = away.nobody()?.with_cookie(&format!("hr_form={form}"), &form);
    let answer = browser.form("/login/sso", &[]).await?.expect(502)?;
    assert!(answer.body.contains("did not answer") && answer.body.contains("Password"), "{}", answer.body);
    Ok(())
}

#[tokio::test]
async fn a_browser_goes_there_and_comes_back() -> Result<()> {
    // The provider has to know the way back before the server listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let public = format!("http://{free}");
    let world = World::at(&free, &public, &[]).await?;
    world.invite_mika(&[Role::Viewer]).await?;
    let browser = Browser::start().await?;
    browser.window(390, 844).await?;
    browser.open(&world.service.at("/pools?q=x")).await?;
    browser.screenshot("login-sso-390").await?;
    let button = fantoccini::Locator::Css("form[action='/login/sso'] button");
    browser.client().find(button).await?.click().await?;
    browser.wait_for("location.pathname === '/pools'", "the way there and back").await?;
    let seen: String = browser.evaluate("return location.search + ' ' + document.body.innerText").await?;
    assert!(seen.starts_with("?q=x "), "{seen}");
    let said = browser.console().await?;
    assert!(said.is_empty(), "{said:?}");
    let cookies = browser.client().get_all_cookies().await?;
    let session = cookies.iter().find(|cookie| cookie.name() == "headroom").context("a session")?;
    assert_eq!(session.http_only(), Some(true));
    browser.close().await
}
