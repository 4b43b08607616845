//! The command line as a person meets it: each verb teaches, says what it did, and turns a wrong value into a sentence.

use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::{Service, data_dir, run, wait_for_postgres_to_end};
use serde_json::json;

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a command that succeeds; what it said.
fn done(arguments: &[&str]) -> Result<String> {
    let output = run(arguments)?;
    ensure!(output.status.success(), "headroom {}: {}", arguments.join(" "), stderr(&output));
    Ok(stdout(&output))
}

/// Runs a command that is refused; its exit code and its sentence, which is for people.
fn refused(arguments: &[&str]) -> Result<(i32, String)> {
    let output = run(arguments)?;
    let said = stderr(&output);
    let code = output.status.code().context("it was killed")?;
    ensure!([1, 2].contains(&code), "headroom {}: ended with {code}: {said}", arguments.join(" "));
    ensure!(!said.trim().is_empty(), "headroom {} says nothing", arguments.join(" "));
    for noise in ["panicked", "RUST_BACKTRACE", "Stack backtrace", "sqlx::", "Error {", "Some("] {
        ensure!(!said.contains(noise), "headroom {}: {noise:?} is not for people: {said}", arguments.join(" "));
    }
    Ok((code, said))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

#[test]
fn every_verb_teaches() -> Result<()> {
    let top = done(&["--help"])?;
    assert!(
        top.contains("headroom demo") && top.contains("headroom serve") && top.contains("headroom usage"),
        "it shows where to begin: {top}"
    );
    assert!(done(&["--version"])?.starts_with("headroom "));
    let verbs: &[&[&str]] = &[
        &["serve"],
        &["demo"],
        &["exec"],
        &["simulate"],
        &["simulate", "replay"],
        &["forecast"],
        &["backtest"],
        &["import"],
        &["usage"],
        &["backup"],
        &["restore"],
        &["openapi"],
        &["pool"],
        &["pool", "list"],
        &["pool", "create"],
        &["pool", "edit"],
        &["pool", "set-capacity"],
        &["pool", "rename"],
        &["pool", "quota"],
        &["pool", "archive"],
        &["pool", "restore"],
        &["tenant"],
        &["tenant", "list"],
        &["tenant", "create"],
        &["tenant", "edit"],
        &["tenant", "rename"],
        &["tenant", "archive"],
        &["tenant", "restore"],
        &["user"],
        &["user", "list"],
        &["user", "create"],
        &["user", "roles"],
        &["user", "reset"],
        &["user", "reset-second-factor"],
        &["user", "sign-out"],
        &["user", "disable"],
        &["user", "enable"],
        &["token"],
        &["token", "list"],
        &["token", "create"],
        &["token", "revoke"],
        &["audit"],
        &["audit", "list"],
        &["audit", "verify"],
    ];
    for verb in verbs {
        let help = done(&[verb, &["--help"][..]].concat())?;
        let first = help.lines().next().unwrap_or_default();
        assert!(
            first.len() > 10 && first.contains(' '),
            "headroom {} begins with a sentence: {first:?}",
            verb.join(" ")
        );
        assert!(
            help.contains("--data-dir") || verb == &["openapi"],
            "headroom {} says where the data is",
            verb.join(" ")
        );
        // Every option and argument is explained on its own line or the next one.
        let lines: Vec<&str> = help.lines().collect();
        for (i, line) in lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.trim_start().starts_with("--") || line.trim_start().starts_with('<'))
        {
            let explained = line.trim().split("  ").count() > 1
                || lines.get(i + 1).is_some_and(|next| next.starts_with("          "));
            assert!(explained, "headroom {}: {line:?} is not explained", verb.join(" "));
        }
    }
    let usage = done(&["usage", "--help"])?;
    assert!(usage.contains("pool,tenant,from,to,capacity_slot_ms"), "the columns are explained: {usage}");
    Ok(())
}

#[test]
fn an_unknown_word_is_answered_with_what_there_is() -> Result<()> {
    for arguments in [
        &["serf"][..],
        &["pool", "creat"],
        &["usage", "--by", "week"],
        &["usage", "--format", "xml"],
        &["pool", "create", "p"],
        &[],
    ] {
        let (code, said) = refused(arguments)?;
        assert_eq!(code, 2, "{arguments:?}: {said}");
        assert!(
            said.to_lowercase().contains("usage:") || said.contains("For more information, try '--help'"),
            "{arguments:?}: {said}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn pools_are_made_listed_changed_and_archived() -> Result<()> {
    let database = Database::create().await?;
    let at = ["--database-url", database.url()];
    let ok = |arguments: &[&str]| done(&[arguments, &at].concat());
    let no = |arguments: &[&str]| refused(&[arguments, &at].concat());

    let said = ok(&[
        "pool",
        "create",
        "render",
        "--capacity",
        "1200",
        "--kind",
        "autoscaling",
        "--owner",
        "media",
        "--min",
        "10",
        "--max",
        "2000",
        "--zone",
        "Europe/Berlin",
        "--region",
        "eu-west",
        "--label",
        "env=prod",
        "--label",
        "tier=1",
        "--unit-cost-micros",
        "12500",
        "--runbook",
        "https://runbooks.example/render",
        "--feed-period",
        "10",
    ])?;
    assert_eq!(said, "pool render was created with 1,200 slots\n");
    let list = ok(&["pool", "list"])?;
    let row = list.lines().find(|line| line.starts_with("render ")).context("a row")?;
    assert!(row.contains("autoscaling") && row.contains("1,200") && row.ends_with("media"), "{row}");

    ok(&["pool", "edit", "render", "--owner", "films"])?;
    assert!(ok(&["pool", "list"])?.contains("films"));
    let said = ok(&["pool", "set-capacity", "render", "800", "--planned-down", "100", "--reason", "maintenance"])?;
    assert!(said.starts_with("capacity of render is 800 slots from 2"), "{said}");
    assert!(ok(&["pool", "list"])?.contains(" 700 "), "the effective capacity is listed");
    let said = ok(&["pool", "set-capacity", "render", "900", "--effective", "2031-01-01T00:00:00Z"])?;
    assert_eq!(said, "capacity of render is 900 slots from 2031-01-01T00:00:00Z\n");

    ok(&["tenant", "create", "acme", "--name", "Acme", "--tier", "gold", "--owner", "search"])?;
    assert_eq!(ok(&["pool", "quota", "render", "acme", "50"])?, "quota of acme in render: 50\n");
    ok(&["pool", "quota", "render", "acme", "none"])?;
    ok(&["tenant", "edit", "acme", "--tier", "silver"])?;
    ok(&["tenant", "rename", "acme", "acme-corp"])?;
    assert!(ok(&["tenant", "list"])?.contains("acme-corp"));
    assert!(
        no(&["tenant", "edit", "acme", "--tier", "x"])?.1.contains("\"acme-corp\""),
        "a former name says the present one"
    );
    ok(&["tenant", "archive", "acme-corp"])?;
    assert!(!ok(&["tenant", "list"])?.contains("acme-corp"));
    ok(&["tenant", "restore", "acme-corp"])?;

    assert!(ok(&["pool", "rename", "render", "render-eu"])?.contains("redirects"));
    assert!(no(&["pool", "edit", "render", "--owner", "x"])?.1.contains("\"render-eu\""));
    assert!(
        ok(&["pool", "archive", "render-eu"])?.contains("headroom pool restore render-eu"),
        "it says how to undo it"
    );
    assert!(!ok(&["pool", "list"])?.contains("render-eu"));
    assert!(ok(&["pool", "list", "--archived"])?.contains("render-eu"));
    ok(&["pool", "restore", "render-eu"])?;

    for (arguments, expected) in [
        (&["pool", "create", "render-eu", "--capacity", "1"][..], "exists already"),
        (&["pool", "create", "Bad Slug", "--capacity", "1"], "expected a-z, 0-9 and hyphens"),
        (&["pool", "create", "p", "--capacity", "-1"], "-1"),
        (&["pool", "create", "p", "--capacity", "10000001"], "0 to 10,000,000"),
        (&["pool", "create", "p", "--capacity", "many"], "many"),
        (&["pool", "create", "p", "--capacity", "1", "--planned-down", "2"], "0 to the capacity 1"),
        (&["pool", "create", "p", "--capacity", "1", "--zone", "Mars/Olympus"], "IANA zone"),
        (&["pool", "create", "p", "--capacity", "1", "--kind", "bottomless"], "fixed"),
        (&["pool", "create", "p", "--capacity", "1", "--label", "env"], "KEY=VALUE"),
        (&["pool", "create", "p", "--capacity", "1", "--runbook", "ftp://x"], "http or https"),
        (&["pool", "create", "p", "--capacity", "1", "--min", "5", "--max", "4"], "at least min_slots 5"),
        (&["pool", "edit", "render-ue", "--owner", "x"], "did you mean \"render-eu\"?"),
        (&["pool", "set-capacity", "render-eu", "5", "--effective", "tomorrow"], "is not a time"),
        (&["pool", "quota", "render-eu", "acme-corp", "lots"], "expected 0 to 10,000,000, or none"),
        (&["pool", "quota", "render-eu", "acme-crop", "5"], "did you mean \"acme-corp\"?"),
        (&["tenant", "create", "acme-corp"], "exists already"),
        (
            &["tenant", "create", "t", "--tier", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],
            "at most 40 characters",
        ),
    ] {
        let (_, said) = no(arguments)?;
        assert!(said.contains(expected), "{arguments:?}: {expected:?} is not in {said}");
        assert!(!said.contains("expected expected"), "{said}");
    }
    let listed = ok(&["pool", "list", "--archived"])?;
    assert_eq!(listed.lines().count(), 2, "nothing else was made: {listed}");
    Ok(())
}

#[tokio::test]
async fn commands_work_beside_a_running_server_and_without_one() -> Result<()> {
    let folder = data_dir()?;
    let at = ["--data-dir", text(folder.path())];
    let ok = |arguments: &[&str]| done(&[arguments, &at].concat());

    // Without a server: PostgreSQL is started for the command and stopped after it.
    ok(&["pool", "create", "render", "--capacity", "10"])?;
    assert!(!folder.path().join("postgres/postmaster.pid").exists(), "nothing keeps running");
    let alone = ok(&["usage"])?;
    assert_eq!(alone.lines().count(), 1, "a header: {alone}");

    let service = Service::start(&["serve", "--data-dir", text(folder.path())])?;
    people::prepare_at(folder.path()).await?;
    let client = Client::new(service.url())?;
    assert_eq!(client.get("/api/v1/pools/render").await?.expect(200)?.json()?["configured"], 10);

    // Beside one: the running PostgreSQL is used, and goes on running.
    let before = std::fs::read_to_string(folder.path().join("postgres/postmaster.pid"))?;
    ok(&["pool", "set-capacity", "render", "20"])?;
    assert_eq!(ok(&["usage"])?, alone);
    assert_eq!(client.get("/api/v1/usage?format=csv").await?.expect(200)?.body, alone, "the API says the same");
    assert_eq!(
        std::fs::read_to_string(folder.path().join("postgres/postmaster.pid"))?,
        before,
        "it is the same PostgreSQL"
    );
    assert_eq!(
        client.get("/api/v1/pools/render").await?.expect(200)?.json()?["configured"],
        20,
        "the server sees the change"
    );
    let history = client.page("/pools/render?tab=history").await?.expect(200)?.body;
    assert!(history.contains("set-capacity"), "the change is in the pool's history");

    assert!(service.stop()?.success());
    assert!(!folder.path().join("postgres/postmaster.pid").exists(), "the server stopped its PostgreSQL");
    assert_eq!(ok(&["usage"])?, alone);
    Ok(())
}

#[tokio::test]
async fn commands_that_start_together_share_one_postgresql() -> Result<()> {
    let folder = data_dir()?;
    let at = text(folder.path()).to_owned();
    let commands: Vec<_> = (0..4)
        .map(|i| {
            let at = at.clone();
            std::thread::spawn(move || {
                done(&["pool", "create", &format!("pool-{i}"), "--capacity", "1", "--data-dir", &at])
            })
        })
        .collect();
    for command in commands {
        command.join().map_err(|_| anyhow::anyhow!("a command panicked"))??;
    }
    wait_for_postgres_to_end(folder.path())?;
    let list = done(&["pool", "list", "--data-dir", &at])?;
    assert_eq!(list.lines().filter(|line| line.starts_with("pool-")).count(), 4, "{list}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() -> Result<()> {
    let database = Database::create().await?;
    let folder = data_dir()?;
    for listen in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080"] {
        let (code, said) = refused(&["serve", "--listen", listen, "--data-dir", text(folder.path())])?;
        assert_eq!(code, 1);
        assert!(said.contains("is not on loopback"), "{said}");
        assert!(said.contains("--trusted-proxy") && said.contains("--insecure-http"), "it says both ways out: {said}");
    }
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0, "nothing was made before the refusal");
    let (code, said) = refused(&["serve", "--listen", "localhost"])?;
    assert_eq!(code, 2);
    assert!(said.contains("--listen <ADDRESS:PORT>"), "{said}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    let (_, said) = refused(&["serve", "--listen", &format!("127.0.0.1:{port}"), "--database-url", database.url()])?;
    assert!(
        said.contains(&format!("cannot listen on 127.0.0.1:{port}")) && said.contains("--listen 127.0.0.1:0"),
        "{said}"
    );

    for (url, expected) in [
        ("mysql://localhost/x", "postgres://user"),
        ("nonsense", "postgres://user"),
        ("postgres://nobody@127.0.0.1:1/x", "does not answer"),
    ] {
        let (_, said) = refused(&["serve", "--database-url", url])?;
        assert!(said.contains(expected), "{url}: {said}");
    }
    let secret = refused(&["usage", "--database-url", "postgres://me:hunter2@127.0.0.1:1/x"])?.1;
    assert!(!secret.contains("hunter2"), "a password is never told: {secret}");

    let (_, said) = refused(&["demo", "--days", "401", "--database-url", database.url()])?;
    assert!(said.contains("2..=400"), "{said}");
    done(&["pool", "create", "mine", "--capacity", "1", "--database-url", database.url()])?;
    let (_, said) = refused(&["demo", "--days", "3", "--database-url", database.url(), "--listen", "127.0.0.1:0"])?;
    assert!(said.contains("not the demo's") && said.contains("--data-dir"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_test_clock_is_refused_unless_it_was_asked_for() -> Result<()> {
    let database = Database::create().await?;
    let mut conn = database.connect().await?;
    headroom_store::set_test_clock(&mut conn, 86_400_000).await?;
    let (code, said) = refused(&["serve", "--database-url", database.url(), "--listen", "127.0.0.1:0"])?;
    assert_eq!(code, 1);
    assert!(said.contains("--test-clock") && said.contains("test_clock"), "it says both ways out: {said}");

    let service = Service::start(&["serve", "--test-clock", "--database-url", database.url()])?;
    let client = Client::new(service.url())?;
    client.json(http::Method::POST, "/api/v1/pools", &json!({ "slug": "p", "capacity": 1 })).await?.expect(201)?;
    let here = headroom_store::now(&mut conn).await?;
    let steps = client.get("/api/v1/pools/p/capacity").await?.json()?;
    let made = chrono::DateTime::parse_from_rfc3339(steps[0]["from"].as_str().context("a time")?)?.timestamp_millis();
    assert!((0..60_000).contains(&(here - made)), "the server lives in the time that was set");
    Ok(())
}

#[tokio::test]
async fn people_tokens_and_the_audit_trail_are_managed_from_the_console() -> Result<()> {
    let database = Database::create().await?;
    let at = |arguments: &[&'static str]| [arguments, &["--database-url"][..]].concat();
    let say = |arguments: &[&'static str]| done(&[&at(arguments)[..], &[database.url()]].concat());
    let fail = |arguments: &[&'static str]| refused(&[&at(arguments)[..], &[database.url()]].concat());

    let made = say(&["user", "create", "Mika@Test.example", "--name", "Mika Lind", "--role", "planner"])?;
    assert!(made.contains("mika@test.example") && made.contains("one-time code"), "{made}");
    assert!(say(&["user", "reset", "mika@test.example"])?.contains("one-time code"));
    say(&["user", "roles", "mika@test.example", "viewer", "oncall"])?;
    say(&["user", "disable", "mika@test.example"])?;
    let listed = say(&["user", "list"])?;
    assert!(listed.contains("Mika Lind") && listed.contains("oncall") && listed.contains("disabled"), "{listed}");
    let (_, last) = fail(&["user", "disable", people::EMAIL])?;
    assert!(last.contains("last one"), "{last}");
    let (_, unknown) = fail(&["user", "enable", "nobody@test.example"])?;
    assert!(unknown.contains("headroom user list"), "{unknown}");

    let secret = say(&["token", "create", "agent", "--scope", "read"])?;
    let secret = secret.trim();
    assert!(secret.starts_with("hr_") && !secret.contains(char::is_whitespace), "alone, for scripts: {secret}");
    let prefix: String = secret.chars().take(9).collect();
    let listed = say(&["token", "list"])?;
    assert!(listed.contains(&prefix) && !listed.contains(secret), "{listed}");
    done(&["token", "revoke", &prefix, "--database-url", database.url()])?;
    assert!(say(&["token", "list"])?.contains("revoked"));

    let listed = say(&["audit", "list"])?;
    assert!(listed.contains("revoke token agent") && listed.contains("disable account mika@test.example"), "{listed}");
    let whole = say(&["audit", "verify"])?;
    let end = whole.trim().rsplit(' ').next().context("the last entry")?;
    let verify = |known: &str| run(&["audit", "verify", "--known", known, "--database-url", database.url()]);
    ensure!(verify(end)?.status.success(), "{whole}");
    ensure!(!verify("7")?.status.success() && !verify("0:00")?.status.success());

    // Whoever owns the database cuts entries off and moves the end of the chain along: what it says of itself fits, but not
    // what was told before.
    let mut conn = database.connect().await?;
    let forge = "
        ALTER TABLE audit DISABLE TRIGGER audit_append_only;
        DELETE FROM audit WHERE audit_id = (SELECT max(audit_id) FROM audit);
        ALTER TABLE audit ENABLE TRIGGER audit_append_only;";
    sqlx::raw_sql(forge).execute(&mut conn).await?;
    let (_, cut) = fail(&["audit", "verify"])?;
    assert!(cut.contains("missing at its end"), "{cut}");
    let forge = "UPDATE audit_head SET entries = entries - 1,
            hash = (SELECT entry_hash FROM audit ORDER BY audit_id DESC LIMIT 1)";
    sqlx::raw_sql(forge).execute(&mut conn).await?;
    say(&["audit", "verify"])?;
    let (_, anew) = refused(&["audit", "verify", "--known", end, "--database-url", database.url()])?;
    assert!(anew.contains("written anew"), "{anew}");
    database.remove().await
}
