"""The parts, in the order of their use on a day with a GPU for 15 minutes, and how long each may take."""

from __future__ import annotations

from gpu_check.running import Part

TOTAL = {"cuda": 480.0, "cpu": 900.0}  # seconds for all of them; on a CPU, which may be shared, only what hangs is late
CPU = 180.0  # seconds for each of them there

PARTS = [
    Part("doctor", "gpu_check.machine:doctor", 40, "what `dcign doctor` finds; a GPU for torch"),
    Part("data", "gpu_check.machine:data", 40, "shards of lit balls for the parts below"),
    Part("captures", "gpu_check.graphs:captures", 100,
         "CUDA graphs for every network, procedure, likelihood, optimiser and precision, against piece by piece"),
    Part("waits", "gpu_check.graphs:waits", 30, "20 updates of each network and optimiser, which may never wait"),
    Part("bench train", "gpu_check.benchmarks:train", 130, "a step against the plain one and the floor"),
    Part("profile", "gpu_check.kernels:profile", 40, "kernels, memory and host time of an update"),
    Part("long run", "gpu_check.training:long_run", 90, "the paper's 12,000 steps, everything included"),
    Part("stop and resume", "gpu_check.training:stop_and_resume", 60, "against the run that was not stopped"),
    Part("use", "gpu_check.using:use", 60, "evaluate, rerender and encode; codes against the CPU's"),
    Part("render", "gpu_check.rendering:render", 100, "several numbers of workers; pictures against llvmpipe's"),
    Part("bench load", "gpu_check.benchmarks:load", 40, "resident and read ahead, against np.load"),
    Part("tests", "gpu_check.machine:tests", 60, "those that skip without a GPU"),
]  # fmt: skip
