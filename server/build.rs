//! Embeds the browser's files: the bundle of `cargo xtask bundle` if there is one, else the files of `assets/` as they are,
//! without the browser module. Pages are complete without it, so that `cargo check` and `cargo test` need no wasm compiler.
//! And embeds the texts of the shipped runbooks.

#[path = "../xtask/src/bundle/sources.rs"]
#[expect(dead_code, reason = "the bundle's own part of this file is not needed here")]
mod sources;

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use sources::{Entry, MANIFEST, Manifest};

fn main() -> Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let root = here.parent().context("the server lies in the workspace")?;
    let assets = root.join("assets");
    let bundle = env::var_os("HEADROOM_BUNDLE_DIR").map_or_else(|| root.join("target/bundle"), PathBuf::from);

    println!("cargo::rerun-if-env-changed=HEADROOM_BUNDLE_DIR");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../xtask/src/bundle/sources.rs");
    println!("cargo::rerun-if-changed={}", assets.display());
    // Cargo runs this script each time while a watched path is missing, so the folder is made before there is a bundle in it.
    // Where that is not possible, it costs time and nothing else.
    let _ = fs::create_dir_all(&bundle);
    println!("cargo::rerun-if-changed={}", bundle.display());

    let sources = sources::read(&assets)?;
    let (folder, manifest) = if let Some(manifest) = read_manifest(&bundle)? {
        if manifest.sources != sources::fingerprint(&sources) {
            println!("cargo::warning=assets/ has changed since the bundle was built: run `cargo xtask bundle`");
        }
        (bundle, manifest)
    } else {
        let plain = out.join("assets");
        let manifest = write_plain(sources, &plain)?;
        (plain, manifest)
    };
    fs::write(out.join("assets.rs"), table(&folder, &manifest)?).context("cannot write the table of assets")?;
    let runbooks = here.join("src/alerting/runbooks");
    println!("cargo::rerun-if-changed={}", runbooks.display());
    fs::write(out.join("runbooks.rs"), texts(&runbooks)?).context("cannot write the table of runbooks")
}

/// The texts of a folder by their names without the ending, as Rust source.
fn texts(folder: &Path) -> Result<String> {
    let found = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = found.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<PathBuf>>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    paths.sort();
    let mut code = String::from("&[\n");
    for path in paths {
        let slug = path.file_stem().and_then(|name| name.to_str()).context("a runbook's name is no text")?;
        writeln!(code, "({slug:?}, include_str!({:?})),", path.display().to_string())?;
    }
    code.push(']');
    Ok(code)
}

fn read_manifest(bundle: &Path) -> Result<Option<Manifest>> {
    let path = bundle.join(MANIFEST);
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest = serde_json::from_str(&text)
        .with_context(|| format!("{} is not understood: run `cargo xtask bundle` again", path.display()))?;
    Ok(Some(manifest))
}

/// Writes the files of `assets/` under their hashed names, uncompressed.
fn write_plain(sources: Vec<sources::Source>, folder: &Path) -> Result<Manifest> {
    let mut files = Vec::new();
    for named in sources::name_all(sources)? {
        let path = folder.join(&named.file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        }
        fs::write(&path, &named.content).with_context(|| format!("cannot write {}", path.display()))?;
        files.push(Entry {
            content_type: sources::content_type(&named.file)?.to_owned(),
            bytes: named.content.len(),
            logical: named.logical,
            file: named.file,
            brotli: None,
            gzip: None,
        });
    }
    Ok(Manifest { sources: String::new(), files })
}

/// The table as Rust source, its paths absolute.
fn table(folder: &Path, manifest: &Manifest) -> Result<String> {
    let folder = folder.canonicalize().with_context(|| format!("cannot find {}", folder.display()))?;
    let folder = folder.to_str().with_context(|| format!("{} is not UTF-8", folder.display()))?;
    let mut code = String::from("&[\n");
    for entry in &manifest.files {
        let include = |ending: &str| format!("include_bytes!({:?})", format!("{folder}/{}{ending}", entry.file));
        let option = |is_there: bool, ending: &str| {
            if is_there { format!("Some({})", include(ending)) } else { "None".to_owned() }
        };
        writeln!(
            code,
            "Asset {{ logical: {:?}, url: {:?}, content_type: {:?}, identity: {}, brotli: {}, gzip: {} }},",
            entry.logical,
            format!("/assets/{}", entry.file),
            entry.content_type,
            include(""),
            option(entry.brotli.is_some(), ".br"),
            option(entry.gzip.is_some(), ".gz"),
        )?;
    }
    code.push(']');
    Ok(code)
}
