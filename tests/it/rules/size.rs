use super::Case;
use crate::support::campaign::Campaign;

/// The good campaign with a paragraph of so many bytes for the second row.
fn large(good: Campaign, bytes: usize) -> Campaign {
    let text = "Autumn is here. ".repeat(bytes / 16);
    let block = format!("{{% if token == 'b2' %}}<p>{text}</p>{{% endif %}}<p>{{%");
    good.html_with("<p>{%", &block)
}

pub(super) const CASES: &[Case] =
    &[Case::new("html-clipped", |good| large(good, 103 * 1024)).rows(&[2])];

pub(super) const SILENT: &[Case] = &[Case::new("html-clipped", |good| large(good, 100 * 1024))];
