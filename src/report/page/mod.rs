//! The report as one HTML file. It runs no script and loads nothing, so it can be mailed, opened from the disk and
//! printed. It names domains, but no addresses.

mod comparison;
mod latency;
mod plot;
mod sections;
mod timeline;
mod times;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tera::{Context, Tera};

use super::figures::RunFigures;
use super::rates::Group;
use comparison::ComparisonView;
use sections::RunView;

const PAGE: &str = include_str!("../../../templates/report/report.html");
const STYLE: &str = include_str!("../../../templates/report/report.css");
/// Where the style gets the colours of plots on a dark page.
const DARK_PLOTS: &str = "/* dark plots */";

#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    #[error("can't render the report: {0}")]
    Template(#[from] tera::Error),
    #[error("can't draw a plot: {0}")]
    Plot(String),
}

/// The page about runs in the order of their times. With several, `groups` has the counts of each.
///
/// # Errors
/// The page can't be rendered.
pub(crate) fn page(
    runs: &[RunFigures],
    groups: &[Group],
    now: Timestamp,
) -> Result<String, PageError> {
    let style = STYLE.replace(DARK_PLOTS, &plot::dark_style());
    let hash = STANDARD.encode(Sha256::digest(&style));
    let views = runs.iter().enumerate();
    let views = views.map(|(place, run)| RunView::new(place + 1, run));
    let mut context = Context::new();
    context.insert("title", &title(runs));
    context.insert("style", &style);
    context.insert("style_hash", &format!("'sha256-{hash}'"));
    context.insert("made", &times::long(now));
    context.insert("runs", &views.collect::<Result<Vec<_>, _>>()?);
    context.insert("comparison", &ComparisonView::new(groups));
    let mut tera = Tera::default();
    tera.autoescape_on(vec![".html"]);
    tera.add_raw_template("report.html", PAGE)?;
    Ok(tera.render("report.html", &context)?)
}

/// The names of the campaigns.
fn title(runs: &[RunFigures]) -> String {
    let mut names: Vec<&str> = runs.iter().map(|run| &*run.run.name).collect();
    names.dedup();
    names.join(", ")
}
