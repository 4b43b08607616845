//! The browser harness itself: that it shows pages as it says, and that its checks find a fault when there is one.

use anyhow::Result;
use headroom_tests::browser::{Browser, Scheme, Vision};
use headroom_tests::database::Database;
use serde_json::json;

/// A page of our own, without a server. Chromium wants the content escaped.
fn page(html: &str) -> String {
    let escaped: String = url::form_urlencoded::byte_serialize(html.as_bytes()).collect();
    format!("data:text/html;charset=utf-8,{}", escaped.replace('+', "%20"))
}

const GOOD: &str = "<!doctype html><html lang='en'><head><title>Good</title><meta name='viewport' content='width=device-width'></head>\
    <body><main><h1>Good</h1><p>Text.</p></main></body></html>";

#[tokio::test]
async fn a_page_is_shown_in_the_window_zone_and_scheme_that_was_asked_for() -> Result<()> {
    let browser = Browser::start().await?;
    browser.window(390, 844).await?;
    browser.scheme(Scheme::Dark).await?;
    browser.zone("Asia/Kolkata").await?;
    browser.open(&page(GOOD)).await?;
    assert_eq!(browser.evaluate::<u32>("return innerWidth").await?, 390);
    assert!(browser.evaluate::<bool>("return matchMedia('(prefers-color-scheme: dark)').matches").await?);
    let zone: String = browser.evaluate("return Intl.DateTimeFormat().resolvedOptions().timeZone").await?;
    // Chromium answers with the zone's older name.
    assert!(["Asia/Kolkata", "Asia/Calcutta"].contains(&zone.as_str()), "{zone}");

    browser.window(1440, 900).await?;
    browser.scheme(Scheme::Light).await?;
    assert_eq!(browser.evaluate::<u32>("return innerWidth").await?, 1440);
    assert!(browser.evaluate::<bool>("return matchMedia('(prefers-color-scheme: light)').matches").await?);
    browser.close().await
}

#[tokio::test]
async fn scripts_of_the_page_can_be_turned_off() -> Result<()> {
    let browser = Browser::start().await?;
    let scripted = page("<!doctype html><title>x</title><p id=p>off</p><script>p.textContent = 'on'</script>");
    let text = "return document.getElementById('p').textContent";
    browser.open(&scripted).await?;
    assert_eq!(browser.evaluate::<String>(text).await?, "on");
    browser.scripts(false).await?;
    browser.open(&scripted).await?;
    assert_eq!(browser.evaluate::<String>(text).await?, "off");
    browser.scripts(true).await?;
    browser.open(&scripted).await?;
    assert_eq!(browser.evaluate::<String>(text).await?, "on");
    browser.close().await
}

#[tokio::test]
async fn axe_finds_a_fault_and_nothing_in_a_good_page() -> Result<()> {
    let browser = Browser::start().await?;
    browser.open(&page(GOOD)).await?;
    let found = browser.axe().await?;
    assert!(found.is_empty(), "{found:?}");
    let bad = GOOD.replace("<p>Text.</p>", "<p style='color:#bbb;background:#fff'>Pale.</p><input>");
    browser.open(&page(&bad)).await?;
    let rules: Vec<String> = browser.axe().await?.into_iter().map(|violation| violation.rule).collect();
    assert!(rules.contains(&"color-contrast".to_owned()) && rules.contains(&"label".to_owned()), "{rules:?}");
    browser.close().await
}

#[tokio::test]
async fn the_console_is_read_and_emptied() -> Result<()> {
    let browser = Browser::start().await?;
    browser
        .open(&page("<!doctype html><title>x</title><script>console.error('oh no'); console.log('fine')</script>"))
        .await?;
    let console = browser.console().await?;
    assert!(console.len() == 1 && console[0].contains("oh no"), "{console:?}");
    assert_eq!(browser.console().await?, [""; 0]);
    browser.close().await
}

#[tokio::test]
async fn colours_are_shown_as_other_eyes_see_them() -> Result<()> {
    let browser = Browser::start().await?;
    browser.window(200, 200).await?;
    browser.open(&page("<!doctype html><title>x</title><body style='margin:0;background:#f00'>")).await?;
    let full = browser.client().screenshot().await?;
    browser.vision(Vision::Achromatopsia).await?;
    assert_ne!(browser.client().screenshot().await?, full);
    browser.vision(Vision::Full).await?;
    assert_eq!(browser.client().screenshot().await?, full);
    browser.close().await
}

#[tokio::test]
async fn a_script_can_run_before_the_page() -> Result<()> {
    let browser = Browser::start().await?;
    browser.before_every_page("window.early = document.body === null").await?;
    browser.open(&page(GOOD)).await?;
    assert!(browser.evaluate::<bool>("return window.early").await?);
    let echoed: String = browser.evaluate_with("return arguments[0] + '!'", vec![json!("hello")]).await?;
    assert_eq!(echoed, "hello!");
    browser.close().await
}

#[tokio::test]
async fn each_database_is_migrated_and_its_own() -> Result<()> {
    let (one, other) = (Database::create().await?, Database::create().await?);
    assert_ne!(one.url(), other.url());
    let applied = "select count(*) from _sqlx_migrations where success";
    let expected = i64::try_from(headroom_store::MIGRATOR.iter().count())?;
    for database in [&one, &other] {
        let found: i64 = sqlx::query_scalar(applied).fetch_one(&mut database.connect().await?).await?;
        assert_eq!(found, expected);
    }
    sqlx::query("create table mine (n int)").execute(&mut one.connect().await?).await?;
    let seen = "select count(*) from pg_class where relname = 'mine'";
    assert_eq!(sqlx::query_scalar::<_, i64>(seen).fetch_one(&mut other.connect().await?).await?, 0);

    let copy = Database::copy_of(one.name()).await?;
    assert_eq!(sqlx::query_scalar::<_, i64>(seen).fetch_one(&mut copy.connect().await?).await?, 1);
    for database in [one, other, copy] {
        database.remove().await?;
    }
    Ok(())
}
