//! Lines of a file, plain or gzip, in bounded memory: a line longer than [`MAX_LINE`] is told by its
//! number and left behind, it is never held.

use flate2::read::MultiGzDecoder;
use std::io::{self, BufReader, Read};

/// Longest line that is read, in bytes.
pub const MAX_LINE: usize = 1 << 20;
const BLOCK: usize = 256 << 10;

/// A line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Its bytes without line end; `None` if it is longer than [`MAX_LINE`].
    pub bytes: Option<&'a [u8]>,
    /// Bytes of (decompressed) input up to its end.
    pub end: u64,
}

/// Why a file cannot be read on. What came before is whole.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The gzip stream is cut or damaged.
    #[error("the gzip data ends or is damaged after line {line}: {source}; the file is not whole, fetch it again")]
    Gzip {
        /// The last line that was whole.
        line: u64,
        /// What the decoder said.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot be read on after line {line}: {source}")]
    Io {
        /// The last line that was whole.
        line: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The first bytes are those of another kind of file.
    #[error("this is {found}, expected UTF-8 text, plain or gzip")]
    Encoding {
        /// What it seems to be.
        found: &'static str,
    },
    /// The head of the file does not fit the kind of import.
    #[error("{0}")]
    Head(String),
}

/// Reads lines.
pub struct Lines {
    input: Box<dyn Read + Send>,
    gzip: bool,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    number: u64,
    end: u64,
    finished: bool,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("number", &self.number).field("end", &self.end).finish_non_exhaustive()
    }
}

impl Lines {
    /// Lines of plain or gzip input, told apart by its first two bytes.
    pub fn new(mut input: Box<dyn Read + Send>) -> Result<Self, ReadError> {
        let mut head = [0; 4];
        let mut held = 0;
        while held < head.len() {
            match input.read(&mut head[held..]) {
                Ok(0) => break,
                Ok(n) => held += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ReadError::Io { line: 0, source }),
            }
        }
        let head = &head[..held];
        let other = match head {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16 text"),
            [b'P', b'K', 3, 4] => Some("a zip archive or an Excel workbook"),
            [0x28, 0xb5, 0x2f, 0xfd] => Some("a zstd file"),
            [0xfd, b'7', b'z', b'X'] => Some("an xz file"),
            [b'B', b'Z', b'h', _] => Some("a bzip2 file"),
            _ => None,
        };
        if let Some(found) = other {
            return Err(ReadError::Encoding { found });
        }
        let gzip = head.starts_with(&[0x1f, 0x8b]);
        let whole = io::Cursor::new(head.to_vec()).chain(input);
        let input: Box<dyn Read + Send> =
            if gzip { Box::new(MultiGzDecoder::new(BufReader::with_capacity(BLOCK, whole))) } else { Box::new(whole) };
        let mut lines =
            Self { input, gzip, buffer: vec![0; 2 * BLOCK], from: 0, to: 0, number: 0, end: 0, finished: false };
        lines.fill()?;
        // A byte order mark is no content.
        if lines.buffer[..lines.to].starts_with(b"\xef\xbb\xbf") {
            lines.from = 3;
            lines.end = 3;
        }
        Ok(lines)
    }

    /// The next line; `None` at the end. A last line without line end is a line.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, ReadError> {
        let mut searched = 0;
        let mut too_long = false;
        loop {
            let held = &self.buffer[self.from..self.to];
            if let Some(at) = memchr::memchr(b'\n', &held[searched..]) {
                let length = searched + at;
                let start = self.from;
                self.from += length + 1;
                return Ok(Some(self.line(start, length, 1, too_long)));
            }
            if self.finished {
                let length = held.len();
                if length == 0 && !too_long {
                    return Ok(None);
                }
                let start = self.from;
                self.from = self.to;
                return Ok(Some(self.line(start, length, 0, too_long)));
            }
            searched = held.len();
            if searched > MAX_LINE {
                self.end += searched as u64;
                self.from = self.to;
                searched = 0;
                too_long = true;
            }
            self.fill()?;
        }
    }

    /// Whether the first byte that is no blank opens a JSON object.
    pub fn starts_with_brace(&self) -> bool {
        self.buffer[self.from..self.to].trim_ascii_start().first() == Some(&b'{')
    }

    /// Leaves blank lines behind; false at the end of the input.
    pub fn skip_blank(&mut self) -> Result<bool, ReadError> {
        loop {
            match self.buffer[self.from..self.to] {
                [b'\n', ..] => self.skip(1),
                [b'\r', b'\n', ..] => self.skip(2),
                [] | [b'\r'] if !self.finished => self.fill()?,
                [] => return Ok(false),
                _ => return Ok(true),
            }
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.from += bytes;
        self.end += bytes as u64;
        self.number += 1;
    }

    fn line(&mut self, start: usize, length: usize, line_end: usize, too_long: bool) -> Line<'_> {
        self.number += 1;
        self.end += (length + line_end) as u64;
        let bytes = &self.buffer[start..start + length];
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        Line { number: self.number, bytes: (!too_long && length <= MAX_LINE).then_some(bytes), end: self.end }
    }

    /// Makes room and reads a block.
    fn fill(&mut self) -> Result<(), ReadError> {
        if self.from > 0 {
            self.buffer.copy_within(self.from..self.to, 0);
            self.to -= self.from;
            self.from = 0;
        }
        if self.to + BLOCK > self.buffer.len() {
            self.buffer.resize(self.to + BLOCK, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.to..]) {
                Ok(0) => self.finished = true,
                Ok(n) => self.to += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) if self.gzip => return Err(ReadError::Gzip { line: self.number, source }),
                Err(source) => return Err(ReadError::Io { line: self.number, source }),
            }
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use std::io::Write;

    fn all(bytes: &[u8]) -> Result<Vec<(u64, Option<Vec<u8>>)>, ReadError> {
        let mut lines = Lines::new(Box::new(io::Cursor::new(bytes.to_vec())))?;
        let mut out = Vec::new();
        while let Some(line) = lines.next_line()? {
            out.push((line.number, line.bytes.map(<[u8]>::to_vec)));
        }
        Ok(out)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        out.write_all(bytes).expect("memory");
        out.finish().expect("memory")
    }

    #[test]
    fn line_ends_and_a_missing_last_one() {
        let lines = all(b"\xef\xbb\xbfa\r\n\nb").expect("readable");
        let texts: Vec<_> = lines.iter().map(|(n, bytes)| (*n, bytes.clone().unwrap_or_default())).collect();
        assert_eq!(texts, [(1, b"a".to_vec()), (2, vec![]), (3, b"b".to_vec())]);
    }

    #[test]
    fn a_line_beyond_the_bound_is_told_and_left_behind() {
        let mut bytes = b"first\n".to_vec();
        bytes.extend(std::iter::repeat_n(b'x', 5 * MAX_LINE));
        bytes.extend(b"\nthird\n");
        let lines = all(&bytes).expect("readable");
        assert_eq!(lines[1], (2, None));
        assert_eq!(lines[2], (3, Some(b"third".to_vec())));
    }

    #[test]
    fn a_gigabyte_without_line_end_takes_little_memory() {
        let mut lines = Lines::new(Box::new(io::repeat(b'x').take(1 << 30))).expect("readable");
        assert_eq!(lines.next_line().expect("readable"), Some(Line { number: 1, bytes: None, end: 1 << 30 }));
        assert!(lines.buffer.len() < 4 << 20, "{}", lines.buffer.len());
        assert_eq!(lines.next_line().expect("readable"), None);
    }

    #[test]
    fn truncated_gzip_is_told_after_the_lines_that_are_whole() {
        let text: Vec<u8> =
            (0..200_000).flat_map(|i: u32| format!("{}\n", i.wrapping_mul(2_654_435_761)).into_bytes()).collect();
        let packed = gzip(&text);
        assert_eq!(all(&packed).expect("whole").len(), 200_000);
        let cut = all(&packed[..packed.len() / 2]).unwrap_err();
        assert!(matches!(cut, ReadError::Gzip { line: 1.., .. }), "{cut}");
        let mut damaged = packed.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0xff;
        assert!(all(&damaged).is_err());
    }

    #[test]
    fn other_kinds_of_files_are_named() {
        for (bytes, found) in [(&b"\xff\xfep\0o\0"[..], "UTF-16"), (b"PK\x03\x04...", "zip"), (b"BZh91AY", "bzip2")] {
            assert!(all(bytes).unwrap_err().to_string().contains(found));
        }
    }

    proptest! {
        #[test]
        fn lines_are_those_of_a_naive_split(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), Just(b'\r')], 0..300)) {
            let lines = all(&bytes).expect("readable");
            let mut naive: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
            if naive.last().is_some_and(|last| last.is_empty()) {
                naive.pop();
            }
            let naive: Vec<Vec<u8>> = naive.into_iter().map(|l| l.strip_suffix(b"\r").unwrap_or(l).to_vec()).collect();
            prop_assert_eq!(lines.into_iter().filter_map(|(_, b)| b).collect::<Vec<_>>(), naive);
        }
    }
}
