"""The command line: one module a subcommand, thin over the parts that do the work."""
