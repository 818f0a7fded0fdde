"""The sub-commands of `dcign`, a file each with a click command named `command`."""
