"""What is tested, one subject a file. Scenarios share one cluster and run in the order that harness/__main__.py lists."""
