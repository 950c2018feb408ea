"""What a renderer's process is asked and what it answers.

An order is a JSON object on standard input:
  scene, environment, bounces, width, height, threads
  runs   a list of [samples, seed, file of the linear EXR]
The answer is a JSON object on the last line of standard output, times in seconds of the processor, of all threads:
  engine   what the renderer says of itself
  loaded   time until the scene is loaded
  runs     time of each run
"""

import json
import os
import sys
import time


def serve(main):
    order = json.load(sys.stdin)
    # Libraries print to standard output as they like: only the answer goes there.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    about, run = main(order)
    about |= {"loaded": time.process_time(), "runs": []}
    for samples, seed, out in order["runs"]:
        start = time.process_time()
        run(samples, seed, out)
        about["runs"].append(time.process_time() - start)
    print(json.dumps(about), file=answer, flush=True)
