"""Contract checks for authors of RTNs and backends.

```python
from xltransfer.testing import check_rtn
check_rtn(MyRTN)
```
"""

from __future__ import annotations

from xltransfer.testing.backend_checks import BACKEND_CHECKS, EXACT_CHECKS, check_backend, error_of
from xltransfer.testing.problems import small_problem
from xltransfer.testing.rtn_checks import RTN_CHECKS, RTNCase, check_rtn

__all__ = [
    "BACKEND_CHECKS",
    "EXACT_CHECKS",
    "RTN_CHECKS",
    "RTNCase",
    "check_backend",
    "check_rtn",
    "error_of",
    "small_problem",
]
