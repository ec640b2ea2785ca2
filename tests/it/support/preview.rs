//! The page of `mailrun preview --web`, in a process of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::http::{Reply, Site};
use super::run::{Run, Running};

/// How long to wait until a save is seen.
const LIMIT: Duration = Duration::from_secs(30);

/// The page of a campaign.
pub struct Preview {
    /// Where it listens.
    pub site: Site,
    /// The process.
    pub running: Running,
}

impl Preview {
    /// Starts it.
    pub fn start(campaign: &Path) -> Self {
        let running = Run::new("preview").arg(campaign).arg("--web").spawn();
        Self {
            site: Site::of(&running.first_line()),
            running,
        }
    }

    /// What it answers, as JSON.
    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        self.site.get(path).code(200).json()
    }

    /// The frame of a message.
    pub fn html(&self, path: &str) -> Reply {
        self.site.get(path)
    }

    /// What a search finds: how many, and the numbers of the first rows.
    #[track_caller]
    pub fn found(&self, query: &str) -> (u64, Vec<u64>) {
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let page = self.json(&format!("/preview/rows?q={query}"));
        let rows = page["rows"].as_array().expect("rows").iter();
        let rows = rows.map(|row| row["row"].as_u64().expect("a number"));
        (page["matches"].as_u64().expect("a number"), rows.collect())
    }

    /// Which save it shows.
    pub fn version(&self) -> String {
        let about = self.json("/preview/about");
        about["version"].as_str().expect("a version").to_owned()
    }

    /// Does something that is a save, and waits until the page has seen it.
    #[track_caller]
    pub fn saved(&self, save: impl FnOnce()) {
        let before = self.version();
        save();
        let begun = Instant::now();
        while self.version() == before {
            assert!(begun.elapsed() < LIMIT, "the save is not seen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
