//! A scene with its poses, cameras and lights, packed once: from it come jobs for any part of the picture.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytemuck::{bytes_of, cast_slice};
use bytes::Bytes;
use tessera_protocol::hash::{Digest, sha256};

use crate::{
    bvh::Bounds,
    camera::{self, Focused},
    error::{RenderError, Result},
    job::MODULE,
    layout::{self, FIXED_MAX},
    lights::{Brightness, Lights},
    pack::{self, Geometry, Placed, Pose, Shared},
    picture::FrameInfo,
    poses::{Content, Resting, same_materials},
    scene::{Camera, Instance, Scene, Triangle},
    settings::{CameraChoice, Settings},
};

/// What the jobs of a picture or an animation have in common.
pub struct Shot {
    pub(crate) settings: Settings,
    pub(crate) scene: Bytes,
    pub(crate) frames: BTreeMap<u32, Frame>,
}

/// A frame, ready for the kernel.
pub(crate) struct Frame {
    pub info: FrameInfo,
    /// One for each slice.
    pub cameras: Vec<layout::Camera>,
    /// Largest indirect contribution of a sample.
    pub clamp: f32,
}

/// A pose that has been told apart from the others, and when it is taken first.
struct Found {
    content: Content,
    frame: u32,
    offset: f32,
}

impl Shot {
    /// A scene that stands still. With several frames the camera goes once around it.
    ///
    /// # Errors
    /// If a setting is out of range, the scene is empty or too large, or an environment cannot be read.
    pub fn new(scene: &Scene, settings: &Settings) -> Result<Self> {
        settings.validate()?;
        let mut settings = settings.clone();
        if settings.frames == 1 || settings.shutter == 0.0 {
            settings.slices = 1;
        }
        let packer = Packer::new(scene, &settings)?;
        let aspect = packer.aspect;
        let still = settings.camera.resolve(scene, aspect)?;
        let lens = settings.lens.map(|lens| camera::focused(&lens, scene, &still)).transpose()?;
        let (low, high) = scene.bounds();
        let centre = (low + high) * 0.5;
        let found = vec![Found { content: Content::of(scene), frame: settings.first_frame, offset: 0.0 }];
        let packed = packer.pack(&found, |_| Ok(None))?;
        let camera = |frame: u32, slice: u32| {
            let time = (frame - settings.first_frame) as f32 + settings.slice_time(slice);
            (camera::turned(&still, centre, time, settings.frames), 0)
        };
        packed.shot(&settings, settings.frame_numbers(), aspect, lens, &found, camera)
    }

    /// A scene that moves. `pose` gives it at a time in frames: the number of a frame and how far behind its start. Frames
    /// that are equal in all that is seen are so whichever other frames the shot has. Of a scene without cameras, its pose
    /// at the first frame of the settings decides where it is seen from.
    ///
    /// # Errors
    /// As [`Shot::new`], if a pose fails, or if materials or cameras change between poses.
    pub fn animated(
        settings: &Settings,
        frames: impl IntoIterator<Item = u32>,
        pose: impl Fn(u32, f32) -> Result<Scene>,
    ) -> Result<Self> {
        settings.validate()?;
        let mut settings = settings.clone();
        if settings.shutter == 0.0 {
            settings.slices = 1;
        }
        let frames: BTreeSet<u32> = frames.into_iter().collect();
        if !frames.iter().all(|frame| settings.frame_numbers().contains(frame)) {
            let numbers = settings.frame_numbers();
            return Err(RenderError::Setting(format!("frames outside of {} to {}", numbers.start, numbers.end - 1)));
        }
        let base = pose(settings.first_frame, settings.slice_time(0))?;
        let packer = Packer::new(&base, &settings)?;
        let aspect = packer.aspect;
        // A camera that is made up, or given, stands still.
        let moves = match &settings.camera {
            CameraChoice::Given(_) => false,
            CameraChoice::Auto => !base.cameras.is_empty(),
            CameraChoice::Named(_) => true,
        };
        let still = settings.camera.resolve(&base, aspect)?;
        let lens = settings.lens.map(|lens| camera::focused(&lens, &base, &still)).transpose()?;
        let mut found: Vec<Found> = Vec::new();
        let mut known: HashMap<Digest, u32> = HashMap::new();
        let mut cameras: BTreeMap<(u32, u32), (Camera, u32)> = BTreeMap::new();
        for frame in &frames {
            for slice in 0..settings.slices {
                let offset = settings.slice_time(slice);
                let scene = pose(*frame, offset)?;
                same_materials(&base, &scene)?;
                let content = Content::of(&scene);
                let index = *known.entry(content.digest).or_insert(found.len() as u32);
                if index as usize == found.len() {
                    found.push(Found { content, frame: *frame, offset });
                }
                let camera = if moves { settings.camera.resolve(&scene, aspect)? } else { still };
                cameras.insert((*frame, slice), (camera, index));
            }
        }
        let again = |found: &Found| pose(found.frame, found.offset).map(Some);
        packer
            .pack(&found, again)?
            .shot(&settings, frames, aspect, lens, &found, |frame, slice| cameras[&(frame, slice)])
    }

    /// Numbers of the frames.
    pub fn frames(&self) -> impl Iterator<Item = u32> {
        self.frames.keys().copied()
    }

    /// What is known of a frame. `None` if the shot does not have it.
    #[must_use]
    pub fn frame(&self, number: u32) -> Option<FrameInfo> {
        self.frames.get(&number).map(|frame| frame.info)
    }

    /// Bytes of the packed scene, which is an input of every job of the shot.
    #[must_use]
    pub fn scene_len(&self) -> usize {
        self.scene.len()
    }

    /// Its settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// What is needed to pack poses.
struct Packer<'a> {
    base: &'a Scene,
    environment: crate::Environment,
    brightness: Brightness,
    shared: Shared,
    aspect: f32,
}

/// Poses in the kernel's layout.
struct Packed {
    bytes: Vec<u8>,
    /// Roughly how bright a white surface is in each pose.
    radiance: Vec<f32>,
    shared: Digest,
}

impl<'a> Packer<'a> {
    fn new(base: &'a Scene, settings: &Settings) -> Result<Self> {
        if base.is_empty() {
            return Err(RenderError::Setting("the scene has no triangles".into()));
        }
        let environment = settings.environment.resolve(base)?;
        let brightness = Brightness::of(base, &environment);
        let shared = Shared::pack(base, &environment, &brightness)?;
        Ok(Self { base, environment, brightness, shared, aspect: settings.width as f32 / settings.height as f32 })
    }

    /// Packs the poses. `again` makes one of them once more, or `None` for the base.
    fn pack(self, found: &[Found], again: impl Fn(&Found) -> Result<Option<Scene>>) -> Result<Packed> {
        let resting = Resting::of(found.iter().map(|found| &found.content));
        let mut geometry = Geometry::default();
        let mut still: Option<Placed> = None;
        let mut meshes: HashMap<Digest, Placed> = HashMap::new();
        let mut poses = Vec::with_capacity(found.len());
        for found in found {
            let posed = again(found)?;
            let scene = posed.as_ref().unwrap_or(self.base);
            let [rest, moved] = resting.divide(&found.content);
            let masked = |triangle: &Triangle| scene.is_masked(triangle);
            let alone = scene.instances.is_empty() && moved.is_empty();
            let (low, high) = scene.bounds();
            let bounds = Bounds { low, high };
            let reach = bounds.reach();
            let mut tree = |numbers: &[u32], alone: bool| {
                let triangles: Vec<Triangle> = numbers.iter().map(|i| scene.triangles[*i as usize]).collect();
                geometry.add_tree(&triangles, |i| numbers[i], alone, reach, masked)
            };
            if still.is_none() {
                // Where a later pose has more, a tree stands above this one.
                still = Some(tree(&rest, alone && self.base.instances.is_empty())?);
            }
            let moving = if moved.is_empty() { None } else { Some(tree(&moved, false)?) };
            for (mesh, digest) in scene.meshes.iter().zip(&found.content.meshes) {
                if !meshes.contains_key(digest) {
                    let reach = mesh_reach(scene, mesh, bounds);
                    meshes.insert(*digest, geometry.add_tree(mesh, |i| i as u32, false, reach, masked)?);
                }
            }
            let placed: Vec<&Placed> = found.content.meshes.iter().map(|digest| &meshes[digest]).collect();
            let world: Vec<&Placed> = still.iter().chain(&moving).collect();
            let root = geometry.add_pose(&world, &scene.instances, &placed, reach)?;
            let slot = |mesh: Option<u32>, index: usize| match mesh {
                Some(mesh) => placed[mesh as usize].slot(index),
                None => match rest.binary_search(&(index as u32)) {
                    Ok(i) => world[0].slot(i),
                    Err(_) => world[1].slot(moved.partition_point(|i| (*i as usize) < index)),
                },
            };
            let radius = (bounds.diagonal() * 0.5).max(1e-3);
            let lights = Lights::collect(scene, &self.environment, &self.brightness, radius, slot);
            poses.push(Pose { root, lights, bounds });
        }
        let radiance = poses.iter().map(|pose| pose.lights.typical_radiance).collect();
        let bytes = pack::pack(&self.shared, &geometry, &poses)?;
        Ok(Packed { bytes, radiance, shared: self.shared.digest() })
    }
}

/// How large coordinates are in the space of a mesh where it stands in a scene of these bounds.
fn mesh_reach(scene: &Scene, mesh: &[Triangle], world: Bounds) -> f32 {
    let of_mesh = |instance: &&Instance| std::ptr::eq(scene.meshes[instance.mesh as usize].as_slice(), mesh);
    let backs = scene.instances.iter().filter(of_mesh).filter_map(|instance| instance.place.inverse());
    backs.map(|back| world.placed(&back).reach()).fold(0.0, f32::max)
}

impl Packed {
    fn shot(
        self,
        settings: &Settings,
        frames: impl IntoIterator<Item = u32>,
        aspect: f32,
        lens: Option<Focused>,
        found: &[Found],
        camera: impl Fn(u32, u32) -> (Camera, u32),
    ) -> Result<Shot> {
        let frames = frames.into_iter().map(|number| {
            let views: Vec<(Camera, u32)> = (0..settings.slices).map(|slice| camera(number, slice)).collect();
            let cameras: Vec<_> = views.iter().map(|(view, pose)| camera::pack(view, aspect, *pose, lens)).collect();
            let radiance = self.radiance[views[0].1 as usize];
            let clamp = settings.clamp.map_or(FIXED_MAX, |clamp| (clamp * radiance).clamp(1e-6, FIXED_MAX));
            // Cameras name poses by their place in this shot; what a frame depends on are their contents.
            let anywhere: Vec<_> = cameras.iter().map(|c| layout::Camera { pose: c.pose & 1, ..*c }).collect();
            let contents: Vec<u8> = views.iter().flat_map(|(_, pose)| found[*pose as usize].content.digest).collect();
            let numbers = [
                settings.width,
                settings.height,
                settings.seed as u32,
                (settings.seed >> 32) as u32,
                settings.max_bounces,
                settings.slices,
                settings.blur.to_bits(),
                clamp.to_bits(),
            ];
            let digest =
                sha256(&[MODULE.as_bytes(), &self.shared, bytes_of(&numbers), cast_slice(&anywhere), &contents]);
            let mut identity = [0; 16];
            identity.copy_from_slice(&digest[..16]);
            let info = FrameInfo { number, identity, scale: scale(radiance) };
            Ok((number, Frame { info, cameras, clamp }))
        });
        let frames = frames.collect::<Result<BTreeMap<_, _>>>()?;
        Ok(Shot { settings: settings.clone(), scene: self.bytes.into(), frames })
    }
}

/// The power of two that brings typical light near one.
fn scale(radiance: f32) -> i8 {
    // Below 1 by at most half: the exponent as it stands in the number.
    let exponent = (radiance.max(1e-30).to_bits() >> 23) as i32 - 127;
    (-exponent).clamp(-60, 60) as i8
}
