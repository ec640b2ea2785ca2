//! Plots as inline SVG, with plotters.
//!
//! plotters writes colours as attributes. The style of the page gives each of them its colour for light, dark and paper, by
//! rules such as `.plot [fill="#1F6FB2"]`: without a style, a plot still has the light ones.

use std::fmt::Write as _;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::prelude::*;

/// The width and height of a plot in pixels, where there is room and on a phone.
const WIDE: (u32, u32) = (760, 250);
const NARROW: (u32, u32) = (360, 250);
/// In the unit of plotters: 12.1 pixels.
const FONT: (&str, i32) = ("sans-serif", 15);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Text,
    Grid,
    Main,
    Second,
    Slow,
    Gap,
}

impl Ink {
    const ALL: [Self; 6] = [
        Self::Text,
        Self::Grid,
        Self::Main,
        Self::Second,
        Self::Slow,
        Self::Gap,
    ];

    /// On a light and on a dark page. No two are the same in light.
    const fn colours(self) -> (u32, u32) {
        match self {
            Self::Text => (0x58_62_5d, 0x9d_aa_a3),
            Self::Grid => (0xdf_e3_de, 0x33_3a_36),
            Self::Main => (0x1f_6f_b2, 0x5f_a8_e6),
            Self::Second => (0x0d_7a_5f, 0x4f_c9_a0),
            Self::Slow => (0xb4_62_00, 0xf0_a0_3c),
            Self::Gap => (0xe9_e4_d4, 0x3a_36_2a),
        }
    }

    fn rgb(self) -> RGBColor {
        let [_, red, green, blue] = self.colours().0.to_be_bytes();
        RGBColor(red, green, blue)
    }
}

/// The rules that give plots their colours on a dark page.
pub(super) fn dark_style() -> String {
    let mut style = String::new();
    for ink in Ink::ALL {
        let (light, dark) = ink.colours();
        for attribute in ["fill", "stroke"] {
            let _ = write!(
                style,
                ".plot [{attribute}=\"#{light:06X}\"]{{{attribute}:#{dark:06x}}}"
            );
        }
    }
    style
}

/// What a plot shows.
pub(super) struct Plot<'a> {
    /// Unique on the page.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    /// For those who can't see it.
    pub(super) description: &'a str,
    pub(super) from: f64,
    pub(super) to: f64,
    /// Where the ticks are, for at most so many of them.
    pub(super) ticks: &'a dyn Fn(usize) -> Vec<f64>,
    pub(super) tick_text: &'a dyn Fn(f64) -> String,
    pub(super) bands: Vec<(f64, f64)>,
    pub(super) bars: Vec<Bar>,
}

pub(super) struct Bar {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) height: f64,
    pub(super) ink: Ink,
}

/// An axis with these ticks alone.
struct Axis {
    from: f64,
    to: f64,
    ticks: Vec<f64>,
}

impl Axis {
    fn new(from: f64, to: f64, ticks: Vec<f64>) -> Self {
        Self { from, to, ticks }
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (low, high): (i32, i32)) -> i32 {
        let share = (value - self.from) / (self.to - self.from);
        low + (share * f64::from(high - low)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

type Failure = DrawingAreaErrorKind<std::io::Error>;

impl Plot<'_> {
    /// Two pictures: a page shows the one that has the right width.
    pub(super) fn draw(&self) -> Result<String, Failure> {
        let wide = self.picture(WIDE, "wide", 7)?;
        let narrow = self.picture(NARROW, "narrow", 4)?;
        Ok(wide + &narrow)
    }

    fn picture(&self, size: (u32, u32), width: &str, ticks: usize) -> Result<String, Failure> {
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        self.draw_on(&area, ticks)?;
        area.present()?;
        drop(area);
        Ok(self.accessible(&svg, size, width))
    }

    /// Replaces the outer element by one that names the picture.
    fn accessible(&self, svg: &str, (x, y): (u32, u32), width: &str) -> String {
        let inside = svg.split_once('>').map_or("", |(_, inside)| inside);
        let (id, title) = (self.id, escape(self.title));
        let description = escape(self.description);
        format!(
            "<svg class=\"plot {width}\" viewBox=\"0 0 {x} {y}\" role=\"img\" aria-labelledby=\"{id}-{width} {id}-{width}-more\">\
             <title id=\"{id}-{width}\">{title}</title><desc id=\"{id}-{width}-more\">{description}</desc>{inside}"
        )
    }

    fn draw_on(
        &self,
        area: &DrawingArea<SVGBackend<'_>, Shift>,
        ticks: usize,
    ) -> Result<(), Failure> {
        let highest = self.bars.iter().map(|bar| bar.height).fold(1.0, f64::max);
        let step = nice_step(highest / 4.0).max(1.0);
        let top = (highest / step).ceil() * step;
        let levels: Vec<f64> = (0..=4)
            .map(|level| f64::from(level) * step)
            .filter(|level| *level <= top)
            .collect();
        let (from, to) = (self.from, self.to);
        let mut chart = ChartBuilder::on(area)
            .margin_top(10)
            .margin_right(14)
            .x_label_area_size(28)
            .y_label_area_size(52)
            .build_cartesian_2d(
                Axis::new(from, to, (self.ticks)(ticks)),
                Axis::new(0.0, top, levels),
            )?;
        let band = |&(left, right): &(f64, f64)| {
            Rectangle::new([(left, 0.0), (right, top)], Ink::Gap.rgb().filled())
        };
        chart.draw_series(self.bands.iter().map(band))?;
        let text = FONT.into_font().color(&Ink::Text.rgb());
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(Ink::Grid.rgb())
            .light_line_style(TRANSPARENT)
            .axis_style(Ink::Grid.rgb())
            .label_style(text)
            .x_label_formatter(&|x| (self.tick_text)(*x))
            .y_label_formatter(&|y| short_number(*y))
            .draw()?;
        let bar = |bar: &Bar| {
            let width = bar.to - bar.from;
            // A gap between bars, in which the grid shows.
            let (left, right) = (bar.from + width * 0.06, bar.to - width * 0.06);
            Rectangle::new([(left, 0.0), (right, bar.height)], bar.ink.rgb().filled())
        };
        chart.draw_series(self.bars.iter().filter(|bar| bar.height > 0.0).map(bar))?;
        Ok(())
    }
}

fn escape(text: &str) -> String {
    let mut escaped = Vec::new();
    // Writing to memory does not fail.
    let _ = tera::escape_html(text, &mut escaped);
    String::from_utf8_lossy(&escaped).into_owned()
}

/// 1, 2, 2.5 or 5 times a power of ten, and at least `step`.
fn nice_step(step: f64) -> f64 {
    if step <= 0.0 || !step.is_finite() {
        return 1.0;
    }
    let power = 10_f64.powf(step.log10().floor());
    let factors = [1.0, 2.0, 2.5, 5.0, 10.0];
    let factor = factors
        .into_iter()
        .find(|factor| factor * power >= step * 0.999_999);
    let nice = factor.unwrap_or(10.0) * power;
    // Counts are whole.
    if nice < 10.0 { nice.ceil() } else { nice }
}

/// `950`, `1.5k`, `20k`, `3M`
fn short_number(number: f64) -> String {
    let text = |number: f64, unit: &str| {
        let text = format!("{number:.2}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        format!("{text}{unit}")
    };
    match number {
        ..10_000.0 => text(number, ""),
        10_000.0..1_000_000.0 => text(number / 1e3, "k"),
        _ => text(number / 1e6, "M"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_an_axis_are_short() {
        for (number, text) in [
            (0.0, "0"),
            (2500.0, "2500"),
            (12_500.0, "12.5k"),
            (2_000_000.0, "2M"),
        ] {
            assert_eq!(short_number(number), text);
        }
        for (step, nice) in [
            (0.25, 1.0),
            (1.2, 2.0),
            (2.2, 3.0),
            (2.6, 5.0),
            (21.0, 25.0),
            (250.0, 250.0),
            (251.0, 500.0),
            (900.0, 1000.0),
        ] {
            assert_eq!(nice_step(step), nice, "{step}");
        }
    }

    #[test]
    fn every_ink_has_a_colour_of_its_own() {
        for (place, ink) in Ink::ALL.iter().enumerate() {
            let others = &Ink::ALL[..place];
            assert!(
                others
                    .iter()
                    .all(|other| other.colours().0 != ink.colours().0)
            );
        }
    }

    #[test]
    fn a_plot_names_itself_and_runs_nothing() {
        let plot = Plot {
            id: "p",
            title: "<b>",
            description: "\"a\" & b",
            from: 0.0,
            to: 2.0,
            ticks: &|_| vec![0.0, 1.0],
            tick_text: &|_| "<i>".to_owned(),
            bands: vec![(0.0, 1.0)],
            bars: vec![Bar {
                from: 1.0,
                to: 2.0,
                height: 3.0,
                ink: Ink::Main,
            }],
        };
        let svg = plot.draw().expect("a picture");
        assert!(
            svg.contains("<title id=\"p-wide\">&lt;b&gt;</title>"),
            "{svg}"
        );
        assert!(
            svg.contains("fill=\"#1F6FB2\"") && svg.contains("fill=\"#E9E4D4\""),
            "{svg}"
        );
        for word in ["<b>", "<i>", "http", "style="] {
            assert!(!svg.contains(word), "{word}: {svg}");
        }
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
    }
}
