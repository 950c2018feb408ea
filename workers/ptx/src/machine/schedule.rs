//! Runs the threads of one block: engines run single threads, this lets them meet at barriers and warp instructions.
//!
//! Threads run in the order of their numbers, each until it leaves or waits; so a block does the same on every host, and
//! both engines report the same fault.

use std::ops::Range;

use super::host::Host;
use super::threads::{Shape, State, Threads};
use crate::collective::{Collective, LANES, Warp};
use crate::error::FaultKind;
use crate::ir::{End, NO_SLOT, Program};

/// A fault, before the launch adds where the block lies.
#[derive(Clone, Debug)]
pub(crate) struct Stopped {
    pub thread: Option<usize>,
    pub line: u32,
    pub kind: FaultKind,
}

/// Runs threads.
pub(crate) trait Engine {
    /// Runs every thread of a range that is ready, in order, until it leaves or waits. Stops at the first fault.
    fn resume(
        &mut self,
        host: &mut Host<'_>,
        threads: &mut Threads,
        range: Range<usize>,
        shape: &Shape,
    ) -> Result<(), Stopped>;

    /// A block of the grid starts.
    fn start(&mut self, _block: u64) {}

    /// These threads met at a barrier. `all`: no other is left.
    fn met(&mut self, _threads: &[usize], _all: bool) {}

    /// Lanes of the warp that starts with thread `first` executed an instruction together. `all`: no other is left.
    fn together(
        &mut self,
        _what: &Collective,
        _line: u32,
        _threads: &mut Threads,
        _first: usize,
        _lanes: u32,
        _all: bool,
    ) {
    }
}

/// Runs one block to its end.
pub(crate) fn block(
    program: &Program,
    engine: &mut impl Engine,
    host: &mut Host<'_>,
    threads: &mut Threads,
    shape: &Shape,
) -> Result<(), Stopped> {
    host.shared.fill(0);
    threads.start(program);
    let warps = threads.count().div_ceil(LANES);
    loop {
        if program.has_collectives {
            for warp in 0..warps {
                let range = warp * LANES..(warp * LANES + LANES).min(threads.count());
                loop {
                    engine.resume(host, threads, range.clone(), shape)?;
                    if !collectives(program, engine, threads, warp, range.clone())? {
                        break;
                    }
                }
            }
        } else {
            engine.resume(host, threads, 0..threads.count(), shape)?;
        }
        host.meter.check().map_err(|kind| Stopped { thread: None, line: 0, kind })?;
        if threads.states.iter().all(|state| *state == State::Exited) {
            return Ok(());
        }
        if !barriers(program, engine, threads)? {
            return Err(stuck(program, threads));
        }
    }
}

/// Threads wait, and none of them can go on.
fn stuck(program: &Program, threads: &Threads) -> Stopped {
    let waiting = threads.states.iter().enumerate().find_map(|(thread, state)| match state {
        State::Barrier(at) | State::Collective(at) => Some((thread, *at)),
        _ => None,
    });
    let (thread, at) = waiting.unwrap_or_default();
    Stopped { thread: Some(thread), line: program.blocks[at as usize].line, kind: FaultKind::Deadlock }
}

/// Executes the collectives of a warp for which all lanes are there. Returns whether any thread can go on.
fn collectives(
    program: &Program,
    engine: &mut impl Engine,
    threads: &mut Threads,
    warp: usize,
    range: Range<usize>,
) -> Result<bool, Stopped> {
    let first = range.start;
    let mut live = 0u32;
    let mut sites: [(u32, u32); LANES] = [(0, 0); LANES];
    let mut count = 0;
    for (lane, state) in threads.states[range].iter().enumerate() {
        live |= u32::from(*state != State::Exited) << lane;
        if let State::Collective(at) = *state {
            match sites[..count].iter_mut().find(|(site, _)| *site == at) {
                Some((_, lanes)) => *lanes |= 1 << lane,
                None => {
                    sites[count] = (at, 1 << lane);
                    count += 1;
                }
            }
        }
    }
    sites[..count].sort_unstable();
    let (slots, mut moved) = (threads.stride, false);
    for (at, mut left) in sites[..count].iter().copied() {
        let block = &program.blocks[at as usize];
        let End::Collective { what, members, next } = &block.end else { continue };
        while left != 0 {
            let lead = left.trailing_zeros() as usize;
            let stopped = |lane: u32, kind| Stopped { thread: Some(first + lane as usize), line: block.line, kind };
            let mut view = Warp::new(threads.warp(warp), slots);
            let wanted = view.word(*members, lead);
            let here = lanes(left).filter(|lane| view.word(*members, *lane) == wanted);
            let here = here.fold(0, |bits, lane| bits | 1u32 << lane);
            left &= !here;
            if here & !wanted != 0 {
                let kind = FaultKind::Warp("a lane executes a warp instruction whose mask does not name it");
                return Err(stopped((here & !wanted).trailing_zeros(), kind));
            }
            if here != wanted & live {
                continue;
            }
            what.run(&mut view, here).map_err(|(lane, kind)| stopped(lane, kind))?;
            engine.together(what, block.line, threads, first, here, here == live);
            lanes(here).for_each(|lane| threads.states[first + lane] = State::Ready(*next));
            moved = true;
        }
    }
    Ok(moved)
}

fn lanes(mask: u32) -> impl Iterator<Item = usize> {
    (0..LANES).filter(move |lane| mask >> lane & 1 != 0)
}

/// Opens the barriers at which all threads have arrived. Returns whether any thread can go on.
fn barriers(program: &Program, engine: &mut impl Engine, threads: &mut Threads) -> Result<bool, Stopped> {
    // Number of the barrier, how many threads it wants, who is there.
    let mut barriers: Vec<(u64, Option<u64>, Vec<usize>)> = Vec::new();
    let mut live = 0;
    for thread in 0..threads.count() {
        let state = threads.states[thread];
        live += usize::from(state != State::Exited);
        let State::Barrier(at) = state else { continue };
        let End::Barrier { id, count, .. } = program.blocks[at as usize].end else { continue };
        let frame = threads.frame(thread);
        let id = frame[id as usize];
        let count = (count != NO_SLOT).then(|| frame[count as usize]);
        match barriers.iter_mut().find(|(other, ..)| *other == id) {
            Some((_, wanted, _)) if *wanted != count => {
                let kind = FaultKind::Warp("threads wait at the same barrier for different numbers of threads");
                return Err(Stopped { thread: Some(thread), line: program.blocks[at as usize].line, kind });
            }
            Some((.., there)) => there.push(thread),
            None => barriers.push((id, count, vec![thread])),
        }
    }
    let mut opened = false;
    for (_, count, there) in barriers {
        let complete = match count {
            None => there.len() == live,
            // Whole warps arrive, also where the last one of the block is not full.
            Some(count) => there.chunk_by(|a, b| a / LANES == b / LANES).count() as u64 * LANES as u64 == count,
        };
        if !complete {
            continue;
        }
        opened = true;
        engine.met(&there, there.len() == live);
        for thread in there {
            if let State::Barrier(at) = threads.states[thread]
                && let End::Barrier { next, .. } = program.blocks[at as usize].end
            {
                threads.states[thread] = State::Ready(next);
            }
        }
    }
    Ok(opened)
}
