//! How deep in loops the blocks of a program are.

use cranelift_codegen::dominator_tree::DominatorTree;
use cranelift_codegen::flowgraph::ControlFlowGraph;
use cranelift_codegen::ir::types::I32;
use cranelift_codegen::ir::{Block, Function, InstBuilder};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_codegen::loop_analysis::LoopAnalysis;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Switch};

use super::prepare::Prepared;

/// In how many loops each block is: those of a function that has the same blocks, and nothing in them.
pub(super) fn levels(prepared: &Prepared, config: TargetFrontendConfig) -> Vec<u32> {
    let (mut function, mut building) = (Function::new(), FunctionBuilderContext::new());
    let mut b = FunctionBuilder::new(&mut function, &mut building);
    let entry = b.create_block();
    let blocks: Vec<Block> = prepared.program.blocks.iter().map(|_| b.create_block()).collect();
    b.switch_to_block(entry);
    b.ins().jump(blocks[prepared.program.entry as usize], &[]);
    for (at, block) in blocks.iter().enumerate().filter(|(at, _)| prepared.flow.reached[*at]) {
        b.switch_to_block(*block);
        let Some((last, others)) = prepared.flow.successors[at].split_last() else {
            b.ins().return_(&[]);
            continue;
        };
        let mut switch = Switch::new();
        let next: std::collections::BTreeSet<u32> = others.iter().copied().collect();
        (0..).zip(next).for_each(|(i, next)| switch.set_entry(i, blocks[next as usize]));
        let any = b.ins().iconst(I32, 0);
        switch.emit(&mut b, any, blocks[*last as usize]);
    }
    b.seal_all_blocks();
    b.finalize(config);
    let flow = ControlFlowGraph::with_function(&function);
    let dominators = DominatorTree::with_function(&function, &flow);
    let mut loops = LoopAnalysis::new();
    loops.compute(&function, &flow, &dominators);
    blocks.iter().map(|block| loops.loop_level(*block).level() as u32).collect()
}
