"""What recording costs beside bare mitmproxy and a plain relay: `python -m benchmarks`."""
