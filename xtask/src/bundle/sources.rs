//! From the files in `assets/` to what a browser asks for: one stylesheet, one icon sprite, fonts, the files of `app/`; and
//! from logical names (`app.css`) to names with a content hash (`app-1a2b3c4d5e.css`), inside their texts too.
//!
//! Two programs share this file: `cargo xtask bundle`, which adds the browser module and compresses, and the server's build
//! script, which embeds these files as they are while there is no bundle.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

/// The file that lists a bundle, inside its folder.
pub(crate) const MANIFEST: &str = "manifest.json";

/// Characters of a BLAKE3 hash in a name: 40 bits are plenty to tell versions of one file apart.
const HASH_LENGTH: usize = 10;

/// A file before it has its final name.
#[derive(Debug)]
pub(crate) struct Source {
    /// What the program calls it, for example `fonts/inter-latin-wght-normal.woff2`.
    pub(crate) logical: String,
    pub(crate) content: Vec<u8>,
}

/// A file under its final name, its references to others rewritten.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) logical: String,
    pub(crate) file: String,
    pub(crate) content: Vec<u8>,
}

/// What `manifest.json` says.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Hash of the files in `assets/` that went in, to notice a bundle older than they are.
    pub(crate) sources: String,
    pub(crate) files: Vec<Entry>,
}

/// One file of a bundle.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) logical: String,
    pub(crate) file: String,
    pub(crate) content_type: String,
    /// Bytes as they are, and compressed where that makes them fewer.
    pub(crate) bytes: usize,
    pub(crate) brotli: Option<usize>,
    pub(crate) gzip: Option<usize>,
}

/// Reads everything in `assets/` that a browser may ask for.
pub(crate) fn read(assets: &Path) -> Result<Vec<Source>> {
    let mut sources = vec![
        Source { logical: "app.css".to_owned(), content: stylesheet(assets)?.into_bytes() },
        Source { logical: "icons.svg".to_owned(), content: sprite(&assets.join("icons"))?.into_bytes() },
    ];
    for folder in ["fonts", "app"] {
        for path in files(&assets.join(folder))? {
            sources.push(Source { logical: format!("{folder}/{}", file_name(&path)?), content: read_file(&path)? });
        }
    }
    // The icons' licence goes where the icons go.
    for path in files(&assets.join("icons"))? {
        let name = file_name(&path)?;
        if name.starts_with("LICENSE") {
            sources.push(Source { logical: format!("icons/{name}"), content: read_file(&path)? });
        }
    }
    Ok(sources)
}

/// One hash over all sources, names and contents.
pub(crate) fn fingerprint(sources: &[Source]) -> String {
    let mut hasher = blake3::Hasher::new();
    for source in sources {
        for part in [source.logical.as_bytes(), &source.content] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// Gives every file its final name and rewrites the references between them: `/assets/NAME` in any text, and `./NAME` or a
/// quoted `NAME` in a script. A file is named after those that it refers to, because their names are part of its content.
pub(crate) fn name_all(sources: Vec<Source>) -> Result<Vec<Named>> {
    let mut waiting = sources;
    let mut named: Vec<Named> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let names: Vec<String> = waiting.iter().map(|source| source.logical.clone()).collect();
        let (ready, rest): (Vec<Source>, Vec<Source>) = waiting
            .into_iter()
            .partition(|source| names.iter().all(|other| other == &source.logical || !refers_to(source, other)));
        ensure!(!ready.is_empty(), "these assets refer to each other in a circle: {}", names.join(", "));
        for source in ready {
            let content = rewrite(&source, &named)?;
            let file = hashed_name(&source.logical, &content);
            named.push(Named { logical: source.logical, file, content });
        }
        waiting = rest;
    }
    named.sort_by(|one, other| one.logical.cmp(&other.logical));
    Ok(named)
}

/// The `Content-Type` of a file, by its ending.
pub(crate) fn content_type(name: &str) -> Result<&'static str> {
    Ok(match ending(name) {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        _ => bail!("the asset {name} has an ending without a content type: add it to content_type()"),
    })
}

/// Whether compressing can help; fonts and pictures are compressed already.
pub(crate) fn is_compressible(name: &str) -> bool {
    !matches!(ending(name), "woff2" | "png" | "ico")
}

fn is_text(name: &str) -> bool {
    matches!(ending(name), "css" | "js" | "json" | "svg" | "webmanifest")
}

/// `css` of `app.css`, nothing of a name without a dot.
fn ending(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, ending)| ending)
}

/// The spellings in which a file may refer to another.
fn spellings(source: &str, other: &str) -> Vec<String> {
    let mut spellings = vec![format!("/assets/{other}")];
    if ending(source) == "js" {
        spellings.extend([
            format!("'./{other}'"),
            format!("\"./{other}\""),
            format!("'{other}'"),
            format!("\"{other}\""),
        ]);
    }
    spellings
}

fn refers_to(source: &Source, other: &str) -> bool {
    if !is_text(&source.logical) {
        return false;
    }
    let text = String::from_utf8_lossy(&source.content);
    spellings(&source.logical, other).iter().any(|spelling| text.contains(spelling.as_str()))
}

fn rewrite(source: &Source, named: &[Named]) -> Result<Vec<u8>> {
    if !is_text(&source.logical) {
        return Ok(source.content.clone());
    }
    let mut text = String::from_utf8(source.content.clone())
        .with_context(|| format!("the asset {} is not UTF-8", source.logical))?;
    for other in named {
        for spelling in spellings(&source.logical, &other.logical) {
            let new = spelling.replace(&other.logical, &other.file);
            text = text.replace(&spelling, &new);
        }
    }
    // What still has an unhashed address would be a dead link.
    if let Some(dead) = text.split("/assets/").skip(1).find(|rest| !is_named(rest, named)) {
        let dead: String = dead.chars().take_while(|c| !matches!(c, '"' | '\'' | ')' | ' ' | '\n')).collect();
        bail!("{} refers to /assets/{dead}, which does not exist", source.logical);
    }
    Ok(text.into_bytes())
}

fn is_named(rest: &str, named: &[Named]) -> bool {
    named.iter().any(|other| rest.starts_with(&other.file))
}

/// `fonts/inter.woff2` becomes `fonts/inter-<hash>.woff2`.
fn hashed_name(logical: &str, content: &[u8]) -> String {
    let hash = blake3::hash(content).to_hex();
    let hash = &hash[..HASH_LENGTH];
    match logical.rsplit_once('.') {
        Some((stem, ending)) => format!("{stem}-{hash}.{ending}"),
        None => format!("{logical}-{hash}"),
    }
}

/// `tokens.css`, then the files of `styles/` in the order of its `ORDER`, as one.
fn stylesheet(assets: &Path) -> Result<String> {
    let styles = assets.join("styles");
    let order = read_text(&styles.join("ORDER"))?;
    let listed: Vec<&str> = order.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    for path in files(&styles)? {
        let name = file_name(&path)?;
        ensure!(
            ending(&name) != "css" || listed.contains(&name.as_str()),
            "assets/styles/{name} is not listed in assets/styles/ORDER: add it where it belongs in the cascade"
        );
    }
    let mut text = minify_css(&read_text(&assets.join("tokens.css"))?);
    for name in listed {
        text.push_str(&minify_css(&read_text(&styles.join(name))?));
    }
    Ok(text)
}

/// Drops comments, indentation and empty lines; compression does the rest.
fn minify_css(css: &str) -> String {
    let mut bare = String::with_capacity(css.len());
    let mut quote = None;
    let mut rest = css.chars().peekable();
    while let Some(c) = rest.next() {
        match quote {
            Some(_) if c == '\\' => {
                bare.push(c);
                bare.extend(rest.next());
                continue;
            }
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '/' && rest.peek() == Some(&'*') => {
                rest.next();
                let mut previous = ' ';
                for c in rest.by_ref() {
                    if previous == '*' && c == '/' {
                        break;
                    }
                    previous = c;
                }
                continue;
            }
            _ => {}
        }
        bare.push(c);
    }
    let lines = bare.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Every icon as a `<symbol>` of one file, named by its file.
fn sprite(icons: &Path) -> Result<String> {
    let mut sprite = String::from("<svg xmlns=\"http://www.w3.org/2000/svg\">\n");
    for path in files(icons)? {
        let name = file_name(&path)?;
        if let Some(id) = name.strip_suffix(".svg") {
            let svg = read_text(&path)?;
            sprite.push_str(&symbol(id, &svg).with_context(|| format!("the icon {name} is not understood"))?);
        }
    }
    sprite.push_str("</svg>\n");
    Ok(sprite)
}

/// One `<svg>` as a `<symbol>`: its strokes and fills go along, its size and class stay behind.
fn symbol(id: &str, svg: &str) -> Result<String> {
    let start = svg.find("<svg").context("it has no <svg>")? + "<svg".len();
    let end = start + svg[start..].find('>').context("its <svg> is not closed")?;
    let close = svg.rfind("</svg>").context("it has no </svg>")?;
    let mut symbol = format!("<symbol id=\"{id}\"");
    let attributes = attributes(&svg[start..end])?;
    ensure!(attributes.contains_key("viewBox"), "it has no viewBox");
    for (name, value) in attributes {
        if !matches!(name, "xmlns" | "width" | "height" | "class") {
            write!(symbol, " {name}=\"{value}\"")?;
        }
    }
    symbol.push('>');
    symbol.extend(svg[end + 1..close].lines().map(str::trim));
    symbol.push_str("</symbol>\n");
    Ok(symbol)
}

/// The attributes of a tag, `name="value"` each.
fn attributes(tag: &str) -> Result<BTreeMap<&str, &str>> {
    let mut attributes = BTreeMap::new();
    let mut rest = tag.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").with_context(|| format!("attribute expected at {rest:?}"))?;
        let (value, after) = after.split_once('"').with_context(|| format!("closing quote expected at {after:?}"))?;
        attributes.insert(name.trim(), value);
        rest = after.trim_start();
    }
    Ok(attributes)
}

/// The files directly in a folder, by name; none if the folder is missing.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    Ok(name.with_context(|| format!("{} has a name that is not UTF-8", path.display()))?.to_owned())
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(logical: &str, content: &str) -> Source {
        Source { logical: logical.to_owned(), content: content.as_bytes().to_vec() }
    }

    fn text<'a>(named: &'a [Named], logical: &str) -> &'a str {
        let file = named.iter().find(|file| file.logical == logical).expect("the file is there");
        str::from_utf8(&file.content).expect("it is text")
    }

    #[test]
    fn references_get_the_names_of_what_they_refer_to() {
        let named = name_all(vec![
            source("client.js", "import './help.js'; fetch('client.wasm')"),
            source("app.css", "url(\"/assets/fonts/a.woff2\")"),
            source("help.js", "// no references"),
            source("client.wasm", "\0asm"),
            source("fonts/a.woff2", "font"),
        ])
        .expect("every reference leads somewhere");
        let name = |logical: &str| {
            let file = named.iter().find(|file| file.logical == logical).expect("the file is there");
            file.file.clone()
        };
        assert_eq!(text(&named, "app.css"), format!("url(\"/assets/{}\")", name("fonts/a.woff2")));
        let expected = format!("import './{}'; fetch('{}')", name("help.js"), name("client.wasm"));
        assert_eq!(text(&named, "client.js"), expected);
    }

    #[test]
    fn a_changed_file_changes_the_names_of_those_that_refer_to_it() {
        let build = |font: &str| {
            let files = vec![source("app.css", "/assets/a.woff2"), source("a.woff2", font)];
            name_all(files).expect("it is named").remove(1).file
        };
        assert_ne!(build("one"), build("two"));
    }

    #[test]
    fn a_dead_reference_is_named() {
        let error = name_all(vec![source("app.css", "url(/assets/gone.png)")]).expect_err("nothing is there");
        assert_eq!(error.to_string(), "app.css refers to /assets/gone.png, which does not exist");
    }

    #[test]
    fn css_loses_comments_and_indentation_but_no_strings() {
        let css = "/* a */\na {\n  content: \"/* kept */\";\n}\n\nb::after { content: '\\'/*'; } /* end */";
        assert_eq!(minify_css(css), "a {\ncontent: \"/* kept */\";\n}\nb::after { content: '\\'/*'; }\n");
    }

    #[test]
    fn an_icon_becomes_a_symbol_with_its_strokes() {
        let svg = "<!-- licence -->\n<svg class=\"x\" width=\"24\"\n viewBox=\"0 0 24 24\" stroke=\"currentColor\">\n  <path d=\"M0 0\"/>\n</svg>\n";
        assert_eq!(
            symbol("gauge", svg).expect("it is an icon"),
            "<symbol id=\"gauge\" stroke=\"currentColor\" viewBox=\"0 0 24 24\"><path d=\"M0 0\"/></symbol>\n"
        );
        symbol("bad", "<svg width=\"1\"></svg>").expect_err("a viewBox is needed");
    }
}
