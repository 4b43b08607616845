//! The compressed forms of a file, at the highest effort: made once, sent for ever.

use std::io::Write as _;

use anyhow::Result;

pub(super) type Method = fn(&[u8]) -> Result<Vec<u8>>;

pub(super) fn brotli(content: &[u8]) -> Result<Vec<u8>> {
    /// The highest quality, and the largest window that every browser decodes.
    const PARAMETERS: (i32, i32) = (11, 22);
    let (quality, lgwin) = PARAMETERS;
    let parameters =
        brotli::enc::BrotliEncoderParams { quality, lgwin, size_hint: content.len(), ..Default::default() };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &*content, &mut compressed, &parameters)?;
    Ok(compressed)
}

pub(super) fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    #[test]
    fn what_is_compressed_comes_back() {
        let text = b"stamps and slots, ".repeat(100);
        let mut back = Vec::new();
        brotli::BrotliDecompress(&mut &*super::brotli(&text).expect("brotli"), &mut back).expect("it is brotli");
        assert_eq!(back, text);
        back.clear();
        let gzip = super::gzip(&text).expect("gzip");
        flate2::read::GzDecoder::new(&*gzip).read_to_end(&mut back).expect("it is gzip");
        assert_eq!(back, text);
    }
}
