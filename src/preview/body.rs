//! A message's body as lines for the terminal. Links are underlined and numbered, with their targets
//! below. Colours are the nearest ones of the terminal's palette, which suits its background.

use console::{Color, Style, measure_text_width};
use html2text::config;
use html2text::render::{RichAnnotation, TaggedLine};

use super::output_style::{OutputStyle, wrapped};
use crate::clock::Clock;
use crate::web;

/// The most columns of text, for legibility.
const MAX_WIDTH: usize = 90;
/// The most bytes of a text.
const MAX_BYTES: usize = 512 * 1024;

pub(super) fn html(html: &str, output: &OutputStyle) -> Vec<String> {
    let width = output.width.clamp(1, MAX_WIDTH);
    let Some(lines) = rich(html, width, &output.clock) else {
        let mut lines =
            vec![output.dim("(this HTML can't be displayed as text; this is its source)")];
        lines.extend(source(html, output));
        return lines;
    };
    let lines = lines.iter().map(|line| painted(line, output));
    without_blank_runs(lines.flat_map(|line| fitted(line, width)))
}

pub(super) fn text(text: &str, output: &OutputStyle) -> Vec<String> {
    cut(text, output.width.min(MAX_WIDTH), output)
}

pub(super) fn source(html: &str, output: &OutputStyle) -> Vec<String> {
    cut(html, output.width, output)
}

fn cut(text: &str, width: usize, output: &OutputStyle) -> Vec<String> {
    let shown = web::truncate(text, MAX_BYTES);
    let mut lines = wrapped(shown, width);
    if shown.len() < text.len() {
        lines.push(output.dim("(cut here: the text is too long)"));
    }
    lines
}

fn rich(html: &str, width: usize, clock: &Clock) -> Option<Vec<TaggedLine<Vec<RichAnnotation>>>> {
    crate::html::guarded(html, || annotated(html, width, clock)).ok()?
}

fn annotated(
    html: &str,
    width: usize,
    clock: &Clock,
) -> Option<Vec<TaggedLine<Vec<RichAnnotation>>>> {
    let (dom, _) = crate::html::parse(html, clock);
    crate::html::fit_spans(&dom);
    let config = config::rich()
        .use_doc_css()
        .raw_mode(true)
        .allow_width_overflow()
        .unicode_strikeout(false)
        .link_footnotes(true);
    let tree = config.dom_to_render_tree(&dom).ok()?;
    config.render_to_lines(tree, width).ok()
}

fn painted(line: &TaggedLine<Vec<RichAnnotation>>, output: &OutputStyle) -> String {
    let heading = is_heading(line);
    let style = |tags: &[RichAnnotation]| match heading {
        true => style(tags).bold(),
        false => style(tags),
    };
    line.tagged_strings()
        .map(|string| output.paint(&style(&string.tag), &string.s))
        .collect()
}

/// Whether a line begins with a heading mark, such as `## `.
fn is_heading(line: &TaggedLine<Vec<RichAnnotation>>) -> bool {
    line.tagged_strings().next().is_some_and(|first| {
        let rest = first.s.trim_start_matches('#');
        rest.len() < first.s.len() && rest.starts_with(' ')
    })
}

/// Breaks a line that html2text left too wide, such as one with a long link.
fn fitted(line: String, width: usize) -> Vec<String> {
    if measure_text_width(&line) <= width {
        return vec![line];
    }
    let options =
        textwrap::Options::new(width).word_splitter(textwrap::WordSplitter::NoHyphenation);
    let lines = textwrap::wrap(&line, &options);
    lines
        .into_iter()
        .map(std::borrow::Cow::into_owned)
        .collect()
}

/// Removes blank lines at both ends, and all but one of several in a row.
fn without_blank_runs(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for line in lines {
        let line = line.trim_end();
        if !line.is_empty() || kept.last().is_some_and(|last| !last.is_empty()) {
            kept.push(line.to_owned());
        }
    }
    while kept.last().is_some_and(String::is_empty) {
        kept.pop();
    }
    kept
}

fn style(annotations: &[RichAnnotation]) -> Style {
    let has_background = annotations
        .iter()
        .any(|annotation| matches!(annotation, RichAnnotation::BgColour(colour) if hue(*colour).is_some()));
    annotations
        .iter()
        .fold(Style::new(), |style, annotation| match annotation {
            // A link with a background colour is a button.
            RichAnnotation::Link(_) if has_background => style.reverse().bold(),
            RichAnnotation::Link(_) => style.underlined(),
            RichAnnotation::Strong => style.bold(),
            RichAnnotation::Emphasis => style.italic(),
            RichAnnotation::Strikeout => style.strikethrough(),
            RichAnnotation::Image(_) => style.dim(),
            RichAnnotation::Code => style.cyan(),
            RichAnnotation::Colour(colour) => match hue(*colour) {
                Some(hue) => style.fg(hue),
                None => style,
            },
            _ => style,
        })
}

/// The terminal colour with the nearest hue; `None` for near-greys.
fn hue(colour: html2text::Colour) -> Option<Color> {
    let [r, g, b] = [colour.r, colour.g, colour.b].map(i32::from);
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let chroma = most - least;
    if chroma < 60 {
        return None;
    }
    // The hue in degrees, as in HSL.
    let degrees = match most {
        most if most == r => 60 * (g - b) / chroma,
        most if most == g => 60 * (b - r) / chroma + 120,
        _ => 60 * (r - g) / chroma + 240,
    };
    Some(match degrees.rem_euclid(360) {
        0..=20 | 331.. => Color::Red,
        21..=75 => Color::Yellow,
        76..=160 => Color::Green,
        161..=200 => Color::Cyan,
        201..=265 => Color::Blue,
        _ => Color::Magenta,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(width: usize, colour: bool) -> OutputStyle {
        OutputStyle {
            terminal: true,
            width,
            colour,
            clock: Clock::system(),
        }
    }

    #[test]
    fn links_are_numbered_and_their_targets_listed_below() {
        let lines = html(
            "<p>See <a href='https://a.example/'>this</a>.</p>",
            &output(40, false),
        );
        assert_eq!(lines, ["See this[1].", "", "[1]: https://a.example/"]);
    }

    #[test]
    fn colours_come_from_the_terminals_palette() {
        let lines = html(
            "<p style='color:#b4532a'>warm</p><p style='color:#222'>plain</p>",
            &output(40, true),
        );
        assert_eq!(lines, ["\u{1b}[31mwarm\u{1b}[0m", "", "plain"]);
        let plain = html("<p style='color:#b4532a'>warm</p>", &output(40, false));
        assert_eq!(plain, ["warm"]);
    }

    #[test]
    fn hidden_text_is_omitted_and_no_line_is_too_wide() {
        let long = format!(
            "<p style='display:none'>x</p><table><tr><td>{}</td><td><a href='https://{}'>y</a>",
            "word ".repeat(50),
            "z".repeat(200)
        );
        for width in [1, 10, 40, 80] {
            let lines = html(&long, &output(width, true));
            assert!(
                lines.iter().all(|line| measure_text_width(line) <= width),
                "{width}: {lines:#?}"
            );
            assert!(!lines.concat().contains('x') || width < 3);
        }
    }

    #[test]
    fn messages_cannot_control_the_terminal() {
        let hostile = "a&#27;[31mb\u{1b}]52;c;eA==\u{7}\u{202e}\u{9b}1m&#x202e;";
        let output = output(60, false);
        for lines in [
            html(hostile, &output),
            text(hostile, &output),
            source(hostile, &output),
        ] {
            let shown = lines.concat();
            assert!(
                !shown.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{9b}']),
                "{shown:?}"
            );
        }
    }

    #[test]
    fn long_text_is_cut_with_a_notice() {
        let lines = text(&"word\n".repeat(200_000), &output(60, false));
        assert!(lines.last().is_some_and(|line| line.contains("cut here")));
    }
}
