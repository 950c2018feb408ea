#!/usr/bin/env python3
"""Products of square matrices by PyTorch on one thread of the processor, for `scripts/bench gemm`.

Prints PyTorch's version. Then each line of its input, `f32 SIZE TIMES` or `int8 SIZE TIMES`, is answered with the seconds that one
product took of the processor: x times the transpose of w, as in a layer of a model. Sums of int8 are int32 (`torch._int_mm`).
"""

import sys
import time

try:
    import torch
except ImportError as error:
    sys.exit(f"PyTorch is not there: {error}")

torch.set_num_threads(1)
print(torch.__version__, flush=True)
made = {}
for line in sys.stdin:
    kind, size, times = line.split()
    size, times = int(size), int(times)
    if (kind, size) not in made:
        if kind == "f32":
            made = {(kind, size): [torch.rand(size, size) * 2 - 1 for _ in range(2)]}
        else:
            made = {(kind, size): [torch.randint(-127, 128, (size, size), dtype=torch.int8) for _ in range(2)]}
    x, w = made[kind, size]
    multiply = torch.mm if kind == "f32" else torch._int_mm
    start = time.thread_time()
    for _ in range(times):
        multiply(x, w.T)
    print((time.thread_time() - start) / times, flush=True)
