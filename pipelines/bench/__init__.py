"""What `dcign bench` measures: a file a command, beside what it needs."""
