"""Raw data files that the library does not ship: from a local folder, else by download."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pooch

from splitmodel.errors import InputError


@dataclass(frozen=True)
class RawFile:
    """A published file, pinned by its hash."""

    name: str
    """File name in the folder that `SPLITMODEL_DATA` names."""
    url: str
    sha256: str

    def path(self) -> Path:
        """Where the file lies: in `SPLITMODEL_DATA`, else in the download cache.

        Raises:
            InputError: if the local file has another hash, or there is none and the download
                fails.
        """
        folder = os.environ.get("SPLITMODEL_DATA")
        if folder and (local := Path(folder, self.name)).is_file():
            found = pooch.file_hash(str(local))
            if found != self.sha256:
                raise InputError(f"{local}: its SHA-256 is {found}, not {self.sha256}")
            return local
        try:
            cached = pooch.retrieve(
                self.url, f"sha256:{self.sha256}", self.name, pooch.os_cache("splitmodel")
            )
        except (OSError, ValueError) as problem:
            raise InputError(
                f"SPLITMODEL_DATA: names no folder with {self.name}, and the download failed: "
                f"{problem}"
            ) from problem
        return Path(cached)


_AZURE = (
    "https://raw.githubusercontent.com/Azure/AzurePublicDataset/"
    "b469a113cedca53ddc3bdea71a143dc4b7d8700c/data"
)

AZURE_TRACES = {
    "conv": RawFile(
        "azure_conv_2023.csv",
        f"{_AZURE}/AzureLLMInferenceTrace_conv.csv",
        "2f1e5b666d4e3055fdbba98598ce2ec307767b9064e03e2fa46676dbcc7d0bf8",
    ),
    "code": RawFile(
        "azure_code_2023.csv",
        f"{_AZURE}/AzureLLMInferenceTrace_code.csv",
        "54e9a6d2a4bd06ba1e060304b900abbc74cbea53de96506e60fe5bb4f2277fb6",
    ),
}
"""Arrivals and sizes of two production services, CC-BY 4.0 (Patel et al., ISCA 2024)."""
