//! What is read and written compressed, and what bounds it.

use std::io::{Read, Write};

use super::*;
use crate::noise::Noise;

const TEXT: &str = "<metadata packages=\"0\"/>\n";

/// [`TEXT`] by `xz -6`, which is only read here.
const XZ: &str = "fd377a585a000004e6d6b4460200210116000000742fe5a30100183c6d65746164617461207061636b616765733d2230222f3e0a000000005e64cfdaace931a000013119591ab0821fb6f37d010000000004595a";

fn compressed(text: &[u8], compression: Compression) -> Vec<u8> {
    if compression == Compression::Bzip2 {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
        encoder.write_all(text).unwrap();
        return encoder.finish().unwrap();
    }
    let mut writer = Writer::new(Vec::new(), compression).unwrap();
    writer.write_all(text).unwrap();
    writer.finish().unwrap()
}

fn decompressed(bytes: &[u8], limits: Limits) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    reader(bytes, limits)?.read_to_end(&mut text)?;
    Ok(text)
}

#[test]
fn what_is_written_is_read_back_whatever_its_name() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd, Compression::Bzip2] {
        let bytes = compressed(TEXT.as_bytes(), compression);
        assert_eq!(Compression::of_magic(&bytes), compression);
        assert_eq!(decompressed(&bytes, Limits::default()).unwrap(), TEXT.as_bytes(), "{compression:?}");
        assert_eq!(bytes, compressed(TEXT.as_bytes(), compression), "{compression:?} is deterministic");
        assert_eq!(Compression::of_name(&format!("primary.xml{}", compression.suffix())), compression);
    }
    let xz = hex::decode(XZ).unwrap();
    assert_eq!(decompressed(&xz, Limits::default()).unwrap(), TEXT.as_bytes());
    assert!(Writer::new(Vec::new(), Compression::Xz).is_err());
}

#[test]
fn parts_that_follow_each_other_are_one_file() {
    for compression in [Compression::Gzip, Compression::Zstd, Compression::Bzip2] {
        let twice = [compressed(b"one ", compression), compressed(b"two", compression)].concat();
        assert_eq!(decompressed(&twice, Limits::default()).unwrap(), b"one two", "{compression:?}");
    }
}

#[test]
fn what_is_cut_short_is_refused() {
    let text = TEXT.repeat(1000);
    for compression in [Compression::Gzip, Compression::Zstd, Compression::Bzip2] {
        let bytes = compressed(text.as_bytes(), compression);
        for length in [7, bytes.len() / 2, bytes.len() - 1] {
            assert!(decompressed(&bytes[..length], Limits::default()).is_err(), "{compression:?} of {length} bytes");
        }
    }
    let xz = hex::decode(XZ).unwrap();
    assert!(decompressed(&xz[..xz.len() - 1], Limits::default()).is_err());
}

#[test]
fn bombs_are_refused() {
    let limits = Limits { most_bytes: 8 << 20, most_ratio: 100, any_ratio: 1 << 20 };
    let zeros = vec![0; 16 << 20];
    for compression in [Compression::Gzip, Compression::Zstd, Compression::Bzip2] {
        let bomb = compressed(&zeros, compression);
        let error = decompressed(&bomb, limits).unwrap_err();
        assert_eq!(error.to_string(), "the file grows to more than 100 times its size", "{compression:?}");
        let error = decompressed(&bomb, Limits { most_ratio: u64::MAX, ..limits }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the file has more than 8388608 bytes when it is decompressed",
            "{compression:?}"
        );
    }
    assert!(decompressed(&zeros, limits).is_err(), "what is not compressed is bounded as well");
}

#[test]
fn a_source_that_brings_a_byte_at_a_time_is_understood() {
    struct Slow<'a>(&'a [u8]);
    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let length = into.len().min(self.0.len()).min(1);
            self.0.read(&mut into[..length])
        }
    }
    let bytes = compressed(TEXT.as_bytes(), Compression::Zstd);
    let mut text = String::new();
    reader(Slow(&bytes), Limits::default()).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, TEXT);
    assert_eq!(decompressed(b"", Limits::default()).unwrap(), b"");
    assert_eq!(decompressed(b"BZ", Limits::default()).unwrap(), b"BZ");
}

#[test]
fn no_damage_breaks_a_decoder() {
    let mut noise = Noise::new(42);
    let xz = hex::decode(XZ).unwrap();
    let text = TEXT.repeat(20);
    let kinds = [Compression::Gzip, Compression::Zstd, Compression::Bzip2];
    let mut whole: Vec<Vec<u8>> = kinds.iter().map(|kind| compressed(text.as_bytes(), *kind)).collect();
    whole.push(xz);
    let limits = Limits { most_bytes: 1 << 20, ..Limits::default() };
    for round in 0..4_000 {
        let mut bytes = whole[round % whole.len()].clone();
        for _ in 0..noise.below(4) + 1 {
            let at = noise.below(bytes.len());
            bytes[at] = noise.next() as u8;
        }
        // Whether it is read or refused is the damage's affair; that it ends is ours.
        let _ = decompressed(&bytes, limits);
    }
}
