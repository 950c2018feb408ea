//! What `tessera simulate` plays comes out the same on the built program: a sample of its leases, some of every kind from
//! markets of every strategy, is played again, and whoever is paid or loses anything must be paid and lose the same.
//!
//! `TESSERA_STORIES` sets how many, `TESSERA_SEED` of which runs.

use std::sync::LazyLock;

use tessera_protocol::{chance::Chance, verdict::Kind};
use tessera_simulate::{
    Story, sample,
    story::{Mark, Reading, Said, Step},
};
use tessera_tests::sample::{play, run, stage};

/// What was sampled, once for all tests.
static STORIES: LazyLock<Vec<Story>> =
    LazyLock::new(|| sample(setting("TESSERA_SEED", 1), setting("TESSERA_STORIES", 200) as usize));

fn setting(name: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(name) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, expected a number"))
}

#[test]
fn the_program_does_what_the_simulation_says() {
    let rows = run(&STORIES);
    assert_eq!(rows.len(), 8, "a strategy is missing");
    let differences: Vec<&String> = rows.values().flat_map(|row| &row.differences).collect();
    assert!(differences.is_empty(), "{differences:#?}");
}

/// Something that a wrong simulation could say.
struct Mistake {
    name: &'static str,
    /// Makes it in a story, where the story has what it is about.
    make: fn(&mut Story) -> Option<()>,
}

#[rustfmt::skip]
const MISTAKES: [Mistake; 11] = [
    Mistake { name: "one base unit more is paid", make: |story| {
        story.seats.iter_mut().find(|seat| seat.outcome.paid > 0)?.outcome.paid += 1;
        Some(())
    } },
    Mistake { name: "one base unit more is lost", make: |story| {
        story.seats.iter_mut().find(|seat| seat.outcome.lost > 0)?.outcome.lost += 1;
        Some(())
    } },
    Mistake { name: "one base unit less is awarded", make: |story| {
        story.seats.iter_mut().find(|seat| seat.outcome.awarded > 0)?.outcome.awarded -= 1;
        Some(())
    } },
    Mistake { name: "the reserve pays one base unit more", make: |story| {
        story.reserve_paid += 1;
        Some(())
    } },
    Mistake { name: "nothing is confirmed", make: |story| {
        story.seats.iter_mut().find(|seat| matches!(seat.outcome.mark, Mark::Confirmed(_)))?.outcome.mark = Mark::Blank;
        Some(())
    } },
    Mistake { name: "another root is right", make: |story| {
        story.root = Some(story.root? + 1);
        Some(())
    } },
    Mistake { name: "nothing is decided", make: |story| story.root.take().map(drop) },
    Mistake { name: "a chance is three hundredths of it off", make: |story| {
        let reading = story.steps.iter_mut().find_map(|step| match step {
            Step::Drawn(_, draw) => Some(&mut draw.reading),
            _ => None,
        });
        let Reading::Hash(chance, drawn) = reading? else { return None };
        let off = chance.units() * 3 / 100;
        // To the side on which it matters.
        let units = if *drawn { chance.units() + off } else { chance.units() - off };
        *chance = Chance::from_units(units);
        (units < Chance::ONE.units()).then_some(())
    } },
    Mistake { name: "a juror more is asked for", make: |story| {
        let opened = story.steps.iter_mut().find_map(|step| match step {
            Step::Opened(Kind::Dispute, wanted) => Some(wanted),
            _ => None,
        });
        *opened? += 1;
        Some(())
    } },
    Mistake { name: "who was silent has spoken", make: |story| {
        story.seats.iter_mut().find(|seat| seat.said == Said::Nothing)?.said = Said::Root(0);
        Some(())
    } },
    Mistake { name: "who has spoken was silent", make: |story| {
        story.seats.iter_mut().find(|seat| matches!(seat.said, Said::Root(_)))?.said = Said::Nothing;
        Some(())
    } },
];

#[test]
fn no_mistake_of_the_simulation_goes_unseen() {
    let stage = stage();
    for Mistake { name, make } in &MISTAKES {
        let wrong = STORIES.iter().filter_map(|story| {
            let mut wrong = story.clone();
            make(&mut wrong).map(|()| wrong)
        });
        let wrong: Vec<Story> = wrong.take(3).collect();
        assert!(!wrong.is_empty(), "{name}: there is no story about it");
        for story in wrong {
            assert!(play(&stage, &story).difference.is_some(), "{name}: nothing is different in {story:#?}");
        }
    }
}
