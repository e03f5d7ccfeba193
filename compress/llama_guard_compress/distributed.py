# SPDX-License-Identifier: Apache-2.0
"""
One process on a CPU or a GPU, or several under torchrun with fully sharded data parallelism (torch 2.6 or newer).

The project's own machines have no GPU: the sharded path has been run with two processes on a CPU only.
"""

import contextlib
import os
from dataclasses import dataclass
from typing import Dict, List

import torch
import torch.distributed as dist

from .model import Guard


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

    def agrees(self, value: int) -> bool:
        """Whether all processes have the same value."""
        values = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value)
        return len(set(values)) == 1


def join_world(threads: int) -> World:
    """Joins the other processes of torchrun, where there are any."""
    torch.set_num_threads(threads)
    size = int(os.environ.get("WORLD_SIZE", "1"))
    device, backend = torch.device("cpu"), "gloo"
    if torch.cuda.is_available():
        device, backend = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))), "nccl"
        torch.cuda.set_device(device)
    if size == 1:
        return World(0, 1, device)
    if not dist.is_initialized():
        dist.init_process_group(backend)
    return World(dist.get_rank(), size, device)


def shard(model: Guard, world: World, bf16: bool) -> None:
    """Spreads weights, gradients and moments over the processes: a unit for each decoder block, and the rest."""
    if world.size == 1:
        return
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    # Weights are gathered in f32, because rounding to INT4 sees them; autocast gives matrix products bf16 operands.
    policy = MixedPrecisionPolicy(reduce_dtype=torch.bfloat16 if bf16 else torch.float32)
    mesh = init_device_mesh(world.device.type, (world.size,))
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)


def precision(world: World, bf16: bool):
    """The context of a forward pass."""
    return torch.autocast(world.device.type, torch.bfloat16) if bf16 else contextlib.nullcontext()


def full_state(model: Guard) -> Dict[str, torch.Tensor]:
    """All weights by name, on every process."""
    return {name: value.full_tensor() if hasattr(value, "full_tensor") else value
            for name, value in model.state_dict().items()}
