//! Archives that were changed, cut off, or are none.

use chantal_testkit::chantal::Chantal;

use crate::{Draw, backup, database, lived, snapshots};

/// The archive is refused, and not a byte of the database changes.
#[track_caller]
fn is_refused(chantal: &Chantal, archive: &str, codes: &[i32], context: &str) -> String {
    let before = std::fs::read(database(chantal)).unwrap();
    let ran = chantal.run(&["db", "restore", archive, "--yes"]);
    assert!(codes.contains(&ran.code), "{context}: {}: {}", ran.code, ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{context}: {}", ran.stderr);
    assert!(
        std::fs::read(database(chantal)).unwrap() == before,
        "{context}: the database was changed"
    );
    ran.stderr
}

#[test]
fn an_archive_with_any_byte_changed_is_refused() {
    let (chantal, _upstream) = lived();
    let whole = std::fs::read(backup(&chantal, "a.tar")).unwrap();
    let path = chantal.path().join("damaged.tar");
    let (length, mut draw) = (whole.len() as u64, Draw(7));
    let end = (0..6).map(|from| length - 1 - from * 400);
    let places: Vec<u64> = (0..40)
        .map(|_| draw.below(length))
        .chain([0, 20, 130, 150, 260, 600])
        .chain(end)
        .collect();
    for place in places {
        let mut bytes = whole.clone();
        bytes[place as usize] ^= 1 << draw.below(8);
        std::fs::write(&path, bytes).unwrap();
        is_refused(
            &chantal,
            path.to_str().unwrap(),
            &[2, 8],
            &format!("byte {place} of {length}"),
        );
    }
    assert_eq!(snapshots(&chantal), ["first"]);
}

#[test]
fn an_archive_that_is_cut_off_or_goes_on_is_refused() {
    let (chantal, _upstream) = lived();
    let whole = std::fs::read(backup(&chantal, "a.tar")).unwrap();
    let path = chantal.path().join("damaged.tar");
    let (length, mut draw) = (whole.len(), Draw(11));
    let drawn: Vec<usize> = (0..25).map(|_| draw.below(length as u64) as usize).collect();
    for cut in drawn
        .into_iter()
        .chain([0, 1, 511, 512, 513, length - 2048, length - 512, length - 1])
    {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let said = is_refused(&chantal, path.to_str().unwrap(), &[2, 8], &format!("cut at {cut}"));
        if cut > 20_000 {
            assert!(said.contains("cut short"), "{cut}: {said}");
        }
    }
    std::fs::write(&path, [&whole[..], &[0; 512]].concat()).unwrap();
    is_refused(&chantal, path.to_str().unwrap(), &[8], "a block more");
}

/// Changes the manifest and makes sums and sizes fit again, as somebody would who means harm.
fn forged(whole: &[u8], change: &dyn Fn(&str) -> String) -> Vec<u8> {
    let digits = std::str::from_utf8(&whole[124..135]).unwrap();
    let size = usize::from_str_radix(digits, 8).unwrap();
    let text = std::str::from_utf8(&whole[512..512 + size]).unwrap();
    let changed = change(text.trim_end());
    assert_ne!(changed, text.trim_end());
    let mut bytes = whole.to_vec();
    bytes[512..512 + size].copy_from_slice(format!("{changed:<size$}").as_bytes());
    let end = bytes.len() - 2048;
    let sum = chantal_model::Sha256::of(&bytes[..end]).hex();
    bytes[end + 512..end + 512 + 64].copy_from_slice(sum.as_bytes());
    bytes
}

#[test]
fn each_kind_of_refusal_has_its_words_and_its_code() {
    let (chantal, _upstream) = lived();
    let whole = std::fs::read(backup(&chantal, "a.tar")).unwrap();
    let path = chantal.path().join("forged.tar");
    let database = std::fs::read(database(&chantal)).unwrap();
    let latest = chantal.json(&["db", "current"])["version"].as_i64().unwrap();
    let schema = |version: i64| {
        let (from, to) = (
            format!("\"schema_version\": {latest}"),
            format!("\"schema_version\": {version}"),
        );
        forged(&whole, &|text| text.replace(&from, &to))
    };
    for (bytes, code, word) in [
        (b"anything".to_vec(), 2, "no backup"),
        (database, 2, "no backup"),
        (schema(latest + 1), 2, "knows up to"),
        (
            forged(&whole, &|text| {
                text.replace("\"format_version\": 1", "\"format_version\": 2")
            }),
            2,
            "reads up to 1",
        ),
        (schema(1), 8, "not that of schema version 1"),
        (
            forged(&whole, &|text| text.replace("\"name\": \"pin\"", "\"name\": \"x\"")),
            8,
            "it has no table x",
        ),
        (
            forged(&whole, &|text| text.replacen("\"rows\": 2,", "\"rows\": 3,", 1)),
            8,
            "its manifest says 3",
        ),
        (
            forged(&whole, &|text| text.replacen("\"secrets\"", "\"secretz\"", 1)),
            8,
            "unknown field",
        ),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let said = is_refused(&chantal, path.to_str().unwrap(), &[code], word);
        assert!(said.contains(word), "{word}: {said}");
        chantal
            .run(&["db", "backup-verify", path.to_str().unwrap()])
            .expect(code);
    }
    chantal.run(&["db", "restore", "absent.tar", "--yes"]).expect(2);
    chantal
        .run(&["db", "backup-info", chantal.path().to_str().unwrap()])
        .expect(2);
}

#[test]
fn a_backup_for_which_there_is_no_room_leaves_nothing() {
    let (chantal, _upstream) = lived();
    let said = chantal.run(&["db", "backup", "/dev/full"]).expect(2).stderr;
    assert!(said.contains("is there already"), "{said}");
    // A limit of the size of files, of 64 KiB, stands for a full disk; the configuration is larger.
    let mut text = std::fs::read_to_string(chantal.config_path()).unwrap();
    text.push_str(&"# nothing\n".repeat(10_000));
    std::fs::write(chantal.config_path(), text).unwrap();
    let plain = chantal.command(&["db", "backup", "--include-secrets", "small.tar"]);
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$@\"", "sh"])
        .arg(plain.get_program())
        .args(plain.get_args());
    command.current_dir(chantal.path());
    let ran = chantal_testkit::chantal::finish(&mut command).expect(6);
    assert!(ran.stderr.contains("small.tar"), "{}", ran.stderr);
    let left = std::fs::read_dir(chantal.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name());
    let left: Vec<_> = left
        .filter(|name| name == "small.tar" || name.to_string_lossy().starts_with(".new-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
