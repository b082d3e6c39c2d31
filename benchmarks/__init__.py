"""Measurements that need real corpora; each module is a command: `python -m benchmarks.accuracy`."""
