//! The curve of losses: a line in the terminal, a table, a drawing and a picture.

use std::{io::Cursor, path::Path};

use anyhow::{Context as _, Result};
use font8x8::UnicodeFonts as _;
use plotters::{coord::Shift, prelude::*};
use tessera_train::{Progress, Traffic};

use crate::folder::Folder;

/// The files.
pub const TABLE: &str = "curve.csv";
pub const DRAWING: &str = "curve.svg";
pub const PICTURE: &str = "curve.png";

/// Width and height in pixels.
const SIZE: (u32, u32) = (800, 450);
/// Room for numbers, left and below.
const MARGINS: (u32, u32) = (64, 28);
/// Numbers along an axis.
const TICKS: usize = 6;
/// Colour-blind safe colours (M. Okabe and K. Ito, "Color Universal Design", 2008): losses in training, and on what is held out.
const COLOURS: [RGBColor; 2] = [RGBColor(0, 114, 178), RGBColor(230, 159, 0)];
/// Heights of a line in the terminal.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Columns of it.
const COLUMNS: usize = 32;

/// A line of the losses: each column is the mean of as many rounds.
pub fn line(history: &[Progress]) -> String {
    let losses: Vec<f64> =
        history.iter().filter_map(|round| round.loss.map(f64::from)).filter(|loss| loss.is_finite()).collect();
    let means: Vec<f64> = losses
        .chunks(losses.len().div_ceil(COLUMNS).max(1))
        .map(|part| part.iter().sum::<f64>() / part.len() as f64)
        .collect();
    let (least, most) = bounds(&means);
    let height = |mean: &f64| HEIGHTS[((mean - least) / (most - least) * 7.0).round().clamp(0.0, 7.0) as usize];
    means.iter().map(height).collect()
}

/// Writes table, drawing and picture into a folder. Each is there whole or not at all.
pub fn write(history: &[Progress], folder: &Path) -> Result<()> {
    let folder = Folder::open(folder);
    folder.write(TABLE, table(history).as_bytes())?;
    let lines = points(history);
    let mut drawing = String::new();
    draw(&SVGBackend::with_string(&mut drawing, SIZE).into_drawing_area(), &lines, true).context("cannot draw")?;
    folder.write(DRAWING, drawing.as_bytes())?;
    let mut pixels = vec![0; SIZE.0 as usize * SIZE.1 as usize * 3];
    draw(&BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area(), &lines, false).context("cannot draw")?;
    let image = image::RgbImage::from_raw(SIZE.0, SIZE.1, pixels).context("a picture of another size")?;
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, image::ImageFormat::Png).context("cannot write a PNG")?;
    folder.write(PICTURE, png.get_ref())
}

/// A line for each round; what is not known is empty.
fn table(history: &[Progress]) -> String {
    let mut text =
        String::from("round,loss,held_out_loss,accuracy,updates,bytes_up,bytes_down,bytes_dense,bytes_specification\n");
    for Progress { round, loss, updates, traffic, trial } in history {
        let (held_out, accuracy) =
            trial.map_or_else(Default::default, |trial| (trial.loss.to_string(), trial.accuracy.to_string()));
        let loss = loss.map_or_else(String::new, |loss| loss.to_string());
        let Traffic { up, down, dense, specification } = traffic;
        text += &format!("{round},{loss},{held_out},{accuracy},{updates},{up},{down},{dense},{specification}\n");
    }
    text
}

/// One line of the drawing.
type Points = Vec<(f64, f64)>;

/// Losses in training and on what is held out, by round.
fn points(history: &[Progress]) -> [Points; 2] {
    let finite = |points: &mut dyn Iterator<Item = (f64, f64)>| points.filter(|(_, loss)| loss.is_finite()).collect();
    let place = |round: &Progress| f64::from(round.round) + 1.0;
    [
        finite(&mut history.iter().filter_map(|round| Some((place(round), round.loss?.into())))),
        finite(&mut history.iter().filter_map(|round| Some((place(round), round.trial?.loss)))),
    ]
}

/// Least and largest value, never the same.
fn bounds(values: &[f64]) -> (f64, f64) {
    let Some(first) = values.first() else { return (0.0, 1.0) };
    let least = values.iter().copied().fold(*first, f64::min);
    let most = values.iter().copied().fold(*first, f64::max);
    if least < most { (least, most) } else { (first - 0.5, first + 0.5) }
}

/// Draws the curves. The numbers are text where the file has text, else small pictures of digits.
fn draw<B: DrawingBackend>(area: &DrawingArea<B, Shift>, lines: &[Points; 2], has_text: bool) -> Result<()>
where
    B::ErrorType: 'static,
{
    let values = |of: fn(&(f64, f64)) -> f64| lines.iter().flatten().map(of).collect::<Vec<f64>>();
    let (across, up) = (bounds(&values(|point| point.0)), bounds(&values(|point| point.1)));
    area.fill(&WHITE)?;
    let mut builder = ChartBuilder::on(area);
    builder.margin(12).x_label_area_size(MARGINS.1).y_label_area_size(MARGINS.0);
    let mut chart = builder.build_cartesian_2d(across.0..across.1, up.0..up.1)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_labels(TICKS).y_labels(TICKS).light_line_style(WHITE);
    if has_text {
        mesh.x_desc("round").y_desc("loss").draw()?;
    } else {
        mesh.disable_axes().draw()?;
    }
    for ((line, colour), name) in lines.iter().zip(COLOURS).zip(["training", "held out"]) {
        let series = chart.draw_series(LineSeries::new(line.iter().copied(), colour.stroke_width(2)))?;
        if has_text && !line.is_empty() {
            let sample = move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2));
            series.label(name).legend(sample);
        }
    }
    if has_text {
        chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
    } else {
        for tick in 0..TICKS {
            let along = |(least, most): (f64, f64)| least + (most - least) * tick as f64 / (TICKS - 1) as f64;
            let (x, y) = chart.backend_coord(&(along(across), up.0));
            write_number(area, (x, y + 6), along(across), 0.5)?;
            let (x, y) = chart.backend_coord(&(across.0, along(up)));
            write_number(area, (x - 6, y - 4), along(up), 1.0)?;
        }
    }
    area.present()?;
    Ok(())
}

/// Writes a number whose share `left` of its width lies left of a place.
fn write_number<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    (x, y): (i32, i32),
    number: f64,
    left: f64,
) -> Result<()>
where
    B::ErrorType: 'static,
{
    let text = format!("{:.3}", number);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let begin = x - (text.len() as f64 * 8.0 * left) as i32;
    let places = (begin..).step_by(8);
    for (letter, x) in text.chars().zip(places) {
        for (row, bits) in (y..).zip(font8x8::BASIC_FONTS.get(letter).unwrap_or_default()) {
            for column in (0..8).filter(|column| bits >> column & 1 == 1) {
                area.draw_pixel((x + column, row), &BLACK)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_train::Trial;

    fn history(losses: &[f32]) -> Vec<Progress> {
        let round = |(round, loss): (u32, &f32)| Progress {
            round,
            loss: Some(*loss),
            updates: 8,
            traffic: Traffic { up: 10, down: 20, dense: 800, specification: 5 },
            trial: (round % 2 == 1).then_some(Trial { loss: f64::from(*loss) + 0.5, accuracy: 0.25, count: 4 }),
        };
        (0..).zip(losses).map(round).collect()
    }

    #[test]
    fn a_line_goes_from_high_to_low() {
        assert_eq!(line(&history(&[4.0, 3.0, f32::NAN, 0.5])), "█▆▁");
        assert_eq!(line(&history(&[2.0; 3])), "▅▅▅");
        assert_eq!(line(&[]), "");
        let long: Vec<f32> = (0..1000u16).map(|n| f32::from(1000 - n)).collect();
        let line = line(&history(&long));
        assert!(line.chars().count() == COLUMNS && line.starts_with('█') && line.ends_with('▁'), "{line}");
    }

    #[test]
    fn a_table_a_drawing_and_a_picture_are_written() {
        let dir = tempfile::TempDir::new().unwrap();
        write(&history(&[2.0, 1.0, 0.5, 0.25]), dir.path()).unwrap();
        let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
        let table = String::from_utf8(read(TABLE)).unwrap();
        assert_eq!(table.lines().nth(1), Some("0,2,,,8,10,20,800,5"));
        assert_eq!(table.lines().nth(2), Some("1,1,1.5,0.25,8,10,20,800,5"));
        let drawing = String::from_utf8(read(DRAWING)).unwrap();
        assert!(
            drawing.contains("held out") && drawing.contains("training") && drawing.matches("<polyline").count() >= 2,
            "{drawing}"
        );
        let picture = image::load_from_memory(&read(PICTURE)).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), SIZE);
        let count =
            |colour: RGBColor| picture.pixels().filter(|pixel| pixel.0 == [colour.0, colour.1, colour.2]).count();
        // Both curves, and numbers.
        assert!(count(COLOURS[0]) > 500 && count(COLOURS[1]) > 0 && count(BLACK) > 100);
        // One round makes no line, and no error either.
        write(&history(&[1.0]), dir.path()).unwrap();
        write(&history(&[f32::NAN]), dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn where_no_loss_is_told_none_is_shown() {
        let mut history = history(&[2.0, 1.0, 0.5, 0.25]);
        history.iter_mut().for_each(|round| round.loss = None);
        assert_eq!(line(&history), "");
        let dir = tempfile::TempDir::new().unwrap();
        write(&history, dir.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read(TABLE).lines().nth(1), Some("0,,,,8,10,20,800,5"));
        assert_eq!(read(TABLE).lines().nth(2), Some("1,,1.5,0.25,8,10,20,800,5"));
        assert!(read(DRAWING).contains("held out") && !read(DRAWING).contains("training"));
    }
}
