"""Bugs to plant in the source, one at a time, and for each the test of `make test` that catches it.

test_planted_in_source.py holds that each is caught; CONTRIBUTING.md lists them.
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Planted:
    """A bug: in `file`, `right` (which stands there once) becomes `wrong`; `caught_by` fails then."""

    name: str
    file: str
    right: str
    wrong: str
    caught_by: str


PLANTED = (
    Planted(
        "a batch holds a sentence twice",
        "data/batching.py",
        "queue += [i for i in fresh if i not in queue] + [i for i in fresh if i in queue]",
        "queue += fresh",
        "unit/test_tasks.py::test_batches_cover_every_sentence",
    ),
    Planted(
        "pieces of a batch count by sentences, not by labels",
        "data/batching.py",
        "share = rows.weight / (total or 1) if last > first else 0.0",
        "share = (last - first) / size",
        "regression/test_processes.py::test_a_batch_without_labels_is_not_a_loss_of_zero",
    ),
    Planted(
        "padding has a label",
        "data/batching.py",
        "_pad(labels, IGNORED, time)",
        "_pad(labels, 0, time)",
        "unit/test_tasks.py::test_padding_and_halves",
    ),
    Planted(
        "a smaller sample is not part of a larger one",
        "data/sampling.py",
        "for index in order[:size]]",
        "for index in order[len(order) - (size or len(order)):]]",
        "unit/test_sampling.py::test_a_smaller_sample_is_inside_a_larger_one",
    ),
    Planted(
        "a window does not say that it continues a sentence",
        "data/windows.py",
        "continues.append(number > 0)",
        "continues.append(False)",
        "unit/test_windows.py::test_every_word_is_in_one_piece_that_fits",
    ),
    Planted(
        "the tag is taken from the second column",
        "data/readers/words/tagged.py",
        "visible(fields[layout.roles.tag])",
        "visible(fields[1])",
        "unit/test_readers.py::test_tagged_formats",
    ),
    Planted(
        "held-out sentences are learnt from",
        "data/held_out.py",
        'rows = next(everything if phase == "after" else of_known)',
        "rows = next(everything)",
        "unit/test_holding_out.py::test_held_out_sentences_are_in_queries_alone_until_the_finish",
    ),
    Planted(
        "the label stands at a word's last subword",
        "tasks/tagging.py",
        "dict(zip(reversed(words), range(len(words) - 1, -1, -1), strict=True))",
        "dict(zip(words, range(len(words)), strict=True))",
        "unit/test_tasks.py::test_tags_stand_at_first_subwords_and_special_tokens_stay",
    ),
    Planted(
        "a tag that is not in the label set counts as the first label",
        "tasks/tagging.py",
        "ids.get(tag, IGNORED)",
        "ids.get(tag, 0)",
        "unit/test_tasks.py::test_a_tag_outside_the_label_set_takes_no_part_in_the_loss",
    ),
    Planted(
        "macro F1 is micro F1",
        "tasks/base.py",
        'average="macro"',
        'average="micro"',
        "unit/test_tasks.py::test_macro_f1_by_hand",
    ),
    Planted(
        "precision and recall change places",
        "tasks/ner.py",
        "in (f1_score, precision_score, recall_score, accuracy_score)]",
        "in (f1_score, recall_score, precision_score, accuracy_score)]",
        "unit/test_tasks.py::test_entity_f1_by_hand",
    ),
    Planted(
        "the learning rate of the first step is 0",
        "methods/updater.py",
        "rising = (self.done + 1) / self._warmup",
        "rising = self.done / self._warmup",
        "unit/test_methods.py::test_schedule_rises_falls_and_is_never_zero",
    ),
    Planted(
        "gradients are not clipped",
        "methods/updater.py",
        "if self.clip:",
        "if not self.clip:",
        "unit/test_methods.py::test_clipping_bounds_the_gradient",
    ),
    Planted(
        "the last epoch is scored on test, not the best",
        "training/state.py",
        "self.trainee.learner.load_state_dict(self.best.learner)",
        "pass",
        "unit/test_training_state.py::test_the_earliest_of_the_best_epochs_is_kept_and_restored",
    ),
    Planted(
        "of equal epochs the last is kept",
        "training/loop.py",
        "getattr(dev, metric) > getattr(state.best.dev, metric)",
        "getattr(dev, metric) >= getattr(state.best.dev, metric)",
        "unit/test_training_state.py::test_the_earliest_of_the_best_epochs_is_kept_and_restored",
    ),
    Planted(
        "dropout is on while predicting",
        "training/evaluation.py",
        "learner.eval()",
        "learner.train()",
        "regression/test_run.py::test_predictions_on_disk_are_those_of_the_saved_model",
    ),
    Planted(
        "the target batches begin anew after a resume",
        "training/loop.py",
        "islice(order, state.step, None)",
        "islice(order, 0, None)",
        "regression/test_resume.py::test_a_resumed_run_ends_bit_for_bit_as_an_uninterrupted_one",
    ),
    Planted(
        "the optimiser's moments are lost at a resume",
        "methods/updater.py",
        '{"state": moments, "param_groups": groups}',
        '{"state": {}, "param_groups": groups}',
        "regression/test_resume.py::test_a_resumed_run_ends_bit_for_bit_as_an_uninterrupted_one",
    ),
    Planted(
        "random states are not restored at a resume",
        "training/state.py",
        'set_random_state(_without_prefix(tensors, "random"), values["random"])',
        "pass",
        "regression/test_resume.py::test_random_states_of_the_process_go_on",
    ),
    Planted(
        "the best epoch is forgotten at a resume",
        "training/state.py",
        'if (best := values["best"]) is not None:',
        'if (best := values["best"]) is not None and not best:',
        "regression/test_resume.py::test_a_resumed_run_ends_bit_for_bit_as_an_uninterrupted_one",
    ),
    Planted(
        "a changed file of a checkpoint is accepted",
        "training/checkpointing/checkpoint.py",
        "if _measure(file) != expected:",
        "if False:",
        "regression/test_resume.py::test_damage_is_named_and_refused_unless_the_checkpoint_before_is_good",
    ),
    Planted(
        "lines logged after the checkpoint stay in the log",
        "training/run_folder.py",
        "self._log.truncate(min(size, found))",
        "pass",
        "regression/test_resume.py::test_signals_exit_with_130_and_the_command_that_continues",
    ),
)


def table() -> str:
    """The bugs in Markdown."""
    rows = [f"| {bug.name} | `{bug.file}` | `tests/{bug.caught_by}` |" for bug in PLANTED]
    return "\n".join(["| bug | planted in | caught by |", "|---|---|---|", *rows]) + "\n"


def main(folder: Path) -> None:
    """Print the exit status of pytest, for all catching tests without a bug, then for each bug's with that bug.

    Works on a copy of package and tests in an empty folder. Each run is a fork of this process, which has imported
    what is slow to import, and nothing of xltransfer.
    """
    import datasets  # noqa: F401
    import seqeval.metrics  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import torch
    import transformers.models.xlm_roberta.modeling_xlm_roberta  # noqa: F401

    torch.set_num_threads(1)
    assert not any(name.partition(".")[0] == "xltransfer" for name in sys.modules)
    for name in ("xltransfer", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "node_modules")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    print(_status(folder, *sorted({bug.caught_by for bug in PLANTED})), "none", sep="\t", flush=True)
    for bug in PLANTED:
        file = folder / "xltransfer" / bug.file
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(bug.right, bug.wrong), encoding="utf-8")
        print(_status(folder, bug.caught_by), bug.name, sep="\t", flush=True)
        file.write_text(text, encoding="utf-8")


def _status(folder: Path, *tests: str) -> int:
    """0 where all tests pass, 1 where one fails."""
    child = os.fork()
    if child == 0:
        import pytest

        os.chdir(folder)
        sys.dont_write_bytecode = True
        sys.path[:] = [str(folder), *(path for path in sys.path if Path(path or ".").resolve() != ROOT)]
        with open(folder / "output.txt", "a") as output, redirect_stdout(output):
            named = [f"tests/{test}" for test in tests]
            status = pytest.main([*named, "-x", "-m", "not slow", "-p", "no:cacheprovider", "--assert=plain"])
        os._exit(int(status))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
