//! The file of an import: read once for its hash, then once for its content.

use super::{ImportError, Progress, Result};
use crate::ingest::lines::{Lines, ReadError};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where an import reads from.
pub struct Source {
    name: String,
    from: From,
}

enum From {
    Path(PathBuf),
    Reader(Box<dyn Read + Send>),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Longest name of a source, in characters.
const MAX_NAME: usize = 300;

impl Source {
    /// A file; `-` is standard input.
    pub fn path(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        if path.as_os_str() == "-" {
            return Self::reader("standard input", Box::new(io::stdin()));
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        Self { name: tidy(&name), from: From::Path(path.to_owned()) }
    }

    /// Anything that can be read, under a name for people.
    pub fn reader(name: &str, reader: Box<dyn Read + Send>) -> Self {
        Self { name: tidy(name), from: From::Reader(reader) }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn tidy(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    if name.is_empty() { "file".into() } else { name }
}

/// An open file whose content is known by its hash.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) size: u64,
    file: File,
    pub(super) hash: blake3::Hash,
    read: Arc<AtomicU64>,
}

impl Input {
    /// Opens and hashes. What cannot be read twice is first copied to a file without a name.
    pub(super) fn open(source: Source, progress: &dyn Progress) -> Result<Self> {
        let Source { name, from } = source;
        let failed = |source: io::Error| ImportError::Open { name: name.clone(), source };
        let mut file = match from {
            From::Path(path) => {
                let file = File::open(&path).map_err(failed)?;
                let kind = file.metadata().map_err(failed)?.file_type();
                if kind.is_dir() {
                    return Err(ImportError::Unusable(format!("{name} is a folder, expected a file")));
                }
                if kind.is_file() { file } else { copy(Box::new(file)).map_err(failed)? }
            }
            From::Reader(reader) => copy(reader).map_err(failed)?,
        };
        let size = file.metadata().map_err(failed)?.len();
        progress.stage("checking", size);
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 1 << 20];
        let mut done = 0;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    hasher.update(&buffer[..n]);
                    done += n as u64;
                    progress.at(done);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    progress.end();
                    return Err(ImportError::Read { name, source: ReadError::Io { line: 0, source } });
                }
            }
        }
        progress.end();
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        Ok(Self { name, size, file, hash: hasher.finalize(), read: Arc::default() })
    }

    /// Its lines, from the first.
    pub(super) fn lines(&self) -> Result<Lines> {
        let mut file = self.file.try_clone().map_err(|source| ImportError::Open { name: self.name.clone(), source })?;
        file.seek(SeekFrom::Start(0)).map_err(|source| ImportError::Open { name: self.name.clone(), source })?;
        self.read.store(0, Ordering::Relaxed);
        let counted = Counted { inner: file, read: Arc::clone(&self.read) };
        Lines::new(Box::new(counted)).map_err(|source| self.failed(source))
    }

    /// Bytes of the file read so far, as they are on disk.
    pub(super) fn position(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The key under which this content with some options is imported once.
    pub(super) fn content_key(&self, kind: &str, options: &str) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in [kind.as_bytes(), b"\n", self.hash.as_bytes(), b"\n", options.as_bytes()] {
            hasher.update(part);
        }
        hasher.finalize().to_hex().to_string()
    }

    pub(super) fn failed(&self, source: ReadError) -> ImportError {
        ImportError::Read { name: self.name.clone(), source }
    }
}

fn copy(mut reader: Box<dyn Read + Send>) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut reader, &mut file)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
