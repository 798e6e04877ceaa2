"""Where heavy simulations are computed: in this process, in worker processes, or on a cluster."""

from __future__ import annotations

from campaigns.campaign import ExecutionSpec
from instruments.computing import Computer, InlineComputer


def computer(spec: ExecutionSpec) -> Computer:
    """The computer a campaign asks for. Nothing is started or connected before the first task."""
    if spec.kind == "process":
        from loop.execution_process import ProcessComputer

        return ProcessComputer(spec.workers)
    if spec.kind == "dask":
        from loop.execution_dask import DaskComputer

        return DaskComputer(spec.address)
    return InlineComputer()
