//! Directories that are read in batches.

use super::*;
use crate::world::NamesDirectory;

#[test]
fn a_directory_is_read_from_where_the_last_reading_ended() {
    let tree = Tree::new();
    // Several buffers of names.
    for at in 0..300 {
        fs::write(
            tree.root().join(format!("a/a-name-of-some-length-{at}")),
            "x",
        )
        .unwrap();
    }
    for (mut root, closes) in BOTH
        .into_iter()
        .flat_map(|resolution| [false, true].map(|closes| (tree.open(resolution), closes)))
    {
        let mut directory = root.open_directory(b"a").unwrap();
        assert!(directory.is_open());
        let mut names = Vec::new();
        loop {
            let batch = read_names(&mut root, &mut directory, 40).unwrap();
            assert!(batch.entries.len() <= 40);
            names.extend(batch.entries.into_iter().map(|entry| entry.name));
            assert_eq!(directory.is_open(), batch.extent == Extent::Partial);
            if batch.extent == Extent::Whole {
                break;
            }
            if closes {
                directory.close();
                assert!(!directory.is_open());
            }
        }
        assert_eq!(names.len(), 301, "none twice");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 301, "none left out");
    }
}

#[test]
fn a_directory_that_was_closed_is_opened_again_only_if_it_is_the_same() {
    let tree = Tree::new();
    for at in 0..10 {
        fs::write(tree.root().join(format!("a/{at}")), "x").unwrap();
    }
    let mut root = tree.open(Resolution::Kernel);
    let mut directory = root.open_directory(b"a").unwrap();
    read_names(&mut root, &mut directory, 4).unwrap();
    fs::rename(tree.root().join("a"), tree.root().join("old")).unwrap();
    fs::create_dir(tree.root().join("a")).unwrap();
    read_names(&mut root, &mut directory, 4).unwrap();
    directory.close();
    let error = read_names(&mut root, &mut directory, 4).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}
