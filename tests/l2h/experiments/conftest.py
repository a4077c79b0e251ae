"""What tests of several processes share."""

from multiprocessing import forkserver, get_context

import dask
import pytest

from l2h.experiments import sweep


@pytest.fixture
def copied_workers(monkeypatch):
    """Workers of sweeps and of Dask that begin at once: copies of a process that has imported torch and nothing else.

    What this process changed they do not know, as those that sweeps start by themselves.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["l2h.experiments.sweep", "distributed"])
    forkserver.ensure_running()
    monkeypatch.setattr(sweep, "get_context", lambda _: context)
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        yield
