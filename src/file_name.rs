//! File names, found whatever their Unicode normalization. macOS and some programs decompose letters such
//! as `é`; a name that somebody types is composed.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

use icu_normalizer::ComposingNormalizerBorrowed;

/// The composed form of a name (NFC, Unicode Standard Annex 15).
pub(crate) fn composed(name: &str) -> Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfc().normalize(name)
}

/// The path in `dir` as it is on the disk. If there is none with exactly these names, the first one whose
/// names are the same when they are composed.
pub(crate) fn on_disk(dir: &Path, path: &Path) -> PathBuf {
    let exact = dir.join(path);
    if exact.exists() || path.to_str().is_none_or(str::is_ascii) {
        return exact;
    }
    let mut found = dir.to_owned();
    for component in path.components() {
        let next = found.join(component);
        found = match component {
            Component::Normal(name) if !next.exists() => {
                same_name(&found, &name.to_string_lossy()).unwrap_or(next)
            }
            _ => next,
        };
    }
    found
}

fn same_name(dir: &Path, name: &str) -> Option<PathBuf> {
    let name = composed(name);
    let entries = std::fs::read_dir(dir).ok()?.flatten();
    let mut same: Vec<PathBuf> = entries
        .filter(|entry| composed(&entry.file_name().to_string_lossy()) == name)
        .map(|entry| entry.path())
        .collect();
    same.sort();
    same.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_both_forms() {
        let dir = tempfile::tempdir().expect("a folder");
        let (composed, decomposed) = ("\u{dc}ber/W\u{f3}jcik.pdf", "U\u{308}ber/Wo\u{301}jcik.pdf");
        std::fs::create_dir(dir.path().join("U\u{308}ber")).expect("a folder");
        let file = dir.path().join(decomposed);
        std::fs::write(&file, "x").expect("a file");
        for path in [composed, decomposed] {
            assert_eq!(on_disk(dir.path(), Path::new(path)), file, "{path}");
        }
        let missing = Path::new("\u{dc}ber/Wojcik.pdf");
        assert!(!on_disk(dir.path(), missing).exists());
    }
}
