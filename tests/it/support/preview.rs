//! Runs `mailrun preview --web`, and sends requests to it.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::http::{Reply, Site};
use super::run::{Run, Running};

/// How long to wait until a save takes effect.
const LIMIT: Duration = Duration::from_secs(30);

pub struct Preview {
    pub site: Site,
    pub running: Running,
}

impl Preview {
    pub fn start(campaign: &Path) -> Self {
        let running = Run::new("preview").arg(campaign).arg("--web").spawn();
        Self {
            site: Site::of(&running.first_line()),
            running,
        }
    }

    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        self.site.get(path).code(200).json()
    }

    pub fn html(&self, path: &str) -> Reply {
        self.site.get(path)
    }

    /// The number of rows that match a search, and the numbers of the first ones.
    #[track_caller]
    pub fn found(&self, query: &str) -> (u64, Vec<u64>) {
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let page = self.json(&format!("/preview/rows?q={query}"));
        let rows = page["rows"].as_array().expect("rows").iter();
        let rows = rows.map(|row| row["row"].as_u64().expect("a number"));
        (page["matches"].as_u64().expect("a number"), rows.collect())
    }

    pub fn version(&self) -> String {
        let about = self.json("/preview/about");
        about["version"].as_str().expect("a version").to_owned()
    }

    /// Runs `save`, and waits until the page has loaded the change.
    #[track_caller]
    pub fn saved(&self, save: impl FnOnce()) {
        let before = self.version();
        save();
        let begun = Instant::now();
        while self.version() == before {
            assert!(begun.elapsed() < LIMIT, "the page does not load the save");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
