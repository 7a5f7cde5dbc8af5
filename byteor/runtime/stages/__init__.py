"""Stages: how one is declared (``@stage``, ``@batch_stage``), found (``resolve``), and the built-in ones."""

from byteor.runtime.stages.api import (
    BatchFunction,
    Example,
    Message,
    MessageFunction,
    Result,
    StageDef,
    StageError,
)
from byteor.runtime.stages.catalogue import ResolvedStage, known_stages, resolve
from byteor.runtime.stages.context import Context
from byteor.runtime.stages.declare import batch_stage, stage

__all__ = [
    "BatchFunction",
    "Context",
    "Example",
    "Message",
    "MessageFunction",
    "ResolvedStage",
    "Result",
    "StageDef",
    "StageError",
    "batch_stage",
    "known_stages",
    "resolve",
    "stage",
]
