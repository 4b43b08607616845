//! The listener that speaks TLS itself, and a proxy that does.

use std::path::PathBuf;

use anyhow::{Context, Result};
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::service::{self, Service};
use tempfile::TempDir;

struct Files {
    _folder: TempDir,
    certificate: PathBuf,
    key: PathBuf,
    pem: String,
}

fn certificate() -> Result<Files> {
    let folder = tempfile::tempdir()?;
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into()])?;
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let pem = made.cert.pem();
    std::fs::write(&certificate, &pem)?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    Ok(Files { _folder: folder, certificate, key, pem })
}

fn text(path: &std::path::Path) -> Result<&str> {
    path.to_str().context("a path that is text")
}

#[tokio::test]
async fn over_tls_the_cookie_is_bound_to_the_host_and_plain_http_is_over() -> Result<()> {
    let (database, files) = (Database::create().await?, certificate()?);
    let arguments = ["serve", "--no-jobs", "--database-url", database.url()];
    let tls = ["--tls-cert", text(&files.certificate)?, "--tls-key", text(&files.key)?];
    let service = Service::start(&[arguments.as_slice(), tls.as_slice()].concat())?;
    assert!(service.url().starts_with("https://"), "{}", service.url());
    let trusts = reqwest::Certificate::from_pem(files.pem.as_bytes())?;
    let nobody = Client::nobody_trusting(service.url(), &trusts)?;
    let page = nobody.page("/login").await?.expect(200)?;
    assert_eq!(page.header("strict-transport-security"), "max-age=31536000");
    assert!(!page.body.contains("not encrypted"), "nothing to warn of");
    let form = page.set_cookie("__Host-hr_form").context("the cookie of the form")?;
    let browser = nobody.clone().with_cookie(&format!("__Host-hr_form={form}"), &form);
    headroom_tests::people::set_password(&mut database.connect().await?, "correct horse battery").await?;
    let fields = [("email", headroom_tests::people::EMAIL), ("password", "correct horse battery")];
    let answer = browser.form("/login", &fields).await?.expect(303)?;
    let cookies: Vec<&str> = answer.headers.get_all("set-cookie").iter().filter_map(|v| v.to_str().ok()).collect();
    let session = cookies.iter().find(|cookie| cookie.starts_with("__Host-headroom=")).context("a session")?;
    for part in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(session.contains(part), "{session}");
    }
    assert!(!session.contains("Domain"), "{session}");
    let pair = session.split(';').next().unwrap_or_default();
    nobody.clone().with_cookie(pair, "").page("/overview").await?.expect(200)?;
    // The same session under the other name is none.
    let open = pair.replace("__Host-headroom", "headroom");
    nobody.clone().with_cookie(&open, "").page("/overview").await?.expect(303)?;

    // Who does not know the certificate, and who does not speak TLS, gets nothing.
    assert!(Client::nobody(service.url())?.page("/login").await.is_err());
    assert!(Client::nobody(&service.url().replace("https", "http"))?.page("/login").await.is_err());
    assert!(service.stop()?.success());
    Ok(())
}

#[tokio::test]
async fn a_trusted_proxy_says_that_the_connection_is_private() -> Result<()> {
    let database = Database::create().await?;
    let arguments = ["serve", "--no-jobs", "--database-url", database.url()];
    let proxied = Service::start(&[arguments.as_slice(), &["--trusted-proxy", "127.0.0.1"]].concat())?;
    let alone = Service::start(&arguments)?;
    let https: &[(&str, &str)] = &[("accept", "text/html"), ("x-forwarded-proto", "https")];
    for (service, believed) in [(&proxied, true), (&alone, false)] {
        let nobody = Client::nobody(service.url())?;
        let page = nobody.send(http::Method::GET, "/login", https, None).await?.expect(200)?;
        assert_eq!(page.header("strict-transport-security").is_empty(), !believed);
        assert_eq!(page.body.contains("not encrypted"), !believed);
        assert_eq!(page.set_cookie("__Host-hr_form").is_some(), believed);
    }
    Ok(())
}

#[test]
fn wrong_files_and_open_addresses_are_refused_with_a_sentence() -> Result<()> {
    let files = certificate()?;
    let other = certificate()?;
    let cert = text(&files.certificate)?;
    for (arguments, said) in [
        (vec!["--tls-cert", cert], "--tls-key"),
        (vec!["--tls-cert", cert, "--tls-key", "/nowhere.pem"], "cannot use the certificate"),
        (vec!["--tls-cert", cert, "--tls-key", text(&other.key)?], "cannot use the certificate"),
        (vec!["--tls-cert", cert, "--tls-key", cert], "cannot use the certificate"),
        (vec!["--listen", "0.0.0.0:0"], "--tls-cert"),
        (vec!["--smtp-url", "smtp://x"], "--mail-from"),
        (vec!["--oidc-issuer", "https://x.example"], "--oidc-client-id"),
        (
            vec!["--oidc-issuer", "http://x.example", "--oidc-client-id", "x", "--public-url", "https://y.example"],
            "no https address",
        ),
        (vec!["--public-url", "https://y.example/path"], "without a path"),
    ] {
        let all = [&["serve", "--database-url", "postgres://127.0.0.1:1/none"], arguments.as_slice()].concat();
        let output = service::run(&all)?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(said), "{arguments:?}: {stderr}");
    }
    Ok(())
}
