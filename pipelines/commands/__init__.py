"""The sub-commands of `dcign`, a file each."""
