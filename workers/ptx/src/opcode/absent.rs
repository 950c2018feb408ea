//! Opcodes that sm_80 has and that the profile refuses.

use super::{Advice, Opcode, no};

const TEXTURE: Advice = Advice {
    reason: "textures and surfaces filter with a precision of their own",
    instead: "ld.global from a buffer, and your own interpolation",
};
const ADDRESS: Advice =
    Advice { reason: "pointer values may only be used as addresses", instead: "accesses with the space written out" };
const SPLIT: Advice = Advice {
    reason: "split barriers are not in the profile: who waits for whom could not be checked",
    instead: "bar.sync with the number of threads",
};
const MBARRIER: Advice = Advice {
    reason: "barriers in memory are not in the profile: waiting on them is polling",
    instead: "cp.async.wait_group and bar.sync",
};
const STACK: Advice = Advice {
    reason: "local memory of a size known only at run time is not in the profile",
    instead: "a .local array of fixed size",
};
const VIDEO: Advice = Advice {
    reason: "video instructions are emulated differently from GPU to GPU and are not in the profile",
    instead: "bfe, prmt, add, min, max on whole words (dp4a for sums of bytes)",
};

pub(super) const ROWS: &[Opcode] = &[
    no("alloca", "d = address of new local memory", STACK),
    no("bar.arrive", "arrives at a barrier without waiting", SPLIT),
    no("barrier.arrive", "arrives at a barrier without waiting", SPLIT),
    no("barrier.cta.arrive", "arrives at a barrier without waiting", SPLIT),
    no("brkpt", "stops for a debugger", Advice { reason: "what it does depends on a debugger", instead: "trap" }),
    no("cp.async.mbarrier", "arrives at a barrier in memory when copies end", MBARRIER),
    no(
        "createpolicy",
        "d = an opaque cache policy",
        Advice {
            reason: "cache policies are opaque values that depend on the GPU",
            instead: "the access without .L2::cache_hint",
        },
    ),
    no(
        "discard",
        "[a] = anything",
        Advice { reason: "it leaves memory with any contents", instead: "nothing in its place: leave it out" },
    ),
    no("isspacep", "p = whether an address lies in a space", ADDRESS),
    no("istypep", "p = whether a handle has a type", TEXTURE),
    no("mbarrier", "counts arrivals and bytes at a barrier in memory", MBARRIER),
    no("stackrestore", "frees local memory", STACK),
    no("stacksave", "d = stack pointer", STACK),
    no("suld", "d = element of a surface", TEXTURE),
    no("suq", "d = property of a surface", TEXTURE),
    no("sured", "surface element = element op b", TEXTURE),
    no("sust", "surface element = b", TEXTURE),
    no("tex", "d = filtered texture", TEXTURE),
    no("tld4", "d = four texels", TEXTURE),
    no("txq", "d = property of a texture", TEXTURE),
    no("vabsdiff", "d = |a - b|, then an operation with c", VIDEO),
    no("vabsdiff2", "as vabsdiff on two halves", VIDEO),
    no("vabsdiff4", "as vabsdiff on four bytes", VIDEO),
    no("vadd", "d = a + b, then an operation with c", VIDEO),
    no("vadd2", "as vadd on two halves", VIDEO),
    no("vadd4", "as vadd on four bytes", VIDEO),
    no("vavrg2", "d = average of two halves", VIDEO),
    no("vavrg4", "d = average of four bytes", VIDEO),
    no("vmad", "d = a · b + c of bytes or halves", VIDEO),
    no("vmax", "d = max(a, b), then an operation with c", VIDEO),
    no("vmax2", "as vmax on two halves", VIDEO),
    no("vmax4", "as vmax on four bytes", VIDEO),
    no("vmin", "d = min(a, b), then an operation with c", VIDEO),
    no("vmin2", "as vmin on two halves", VIDEO),
    no("vmin4", "as vmin on four bytes", VIDEO),
    no("vset", "d = a cmp b, then an operation with c", VIDEO),
    no("vset2", "as vset on two halves", VIDEO),
    no("vset4", "as vset on four bytes", VIDEO),
    no("vshl", "d = a << b, then an operation with c", VIDEO),
    no("vshr", "d = a >> b, then an operation with c", VIDEO),
    no("vsub", "d = a - b, then an operation with c", VIDEO),
    no("vsub2", "as vsub on two halves", VIDEO),
    no("vsub4", "as vsub on four bytes", VIDEO),
];
