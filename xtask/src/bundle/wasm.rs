//! The browser module: the crate `headroom-client` compiled to WebAssembly, with its bindings in JavaScript.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

use super::sources::Source;
use crate::needs::{self, DistroRust};
use crate::workspace::{output, root, run, succeeds};

const TRIPLE: &str = "wasm32-unknown-unknown";

/// A target folder of its own: two compilers in one would undo each other's work, and wait for each other's lock.
const TARGET: &str = "target/web";

/// What the module is made of. Everything else can change without compiling it again.
const INPUTS: [&str; 5] = ["Cargo.toml", "Cargo.lock", ".cargo", "domain", "frontend"];

/// Who compiles for the browser.
#[derive(Debug)]
enum Compiler {
    /// The Rust of this checkout, by rustup.
    Rustup,
    /// Debian's packaged one, which builds the standard library too.
    Distro(DistroRust),
}

/// Compiles the module and makes its bindings, or returns what the last build made when nothing has changed since.
pub(super) fn build(dev: bool) -> Result<Vec<Source>> {
    let compiler = choose()?;
    let profile = if dev { "wasm-dev" } else { "wasm-release" };
    let out = root().join(TARGET).join(format!("bindings-{profile}"));
    let stamp = out.join("inputs");
    let inputs = inputs(&compiler)?;
    if fs::read_to_string(&stamp).is_ok_and(|last| last == inputs) {
        eprintln!("   the browser module is current");
        return read(&out);
    }
    // Gone first, so that an interrupted build is not taken for a finished one.
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("cannot remove {}", out.display()))?;
    }
    run(&mut compile(&compiler, profile))?;
    bind(&root().join(TARGET).join(TRIPLE).join(profile).join("headroom_client.wasm"), &out, dev)?;
    fs::write(&stamp, inputs).with_context(|| format!("cannot write {}", stamp.display()))?;
    read(&out)
}

/// Picks the compiler: a target that is installed, else one that rustup can add, else Debian's packages.
fn choose() -> Result<Compiler> {
    let wish = std::env::var("HEADROOM_WASM_TOOLCHAIN").unwrap_or_else(|_| "auto".to_owned());
    match wish.as_str() {
        "distro" => return Ok(Compiler::Distro(needs::distro_rust()?)),
        "auto" | "rustup" => {}
        other => bail!("HEADROOM_WASM_TOOLCHAIN is {other:?}; expected auto, rustup or distro"),
    }
    if target_is_installed() {
        return Ok(Compiler::Rustup);
    }
    eprintln!("== adding the target {TRIPLE} with rustup");
    if succeeds(Command::new("rustup").args(["target", "add", TRIPLE]).current_dir(root())) && target_is_installed() {
        return Ok(Compiler::Rustup);
    }
    if wish == "rustup" {
        bail!("rustup cannot add {TRIPLE}: run `rustup target add {TRIPLE}` and read what it says");
    }
    eprintln!("   rustup cannot; using the distribution's compiler");
    Ok(Compiler::Distro(needs::distro_rust()?))
}

fn target_is_installed() -> bool {
    let libraries =
        Command::new("rustc").args(["--print", "target-libdir", "--target", TRIPLE]).current_dir(root()).output();
    libraries.is_ok_and(|output| {
        output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
    })
}

fn compile(compiler: &Compiler, profile: &str) -> Command {
    let mut command = match compiler {
        Compiler::Rustup => Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"))),
        Compiler::Distro(rust) => {
            let mut command = Command::new(&rust.cargo);
            // An absolute path: some crates bring a file that would make rustup's `rustc` look for another toolchain.
            // The bootstrap setting allows building the standard library, for which Debian has no compiled package.
            command.env("RUSTC", &rust.rustc).env("RUSTC_BOOTSTRAP", "1");
            command
        }
    };
    command
        .current_dir(root())
        // Made for the native build.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_BUILD_TARGET_DIR")
        .args(["build", "--locked", "--package", "headroom-client", "--target", TRIPLE, "--profile", profile])
        .args(["--target-dir", TARGET]);
    if matches!(compiler, Compiler::Distro(_)) {
        command.args(["-Z", "build-std=std,panic_abort", "-Z", "build-std-features=optimize_for_size"]);
    }
    command
}

/// Makes the JavaScript that loads the module, with the library of the very version that the module was compiled against.
fn bind(wasm: &Path, out: &Path, dev: bool) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).out_name("client").typescript(false).debug(dev).keep_debug(dev).remove_name_section(!dev);
    bindgen.web(true).context("the output for browsers cannot be chosen")?;
    bindgen.generate(out).with_context(|| format!("cannot make the bindings of {}", wasm.display()))
}

/// The module, its bindings and their snippets under their logical names.
fn read(out: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut folders = vec![out.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let logical = path.strip_prefix(out)?.to_str().context("bindings have names in UTF-8")?.to_owned();
            let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            match logical.as_str() {
                "inputs" => {}
                "client_bg.wasm" => sources.push(Source { logical: "client.wasm".to_owned(), content }),
                "client.js" => {
                    let text = String::from_utf8(content).context("client.js is not UTF-8")?;
                    let content = text.replace("client_bg.wasm", "client.wasm").into_bytes();
                    sources.push(Source { logical, content });
                }
                _ => sources.push(Source { logical, content }),
            }
        }
    }
    sources.sort_by(|one, other| one.logical.cmp(&other.logical));
    Ok(sources)
}

/// A hash of everything that goes into the module, the compiler's version included.
fn inputs(compiler: &Compiler) -> Result<String> {
    let mut rustc = match compiler {
        Compiler::Rustup => Command::new("rustc"),
        Compiler::Distro(rust) => Command::new(&rust.rustc),
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update(&output(rustc.arg("-vV").current_dir(root()))?);
    for input in INPUTS {
        hash_path(&root().join(input), &mut hasher)?;
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn hash_path(path: &Path, hasher: &mut blake3::Hasher) -> Result<()> {
    hasher.update(path.as_os_str().as_encoded_bytes());
    if path.is_dir() {
        let entries = fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
        paths.sort();
        return paths.iter().try_for_each(|path| hash_path(path, hasher));
    }
    let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    hasher.update(&(content.len() as u64).to_le_bytes());
    hasher.update(&content);
    Ok(())
}
