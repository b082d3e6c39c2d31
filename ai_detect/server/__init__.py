"""The service around a trained model: an HTTP API, the page, jobs for files, metrics and the log.

It stands above the rest of the package, which knows nothing of it: `ai_detect serve` alone imports it, and with it the
packages of the extra `serve`.
"""
