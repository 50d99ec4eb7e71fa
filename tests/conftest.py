"""What all tests share."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from tests.made_once import SHARED_FOLDER, made_once
from tests.nvml_stand_in import build_nvml

# Of torch, in this process and in those that tests start: what is computed must not depend on the number of cores.
os.environ["OMP_NUM_THREADS"] = "1"
# Commands print in the language of the locale.
os.environ["LC_ALL"] = "C.UTF-8"
# The collector walks over everything that torch and Textual have made: at Python's own thresholds a fifth of all processor time.
gc.set_threshold(50_000, 50, 100)


@pytest.fixture(scope="session", autouse=True)
def _shared_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One folder for all workers of the session."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    folder.mkdir(exist_ok=True)
    os.environ[SHARED_FOLDER] = str(folder)
    # What planning keeps: neither the user's, nor what it found out in another session.
    os.environ["FREEZETUI_CACHE"] = str(folder / "cache")


@pytest.fixture(scope="session")
def library() -> Path:
    """The folder with the NVML stand-in, for LD_LIBRARY_PATH."""
    return made_once("nvml", build_nvml)
