//! A message's body as lines of a terminal: links are underlined and numbered, with their targets
//! below; colours are those of the terminal that come near the message's, so that they can be read
//! whatever its background is.

use console::{Color, Style, measure_text_width};
use html2text::config;
use html2text::render::{RichAnnotation, TaggedLine};

use super::look::{Look, wrapped};
use crate::clock::Clock;

/// How wide text is at most, to be read easily.
const WIDEST: usize = 90;
/// The most bytes of a text that are shown.
const LONGEST: usize = 512 * 1024;

/// HTML as text.
pub(super) fn html(html: &str, look: &Look) -> Vec<String> {
    let width = look.width.clamp(1, WIDEST);
    let Some(lines) = rich(html, width, &look.clock) else {
        let mut lines = vec![look.dim("(this HTML can't be shown as text; here is its source)")];
        lines.extend(source(html, look));
        return lines;
    };
    let lines = lines.iter().map(|line| painted(line, look));
    tidy(lines.flat_map(|line| fitted(line, width)))
}

/// A text part.
pub(super) fn text(text: &str, look: &Look) -> Vec<String> {
    cut(text, look.width.min(WIDEST), look)
}

/// The source of HTML.
pub(super) fn source(html: &str, look: &Look) -> Vec<String> {
    cut(html, look.width, look)
}

fn cut(text: &str, width: usize, look: &Look) -> Vec<String> {
    let mut ends = (0..=LONGEST.min(text.len())).rev();
    let end = ends.find(|end| text.is_char_boundary(*end));
    let end = end.unwrap_or_default();
    let mut lines = wrapped(&text[..end], width);
    if end < text.len() {
        lines.push(look.dim("(cut here: it is too long to be shown)"));
    }
    lines
}

fn rich(html: &str, width: usize, clock: &Clock) -> Option<Vec<TaggedLine<Vec<RichAnnotation>>>> {
    let (dom, _) = crate::html::parse(html, clock);
    let config = config::rich()
        .use_doc_css()
        .raw_mode(true)
        .allow_width_overflow()
        .unicode_strikeout(false)
        .link_footnotes(true);
    let tree = config.dom_to_render_tree(&dom).ok()?;
    config.render_to_lines(tree, width).ok()
}

fn painted(line: &TaggedLine<Vec<RichAnnotation>>, look: &Look) -> String {
    let heading = is_heading(line);
    let style = |tags: &[RichAnnotation]| match heading {
        true => style(tags).bold(),
        false => style(tags),
    };
    let pieces = line.tagged_strings();
    pieces
        .map(|piece| look.paint(&style(&piece.tag), &piece.s))
        .collect()
}

/// Whether a line begins with the marks of a heading, such as `## `.
fn is_heading(line: &TaggedLine<Vec<RichAnnotation>>) -> bool {
    let first = line.tagged_strings().next();
    let rest = first.map(|piece| (piece.s.len(), piece.s.trim_start_matches('#')));
    rest.is_some_and(|(whole, rest)| rest.len() < whole && rest.starts_with(' '))
}

/// A line that is too wide all the same, such as one with a long link, in several.
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

/// Without blank lines at the ends, and with one where there are several.
fn tidy(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut tidy: Vec<String> = Vec::new();
    for line in lines {
        let line = line.trim_end();
        if !line.is_empty() || tidy.last().is_some_and(|last| !last.is_empty()) {
            tidy.push(line.to_owned());
        }
    }
    while tidy.last().is_some_and(String::is_empty) {
        tidy.pop();
    }
    tidy
}

fn style(annotations: &[RichAnnotation]) -> Style {
    let has_background = annotations
        .iter()
        .any(|annotation| matches!(annotation, RichAnnotation::BgColour(colour) if hue(*colour).is_some()));
    annotations
        .iter()
        .fold(Style::new(), |style, annotation| match annotation {
            // A link on a colour of its own is a button.
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

/// The colour of the terminal that is nearest to one; none to what is nearly grey.
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

    fn look(width: usize, colour: bool) -> Look {
        Look {
            terminal: true,
            width,
            colour,
            clock: Clock::system(),
        }
    }

    #[test]
    fn links_are_numbered_and_their_targets_stand_below() {
        let lines = html(
            "<p>See <a href='https://a.example/'>this</a>.</p>",
            &look(40, false),
        );
        assert_eq!(lines, ["See this[1].", "", "[1]: https://a.example/"]);
    }

    #[test]
    fn colours_are_the_terminals() {
        let lines = html(
            "<p style='color:#b4532a'>warm</p><p style='color:#222'>plain</p>",
            &look(40, true),
        );
        assert_eq!(lines, ["\u{1b}[31mwarm\u{1b}[0m", "", "plain"]);
        let plain = html("<p style='color:#b4532a'>warm</p>", &look(40, false));
        assert_eq!(plain, ["warm"]);
    }

    #[test]
    fn what_is_hidden_is_left_out_and_no_line_is_too_wide() {
        let long = format!(
            "<p style='display:none'>x</p><table><tr><td>{}</td><td><a href='https://{}'>y</a>",
            "word ".repeat(50),
            "z".repeat(200)
        );
        for width in [1, 10, 40, 80] {
            let lines = html(&long, &look(width, true));
            assert!(
                lines.iter().all(|line| measure_text_width(line) <= width),
                "{width}: {lines:#?}"
            );
            assert!(!lines.concat().contains('x') || width < 3);
        }
    }

    #[test]
    fn nothing_in_it_controls_the_terminal() {
        let hostile = "a&#27;[31mb\u{1b}]52;c;eA==\u{7}\u{202e}\u{9b}1m&#x202e;";
        let look = look(60, false);
        for lines in [
            html(hostile, &look),
            text(hostile, &look),
            source(hostile, &look),
        ] {
            let shown = lines.concat();
            assert!(
                !shown.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{9b}']),
                "{shown:?}"
            );
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let lines = text(&"word\n".repeat(200_000), &look(60, false));
        assert!(lines.last().is_some_and(|line| line.contains("cut here")));
    }
}
