//! The copy of a campaign in its run's folder: the run never reads the original again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::campaign::{Campaign, FILE_NAME, TEMPLATES, is_template, template_files};
use crate::durable::sync_tree;
use crate::message::inside;
use crate::render::{BUILT_IN_LAYOUT, FROZEN_LAYOUT};
use crate::schedule::Schedule;

/// The file with the schedule of a run, in which times and time zones are resolved. No attachment has such a name.
pub(crate) const SCHEDULE: &str = ".schedule.toml";

/// Copies the campaign's file, its templates and the attachments that rows share into `frozen`. The copy
/// is durable when this returns.
///
/// # Errors
/// The file that can't be copied, and why.
pub(crate) fn freeze(campaign: &Campaign, frozen: &Path) -> Result<(), (PathBuf, io::Error)> {
    create(frozen, frozen)?;
    let file = frozen.join(FILE_NAME);
    fs::write(&file, &campaign.source.text).map_err(|error| (file, error))?;
    let templates = template_files(&campaign.dir)
        .map_err(|error| (campaign.dir.join(TEMPLATES), io::Error::other(error)))?;
    for template in templates {
        let to = frozen.join(TEMPLATES).join(template.name);
        create(to.parent().unwrap_or(frozen), frozen)?;
        copy(&template.path, &to)?;
    }
    let mut messages = campaign.messages();
    if messages.any(|message| message.markdown.is_some() && message.layout.is_none()) {
        // Another version, with which the run is resumed, may have another one.
        let file = frozen.join(FROZEN_LAYOUT);
        fs::write(&file, BUILT_IN_LAYOUT).map_err(|error| (file, error))?;
    }
    let attachments = campaign.messages().flat_map(|message| &message.attachments);
    for attachment in attachments {
        let path = attachment.path.get_ref();
        if is_template(path) {
            continue;
        }
        let from = inside(&campaign.dir, Path::new(path))
            .map_err(|error| (PathBuf::from(path), io::Error::other(error)))?;
        let to = frozen.join(path);
        create(to.parent().unwrap_or(frozen), frozen)?;
        copy(&from, &to)?;
    }
    sync_tree(frozen).map_err(|error| (frozen.to_owned(), error))
}

/// Writes the schedule of the run beside them. It is durable when this returns.
///
/// # Errors
/// The file that can't be written, and why.
pub(crate) fn freeze_schedule(
    schedule: &Schedule,
    frozen: &Path,
) -> Result<(), (PathBuf, io::Error)> {
    let file = frozen.join(SCHEDULE);
    let text = schedule.to_toml().map_err(io::Error::other);
    let written = text.and_then(|text| fs::write(&file, text));
    let synced = written.and_then(|()| sync_tree(frozen));
    synced.map_err(|error| (file, error))
}

fn copy(from: &Path, to: &Path) -> Result<(), (PathBuf, io::Error)> {
    // Without the permissions of the original: the copy is private, as everything in a run.
    let copied = File::open(from).and_then(|mut from| {
        let mut to = File::create(to)?;
        io::copy(&mut from, &mut to)
    });
    copied.map(drop).map_err(|error| {
        let message = format!("can't be copied to {}: {error}", to.display());
        (from.to_owned(), io::Error::new(error.kind(), message))
    })
}

/// Creates a folder and its parents up to `top`, but nothing above that: the folder of a run that was
/// interrupted must not come back.
fn create(dir: &Path, top: &Path) -> Result<(), (PathBuf, io::Error)> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(above) = dir.parent().filter(|_| dir != top) {
        create(above, top)?;
    }
    fs::create_dir(dir).map_err(|error| (dir.to_owned(), error))
}
