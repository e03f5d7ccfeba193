# SPDX-License-Identifier: Apache-2.0
"""Compression of Llama Guard 3-1B: pruning, quantization-aware training, distillation, a head of 20 rows.

docs/compression.md of the project describes every step, the data format and what a run costs.
"""
