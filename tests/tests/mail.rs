//! One-time codes that go by mail.

use anyhow::{Context, Result, ensure};
use headroom_domain::access::Role;
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::mailbox::Mailbox;
use headroom_tests::people;
use headroom_tests::service::Service;
use http::Method;
use serde_json::json;

const PASSWORD: &str = "correct horse battery";

struct World {
    service: Service,
    database: Database,
    mailbox: Mailbox,
}

impl World {
    async fn new() -> Result<Self> {
        let (database, mailbox) = (Database::create().await?, Mailbox::start().await?);
        let url = mailbox.url();
        let mut arguments = vec!["serve", "--no-jobs", "--database-url", database.url(), "--smtp-url", &url];
        arguments.extend(["--mail-from", "Headroom <headroom@test.example>"]);
        arguments.extend(["--public-url", "https://headroom.test"]);
        Ok(Self { service: Service::start(&arguments)?, database, mailbox })
    }

    fn admin(&self) -> Result<Client> {
        Client::new(self.service.url())
    }

    /// Somebody with the page of the code open.
    async fn at_reset(&self) -> Result<Client> {
        let nobody = Client::nobody(self.service.url())?;
        let page = nobody.page("/reset").await?.expect(200)?;
        ensure!(page.body.contains("Send a code by e-mail"), "the page offers to send one");
        let form = page.set_cookie("hr_form").context("the cookie of the form")?;
        Ok(nobody.with_cookie(&format!("hr_form={form}"), &form))
    }
}

#[tokio::test]
async fn an_invitation_goes_by_mail_and_its_code_is_good_for_a_password() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let form = [("name", "Mika Lind"), ("email", "mika@test.example"), ("roles", "viewer")];
    let made = admin.form("/admin/users/new", &form).await?.expect(303)?;
    let letter = world.mailbox.letter(0).await?;
    assert_eq!(letter.to, "mika@test.example");
    for part in ["Hello Mika Lind", "https://headroom.test/reset\r\n", "From: Headroom <headroom@test.example>"] {
        assert!(letter.text.contains(part), "{part}: {}", letter.text);
    }
    let code = letter.code()?;
    let page = admin.page(made.header("location")).await?.expect(200)?;
    assert!(!page.body.contains(&code), "the code is in the mail only");
    let mika = world.at_reset().await?;
    mika.form("/reset", &[("email", "mika@test.example"), ("code", &code), ("password", PASSWORD)])
        .await?
        .expect(303)?;
    mika.form("/login", &[("email", "mika@test.example"), ("password", PASSWORD)]).await?.expect(303)?;

    // What the SMTP server refuses is told, and the code with it: the administrator hands it on.
    let body = json!({ "name": "Nobody", "email": "refused@test.example", "roles": ["viewer"] });
    let made = admin.json(Method::POST, "/api/v1/users", &body).await?.expect(201)?.json()?;
    let code = &made["password_code"];
    assert!(code["mail_problem"].as_str().is_some_and(|text| text.contains("nobody of that name")), "{code}");
    assert!(code["code"].as_str().is_some_and(|text| text.len() == 14) && code["mailed_to"].is_null(), "{code}");
    Ok(())
}

#[tokio::test]
async fn who_forgot_the_password_gets_a_code_and_nobody_learns_who_has_an_account() -> Result<()> {
    let world = World::new().await?;
    people::add(&mut world.database.connect().await?, "mika@test.example", "Mika Lind", &[Role::Viewer], &[]).await?;
    let browser = world.at_reset().await?;
    let known = browser.form("/reset/mail", &[("email", "mika@test.example")]).await?.expect(303)?;
    let code = world.mailbox.letter(0).await?.code()?;
    let unknown = browser.form("/reset/mail", &[("email", "nobody@test.example")]).await?.expect(303)?;
    assert_eq!(known.set_cookie("hr_flash"), unknown.set_cookie("hr_flash"), "the same is said to both");
    let wrong = browser.form("/reset/mail", &[("email", "no address")]).await?.expect(422)?;
    assert!(wrong.body.contains("an e-mail address such as"), "{}", wrong.body);
    for _ in 0..2 {
        browser.form("/reset/mail", &[("email", "mika@test.example")]).await?.expect(303)?;
    }
    let full = browser.form("/reset/mail", &[("email", "mika@test.example")]).await?.expect(429)?;
    assert!(full.header("retry-after").parse::<u32>()? > 60, "three in an hour");
    // The newest code counts.
    let newest = world.mailbox.letter(2).await?.code()?;
    let reset = |code: String| {
        let browser = browser.clone();
        async move {
            let fields = [("email", "mika@test.example"), ("code", code.as_str()), ("password", PASSWORD)];
            browser.form("/reset", &fields).await
        }
    };
    reset(code).await?.expect(422)?;
    reset(newest).await?.expect(303)?;
    assert_eq!(world.mailbox.letters().len(), 3, "nothing went to an unknown address");
    Ok(())
}

#[tokio::test]
async fn without_mail_the_page_says_whom_to_ask() -> Result<()> {
    let database = Database::create().await?;
    let service = Service::start(&["serve", "--no-jobs", "--database-url", database.url()])?;
    let nobody = Client::nobody(service.url())?;
    let page = nobody.page("/reset").await?.expect(200)?;
    assert!(page.body.contains("Ask an administrator") && !page.body.contains("/reset/mail"));
    let form = page.set_cookie("hr_form").context("the cookie of the form")?;
    let browser = nobody.with_cookie(&format!("hr_form={form}"), &form);
    browser.form("/reset/mail", &[("email", "a@b.example")]).await?.expect(409)?;
    browser.form("/login/sso", &[]).await?.expect(404)?;
    browser.page("/login/sso/return?code=a&state=b").await?.expect(404)?;
    Ok(())
}
