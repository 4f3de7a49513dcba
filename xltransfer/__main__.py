"""Run the command line: `python -m xltransfer` is `xlt`."""

from __future__ import annotations

from xltransfer.cli.main import main

main()
