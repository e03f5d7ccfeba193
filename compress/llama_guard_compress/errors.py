# SPDX-License-Identifier: Apache-2.0
"""Errors that a user can cause and mend. The command line prints their message alone, without a stack trace."""


class CompressError(Exception):
    """Base class: the message says what was expected, what was found and, where it helps, what to do."""


class DataError(CompressError):
    """A conversation file is damaged, or lacks what a step needs. Names file and line, never the text."""


class CheckpointError(CompressError):
    """A checkpoint lacks a tensor, holds one of another shape, or is damaged."""


class TokenizerError(CompressError):
    """The tokenizer is of another kind, or does not belong to the model or the labels."""


class RecipeError(CompressError):
    """A recipe or an option is wrong."""
