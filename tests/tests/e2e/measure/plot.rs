//! What processes took, as a picture.

use std::path::Path;

use plotters::prelude::*;

use super::soak::{Figure, Series};

/// Colour-blind safe colours (M. Okabe and K. Ito, "Color Universal Design", 2008).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 0, 0),
    RGBColor(230, 159, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(213, 94, 0),
];

/// Four charts: one for each figure, with a line for each process.
pub fn write(series: &[Series], path: &Path) {
    draw(series, path).unwrap_or_else(|e| panic!("cannot draw {}: {e}", path.display()));
}

fn draw(series: &[Series], path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::new(path, (1100, 760)).into_drawing_area();
    root.fill(&WHITE)?;
    for ((n, figure), area) in Figure::ALL.into_iter().enumerate().zip(root.split_evenly((2, 2))) {
        let lines: Vec<Vec<(f64, f64)>> = series
            .iter()
            .map(|series| series.samples.iter().map(|(at, figures)| (at / 60.0, figures[n])).collect())
            .collect();
        let all = lines.iter().flatten();
        let (right, top) = all.fold((0.1f64, 1.0f64), |(right, top), (x, y)| (right.max(*x), top.max(*y)));
        let mut chart = ChartBuilder::on(&area)
            .caption(figure.name(), ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..right, 0.0..top * 1.1)?;
        chart.configure_mesh().x_desc("minutes").light_line_style(WHITE).draw()?;
        for (n, (line, series)) in lines.into_iter().zip(series).enumerate() {
            let style = COLOURS[n % COLOURS.len()].stroke_width(2);
            chart
                .draw_series(LineSeries::new(line, style))?
                .label(&series.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::MiddleRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.2))
            .draw()?;
    }
    root.present()?;
    Ok(())
}
