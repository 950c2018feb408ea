//! A movie of the frames: H.264 in an MP4 file.

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};
use muxide::api::{MuxerBuilder, VideoCodec};
use openh264::{
    OpenH264API,
    encoder::{Encoder, EncoderConfig, FrameRate, FrameType, RateControlMode, UsageType, VuiConfig},
    formats::{RgbSliceU8, YUVBuffer},
};
use tessera_render::{Exposure, Shown};

/// Least side and most pixels that H.264 and its encoder take.
const LEAST_SIDE: u32 = 16;
const MOST_PIXELS: u64 = 36_864 * 256;

/// Refuses, before any work, sizes of which there is no movie.
pub fn check(width: u32, height: u32) -> Result<()> {
    if width.min(height) < LEAST_SIDE || u64::from(width) * u64::from(height) > MOST_PIXELS {
        bail!("--mp4 takes pictures from {LEAST_SIDE}x{LEAST_SIDE} to 4096x2304, not {width}x{height}; leave it out");
    }
    Ok(())
}

/// Writes the movie, whole or not at all. Sides that are odd lose a line of pixels, which the format cannot hold.
pub fn write(path: &Path, frames: &[PathBuf], fps: f32, exposure: Exposure) -> Result<()> {
    let Some(first) = frames.first() else { bail!("a movie needs frames") };
    let size = |picture: &Shown| (picture.width & !1, picture.height & !1);
    let (width, height) = size(&Shown::open(first, exposure)?);
    let config = EncoderConfig::new()
        .max_frame_rate(FrameRate::from_hz(fps))
        // The same quality for every frame, and none is left out.
        .rate_control_mode(RateControlMode::Off)
        .skip_frames(false)
        .usage_type(UsageType::CameraVideoRealTime)
        // What the conversion below gives.
        .vui(VuiConfig::bt601());
    let failed = |error: &dyn std::fmt::Display| anyhow!("cannot make {}: {error}", path.display());
    let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), config).map_err(|e| failed(&e))?;
    let part = path.with_extension(format!("{}.part", std::process::id()));
    let file = File::create(&part).with_context(|| format!("cannot write {}", part.display()))?;
    let written = || -> Result<()> {
        let (w, h) = (u32::try_from(width)?, u32::try_from(height)?);
        let builder = MuxerBuilder::new(BufWriter::new(file)).video(VideoCodec::H264, w, h, f64::from(fps));
        let mut muxer = builder.build().map_err(|e| failed(&e))?;
        for (number, frame) in frames.iter().enumerate() {
            let picture = Shown::open(frame, exposure)?;
            if size(&picture) != (width, height) {
                bail!("{} has another size than {}; render it again", frame.display(), first.display());
            }
            let rows = picture.pixels.chunks(picture.width * 3).take(height);
            let pixels: Vec<u8> = rows.flat_map(|row| &row[..width * 3]).copied().collect();
            let yuv = YUVBuffer::from_rgb8_source(RgbSliceU8::new(&pixels, (width, height)));
            let stream = encoder.encode(&yuv).map_err(|e| failed(&e))?;
            let key = matches!(stream.frame_type(), FrameType::IDR | FrameType::I);
            let time = number as f64 / f64::from(fps);
            muxer.write_video(time, &stream.to_vec(), key).map_err(|e| failed(&e))?;
        }
        muxer.finish().map_err(|e| failed(&e))?;
        std::fs::rename(&part, path).with_context(|| format!("cannot write {}", path.display()))
    }();
    if written.is_err() {
        // What went wrong is more telling than that the part is still there.
        let _ = std::fs::remove_file(&part);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_render::Image;

    #[test]
    fn frames_become_a_movie() {
        let dir = tempfile::TempDir::new().unwrap();
        let frames: Vec<PathBuf> = (0..6u8)
            .map(|n| {
                let mut image = Image::black(35, 25);
                image.pixels.iter_mut().enumerate().for_each(|(i, p)| *p = [f32::from(n) / 6.0, i as f32 / 875.0, 0.5]);
                let path = dir.path().join(format!("{n}.{}", if n % 2 == 0 { "png" } else { "exr" }));
                image.save(&path, Exposure::Stops(0.0)).unwrap();
                path
            })
            .collect();
        let path = dir.path().join("movie.mp4");
        write(&path, &frames, 24.0, Exposure::Stops(0.0)).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let has = |tag: &[u8]| bytes.windows(tag.len()).any(|window| window == tag);
        assert!(&bytes[4..8] == b"ftyp" && has(b"moov") && has(b"avc1") && has(b"avcC") && has(b"mdat"));
        // Number of the samples in the table of their sizes.
        let at = bytes.windows(4).position(|window| window == b"stsz").unwrap();
        assert_eq!(bytes[at + 12..at + 16], [0, 0, 0, 6]);
        std::fs::remove_file(&frames[3]).unwrap();
        let other = dir.path().join("other.mp4");
        assert!(write(&other, &frames, 24.0, Exposure::Auto).unwrap_err().to_string().contains("3.exr"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 6, "nothing half written stays");
    }
}
