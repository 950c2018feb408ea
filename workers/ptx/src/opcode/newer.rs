//! Opcodes that need a GPU newer than sm_80, on which a job must also run.

use super::{Advice, Opcode, no};

const NEWER: &str = "needs a newer GPU than sm_80";
const COPY: Advice = Advice { reason: NEWER, instead: "cp.async.cg and cp.async.wait_group" };
const CLUSTER: Advice = Advice { reason: NEWER, instead: "one block with bar.sync, or two kernels" };
const GRID: Advice = Advice { reason: NEWER, instead: "two kernels, one after the other" };
const STORE: Advice = Advice { reason: NEWER, instead: "st.shared and bar.sync" };
const MULTIMEM: Advice = Advice { reason: NEWER, instead: "ld, st and red on one buffer" };
const MATRIX: Advice = Advice {
    reason: "needs a newer GPU than sm_80, and float tensor cores add in an order of their own",
    instead: "mma.sync with s8 or u8 elements",
};
const PROXY: Advice = Advice { reason: NEWER, instead: "no fence: plain accesses and cp.async need none" };

pub(super) const ROWS: &[Opcode] = &[
    no("barrier.cluster", "waits for the blocks of a cluster", CLUSTER),
    no("clusterlaunchcontrol", "cancels the launch of a cluster", CLUSTER),
    no("cp.async.bulk", "copies bytes or a tensor without threads", COPY),
    no("cp.reduce", "copies bytes and combines them", COPY),
    no(
        "elect",
        "p = whether this lane is the elected one",
        Advice { reason: NEWER, instead: "setp.eq of %laneid and a lane that you choose" },
    ),
    no("fence.mbarrier_init", "orders the initialisation of barriers", PROXY),
    no("fence.proxy", "orders accesses through different proxies", PROXY),
    no("getctarank", "d = rank of the block that owns an address", CLUSTER),
    no("griddepcontrol", "waits for, or starts, a dependent grid", GRID),
    no("mapa", "d = address in another block of the cluster", CLUSTER),
    no("membar.proxy", "orders accesses through different proxies", PROXY),
    no("multimem", "combines memory of several GPUs", MULTIMEM),
    no("red.async", "[a] = [a] op b in another block", STORE),
    no(
        "setmaxnreg",
        "changes the number of registers of a warp",
        Advice { reason: NEWER, instead: ".maxnreg on the kernel" },
    ),
    no("st.async", "stores into another block", STORE),
    no("st.bulk", "fills shared memory", STORE),
    no(
        "stmatrix",
        "stores fragments of matrices",
        Advice { reason: NEWER, instead: "st.shared of each lane's elements" },
    ),
    no("tcgen05", "tensor memory and tensor cores of sm_100", MATRIX),
    no("tensormap", "changes the description of a tensor", COPY),
    no("wgmma", "matrices of a warp group", MATRIX),
];
