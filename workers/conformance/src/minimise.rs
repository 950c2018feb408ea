//! Makes a program small while it still shows what it was found for.

use crate::program::{Case, Statement};

/// Leaves out statements, threads and blocks as long as `shows` holds.
#[must_use]
pub fn minimise(case: &Case, shows: impl Fn(&Case) -> bool) -> Case {
    let mut best = case.clone();
    let one_block = Case { grid: [1; 3], ..best.clone() };
    if shows(&one_block) {
        best = one_block;
    }
    for threads in [1, 2, 32, 64] {
        let smaller = Case { block: [threads, 1, 1], ..best.clone() };
        if threads < best.threads() && shows(&smaller) {
            best = smaller;
            break;
        }
    }
    // Large parts first, then single statements, until nothing more can go.
    let mut len = best.body.len().max(1);
    while len > 1 {
        len = len.div_ceil(2);
        let mut at = 0;
        while at < best.body.len() && len < best.body.len() {
            let mut smaller = best.clone();
            smaller.body.drain(at..(at + len).min(smaller.body.len()));
            if shows(&smaller) {
                best = smaller;
            } else {
                at += len;
            }
        }
    }
    loop {
        let mut changed = false;
        let functions = best.functions.len();
        // Part 0 is the kernel, the others are its functions.
        for part in 0..=functions {
            let mut at = 0;
            while at < count(body(&best, part)) {
                let tries = [edited(&best, part, at, false), edited(&best, part, at, true)];
                match tries.into_iter().flatten().find(&shows) {
                    Some(smaller) => {
                        best = smaller;
                        changed = true;
                    }
                    None => at += 1,
                }
            }
        }
        if !changed {
            return best;
        }
    }
}

fn body(case: &Case, part: usize) -> &[Statement] {
    if part == 0 { &case.body } else { &case.functions[part - 1].body }
}

fn count(statements: &[Statement]) -> usize {
    statements
        .iter()
        .map(|statement| match statement {
            Statement::Lines(_) => 1,
            Statement::Nest { parts, .. } => 1 + parts.iter().map(|(_, body)| count(body)).sum::<usize>(),
        })
        .sum()
}

/// The case without one statement, or with what is inside it in its place.
fn edited(case: &Case, part: usize, at: usize, keep_inside: bool) -> Option<Case> {
    let mut case = case.clone();
    let body = if part == 0 { &mut case.body } else { &mut case.functions[part - 1].body };
    let mut at = at;
    edit(body, &mut at, keep_inside).then_some(case)
}

fn edit(statements: &mut Vec<Statement>, at: &mut usize, keep_inside: bool) -> bool {
    for i in 0..statements.len() {
        if *at == 0 {
            let removed = statements.remove(i);
            if keep_inside {
                let Statement::Nest { parts, .. } = removed else { return false };
                let inside: Vec<Statement> = parts.into_iter().flat_map(|(_, body)| body).collect();
                statements.splice(i..i, inside);
            }
            return true;
        }
        *at -= 1;
        if let Statement::Nest { parts, .. } = &mut statements[i] {
            for (_, body) in parts {
                let inside = count(body);
                if *at < inside {
                    return edit(body, at, keep_inside);
                }
                *at -= inside;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Purpose;

    /// A "difference" that one statement deep inside makes is brought down to that statement.
    #[test]
    fn one_statement_is_left() {
        for seed in 0..20 {
            let case = Case::new(seed, Purpose::Engines);
            let shows = |case: &Case| case.work().text.contains("// the random part") && contains(&case.body, "mad.");
            if shows(&case) {
                let small = minimise(&case, shows);
                assert_eq!(count(&small.body), 1, "{:?}", small.body);
                assert_eq!(small.blocks(), 1);
            }
        }
    }

    fn contains(statements: &[Statement], what: &str) -> bool {
        statements.iter().any(|statement| match statement {
            Statement::Lines(lines) => lines.iter().any(|line| line.contains(what)),
            Statement::Nest { parts, .. } => parts.iter().any(|(_, body)| contains(body, what)),
        })
    }
}
