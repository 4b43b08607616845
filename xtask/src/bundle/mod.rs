//! `cargo xtask bundle`: everything a browser asks for, in `target/bundle`, ready to be embedded in the service.

mod compress;
mod sources;
mod wasm;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use crate::workspace::{root, step};
use sources::{Entry, MANIFEST, Manifest, Named};

/// Options of `bundle`.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Compile the browser module quickly instead of small: for trying things out, not for a release.
    #[arg(long)]
    dev: bool,
}

/// Where the bundle goes. The server's build script looks in the same place.
fn folder() -> PathBuf {
    std::env::var_os("HEADROOM_BUNDLE_DIR").map_or_else(|| root().join("target/bundle"), PathBuf::from)
}

/// Builds the bundle and prints the sizes of its files.
pub(crate) fn run(options: &Options) -> Result<()> {
    let manifest = step("browser bundle", || build(&folder(), options))?;
    print!("{}", sizes(&manifest));
    Ok(())
}

fn build(bundle: &Path, options: &Options) -> Result<Manifest> {
    let assets = sources::read(&root().join("assets"))?;
    let fingerprint = sources::fingerprint(&assets);
    let module = wasm::build(options.dev)?;
    let named = sources::name_all(assets.into_iter().chain(module).collect())?;

    let mut manifest = Manifest { sources: fingerprint, files: Vec::with_capacity(named.len()) };
    let mut wanted = BTreeSet::from([bundle.join(MANIFEST)]);
    for file in named {
        manifest.files.push(write(bundle, file, &mut wanted)?);
    }
    remove_others(bundle, &wanted)?;
    // Untouched when nothing changed, because the server is compiled anew whenever it is touched.
    let text = serde_json::to_string_pretty(&manifest)? + "\n";
    write_if_changed(&bundle.join(MANIFEST), text.as_bytes())?;
    Ok(manifest)
}

/// Writes one file and its compressed forms. What is there under the same name has the same content, so it stays.
fn write(bundle: &Path, file: Named, wanted: &mut BTreeSet<PathBuf>) -> Result<Entry> {
    let path = bundle.join(&file.file);
    write_if_changed(&path, &file.content)?;
    wanted.insert(path.clone());
    let mut entry = Entry {
        content_type: sources::content_type(&file.file)?.to_owned(),
        bytes: file.content.len(),
        brotli: None,
        gzip: None,
        logical: file.logical,
        file: file.file,
    };
    if sources::is_compressible(&entry.file) {
        for (ending, compress) in [(".br", compress::brotli as compress::Method), (".gz", compress::gzip)] {
            let compressed = bundle.join(format!("{}{ending}", entry.file));
            let bytes = if compressed.is_file() {
                fs::metadata(&compressed).with_context(|| format!("cannot look at {}", compressed.display()))?.len()
                    as usize
            } else {
                let content = compress(&file.content)?;
                write_if_changed(&compressed, &content)?;
                content.len()
            };
            wanted.insert(compressed);
            // A form that saves nothing is not offered.
            let offered = (bytes < entry.bytes).then_some(bytes);
            match ending {
                ".br" => entry.brotli = offered,
                _ => entry.gzip = offered,
            }
        }
    }
    Ok(entry)
}

/// Writes beside and renames, so that a build that is interrupted leaves no half file under a final name.
fn write_if_changed(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    fs::write(&partial, content).with_context(|| format!("cannot write {}", partial.display()))?;
    fs::rename(&partial, path).with_context(|| format!("cannot write {}", path.display()))
}

/// Removes files of earlier bundles.
fn remove_others(folder: &Path, wanted: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(&path, wanted)?;
        } else if !wanted.contains(&path) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// A table of the files and what a browser transfers.
fn sizes(manifest: &Manifest) -> String {
    use std::fmt::Write as _;
    let mut table = format!("{:<46} {:>9} {:>9} {:>9}\n", "file", "bytes", "gzip", "brotli");
    let shown = |bytes: Option<usize>| bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
    for entry in &manifest.files {
        let (gzip, brotli) = (shown(entry.gzip), shown(entry.brotli));
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{:<46} {:>9} {gzip:>9} {brotli:>9}", entry.file, entry.bytes);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(file: &str, content: &str) -> Named {
        Named { logical: file.to_owned(), file: file.to_owned(), content: content.as_bytes().to_vec() }
    }

    #[test]
    fn a_second_build_touches_nothing_and_removes_what_is_old() {
        let folder = std::env::temp_dir().join(format!("headroom-bundle-test-{}", std::process::id()));
        let text = "a { color: inherit }\n".repeat(50);
        let mut wanted = BTreeSet::new();
        let first = write(&folder, named("fonts/a-1.css", &text), &mut wanted).expect("it is written");
        assert!(first.brotli < Some(text.len()) && first.gzip < Some(text.len()));
        assert_eq!(wanted.len(), 3);
        let time = |path: &PathBuf| fs::metadata(path).and_then(|meta| meta.modified()).expect("it has a time");
        let before: Vec<_> = wanted.iter().map(time).collect();

        write(&folder, named("old.txt", "old"), &mut BTreeSet::new()).expect("it is written");
        let second = write(&folder, named("fonts/a-1.css", &text), &mut BTreeSet::new()).expect("it is written");
        remove_others(&folder, &wanted).expect("it is removed");
        assert_eq!(first, second);
        assert_eq!(before, wanted.iter().map(time).collect::<Vec<_>>());
        assert!(!folder.join("old.txt").exists());
        fs::remove_dir_all(&folder).expect("the test's folder is removed");
    }
}
