# SPDX-License-Identifier: Apache-2.0
"""
One process on a CPU or a GPU, or one for each GPU under torchrun with fully sharded data parallelism (FSDP).

The sharded path asks for torch 2 and several GPUs; the project's own machines have none, so it has not been run.
"""

import contextlib
import functools
import os
from dataclasses import dataclass
from typing import Dict, List

import torch
import torch.distributed as dist
from torch import nn

from .model import Guard, Layer


@dataclass(frozen=True)
class World:
    """Where this process stands among its like."""
    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def share(self, rows: List[int]) -> List[int]:
        """This process's part of a batch; never empty, so that all take part in every collective."""
        return rows[self.rank::self.size] or rows[:1]

    def wait(self) -> None:
        if self.size > 1:
            dist.barrier()


def join_world(threads: int) -> World:
    """Joins the other processes of torchrun, where there are any."""
    torch.set_num_threads(threads)
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if not torch.cuda.is_available():
        if size > 1:
            raise RuntimeError("torchrun with several processes needs a GPU for each")
        return World(0, 1, torch.device("cpu"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    torch.cuda.set_device(local)
    device = torch.device("cuda", local)
    if size == 1:
        return World(0, 1, device)
    if not dist.is_initialized():
        dist.init_process_group("nccl")
    return World(dist.get_rank(), size, device)


def wrap(model: Guard, world: World, bf16: bool) -> nn.Module:
    """The model itself, or its shards: a unit for each decoder block."""
    if world.size == 1:
        return model
    from torch.distributed.fsdp import FullyShardedDataParallel, MixedPrecision
    from torch.distributed.fsdp.wrap import transformer_auto_wrap_policy

    # Weights are gathered in f32, because rounding to INT4 sees them; autocast gives matrix products bf16 operands.
    policy = functools.partial(transformer_auto_wrap_policy, transformer_layer_cls={Layer})
    reduce = MixedPrecision(reduce_dtype=torch.bfloat16) if bf16 else None
    return FullyShardedDataParallel(model, auto_wrap_policy=policy, mixed_precision=reduce, use_orig_params=True,
                                    device_id=world.device)


def precision(world: World, bf16: bool):
    """The context of a forward pass."""
    return torch.autocast(world.device.type, torch.bfloat16) if bf16 else contextlib.nullcontext()


def clip(model: nn.Module, limit: float) -> None:
    """Scales the gradients so that their norm is at most `limit`."""
    if hasattr(model, "clip_grad_norm_"):
        model.clip_grad_norm_(limit)
    else:
        nn.utils.clip_grad_norm_(model.parameters(), limit)


def full_state(model: nn.Module) -> Dict[str, torch.Tensor]:
    """All weights by their names in the checkpoint, on the leading process; empty on the others."""
    if isinstance(model, Guard):
        return model.state_dict()
    from torch.distributed.fsdp import FullStateDictConfig, FullyShardedDataParallel, StateDictType

    config = FullStateDictConfig(offload_to_cpu=True, rank0_only=True)
    with FullyShardedDataParallel.state_dict_type(model, StateDictType.FULL_STATE_DICT, config):
        return model.state_dict()
