//! An animation through the network: the client is stopped, a provider is killed, and every frame is the one that is
//! rendered here. With `TESSERA_TEST_ANIMATION=FILE` it is the first animation of that scene.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use tessera_render::{SceneFile, Settings, prepare_frames};
use tessera_sdk::JobFilter;

use crate::{
    network::{Ledger, Network},
    pictures::computed_here,
    process::{PATIENCE, Process, answer, wait_for},
};

const FRAMES: u32 = 24;
const FPS: f32 = 24.0;

/// A plate that bends: three rows of two corners, the upper ones moved by a joint that turns.
fn scene() -> String {
    let (half, turned) = (0.5f32, (0.4f32.cos(), 0.4f32.sin()));
    let mut data: Vec<u8> = Vec::new();
    let mut views = vec![];
    let mut add = |bytes: Vec<u8>| {
        data.resize(data.len().next_multiple_of(4), 0);
        views.push(json!({"buffer": 0, "byteOffset": data.len(), "byteLength": bytes.len()}));
        data.extend(bytes);
    };
    let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let corner = |row: usize, side: usize| [if side == 0 { -half } else { half }, row as f32, 0.0];
    let corners = || (0..3).flat_map(|row| [(row, 0), (row, 1)]);
    add(floats(&corners().flat_map(|(row, side)| corner(row, side)).collect::<Vec<_>>()));
    add(corners().flat_map(|_| [0u8, 1, 0, 0]).collect());
    add(floats(
        &corners().flat_map(|(row, _)| [1.0 - row as f32 / 2.0, row as f32 / 2.0, 0.0, 0.0]).collect::<Vec<_>>(),
    ));
    add([0u16, 1, 3, 0, 3, 2, 2, 3, 5, 2, 5, 4].iter().flat_map(|index| index.to_le_bytes()).collect());
    let moved = |by: f32| [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, by, 0.0, 1.0f32];
    add(floats(&[moved(0.0), moved(-1.0)].concat()));
    add(floats(&[0.0, 1.0]));
    add(floats(&[0.0, 0.0, -turned.1, turned.0, 0.0, 0.0, turned.1, turned.0]));
    let accessor = |view: usize, component: u32, shape: &str, count: usize| json!({"bufferView": view, "componentType": component, "type": shape, "count": count});
    let mut positions = accessor(0, 5126, "VEC3", 6);
    positions["min"] = json!([-0.5, 0.0, 0.0]);
    positions["max"] = json!([0.5, 2.0, 0.0]);
    let mut times = accessor(5, 5126, "SCALAR", 2);
    times["min"] = json!([0.0]);
    times["max"] = json!([1.0]);
    let uri = format!("data:application/octet-stream;base64,{}", STANDARD.encode(&data));
    let file = json!({
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0, 1]}],
        "nodes": [{"mesh": 0, "skin": 0}, {"children": [2]}, {"translation": [0, 1, 0]}],
        "skins": [{"joints": [1, 2], "inverseBindMatrices": 4}],
        "meshes": [{"primitives": [{
            "attributes": {"POSITION": 0, "JOINTS_0": 1, "WEIGHTS_0": 2}, "indices": 3, "material": 0,
        }]}],
        "materials": [{"doubleSided": true, "pbrMetallicRoughness": {"baseColorFactor": [0.8, 0.3, 0.1, 1.0]}}],
        "animations": [{
            "name": "bend",
            "samplers": [{"input": 5, "output": 6}],
            "channels": [{"sampler": 0, "target": {"node": 2, "path": "rotation"}}],
        }],
        "accessors": [
            positions, accessor(1, 5121, "VEC4", 6), accessor(2, 5126, "VEC4", 6), accessor(3, 5123, "SCALAR", 12),
            accessor(4, 5126, "MAT4", 2), times, accessor(6, 5126, "VEC4", 2),
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": data.len(), "uri": uri}],
    });
    file.to_string()
}

/// The frames as this process renders them, as files.
fn rendered_here(scene: &Path) -> Vec<Vec<u8>> {
    let file = SceneFile::open(scene).unwrap();
    let settings = Settings {
        width: 32,
        height: 24,
        samples: 2,
        samples_per_unit: 2,
        tile: 16,
        frames: FRAMES,
        ..Settings::default()
    };
    let job = prepare_frames(&settings, |frame, offset| file.pose(Some(0), (frame as f32 + offset) / FPS)).unwrap();
    let merge = computed_here(&job);
    (0..FRAMES).map(|frame| merge.image(frame).to_exr().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_survive_whoever_is_stopped() {
    let network = Network::start(3, Ledger::InMemory);
    let scene = std::env::var_os("TESSERA_TEST_ANIMATION").map_or_else(
        || {
            let path = network.path("bend.gltf");
            fs::write(&path, scene()).unwrap();
            path
        },
        PathBuf::from,
    );
    let mut workers: Vec<Process> = (1..=3)
        .map(|n| {
            network.register(n);
            network.run_worker(n)
        })
        .collect();
    let frame = |n: u32| -> PathBuf { network.path("frames").join(format!("{n:03}.exr")) };
    let count = || (0..FRAMES).filter(|n| frame(*n).is_file()).count();
    let movie = network.path("bend.mp4");
    let command = |options: &[&str]| {
        let mut command = network.tessera();
        command.args(["--json", "render"]).arg(&scene).args(["--frames", "0-23", "--size", "32x24", "--tile", "16"]);
        command.args(["--exposure", "0", "--price", "0.01", "--units-per-lease", "8", "--lease-seconds", "20"]);
        // Two jobs of six leases of two frames.
        command.args(["--frames-per-job", "12", "--yes"]).arg("--mp4").arg(&movie);
        command.arg("--out").arg(network.path("frames/%03d.exr")).args(options);
        command
    };
    let samples: &[&str] = &["--samples", "2"];

    // Refused before any money moves: 96 units, two replicas, and a fee.
    let (good, _, text) = answer(&mut command(&[samples, &["--max-price", "1.9"]].concat()));
    assert!(!good && text.contains("--max-price") && text.contains("nothing more was posted"), "{text}");
    let tessera = network.connect().await;
    let market = network.env("TESSERA_MARKET").parse().unwrap();
    assert!(tessera.jobs(&market, JobFilter::All).await.unwrap().is_empty(), "something was posted");

    let mut stopped = Process::start("render", command(samples), &network.path("render.log"));
    wait_for("the first frames", PATIENCE, || {
        if count() < 4 {
            stopped.assert_running();
        }
        count() >= 4
    });
    stopped.signal("INT");
    assert!(!stopped.wait(PATIENCE).success());
    assert!(stopped.log().contains("the same command"), "{}", stopped.log());
    let first = (0..FRAMES).find(|n| frame(*n).is_file()).unwrap();
    let written = fs::metadata(frame(first)).unwrap().modified().unwrap();

    let mut goes_on = Process::start("render", command(samples), &network.path("again.log"));
    let victim = workers.pop().unwrap();
    victim.signal("KILL");
    drop(victim);
    // What it had leased is done by the others, or by itself when it is back.
    wait_for("more frames", PATIENCE, || {
        if count() < 8 {
            goes_on.assert_running();
        }
        count() >= 8
    });
    workers.push(network.run_worker(3));
    assert!(goes_on.wait(PATIENCE).success(), "{}", goes_on.log());
    assert_eq!(fs::metadata(frame(first)).unwrap().modified().unwrap(), written, "a finished frame was written again");
    let expected = rendered_here(&scene);
    for (n, expected) in (0..).zip(&expected) {
        assert!(fs::read(frame(n)).unwrap() == *expected, "frame {n} is not what is rendered here");
    }
    assert_ne!(expected[0], expected[23], "it moves");
    assert_eq!(fs::read(&movie).unwrap()[4..8], *b"ftyp");
    assert!(!network.path("frames/preview.png").exists());

    // All is there: nothing is posted any more.
    let (good, result, text) = answer(&mut command(samples));
    assert!(good && result["spent"].is_null(), "{text}");
    assert_eq!((result["jobs"].as_array().unwrap().len(), result["frames"].as_u64()), (2, Some(24)));
    let (good, _, text) = answer(&mut command(&["--samples", "3"]));
    assert!(!good && text.contains("--samples 2 (now 3)") && text.contains("--restart"), "{text}");

    // What is lost is rendered again, and nothing else.
    fs::remove_file(frame(5)).unwrap();
    let (good, result, text) = answer(&mut command(samples));
    assert!(good, "{text}");
    assert_eq!(fs::read(frame(5)).unwrap(), expected[5]);
    let jobs = result["jobs"].as_array().unwrap();
    let history = tessera.job_history(&jobs[2].as_str().unwrap().parse().unwrap()).await.unwrap();
    let units = crate::history::replicas(&history).len();
    assert_eq!((jobs.len(), units), (3, 2), "one lease of four units, twice");
    for job in jobs {
        assert!(tessera.ledger(&job.as_str().unwrap().parse().unwrap()).await.unwrap().balances());
    }
    assert!(tessera.jobs(&market, JobFilter::All).await.unwrap().is_empty(), "every job is closed");
}
