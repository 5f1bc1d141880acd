use super::*;
use chantal_model::Algorithm;
use proptest::prelude::*;

const ALL: [Compression; 5] = [
    Compression::None,
    Compression::Gzip,
    Compression::Zstd,
    Compression::Xz,
    Compression::Bzip2,
];

fn compressed(compression: Compression, open: &[u8]) -> Vec<u8> {
    let mut encoder = encode(compression, Effort::Usual, Vec::new()).unwrap();
    encoder.write_all(open).unwrap();
    encoder.finish().unwrap()
}

fn opened(bytes: &[u8], limits: OpenLimits) -> Result<Vec<u8>, FormatError> {
    let mut open = Vec::new();
    decode(Box::new(bytes), limits)
        .and_then(|mut decoder| decoder.read_to_end(&mut open))
        .map_err(|error| read_error("f", error))?;
    Ok(open)
}

fn sample() -> Vec<u8> {
    (0..20_000_u32)
        .flat_map(|i| format!("line {i} {}\n", i.wrapping_mul(2_654_435_761)).into_bytes())
        .collect()
}

#[test]
fn what_is_encoded_decodes_and_is_equal_each_time() {
    let sample = sample();
    for compression in ALL {
        let bytes = compressed(compression, &sample);
        assert_eq!(bytes, compressed(compression, &sample), "{compression}");
        assert_eq!(Compression::sniff(&bytes), compression);
        assert_eq!(
            opened(&bytes, OpenLimits::unpromised()).unwrap(),
            sample,
            "{compression}"
        );
        let empty = compressed(compression, b"");
        assert_eq!(opened(&empty, OpenLimits::unpromised()).unwrap(), b"", "{compression}");
    }
}

#[test]
fn several_members_are_one_file() {
    for compression in ALL {
        let mut bytes = compressed(compression, b"one ");
        bytes.extend(compressed(compression, b"two"));
        assert_eq!(
            opened(&bytes, OpenLimits::unpromised()).unwrap(),
            b"one two",
            "{compression}"
        );
    }
    let skippable = [
        &b"\x52\x2a\x4d\x18\x03\0\0\0abc"[..],
        &compressed(Compression::Zstd, b"x"),
    ]
    .concat();
    assert_eq!(opened(&skippable, OpenLimits::unpromised()).unwrap(), b"x");
}

#[test]
fn zstd_frames_need_no_content_size() {
    let bytes = compressed(Compression::Zstd, &sample());
    assert_eq!(
        zstd::zstd_safe::get_frame_content_size(&bytes).ok().flatten(),
        None,
        "the encoder streams"
    );
}

#[test]
fn cut_off_and_damaged_files_are_malformed() {
    let sample = sample();
    for compression in &ALL[1..] {
        let bytes = compressed(*compression, &sample);
        for cut in [bytes.len() - 1, bytes.len() / 2, 8] {
            let result = opened(&bytes[..cut], OpenLimits::unpromised());
            assert!(
                matches!(result, Err(FormatError::Malformed { .. })),
                "{compression} cut at {cut}"
            );
        }
        let mut damaged = bytes.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x55;
        damaged[middle + 1] ^= 0x55;
        assert!(opened(&damaged, OpenLimits::unpromised()).is_err(), "{compression}");
    }
}

#[test]
fn bombs_are_limits() {
    let zeros = vec![0_u8; 32 << 20];
    for compression in &ALL[1..] {
        let bytes = compressed(*compression, &zeros);
        for limits in [
            OpenLimits::unpromised(),
            OpenLimits::promised(Some(1000), None),
            OpenLimits {
                max_bytes: 1 << 20,
                ..OpenLimits::unpromised()
            },
        ] {
            let error = opened(&bytes, limits).unwrap_err();
            assert!(matches!(error, FormatError::Limit { .. }), "{compression}: {error}");
        }
        let promised = OpenLimits::promised(Some(32 << 20), None);
        assert_eq!(
            opened(&bytes, promised).unwrap().len(),
            32 << 20,
            "a promised size is no bomb"
        );
    }
}

#[test]
fn dictionaries_that_are_too_large_are_limits() {
    // Encoding with so large a dictionary would need gigabytes; the size is one byte of the block header, behind which
    // its checksum stands.
    let mut bytes = compressed(Compression::Xz, b"x");
    let header = &mut bytes[12..24];
    let at = header
        .iter()
        .rposition(|byte| *byte == 0x14 || *byte == 0x16)
        .expect("the dictionary's size");
    header[at] = 40;
    let checksum = crc32(&header[..8]);
    header[8..12].copy_from_slice(&checksum.to_le_bytes());
    let error = opened(&bytes, OpenLimits::unpromised()).unwrap_err();
    assert!(matches!(error, FormatError::Limit { .. }), "{error}");

    let window = b"\x28\xb5\x2f\xfd\x00\xa0\x01\0\0";
    let error = opened(window, OpenLimits::unpromised()).unwrap_err();
    assert!(matches!(error, FormatError::Limit { .. }), "{error}");
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut hasher = flate2::Crc::new();
    hasher.update(bytes);
    hasher.sum()
}

#[test]
fn promises_about_open_bytes_are_compared_at_the_end() {
    let digest = |bytes: &[u8], algorithm| {
        let mut digester = Digester::new([algorithm]);
        digester.update(bytes);
        let (sha256, others) = digester.finish();
        others.into_iter().next().unwrap_or_else(|| sha256.into())
    };
    let bytes = compressed(Compression::Gzip, b"abc");
    for algorithm in [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512] {
        let right = OpenLimits::promised(Some(3), Some(digest(b"abc", algorithm)));
        assert_eq!(opened(&bytes, right).unwrap(), b"abc");
        let wrong = OpenLimits::promised(None, Some(digest(b"abd", algorithm)));
        assert!(
            matches!(opened(&bytes, wrong), Err(FormatError::Refused { .. })),
            "{algorithm}"
        );
    }
    let longer = OpenLimits::promised(Some(4), None);
    assert!(matches!(opened(&bytes, longer), Err(FormatError::Refused { .. })));
}

#[test]
fn errors_of_the_store_are_not_taken_for_damage() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk"))
        }
    }
    for compression in ALL {
        let bytes = compressed(compression, &sample());
        let input = io::BufReader::new(bytes[..100].chain(Broken));
        let error = decode(Box::new(input), OpenLimits::unpromised())
            .and_then(|mut decoder| decoder.read_to_end(&mut Vec::new()))
            .unwrap_err();
        assert!(
            matches!(read_error("f", error), FormatError::Io { .. }),
            "{compression}"
        );
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        magic in prop::sample::select(vec![&b""[..], b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh9"]),
        tail in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = opened(&[magic, &tail].concat(), OpenLimits::unpromised());
    }
}
