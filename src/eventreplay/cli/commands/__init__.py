"""What can be typed: names, options, help. The work is in `eventreplay.cli.jobs`."""
