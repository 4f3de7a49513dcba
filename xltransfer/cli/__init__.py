"""The command line `xlt`, one module a command."""
