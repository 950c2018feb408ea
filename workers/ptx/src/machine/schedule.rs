//! Runs the threads of one block: engines run single threads, this lets them meet at barriers and warp instructions.
//!
//! Threads run in the order of their numbers, each until it leaves or waits; so a block does the same on every host, and
//! both engines report the same fault.

use std::ops::Range;

use super::checks::Together;
use super::host::Host;
use super::threads::{Shape, State, Threads};
use crate::collective::{Collective, LANES, ROW, Warp};
use crate::error::{FaultKind, Space};
use crate::ir::{End, NO_SLOT, Program, Reduction};

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

    /// A thread reads shared memory in an instruction of its warp.
    fn read_shared(&mut self, _thread: usize, _line: u32, _address: u64, _len: u32) -> Result<(), FaultKind> {
        Ok(())
    }

    /// Lanes of a warp are about to execute an instruction together. An error names the lane.
    fn before_together(&mut self, _at: &Together<'_>) -> Result<(), (u32, FaultKind)> {
        Ok(())
    }

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
                    if !collectives(program, engine, &host.shared, threads, warp, range.clone())? {
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
    shared: &[u8],
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
            let at = Together { what, line: block.line, first, lanes: here, warp: &view };
            engine.before_together(&at).map_err(|(lane, kind)| stopped(lane, kind))?;
            let rows = what.read_rows(&view, here, |lane, address| {
                let row = row(shared, address)?;
                engine.read_shared(first + lane, block.line, address, ROW as u32)?;
                Ok(row)
            });
            rows.and_then(|rows| what.run(&mut view, here, &rows)).map_err(|(lane, kind)| stopped(lane, kind))?;
            engine.together(what, block.line, threads, first, here, here == live);
            lanes(here).for_each(|lane| threads.states[first + lane] = State::Ready(*next));
            moved = true;
        }
    }
    Ok(moved)
}

/// A row of shared memory.
fn row(shared: &[u8], address: u64) -> Result<[u8; ROW], FaultKind> {
    let found = usize::try_from(address).ok().and_then(|at| shared.get(at..)).and_then(<[u8]>::first_chunk);
    found.copied().ok_or(FaultKind::OutOfBounds { space: Space::Shared, address, len: ROW as u32 })
}

fn lanes(mask: u32) -> impl Iterator<Item = usize> {
    (0..LANES).filter(move |lane| mask >> lane & 1 != 0)
}

/// Threads that wait at one barrier of the block.
struct Gathering {
    id: u64,
    /// How many threads it wants, if not all.
    count: Option<u64>,
    reduction: Option<Reduction>,
    there: Vec<usize>,
}

/// Most barriers of a block.
const BARRIERS: u64 = 16;

/// Opens the barriers at which all threads have arrived. Returns whether any thread can go on.
fn barriers(program: &Program, engine: &mut impl Engine, threads: &mut Threads) -> Result<bool, Stopped> {
    let mut gatherings: Vec<Gathering> = Vec::new();
    let mut live = 0;
    for thread in 0..threads.count() {
        let state = threads.states[thread];
        live += usize::from(state != State::Exited);
        let State::Barrier(at) = state else { continue };
        let End::Barrier { id, count, reduction, .. } = program.blocks[at as usize].end else { continue };
        let frame = threads.frame(thread);
        let id = frame[id as usize];
        let count = (count != NO_SLOT).then(|| frame[count as usize]);
        let gathering = gatherings.iter_mut().find(|gathering| gathering.id == id);
        let by = |reduction: Option<Reduction>| reduction.map(|reduction| reduction.by);
        let problem = match &gathering {
            Some(other) if other.count != count => {
                Some("threads wait at the same barrier for different numbers of threads")
            }
            Some(other) if by(other.reduction) != by(reduction) => {
                Some("threads wait at the same barrier in different instructions")
            }
            _ if id >= BARRIERS => Some("the number of a barrier is 0 to 15"),
            _ if count.is_some_and(|count| count == 0 || !count.is_multiple_of(LANES as u64)) => {
                Some("the number of threads at a barrier is a multiple of 32")
            }
            _ => None,
        };
        if let Some(problem) = problem {
            let line = program.blocks[at as usize].line;
            return Err(Stopped { thread: Some(thread), line, kind: FaultKind::Warp(problem) });
        }
        match gathering {
            Some(gathering) => gathering.there.push(thread),
            None => gatherings.push(Gathering { id, count, reduction, there: vec![thread] }),
        }
    }
    let mut opened = false;
    for Gathering { count, there, .. } in gatherings {
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
        reduce(program, threads, &there);
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

/// Gives threads that met what their barrier computes from their predicates.
fn reduce(program: &Program, threads: &mut Threads, there: &[usize]) {
    let reduction = |thread: usize, threads: &Threads| match threads.states[thread] {
        State::Barrier(at) => match program.blocks[at as usize].end {
            End::Barrier { reduction, .. } => reduction,
            _ => None,
        },
        _ => None,
    };
    let mut holds = 0;
    for thread in there {
        let Some(Reduction { p, negated, .. }) = reduction(*thread, threads) else { return };
        holds += u64::from((threads.frame(*thread)[p as usize] != 0) != negated);
    }
    for thread in there {
        let Some(Reduction { by, d, .. }) = reduction(*thread, threads) else { return };
        threads.frame(*thread)[d as usize] = by.result(holds, there.len() as u64);
    }
}
