"""Count and describe the parameters of an RTN."""

from __future__ import annotations

from torch import nn

from xltransfer.rtns.base import RTN, RTNInfo
from xltransfer.utils.parameters import trainable


def parameter_counts(module: nn.Module) -> tuple[int, int]:
    """Count all parameters of a module, and the trained ones."""
    trained = sum(parameter.numel() for parameter in trainable(module).values())
    return sum(parameter.numel() for parameter in module.parameters()), trained


def describe_size(module: nn.Module) -> str:
    """Describe the size: `33,153 parameters`, or `33,153 parameters, none trained`."""
    every, trained = parameter_counts(module)
    if trained == every:
        return f"{every:,} parameters"
    return f"{every:,} parameters, {f'{trained:,}' if trained else 'none'} trained"


def describe_at_base_size(rtn: type[RTN]) -> str:
    """Describe the size with default options at one layer of XLM-R base (hidden size 768)."""
    import transformers

    config = transformers.XLMRobertaConfig()
    try:
        built = rtn.build(RTNInfo(config.hidden_size, (12,), ("source",), config))
    except Exception as error:  # a plugin may raise anything; one with a required option cannot be built here
        return f"size not known with default options ({type(error).__name__}: {error})"
    return f"{describe_size(built)} at one layer of XLM-R base"
