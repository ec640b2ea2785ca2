//! The files in `templates/`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::TEMPLATES;
use crate::message::{PathError, resolve};

/// How deep folders may be nested in `templates/`.
const MAX_DEPTH: usize = 32;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TemplateFile {
    /// The path in `templates/`, with `/`.
    pub(crate) name: String,
    /// Without links.
    pub(crate) path: PathBuf,
}

/// The files in the `templates/` of a campaign folder, sorted by name. Links are followed inside the
/// campaign folder.
///
/// # Errors
/// Entries that are not files, can't be read, or are outside the campaign folder.
pub(crate) fn template_files(campaign: &Path) -> Result<Vec<TemplateFile>, PathError> {
    let mut files = Vec::new();
    if campaign.join(TEMPLATES).symlink_metadata().is_ok() {
        let root = Path::new(TEMPLATES);
        collect(campaign, root, &mut Vec::new(), &mut files)?;
    }
    files.sort();
    Ok(files)
}

/// Adds the files below `dir`, a path in the campaign folder. `above` are the folders around it.
fn collect(
    campaign: &Path,
    dir: &Path,
    above: &mut Vec<PathBuf>,
    files: &mut Vec<TemplateFile>,
) -> Result<(), PathError> {
    let unreadable = |error| PathError::Missing(dir.to_owned(), error);
    let full = resolve(campaign, dir)?;
    // A link may lead back to a folder around it.
    if above.contains(&full) {
        return Ok(());
    }
    if above.len() == MAX_DEPTH {
        let message = format!("folders are nested more than {MAX_DEPTH} deep");
        return Err(unreadable(io::Error::other(message)));
    }
    let entries = fs::read_dir(&full).map_err(unreadable)?;
    above.push(full);
    for entry in entries {
        let inner = dir.join(entry.map_err(unreadable)?.file_name());
        let path = resolve(campaign, &inner)?;
        if path.is_dir() {
            collect(campaign, &inner, above, files)?;
        } else if path.is_file() {
            let name = inner.strip_prefix(TEMPLATES).unwrap_or(&inner);
            let name = name.to_string_lossy().replace('\\', "/");
            files.push(TemplateFile { name, path });
        } else {
            return Err(PathError::NotAFile(inner));
        }
    }
    above.pop();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_stay_inside_the_campaign() {
        let campaign = tempfile::tempdir().expect("a folder");
        let dir = campaign.path();
        let templates = dir.join(TEMPLATES);
        fs::create_dir_all(templates.join("parts")).expect("folders");
        fs::write(templates.join("parts/a.html"), "a").expect("a file");
        fs::write(dir.join("b.html"), "b").expect("a file");
        symlink("../b.html", templates.join("b.html")).expect("a link");
        symlink("..", templates.join("parts/again")).expect("a link");
        let names = || {
            template_files(dir)
                .map(|files| files.into_iter().map(|file| file.name).collect::<Vec<_>>())
        };
        assert_eq!(names().expect("files"), ["b.html", "parts/a.html"]);
        let out = templates.join("parts/passwd");
        symlink("/etc/passwd", &out).expect("a link");
        assert!(matches!(names(), Err(PathError::Outside(path)) if path.ends_with("parts/passwd")));
        fs::remove_file(&out).expect("a link");
        symlink("/dev/zero", &out).expect("a link");
        assert!(names().is_err());
    }
}
