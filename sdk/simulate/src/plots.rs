//! The results as pictures.

use std::path::Path;

use anyhow::{Context, Result};
use plotters::prelude::*;

use crate::{
    matrix::{Matrix, Row},
    scenario::Strategy,
};

/// Colour-blind safe colours (M. Okabe and K. Ito, "Color Universal Design", 2008).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(0, 0, 0),
];

/// Writes `profit.svg` and `audits.svg` into `folder`.
pub fn write(matrix: &Matrix, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    profit(matrix, &folder.join("profit.svg")).context("cannot draw profit.svg")?;
    audits(matrix, &folder.join("audits.svg")).context("cannot draw audits.svg")
}

/// Where the axis of margins begins, in pays.
const LEAST_MARGIN: f64 = 1e-4;

/// One line: its name and its points.
type Line = (String, Vec<(f64, f64)>);

/// Loss against honest work by rate of cheating, on logarithmic axes.
fn profit(matrix: &Matrix, path: &Path) -> Result<()> {
    let mut lines: Vec<Line> = Vec::new();
    let mut groups: Vec<(Strategy, f64)> = Vec::new();
    for row in &matrix.rows {
        if !groups.contains(&(row.strategy, row.share)) {
            groups.push((row.strategy, row.share));
        }
    }
    for (strategy, share) in groups {
        let points: Vec<(f64, f64)> = matrix
            .rows
            .iter()
            // Where no lie happened there is nothing to show, and a logarithm has no place for it.
            .filter(|row| row.strategy == strategy && row.share == share && row.margin().0 >= LEAST_MARGIN)
            .map(|row| (row.rate.log10(), row.margin().0.log10()))
            .collect();
        lines.push((format!("{} {:.0} %", strategy.name(), 100.0 * share), points));
    }
    let decade = |x: &f64| format!("{}", 10f64.powf(*x));
    let percent = |x: &f64| format!("{:.1} %", 10f64.powf(*x + 2.0));
    let title = "What cheating costs: honest minus cheating profit, in pays per seat";
    let range = (-3.0..0.0, LEAST_MARGIN.log10()..2.5);
    let legend = SeriesLabelPosition::LowerRight;
    draw(path, title, "share of units or seats that is wrong", range, &percent, &decade, (&lines, legend))
}

/// How the cost of audits develops in an honest market.
fn audits(matrix: &Matrix, path: &Path) -> Result<()> {
    let course = |name: &str, row: &Row| {
        let each = row.leases as f64 / row.course.len() as f64;
        let points = row.course.iter().enumerate().map(|(i, share)| ((i as f64 + 0.5) * each, 100.0 * share));
        (name.to_string(), points.collect::<Vec<_>>())
    };
    let [steady, young] = &matrix.honest;
    let lines = [course("past its warm-up", steady), course("from nothing", young)];
    let all = lines.iter().flat_map(|(_, points)| points);
    let (right, top) = all.fold((1.0f64, 3.0f64), |(right, top), (x, y)| (right.max(*x), top.max(*y)));
    let title = "What audits cost in a market of honest providers";
    let percent = |y: &f64| format!("{y:.0} %");
    let (range, legend) = ((0.0..right, 0.0..top * 1.05), SeriesLabelPosition::UpperRight);
    draw(path, title, "leases", range, &|x| format!("{x:.0}"), &percent, (&lines, legend))
}

fn draw(
    path: &Path,
    title: &str,
    below: &str,
    (x, y): (std::ops::Range<f64>, std::ops::Range<f64>),
    x_label: &dyn Fn(&f64) -> String,
    y_label: &dyn Fn(&f64) -> String,
    (lines, legend): (&[Line], SeriesLabelPosition),
) -> Result<()> {
    let root = SVGBackend::new(path, (900, 520)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20))
        .margin(16)
        .margin_right(40)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .x_desc(below)
        .x_labels(7)
        .x_label_formatter(&|x| x_label(x))
        .y_label_formatter(&|y| y_label(y))
        .light_line_style(WHITE)
        .draw()?;
    for (i, (name, points)) in lines.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        // The second round of colours is thin.
        let style = colour.stroke_width(if i < COLOURS.len() { 3 } else { 1 });
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(legend)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .draw()?;
    root.present()?;
    Ok(())
}
