//! Special registers: those of the profile by list, all others refused with their reason.

use super::Advice;

/// Special registers of the profile, without `%` and component, and what they are.
pub(super) const ALLOWED: &[(&str, &str)] = &[
    ("tid", "index of the thread in its block"),
    ("ntid", "threads of a block"),
    ("ctaid", "index of the block"),
    ("nctaid", "blocks of the grid"),
    ("laneid", "position of the thread in its warp"),
    ("lanemask_eq", "one bit at the own lane"),
    ("lanemask_le", "ones up to the own lane"),
    ("lanemask_lt", "ones below the own lane"),
    ("lanemask_ge", "ones from the own lane up"),
    ("lanemask_gt", "ones above the own lane"),
];

const TIME: (&str, &str) = ("clocks depend on time", "a count of your own, passed as a parameter");
const PLACE: (&str, &str) = ("it depends on where a block runs", "%ctaid and %tid");
const SIZE: (&str, &str) = ("it depends on the launch and the GPU", "the size as a parameter");
const CLUSTER: (&str, &str) = ("needs a newer GPU than sm_80", "%ctaid and %nctaid");
const DRIVER: (&str, &str) = ("it depends on the driver", "a parameter");

/// Special registers that exist but may not be used: the start of their name, why, and what instead.
pub(super) const REFUSED: &[(&str, (&str, &str))] = &[
    ("aggr_smem_size", SIZE),
    ("clock", TIME),
    ("cluster", CLUSTER),
    ("current_graph_exec", DRIVER),
    ("dynamic_smem_size", SIZE),
    ("envreg", DRIVER),
    ("globaltimer", TIME),
    ("gridid", ("it depends on what ran before", "a parameter")),
    ("is_explicit_cluster", CLUSTER),
    ("nclusterid", CLUSTER),
    ("nsmid", PLACE),
    ("nwarpid", PLACE),
    ("pm", ("counters depend on the GPU", "a count of your own")),
    ("reserved_smem", SIZE),
    ("smid", PLACE),
    ("total_smem_size", SIZE),
    ("warpid", ("it depends on where a warp runs", "%tid.x / 32")),
];

fn base(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

fn is_allowed(name: &str) -> bool {
    ALLOWED.iter().any(|(allowed, _)| *allowed == base(name))
}

/// Whether PTX has such a special register (name without `%`).
pub(crate) fn is_special(name: &str) -> bool {
    is_allowed(name) || REFUSED.iter().any(|(start, _)| base(name).starts_with(start))
}

/// Why a special register is refused; `None` for those of the profile.
pub(crate) fn refused_special(name: &str) -> Option<Advice> {
    if is_allowed(name) {
        return None;
    }
    let found = REFUSED.iter().find(|(start, _)| base(name).starts_with(start));
    let (reason, instead) = found.map_or(("it is not in the profile", "a parameter"), |(_, why)| *why);
    Some(Advice { reason, instead })
}
