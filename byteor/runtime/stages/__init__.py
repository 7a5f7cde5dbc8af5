"""Stages: how one is declared (``@stage``, ``@batch_stage``), found (``resolve``), and the built-in ones."""

from byteor.runtime.stages.api import (
    BatchFunction,
    Message,
    MessageFunction,
    StageDef,
    StageError,
    batch_stage,
    stage,
)
from byteor.runtime.stages.catalogue import ResolvedStage, known_stages, resolve

__all__ = [
    "BatchFunction",
    "Message",
    "MessageFunction",
    "ResolvedStage",
    "StageDef",
    "StageError",
    "batch_stage",
    "known_stages",
    "resolve",
    "stage",
]
