//! The plan of the house, checked: who may import whom, and what may be said in one file only.
//!
//! The rules are data. A change of the plan is a change of these tables, with its reason.

use std::collections::BTreeMap;
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use headroom_tests::source::{Parts, files, read, short, split};
use headroom_tests::workspace::root;

/// What a crate may depend on, besides tools of its tests.
struct Room {
    name: &'static str,
    may_use: &'static [&'static str],
}

/// Crates with a closed list. The service itself is open: it joins everything.
const ROOMS: &[Room] = &[
    Room { name: "headroom-domain", may_use: &["chrono", "regex", "rrule", "serde", "thiserror", "uuid"] },
    Room {
        name: "headroom-store",
        may_use: &[
            "headroom-domain",
            "sqlx",
            "chrono",
            "serde",
            "serde_json",
            "thiserror",
            "tracing",
            "uuid",
            "blake3",
            "sha2",
        ],
    },
    // What others build upon knows the API, and nothing of the server.
    Room {
        name: "headroom-slots",
        may_use: &["reqwest", "serde", "serde_json", "thiserror", "tokio", "tokio-util", "tracing", "uuid"],
    },
    Room {
        name: "headroom-frontend",
        may_use: &[
            "headroom-domain",
            "leptos",
            "chrono",
            "serde",
            "wasm-bindgen",
            "wasm-bindgen-futures",
            "js-sys",
            "web-sys",
        ],
    },
    Room {
        name: "headroom-client",
        may_use: &["headroom-frontend", "leptos", "wasm-bindgen", "console_error_panic_hook"],
    },
    // A window knows the server's program and API, as any browser does.
    Room {
        name: "headroom-desktop",
        may_use: &[
            "anyhow",
            "clap",
            "dirs",
            "gtk",
            "ksni",
            "libc",
            "nix",
            "rand",
            "reqwest",
            "secret-service",
            "serde",
            "serde_json",
            "tao",
            "tempfile",
            "tokio",
            "toml",
            "url",
            "webkit2gtk",
            "wry",
            "zbus",
        ],
    },
];

/// Crates that see everything and are seen by nobody.
const UNSEEN: &[&str] = &["headroom-tests", "headroom-desktop", "headroom-client", "xtask"];

/// Words that a folder's code must not say.
struct Silence {
    folder: &'static str,
    words: &'static [&'static str],
    why: &'static str,
}

const SILENCES: &[Silence] = &[
    Silence {
        folder: "server/src/http",
        words: &["sqlx::", "crate::pages", "crate::jobs", "leptos"],
        why: "a door calls `app`, never another door, a statement or a view",
    },
    Silence {
        folder: "server/src/pages",
        words: &["sqlx::", "crate::http", "crate::jobs"],
        why: "a door calls `app`, never another door or a statement",
    },
    Silence {
        folder: "server/src/jobs",
        words: &["sqlx::", "crate::http", "crate::pages", "axum", "leptos"],
        why: "a door calls `app`, never another door, a statement or a transport",
    },
    Silence {
        folder: "server/src/app",
        words: &["axum", "leptos", "StatusCode", "crate::http", "crate::pages", "crate::jobs", "plotters"],
        why: "use cases know no transport and no door",
    },
    Silence {
        folder: "server/src/charts",
        words: &[
            "axum",
            "leptos",
            "sqlx",
            "headroom_store",
            "tokio",
            "crate::app",
            "crate::http",
            "crate::pages",
            "crate::jobs",
        ],
        why: "charts turn data into drawings and know nothing else",
    },
    Silence {
        folder: "domain/src",
        words: &["async fn", "std::fs", "std::net", "std::env", "tracing::", "println!", "eprintln!"],
        why: "rules are plain functions: no input, no output, no log line",
    },
];

/// Words that may be said in one place only.
struct Privilege {
    words: &'static [&'static str],
    only_in: &'static [&'static str],
    why: &'static str,
}

const PRIVILEGES: &[Privilege] = &[
    Privilege {
        words: &[
            "Utc::now",
            "Local::now",
            "SystemTime::now",
            "Uuid::new_v4",
            "rand::rng",
            "rand::random",
            "from_os_rng",
        ],
        only_in: &["server/src/clock.rs"],
        why: "time and chance are passed in, so that tests and the demo world can decide them",
    },
    Privilege {
        words: &["Uuid::now_v7"],
        only_in: &["server/src/clock.rs", "server/slots/src/key.rs"],
        why: "ids have one source in the server; a client in somebody else's program has one of its own",
    },
    Privilege {
        words: &["unsafe {", "unsafe fn", "unsafe impl"],
        only_in: &["server/src/postgres/spawn.rs", "desktop/src/child.rs"],
        why: "unsafe code has one home in each program, where its reason is written",
    },
    Privilege {
        words: &["AssertSqlSafe", "raw_sql"],
        only_in: &["server/store/src/partition.rs", "server/src/postgres/tests.rs"],
        why: "statements are constants; only names of partitions, made of dates, are put together",
    },
];

/// Rooms whose sources are read. The tests themselves and the developer's commands make their own rules.
const SOURCES: &[&str] = &["domain", "server", "frontend", "desktop"];

/// SQL functions that read a clock, and the only file that may call one.
const SQL_CLOCKS: &[&str] = &["now(", "clock_timestamp(", "statement_timestamp(", "transaction_timestamp("];
const SQL_CLOCK_WORDS: &[&str] = &["current_timestamp", "current_date", "localtimestamp"];
const SQL_CLOCK_HOME: &str = "migrations/";

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo describes the workspace")
}

/// Every Rust file of the product, split.
fn sources() -> BTreeMap<String, Parts> {
    let folders = SOURCES.iter().flat_map(|folder| files(folder, ".rs").expect("the folder is read"));
    folders.map(|path| (short(&path), split(&read(&path).expect("the file is read")))).collect()
}

fn fail_if_any(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn crates_depend_only_on_what_their_room_allows() {
    let metadata = metadata();
    let mut faults = Vec::new();
    for room in ROOMS {
        let package = metadata.packages.iter().find(|package| package.name.as_str() == room.name);
        let package = package.unwrap_or_else(|| panic!("there is no crate {}", room.name));
        for dependency in &package.dependencies {
            if dependency.kind == DependencyKind::Normal && !room.may_use.contains(&dependency.name.as_str()) {
                faults.push(format!("{} depends on {}, which its room does not allow", room.name, dependency.name));
            }
        }
    }
    fail_if_any(faults);
}

#[test]
fn the_domain_has_no_clock() {
    let metadata = metadata();
    let domain = metadata.packages.iter().find(|package| package.name.as_str() == "headroom-domain");
    let chrono = domain.and_then(|package| package.dependencies.iter().find(|dependency| dependency.name == "chrono"));
    let chrono = chrono.expect("the domain uses chrono");
    assert!(!chrono.uses_default_features, "chrono's default features include a clock");
    assert!(!chrono.features.iter().any(|feature| feature == "clock" || feature == "now"), "{:?}", chrono.features);
}

#[test]
fn nobody_depends_on_what_sees_everything() {
    let mut faults = Vec::new();
    for package in metadata().packages {
        for dependency in &package.dependencies {
            if UNSEEN.contains(&dependency.name.as_str()) {
                faults.push(format!("{} depends on {}, which sees everything", package.name, dependency.name));
            }
        }
    }
    fail_if_any(faults);
}

#[test]
fn every_crate_takes_its_lints_and_versions_from_the_workspace() {
    let mut faults = Vec::new();
    for package in metadata().packages {
        let manifest = read(package.manifest_path.as_std_path()).expect("the manifest is read");
        if !manifest.contains("[lints]\nworkspace = true") {
            faults.push(format!("{} does not take the workspace's lints", package.name));
        }
        let mut in_dependencies = false;
        for line in manifest.lines() {
            if line.starts_with('[') {
                in_dependencies = line.contains("dependencies");
            } else if in_dependencies && line.contains('=') && !line.trim_start().starts_with('#') {
                let from_the_table = line.contains("workspace = true");
                if !from_the_table {
                    faults.push(format!("{}: `{line}` is not from the workspace's table", package.name));
                }
            }
        }
    }
    fail_if_any(faults);
}

#[test]
fn every_room_has_a_readme() {
    let rooms = [
        "",
        "assets",
        "desktop",
        "domain",
        "frontend",
        "migrations",
        "server",
        "server/slots",
        "server/store",
        "tests",
        "xtask",
    ];
    /// Shorter than this, a page says nothing.
    const LEAST: usize = 200;
    let says_something = |room: &&str| read(&root().join(room).join("README.md")).is_ok_and(|text| text.len() > LEAST);
    let faults = rooms.iter().filter(|room| !says_something(room)).map(|room| format!("{room}/README.md says nothing"));
    fail_if_any(faults.collect());
}

#[test]
fn folders_keep_silent_about_what_is_not_theirs() {
    let sources = sources();
    let mut faults = Vec::new();
    for silence in SILENCES {
        for (path, parts) in sources.iter().filter(|(path, _)| path.starts_with(&format!("{}/", silence.folder))) {
            for (line, word) in said(&parts.code, silence.words) {
                faults.push(format!("{path}:{line} says `{word}`: {}", silence.why));
            }
        }
    }
    fail_if_any(faults);
}

#[test]
fn privileged_words_are_said_in_their_place_only() {
    let mut faults = Vec::new();
    for (path, parts) in sources() {
        for privilege in PRIVILEGES.iter().filter(|privilege| !privilege.only_in.contains(&path.as_str())) {
            for (line, word) in said(&parts.code, privilege.words) {
                faults.push(format!("{path}:{line} says `{word}`: {}", privilege.why));
            }
        }
    }
    fail_if_any(faults);
}

#[test]
fn every_privilege_is_used() {
    let sources = sources();
    for privilege in PRIVILEGES {
        for home in privilege.only_in {
            let parts = sources.get(*home).unwrap_or_else(|| panic!("{home} does not exist any more"));
            assert!(!said(&parts.code, privilege.words).is_empty(), "{home} does not use its privilege any more");
        }
    }
}

#[test]
fn sql_reads_one_clock() {
    let mut faults = Vec::new();
    let mut homes = 0;
    for folder in ["migrations", "server"] {
        for path in files(folder, ".sql").expect("the folder is read") {
            let text = without_sql_comments(&read(&path).expect("the file is read"));
            for (number, word) in clocks(&text) {
                if short(&path).starts_with(SQL_CLOCK_HOME) && word == "clock_timestamp(" {
                    homes += 1;
                } else {
                    faults.push(format!("{}:{number} calls `{word}`: use hr_now()", short(&path)));
                }
            }
        }
    }
    for (path, parts) in sources() {
        for (line, text) in &parts.strings {
            if looks_like_sql(text) {
                faults.extend(clocks(text).into_iter().map(|(offset, word)| {
                    format!("{path}:{} calls `{word}` in a statement: use hr_now()", line + offset - 1)
                }));
            }
        }
    }
    fail_if_any(faults);
    assert_eq!(homes, 2, "clock_timestamp() is called by the two versions of hr_now() and nowhere else");
}

/// Where code says one of these words as a whole word: with nothing that belongs to a name right before or after it.
fn said<'a>(code: &str, words: &'a [&'a str]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        for word in words {
            let is_said = line.match_indices(word).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                let after = line[at + word.len()..].chars().next();
                let ends_open = word.ends_with(|c: char| !is_name(c));
                !before.is_some_and(is_name) && (ends_open || !after.is_some_and(is_name))
            });
            if is_said {
                found.push((number + 1, *word));
            }
        }
    }
    found
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn clocks(sql: &str) -> Vec<(usize, &'static str)> {
    let lower = sql.to_lowercase();
    let mut found = said(&lower, SQL_CLOCKS);
    found.extend(said(&lower, SQL_CLOCK_WORDS));
    found
}

/// Statements begin with a verb or contain a clause; messages do not.
fn looks_like_sql(text: &str) -> bool {
    let upper = text.trim_start().to_uppercase();
    ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ", "CREATE ", "ALTER ", "MERGE ", "COPY ", "DROP "]
        .iter()
        .any(|verb| upper.starts_with(verb))
        || [" FROM ", " WHERE ", " VALUES ", " RETURNING "].iter().any(|clause| upper.contains(clause))
}

fn without_sql_comments(sql: &str) -> String {
    sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_checks_see_what_they_look_for() {
    assert_eq!(said("let now = Utc::now();", &["Utc::now"]), [(1, "Utc::now")]);
    assert_eq!(said("a\nMyUtc::now(); Utc::nowhere()", &["Utc::now"]), []);
    assert_eq!(clocks("select a,\n  NOW() from b"), [(2, "now(")]);
    assert_eq!(clocks("select hr_now()"), []);
    assert_eq!(clocks("set at = Current_Timestamp"), [(1, "current_timestamp")]);
    assert!(looks_like_sql("\n  select 1") && looks_like_sql("a, b from c") && !looks_like_sql("choose a pool"));
    assert!(Path::new(root()).join("Cargo.toml").exists());
}
