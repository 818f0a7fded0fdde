"""The benchmarks of `dcign bench`: a file a command, beside what it needs."""
