//! Parts of pictures in several jobs: any division gives the same bits, and rounds are decided by sums alone.

mod support;

use std::collections::BTreeSet;

use support::{Cpu, bits, small, stage};
use tessera_render::{Aovs, Exposure, Merge, Part, PictureJob, Rounds, Settings, Shot, Tiles, Work, prepare};

const ALL: Aovs = Aovs { noise: true, surface: true };

fn settings() -> Settings {
    Settings { samples: 8, samples_per_unit: 4, aovs: ALL, ..small() }
}

fn part(first_sample: u32, samples: u32, tiles: Tiles) -> Part {
    Part { frame: 0, first_sample, samples, tiles }
}

fn outputs(job: &PictureJob) -> Vec<Vec<u8>> {
    let cpu = Cpu::new(job);
    (0..job.prepared.spec.units).map(|unit| cpu.unit(job, unit)).collect()
}

#[test]
fn jobs_of_any_tiles_and_samples_add_up_to_the_same_bits() {
    let scene = stage();
    let whole = prepare(&scene, &settings()).unwrap();
    let mut expected = Merge::new(&whole.prepared.spec).unwrap();
    Cpu::new(&whole).add(&whole, &mut expected);
    // Six tiles: some in a first job, the rest and later samples in others.
    let shot = Shot::new(&scene, &settings()).unwrap();
    let some = || Tiles::of([0, 4, 5]);
    let works = [
        Work { parts: vec![part(0, 8, some())] },
        Work { parts: vec![part(0, 3, Tiles::of([1, 2, 3])), part(3, 5, Tiles::of([2]))] },
        Work { parts: vec![part(3, 5, Tiles::of([1, 3]))] },
    ];
    let mut merge = Merge::on(settings().film());
    for work in works.iter().rev() {
        let job = shot.job(work).unwrap();
        assert_eq!(job.prepared.blobs()[2], whole.prepared.blobs()[2], "jobs share the scene");
        assert_eq!(job.prepared.spec.units, job.picture.units());
        Cpu::new(&job).add(&job, &mut merge);
    }
    assert!(merge.is_complete(&whole.picture, 0));
    assert_eq!(bits(&merge.image(0)), bits(&expected.image(0)));
    assert_eq!(merge.layers(0), expected.layers(0));
    assert!(merge.missing(&whole.picture.work()).is_empty());
    // What was added by other jobs is known by this one's units.
    assert!(!merge.add(&whole.picture, 0, &vec![0; whole.prepared.spec.output_len() as usize]).unwrap());
}

#[test]
fn what_is_missing_is_found_and_nothing_counts_twice() {
    let shot = Shot::new(&stage(), &settings()).unwrap();
    let work = Work { parts: vec![part(0, 2, Tiles::of([1, 3])), part(2, 2, Tiles::of([3]))] };
    let job = shot.job(&work).unwrap();
    let mut merge = Merge::on(settings().film());
    let blank = vec![0; job.prepared.spec.output_len() as usize];
    for unit in 0..job.prepared.spec.units {
        assert!(merge.add(&job.picture, unit, &blank).unwrap());
    }
    assert_eq!(merge.samples(0), (0, 4));
    let missing = merge.missing(&Work::whole([0, 2], 6));
    let expected = [
        part(0, 6, Tiles::of([0, 2, 4, 5])),
        part(2, 4, Tiles::of([1])),
        part(4, 2, Tiles::of([3])),
        Part { frame: 2, ..part(0, 6, Tiles::All) },
    ];
    assert_eq!(missing.parts, expected);
    // A range of which a part is there.
    let overlapping = shot.job(&Work { parts: vec![part(1, 4, Tiles::of([1]))] }).unwrap();
    assert!(merge.add(&overlapping.picture, 0, &blank).unwrap_err().to_string().contains("before"));
    // Other scenes, sizes and settings do not mix.
    let other = Shot::new(&stage(), &Settings { seed: 3, ..settings() }).unwrap().job(&work).unwrap();
    assert!(merge.add(&other.picture, 0, &blank).unwrap_err().to_string().contains("other settings"));
    let other = Shot::new(&stage(), &Settings { tile: 16, ..settings() }).unwrap();
    let other = other.job(&Work::whole([0], 1)).unwrap();
    let blank = vec![0; other.prepared.spec.output_len() as usize];
    assert!(merge.add(&other.picture, 0, &blank).unwrap_err().to_string().contains("expected"));
}

#[test]
fn work_that_does_not_fit_is_refused() {
    let shot = Shot::new(&stage(), &settings()).unwrap();
    let refused = |parts: Vec<Part>| shot.job(&Work { parts }).unwrap_err().to_string();
    assert!(refused(vec![]).contains("frames"));
    assert!(refused(vec![Part { frame: 1, ..part(0, 1, Tiles::All) }]).contains("frames"));
    assert!(refused(vec![part(0, 0, Tiles::All)]).contains("samples"));
    assert!(refused(vec![part(0, 1, Tiles::of([6]))]).contains("tiles"));
    assert!(refused(vec![part(0, 1, Tiles::of([]))]).contains("tiles"));
    assert!(refused(vec![part(u32::MAX, 2, Tiles::All)]).contains("samples"));
    assert!(refused(vec![part(1, 1, Tiles::All), part(0, 1, Tiles::All)]).contains("order"));
}

#[test]
fn rounds_follow_from_sums_whatever_their_order() {
    let shot = Shot::new(&stage(), &settings()).unwrap();
    let rounds = Rounds { first: 4, most: 16, noise: Some(0.04) };
    let mut merges = [Merge::on(settings().film()), Merge::on(settings().film())];
    let mut history = Vec::new();
    loop {
        let work = merges[0].next_round([0], &rounds);
        assert_eq!(work, merges[1].next_round([0], &rounds));
        if work.is_empty() {
            break;
        }
        let job = shot.job(&work).unwrap();
        let outputs = outputs(&job);
        for unit in 0..outputs.len() {
            let other = outputs.len() - 1 - unit;
            merges[0].add(&job.picture, unit as u64, &outputs[unit]).unwrap();
            merges[1].add(&job.picture, other as u64, &outputs[other]).unwrap();
        }
        history.push(work);
    }
    assert_eq!(history[0], Work::whole([0], 4));
    let counts = merges[0].layers(0).unwrap().samples;
    let distinct: BTreeSet<u32> = counts.into_iter().collect();
    assert!(distinct.len() > 1, "the same samples everywhere: {distinct:?}");
    assert_eq!(distinct.last(), Some(&16), "the lamp's edge is noisy");
    assert!(merges[0].noise(0).unwrap() > 0.0);
    // A round that was cut short is completed first.
    let mut cut = Merge::on(settings().film());
    let job = shot.job(&history[0]).unwrap();
    for (unit, output) in outputs(&job).iter().enumerate().filter(|(unit, _)| *unit != 2) {
        cut.add(&job.picture, unit as u64, output).unwrap();
    }
    let next = cut.next_round([0], &Rounds { noise: Some(1e6), ..rounds });
    assert_eq!(next.parts, [part(0, 4, Tiles::of([2]))]);
    // Without a target, every pixel gets the most.
    let next = merges[0].next_round([0, 1], &Rounds { noise: None, ..rounds });
    assert!(next.parts.iter().any(|part| part.frame == 1 && part.tiles == Tiles::All));
    assert!(merges[0].missing(&Work::whole([0], 16)).parts.len() >= next.of_frames(&[0].into()).parts.len());
}

#[test]
fn sums_on_disk_are_those_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("frame.sums");
    let job = prepare(&stage(), &settings()).unwrap();
    let mut merge = Merge::new(&job.prepared.spec).unwrap();
    assert!(merge.save_frame(0, &file).unwrap_err().to_string().contains("no sums"));
    let outputs = outputs(&job);
    let half = outputs.len() / 2;
    for (unit, output) in outputs.iter().enumerate().take(half) {
        merge.add(&job.picture, unit as u64, output).unwrap();
    }
    merge.save_frame(0, &file).unwrap();
    let mut restored = Merge::new(&job.prepared.spec).unwrap();
    assert_eq!(restored.restore_frame(&file).unwrap(), 0);
    assert_eq!(restored.layers(0), merge.layers(0));
    for merge in [&mut merge, &mut restored] {
        assert_eq!(merge.progress(&job.picture), (half as u64, job.prepared.spec.units));
        for (unit, output) in outputs.iter().enumerate() {
            assert_eq!(merge.add(&job.picture, unit as u64, output).unwrap(), unit >= half);
        }
    }
    assert_eq!(restored.layers(0), merge.layers(0));
    let shot = |seed| Shot::new(&stage(), &Settings { seed, ..settings() }).unwrap();
    assert!(restored.is_of(&shot(0), 0) && !restored.is_of(&shot(1), 0));
    // Any byte that changes is found, and so is another size.
    let bytes = std::fs::read(&file).unwrap();
    for at in [0, 20, 60, bytes.len() / 2, bytes.len() - 1] {
        let mut broken = bytes.clone();
        broken[at] ^= 4;
        std::fs::write(&file, &broken).unwrap();
        assert!(restored.restore_frame(&file).is_err(), "byte {at}");
    }
    std::fs::write(&file, &bytes[..bytes.len() - 8]).unwrap();
    assert!(restored.restore_frame(&file).is_err());
    std::fs::write(&file, &bytes).unwrap();
    assert!(Merge::on(Settings { tile: 16, ..settings() }.film()).restore_frame(&file).is_err());
    // Written frames need no memory, but are still known.
    merge.release(0);
    assert!(merge.is_complete(&job.picture, 0));
    assert_eq!(merge.image(0).tone_mapped(Exposure::Auto), vec![0; 21 * 13 * 3]);
}
