use std::fmt::Write as _;

use chantal_model::Sha256;
use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Result<Tree, FormatError> {
    read(text.as_bytes(), ".treeinfo")
}

fn sha256(text: &str) -> String {
    format!("sha256:{}", Sha256::of(text.as_bytes()).hex())
}

fn paths(tree: &Tree) -> Vec<&str> {
    tree.files.iter().map(|file| file.path.as_str()).collect()
}

#[test]
fn every_image_of_every_section_and_every_promised_file_is_of_the_tree() {
    let text = format!(
        "; written by a tool\n# and by hand\n[header]\nversion = 1.2\n\n[images-x86_64]\nboot.iso = images/boot.iso\n\
         kernel= images/pxeboot/vmlinuz\nempty =\n[images-xen]\r\nkernel = images/pxeboot/vmlinuz\r\n\
         initrd : ./images/xen/initrd.img\n[stage2]\nmainimage = images/install.img\n\
         [checksums]\nimages/boot.iso = {a}\nEFI/BOOT/BOOTX64.EFI = {b}\n.discinfo = {c}\nrepodata/repomd.xml = {c}\n\
         addons/HA/repodata/repomd.xml = {c}\nPackages/a-1-1.noarch.rpm = {c}\ntreeinfo = {c}\n",
        a = sha256("a"),
        b = sha256("b"),
        c = sha256("c"),
    );
    let tree = parsed(&text).unwrap();
    assert_eq!(
        paths(&tree),
        [
            ".discinfo",
            "EFI/BOOT/BOOTX64.EFI",
            "images/boot.iso",
            "images/install.img",
            "images/pxeboot/vmlinuz",
            "images/xen/initrd.img"
        ]
    );
    let promised = |path: &str| {
        tree.files
            .iter()
            .find(|file| file.path.as_str() == path)
            .unwrap()
            .digest
            .clone()
    };
    assert_eq!(promised("EFI/BOOT/BOOTX64.EFI").unwrap().to_string(), sha256("b"));
    assert_eq!(promised("images/boot.iso").unwrap().to_string(), sha256("a"));
    assert_eq!(promised("images/install.img"), None);
}

#[test]
fn keys_keep_their_case() {
    let text = format!(
        "[general]\n[images-x]\na = EFI/Boot\n[checksums]\nefi/boot = {}\n",
        sha256("a")
    );
    let tree = parsed(&text).unwrap();
    assert_eq!(paths(&tree), ["EFI/Boot", "efi/boot"]);
    assert_eq!(tree.files[0].digest, None);
}

#[test]
fn other_repositories_are_named_and_its_own_is_not() {
    let text = "[tree]\nvariants = BaseOS,AppStream\n[variant-BaseOS]\nrepository = .\n[variant-AppStream]\nid = AppStream\n\
                name = Apps\npackages = ../AppStream/Packages\nrepository = ../AppStream\n[addon-HA]\nrepository = addons/HA/\n";
    let tree = parsed(text).unwrap();
    let named: Vec<_> = tree
        .repositories
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    assert_eq!(named, [("HA", "addons/HA/"), ("Apps", "../AppStream")]);
}

#[test]
fn paths_that_leave_the_tree_or_lie_among_the_metadata_are_refused() {
    for path in [
        "../x",
        "images/../../x",
        "/etc/passwd",
        "http://h/x",
        "a:b/../x",
        "a\\b",
        "images//x",
        "..",
        "repodata/repomd.xml",
        "repodata/x.img",
        ".treeinfo",
        "treeinfo",
    ] {
        let image = parsed(&format!("[general]\n[images-x]\na = {path}\n")).unwrap_err();
        assert!(
            matches!(&image, FormatError::Malformed { reason, .. } if reason.contains("unsafe path")),
            "{path}: {image}"
        );
    }
    let promised = parsed(&format!("[general]\n[checksums]\n../x = {}\n", sha256("a"))).unwrap_err();
    assert!(promised.to_string().contains("unsafe path"), "{promised}");
}

#[test]
fn escapes_and_odd_characters_are_part_of_names() {
    let tree = parsed("[general]\n[images-x]\na = images/a%2fb ü?#.img\n").unwrap();
    assert_eq!(paths(&tree), ["images/a%2fb ü?#.img"]);
}

#[test]
fn what_is_no_description_is_refused() {
    let long = format!("[general]\n{}", "#".repeat(1 << 20));
    for (text, expected) in [
        ("", "neither [general] nor [header]"),
        ("[other]\na = b\n", "neither [general] nor [header]"),
        ("a = b\n", "not in any section"),
        ("[general\n", "a section without an end"),
        ("[general]\na = \u{1}\n", "control character"),
        ("[general]\n[checksums]\na = 00\n", "names no algorithm"),
        ("[general]\n[checksums]\na = sha256:00\n", "sha256"),
        ("[general]\n[checksums]\na = sha3:00\n", "sha3"),
        (&long, "exceeds 1048576 bytes"),
    ] {
        let error = parsed(text).unwrap_err();
        assert!(error.to_string().contains(expected), "{text:.40}: {error}");
    }
    assert!(matches!(
        read(&b"[general]\n\xff"[..], "t"),
        Err(FormatError::Malformed { at: Some(10), .. })
    ));
    let two = format!("[general]\n[checksums]\na = {}\na = {}\n", sha256("a"), sha256("b"));
    assert!(parsed(&two).unwrap_err().to_string().contains("two digests"));
    let same = format!("[general]\n[checksums]\na = {0}\na = {0}\n", sha256("a"));
    assert_eq!(parsed(&same).unwrap().files.len(), 1);
}

#[test]
fn the_number_of_files_is_bounded() {
    let mut text = "[general]\n[images-x]\n".to_owned();
    for index in 0..=10_000 {
        writeln!(text, "k{index} = i/{index}").unwrap();
    }
    assert!(matches!(parsed(&text), Err(FormatError::Limit { .. })));
}

proptest! {
    #[test]
    fn whatever_is_read_stays_in_the_tree(text in "(\\[(general|images-x|checksums|stage2|variant-a)\\]\n|[a./%:= #;\t-]{0,30}\n|\\PC{0,20}\n){0,20}") {
        if let Ok(tree) = parsed(&text) {
            for file in &tree.files {
                prop_assert!(RelPath::parse(file.path.as_str()).is_ok());
                prop_assert!(file.path.top() != ENTRY_DIR || file.digest.is_none());
            }
            prop_assert!(tree.files.windows(2).all(|pair| pair[0].path < pair[1].path));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes[..], "t");
    }

    #[test]
    fn what_was_written_is_read(files in prop::collection::btree_map("[A-Za-z0-9_-][A-Za-z0-9._-]{0,7}(/[A-Za-z0-9_-]{1,8}){1,3}", any::<u8>(), 0..8)) {
        let mut text = "[general]\n[checksums]\n".to_owned();
        for (path, byte) in &files {
            writeln!(text, "{path} = sha256:{}", Sha256::of(&[*byte]).hex()).unwrap();
        }
        let expected: Vec<&str> = files.keys().map(String::as_str).filter(|path| {
            !path.split('/').any(|segment| segment == "repodata")
        }).collect();
        match parsed(&text) {
            Ok(tree) => prop_assert_eq!(paths(&tree), expected),
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
