"""The command group `xlt data`."""

from __future__ import annotations

import typer

from xltransfer.cli.data import check as data_check
from xltransfer.cli.data import ls as data_ls
from xltransfer.cli.data import prepare as data_prepare
from xltransfer.cli.data import show as data_show

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False)
app.command("ls", help="List the named corpora.")(data_ls.command)
app.command("show", help="Count labels, lengths and subwords of a language's data.")(data_show.command)
app.command("prepare", help="Rebuild a published split from the authors' files: train.tsv, dev.tsv and test.tsv.")(
    data_prepare.command
)
app.command("check", help="Repeated sentences, sentences in two sets, sets with one label, tags that are not BIO.")(
    data_check.command
)
